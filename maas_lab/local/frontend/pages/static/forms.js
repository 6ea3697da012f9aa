// Fields with labels, and buttons that do what they say once.

import { h, unseen } from "./dom.js";
import { complain } from "./notices.js";

let number = 0;

/**
 * Make a labelled field. `hint` is read with the label, `choices` makes it a select of `[value, words]`, `optional`
 * says so; all else are the input's attributes.
 */
export function field(label, { hint, choices, value, optional, ...properties }) {
  const id = properties.id ?? `field-${(number += 1)}`;
  const described = hint ? { "aria-describedby": `${id}-hint` } : {};
  const asked = { ...properties, id, ...described };
  const option = ([name, words]) => h("option", { value: name, selected: name === (value ?? "") }, words);
  const input = choices
    ? h("select", asked, choices.map(option))
    : h("input", { value, autocomplete: "off", ...asked });
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label, optional && h("small", {}, " (optional)")),
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
export function numeral(form, name) {
  const text = form.elements[name].value.trim();
  return text === "" ? null : Number(text);
}

/**
 * Make a button that does something to one thing among many: `about` names the thing to screen readers, `id` finds the
 * button again when its view was drawn anew.
 */
export function action(text, about, id, run, kind) {
  const go = (event) => busy(event.currentTarget, run);
  return h("button", { type: "button", id, class: kind, on: { click: go } }, text, unseen(` ${about}`));
}

/**
 * Do something while a button is busy: a second click meanwhile does nothing.
 *
 * What fails is told to `failed`, else shown at the top. `disabled` would take the focus away from who has pressed.
 */
export async function busy(button, run, failed = complain) {
  if (button.ariaDisabled) return;
  button.ariaDisabled = "true";
  try {
    await run();
  } catch (error) {
    failed(error);
  } finally {
    button.ariaDisabled = null;
  }
}
