// Questions and secrets in front of everything else; the browser keeps the focus in them and gives it back.

import { button, h } from "./dom.js";
import { busy } from "./forms.js";
import { failure } from "./notices.js";

const open = new Set();
let number = 0;

/** Close all dialogs, and take what they show out of the page. */
export function closeAll() {
  for (const dialog of open) dialog.close();
}

/** Show something until it is dismissed; when it is gone, nothing of it is left in the page. */
export function show(title, ...content) {
  return opened(title, (dialog) => [
    ...content,
    h("div", { class: "actions" }, button("Close", () => dialog.close(), { class: "primary" })),
  ]);
}

/**
 * Ask before something is done.
 *
 * `action` is the words on the button; `run(form)` does it, and while it fails the dialog stays and says why.
 * Returns a promise of what `run` returned, else true; undefined when people thought better of it.
 */
export function ask({ title, content, action, run, danger = false }) {
  let result;
  const closed = opened(title, (dialog) => {
    const alert = h("div", { role: "alert" });
    // The key press that opened a dangerous dialog must not answer it as well.
    const go = h("button", { class: danger ? "danger" : "primary" }, action);
    const form = h(
      "form",
      { class: "form" },
      ...content,
      alert,
      h("div", { class: "actions" }, go, button("Cancel", () => dialog.close(), { autofocus: danger })),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      alert.replaceChildren();
      const act = async () => {
        result = (await run(form)) ?? true;
        dialog.close();
      };
      busy(go, act, (error) => alert.append(failure(error)));
    });
    return form;
  });
  return closed.then(() => result);
}

function opened(title, fill) {
  const id = `dialog-${(number += 1)}`;
  const dialog = h("dialog", { "aria-labelledby": id });
  dialog.append(...[h("h2", { id }, title), fill(dialog)].flat());
  document.body.append(dialog);
  open.add(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      open.delete(dialog);
      dialog.remove();
      resolve();
    });
  });
}
