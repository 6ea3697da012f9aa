"""Calls as they were made: by how they ended, and while pods came and went."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from maas_lab import palette
from maas_lab.plots.figure import LOOKS, WHITE, DescribedFigure, drawing, finish, legend
from maas_lab.refusals import OUTCOMES

# What a pod does; a pattern each, so that the colour never stands alone.
_STATES = {"starting": (palette.SKY, "///"), "serving": (palette.BLUE, ""), "leaving": (palette.ORANGE, "...")}


def calls_by_outcome(frame: pd.DataFrame) -> DescribedFigure:
    """Draw each call as a bar over time, in one lane per outcome.

    Args:
        frame: one row per call: `outcome` (one of `refusals.OUTCOMES`), `started_s` and `seconds`, as in
            `ask_many(...).frame`.

    Returns:
        A figure whose title says how many calls were answered; `description` says the same and more in words.
    """
    counts = counts_of(frame)
    with drawing(finding(counts), _words(frame, counts)) as (figure, (axes,)):
        _lanes(axes, frame.sort_values("started_s"), counts)
        axes.set_xlabel("seconds since the first call")
        axes.set_ylabel("calls, one bar each")
    return figure


def rollout(calls: pd.DataFrame, pods: pd.DataFrame) -> DescribedFigure:
    """Draw the calls that were made during a change, and below them the pods that came and went.

    Args:
        calls: one row per call, as `calls_by_outcome` takes them.
        pods: one row per span: `pod`; `state`, `starting`, `serving` or `leaving`; `from_s` and `to_s`, seconds since
            the first call, as in `keep_asking(...).pods`.

    Returns:
        A figure whose title says how many calls were answered while pods were replaced.
    """
    counts = counts_of(calls)
    names = list(pods.groupby("pod")["from_s"].min().sort_values(kind="stable").index)
    labels = ["the old pod", "the new pod"] if len(names) == 2 else [f"pod {n + 1}" for n in range(len(names))]
    title = f"{finding(counts)} while the pod was replaced"
    told = f"{finding(counts)}. Above, one point per call: when it began, and how long it took. Below, "
    told += f"what the pods did: {_told(pods, names, labels)}."
    with drawing(title, told, 2, sharex=True, height_ratios=[2, 1]) as (figure, (upper, lower)):
        _dots(upper, calls, counts)
        _lives(lower, pods, names, labels)
        upper.set_ylabel("seconds per call")
        lower.set_xlabel("seconds since the first call")
    return figure


def counts_of(frame: pd.DataFrame) -> dict[str, int]:
    """Return how many calls ended in which way, in the order of `refusals.OUTCOMES`."""
    counts = {outcome: int((frame["outcome"] == outcome).sum()) for outcome in OUTCOMES}
    return {outcome: count for outcome, count in counts.items() if count}


def _dots(axes: Axes, calls: pd.DataFrame, counts: Mapping[str, int]) -> None:
    for outcome in counts:
        these, (colour, marker, _) = calls[calls["outcome"] == outcome], LOOKS[outcome]
        points = these["started_s"].astype(float), these["seconds"].astype(float)
        axes.scatter(*points, s=28, color=colour, marker=marker, edgecolors=WHITE, linewidths=0.5, label=outcome)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    finish(axes, "both")
    legend(axes)


def _lives(axes: Axes, pods: pd.DataFrame, names: list[str], labels: list[str]) -> None:
    """Draw a lane per pod, with a bar for each of its states."""
    for state, (colour, hatch) in _STATES.items():
        spans = pods[pods["state"] == state]
        rows = [-names.index(pod) for pod in spans["pod"]]
        length = spans["to_s"] - spans["from_s"]
        look = {"color": colour, "hatch": hatch, "edgecolor": WHITE, "label": state}
        axes.barh(rows, length, left=spans["from_s"], height=0.7, **look)
    axes.set_yticks([-n for n in range(len(names))], labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    finish(axes, "x")
    legend(axes)


def _told(pods: pd.DataFrame, names: list[str], labels: list[str]) -> str:
    def life(name: str) -> str:
        spans = pods[pods["pod"] == name].itertuples()
        return ", ".join(f"{one.state} from {max(0.0, one.from_s):.1f} to {one.to_s:.1f} seconds" for one in spans)

    return "; ".join(f"{label} {life(name)}" for name, label in zip(names, labels, strict=True))


def _lanes(axes: Axes, frame: pd.DataFrame, counts: Mapping[str, int]) -> None:
    """Draw a lane per outcome, from the top; a lane of few calls keeps room for its label."""
    least = max(1.0, 0.12 * sum(counts.values()))
    middles, top = [], 0.0
    for outcome, count in counts.items():
        height = max(float(count), least)
        calls = frame[frame["outcome"] == outcome]
        rows = [top - height * (n + 0.5) / count for n in range(count)]
        _bars(axes, calls, rows, min(0.8 * height / count, 0.4 * least), outcome)
        middles.append(top - height / 2)
        top -= height + 0.35 * least
    axes.set_yticks(middles, [f"{outcome}: {count}" for outcome, count in counts.items()])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(left=0)
    finish(axes, "x")


def _bars(axes: Axes, calls: pd.DataFrame, rows: list[float], height: float, outcome: str) -> None:
    colour, marker, _ = LOOKS[outcome]
    begin, length = calls["started_s"].astype(float), calls["seconds"].astype(float)
    axes.barh(rows, length, height=height, left=begin, color=colour, label=outcome)
    # A refusal takes milliseconds: the marker is what one sees of it.
    look = {"color": colour, "marker": marker, "edgecolors": WHITE, "linewidths": 0.5}
    axes.scatter(begin, rows, s=40, clip_on=False, zorder=3, **look)


def finding(counts: Mapping[str, int]) -> str:
    """Say how many calls were answered, and what became of the others."""
    total, answered = sum(counts.values()), counts.get("answered", 0)
    if not total:
        return "No calls were made"
    if answered == total:
        return "The call was answered" if total == 1 else f"All {total:,} calls were answered"
    others = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if outcome != "answered")
    return f"{answered:,} of {total:,} calls answered, {others}"


def _words(frame: pd.DataFrame, counts: Mapping[str, int]) -> str:
    if not counts:
        return "An empty chart: no calls were made."
    end = float((frame["started_s"] + frame["seconds"]).max())
    lanes = ", ".join(f"{outcome} {count}" for outcome, count in counts.items())
    return f"{finding(counts)}. Bars over {end:.1f} seconds, one per call, by outcome: {lanes}."
