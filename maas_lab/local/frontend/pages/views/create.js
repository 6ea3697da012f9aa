// A new application: what it is called, which models it calls, within which limits; then its key, once.

import { copyable } from "../copy.js";
import { h } from "../dom.js";
import { busy, checkboxes, field, numberIn, RENEWALS } from "../forms.js";
import { money } from "../format.js";
import { complain, say } from "../notices.js";
import { create, maximums } from "../portal/applications.js";
import { gateway, models, standing, subscriptions } from "../portal/catalog.js";
import { curl, python, SET, VARIABLE } from "../snippets.js";
import { linkButton, section } from "./parts.js";

const DAY = 86_400_000;
const LIFETIMES = [["", "never"], ["1", "in a day"], ["7", "in 7 days"], ["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"]];

export const createView = {
  title: "Create application",
  draw: async ({ query }) => {
    const [known, mine, most, address] = await Promise.all([models(), subscriptions(), maximums(), gateway()]);
    if (known.length === 0) return h("p", { class: "empty" }, "No model is offered yet; an administrator adds them.");
    const chosen = query.get("model") ?? (known.length === 1 ? known[0].name : "");
    const place = h("div", {});
    place.append(form(known, mine, most, chosen, (asked) => createAnd(asked, address, place)));
    return place;
  },
};

function form(known, mine, most, chosen, run) {
  const choice = (model) => ({
    value: model.name,
    label: model.name,
    note: `${money(model.input)} and ${money(model.output)} per 1,000 tokens. ${standing(model, mine.get(model.name))}.`,
    checked: model.name === chosen,
  });
  const atMost = (name) => (most[name] == null ? {} : { max: most[name], hint: `At most ${most[name]}.` });
  const go = h("button", { class: "primary large" }, "Create application");
  const asking = h(
    "form",
    { class: "form" },
    h(
      "p",
      {},
      "LiteMaaS, whose interface this portal speaks, has no object “application”. Yours is one subscription per model, and one API key that carries its name.",
    ),
    field("Name", { name: "name", required: true, maxlength: 100, placeholder: "My GenAI App" }),
    checkboxes("Models that it calls", "models", known.map(choice)),
    h(
      "fieldset",
      { class: "grid" },
      h("legend", {}, "Limits of its API key"),
      field("Budget in dollars", { name: "maxBudget", type: "number", min: 0, step: "any", ...atMost("maxBudget") }),
      field("The budget begins anew", { name: "budgetDuration", choices: RENEWALS }),
      field("Requests per minute", { name: "rpmLimit", type: "number", min: 1, step: 1, ...atMost("rpmLimit") }),
      field("Tokens per minute", { name: "tpmLimit", type: "number", min: 1, step: 1, ...atMost("tpmLimit") }),
      field("The key expires", { name: "expires", choices: LIFETIMES }),
    ),
    h("div", { class: "actions" }, go),
  );
  asking.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(go, () => run(asked(asking)));
  });
  return asking;
}

function asked(form) {
  const limits = {};
  for (const name of ["maxBudget", "rpmLimit", "tpmLimit"]) {
    const value = numberIn(form, name);
    if (value !== null) limits[name] = value;
  }
  const { budgetDuration, expires, name } = form.elements;
  if (budgetDuration.value && limits.maxBudget !== undefined) limits.budgetDuration = budgetDuration.value;
  if (expires.value) limits.expiresAt = new Date(Date.now() + DAY * expires.value).toISOString();
  return { name: name.value.trim(), models: new FormData(form).getAll("models"), limits };
}

async function createAnd({ name, models: chosen, limits }, address, place) {
  if (chosen.length === 0) {
    complain({ message: "No model is chosen.", hint: "Tick at least one; an API key opens only the models it names." });
    place.querySelector("input[name=models]").focus();
    return;
  }
  const made = await create(name, chosen, limits);
  const [title, content] = made.key ? ready(name, chosen, made.key, address) : waits(made.waiting);
  const heading = h("h2", { tabindex: "-1" }, title);
  place.replaceChildren(heading, ...content);
  heading.focus();
  if (made.key) say(`“${name}” is created. Copy its API key now.`);
}

function ready(name, chosen, key, address) {
  return [
    `“${name}” is ready`,
    [
      section(
        "Your API key",
        h("p", {}, "Copy it now and keep it like a password: it is gone from here as soon as you go on. Applications can show it again, and the portal writes that down."),
        copyable("API key", key, "secret"),
      ),
      section(
        "Call the model",
        h("p", {}, `These calls read the key from the variable ${VARIABLE}, so that it stands in no script, no notebook and no shell history. Run this line first, then paste the key and press Enter; nothing is shown:`),
        copyable("line that sets the variable", SET),
        h("h3", {}, "curl"),
        copyable("curl call", curl(address, chosen[0])),
        h("h3", {}, "Python, with the OpenAI SDK"),
        copyable("Python call", python(address, chosen[0])),
      ),
      h("p", { class: "actions" }, linkButton("My applications", "#/applications")),
    ],
  ];
}

function waits(waiting) {
  const one = ({ modelId, status, statusReason }) => {
    const words = status === "pending" ? "waits for an administrator’s approval" : `is ${status}${statusReason ? `: ${statusReason}` : ""}`;
    return h("li", {}, `Your subscription to ${modelId} ${words}.`);
  };
  return [
    "Not created yet",
    [
      h("ul", {}, waiting.map(one)),
      h("p", {}, "An API key can be made when all its models are subscribed. Come back after the approval, or create the application now without these models."),
      h("p", { class: "actions" }, linkButton("To the models", "#/models")),
    ],
  ];
}
