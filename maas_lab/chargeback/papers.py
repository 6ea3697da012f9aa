"""An invoice on paper: which tables and which words it has, in each format."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from maas_lab.chargeback import periods, tables
from maas_lab.chargeback.frames import COUNTS
from maas_lab.chargeback.money import exact_sum, exactly, written
from maas_lab.chargeback.prices import sheet as sheet_of_prices
from maas_lab.chargeback.tables import Column, Sheet

if TYPE_CHECKING:
    from maas_lab.chargeback.invoices import Invoice

_COUNTS = {
    "hits": "Hits",
    "rejected": "Rejected",
    "prompt_tokens": "Prompt tokens",
    "completion_tokens": "Completion tokens",
    "total_tokens": "Tokens",
    "unmetered": "Unmetered",
}
_KEYS = {
    "tokens": "by tokens: each share is proportional to all tokens used",
    "hits": "by hits: each share is proportional to the answered calls",
    "peak": "by peak share: each share is proportional to the tokens of the own busiest hour",
    "even": "evenly: everybody pays the same",
}
_CHARGES = ("exact", "amount")
_ROUNDING = "each line is rounded to cents, half to even; totals are sums of rounded lines"


def sheets(bill: Invoice) -> list[Sheet]:
    """Return its tables for people: who pays what, the usage behind it, and the prices if there was a list."""
    # As money exact charges are written in cents, and those of less than half a cent written out.
    return [_totals(bill), _lines(bill, Column("exact", "Amount", "money")), *_prices(bill)]


def accounts(bill: Invoice) -> list[Sheet]:
    """Return the same tables to calculate with: exact charges and amounts apart."""
    both = Column("exact", "Exact", "exact"), Column("amount", "Amount", "money")
    return [_totals(bill), _lines(bill, *both), *_prices(bill)]


def _prices(bill: Invoice) -> list[Sheet]:
    return [sheet_of_prices("Prices", bill.prices)] if bill.prices else []


def rules(bill: Invoice) -> tuple[tuple[str, str], ...]:
    """Return by which rules it was made and what to know about it: a name and a text each."""
    found = [("Period", periods.words(bill.window)), ("Prices", bill.basis), ("Rounding", _rounding(bill))]
    if bill.fixed:
        told = f"{written(bill.fixed, bill.currency)} shared out {_KEYS[bill.allocation]}; cents by largest remainder"
        found.append(("Platform", told))
    return (*found, *_remarks(bill))


def _rounding(bill: Invoice) -> str:
    if not bill.rounding:
        return _ROUNDING
    usage = exactly(exact_sum(bill.lines["exact"]), bill.currency)
    verb = "added" if bill.rounding > 0 else "taken away"
    less = exactly(bill.rounding.copy_abs(), bill.currency)
    return f"{_ROUNDING}; the exact usage is {usage}, so rounding has {verb} {less}"


def _remarks(bill: Invoice) -> list[tuple[str, str]]:
    lines, found = bill.lines, []
    if not len(lines):
        return [("Usage", "no calls were booked in this period")]
    if rejected := int(lines["rejected"].sum()):
        found.append(("Rejected", f"{_calls(rejected)} rejected; they cost what was booked for them, usually nothing"))
    if unmetered := int(lines["unmetered"].sum()):
        cost = "billed as booked" if bill.booked else "with nothing to be billed by"
        found.append(("Unmetered", f"{_calls(unmetered)} answered without a token count, {cost}"))
    if negative := int((lines["exact"] < 0).sum()):
        found.append(("Credits", f"negative lines: {negative}; the gateway booked less than nothing, ask why"))
    if odd := int((lines["prompt_tokens"] + lines["completion_tokens"] != lines["total_tokens"]).sum()):
        found.append(("Tokens", f"lines where prompt and completion tokens do not add up to the total: {odd}"))
    return found


def _calls(count: int) -> str:
    return f"{count:,} call was" if count == 1 else f"{count:,} calls were"


def _totals(bill: Invoice) -> Sheet:
    counts = count_columns("hits", "rejected", "total_tokens")
    parts = [Column("usage", "Usage", "money"), Column("platform", "Platform", "money")] if bill.fixed else []
    columns = (*text_columns(bill.by), *counts, *parts, Column("total", "Total", "money"))
    return sheet("To pay", bill.totals, columns, bill.currency)


def _lines(bill: Invoice, *charges: Column) -> Sheet:
    counts = count_columns("hits", "rejected", "prompt_tokens", "completion_tokens", "unmetered")
    columns = (*text_columns((*bill.by, "model")), *counts, *charges)
    return sheet("Usage by model", bill.lines, columns, bill.currency, bill.usage)


def text_columns(names: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns by which rows are told apart."""
    return tuple(Column(name, name.capitalize()) for name in names)


