// JSON over HTTP with the portal's backend, and its refusals in words that say what to do.

import { root, token } from "./session.js";

/** What went wrong, and what to do about it. `status` is 0 when nothing answered. */
export class PortalError extends Error {
  constructor(what, hint, status = 0) {
    super(what);
    this.hint = hint;
    this.status = status;
  }
}

const HINTS = {
  400: "Correct the entry and send it again.",
  403: "Your role does not allow this; ask an administrator.",
  404: "It may be gone: load the view again.",
  409: "Load the view again to see what is there.",
};
const LATER = "Try again in a moment; if it stays, tell whoever runs the portal.";
export const get = (path, query) => call("GET", path, { query });
export const post = (path, body = {}) => call("POST", path, { body });
export const patch = (path, body) => call("PATCH", path, { body });
export const remove = (path) => call("DELETE", path, {});

/** Return all rows of a listing, however many pages it has; with a `body` it is a POST. */
export async function everyRow(path, query, body) {
  const rows = [];
  for (let page = 1, last = 1; page <= last; page += 1) {
    const place = { page, limit: 100 };
    const told = await (body ? post(path, { ...body, ...place }) : get(path, { ...query, ...place }));
    rows.push(...told.data);
    last = told.pagination.totalPages;
  }
  return rows;
}

/** Return what the call answers, and `otherwise` where this portal does not have the path. */
export async function ifServed(call, otherwise) {
  try {
    return await call();
  } catch (error) {
    if (error.status === 404) return otherwise;
    throw error;
  }
}

/** Return the address to log in at: the cluster's form, through this portal's server. */
export async function loginAddress() {
  const { authUrl } = await read(await send("POST", "api/auth/login", {}));
  return new URL(`oauth/authorize${new URL(authUrl).search}`, root);
}

/** Return a file as a Blob. */
export async function download(path, body) {
  const response = await send("POST", `api/v1${path}`, { body });
  if (!response.ok) throw await refusal(response);
  return response.blob();
}

async function call(method, path, content) {
  return read(await send(method, `api/v1${path}`, content));
}

async function send(method, path, { query = {}, body }) {
  const address = new URL(path, root);
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  // Not `Authorization`: proxies of a workbench keep that header for themselves.
  const headers = token() ? { "x-portal-session": token() } : {};
  if (body) headers["content-type"] = "application/json";
  try {
    return await fetch(address, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new PortalError("The portal does not answer.", "Check that it runs (`./lab status`), then try again.");
  }
}

async function read(response) {
  if (!response.ok) throw await refusal(response);
  try {
    return JSON.parse((await response.text()) || "null");
  } catch {
    const hint = "A proxy or a login page stands in front of it: load this page again.";
    throw new PortalError(`The answer (HTTP ${response.status}) is not the portal’s.`, hint, response.status);
  }
}

async function refusal(response) {
  const { message, suggestion } = words(await response.text());
  const { status } = response;
  if (status === 401) dispatchEvent(new Event("session-over"));
  const what = message || `The portal does not do this (HTTP ${status})`;
  const hint = status === 429 ? wait(response) : suggestion || HINTS[status] || LATER;
  return new PortalError(sentence(what), sentence(hint), status);
}

function wait(response) {
  const seconds = Number(response.headers.get("retry-after"));
  return seconds ? `Wait ${seconds} seconds, then try again.` : "Wait a minute, then try again.";
}

/** Find the words in any of the shapes that a refusal has; some have none (`[object Object]`). */
function words(text) {
  let told = {};
  try {
    told = JSON.parse(text) ?? {};
  } catch {
    return {}; // a proxy's page: its status has to do
  }
  const error = typeof told.error === "object" && told.error ? told.error : told;
  const message = [error.message, told.error].find((one) => typeof one === "string" && !one.includes("[object"));
  const suggestion = error.details?.suggestion;
  return { message, suggestion: typeof suggestion === "string" ? suggestion : "" };
}

function sentence(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
