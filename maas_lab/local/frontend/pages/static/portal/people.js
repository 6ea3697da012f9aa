// Users with their roles and caps, and the subscriptions that administrators decide about.

import { everyRow, get, patch, PortalError, post } from "../api.js";
import { inWords } from "../format.js";

// The portal's own user: nobody logs in as that one.
const SYSTEM = "00000000-0000-0000-0000-000000000001";

/** Return who is logged in; `mayLook` is what an auditor may, `mayChange` only an administrator. */
export async function me() {
  const told = await get("/auth/me");
  const mayChange = told.roles.includes("admin");
  // `adminReadonly` is what LiteMaaS's own documents call the role.
  const mayLook = mayChange || told.roles.some((role) => role === "admin-readonly" || role === "adminReadonly");
  return { ...told, mayChange, mayLook };
}

/** Return everybody who has logged in so far, by name. */
export async function users() {
  const { users: rows } = await get("/admin/users");
  const people = rows.filter((row) => row.userId !== SYSTEM);
  return people.sort((one, other) => one.username.localeCompare(other.username));
}

/** Return what the portal knows about each of these users. */
export const accounts = (people) => Promise.all(people.map(account));

async function account({ userId }) {
  const told = await get(`/admin/users/${userId}`);
  return { ...told, budgetDuration: inWords(told.budgetDuration) };
}

/** Set limits of a user. A limit can be changed, not taken away: the gateway overlooks that wish. */
export const cap = (id, limits) => patch(`/admin/users/${id}/budget-limits`, limits);

/** Return the subscriptions that wait for a decision, with who asks. */
export async function pending() {
  const rows = await everyRow("/admin/subscriptions", { statuses: "pending" });
  const waiting = rows.filter((row) => row.status === "pending"); // a portal may not know that filter
  return waiting.map((row) => ({ ...row, username: row.user?.username ?? row.username ?? row.userId }));
}

/** Approve or deny a subscription: `verb` is which. */
export async function decide(verb, id, reason) {
  const body = { subscriptionIds: [id], ...(reason && { reason }) };
  const done = await post(`/admin/subscriptions/${verb}`, body);
  if (done.failed === 0) return;
  const why = done.errors.map((one) => one.error ?? one).join("; ");
  throw new PortalError(`It is as it was: ${why}.`, "Load the view again to see what is there.", 409);
}
