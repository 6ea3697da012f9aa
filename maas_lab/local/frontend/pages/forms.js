// Fields with labels, and buttons that do what they say once.

import { h } from "./dom.js";
import { complain } from "./notices.js";

let number = 0;

/**
 * Make a labelled field. `properties` are the input's attributes; `hint` is read with the label; `choices` makes it a
 * select of `[value, words]`.
 */
export function field(label, { hint, choices, value, ...properties }) {
  const id = `field-${(number += 1)}`;
  const described = hint ? { "aria-describedby": `${id}-hint` } : {};
  const asked = { id, ...described, ...properties };
  const options = choices?.map(([name, words]) => h("option", { value: name, selected: name === (value ?? "") }, words));
  const input = choices ? h("select", asked, options) : h("input", { value, autocomplete: "off", ...asked });
  const optional = properties.required || choices ? null : h("small", {}, " (optional)");
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label, optional),
    input,
    hint && h("small", { id: `${id}-hint` }, hint),
  );
}

/** Make a list of checkboxes under one legend. `choices` are `{ value, label, note, checked }`. */
export function checkboxes(legend, name, choices) {
  const one = ({ value, label, note, checked }) =>
    h(
      "label",
      { class: "check" },
      h("input", { type: "checkbox", name, value, checked }),
      h("span", {}, label, note && h("small", {}, note)),
    );
  return h("fieldset", {}, h("legend", {}, legend), choices.map(one));
}

/** The renewals of a budget that can be chosen. */
export const RENEWALS = [
  ["", "never: once spent, spent"],
  ["daily", "every day"],
  ["weekly", "every week"],
  ["monthly", "every month"],
  ["yearly", "every year"],
];

/** Return a field's number; null when it is left empty. */
export function numberIn(form, name) {
  const text = form.elements[name].value.trim();
  return text === "" ? null : Number(text);
}

/**
 * Do something while a button is busy: a second click meanwhile does nothing.
 *
 * What fails is told to `failed`, else shown at the top.
 */
export async function busy(button, run, failed = complain) {
  if (button.disabled) return;
  const focused = document.activeElement === button;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await run();
  } catch (error) {
    failed(error);
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    if (focused && document.activeElement === document.body && button.isConnected) button.focus();
  }
}
