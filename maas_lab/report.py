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

from maas_lab import outfile, page
from maas_lab.chargeback import papers, periods, tables
from maas_lab.chargeback.frames import COUNTS, added, summary_of
from maas_lab.chargeback.invoices import Invoice
from maas_lab.chargeback.money import amount, written
from maas_lab.chargeback.reconciliation import Reconciliation
from maas_lab.chargeback.tables import Column, Sheet
from maas_lab.errors import UsageError
from maas_lab.usage_frames import DIMENSIONS, UNLABELLED
from maas_lab.windows import Window

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
        figures: of `maas_lab.plots`, each with a `description` for those who cannot see it.
        caps: of `caps.state`: rows with `kind`, `name`, `spend`, `soft`, `cap` and `state`.
        notes: paragraphs of plain text.

    Raises:
        UsageError: it cannot be written, a figure has no description, or invoice or summary do not fit.
    """
    _check(window, invoice, notes)
    to_pay, *usage = papers.sheets(invoice)
    main = [
        _to_pay(to_pay, invoice, reconciliation),
        _charts(list(figures)),
        page.section("Usage", "".join(map(page.table, [*usage, *_booked(summary, invoice)]))),
        _reconciled(reconciliation) if reconciliation else "",
        page.section("Caps", page.table(_caps(caps))) if caps is not None else "",
        page.section("What is measured, and what is not", page.paragraphs(_MEASURED)),
        page.section("Notes", page.paragraphs(notes)) if notes else "",
    ]
    return outfile.write(path, _page(title, window, invoice, main).encode())


def _page(title: str, window: Window, invoice: Invoice, main: Iterable[str]) -> str:
    return page.page(title, _header(title, window, invoice), main, periods.words(window))


def _check(window: Window, invoice: Invoice, notes: Sequence[str]) -> None:
    if isinstance(notes, str):
        raise UsageError("`notes` is one text", "a report takes a list of paragraphs", "put it in brackets: [note]")
    periods.check(window)
    if (window.since, window.until) != (invoice.window.since, invoice.window.until):
        why = f"report: {periods.words(window)}; invoice: {periods.words(invoice.window)}"
        raise UsageError("the invoice is about another period than the report", why, "make both of the same window")


def _header(title: str, window: Window, invoice: Invoice) -> str:
    totals = invoice.totals
    told = {
        "Total to pay": written(invoice.total, invoice.currency),
        "Hits": f"{int(totals['hits'].sum()):,}",
        "Rejected calls": f"{int(totals['rejected'].sum()):,}",
        "Tokens": f"{int(totals['total_tokens'].sum()):,}",
        "Applications": f"{len(set(totals['application']) - {UNLABELLED}):,}" if "application" in totals else "",
    }
    return page.header(title, f"{periods.words(window)} ({periods.length(window)})", told)


def _to_pay(totals: Sheet, invoice: Invoice, reconciliation: Reconciliation | None) -> str:
    rules = f'<dl class="rules">{papers.html_rules(invoice)}</dl>'
    return page.section("Who pays what", f"{_state(reconciliation)}{page.table(totals)}{rules}")


def _state(reconciliation: Reconciliation | None) -> str:
    if reconciliation is None:
        return page.state("Not reconciled: nobody has compared this bill with what the clients saw.", good=False)
    if not reconciliation.balanced:
        told = "Not balanced: clients, gateway and invoice differ, and the data does not show why. See Reconciliation."
        return page.state(told, good=False)
    told = (
        "Reconciled: what the clients saw, what the gateway booked and what is billed agree, or the data shows why not."
    )
    return page.state(told, good=True)


def _reconciled(reconciliation: Reconciliation) -> str:
    told = "".join(page.table(sheet) for sheet in reconciliation.sheets() if sheet.rows)
    return page.section("Reconciliation", told)


def _charts(figures: list[Any]) -> str:
    return page.section("Charts", "".join(map(_chart, figures))) if figures else ""


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
