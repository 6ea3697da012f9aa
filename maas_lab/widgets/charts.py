"""The charts of the accountant's board, drawn only when they would look different."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import tzinfo

import pandas as pd

from maas_lab import plots, usage

_WHO = ("application", "team", "user", "key")  # whom charts tell apart; tokens are split by model
_MOST = 8  # charts that are remembered, some 200 kB each: for another look, another board, the same cell run again
_drawn: OrderedDict[tuple, str] = OrderedDict()
_lock = threading.Lock()


def who(by: str) -> str:
    """Return whom charts tell apart, when the table is by one of `usage.DIMENSIONS`."""
    return by if by in _WHO else "application"


def charts(
    summary: pd.DataFrame, hours: pd.DataFrame, rows: pd.DataFrame | None, asked: usage.Window, by: str, tz: tzinfo
) -> str:
    """Return hits by hour, tokens, and cost over time, as HTML images with their words.

    Args:
        summary: by `who(by)` and model.
        hours: by `who(by)`, hour and outcome.
        rows: the same calls one by one, where they are at hand: they know the moment of a call, a summary the hour.
        asked: the window of all.
        by: what the table is by.
        tz: the zone that clocks are shown in.
    """
    zone, hour = str(tz), asked.since.replace(minute=0, second=0, microsecond=0)
    frames = [usage.regroup(summary, (who(by), "model")), hours, *([rows] if rows is not None else [])]
    what = who(by), zone, hour, round(asked.hours), *map(_print, frames)
    with _lock:
        if what not in _drawn:
            _drawn[what] = _draw(*frames, asked=asked, by=who(by), zone=zone)
        _drawn.move_to_end(what)
        while len(_drawn) > _MOST:
            _drawn.popitem(last=False)
        return _drawn[what]


def _draw(summary: pd.DataFrame, *over_time: pd.DataFrame, asked: usage.Window, by: str, zone: str) -> str:
    figures = (
        plots.hits_by_hour(over_time[0], asked, by=by, tz=zone),
        plots.tokens_by(summary, by=by, split="model"),
        plots.cost_over_time(over_time[-1], tz=zone),
    )
    return f'<div class="charts">{"".join(figure.to_html() for figure in figures)}</div>'


def _print(frame: pd.DataFrame) -> tuple[int, int]:
    """Return what tells one frame of calls from another: how many rows it has, and a sum over their contents."""
    floats = frame.assign(cost=frame["cost"].astype(float))  # to look at a million decimals takes seconds
    return len(frame), int(pd.util.hash_pandas_object(floats, index=False).sum())
