// The catalogue, with what the user may call.

import { h, unseen } from "../dom.js";
import { action } from "../forms.js";
import { count, money } from "../format.js";
import { say } from "../notices.js";
import { askAgain, models, standing, subscribe, subscriptions } from "../portal/catalog.js";
import { linkButton } from "./parts.js";

const LEAD = "Choose a model and create an application: you get an API key and calls that are ready to run.";

export const modelsView = {
  title: "Models",
  draw: async (context) => {
    const [known, mine] = await Promise.all([models(), subscriptions()]);
    return [
      h("p", {}, LEAD),
      h("p", {}, linkButton("Create application", "#/create")),
      h("h2", { class: "unseen" }, "All models"),
      cards(known, (model) => actions(model, mine.get(model.name), context)),
    ];
  },
};

/** The models as cards; `more(model)` is what stands below each. */
export function cards(known, more) {
  if (known.length === 0) return h("p", { class: "empty" }, "No model is offered yet; an administrator adds them.");
  return h("ul", { class: "cards" }, known.map((model) => h("li", { class: "card" }, about(model), more(model))));
}

function about(model) {
  const facts = [
    ["Context length", model.context ? `${count(model.context)} tokens` : "not told"],
    ["Prompt", `${money(model.input)} per 1,000 tokens`],
    ["Answer", `${money(model.output)} per 1,000 tokens`],
  ];
  return [
    h("h3", {}, model.name),
    model.restricted && h("p", { class: "badge" }, "Restricted: an administrator approves each subscription"),
    model.description && h("p", {}, model.description),
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
  ];
}

function actions(model, subscription, context) {
  const { name } = model;
  const create = h(
    "a",
    { class: "button", href: `#/create?${new URLSearchParams({ model: name })}` },
    "Create application",
    unseen(` with ${name}`),
  );
  const act = (text, run, done) =>
    action(text, `for ${name}`, `act-${name}`, async () => {
      await run();
      await context.redraw();
      say(done);
    });
  const again = () => askAgain(subscription);
  const offered = {
    active: create,
    denied: act("Ask again", again, `An administrator looks at ${name} again.`),
    none: model.restricted
      ? act("Request access", () => subscribe(name), `Your subscription to ${name} waits for approval.`)
      : create,
  };
  const status = subscription?.status ?? "none";
  return h(
    "div",
    { class: "foot" },
    h("p", { class: `state ${status}` }, standing(model, subscription)),
    status !== "pending" && (offered[status] ?? offered.none),
  );
}
