// Who is logged in: a token that lives as long as this tab, under the address that these pages were loaded from.

/** The portal's root: `/` on a laptop, something longer behind a workbench's proxy. */
export const root = new URL("../", import.meta.url);

// One host may serve several portals, each under a path of its own.
const TOKEN = `maas-portal ${root.pathname}`;
const RETURN = `${TOKEN} return`;

/** Keep a token. `expiresIn` is in seconds. */
export function keep(token, expiresIn) {
  const until = Date.now() + 1000 * Number(expiresIn || 86400);
  sessionStorage.setItem(TOKEN, JSON.stringify({ token, until }));
}

/** Return the token, or nothing when nobody is logged in. */
export function token() {
  const kept = JSON.parse(sessionStorage.getItem(TOKEN) ?? "null");
  return kept && kept.until > Date.now() ? kept.token : "";
}

/** Forget who is logged in. */
export function forget() {
  sessionStorage.removeItem(TOKEN);
}

/** Remember the view to come back to after logging in. */
export function returnTo(hash) {
  sessionStorage.setItem(RETURN, hash);
}

/** Return that view's hash, once; only ever one of this page. */
export function takeReturn() {
  const hash = sessionStorage.getItem(RETURN) ?? "";
  sessionStorage.removeItem(RETURN);
  return hash.startsWith("#/") ? hash : "";
}
