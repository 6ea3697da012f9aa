"""What it cost: money over time with its cap, and many GPUs beside a shared one."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from maas_lab import palette
from maas_lab.plots import hours
from maas_lab.plots.figure import (
    BOX,
    CATEGORIES,
    LOOKS,
    REJECTED,
    WHITE,
    DescribedFigure,
    count,
    dollars,
    drawing,
    finish,
    flat,
    legend,
    percent,
    say,
    shown,
)

_MOST = 1e15  # dollars: what is more than all the money there is, is a mistake like one that is no number at all
_DRAWN = 2000  # points of a line; more of them are not seen
_BAR = 0.5
_WAYS = {"hoarded": CATEGORIES[1], "shared": CATEGORIES[0]}  # as in the charts of slots and of capacity
_NEAR = 1e-9  # a sum of doubles may miss a cap that it reaches exactly by less than this share of it


class _Spent(NamedTuple):
    """What was spent, step by step."""

    times: pd.DatetimeIndex
    total: np.ndarray  # dollars, up to and with each time
    refused: np.ndarray  # calls at each time
    by_hour: bool
    unknown: int  # calls without a cost that is a number

    @property
    def all(self) -> float:
        return float(self.total[-1]) if len(self.total) else 0.0

    def reached(self, cap: float | None) -> int | None:
        """Return the first step at which the cap was reached."""
        over = np.flatnonzero(self.total >= cap - _NEAR * abs(cap)) if cap is not None else ()
        return int(over[0]) if len(over) else None


def cost_over_time(rows_or_summary: pd.DataFrame, cap: Any = None, *, tz: str = "UTC") -> DescribedFigure:
    """Draw the dollars spent so far over time, with the cap and the calls that it refused.

    Args:
        rows_or_summary: `rows` of a usage source, or a `usage.summary` with the dimension `hour`; from the latter
            moments are known by the hour. Refused is what ended as `budget exceeded`, or where a summary does not
            tell outcomes, all rejected calls.
        cap: dollars; None for no cap.
        tz: the time zone whose clock the axis shows, e.g. `Europe/Berlin`.

    Returns:
        A figure whose title says what was spent and when the cap was reached.

    Raises:
        UsageError: there is no such time zone.
    """
    spent, limit = _spent(rows_or_summary, tz), _finite(cap)
    title = _spending(spent, limit)
    with drawing(title, _spending_in_words(title, spent, limit)) as (figure, (axes,)):
        _line(axes, spent)
        _limit(axes, spent, limit)
        _refusals(axes, spent)
        heights = np.r_[0.0, spent.total, limit or 0.0]
        _money(axes, heights.min(), heights.max(), "y")
        axes.set_ylabel("dollars spent so far")
        axes.set_xlabel(_dates(spent, tz))
        finish(axes)
    return figure


def hoarded_and_shared(frame: pd.DataFrame, *, unit: str = "dollars per month") -> DescribedFigure:
    """Draw costs side by side, each with the source of its number.

    Args:
        frame: one row per bar, from the top: `label`; `cost`, dollars; `source`, where the number comes from; and,
            if the bars differ in kind, `kind`, such as `hoarded` and `shared`.
        unit: what the costs are.

    Returns:
        A figure whose title says how many times the most expensive way costs the cheapest.
    """
    costs = _costs(frame)
    title = _ratio(frame["label"].tolist(), costs)
    with drawing(title, _costs_in_words(title, frame, costs, unit)) as (figure, (axes,)):
        figure.set_figheight(max(2.4, 1.2 + 0.7 * len(frame)))
        kinds = frame["kind"].tolist() if "kind" in frame else [""] * len(frame)
        _cost_bars(axes, costs, kinds)
        _sources(axes, frame, costs)
        axes.set_yticks(-np.arange(len(frame)), [shown(label, 34) for label in frame["label"]])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(unit)
        finish(axes, "x")
    return figure


def _finite(cap: Any) -> float | None:
    return None if cap is None or not np.isfinite(float(cap)) else float(cap)


def _spent(frame: pd.DataFrame, zone: str) -> _Spent:
    column = "time" if "time" in frame else "hour"
    frame = frame.sort_values(column, kind="stable")
    costs = frame["cost"].astype(float).to_numpy()
    known = np.abs(costs) < _MOST  # not of NaN
    answered = frame["outcome"].eq("answered").to_numpy() if "outcome" in frame else np.ones(len(frame), dtype=bool)
    times = hours.local(pd.DatetimeIndex(pd.to_datetime(frame[column], utc=True)), zone)
    times = times + hours.HOUR if column == "hour" else times
    total = np.cumsum(np.where(known, costs, 0.0))
    return _Spent(times, total, _refused(frame), column == "hour", int((answered & ~known).sum()))


def _refused(frame: pd.DataFrame) -> np.ndarray:
    calls = frame["rejected"].fillna(0).astype("int64").to_numpy() if "rejected" in frame else np.ones(len(frame), int)
    if "outcome" in frame:
        return np.where(frame["outcome"].eq("budget exceeded"), calls, 0)
    return calls if "rejected" in frame else np.zeros(len(frame), int)


def _line(axes: Axes, spent: _Spent) -> None:
    if not len(spent.times):
        say(axes, "no calls")
        axes.set_xticks([])
        return
    times = _days(spent.times)
    keep = np.unique(np.r_[0, np.linspace(0, len(times) - 1, _DRAWN).astype(int)])
    pad = 0.04 * (times[-1] - times[0]) or 30 / 86_400
    at, height = np.r_[times[0], times[keep], times[-1] + pad], np.r_[0, spent.total[keep], spent.total[-1]]
    axes.plot(at, height, drawstyle="steps-post", color=CATEGORIES[0].color, linewidth=2, label="_spent so far")
    axes.set_xlim(times[0] - pad, times[-1] + pad)
    days = times[-1] - times[0]
    most = 7 if days < 4 / 1440 else 8  # with less, the locator has no interval for nearly three minutes
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(tz=spent.times.tz, minticks=3, maxticks=most))
    clock = "%H:%M:%S" if days < 4 / 1440 else "%H:%M" if days < 2 else "%d %b"
    axes.xaxis.set_major_formatter(mdates.DateFormatter(clock, tz=spent.times.tz))


def _limit(axes: Axes, spent: _Spent, cap: float | None) -> None:
    if cap is None:
        return
    axes.axhline(cap, color=palette.INK, linestyle="--", linewidth=1.2, label="_cap")
    place = {"transform": axes.get_yaxis_transform(), "va": "bottom", "ha": "left", "bbox": BOX, "zorder": 2.5}
    axes.text(0.01, cap, f"cap {dollars(cap)}", **place)
    at = spent.reached(cap)
    if at is not None:
        when = _days(spent.times[at])
        look = {"s": 60, "marker": "o", "facecolors": WHITE, "edgecolors": palette.INK, "zorder": 4}
        axes.scatter([when], [spent.total[at]], label=f"cap reached {_moment(spent, at)}", **look)


def _refusals(axes: Axes, spent: _Spent) -> None:
    at = np.flatnonzero(spent.refused)
    if not len(at):
        return
    many = count(int(spent.refused.sum()), "refused call")
    at = at[np.unique(np.linspace(0, len(at) - 1, _DRAWN).astype(int))]
    when = _days(spent.times[at])
    marker = LOOKS["budget exceeded"][1]
    look = {"s": 26, "color": REJECTED.color, "marker": marker, "edgecolors": WHITE, "linewidths": 0.5, "zorder": 3}
    axes.scatter(when, spent.total[at], label=many, **look)


def _money(axes: Axes, least: float, most: float, which: str) -> None:
    """Set up an axis of dollars: zero on it, room for labels, and ticks that can be told apart."""
    size = max(most, -least)
    room = (0.14 if which == "y" else 0.22) * size or 1.0
    limits = least - room if least < 0 else 0.0, most + room
    axis = axes.yaxis if which == "y" else axes.xaxis
    (axes.set_ylim if which == "y" else axes.set_xlim)(*limits)
    axis.set_major_locator(MaxNLocator(nbins=5 if which == "y" else 4, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: dollars(value) if abs(value) > 1e-9 * size else "$0"))
    if least < 0:
        (axes.axhline if which == "y" else axes.axvline)(0, color=palette.INK, linewidth=0.8)
    if legends := axes.get_legend_handles_labels()[0]:
        legend(axes, handles=legends)


def _days(times: pd.DatetimeIndex | pd.Timestamp) -> Any:
    """Return times as matplotlib counts them, in days."""
    return mdates.date2num(times.tz_convert("UTC").tz_localize(None))


def _dates(spent: _Spent, zone: str) -> str:
    """Return what the axis of time says: the zone, and the dates."""
    days = [f"{spent.times[n].day} {spent.times[n]:%b %Y}" for n in (0, -1) if len(spent.times)]
    return ", ".join(["time", zone, " to ".join(dict.fromkeys(days))]) if days else f"time, {zone}"


def _moment(spent: _Spent, at: int) -> str:
    time = spent.times[at]
    same_day = spent.times[0].date() == spent.times[-1].date()
    day = "" if same_day else f"{time.day} {time:%b} "
    return f"by {day}{time:%H:%M}" if spent.by_hour else f"at {day}{time:%H:%M:%S}"


def _spending(spent: _Spent, cap: float | None) -> str:
    refused = int(spent.refused.sum())
    calls = f"; {count(refused, 'call')} refused" if refused else ""
    if cap is None:
        return f"{dollars(spent.all)} spent{calls}" if len(spent.times) else "Nothing was spent"
    at = spent.reached(cap)
    if at is None:
        part = f", {percent(max(spent.all, 0) / cap)} of the cap of {dollars(cap)}" if cap > 0 else ""
        return f"{dollars(spent.all)} spent{part or f', below the cap of {dollars(cap)}'}{calls}"
    over = spent.all - cap
    more = f", {dollars(over)} more was spent" if over > _NEAR * abs(cap) else ""
    return f"The cap of {dollars(cap)} was reached {_moment(spent, at)}{more}{calls}"


def _spending_in_words(title: str, spent: _Spent, cap: float | None) -> str:
    if not len(spent.times):
        return f"An empty chart: {title[0].lower()}{title[1:]}."
    first, last = (f"{spent.times[n]:%Y-%m-%d %H:%M:%S %Z}" for n in (0, -1))
    unknown = f" {count(spent.unknown, 'answered row')} had no cost." if spent.unknown else ""
    line = f" The cap is a line at {dollars(cap)}." if cap is not None else ""
    return f"{title}. A line that rises from $0 to {dollars(spent.all)}, from {first} to {last}.{line}{unknown}"


def _costs(frame: pd.DataFrame) -> np.ndarray:
    """Return costs as numbers; NaN for one that is none."""
    costs = frame["cost"].astype(float).to_numpy()
    return np.where(np.abs(costs) < _MOST, costs, np.nan)


def _cost_bars(axes: Axes, costs: np.ndarray, kinds: Sequence[str]) -> None:
    known = np.nan_to_num(costs)
    for n, kind in enumerate(dict.fromkeys(kinds)):
        rows = [row for row, own in enumerate(kinds) if own == kind]
        look = _WAYS.get(kind, CATEGORIES[min(n, len(CATEGORIES) - 1)])
        colours = {"color": look.color, "hatch": look.hatch, "edgecolor": WHITE}
        axes.barh([-row for row in rows], known[rows], _BAR, label=shown(kind) if kind else "", **colours)
    _money(axes, known.min(initial=0), known.max(initial=0), "x")


def _sources(axes: Axes, frame: pd.DataFrame, costs: np.ndarray) -> None:
    if not len(frame):
        say(axes, "no costs")
        axes.set_xticks([])
    for row, (cost, source) in enumerate(zip(costs, frame["source"], strict=True)):
        end = max(cost, 0) if np.isfinite(cost) else 0
        text = dollars(cost) if np.isfinite(cost) else "unknown"
        axes.text(end, -row, f" {text}", va="center")
        small = {"transform": axes.get_yaxis_transform(), "va": "top", "fontsize": 8, "color": palette.QUIET}
        axes.text(0.005, -row - _BAR / 2 - 0.04, textwrap.fill(shown(source, 118), 60), **small)
    axes.set_ylim(-max(len(frame), 1) + 0.4, 0.45)


def _ratio(labels: Sequence[str], costs: np.ndarray) -> str:
    known = [n for n in range(len(costs)) if np.isfinite(costs[n])]
    if not known:
        return "No costs to compare"
    high, low = max(known, key=lambda n: costs[n]), min(known, key=lambda n: costs[n])
    if costs[high] == costs[low]:
        same = dollars(costs[high])
        return f"“{shown(labels[high])}” costs {same}" if len(known) == 1 else f"All cost the same: {same}"
    if costs[low] > 0:
        return f"“{shown(labels[high])}” costs {costs[high] / costs[low]:,.1f} times as much as “{shown(labels[low])}”"
    return f"“{shown(labels[high])}” costs {dollars(costs[high] - costs[low])} more than “{shown(labels[low])}”"


def _costs_in_words(title: str, frame: pd.DataFrame, costs: np.ndarray, unit: str) -> str:
    if not len(frame):
        return "An empty chart: no costs to compare."
    each = [
        f"{flat(label)}: {dollars(cost) if np.isfinite(cost) else 'unknown'} ({flat(source)})"
        for label, cost, source in zip(frame["label"], costs, frame["source"], strict=True)
    ]
    return f"{title}. Bars, {unit}: {'; '.join(each)}."
