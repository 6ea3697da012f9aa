// What happened, where people see it and screen readers say it.

import { button, h } from "./dom.js";

const status = document.querySelector("#status");
const alert = document.querySelector("#alert");

/** Say that something has worked. */
export function say(text) {
  clear();
  status.append(h("div", { class: "notice" }, h("p", {}, text), dismiss()));
}

/** Say what has failed, and what to do. */
export function complain(error) {
  if (error.status === 401) return; // the view to log in again is there already, and says it
  clear();
  const told = failure(error);
  told.append(dismiss());
  alert.append(told);
}

/** Take away what was said: it belongs to a view that is gone. */
export function clear() {
  status.replaceChildren();
  alert.replaceChildren();
}

/** Return an error's words; a fault of these pages says so, and is in the console for whoever mends it. */
export function failure(error) {
  const ours = error.hint === undefined;
  if (ours) console.error(error);
  const what = ours ? "This page has a fault." : error.message;
  const hint = ours ? `Load it again, and report this: ${error.message}` : error.hint;
  return h("div", { class: "notice bad" }, h("p", {}, h("strong", {}, what), " ", hint));
}

const dismiss = () => button("Dismiss", clear, { class: "quiet" });
