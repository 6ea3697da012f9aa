// Subscriptions to restricted models: an administrator decides.

import { ask } from "../dialogs.js";
import { h, table } from "../dom.js";
import { action, field } from "../forms.js";
import { time } from "../format.js";
import { say } from "../notices.js";
import { decide, pending } from "../portal/people.js";
import { readOnly } from "./parts.js";

/** Return the view. `me` is who looks. */
export const approvalsView = (me) => ({
  title: "Approvals",
  draw: async (context) => [
    readOnly(me),
    table({
      caption: "Subscriptions that wait for a decision",
      columns: columns(me, context),
      rows: await pending(),
      empty: "Nobody waits for a decision. Subscriptions to restricted models come here.",
    }),
  ],
});

function columns(me, context) {
  const found = [
    { title: "User", cell: (row) => row.username },
    { title: "Model", cell: (row) => row.modelId },
    { title: "Since", cell: (row) => time(row.updatedAt ?? row.createdAt) },
  ];
  const button = (row, text, verb, kind) =>
    action(text, `${row.username}, ${row.modelId}`, `${verb}-${row.id}`, () => decideOn(row, verb, context), kind);
  const buttons = (row) =>
    h("div", { class: "row" }, button(row, "Approve", "approve", "primary"), button(row, "Deny", "deny", "danger"));
  return me.mayChange ? [...found, { title: "Actions", cell: buttons }] : found;
}

async function decideOn(row, verb, context) {
  const { username, modelId } = row;
  const approve = verb === "approve";
  const word = approve ? "Approve" : "Deny";
  const effect = approve
    ? `${username} can make API keys for ${modelId} from now on.`
    : `${username} gets no API key for ${modelId}, and reads your reason.`;
  const done = await ask({
    title: `${word} ${modelId} for ${username}?`,
    content: [
      h("p", {}, effect),
      field("Reason", { name: "reason", maxlength: 500, required: !approve, optional: approve }),
    ],
    action: word,
    danger: !approve,
    run: (form) => decide(verb, row.id, form.elements.reason.value.trim()),
  });
  if (!done) return;
  await context.redraw();
  say(`${modelId} is ${approve ? "approved" : "denied"} for ${username}.`);
}
