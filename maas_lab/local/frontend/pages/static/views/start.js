// Before anybody has logged in: what this is, and what there is.

import { loginAddress } from "../api.js";
import { button, h } from "../dom.js";
import { busy } from "../forms.js";
import { models } from "../portal/catalog.js";
import { returnTo } from "../session.js";
import { cards } from "./models.js";

const OVER = " Log in again; you come back to where you were.";

/** Return the view; `over` says that a session has ended by itself. */
export const start = (over) => ({
  title: "Models as a service",
  draw: async () => [
    over && h("div", { class: "notice", role: "alert" }, h("p", {}, h("strong", {}, "Your session is over."), OVER)),
    h(
      "p",
      {},
      "Here you get a key for language models that somebody else runs, and call them from your own application. ",
      "Every request is counted, so you see what it costs, and administrators see who uses what.",
    ),
    h("p", {}, button("Log in", logIn, { class: "primary", id: "log-in" })),
    h("h2", {}, "The models"),
    cards(await models(), () => []),
  ],
});

function logIn(event) {
  busy(event.currentTarget, async () => {
    const address = await loginAddress();
    returnTo(location.hash);
    location.assign(address);
  });
}
