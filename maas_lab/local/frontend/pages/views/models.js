// The catalogue, with what the user may call.

import { button, h, unseen } from "../dom.js";
import { busy } from "../forms.js";
import { count, money } from "../format.js";
import { say } from "../notices.js";
import { askAgain, models, standing, subscribe, subscriptions } from "../portal/catalog.js";
import { linkButton } from "./parts.js";

export const modelsView = {
  title: "Models",
  draw: async (context) => {
    const [known, mine] = await Promise.all([models(), subscriptions()]);
    if (known.length === 0) return h("p", { class: "empty" }, "No model is offered yet; an administrator adds them.");
    return [
      h("p", { class: "lead" }, "Choose a model and create an application: you get an API key and calls that are ready to run."),
      h("p", {}, linkButton("Create application", "#/create")),
      cards(known, (model) => actions(model, mine.get(model.name), context)),
    ];
  },
};

/** The models as cards; `more(model)` is what stands below each. */
export function cards(known, more) {
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
  const create = h("a", { class: "button", href: `#/create?${new URLSearchParams({ model: model.name })}` }, "Create application", unseen(` with ${model.name}`));
  const act = (text, run, done) => {
    const words = [text, unseen(` for ${model.name}`)];
    const go = async (event) => busy(event.currentTarget, async () => {
      await run();
      await context.redraw();
      say(done);
    });
    return h("button", { type: "button", id: `act-${model.name}`, on: { click: go } }, words);
  };
  const offer = {
    active: () => create,
    pending: () => null,
    denied: () => act("Ask again", () => askAgain(subscription), `An administrator looks at ${model.name} again.`),
  };
  const none = () =>
    model.restricted
      ? act("Request access", () => subscribe(model.name), `Your subscription to ${model.name} waits for approval.`)
      : create;
  return h(
    "div",
    { class: "foot" },
    h("p", { class: `state ${subscription?.status ?? "none"}` }, standing(model, subscription)),
    (offer[subscription?.status] ?? none)(),
  );
}
