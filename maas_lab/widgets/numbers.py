"""What the accountant's board shows, as text: totals, and a table by whatever was chosen. Frames in, HTML out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from decimal import Decimal

import pandas as pd

from maas_lab.widgets.parts import dollars, facts, table

COUNTS = ("hits", "rejected", "prompt_tokens", "completion_tokens", "total_tokens", "unmetered")
MOST = 24  # rows of a table; what is beyond is one more row, so that the table adds up to the totals
_HEADS = (">Hits", ">Rejected", ">Prompt tokens", ">Completion tokens", ">Total tokens", ">Cost")


def regroup(summary: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Add a summary up further.

    Args:
        summary: by more than is asked for, as `usage.summary` makes it.
        by: the dimensions that stay.
    """
    return summary.groupby(list(by), as_index=False, sort=True)[[*COUNTS, "cost"]].sum()


def total(summary: pd.DataFrame) -> dict[str, int | Decimal]:
    """Return the sums of a summary, by the names of its columns."""
    return {name: int(summary[name].sum()) for name in COUNTS} | {"cost": sum(summary["cost"], Decimal(0))}


def totals(summary: pd.DataFrame) -> str:
    """Return the sums of a summary as HTML."""
    found = total(summary)
    shown = {
        "Hits (answered calls)": f"{found['hits']:,}",
        "Rejected calls": f"{found['rejected']:,}",
        "Total tokens": f"{found['total_tokens']:,}",
        "Cost": dollars(found["cost"]),
    }
    none = found["unmetered"]
    calls = "call was" if none == 1 else "calls were"
    note = f"<p>Not metered: {none:,} answered {calls} booked without tokens.</p>" if none else ""
    return facts(shown) + note


def by_table(summary: pd.DataFrame, by: str, tz: tzinfo) -> str:
    """Return a summary as an HTML table: the hours in their order, all else with the most expensive first.

    Args:
        summary: by `by`, and perhaps by more.
        by: one of `usage.DIMENSIONS`.
        tz: the zone in which hours are shown.
    """
    rows = regroup(summary, [by])
    if by == "hour":
        rows = rows.sort_values("hour", ascending=False)  # the newest first: it is what moves
    else:
        rows = rows.sort_values(["cost", "hits", by], ascending=[False, False, True])
    cells = [_cells(_name(row[by], tz), row) for _, row in rows.head(MOST).iterrows()]
    others = rows.iloc[MOST:]
    if len(others):
        cells.append(_cells(f"({len(others):,} more)", total(others)))
    return table(f"By {by}", (by.capitalize(), *_HEADS), cells, "No calls in this time.")


def _name(value: object, tz: tzinfo) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value.tz_convert(tz):%Y-%m-%d %H:%M %Z}"
    return str(value)


def _cells(name: str, row: pd.Series | dict[str, int | Decimal]) -> tuple[str, ...]:
    return name, *(f"{row[count]:,}" for count in COUNTS[:-1]), dollars(row["cost"])
