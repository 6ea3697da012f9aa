"""Three accounts of the same calls, compared: what clients saw, what the gateway booked, what the invoice says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd

from maas_lab.chargeback import matching, periods, tables
from maas_lab.chargeback.frames import unnamed_last
from maas_lab.chargeback.invoices import Invoice
from maas_lab.chargeback.matching import CAUSES, UNEXPLAINED, Finding
from maas_lab.chargeback.money import amount, exact_sum, less, product
from maas_lab.chargeback.tables import Column, Sheet
from maas_lab.errors import UsageError
from maas_lab.usage_frames import UNLABELLED

_CLIENT = ("application", "request_id", "outcome", "total_tokens", "started_s", "seconds")
_ROWS = ("time", "request_id", "application", "key", "total_tokens", "cost", "outcome", "streamed")
_TOKENS = ("client_tokens", "booked_tokens", "invoiced_tokens", "difference")


@dataclass(frozen=True, repr=False)
class Reconciliation:
    """Three accounts side by side, with what explains their differences.

    Attributes:
        table: one row per application: `application`, `client_tokens`, `booked_tokens`, `invoiced_tokens`, and
            `difference`, invoiced less client tokens: the sum of `tokens` of its differences.
        differences: one row per application and cause: `application`, `cause`, `calls`, `tokens`, `explanation`, and
            `explained`, whether the data shows why. A cause may have no tokens: rejected calls are told, too.
        money: one row per application: `application`, `booked` (exact cost of the gateway's rows in the invoice's
            period), `invoiced` (usage charge), `difference`, all Decimal, `explanation` and `explained`.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    money: pd.DataFrame

    @property
    def balanced(self) -> bool:
        """Whether the data explains every difference, of tokens and of money."""
        return bool(self.differences["explained"].all() and self.money["explained"].all())

    @property
    def unexplained(self) -> pd.DataFrame:
        """The differences of tokens that nothing in the data explains."""
        return self.differences[~self.differences["explained"].astype(bool)].reset_index(drop=True)

    def sheets(self) -> list[Sheet]:
        """Return it as tables to print."""
        counts = [Column(name, name.replace("_", " ").capitalize(), "count") for name in _TOKENS]
        text = [Column("explanation", "Explanation"), Column("told", "Explained")]
        money = [Column(name, name.capitalize(), "exact") for name in ("booked", "invoiced", "difference")]
        name = Column("application", "Application")
        cause = [Column("cause", "Cause"), Column("calls", "Calls", "count"), Column("tokens", "Tokens", "count")]
        return [
            _sheet("Tokens: client, gateway, invoice", self.table, (name, *counts)),
            _sheet("Why tokens differ", _told(self.differences), (name, *cause, *text)),
            _sheet("Money: gateway and invoice", _told(self.money), (name, *money, *text)),
        ]

    def __repr__(self) -> str:
        count, open_ = len(self.differences), len(self.unexplained)
        told = f"{len(self.table)} applications, {count} differences"
        if self.balanced:
            return f"Reconciliation(balanced: {told}, all explained)"
        money = "" if self.money["explained"].all() else ", and money does not agree"
        return f"Reconciliation(NOT balanced: {told}, {open_} unexplained{money})"

    def _repr_html_(self) -> str:
        words = "Balanced: every difference is explained." if self.balanced else "<strong>Not balanced.</strong>"
        return f"<section><p>{words}</p>{''.join(map(tables.html, self.sheets()))}</section>"


def reconcile(
    client: pd.DataFrame, rows: pd.DataFrame, invoice: Invoice, *, as_of: datetime | None = None
) -> Reconciliation:
    """Compare what clients saw, what the gateway booked, and what the invoice says; explain each difference.

    Calls are matched by `request_id`. The table `matching.CAUSES` has all causes. What the data does not explain stays
    unexplained, and the result is not balanced.

    Args:
        client: the calls of all clients, one row each: `application` and the columns of `ask_many(...).frame`.
            `pd.concat([chat.frame.assign(application="Chat"), batch.frame.assign(application="Batch")])` makes it.
        rows: what the gateway booked, as `lab.usage.rows(window)` returns it.
        invoice: split by application at least.
        as_of: when the rows were read, by the gateway's clock; None means now.

    Raises:
        UsageError: a frame lacks a column, the invoice is not split by application, or `as_of` has no time zone.
    """
    _check(client, _CLIENT, "the client's calls", 'calls.frame.assign(application="My application")')
    _check(rows, _ROWS, "the gateway's rows", "lab.usage.rows(window)")
    if "application" not in invoice.by:
        hint = 'chargeback.invoice(summary, window=window, by=("team", "application"))'
        raise UsageError("this invoice is not split by application", "", hint)
    moment = as_of or datetime.now(UTC)
    if moment.tzinfo is None:
        raise UsageError("`as_of` has no time zone", hint="datetime.now(UTC) has one")
    calls, booked = _calls(client), _booked(rows)
    calls["ended"] = matching.ended(calls, booked)
    told = list(matching.findings(calls, booked, invoice.window, moment))
    accounts = [_sums(calls, "tokens"), _sums(booked, "tokens"), _sums(invoice.lines, "total_tokens")]
    told += _against_invoice(booked, invoice, accounts)
    return Reconciliation(_table(accounts), _differences(told), _money(booked, invoice))


def _check(frame: pd.DataFrame, columns: tuple[str, ...], what: str, hint: str) -> None:
    if missing := [name for name in columns if name not in frame]:
        raise UsageError(f"{what} have no column `{missing[0]}`", "", hint)


