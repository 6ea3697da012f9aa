// What was used: by hour, by model, by application. Numbers are added up only where the portal gives parts.

import { download, everyRow, get, ifServed, post } from "../api.js";
import { filedNames, models } from "./catalog.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Return the user's own cap and spend. */
export const budget = () => get("/usage/budget");

/** Return usage of the last days, the user's own or everybody's. */
export const ownDays = (days) => report("/usage/analytics", days);
export const allDays = (days) => report("/admin/usage/analytics", days);

/** Return the last 24 hours likewise; nothing where the portal knows only days, as LiteMaaS does. */
export const ownHours = () => hours("/usage/hours");
export const allHours = () => hours("/admin/usage/hours");

/** Make the portal look at today's calls again. */
export const refreshToday = () => post("/admin/usage/refresh-today");

/** Return everybody's usage as a CSV file, one line per user. */
export const exported = (days) => download("/admin/usage/export", { ...span(days), format: "csv" });

/** Return usage by application and user; nothing where the portal does not tell it. */
export async function byApplication(days) {
  const rows = await ifServed(() => everyRow("/admin/usage/by-key", {}, span(days)), null);
  if (!rows) return null;
  const groups = new Map();
  for (const row of rows) {
    const name = row.application || row.keyName;
    const key = `${name}\n${row.username}`;
    groups.set(key, [...(groups.get(key) ?? []), { ...row, ...readRow(row), name }]);
  }
  return byCost([...groups.values()].map((group) => ({ ...group[0], ...total(group) })));
}

/** Return usage by user. */
export async function byUser(days) {
  const rows = await everyRow("/admin/usage/by-user", {}, span(days));
  return byCost(rows.map((row) => ({ ...row, ...readRow(row) })));
}

/** Return the first day and the last of a span that ends today; days are the gateway's, so UTC. */
export function span(days) {
  const iso = (moment) => new Date(moment).toISOString().slice(0, 10);
  return { startDate: iso(Date.now() - (days - 1) * DAY), endDate: iso(Date.now()) };
}

async function report(path, days) {
  const [told, catalogue] = await Promise.all([post(path, span(days)), models()]);
  const names = filedNames(catalogue);
  const rows = (told.topModels ?? []).map((row) => ({ ...readRow(row), name: names.get(row.modelId) ?? row.modelId }));
  return {
    requests: told.totalRequests,
    tokens: readTokens(told.totalTokens ?? {}),
    cost: told.totalCost?.total ?? 0,
    models: byCost(rows),
    days: (told.dailyUsage ?? []).map((row) => ({ ...readRow(row), day: row.date })),
  };
}

async function hours(path) {
  const told = await ifServed(() => get(path, { hours: 24 }), null);
  if (!told) return null;
  const first = Math.floor(new Date(told.since) / HOUR);
  const found = [];
  for (let hour = first; hour <= Math.floor(Date.now() / HOUR); hour += 1) {
    const rows = told.data.filter((row) => Math.floor(new Date(row.hour) / HOUR) === hour);
    found.push({ hour: hour * HOUR, ...total(rows.map(readHour)) });
  }
  return { hours: found, ...total(found) };
}

/** Read an hour's row; a refused call is a request (a hit) as well. */
function readHour(row) {
  const refused = Number(row.rejected ?? 0);
  const [requests, tokens, cost] = [row.requests, row.tokens, row.cost].map((one) => Number(one ?? 0));
  return { requests: requests + refused, refused, tokens, cost };
}

function readRow(row) {
  const told = row.metrics ?? row;
  const tokens = told.tokens?.total ?? told.tokens;
  return { requests: told.requests, refused: told.failedRequests ?? 0, tokens, cost: told.cost };
}

/** Read tokens; parts that do not add up (LiteMaaS counts some twice) are left out, so that nobody relies on them. */
function readTokens({ total = 0, prompt, completion }) {
  return prompt + completion === total ? { total, prompt, completion } : { total };
}

function total(rows) {
  const sum = (name) => rows.reduce((whole, row) => whole + row[name], 0);
  return { requests: sum("requests"), refused: sum("refused"), tokens: sum("tokens"), cost: sum("cost") };
}

function byCost(rows) {
  return rows.sort((one, other) => other.cost - one.cost || other.requests - one.requests);
}
