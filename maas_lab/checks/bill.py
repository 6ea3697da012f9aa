"""The accountant's exercises about money: the invoice, and three books that should agree."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from maas_lab import chargeback, usage
from maas_lab.checks.exercise import Exercise
from maas_lab.client import ask

if TYPE_CHECKING:
    import pandas as pd

    from maas_lab.chargeback import Invoice
    from maas_lab.lab import Lab
    from maas_lab.usage import Window

SLACK = Decimal("0.02")  # dollars by which rounding to cents may move a team's share


def invoiced(lab: Lab, window: Window, applications: Sequence[str], fixed: Decimal, bill: Invoice) -> None:
    """Check exercise 4.4: an invoice of the lesson's calls, with the platform's cost shared by tokens.

    Args:
        lab: the lab.
        window: of the lesson.
        applications: whose calls are billed, those without a label besides.
        fixed: dollars of the platform.
        bill: the learner's invoice.
    """
    exercise = Exercise(
        "4.4",
        "Write the invoice",
        (
            "chargeback.invoice(summary, window=..., fixed=..., allocation=...) writes it; the summary is of `rows`",
            'the summary needs the dimensions of a bill: usage.summary(rows, by=("team", "application", "model"))',
            'bill = chargeback.invoice(usage.summary(rows, by=("team", "application", "model")), '
            'window=run, fixed=fixed, allocation="tokens")',
        ),
    )
    exercise.filled(bill=bill)
    if not all(hasattr(bill, name) for name in ("lines", "totals", "total")):
        exercise.wrong(f"`bill` is a {type(bill).__name__}", "it should be what `chargeback.invoice` returns")
    rows = lab.usage.rows(window)
    rows = rows[rows["application"].isin([*applications, usage.UNLABELLED])]
    spent = sum(map(usage.money, rows["cost"]), Decimal(0))
    _right_total(exercise, bill, spent, usage.money(fixed))
    for name in ("team", "application"):
        if name not in bill.totals or set(bill.totals[name]) != set(rows[name]):
            why = "keep them apart in summary and invoice: by=..."
            exercise.wrong(f"the {name}s of this invoice are not those of the rows", why)
    _right_shares(exercise, bill, rows, fixed)
    exercise.right("usage and platform are all charged, to the cent, and each team pays for the tokens that it used")


def discrepancy(lab: Lab, window: Window, untold: Mapping[str, Any], stray: str, missing: int) -> None:
    """Check exercise 4.5: the key without an application, and the prompt tokens that were booked too few.

    Args:
        lab: the lab.
        window: of the lesson.
        untold: the call whose tokens the application was not told, as it logged it.
        stray: the learner's key.
        missing: the learner's number of tokens.
    """
    exercise = Exercise(
        "4.5",
        "Reconcile three books",
        (
            "usage.UNLABELLED stands in `application` where a key says none; the column `key` holds its name",
            "`measured` has the model server's own count of the same question: compare its prompt_tokens with `booked`",
            'stray = rows.loc[rows["application"] == usage.UNLABELLED, "key"].iloc[0]; '
            'missing = measured.prompt_tokens - booked["prompt_tokens"]',
        ),
    )
    exercise.filled(stray=stray, missing=missing)
    rows = lab.usage.rows(window)
    known = set(rows.loc[rows["application"] == usage.UNLABELLED, "key"])
    if isinstance(stray, str) and stray in set(rows["key_hash"]):
        exercise.wrong("`stray` is the hash of a key", "people know it by its name: take the column `key`")
    if isinstance(stray, str) and stray in set(rows["key"]) - known:
        exercise.wrong(f"`stray` is {stray!r}", "that key says what it is for")
    if not isinstance(stray, str) or stray not in known:
        exercise.wrong("`stray` is not the name of a key in these rows", f"it is {stray!r}"[:120])
    booked = lab.gateway.spend_row(untold["request_id"], timeout=1).prompt_tokens
    measured = _measured(lab, untold["prompt"])
    answer = exercise.as_count("missing", missing)
    if answer == booked - measured != 0:
        exercise.wrong("`missing` is below zero", "subtract what was booked from what was measured")
    if answer in (booked, measured):
        exercise.wrong(f"`missing` is what was {'booked' if answer == booked else 'measured'}", "take the difference")
    if answer != measured - booked:
        why = f"the gateway booked {booked} prompt tokens, and the model server reads {measured}"
        exercise.wrong(f"`missing` is {answer:,.0f}", why)
    exercise.right("calls that nobody's application pays for, and a call that was billed on a guess")


def _right_total(exercise: Exercise, bill: Invoice, spent: Decimal, fixed: Decimal) -> None:
    """Refuse a bill whose total is not what was spent and the platform's cost, to the cent."""
    total, cent = usage.money(bill.total), Decimal("0.01")
    if abs(total - spent - fixed) <= cent:
        return
    if abs(total - spent) <= cent:
        exercise.wrong("the platform's cost is not in this invoice", "give it as fixed=...")
    if abs(total - fixed) <= cent:
        exercise.wrong("the usage is not in this invoice, only the platform's cost")
    why = f"these calls cost {spent:.2f}, the platform {fixed:.2f}"
    exercise.wrong(f"the total of this invoice is {total:.2f}", f"{why}: are they the calls of `rows`, all of them?")


def _right_shares(exercise: Exercise, bill: Invoice, rows: pd.DataFrame, fixed: Decimal) -> None:
    """Refuse a bill that shares the platform's cost by something else than tokens."""
    by_hour = usage.summary(rows, by=("hour", "team"))
    charged = bill.totals.groupby("team")["platform"].sum()
    by_key = {
        key: chargeback.allocate(fixed, by_hour, key=key, by="team").set_index("team")["amount"]
        for key in ("tokens", "hits", "peak")
    }
    fits = [key for key, owed in by_key.items() if all(abs(charged[one] - owed[one]) <= SLACK for one in owed.index)]
    if "tokens" not in fits:
        by_what = f"by {fits[0]}" if fits else "by something else"
        exercise.wrong(f"the platform's cost is shared {by_what}", 'use allocation="tokens"')


def _measured(lab: Lab, prompt: str) -> int:
    """Return the tokens that the model server reads for a question, with a key that is there for this moment only."""
    name = f"check 4.5 {uuid.uuid4().hex[:8]}"
    key = lab.gateway.create_key(name, models=[lab.model], application="check 4.5")
    try:
        return ask(lab.client(key), prompt, model=lab.model, max_tokens=1).prompt_tokens
    finally:
        lab.gateway.delete_key(key)
