"""The charts of the accountant's board, drawn only when they would look different."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import tzinfo

import pandas as pd

from maas_lab import plots, usage
from maas_lab.widgets.figures import image

_WHO = ("application", "team", "user", "key")  # by which charts are drawn; tokens are split by model
_MOST = 8  # charts that are remembered, some 200 kB each: for another look, another board, the same cell run again
_drawn: OrderedDict[tuple, str] = OrderedDict()
_lock = threading.Lock()


def charts(summary: pd.DataFrame, rows: pd.DataFrame | None, asked: usage.Window, by: str, tz: tzinfo) -> str:
    """Return hits by hour, tokens, and cost over time, as HTML images with their words.

    Args:
        summary: by hour, outcome, model, `by` and application.
        rows: the same calls one by one, where they are at hand: they know the moment of a call, a summary the hour.
        asked: the window of both.
        by: one of `usage.DIMENSIONS`; charts tell apart who called, so of the others they show applications.
        tz: the zone that clocks are shown in.
    """
    who, zone = by if by in _WHO else "application", str(tz)
    hour = asked.since.replace(minute=0, second=0, microsecond=0)
    moments = _print(rows[["time"]]) if rows is not None else None
    what = (who, zone, hour, round(asked.hours), tuple(summary.columns), _print(summary), moments)
    with _lock:
        if what not in _drawn:
            _drawn[what] = _draw(summary, rows, asked, who, zone)
        _drawn.move_to_end(what)
        while len(_drawn) > _MOST:
            _drawn.popitem(last=False)
        return _drawn[what]


def _draw(summary: pd.DataFrame, rows: pd.DataFrame | None, asked: usage.Window, who: str, zone: str) -> str:
    figures = (
        plots.hits_by_hour(summary, asked, by=who, tz=zone),
        plots.tokens_by(summary, by=who, split="model"),
        plots.cost_over_time(summary if rows is None else rows, tz=zone),
    )
    return f'<div class="charts">{"".join(map(image, figures))}</div>'


def _print(frame: pd.DataFrame) -> tuple[int, int]:
    """Return what tells one frame from another: how many rows it has, and a sum over their contents."""
    return len(frame), int(pd.util.hash_pandas_object(frame, index=False).sum())