def count_columns(*names: str) -> tuple[Column, ...]:
    """Return columns of counts of a summary."""
    return tuple(Column(name, _COUNTS[name], "count") for name in names)


def sheet(
    caption: str, frame: pd.DataFrame, columns: tuple[Column, ...], currency: str, total: Decimal | None = None
) -> Sheet:
    """Return a frame as a table with sums below it; `total` stands for the sum of the last column where it is given."""
    rows = tuple(tuple(_plain(row[column.name], column) for column in columns) for row in frame.to_dict("records"))
    foot: list[Any] = [_sum(frame, column) if column.is_number else None for column in columns]
    foot[0] = "Total"
    foot[-1] = foot[-1] if total is None else total
    return Sheet(caption, columns, rows, tuple(foot), currency)


def _plain(value: Any, column: Column) -> Any:
    return int(value) if column.kind == "count" else value


def _sum(frame: pd.DataFrame, column: Column) -> Any:
    return int(frame[column.name].sum()) if column.kind == "count" else exact_sum(frame[column.name])


def markdown(bill: Invoice) -> str:
    """Return the whole invoice in Markdown."""
    told = [f"- {tables.escaped(name)}: {tables.escaped_words(text)}" for name, text in bill.rules]
    parts = [f"# {tables.escaped(bill.title)}", f"**Total: {tables.escaped(written(bill.total, bill.currency))}**"]
    return "\n\n".join([*parts, *map(tables.markdown, sheets(bill)), "\n".join(told)]) + "\n"


def html(bill: Invoice) -> str:
    """Return the whole invoice as a fragment of HTML."""
    return f"<section>{_heading(bill)}{_tables(bill)}<dl>{html_rules(bill)}</dl></section>"


def html_rules(bill: Invoice) -> str:
    """Return its rules as the items of a list of HTML."""
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in bill.rules)


def preview(bill: Invoice) -> str:
    """Return it as a notebook shows it: without moments, with the length of the period."""
    told = f"{periods.length(bill.window)}, prices {bill.basis}"
    return f"<section>{_heading(bill)}<p>{escape(told)}</p>{_tables(bill)}</section>"


def _heading(bill: Invoice) -> str:
    total = written(bill.total, bill.currency)
    return f"<h2>{escape(tables.clean(bill.title))}</h2><p><strong>Total: {escape(total)}</strong></p>"


def _tables(bill: Invoice) -> str:
    return "".join(map(tables.html, sheets(bill)))


def csv(bill: Invoice) -> str:
    """Return a line per usage charge and per share of the fixed cost, for other programs."""
    span = (bill.currency, bill.window.since.isoformat(), bill.window.until.isoformat())
    rows = [
        (*(row[name] for name in (*bill.by, "model")), "usage", *(row[name] for name in (*COUNTS, *_CHARGES)), *span)
        for row in bill.lines.to_dict("records")
    ]
    nothing = [None] * len(COUNTS)
    rows += [
        (*(row[name] for name in bill.by), "", "platform", *nothing, row["platform"], row["platform"], *span)
        for row in (bill.totals.to_dict("records") if bill.fixed else ())
    ]
    names = (*bill.by, "model", "kind", *COUNTS, *_CHARGES, "currency", "since", "until")
    return tables.csv_text(names, rows)
