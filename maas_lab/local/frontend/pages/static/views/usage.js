// The user's own usage and cap.

import { h, tiles } from "../dom.js";
import { money } from "../format.js";
import { budget, ownDays, ownHours } from "../portal/usage.js";
import { linkButton, MODEL, recent, section, totals, usageTable } from "./parts.js";

const DAYS = 30;
const NONE =
  "You have made no request yet. Create an application and run its curl call; what it used is here some seconds later.";

export const usageView = {
  title: "Usage",
  draw: async () => {
    const [mine, hours, days] = await Promise.all([budget(), ownHours(), ownDays(DAYS)]);
    const capped = section("Your cap", cap(mine));
    if (days.requests === 0 && !hours?.requests) {
      return [capped, h("p", { class: "empty" }, NONE), h("p", {}, linkButton("Create application", "#/create"))];
    }
    const table = usageTable("Your usage by model", MODEL, days.models, "No model was called.");
    return [capped, recent(hours, days.days), section(`The last ${DAYS} days`, totals(days), table)];
  },
};

function cap({ maxBudget, currentSpend }) {
  const spent = ["Spent", money(currentSpend), "over all your keys"];
  if (maxBudget == null) return tiles([["Cap", "none", "nobody has set one"], spent]);
  const left = Math.max(0, maxBudget - currentSpend);
  const end = "until the gateway refuses your calls";
  const over = "the gateway refuses your calls; ask an administrator for more";
  return tiles([
    ["Cap", money(maxBudget), "what you may spend, over all your keys"],
    spent,
    ["Left", money(left), left > 0 ? end : over],
  ]);
}
