"""What the accountant's board shows, as text: totals, and a table by whatever was chosen. Frames in, HTML out."""

from __future__ import annotations

from datetime import tzinfo

import pandas as pd

from maas_lab import usage
from maas_lab.amounts import dollars
from maas_lab.widgets.parts import facts, table

_COUNTS = ("hits", "rejected", "prompt_tokens", "completion_tokens", "total_tokens")
MOST = 24  # rows of a table; what is beyond is one more row, so that the table adds up to the totals
_HEADS = (">Hits", ">Rejected", ">Prompt tokens", ">Completion tokens", ">Total tokens", ">Cost")


def totals(summary: pd.DataFrame) -> str:
    """Return the sums of a summary as HTML."""
    found = usage.regroup(summary, []).iloc[0]
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
    rows = usage.regroup(summary, by)
    if by == "hour":
        rows = rows.sort_values("hour", ascending=False)  # the newest first: it is what moves
    else:
        rows = rows.sort_values(["cost", "hits", by], ascending=[False, False, True])
    cells = [_cells(_name(row[by], tz), row) for _, row in rows.head(MOST).iterrows()]
    others = rows.iloc[MOST:]
    if len(others):
        cells.append(_cells(f"({len(others):,} more)", usage.regroup(others, []).iloc[0]))
    return table(f"By {by}", (by.capitalize(), *_HEADS), cells, "No calls in this time.")


def _name(value: object, tz: tzinfo) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value.tz_convert(tz):%Y-%m-%d %H:%M %Z}"
    return str(value)


def _cells(name: str, row: pd.Series) -> tuple[str, ...]:
    return name, *(f"{row[count]:,}" for count in _COUNTS), dollars(row["cost"])
