"""Sharing out a fixed cost, such as GPU hours and overhead, among those who use the platform, to the cent.

Part of user i = total x w_i / (w_1 + ... + w_n), where the weight w_i is, by allocation key:

- `tokens`: all tokens of i. "Proportional" in the FinOps Framework (finops.org, Shared Cost Management).
- `hits`: the answered calls of i. Proportional, too.
- `peak`: the tokens of i in the busiest hour of i, whenever that is. Electricity suppliers share out capacity like
  this: "non-coincident peak method" (IEC 60050, 691-11-04). Who calls evenly pays less than who comes in bursts,
  because capacity is bought for the bursts.
- `even`: 1. "Even split" in the FinOps Framework.

Parts are whole cents by the largest-remainder method: each is rounded down, and the cents left over go to those who
lost most by that (the first by name where they lost the same).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd

from maas_lab.chargeback import frames
from maas_lab.chargeback.money import CENT, amount, cents
from maas_lab.errors import AccountingError, UsageError

KEYS = ("tokens", "hits", "peak", "even")


def allocate(
    total: Any, summary: pd.DataFrame, key: str = "tokens", by: str | Sequence[str] = "application"
) -> pd.DataFrame:
    """Share out a fixed cost, so that the parts add up to it exactly; the module says by which formula.

    Args:
        total: dollars; rounded to cents, half to even, if it has more digits.
        summary: of `usage.summary`, grouped by `by`; for `peak` also by `hour`. It may be grouped by more.
        key: what the shares follow: `tokens`, `hits`, `peak` or `even`.
        by: a column, or several.

    Returns:
        The columns of `by`, `share` (float, 0 to 1, before rounding; 0 for all when nobody used anything) and `amount`
        (Decimal).

    Raises:
        UsageError: there is no such key, or the summary lacks a column.
        AccountingError: the total is negative, or there is nobody to pay it, or nobody used anything.
    """
    columns = frames.names(by)
    if key not in KEYS:
        raise UsageError(f"there is no allocation key `{key}`", hint=f"the keys are: {', '.join(KEYS)}")
    money = cents(amount(total, "the cost to share out"))
    if money < 0:
        raise AccountingError(f"the cost to share out is {money}", "a refund is no cost", "give what is to be paid")
    frame = frames.summary_of(summary, (*columns, "hour") if key == "peak" else columns)
    users = _weights(frame, columns, key)
    weights = [int(weight) for weight in users.pop("weight")]
    _check(money, weights, key)
    whole = sum(weights)
    users["share"] = [weight / whole if whole else 0.0 for weight in weights]
    parts = largest_remainder(money, weights) if money else [money] * len(weights)
    users["amount"] = pd.Series(parts, index=users.index, dtype=object)
    return users


def _check(money: Decimal, weights: Sequence[int], key: str) -> None:
    if money and not weights:
        why, hint = "the summary has no rows", "look for the usage of a longer window, or share out nothing"
        raise AccountingError(f"there is nobody to share {money} with", why, hint)
    if money and not sum(weights):
        why = f"all {len(weights)} have no {'hits' if key == 'hits' else 'tokens'}"
        raise AccountingError(f"`{key}` is no key to share {money} by", why, 'choose key="even", or share out nothing')


def _weights(frame: pd.DataFrame, by: Sequence[str], key: str) -> pd.DataFrame:
    found = frames.added(frame, by, [])
    if key == "peak":
        hours = frame.groupby([*by, "hour"], observed=True)["total_tokens"].sum()
        found = found.join(hours.groupby(level=list(by)).max().rename("weight"), on=list(by))
    else:
        found["weight"] = 1 if key == "even" else found["hits" if key == "hits" else "total_tokens"]
    return found[[*by, "weight"]]


def largest_remainder(total: Decimal, weights: Sequence[int]) -> list[Decimal]:
    """Share out whole cents by weights that are not all zero, so that they add up (Hamilton's method).

    Args:
        total: whole cents, not negative.
        weights: not negative; the earlier of two equal remainders gets the cent.
    """
    whole, parts = sum(weights), int(total / CENT)
    exact = [Fraction(parts * weight, whole) for weight in weights]
    shares = [int(part) for part in exact]
    left = parts - sum(shares)
    behind = sorted(range(len(exact)), key=lambda n: (shares[n] - exact[n], n))
    for n in behind[:left]:
        shares[n] += 1
    return [share * CENT for share in shares]