def _calls(client: pd.DataFrame) -> pd.DataFrame:
    calls = client[list(_CLIENT)].reset_index(drop=True)
    calls["application"] = _names(calls["application"], UNLABELLED)
    calls["request_id"] = _names(calls["request_id"], "")
    calls["tokens"] = calls["total_tokens"].fillna(0).astype("int64")
    calls["counted"] = calls["total_tokens"].notna()
    return calls


def _booked(rows: pd.DataFrame) -> pd.DataFrame:
    booked = rows[list(_ROWS)].reset_index(drop=True)
    booked["application"] = _names(booked["application"], UNLABELLED)
    booked["tokens"] = booked["total_tokens"].fillna(0).astype("int64")
    booked["streamed"] = booked["streamed"].astype("boolean").fillna(False).astype(bool)
    return booked


def _names(names: pd.Series, missing: str) -> pd.Series:
    return names.astype(object).where(names.notna(), missing)


def _sums(frame: pd.DataFrame, column: str) -> dict[str, int]:
    return {name: int(count) for name, count in frame.groupby("application", observed=True)[column].sum().items()}


def _against_invoice(booked: pd.DataFrame, invoice: Invoice, accounts: list[dict[str, int]]) -> list[Finding]:
    """Return why the invoice does not hold the tokens that were booked."""
    inside = periods.contains(invoice.window, booked["time"])
    outside = list(matching.added("outside the period", booked[~inside], -1))
    due, billed = _sums(booked[inside], "tokens"), accounts[2]
    answered = booked[inside & (booked["outcome"] == "answered")].groupby("application", observed=True).size()
    hits = _sums(invoice.lines, "hits")
    names = [name for name in {*due, *billed} if due.get(name, 0) != billed.get(name, 0)]
    other = [
        Finding(
            name,
            "other rows",
            billed.get(name, 0) - due.get(name, 0),
            abs(hits.get(name, 0) - int(answered.get(name, 0))),
        )
        for name in names
    ]
    return outside + other


def _table(accounts: list[dict[str, int]]) -> pd.DataFrame:
    names = sorted({name for account in accounts for name in account}, key=unnamed_last)
    rows = [[name, *(account.get(name, 0) for account in accounts)] for name in names]
    table = pd.DataFrame([[*row, row[3] - row[1]] for row in rows], columns=["application", *_TOKENS])
    return table.astype(dict.fromkeys(_TOKENS, "int64"))


def _differences(told: Iterable[Finding]) -> pd.DataFrame:
    found: dict[tuple[str, str], list[Finding]] = {}
    for one in told:
        found.setdefault((one.application, one.cause), []).append(one)
    order = list(CAUSES)
    places = sorted(found, key=lambda place: (unnamed_last(place[0]), order.index(place[1])))
    rows = [(*place, *_added(found[place]), place[1] not in UNEXPLAINED) for place in places]
    columns = ["application", "cause", "calls", "tokens", "explanation", "explained"]
    return pd.DataFrame(rows, columns=columns).astype({"calls": "int64", "tokens": "int64", "explained": bool})


def _added(same: list[Finding]) -> tuple[int, int, str]:
    calls, tokens = sum(one.calls for one in same), sum(one.tokens for one in same)
    others = sorted({one.other for one in same if one.other})
    side = "here for calls of" if tokens > 0 else "there:"
    told = f" (booked {side} {', '.join(others)})" if others else ""
    return calls, tokens, CAUSES[same[0].cause] + told


def _money(booked: pd.DataFrame, invoice: Invoice) -> pd.DataFrame:
    costs = _booked_costs(booked[periods.contains(invoice.window, booked["time"])])
    exact, billed = _costs(invoice.lines, "exact"), _costs(invoice.lines, "amount")
    nothing = Decimal(0)
    rows = []
    for name in sorted({*costs, *billed}, key=unnamed_last):
        cost, charge = costs.get(name, nothing), billed.get(name, nothing)
        rows.append((name, cost, charge, less(charge, cost), *_why(cost, exact.get(name, nothing), charge, invoice)))
    columns = ["application", "booked", "invoiced", "difference", "explanation", "explained"]
    return pd.DataFrame(rows, columns=columns).astype({"explained": bool})


def _booked_costs(booked: pd.DataFrame) -> dict[str, Decimal]:
    # Few costs differ, so each is made exact once.
    counts = booked.groupby(["application", "cost"], dropna=False, observed=True).size()
    parts = [(name, product(count, amount(cost, "a booked cost"))) for (name, cost), count in counts.items()]
    return _costs(pd.DataFrame(parts, columns=["application", "cost"]), "cost")


def _costs(frame: pd.DataFrame, column: str) -> dict[str, Decimal]:
    groups = frame.groupby("application", observed=True)[column]
    return {name: exact_sum(costs) for name, costs in groups}


def _why(cost: Decimal, exact: Decimal, charge: Decimal, invoice: Invoice) -> tuple[str, bool]:
    if not invoice.booked:
        return f"priced again, {invoice.basis}", True
    if cost != exact:
        return "the invoice was made of other rows than these; make both of the same", False
    return ("rounded to cents, line by line" if charge != cost else "equal"), True


def _told(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(told=["yes" if one else "NO" for one in frame["explained"]])


def _sheet(caption: str, frame: pd.DataFrame, columns: tuple[Column, ...]) -> Sheet:
    rows = tuple(tuple(row[column.name] for column in columns) for row in frame.to_dict("records"))
    return Sheet(caption, columns, rows)
