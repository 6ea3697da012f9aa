"""The report of a period: one HTML file to read, to print and to forward; nothing in it runs, nothing is loaded."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from maas_lab import outfile
from maas_lab.chargeback import papers, periods, tables
from maas_lab.chargeback.frames import COUNTS, added, summary_of
from maas_lab.chargeback.invoices import Invoice
from maas_lab.chargeback.money import amount, written
from maas_lab.chargeback.reconciliation import Reconciliation
from maas_lab.chargeback.tables import Column, Sheet
from maas_lab.errors import UsageError
from maas_lab.usage_frames import DIMENSIONS, UNLABELLED
from maas_lab.windows import Window

_STYLE = Path(__file__).with_name("report.css")
_MOST_ROWS = 500  # of a table; an invoice of thousands of lines is for a spreadsheet
_DPI = 200  # of charts: sharp on paper
_MEASURED = (
    "Measured: every call that reached the gateway, with its time, its key, its tokens and its cost, as the gateway's "
    "database has it. A hit is an answered call; rejected calls are counted apart.",
    "Not measured: calls that went past the gateway; what a model's hardware and power really cost (the fixed cost is "
    "what somebody has entered); how good an answer was, and what it was for.",
    "Estimated: tokens of a stream that ended without a count. Not yet there: calls of the last seconds, because the "
    "gateway books a call some seconds after its end.",
)


def write(
    path: str | Path,
    *,
    title: str,
    window: Window,
    summary: pd.DataFrame,
    invoice: Invoice,
    reconciliation: Reconciliation | None = None,
    figures: Iterable[Any] = (),
    caps: Iterable[Any] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write a report that stands alone: no script, nothing loaded from elsewhere, printable on A4.

    Args:
        path: the file, which is returned; one that is there already is replaced, whole.
        title: of the report.
        window: the period, the invoice's too.
        summary: of `usage.summary`; hours are added up where there is something else to tell rows by.
        invoice: of `chargeback.invoice`.
        reconciliation: of `chargeback.reconcile`; without one the report says that nobody has checked.
        figures: of `maas_lab.plots`; each needs a `description`, for those who cannot see it.
        caps: of `caps.state`: rows with `kind`, `name`, `spend`, `soft`, `cap` and `state`.
        notes: paragraphs of plain text at the end.

    Raises:
        UsageError: it cannot be written, a figure has no description, or invoice or summary do not fit.
    """
    _check(window, invoice, notes)
    to_pay, *usage = papers.sheets(invoice)
    main = [
        _to_pay(to_pay, invoice, reconciliation),
        _charts(list(figures)),
        _section("Usage", "".join(map(_table, [*usage, *_booked(summary, invoice)]))),
        _section("Reconciliation", _reconciled(reconciliation)) if reconciliation else "",
        _section("Caps", _table(_caps(caps))) if caps is not None else "",
        _section("What is measured, and what is not", _paragraphs(_MEASURED)),
        _section("Notes", _paragraphs(notes)) if notes else "",
    ]
    return outfile.write(path, _page(title, _header(title, window, invoice), main, _footer(title, window)).encode())


def _check(window: Window, invoice: Invoice, notes: Sequence[str]) -> None:
    if isinstance(notes, str):
        raise UsageError("`notes` is one text", "a report takes a list of paragraphs", "put it in brackets: [note]")
    periods.check(window)
    if (window.since, window.until) != (invoice.window.since, invoice.window.until):
        why = f"report: {periods.words(window)}; invoice: {periods.words(invoice.window)}"
        raise UsageError("the invoice is about another period than the report", why, "make both of the same window")


def _page(title: str, header: str, main: Iterable[str], footer: str) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(tables.clean(title))}</title>",
        f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style>",
    ]
    lines = "\n".join(head)
    body = "\n".join([header, "<main>", *filter(None, main), "</main>", footer])
    return f'<!doctype html>\n<html lang="en">\n<head>\n{lines}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _header(title: str, window: Window, invoice: Invoice) -> str:
    totals = invoice.totals
    told = {
        "Total to pay": written(invoice.total, invoice.currency),
        "Hits": f"{int(totals['hits'].sum()):,}",
        "Rejected calls": f"{int(totals['rejected'].sum()):,}",
        "Tokens": f"{int(totals['total_tokens'].sum()):,}",
        "Applications": f"{len(set(totals['application']) - {UNLABELLED}):,}" if "application" in totals else "",
    }
    kinds = [' class="total"', *[""] * len(told)]
    large = "".join(
        f"<div{kind}><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for kind, (name, value) in zip(kinds, told.items(), strict=False)
        if value
    )
    span = f"{periods.words(window)} ({periods.length(window)})"
    return (
        f'<header><h1>{escape(tables.clean(title))}</h1><p>{escape(span)}</p><dl class="figures">{large}</dl></header>'
    )


