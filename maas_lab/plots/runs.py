"""Calls in the order in which they were made: how each ended, and the tokens used so far."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from maas_lab.plots.calls import counts_of, finding
from maas_lab.plots.figure import CATEGORIES, LOOKS, WHITE, DescribedFigure, count, drawing, finish, listed, say, whole

_DRAWN = 2000  # points of the line; more of them are not seen
_MOST = 400  # bars side by side that are still seen; of more calls, a bar stands for several


def runs_by_status(calls_or_rows: pd.DataFrame) -> DescribedFigure:
    """Draw a bar for each call, in the order of the calls and in the lane of its outcome, below the tokens so far.

    Args:
        calls_or_rows: `ask_many(...).frame`, ordered by the time each call began, or `rows` of a usage source:
            `outcome` and `total_tokens`; HTTP codes are shown where `status` has them.

    Returns:
        A figure whose title says how many calls were answered, what became of the others, and the tokens of all.
    """
    order = next((name for name in ("started_s", "time") if name in calls_or_rows), None)
    frame = calls_or_rows.sort_values(order, kind="stable") if order else calls_or_rows
    counts, labels = counts_of(frame), _labels(frame)
    tokens = frame["total_tokens"].fillna(0).astype("int64").to_numpy().cumsum()
    title = f"{finding(counts)}; {count(int(tokens[-1]), 'token')} in all" if len(frame) else finding(counts)
    with drawing(title, _words(title, frame, labels), 2, **_room(counts)) as (figure, (upper, lower)):
        _so_far(upper, tokens)
        _lanes(lower, frame, labels)
        upper.set_ylabel("tokens so far")
        lower.set_xlabel("calls, in the order in which they were made")
    return figure


def _room(counts: Mapping[str, int]) -> dict[str, object]:
    lanes = max(len(counts), 1)
    return {"sharex": True, "height_ratios": [3, 0.8 + 0.7 * lanes], "figsize": (8, 2.6 + 0.42 * lanes)}


def _labels(frame: pd.DataFrame) -> dict[str, str]:
    """Return what the lane of each outcome is called: with its HTTP codes, and the number of calls."""
    numeric = pd.api.types.is_numeric_dtype(frame["status"]) if "status" in frame else False
    labels = {}
    for outcome, calls in counts_of(frame).items():
        codes = frame.loc[frame["outcome"] == outcome, "status"].dropna().unique() if numeric else []
        code = f" ({', '.join(str(int(one)) for one in sorted(codes))})" if len(codes) else ""
        labels[outcome] = f"{outcome}{code}: {calls:,}"
    return labels


def _so_far(axes: Axes, tokens: np.ndarray) -> None:
    if not len(tokens):
        say(axes, "no calls")
    at, height = np.r_[0.5, np.arange(len(tokens)) + 1, len(tokens) + 0.5], np.r_[0, tokens, tokens[-1:]]
    keep = np.unique(np.linspace(0, len(height) - 1, _DRAWN).astype(int))
    axes.step(at[keep], height[keep], where="post", color=CATEGORIES[0].color, linewidth=2, label="tokens so far")
    axes.set_ylim(0, 1.12 * max(tokens.max(initial=0), 1))
    whole(axes.yaxis)
    finish(axes)


def _lanes(axes: Axes, frame: pd.DataFrame, labels: Mapping[str, str]) -> None:
    outcomes = frame["outcome"].to_numpy()
    wide = -(-len(outcomes) // _MOST) or 1
    for row, outcome in enumerate(labels):
        colour, _, hatch = LOOKS[outcome]
        first = np.unique(np.flatnonzero(outcomes == outcome) // wide) * wide
        gap = 0.15 if len(outcomes) <= 60 else 0
        look = {"color": colour, "hatch": hatch, "edgecolor": WHITE, "linewidth": 0, "label": outcome}
        axes.bar(first + 0.5 + gap / 2, 0.7, wide - gap, bottom=-row - 0.35, align="edge", **look)
    axes.set_yticks([-row for row in range(len(labels))], list(labels.values()))
    axes.set_ylim(-max(len(labels), 1) + 0.4, 0.6)
    axes.set_xlim(0.5, max(len(outcomes), 1) + 0.5)
    if len(outcomes):
        whole(axes.xaxis, 8)
    else:
        axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _words(title: str, frame: pd.DataFrame, labels: Mapping[str, str]) -> str:
    if not len(frame):
        return "An empty chart: no calls were made."
    outcomes, first = frame["outcome"].to_numpy(), []
    for outcome in labels:
        if outcome != "answered":
            first.append(f"{outcome} from call {int(np.flatnonzero(outcomes == outcome)[0]) + 1:,} on")
    since = f" First {listed(first)}." if first else ""
    missing = int((frame["total_tokens"].isna() & (frame["outcome"] == "answered")).sum())
    unknown = f" {count(missing, 'answered call')} had no tokens booked." if missing else ""
    return f"{title}. A bar per call, in lanes by outcome: {', '.join(labels.values())}.{since}{unknown}"
