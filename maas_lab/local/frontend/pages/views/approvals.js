// Subscriptions to restricted models: an administrator decides.

import { ask } from "../dialogs.js";
import { h, table, unseen } from "../dom.js";
import { busy, field } from "../forms.js";
import { time } from "../format.js";
import { say } from "../notices.js";
import { decide, pending } from "../portal/people.js";
import { readOnly } from "./users.js";

/** Return the view. `me` is who looks. */
export const approvalsView = (me) => ({
  title: "Approvals",
  draw: async (context) => [
    !me.mayChange && readOnly(me),
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
    { title: "User", cell: (row) => h("strong", {}, row.username) },
    { title: "Model", cell: (row) => row.modelId },
    { title: "Since", cell: (row) => time(row.updatedAt ?? row.createdAt) },
  ];
  const button = (row, text, verb, kind) => {
    const go = (event) => busy(event.currentTarget, () => decideOn(row, verb, context));
    return h("button", { type: "button", id: `${verb}-${row.id}`, class: kind, on: { click: go } }, text, unseen(` ${row.username}, ${row.modelId}`));
  };
  const actions = (row) => h("div", { class: "row" }, button(row, "Approve", "approve", "primary"), button(row, "Deny", "deny", "danger"));
  return me.mayChange ? [...found, { title: "Actions", cell: actions }] : found;
}

async function decideOn(row, verb, context) {
  const approve = verb === "approve";
  const done = await ask({
    title: `${approve ? "Approve" : "Deny"} ${row.modelId} for ${row.username}?`,
    content: [
      h("p", {}, approve ? `${row.username} can make API keys for ${row.modelId} from now on.` : `${row.username} gets no API key for ${row.modelId}, and reads your reason.`),
      field("Reason", { name: "reason", maxlength: 500, required: !approve }),
    ],
    action: approve ? "Approve" : "Deny",
    danger: !approve,
    run: async (form) => {
      await decide(verb, row.id, form.elements.reason.value.trim());
      return true;
    },
  });
  if (!done) return;
  await context.redraw();
  say(`${row.modelId} is ${approve ? "approved" : "denied"} for ${row.username}.`);
}
