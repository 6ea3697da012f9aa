// Bars. Everything they show is in a table beside them as well; the browser scales them without scaling any text.

import { h, svg } from "./dom.js";

/**
 * Draw one bar per point.
 *
 * `points` are `{ label, value }` from left to right, `write` writes a value, `summary` says in one sentence what is
 * to be seen. Every sixth label is written below.
 */
export function columns({ points, write, summary }) {
  const most = Math.max(...points.map((point) => point.value), 0);
  const bar = ({ label, value }, index) => {
    const height = most ? (100 * value) / most : 0;
    const place = { x: index + 0.12, y: 100 - height, width: 0.76, height };
    return svg("rect", { class: "column", ...place }, svg("title", {}, `${label}: ${write(value)}`));
  };
  const line = (y) => svg("line", { class: "grid", x1: 0, x2: points.length, y1: y, y2: y });
  const frame = { viewBox: `0 0 ${points.length} 100`, preserveAspectRatio: "none", role: "img", "aria-label": summary };
  const ticks = points.filter((point, index) => index % 6 === 0).map((point) => h("span", {}, point.label));
  return h(
    "div",
    { class: "chart" },
    h("div", { class: "scale", "aria-hidden": "true" }, [most, most / 2, 0].map((value) => h("span", {}, write(value)))),
    svg("svg", frame, [0, 50, 100].map(line), points.map(bar)),
    h("div", { class: "ticks", "aria-hidden": "true" }, ticks),
  );
}

/** Draw a share of the most as a bar, beside its number; the number says it all, so this says nothing. */
export function share(value, most) {
  const width = most > 0 ? (100 * value) / most : 0;
  const frame = { class: "share", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", frame, svg("rect", { class: "track", width: 100, height: 1 }), svg("rect", { class: "column", width, height: 1 }));
}
