// Numbers, money and times as the page's language writes them.

const LANGUAGE = document.documentElement.lang;
const whole = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 0 });
const moment = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const dayOnly = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dollars = (digits) => new Intl.NumberFormat(LANGUAGE, { style: "currency", currency: "USD", ...digits });
const plain = dollars({ minimumFractionDigits: 2, maximumFractionDigits: 4 });
const small = dollars({ minimumFractionDigits: 2, maximumSignificantDigits: 2 });

/** Write a whole number, e.g. 12,345. */
export const count = (value) => whole.format(value ?? 0);

/** Write dollars; small amounts keep two digits that say something, since one call may cost $0.000012. */
export function money(value) {
  // Sums of binary fractions end in noise, which rounding to four digits would show.
  const amount = Number(Number(value ?? 0).toPrecision(10));
  return amount !== 0 && Math.abs(amount) < 0.01 ? small.format(amount) : plain.format(amount);
}

/** Write a moment; nothing is a dash. */
export const time = (value) => (value ? moment.format(new Date(value)) : "–");

/** Write a day such as `2026-11-24`, which is one of the gateway's, so UTC. */
export const day = (value) => dayOnly.format(new Date(`${value}T00:00:00Z`));

/** Write an hour such as 14:00. */
export const hour = (value) => clock.format(new Date(value));

const SPANS = { "1d": "daily", "7d": "weekly", "1mo": "monthly", "365d": "yearly" };

/** Return the word for a span of time such as `1mo`, if there is one. */
export const inWords = (span) => SPANS[span] ?? span;

/** Write how often a budget begins anew. */
export const renewal = (span) => (span ? `renewed ${/^\d/.test(span) ? `every ${span}` : span}` : "");
