// The portal's pages: who is logged in decides which views there are.

import { button, h } from "./dom.js";
import { me } from "./portal/people.js";
import { route } from "./router.js";
import { forget, token } from "./session.js";
import { applicationsView } from "./views/applications.js";
import { approvalsView } from "./views/approvals.js";
import { createView } from "./views/create.js";
import { modelsView } from "./views/models.js";
import { linkButton } from "./views/parts.js";
import { start } from "./views/start.js";
import { statistics } from "./views/statistics.js";
import { usageView } from "./views/usage.js";
import { usersView } from "./views/users.js";

const main = document.querySelector("#main");
const nav = document.querySelector("#nav");
const who = document.querySelector("#who");

const missing = {
  title: "There is no such page",
  draw: async () => h("p", {}, linkButton("To the models", "#/models")),
};
// Drawn while it is not known yet who has logged in; a failure of that has a button to try again.
const entering = {
  title: "MaaS portal",
  draw: async () => {
    enter(await me());
    await show();
  },
};

let views = null; // by path; none until it is known who has logged in
let home = "models";
let over = false; // whether a session has ended by itself

const show = route(main, find);
addEventListener("session-over", () => leave(true));
document.querySelector("#skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address's hash names the view, so it cannot name a place in it
  main.querySelector("h1").focus();
});
await show();

function find(path) {
  if (!token()) return start(over);
  if (!views) return entering;
  const name = path || home;
  for (const link of nav.querySelectorAll("a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return views[name] ?? missing;
}

function enter(user) {
  over = false;
  const everybody = { models: modelsView, applications: applicationsView, usage: usageView };
  const few = { statistics: statistics(), users: usersView(user), approvals: approvalsView(user) };
  const linked = user.mayLook ? { ...everybody, ...few } : everybody;
  home = user.mayLook ? "statistics" : "models";
  views = { ...linked, create: createView };
  const link = ([path, view]) => h("li", {}, h("a", { href: `#/${path}` }, view.title));
  nav.replaceChildren(h("ul", {}, Object.entries(linked).map(link)));
  nav.hidden = false;
  who.replaceChildren(h("span", {}, user.username), button("Log out", () => leave(false), { class: "quiet" }));
}

function leave(bySelf) {
  forget();
  views = null;
  over = bySelf;
  nav.hidden = true;
  nav.replaceChildren();
  who.replaceChildren();
  // After an end that nobody wanted, the address stays: the next login comes back to it.
  if (!bySelf) history.replaceState(null, "", location.pathname);
  show();
}
