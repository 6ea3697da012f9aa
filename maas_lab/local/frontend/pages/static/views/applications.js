// The user's applications: each is a key, with what it may and what it has spent.

import { copyable } from "../copy.js";
import { ask, show } from "../dialogs.js";
import { h, table } from "../dom.js";
import { action } from "../forms.js";
import { count, money, renewal, time } from "../format.js";
import { say } from "../notices.js";
import { applications, block, reveal, revoke, rotate, unblock } from "../portal/applications.js";
import { linkButton } from "./parts.js";

const NONE = "You have no application yet. Create one: you get an API key, and calls that are ready to run.";

export const applicationsView = {
  title: "Applications",
  draw: async (context) => [
    h("p", {}, linkButton("Create application", "#/create")),
    table({
      caption: "Your applications, the newest first: each has one API key",
      columns: columns(context),
      rows: await applications(),
      empty: NONE,
    }),
  ],
};

const columns = (context) => [
  { title: "Application", cell: (key) => [h("strong", {}, called(key)), h("small", {}, key.models.join(", "))] },
  { title: "API key", cell: (key) => h("code", {}, `${key.prefix}…`) },
  {
    title: "State",
    cell: ({ state, blockedBy }) => [
      h("span", { class: `state ${state.toLowerCase()}` }, state),
      blockedBy && h("small", {}, `by ${blockedBy}`),
    ],
  },
  { title: "Created", cell: (key) => time(key.created) },
  { title: "Expires", cell: (key) => (key.expires ? time(key.expires) : "never") },
  { title: "Spent", kind: "number", cell: (key) => [money(key.spend), h("small", {}, ofBudget(key.limits))] },
  { title: "Limits", cell: (key) => rates(key.limits) },
  { title: "Actions", cell: (key) => actions(key, context) },
];

const called = (key) => key.application || key.name;

function ofBudget({ maxBudget, budgetDuration }) {
  if (maxBudget === null) return "no budget of its own";
  return [`of ${money(maxBudget)}`, renewal(budgetDuration)].filter(Boolean).join(", ");
}

function rates({ rpmLimit, tpmLimit }) {
  const told = [rpmLimit && `${count(rpmLimit)} requests/min`, tpmLimit && `${count(tpmLimit)} tokens/min`];
  const set = told.filter(Boolean).map((one) => h("small", {}, one));
  return set.length > 0 ? set : "none of its own";
}

function actions(key, context) {
  const name = called(key);
  const act = (text, verb, run, kind) => action(text, name, `${verb}-${key.id}`, () => run(key, name, context), kind);
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
  const told = h("p", {}, "The portal has written down that it was shown.");
  show(`API key of “${name}”`, told, copyable("API key", secret, "secret"));
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
  const told = h("p", {}, "Copy it now and keep it like a password. The old one is dead.");
  show(`New API key of “${name}”`, told, copyable("API key", secret, "secret"));
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
      h("p", {}, `The API key ${key.prefix}… dies at once, and every call with it is refused, for ever.`),
      h("p", {}, "What it has spent stays booked, your subscriptions stay. To stop it for a while only, block it."),
    ],
    action: "Revoke for good",
    danger: true,
    run: () => revoke(key.id),
  });
  if (!done) return;
  await context.redraw();
  say(`“${name}” is revoked.`);
}
