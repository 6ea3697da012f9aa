// The user's applications: each is a key, with what it may and what it has spent.

import { copyable } from "../copy.js";
import { ask, show } from "../dialogs.js";
import { h, table, unseen } from "../dom.js";
import { busy } from "../forms.js";
import { count, money, renewal, time } from "../format.js";
import { say } from "../notices.js";
import { applications, block, reveal, revoke, rotate, unblock } from "../portal/applications.js";
import { linkButton } from "./parts.js";

export const applicationsView = {
  title: "Applications",
  draw: async (context) => {
    const keys = await applications();
    if (keys.length === 0) {
      return [
        h("p", { class: "empty" }, "You have no application yet. Create one: you get an API key, and calls that are ready to run."),
        h("p", {}, linkButton("Create application", "#/create")),
      ];
    }
    const caption = "Your applications, the newest first: each has one API key";
    return [
      h("p", {}, linkButton("Create application", "#/create")),
      table({ caption, columns: columns(context), rows: keys }),
    ];
  },
};

const columns = (context) => [
  { title: "Application", cell: (key) => [h("strong", {}, key.application || key.name), h("small", {}, key.models.join(", "))] },
  { title: "API key", cell: (key) => [h("code", {}, `${key.prefix}…`), key.name !== key.application && h("small", {}, key.name)] },
  { title: "State", cell: (key) => [h("span", { class: `state ${key.state.toLowerCase()}` }, key.state), key.blockedBy && h("small", {}, `by ${key.blockedBy}`)] },
  { title: "Created", cell: (key) => time(key.created) },
  { title: "Expires", cell: (key) => (key.expires ? time(key.expires) : "never") },
  { title: "Spent", number: true, cell: (key) => [money(key.spend), h("small", {}, ofBudget(key))] },
  { title: "Limits", cell: (key) => limits(key) },
  { title: "Actions", cell: (key) => actions(key, context) },
];

function ofBudget({ limits: { maxBudget, budgetDuration } }) {
  if (maxBudget === null) return "no budget of its own";
  return [`of ${money(maxBudget)}`, renewal(budgetDuration)].filter(Boolean).join(", ");
}

function limits({ limits: { rpmLimit, tpmLimit } }) {
  const told = [rpmLimit && `${count(rpmLimit)} requests/min`, tpmLimit && `${count(tpmLimit)} tokens/min`].filter(Boolean);
  return told.length ? told.map((one) => h("small", {}, one)) : "none of its own";
}

function actions(key, context) {
  const name = key.application || key.name;
  const act = (text, verb, run, kind) => {
    const go = (event) => busy(event.currentTarget, () => run(key, name, context));
    return h("button", { type: "button", id: `${verb}-${key.id}`, class: kind, on: { click: go } }, text, unseen(` ${name}`));
  };
  return h(
    "div",
    { class: "row" },
    act("Show key", "show", showKey),
    act("Rotate", "rotate", rotateKey),
    key.blocked ? act("Unblock", "block", unblockKey) : act("Block", "block", blockKey),
    act("Revoke", "revoke", revokeKey, "danger"),
  );
}

async function showKey(key, name) {
  const secret = await reveal(key.id);
  show(`API key of “${name}”`, h("p", {}, "The portal has written down that it was shown."), copyable("API key", secret, "secret"));
}

async function rotateKey(key, name, context) {
  const secret = await ask({
    title: `Rotate the API key of “${name}”?`,
    content: [
      h("p", {}, "You get a new key; name, limits and spend stay."),
      h("p", {}, "The old key dies at once: whatever still calls with it is refused until it has the new one."),
    ],
    action: "Rotate",
    run: () => rotate(key.id),
  });
  if (!secret) return;
  await context.redraw();
  show(`New API key of “${name}”`, h("p", {}, "Copy it now and keep it like a password. The old one is dead."), copyable("API key", secret, "secret"));
}

async function blockKey(key, name, context) {
  await block(key);
  await context.redraw();
  say(`“${name}” is blocked: the gateway refuses its calls until you unblock it.`);
}

async function unblockKey(key, name, context) {
  await unblock(key);
  await context.redraw();
  say(`“${name}” may call again.`);
}

async function revokeKey(key, name, context) {
  const done = await ask({
    title: `Revoke “${name}” for good?`,
    content: [
      h("p", {}, `The API key ${key.prefix}… dies at once, and every call with it is refused. It cannot be brought back.`),
      h("p", {}, "What it has spent stays booked, your subscriptions stay. To stop it for a while only, block it."),
    ],
    action: "Revoke for good",
    danger: true,
    run: async () => {
      await revoke(key.id);
      return true;
    },
  });
  if (!done) return;
  await context.redraw();
  say(`“${name}” is revoked.`);
}
