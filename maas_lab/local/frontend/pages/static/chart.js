// Bars. Everything they show is in a table beside them as well; the browser scales them without scaling any text.

import { h, svg } from "./dom.js";

/**
 * Draw one bar per point.
 *
 * `points` are `{ label, value }` from left to right, `write` writes a value, `summary` says in one sentence what is
 * to be seen. Every sixth label is written below.
 */
export function columns({ points, write, summary }) {
  const most = top(Math.max(...points.map((point) => point.value), 0));
  const bar = ({ label, value }, index) => {
    const height = (100 * value) / most;
    const place = { x: index + 0.12, y: 100 - height, width: 0.76, height };
    return svg("rect", { class: "column", ...place }, svg("title", {}, `${label}: ${write(value)}`));
  };
  const line = (y) => svg("line", { class: "grid", x1: 0, x2: points.length, y1: y, y2: y });
  const size = { viewBox: `0 0 ${points.length} 100`, preserveAspectRatio: "none" };
  const scale = [most, most / 2, 0].map((value) => h("span", {}, write(value)));
  const ticks = points.filter((point, index) => index % 6 === 0).map((point) => h("span", {}, point.label));
  return h(
    "div",
    { class: "chart" },
    h("div", { class: "scale", "aria-hidden": "true" }, scale),
    svg("svg", { ...size, role: "img", "aria-label": summary }, [0, 50, 100].map(line), points.map(bar)),
    h("div", { class: "ticks", "aria-hidden": "true" }, ticks),
  );
}

/** Return the end of a scale: an even number or a decimal of one, so that its half is as short to write. */
function top(most) {
  const power = 10 ** Math.floor(Math.log10(most || 2));
  return [2, 4, 6, 8, 10, 20].map((one) => one * power).find((one) => one >= (most || 2));
}

/** Draw a share of the most as a bar, beside its number; the number says it all, so this says nothing. */
export function share(value, most) {
  const width = most > 0 ? (100 * value) / most : 0;
  const frame = { class: "share", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  const bar = (kind, length) => svg("rect", { class: kind, width: length, height: 1 });
  return svg("svg", frame, bar("track", 100), bar("column", width));
}
