"""How far a cap is passed: dollars spent after each answer, with few callers at the same time and with many."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from maas_lab import palette
from maas_lab.plots.figure import (
    BOX,
    CATEGORIES,
    LOOKS,
    WHITE,
    DescribedFigure,
    count,
    dollars,
    drawing,
    finish,
    legend,
    listed,
    say,
)

_LINES = ("-", "--", "-.", ":")


def overspent(calls: Mapping[int, pd.DataFrame], cap: float) -> DescribedFigure:
    """Draw what was spent after each answer, a line for each number of callers, and the cap that all of them had.

    Args:
        calls: by number of callers, one row per call: `ended_s`, seconds since the first call began; `outcome`; and
            `cost`, dollars, as in `caps.overshoot(...).frame`.
        cap: dollars.

    Returns:
        A figure whose title says what was spent in the end under the same cap.
    """
    spent = {callers: _spent(frame) for callers, frame in calls.items()}
    title = _finding(spent, cap)
    with drawing(title, _words(title, calls, spent)) as (figure, (axes,)):
        for number, callers in enumerate(spent):
            _line(axes, number, callers, spent[callers], calls[callers])
        axes.axhline(cap, color=palette.INK, linewidth=1.2, linestyle=(0, (1, 1)), label="_cap")
        place = {"transform": axes.get_yaxis_transform(), "va": "bottom", "ha": "left", "bbox": BOX, "zorder": 2.5}
        axes.text(0.01, cap, f"cap {dollars(cap)}", **place)  # on the left, where the lines are still below it
        top = max([cap, *(float(one["total"].iloc[-1]) for one in spent.values())])
        axes.set_ylim(0, 1.12 * top or 1)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: dollars(value) if value else "$0"))
        axes.set_ylabel("dollars spent so far")
        axes.set_xlabel("seconds since the first call")
        finish(axes)
        _explain(axes)
    return figure


def _spent(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sum after each answer, from nothing at second 0."""
    answered = frame[frame["outcome"] == "answered"].sort_values("ended_s", kind="stable")
    ends = np.r_[0.0, answered["ended_s"].astype(float)]
    return pd.DataFrame({"ended_s": ends, "total": np.r_[0.0, answered["cost"].astype(float).cumsum()]})


def _line(axes: Axes, number: int, callers: int, spent: pd.DataFrame, calls: pd.DataFrame) -> None:
    refused = calls.loc[calls["outcome"] != "answered", "ended_s"].astype(float)
    end, total = max([*spent["ended_s"], *refused]), float(spent["total"].iloc[-1])
    look = {"color": CATEGORIES[number % len(CATEGORIES)].color, "linestyle": _LINES[number % len(_LINES)]}
    at, height = np.r_[spent["ended_s"], end], np.r_[spent["total"], total]
    label = f"{count(callers, 'caller')}: {dollars(total)}"
    axes.plot(at, height, drawstyle="steps-post", linewidth=2, label=label, **look)
    marker = LOOKS["budget exceeded"][1]
    points = {"s": 22, "marker": marker, "color": LOOKS["budget exceeded"][0], "edgecolors": WHITE, "zorder": 3}
    # Some are refused while answers of others are still on their way: each mark is on the line as it is then.
    so_far = spent["total"].to_numpy()[np.searchsorted(spent["ended_s"], refused, side="right") - 1]
    axes.scatter(refused, so_far, linewidths=0.5, label="refused", **points)


def _explain(axes: Axes) -> None:
    """Tell the lines apart, and below them what the marks are."""
    lines, marks = [line for line in axes.lines if line.get_label()[0] != "_"], list(axes.collections)
    if lines:
        legend(axes, handles=[*lines, *[one for one in marks if len(one.get_offsets())][:1]])
    else:
        say(axes, "no calls")


def _finding(spent: Mapping[int, pd.DataFrame], cap: float) -> str:
    if not spent:
        return "No calls were made"
    each = [f"{dollars(one['total'].iloc[-1])} with {count(callers, 'caller')}" for callers, one in spent.items()]
    return f"A cap of {dollars(cap)} let through {listed(each)}"


def _words(title: str, calls: Mapping[int, pd.DataFrame], spent: Mapping[int, pd.DataFrame]) -> str:
    if not spent:
        return "An empty chart: no calls were made."
    lines = []
    for callers, frame in calls.items():
        answered = len(spent[callers]) - 1
        took = float(frame["ended_s"].max()) if len(frame) else 0.0
        told = f"{answered} answered and {len(frame) - answered} refused in {took:.1f} seconds"
        lines.append(f"{count(callers, 'caller')}: {told}")
    return f"{title}. Lines that rise with each answer, and a mark for each refused call. {'; '.join(lines)}."
