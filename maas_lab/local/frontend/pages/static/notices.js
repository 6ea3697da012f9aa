// What happened, where people see it and screen readers say it.

import { button, h } from "./dom.js";

const status = document.querySelector("#status");
const alert = document.querySelector("#alert");

/** Say that something has worked. */
export function say(text) {
  clear();
  status.append(notice("notice", text));
}

/** Say what has failed, and what to do. */
export function complain(error) {
  if (error.status === 401) return; // the view to log in again is there already, and says it
  clear();
  alert.append(notice("notice bad", ...wordsOf(error)));
}

/** Take away what was said: it belongs to a view that is gone. */
export function clear() {
  status.replaceChildren();
  alert.replaceChildren();
}

/** Return an error's words as elements; a fault of these pages says so, and is in the console for whoever mends it. */
export function wordsOf(error) {
  if (error.hint === undefined) {
    console.error(error);
    return [h("strong", {}, "This page has a fault."), " ", `Load it again, and report this: ${error.message}`];
  }
  return [h("strong", {}, error.message), " ", error.hint];
}

function notice(kind, ...words) {
  return h("div", { class: kind }, h("p", {}, ...words), button("Dismiss", clear, { class: "quiet" }));
}
