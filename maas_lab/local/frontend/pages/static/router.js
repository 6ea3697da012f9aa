// One view at a time, chosen by the address's hash, so that the server needs to know no views.

import { closeAll } from "./dialogs.js";
import { button, h } from "./dom.js";
import { clear, failure } from "./notices.js";

/**
 * Show the view that the address names, now and whenever that changes.
 *
 * `find(path)` returns a view: `title`, and `draw(context)`, a promise of elements. `context` has the address's
 * `query`, and `redraw()`, which draws the view anew, keeps the focus, and fails as `draw` does. Returns `show`, for a
 * change of views without a change of address.
 */
export function route(main, find) {
  let turn = 0;
  let last = ""; // where the focus was, to find that place again in a view that is drawn anew
  main.addEventListener("focusin", (event) => (last = event.target.id));

  async function show() {
    const mine = (turn += 1);
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const view = find(path);
    const heading = h("h1", { tabindex: "-1" }, view.title);
    const body = h("div", { class: "view", "aria-busy": "true" }, h("p", {}, "Loading…"));
    const context = { query: new URLSearchParams(query), redraw: () => fill(true) };
    document.title = `${view.title} – MaaS portal`;
    closeAll();
    clear();
    main.replaceChildren(heading, body);
    heading.focus();
    await fill(false);

    async function fill(again) {
      body.setAttribute("aria-busy", "true");
      const drawn = await view.draw(context).catch((error) => {
        body.removeAttribute("aria-busy");
        if (again) throw error; // what was shown is better than nothing
        return failed(error);
      });
      if (mine !== turn) return; // somebody has gone on meanwhile
      body.replaceChildren(...[drawn].flat(Infinity).filter(Boolean));
      body.removeAttribute("aria-busy");
      if (again) (document.getElementById(last) ?? heading).focus();
    }
  }

  const failed = (error) => [h("div", { role: "alert" }, failure(error)), h("p", {}, button("Try again", show))];

  addEventListener("hashchange", () => (location.hash.startsWith("#/") || !location.hash) && show());
  return show;
}
