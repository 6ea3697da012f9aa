// Users, what they have spent, and the caps that stop them.

import { ask } from "../dialogs.js";
import { button, h, table, unseen } from "../dom.js";
import { busy, field, numberIn, RENEWALS } from "../forms.js";
import { count, money, renewal, things, time } from "../format.js";
import { say } from "../notices.js";
import { accounts, cap, users } from "../portal/people.js";

const PAGE = 20;

/** Return the view. `me` is who looks. */
export function usersView(me) {
  let shown = PAGE;
  let wanted = "";

  const draw = async (context) => {
    const people = (await users()).filter((one) => one.username.includes(wanted));
    const rows = await accounts(people.slice(0, shown));
    const more = people.length - rows.length;
    const search = (event) => {
      event.preventDefault();
      [wanted, shown] = [event.target.elements.name.value.trim(), PAGE];
      context.redraw();
    };
    return [
      h("p", {}, "A cap limits what a user may spend over all their keys, so a second key does not help. The gateway enforces it from the next call on."),
      !me.mayChange && readOnly(me),
      h("form", { class: "row", on: { submit: search } }, field("Name contains", { name: "name", value: wanted }), h("button", { id: "search" }, "Find")),
      table({ caption: "Users and their caps", columns: columns(me, context), rows, empty: "Nobody of that name has logged in so far." }),
      more > 0 && h("p", {}, button(`Show ${things(Math.min(more, PAGE), "more user")}`, () => { shown += PAGE; context.redraw(); }, { id: "more" })),
    ];
  };

  return { title: "Users and caps", draw };
}

/** The sentence for those who may only look. */
export function readOnly(me) {
  return h("p", { class: "notice" }, `You are logged in as ${me.username} with the role admin-readonly: you see everything here, and change nothing.`);
}

function columns(me, context) {
  const found = [
    { title: "User", cell: (row) => [h("strong", {}, row.username), h("small", {}, row.fullName)] },
    { title: "Roles", cell: (row) => (row.roles ?? []).join(", ") },
    { title: "Last login", cell: (row) => time(row.lastLoginAt) },
    { title: "Keys", number: true, cell: (row) => count(row.activeApiKeysCount) },
    { title: "Spent", number: true, cell: (row) => money(row.currentSpend) },
    { title: "Cap", number: true, cell: (row) => [row.maxBudget == null ? "none" : money(row.maxBudget), h("small", {}, renewal(row.budgetDuration))] },
    { title: "Requests/min", number: true, cell: (row) => limit(row.rpmLimit) },
    { title: "Tokens/min", number: true, cell: (row) => limit(row.tpmLimit) },
  ];
  const change = (row) => {
    const go = (event) => busy(event.currentTarget, () => changeCap(row, context));
    return h("button", { type: "button", id: `cap-${row.id}`, on: { click: go } }, "Change cap", unseen(` of ${row.username}`));
  };
  return me.mayChange ? [...found, { title: "Actions", cell: change }] : found;
}

const limit = (value) => (value == null ? "none" : count(value));

async function changeCap(row, context) {
  const renewals = RENEWALS.some(([span]) => span === (row.budgetDuration ?? "")) ? RENEWALS : [...RENEWALS, [row.budgetDuration, `every ${row.budgetDuration}`]];
  const done = await ask({
    title: `Cap of ${row.username}`,
    content: [
      h("p", {}, `${row.username} has spent ${money(row.currentSpend)}. An empty field means no limit.`),
      field("Budget in dollars", { name: "maxBudget", type: "number", min: 0, step: "any", value: row.maxBudget }),
      field("The budget begins anew", { name: "budgetDuration", choices: renewals, value: row.budgetDuration ?? "" }),
      field("Requests per minute", { name: "rpmLimit", type: "number", min: 0, step: 1, value: row.rpmLimit }),
      field("Tokens per minute", { name: "tpmLimit", type: "number", min: 0, step: 1, value: row.tpmLimit }),
    ],
    action: "Set the cap",
    run: (form) => set(row, form),
  });
  if (!done) return;
  await context.redraw();
  say(`The cap of ${row.username} is set; the gateway enforces it from the next call on.`);
}

/** Send what was changed, and nothing else: what is left out stays. */
async function set(row, form) {
  const asked = { budgetDuration: form.elements.budgetDuration.value || null };
  for (const name of ["maxBudget", "rpmLimit", "tpmLimit"]) asked[name] = numberIn(form, name);
  const changes = Object.fromEntries(Object.entries(asked).filter(([name, value]) => value !== (row[name] ?? null)));
  if (Object.keys(changes).length > 0) await cap(row.id, changes);
  return true;
}
