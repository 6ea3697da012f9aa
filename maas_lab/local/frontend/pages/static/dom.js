// Make elements. Text goes in as text nodes only, so nothing that anybody has written is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an HTML element.
 *
 * `properties` holds attributes; `on` holds listeners by event. True sets an attribute, false and null leave it out.
 * `children` are elements, texts, lists of them; null and false are left out.
 */
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** Make an SVG element. */
export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

/** Words that only a screen reader says. */
export const unseen = (text) => h("span", { class: "unseen" }, text);

/** A button; `run` is told the click's event. */
export function button(text, run, properties = {}) {
  return h("button", { type: "button", ...properties, on: { click: run } }, text);
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/**
 * Make a table with a caption.
 *
 * `columns` are `{ title, cell(row), kind? }`, of the kind `number` or `wide`; the first is the rows' header. On a
 * narrow screen each row becomes a block, where `data-title` names the cells; the roles stay what they are.
 */
export function table({ caption, columns, rows, empty }) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const head = columns.map(({ title, kind }) =>
    h("th", { scope: "col", role: "columnheader", class: kind }, title),
  );
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { role: "table" },
      h("caption", {}, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      h("tbody", { role: "rowgroup" }, rows.map((row) => line(columns, row))),
    ),
  );
}

function line(columns, row) {
  const cells = columns.map(({ title, cell, kind }, index) => {
    const first = index === 0;
    const part = first ? { scope: "row", role: "rowheader" } : { role: "cell" };
    return h(first ? "th" : "td", { ...part, class: kind, "data-title": title }, h("div", {}, cell(row)));
  });
  return h("tr", { role: "row" }, cells);
}

/** Numbers that matter, each with its name. `tiles` are `[name, value, note?]`. */
export function tiles(found) {
  const one = ([name, value, note]) =>
    h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, note && h("small", {}, note)));
  return h("dl", { class: "tiles" }, found.map(one));
}
