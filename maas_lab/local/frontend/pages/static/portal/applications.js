// Applications: for each of their models a subscription, and one key that carries their name.

import { everyRow, get, ifServed, patch, PortalError, post, remove } from "../api.js";
import { inWords } from "../format.js";
import { subscribe, subscriptions } from "./catalog.js";

const LIMITS = ["maxBudget", "budgetDuration", "rpmLimit", "tpmLimit"];

/** Return the user's keys, the newest first. */
export async function applications() {
  const rows = await everyRow("/api-keys");
  return rows.map(readKey).sort((one, other) => other.created.localeCompare(one.created));
}

/** Return what no key may exceed, by the limits' names; empty where nothing is said. */
export async function maximums() {
  const told = await ifServed(() => get("/config/api-key-defaults"), {});
  return told.maximums ?? {};
}

/**
 * Make an application.
 *
 * `limits` are LiteMaaS's, by its names. Returns `{ key }`, or `{ waiting }`: the subscriptions without which no key
 * can be made yet.
 */
export async function create(name, models, limits) {
  await mustBeNew(name);
  const known = await subscriptions();
  const mine = await Promise.all(models.map((model) => subscribe(model, known.get(model))));
  const waiting = mine.filter((one) => one.status !== "active");
  if (waiting.length > 0) return { waiting };
  const made = await post("/api-keys", { name, modelIds: models, ...limits, metadata: { application: name } });
  return { key: made.key };
}

/** Return a key's secret; the portal writes down that it was shown. */
export const reveal = async (id) => (await post(`/api-keys/${id}/reveal`)).key;

/** Replace a key's secret and return the new one. */
export const rotate = async (id) => (await post(`/api-keys/${id}/rotate`)).key;

/** Delete a key for good. */
export const revoke = (id) => remove(`/api-keys/${id}`);

/** Refuse a key's calls, and keep it. */
export async function block(key) {
  const after = await change(key, { isActive: false });
  // LiteMaaS has no switch and overlooks that field; with a budget of nothing its gateway refuses every call.
  if (!readKey(after).blocked) await change(key, { maxBudget: 0 });
}

/** Accept a key's calls again. */
export async function unblock(key) {
  const budget = key.limits.maxBudget === 0 ? { maxBudget: null } : {};
  const after = await change(key, key.active ? budget : { ...budget, isActive: true });
  if (!readKey(after).blocked) return;
  throw new PortalError("This key has a budget of $0.00.", "Create a new application with a larger one.", 409);
}

function change(key, changes) {
  // LiteMaaS forgets every limit that such a call leaves out, so all are sent.
  const kept = Object.fromEntries(Object.entries(key.limits).filter(([, value]) => value != null && value !== ""));
  return patch(`/api-keys/${key.id}`, { ...kept, ...changes });
}

async function mustBeNew(name) {
  const twin = (await applications()).find((key) => key.application === name && (key.active || key.blocked));
  if (!twin) return;
  const hint = "Choose another name, or go to Applications: Rotate gives that one a new key, Revoke removes it.";
  throw new PortalError(`You have an application “${name}” already.`, hint, 409);
}

function readKey(row) {
  const limits = Object.fromEntries(LIMITS.map((name) => [name, row[name] ?? null]));
  const key = {
    id: row.id,
    name: row.name,
    application: row.metadata?.application ?? "",
    models: row.models ?? [],
    prefix: row.keyPrefix ?? row.prefix ?? "",
    created: row.createdAt ?? "",
    expires: row.expiresAt,
    spend: Number(row.currentSpend ?? 0),
    limits: { ...limits, budgetDuration: inWords(limits.budgetDuration) },
    active: row.isActive !== false,
    blocked: row.status === "blocked" || limits.maxBudget === 0,
    blockedBy: row.blockedBy ?? "",
  };
  return { ...key, state: state(row, key) };
}

function state(row, key) {
  if (key.blocked) return "Blocked";
  if (row.status === "revoked") return "Unknown to the gateway";
  if (key.expires && new Date(key.expires) <= new Date()) return "Expired";
  return key.active ? "Active" : "Not active";
}
