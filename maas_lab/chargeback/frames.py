"""What chargeback takes: summaries of usage, looked at before anything is added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from maas_lab.chargeback.money import amount, exact_sum
from maas_lab.errors import AccountingError, UsageError
from maas_lab.usage_frames import NO_KEY, NO_TEAM, NO_USER, SUMS, UNLABELLED

COUNTS = tuple(name for name in SUMS if name != "cost")
_UNNAMED = {"application": UNLABELLED, "team": NO_TEAM, "user": NO_USER, "key": NO_KEY}


def names(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns to group by, as a tuple.

    Raises:
        UsageError: there is none.
    """
    columns = (by,) if isinstance(by, str) else tuple(by)
    if not columns or len(set(columns)) < len(columns):
        raise UsageError("`by` names the columns to group by, each once", hint='e.g. by=("team", "application")')
    return columns


def summary_of(summary: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return a checked copy of a summary: names are never missing, counts are whole, costs are Decimals.

    Args:
        summary: as `usage.summary` makes it.
        columns: those it must be grouped by.

    Raises:
        UsageError: a column is missing.
        AccountingError: a count is missing or negative, or a cost is no real amount.
    """
    wanted = tuple(dict.fromkeys(columns))
    if missing := [one for one in (*wanted, *COUNTS, "cost") if one not in summary]:
        hint = f"make it with usage.summary(rows, by={wanted!r})"
        raise UsageError(f"the summary has no column `{missing[0]}`", "", hint)
    frame = summary.reset_index(drop=True).copy()
    for name in wanted:
        if name != "hour":
            frame[name] = frame[name].astype(object).where(frame[name].notna(), _UNNAMED.get(name, "(unknown)"))
    for name in COUNTS:
        frame[name] = _whole(frame[name])
    frame["cost"] = pd.Series([amount(cost, "a cost") for cost in frame["cost"]], index=frame.index, dtype=object)
    return frame


def _whole(counts: pd.Series) -> pd.Series:
    what = f"`{counts.name}` of the summary"
    hint = "usage.summary(rows) counts them; does the summary come from there?"
    if counts.isna().any() or (counts < 0).any():
        raise AccountingError(f"{what} is negative or missing somewhere", "", hint)
    return counts.astype("int64")


def added(frame: pd.DataFrame, by: Sequence[str], money: Sequence[str]) -> pd.DataFrame:
    """Add up counts and exact amounts by columns; the rows with no name of their own come last.

    Args:
        frame: as `summary_of` returns it.
        by: columns to keep, in the order by which rows are sorted.
        money: columns of Decimals.
    """
    counts = [name for name in COUNTS if name in frame]
    grouped = frame.groupby(list(by), sort=False, observed=True)
    # Named per column, because pandas will not aggregate an empty group by a function.
    sums = [grouped[counts].sum(), *(grouped[name].agg(exact_sum) for name in money)]
    found = pd.concat(sums, axis=1).reset_index()
    order = sorted(found.index, key=lambda n: [unnamed_last(found.at[n, name]) for name in by])
    return found.loc[order].reset_index(drop=True)


def unnamed_last(name: object) -> tuple[bool, str, str]:
    """Return a sort key: by letters, and `(no application)` and the like behind all names."""
    text = str(name)
    return text in _UNNAMED.values(), text.casefold(), text
