"""A portal's own statistics beside the gateway's rows; which of two different numbers is right is yours to find out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pandas as pd

from maas_lab.chargeback.money import amount, exact_sum
from maas_lab.errors import UsageError
from maas_lab.portal_usage import Usage, UsageRow
from maas_lab.usage_frames import NO_USER

_ROWS = ("time", "outcome", "user", "prompt_tokens", "completion_tokens", "total_tokens", "cost")
_TOKENS = {"total": "total_tokens", "prompt": "prompt_tokens", "completion": "completion_tokens"}


def compare_statistics(portal: Usage, rows: pd.DataFrame) -> pd.DataFrame:
    """Set the portal's statistics and the gateway's rows side by side.

    The portal counts whole days, UTC, so only rows of its days are counted. Its tokens are those that it sent
    (`portal.raw`), with its own arithmetic.

    Args:
        portal: of `portal.statistics.usage(since)` or `portal.usage(since)`.
        rows: as `lab.usage.rows(window)` returns them, of these days at least.

    Returns:
        One row per measure: `measure`, `portal`, `gateway` and `ratio` (portal / gateway; NaN for 0 / 0).

    Raises:
        UsageError: these are not the portal's statistics, or not rows.
    """
    if not isinstance(portal, Usage):
        hint = "portal.statistics.usage(date) returns them"
        raise UsageError("these are not a portal's statistics of a span of days", "", hint)
    _check(rows)
    first = datetime.combine(portal.since, time(), UTC)
    last = datetime.combine(portal.until, time(), UTC) + timedelta(days=1)
    mine = rows[(rows["time"] >= first) & (rows["time"] < last)]
    tokens = portal.raw.get("totalTokens") or {}
    told = {"requests": portal.requests, "hits": portal.answered}
    told |= {name: float(tokens.get(kind) or 0) for kind, name in _TOKENS.items()}
    told |= {"cost": _cost([portal.cost])}
    booked = {"requests": len(mine), "hits": int((mine["outcome"] == "answered").sum())}
    booked |= {name: int(mine[name].sum()) for name in _TOKENS.values()}
    booked |= {"cost": _cost(mine["cost"])}
    lines = [(name, float(told[name]), float(booked[name]), _ratio(told[name], booked[name])) for name in told]
    return pd.DataFrame(lines, columns=["measure", "portal", "gateway", "ratio"])


def compare_users(portal: Iterable[UsageRow], rows: pd.DataFrame) -> pd.DataFrame:
    """Set the portal's users and the gateway's rows side by side: is everything that was spent still somebody's?

    LiteMaaS finds a user through the key, so when a key is deleted what it spent moves to nobody, and the owner's bill
    shrinks. The gateway keeps the owner in the row. Block or expire keys instead of deleting them.

    Args:
        portal: of `portal.statistics.by_user(since)`.
        rows: as `lab.usage.rows(window)` returns them, of the same days.

    Returns:
        One row per user: `user`, `portal_tokens`, `gateway_tokens`, `ratio` (of tokens; NaN for 0 / 0), `portal_cost`
        and `gateway_cost`.

    Raises:
        UsageError: these are not rows.
    """
    _check(rows)
    owners = rows["user"].astype(object).where(rows["user"].notna(), NO_USER)
    told = {_owner(row, set(owners)): row for row in portal}
    booked = dict(iter(rows.groupby(owners)))
    lines = []
    for name in dict.fromkeys([*told, *sorted(booked)]):
        tokens = int(booked[name]["total_tokens"].sum()) if name in booked else 0
        cost = _cost(booked[name]["cost"]) if name in booked else 0.0
        row = told.get(name)
        sums = (row.tokens.total, _cost([row.cost])) if row else (0, 0.0)
        lines.append((row.name if row else name, sums[0], tokens, _ratio(sums[0], tokens), sums[1], cost))
    columns = ["user", "portal_tokens", "gateway_tokens", "ratio", "portal_cost", "gateway_cost"]
    return pd.DataFrame(lines, columns=columns)


def _owner(row: UsageRow, known: set[str]) -> str:
    """Return the name under which the gateway's rows have a user of the portal: the id, or else the name."""
    return row.id if row.id in known else row.name


def _check(rows: pd.DataFrame) -> None:
    if missing := [name for name in _ROWS if name not in rows]:
        raise UsageError(f"the rows have no column `{missing[0]}`", "", "lab.usage.rows(window) returns them")


def _cost(costs: Iterable[Any]) -> float:
    return float(exact_sum(amount(cost, "a cost") for cost in costs))


def _ratio(portal: float, gateway: float) -> float:
    if not gateway:
        return math.inf if portal else math.nan
    return float(portal) / float(gateway)
