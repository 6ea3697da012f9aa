// A new application: what it is called, which models it calls, within which limits; then its key, once.

import { copyable } from "../copy.js";
import { h } from "../dom.js";
import { busy, checkboxes, field, numeral, RENEWALS } from "../forms.js";
import { money } from "../format.js";
import { complain, say } from "../notices.js";
import { create, maximums } from "../portal/applications.js";
import { gateway, models, standing, subscriptions } from "../portal/catalog.js";
import { curl, python, SET, VARIABLE } from "../snippets.js";
import { linkButton, section } from "./parts.js";

const DAY = 86_400_000;
const LIFETIMES = [["", "never"], ["1", "in a day"], ["7", "in 7 days"], ["30", "in 30 days"], ["365", "in a year"]];
const NUMBERS = [
  ["Budget in dollars", "maxBudget", { min: 0, step: "any" }],
  ["Requests per minute", "rpmLimit", { min: 1 }],
  ["Tokens per minute", "tpmLimit", { min: 1 }],
];
const WHAT =
  "LiteMaaS, whose interface this portal speaks, has no object “application”. " +
  "Yours is one subscription per model, and one API key that carries its name.";
const KEEP =
  "Copy it now and keep it like a password: it is gone when you leave this view. " +
  "Applications can show it again, and the portal writes that down.";
const WHY =
  `These calls read the key from the variable ${VARIABLE}, so that it stands in no script, no notebook and no shell ` +
  "history. Run this line first, then paste the key and press Enter; nothing is shown:";
const WAIT =
  "An API key can be made when all its models are subscribed. " +
  "Come back after the approval, or leave these models out.";
const UNCHOSEN = {
  message: "No model is chosen.",
  hint: "Tick at least one: an API key opens only the models that it names.",
};

export const createView = {
  title: "Create application",
  draw: async ({ query }) => {
    const [known, mine, most, address] = await Promise.all([models(), subscriptions(), maximums(), gateway()]);
    const chosen = query.get("model") ?? (known.length === 1 ? known[0].name : "");
    const place = h("div");
    place.append(form(known, mine, most, chosen, (asked) => createAnd(asked, address, place)));
    return place;
  },
};

function form(known, mine, most, chosen, run) {
  const choice = (model) => ({
    value: model.name,
    label: model.name,
    note: `${standing(model, mine.get(model.name))}. ${prices(model)} per 1,000 tokens`,
    checked: model.name === chosen,
  });
  const [budget, ...rates] = NUMBERS.map(([label, name, bounds]) => {
    const bound = most[name] == null ? {} : { max: most[name], hint: `At most ${most[name]}.` };
    return field(label, { name, type: "number", optional: true, ...bounds, ...bound });
  });
  const go = h("button", { class: "primary" }, "Create application");
  const asking = h(
    "form",
    { class: "form" },
    h("p", {}, WHAT),
    field("Name", { name: "name", required: true, maxlength: 255, placeholder: "My GenAI App" }),
    checkboxes("Models that it calls", "models", known.map(choice)),
    h(
      "fieldset",
      { class: "grid" },
      h("legend", {}, "Limits of its API key"),
      budget,
      field("The budget begins anew", { name: "budgetDuration", choices: RENEWALS }),
      rates,
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

const prices = ({ input, output }) => `Prompt ${money(input)}, answer ${money(output)}`;

function asked(form) {
  const { budgetDuration, expires, name } = form.elements;
  const given = NUMBERS.map(([, field]) => [field, numeral(form, field)]).filter(([, value]) => value !== null);
  const limits = Object.fromEntries(given);
  if (budgetDuration.value && limits.maxBudget !== undefined) limits.budgetDuration = budgetDuration.value;
  if (expires.value) limits.expiresAt = new Date(Date.now() + DAY * expires.value).toISOString();
  return { name: name.value.trim(), models: new FormData(form).getAll("models"), limits };
}

async function createAnd({ name, models: chosen, limits }, address, place) {
  if (chosen.length === 0) {
    complain(UNCHOSEN);
    place.querySelector("input[name=models]")?.focus();
    return;
  }
  const { key, waiting } = await create(name, chosen, limits);
  const heading = h("h2", { tabindex: "-1" }, key ? `“${name}” is ready` : "Not created yet");
  place.replaceChildren(heading, ...(key ? ready(chosen[0], key, address) : waits(waiting)));
  heading.focus();
  if (key) say(`“${name}” is created. Copy its API key now.`);
}

function ready(model, key, address) {
  return [
    section("Your API key", h("p", {}, KEEP), copyable("API key", key, "secret")),
    section(
      "Call the model",
      h("p", {}, WHY),
      copyable("line that sets the variable", SET),
      h("h3", {}, "curl"),
      copyable("curl call", curl(address, model)),
      h("h3", {}, "Python, with the OpenAI SDK"),
      copyable("Python call", python(address, model)),
    ),
    h("p", {}, linkButton("My applications", "#/applications")),
  ];
}

function waits(waiting) {
  const one = ({ modelId, status, statusReason }) => {
    const state = status === "pending" ? "waits for an administrator’s approval" : `is ${status}`;
    return h("li", {}, `Your subscription to ${modelId} ${[state, statusReason].filter(Boolean).join(": ")}.`);
  };
  return [
    h("ul", {}, waiting.map(one)),
    h("p", {}, WAIT),
    h("p", {}, linkButton("To the models", "#/models")),
  ];
}
