// One view at a time, chosen by the address's hash, so that the server needs to know no views.

import { closeAll } from "./dialogs.js";
import { button, h } from "./dom.js";
import { clear, complain, wordsOf } from "./notices.js";

/**
 * Show the view that the address names, now and whenever that changes.
 *
 * `find(path)` returns a view: `title`, and `draw(context)`, a promise of elements. `context` has the address's
 * `query` and `redraw()`, which draws the same view anew and keeps the focus. Returns `show`, for a change of views
 * without a change of address.
 */
export function route(main, find) {
  let turn = 0;

  async function show() {
    const mine = (turn += 1);
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const view = find(path);
    const heading = h("h1", { tabindex: "-1" }, view.title);
    const body = h("div", { class: "view", "aria-busy": "true" }, h("p", { class: "loading" }, "Loading…"));
    const context = { query: new URLSearchParams(query), redraw: () => fill(true) };
    document.title = `${view.title} – MaaS portal`;
    closeAll();
    clear();
    main.replaceChildren(heading, body);
    heading.focus();
    await fill(false);

    async function fill(again) {
      body.setAttribute("aria-busy", "true");
      const drawn = await view.draw(context).catch((error) => (again ? complain(error) : failure(error, show)));
      if (mine !== turn) return; // somebody has gone on meanwhile
      const focused = again ? document.activeElement?.id : "";
      if (drawn) body.replaceChildren(...[drawn].flat(Infinity).filter(Boolean));
      body.removeAttribute("aria-busy");
      if (again && !main.contains(document.activeElement)) (document.getElementById(focused) ?? heading).focus();
    }
  }

  addEventListener("hashchange", () => (location.hash.startsWith("#/") || !location.hash) && show());
  return show;
}

function failure(error, retry) {
  return [
    h("div", { class: "notice bad", role: "alert" }, h("p", {}, ...wordsOf(error))),
    h("p", {}, button("Try again", retry)),
  ];
}
