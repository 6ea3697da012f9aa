// Users, what they have spent, and the caps that stop them.

import { ask } from "../dialogs.js";
import { h, table } from "../dom.js";
import { action, busy, field, numeral, RENEWALS } from "../forms.js";
import { count, money, renewal, time } from "../format.js";
import { say } from "../notices.js";
import { accounts, cap, users } from "../portal/people.js";
import { readOnly } from "./parts.js";

const MOST = 60; // each is a request of its own
const WHAT =
  "A cap limits what a user may spend over all their keys, so a second key does not help. " +
  "The gateway enforces it from the next call on.";

const UNDO = "An empty field means no limit; a limit that is set can be changed, not taken away.";

/** Return the view. `me` is who looks. What is searched for stays when people come back. */
export function usersView(me) {
  let wanted = "";

  const draw = async (context) => {
    const people = (await users()).filter((one) => one.username.includes(wanted));
    const rows = await accounts(people.slice(0, MOST));
    const search = (event) => {
      event.preventDefault();
      wanted = event.target.elements.name.value.trim();
      busy(event.submitter, context.redraw);
    };
    return [
      h("p", {}, WHAT),
      readOnly(me),
      h(
        "form",
        { class: "row", on: { submit: search } },
        field("Name contains", { name: "name", value: wanted }),
        h("button", { id: "search" }, "Find"),
      ),
      table({
        caption: "Users and their caps",
        columns: columns(me, context),
        rows,
        empty: "Nobody of that name has logged in so far.",
      }),
      people.length > MOST && h("p", {}, `The first ${MOST} of ${count(people.length)}: search to see the others.`),
    ];
  };

  return { title: "Users and caps", draw };
}

function columns(me, context) {
  const limit = (value, write = count) => (value == null ? "none" : write(value));
  const found = [
    { title: "User", cell: (row) => [h("strong", {}, row.username), h("small", {}, row.fullName)] },
    { title: "Roles", cell: (row) => (row.roles ?? []).join(", ") },
    { title: "Last login", cell: (row) => time(row.lastLoginAt) },
    { title: "Keys", kind: "number", cell: (row) => count(row.activeApiKeysCount) },
    { title: "Spent", kind: "number", cell: (row) => money(row.currentSpend) },
    {
      title: "Cap",
      kind: "number",
      cell: (row) => [limit(row.maxBudget, money), h("small", {}, renewal(row.budgetDuration))],
    },
    { title: "Requests/min", kind: "number", cell: (row) => limit(row.rpmLimit) },
    { title: "Tokens/min", kind: "number", cell: (row) => limit(row.tpmLimit) },
  ];
  const change = (row) => action("Change cap", `of ${row.username}`, `cap-${row.id}`, () => changeCap(row, context));
  return me.mayChange ? [...found, { title: "Actions", cell: change }] : found;
}

async function changeCap(row, context) {
  const { username, budgetDuration } = row;
  // A limit that is set can be changed and not taken away, so its field must not become empty.
  const number = (label, name, step) =>
    field(label, { name, type: "number", min: 0, step, value: row[name], required: row[name] != null });
  const spans = budgetDuration ? RENEWALS.slice(1) : RENEWALS;
  const known = !budgetDuration || spans.some(([span]) => span === budgetDuration);
  const choices = known ? spans : [[budgetDuration, `every ${budgetDuration}`], ...spans];
  const done = await ask({
    title: `Cap of ${username}`,
    content: [
      h("p", {}, `${username} has spent ${money(row.currentSpend)}. ${UNDO}`),
      number("Budget in dollars", "maxBudget", "any"),
      field("The budget begins anew", { name: "budgetDuration", choices, value: budgetDuration }),
      number("Requests per minute", "rpmLimit", 1),
      number("Tokens per minute", "tpmLimit", 1),
    ],
    action: "Set the cap",
    run: (form) => set(row, form),
  });
  if (!done) return;
  await context.redraw();
  say(`The cap of ${username} is set; the gateway enforces it from the next call on.`);
}

/** Send what was changed, and nothing else: what is left out stays. */
async function set(row, form) {
  const asked = { budgetDuration: form.elements.budgetDuration.value || null };
  for (const name of ["maxBudget", "rpmLimit", "tpmLimit"]) asked[name] = numeral(form, name);
  const changes = Object.entries(asked).filter(([name, value]) => value !== (row[name] ?? null));
  if (changes.length > 0) await cap(row.id, Object.fromEntries(changes));
}
