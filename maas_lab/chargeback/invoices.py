"""Invoices: who pays what for a period, and by which rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from maas_lab import outfile
from maas_lab.chargeback import frames, papers, periods
from maas_lab.chargeback.allocation import allocate
from maas_lab.chargeback.charges import BOOKED, charges
from maas_lab.chargeback.money import amount, cents, exact_sum, less, written
from maas_lab.chargeback.price_file import Price
from maas_lab.chargeback.prices import PriceList
from maas_lab.chargeback.workbook import xlsx
from maas_lab.errors import UsageError
from maas_lab.windows import Window


@dataclass(frozen=True, repr=False)
class Invoice:
    """What a period's usage costs, by team and application.

    Attributes:
        title: what it is called.
        window: the period; a call at its end belongs to the next one.
        by: whom it is split by, columns of both tables.
        currency: three letters.
        basis: in words, which prices were taken.
        booked: whether they are those that the gateway booked.
        allocation: what the shares of the fixed cost follow, one of `allocation.KEYS`.
        fixed: the fixed cost that was shared out, in cents.
        lines: one row per `by` and `model`: `hits`, `rejected`, `prompt_tokens`, `completion_tokens`, `total_tokens`,
            `unmetered`, `exact` (the usage charge, not rounded) and `amount` (in cents), both Decimal.
        totals: one row per `by`: the counts, `usage` (sum of the amounts of its lines), `platform` (its share of the
            fixed cost) and `total`, all Decimal and in cents.
        prices: what was taken from the price list, with its sources; nothing where the gateway's costs were.
    """

    title: str
    window: Window
    by: tuple[str, ...]
    currency: str
    basis: str
    booked: bool
    allocation: str
    fixed: Decimal
    lines: pd.DataFrame = field(compare=False)
    totals: pd.DataFrame = field(compare=False)
    prices: tuple[Price, ...] = ()

    @property
    def total(self) -> Decimal:
        """What all have to pay together: the sum of all totals."""
        return exact_sum(self.totals["total"])

    @property
    def usage(self) -> Decimal:
        """The usage charges of all lines, in cents."""
        return exact_sum(self.lines["amount"])

    @property
    def rounding(self) -> Decimal:
        """What rounding each line to cents has added to the exact charges; negative where it took away."""
        return less(self.usage, exact_sum(self.lines["exact"]))

    @property
    def rules(self) -> tuple[tuple[str, str], ...]:
        """By which rules it was made, and what to know about it: a name and a text each."""
        return papers.rules(self)

    def markdown(self) -> str:
        """Return it as Markdown, e.g. for an e-mail or a ticket."""
        return papers.markdown(self)

    def html(self) -> str:
        """Return it as a fragment of HTML: a heading, tables, rules."""
        return papers.html(self)

    def csv(self) -> str:
        """Return it as CSV: a line per usage charge and per share of the fixed cost; amounts add up to the total."""
        return papers.csv(self)

    def xlsx(self, path: str | Path) -> Path:
        """Write it as a workbook, and return the path; a file that is there already is replaced.

        Raises:
            EnvironmentFault: openpyxl is not installed.
            UsageError: it cannot be written there.
        """
        return outfile.write(path, xlsx(papers.accounts(self), self.rules))

    def __repr__(self) -> str:
        return f"Invoice({self.title}: {len(self.totals)} lines, {written(self.total, self.currency)})"

    def _repr_html_(self) -> str:
        # Without the moments of the period, so that a stored notebook shows the same in every run.
        return papers.preview(self)


def invoice(
    summary: pd.DataFrame,
    *,
    window: Window,
    by: str | Sequence[str] = ("team", "application"),
    prices: PriceList | None = None,
    fixed: Any = 0,
    allocation: str = "tokens",
    title: str = "Chargeback",
) -> Invoice:
    """Make an invoice.

    Each line, a model of an application, is rounded to cents, half to even; totals are sums of rounded lines, and what
    rounding has changed is stated. Nothing is dropped: calls of keys without a label are an application of their own,
    and rejected calls are counted at no cost.

    Args:
        summary: of `usage.summary(rows, by=(*by, "model"))`; by `hour` too when `allocation` is `peak`, or when a price
            changes inside of the window.
        window: the period that the summary is about, e.g. `usage.month(2026, 11, tz="Europe/Berlin")`.
        by: whom to split it by.
        prices: None for what the gateway booked; a price list to price the tokens again.
        fixed: a cost to share out, such as GPU hours and overhead, in the currency of the prices.
        allocation: how to share it out, as in `allocate`.
        title: what to call the invoice.

    Raises:
        UsageError: the summary lacks a column, or is about another period.
        AccountingError: an amount cannot be right, or the fixed cost cannot be shared out.
        MissingPrice: the list has no price of a model that was used.
    """
    columns = frames.names(by)
    lines, taken = _lines(summary, columns, prices, window)
    cost = cents(amount(fixed, "the fixed cost"))
    totals = _totals(lines, columns, allocate(cost, summary, allocation, columns))
    basis = f"price list: {prices.name}" if prices else BOOKED
    currency = prices.currency if prices else "USD"
    return Invoice(title, window, columns, currency, basis, prices is None, allocation, cost, lines, totals, taken)


def _lines(
    summary: pd.DataFrame, by: tuple[str, ...], prices: PriceList | None, window: Window
) -> tuple[pd.DataFrame, tuple[Price, ...]]:
    periods.check(window)
    also = ["hour"] if "hour" in summary else []
    frame = frames.summary_of(summary, (*by, "model", *also))
    _check_period(frame, window)
    costs, taken = charges(frame, prices, window)
    frame["exact"] = pd.Series(costs, index=frame.index, dtype=object)
    lines = frames.added(frame, (*by, "model"), ["exact"])
    lines["amount"] = lines["exact"].map(cents).astype(object)
    return lines, tuple(taken)


def _totals(lines: pd.DataFrame, by: tuple[str, ...], shares: pd.DataFrame) -> pd.DataFrame:
    found = frames.added(lines, by, ["amount"]).rename(columns={"amount": "usage"})
    # Both are sorted alike and hold the same names.
    found["platform"] = shares["amount"].to_list()
    pairs = zip(found["usage"], found["platform"], strict=True)
    found["total"] = pd.Series([exact_sum(pair) for pair in pairs], index=found.index, dtype=object)
    return found


def _check_period(frame: pd.DataFrame, window: Window) -> None:
    if "hour" not in frame:
        return
    outside = frame[~periods.contains(window, frame["hour"], timedelta(hours=1))]
    if len(outside):
        what = f"the summary holds the hour of {outside['hour'].iloc[0]}, which is outside of the invoice's period"
        raise UsageError(what, periods.words(window), "fetch the rows of this window: lab.usage.rows(window)")