def _footer(title: str, window: Window) -> str:
    return f"<footer>{escape(tables.clean(title))} · {escape(periods.words(window))}</footer>"


def _to_pay(totals: Sheet, invoice: Invoice, reconciliation: Reconciliation | None) -> str:
    rules = f'<dl class="rules">{papers.html_rules(invoice)}</dl>'
    return _section("Who pays what", f"{_state(reconciliation)}{_table(totals)}{rules}")


def _state(reconciliation: Reconciliation | None) -> str:
    if reconciliation is None:
        return '<p class="state open">Not reconciled: nobody has compared this bill with what the clients saw.</p>'
    if not reconciliation.balanced:
        told = "Not balanced: clients, gateway and invoice differ, and the data does not show why. See Reconciliation."
        return f'<p class="state open">{told}</p>'
    told = (
        "Reconciled: what the clients saw, what the gateway booked and what is billed agree, or the data shows why not."
    )
    return f'<p class="state">{told}</p>'


def _reconciled(reconciliation: Reconciliation) -> str:
    return "".join(_table(sheet) for sheet in reconciliation.sheets() if sheet.rows)


def _charts(figures: list[Any]) -> str:
    return _section("Charts", "".join(map(_chart, figures))) if figures else ""


def _chart(figure: Any) -> str:
    words = getattr(figure, "description", "")
    if not words:
        hint = "take the figures of maas_lab.plots, or set `figure.description`"
        raise UsageError("a figure does not say in words what it shows", "some readers cannot see it", hint)
    with io.BytesIO() as png:
        figure.savefig(png, format="png", dpi=_DPI, bbox_inches="tight")
        content = png.getvalue()
    # A PNG file has its size at bytes 16 to 24; with it the page does not jump while it is drawn.
    width, height = (int.from_bytes(content[begin : begin + 4], "big") for begin in (16, 20))
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return f'<figure><img src="{source}" width="{width}" height="{height}" alt="{escape(words)}"></figure>'


def _booked(summary: pd.DataFrame, invoice: Invoice) -> list[Sheet]:
    """Return the summary as a table, unless the invoice's lines tell the same."""
    names = [name for name in DIMENSIONS if name in summary]
    kept = [name for name in names if name != "hour"] or names
    if not kept:
        hint = 'usage.summary(rows, by=("application", "model")) makes one'
        raise UsageError("the summary does not tell rows by anything", "", hint)
    frame = summary_of(summary, kept)
    if invoice.booked and set(kept) == {*invoice.by, "model"}:
        return []
    columns = (*papers.text_columns(kept), *papers.count_columns(*COUNTS), Column("cost", "Booked cost", "money"))
    return [papers.sheet("Usage as the gateway booked it", added(frame, kept, ["cost"]), columns, "USD")]


def _caps(caps: Iterable[Any]) -> Sheet:
    told = [_shown(cap) for cap in caps]
    columns = papers.text_columns(told[0] if told else ())
    rows = tuple(tuple(map(_cap, one.values())) for one in told)
    return Sheet("What keys, users and applications may spend", columns, rows)


def _shown(cap: Any) -> dict[str, Any]:
    if not is_dataclass(cap):
        raise UsageError("`caps` is not a list of caps", "", "caps.state(lab) returns it")
    return {one.name: getattr(cap, one.name) for one in fields(cap) if one.repr}


def _cap(value: Any) -> str:
    if value is None:
        return "none"
    return tables.clean(value) if isinstance(value, str) else tables.money_text(amount(value, "a cap"))


def _table(sheet: Sheet) -> str:
    left = len(sheet.rows) - _MOST_ROWS
    if left > 0:
        caption = f"{sheet.caption}: the first {_MOST_ROWS:,} of {len(sheet.rows):,} lines; the total is of all"
        sheet = Sheet(caption, sheet.columns, sheet.rows[:_MOST_ROWS], sheet.foot, sheet.currency)
    told = escape(tables.clean(sheet.caption))
    if not sheet.rows:
        return f"<p>{told}: nothing.</p>"
    # What may scroll sideways on a small screen must be reachable by keyboard.
    return f'<div class="wide" role="region" tabindex="0" aria-label="{told}">{tables.html(sheet)}</div>'


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>\n{content}</section>"


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts)
