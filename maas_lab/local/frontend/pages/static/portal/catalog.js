// Models, and who may use them.

import { everyRow, get, post } from "../api.js";

// The states of a subscription that is still there.
const LIVE = ["active", "pending", "denied"];

/** Return the models that can be subscribed to. */
export async function models() {
  const rows = await everyRow("/models");
  return rows.filter((row) => row.isActive !== false).map(readModel);
}

/** Return where calls go. */
export async function gateway() {
  return (await get("/config")).litellmApiUrl;
}

/** Return the user's subscriptions by model: of several over time the active one, else the newest. */
export async function subscriptions() {
  const found = new Map();
  for (const row of await everyRow("/subscriptions")) {
    if (row.status === "active" || !found.has(row.modelId)) found.set(row.modelId, row);
  }
  return found;
}

/** Subscribe to a model; what is there already is used. A restricted model's subscription begins as `pending`. */
export async function subscribe(model, known) {
  if (LIVE.includes(known?.status)) return known;
  return post("/subscriptions", { modelId: model });
}

/** Ask the administrators to look again at what they denied. */
export const askAgain = (subscription) => post(`/subscriptions/${subscription.id}/request-review`);

/** Say in words what a subscription allows. */
export function standing(model, subscription) {
  const reason = subscription?.statusReason ? `: ${subscription.statusReason}` : "";
  const words = {
    active: "Subscribed",
    pending: "Waits for an administrator’s approval",
    denied: `Denied${reason}`,
  };
  return words[subscription?.status] ?? (model.restricted ? "Not subscribed; needs approval" : "Not subscribed");
}

/**
 * Return the catalogue's names by those under which LiteMaaS files usage, which are the model server's.
 *
 * Where two models share a server's name, usage does not tell them apart, so it keeps that name.
 */
export function filedNames(known) {
  const filed = known.map((model) => `${model.provider}/${model.served}`);
  const alone = known.filter((_, index) => filed.indexOf(filed[index]) === filed.lastIndexOf(filed[index]));
  return new Map(alone.map((model) => [`${model.provider}/${model.served}`, model.name]));
}

function readModel(row) {
  return {
    name: row.id,
    description: row.description || "",
    context: row.contextLength,
    restricted: Boolean(row.restrictedAccess),
    // Whatever `pricing.unit` says, prices are per token.
    input: 1000 * (row.inputCostPerToken ?? row.pricing?.input ?? 0),
    output: 1000 * (row.outputCostPerToken ?? row.pricing?.output ?? 0),
    provider: row.provider,
    served: row.backendModelName,
  };
}
