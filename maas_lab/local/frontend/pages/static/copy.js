// Text to take along: shown, with a button that copies it.

import { button, h, unseen } from "./dom.js";

/** Show text with a button that copies it; `what` names it, e.g. `API key`. */
export function copyable(what, text, kind = "") {
  const shown = h("code", { tabindex: "0", role: "group", "aria-label": what }, text);
  const said = h("span", { class: "said", role: "status" });
  const copy = button("Copy", async () => said.replaceChildren(await copied(shown, text)));
  copy.append(unseen(` the ${what}`));
  return h("div", { class: `copyable ${kind}` }, h("pre", {}, shown), h("div", {}, copy, said));
}

async function copied(shown, text) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied.";
  } catch {
    // Not every page may write to the clipboard: not one in a foreign frame, nor one without TLS.
    getSelection().selectAllChildren(shown);
    return "This browser does not let the page copy. The text is selected: press Ctrl+C (⌘C).";
  }
}
