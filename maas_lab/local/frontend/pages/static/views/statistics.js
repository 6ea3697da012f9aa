// Everybody's usage, for administrators and auditors.

import { button, h } from "../dom.js";
import { busy, field } from "../forms.js";
import { time } from "../format.js";
import { say } from "../notices.js";
import { allDays, allHours, byApplication, byUser, exported, refreshToday, span } from "../portal/usage.js";
import { MODEL, recent, section, totals, usageTable } from "./parts.js";

const SPANS = [["1", "today (UTC)"], ["7", "the last 7 days"], ["30", "the last 30 days"]];

/** Return the view. The span of days stays chosen when people come back. */
export function statistics() {
  let days = "7";

  const draw = async (context) => {
    const [hours, report, applications] = await Promise.all([allHours(), allDays(days), byApplication(days)]);
    const users = applications ? null : await byUser(days);
    const choose = ({ target }) => {
      days = target.value;
      busy(target, context.redraw);
    };
    const chosen = field("Time", { id: "days", choices: SPANS, value: days, on: { change: choose } });
    return [
      h(
        "div",
        { class: "row spread" },
        h("p", {}, `As of ${time(Date.now())}.`),
        h(
          "div",
          { class: "row" },
          button("Refresh", (event) => refresh(event.currentTarget, context), { id: "refresh" }),
          button("Export as CSV", (event) => busy(event.currentTarget, () => save(days)), { id: "export" }),
        ),
      ),
      recent(hours, report.days),
      section(
        "By application and by model",
        h("div", { class: "narrow" }, chosen),
        totals(report),
        byWhom(applications, users),
        usageTable("Usage by model", MODEL, report.models, NONE),
      ),
    ];
  };

  return { title: "Statistics", draw };
}

const UNTOLD = "This portal does not tell usage by application; here it is by user.";
const NONE = "No request was made in this time.";

function byWhom(applications, users) {
  const user = { title: "User", cell: (row) => row.username };
  if (users) return [h("p", {}, UNTOLD), usageTable("Usage by user", [user], users, NONE)];
  const application = { title: "Application", cell: (row) => row.name };
  return usageTable("Usage by application", [application, user], applications, NONE);
}

function refresh(pressed, context) {
  busy(pressed, async () => {
    await refreshToday();
    await context.redraw();
    say("The statistics are up to date.");
  });
}

async function save(days) {
  const { startDate, endDate } = span(days);
  const address = URL.createObjectURL(await exported(days));
  h("a", { href: address, download: `usage-${startDate}-${endDate}.csv` }).click();
  URL.revokeObjectURL(address);
  say("The CSV file is saved, one line per user.");
}
