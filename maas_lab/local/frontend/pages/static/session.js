// Who is logged in: a token that lives as long as this tab, under the address that these pages were loaded from.

/** The portal's root: `/` on a laptop, something longer behind a workbench's proxy. */
export const root = new URL("../", import.meta.url);

// One host may serve several portals, each under a path of its own.
const TOKEN = `maas-portal ${root.pathname}`;
const RETURN = `${TOKEN} return`;

/** Keep a token. When its time is over, the portal says so. */
export function keep(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** Return the token, or nothing when nobody is logged in. */
export const token = () => sessionStorage.getItem(TOKEN);

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
