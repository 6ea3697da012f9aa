// What several views show.

import { columns, share } from "../chart.js";
import { h, table, tiles } from "../dom.js";
import { count, day, hour, money } from "../format.js";

const MEASURES = [
  ["requests", "Requests (hits)", count],
  ["tokens", "Tokens", count],
  ["cost", "Cost", money],
];
const MEASURED = MEASURES.map(([name, title, write]) => ({ title, kind: "number", cell: (row) => write(row[name]) }));
const LOOK = "With the role admin-readonly you see everything here, and change nothing.";

/** A part of a view under its heading. */
export function section(title, ...content) {
  return h("section", {}, h("h2", {}, title), ...content);
}

/** A sentence for those who may only look; nothing for others. */
export const readOnly = (me) => !me.mayChange && h("p", { class: "notice" }, LOOK);

/** A link that looks like a button. */
export const linkButton = (text, hash) => h("a", { href: hash, class: "button primary" }, text);

/** Requests, tokens and cost in large. `usage` has `tokens` as a number or as parts. */
export function totals(usage) {
  const { total, prompt } = typeof usage.tokens === "object" ? usage.tokens : { total: usage.tokens };
  const parts = prompt === undefined ? "" : `${count(prompt)} prompt + ${count(usage.tokens.completion)} completion`;
  const refused = usage.refused ? `${count(usage.refused)} of them refused` : "";
  return tiles([
    ["Requests (hits)", count(usage.requests), refused],
    ["Tokens", count(total), parts],
    ["Cost", money(usage.cost)],
  ]);
}

/** The last 24 hours, or the days where the portal knows no hours: totals, a chart, and its numbers as a table. */
export function recent(hours, days) {
  const points = hours
    ? hours.hours.map((row) => ({ ...row, label: hour(row.hour) }))
    : days.map((row) => ({ ...row, label: day(row.day) }));
  const unit = hours ? "hour" : "day";
  const figure = h("div");
  const draw = (measure) => figure.replaceChildren(chart(points, measure, unit));
  draw(MEASURES[0]);
  return section(
    hours ? "The last 24 hours" : "By day",
    hours && totals(hours),
    choice(draw),
    figure,
    h("details", {}, h("summary", {}, "The chart as a table"), numbers(points, unit)),
  );
}

function choice(draw) {
  const one = (measure, index) => {
    const chosen = { checked: index === 0, on: { change: () => draw(measure) } };
    return h("label", {}, h("input", { type: "radio", name: "measure", ...chosen }), measure[1]);
  };
  return h("fieldset", { class: "choice" }, h("legend", {}, "Show"), MEASURES.map(one));
}

function chart(points, [name, title, write], unit) {
  const values = points.map((point) => ({ label: point.label, value: point[name] }));
  const [most] = values.toSorted((one, other) => other.value - one.value);
  const peak = most?.value ? `the most, ${write(most.value)}, at ${most.label}` : "nothing in this time";
  const summary = `${title} by ${unit}: ${peak}. The table below has the numbers.`;
  return columns({ points: values, write, summary });
}

function numbers(points, unit) {
  const first = { title: unit === "hour" ? "Hour from" : "Day", cell: (row) => row.label };
  return table({ caption: `Usage by ${unit}`, columns: [first, ...MEASURED], rows: points });
}

/** The first column of usage by model. */
export const MODEL = [{ title: "Model", cell: (row) => row.name }];

/** A table of usage with a bar for the cost. `names` are the columns that come first. */
export function usageTable(caption, names, rows, empty) {
  const most = Math.max(...rows.map((row) => row.cost), 0);
  const [requests, ...others] = MEASURED;
  const refused = { title: "Of them refused", kind: "number", cell: (row) => count(row.refused) };
  const bar = { title: "Share of cost", kind: "wide", cell: (row) => [share(row.cost, most)] };
  return table({ caption, columns: [...names, requests, refused, ...others, bar], rows, empty });
}
