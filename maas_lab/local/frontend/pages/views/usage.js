// The user's own usage and cap.

import { h, tiles } from "../dom.js";
import { money } from "../format.js";
import { budget, ownDays, ownHours } from "../portal/usage.js";
import { linkButton, section, timeline, totals, usageTable } from "./parts.js";

const DAYS = 30;

export const usageView = {
  title: "Usage",
  draw: async () => {
    const [mine, hours, days] = await Promise.all([budget(), ownHours(), ownDays(DAYS)]);
    if (days.requests === 0 && !hours?.requests) {
      return [
        section("Your cap", cap(mine)),
        h("p", { class: "empty" }, "You have made no request yet. Create an application and run its curl call; what it used is here some seconds later."),
        h("p", {}, linkButton("Create application", "#/create")),
      ];
    }
    const recent = hours ? section("The last 24 hours", totals(hours), ...timeline(hours)) : section("By day", ...timeline(null, days.days));
    return [
      section("Your cap", cap(mine)),
      recent,
      section(
        `The last ${DAYS} days`,
        totals(days),
        usageTable("Your usage by model", [{ title: "Model", cell: (row) => row.name }], days.models, "No model was called."),
      ),
    ];
  },
};

function cap({ maxBudget, currentSpend }) {
  const spent = ["Spent", money(currentSpend), "over all your keys"];
  if (maxBudget == null) return tiles([["Cap", "none", "nobody has set one"], spent]);
  const left = Math.max(0, maxBudget - currentSpend);
  const note = left > 0 ? "until the gateway refuses your calls" : "the gateway refuses your calls; ask an administrator for more";
  return tiles([["Cap", money(maxBudget), "what you may spend, over all your keys"], spent, ["Left", money(left), note]]);
}
