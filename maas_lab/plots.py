"""Tables to figures, without a network; titles state the finding, figures describe themselves in words."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maas_lab.refusals import OUTCOMES

STYLE = Path(__file__).with_name("lab.mplstyle")

# Okabe and Ito's colours, and a marker each, so that the colour never stands alone.
_LOOKS = {
    "answered": ("#0072B2", "o"),
    "rate limited": ("#E69F00", "X"),
    "budget exceeded": ("#D55E00", "s"),
    "refused": ("#CC79A7", "D"),
    "failed": ("#000000", "^"),
    "unreachable": ("#777777", "v"),
}


class DescribedFigure(Figure):
    """A figure that says in words what it shows, for those who cannot see it.

    Attributes:
        description: the words. They go into saved PNG files, and into notebooks as alternative text.
    """

    description = ""

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure, as matplotlib does; a PNG file holds the description too."""
        kind = options.get("format") or Path(str(fname)).suffix.lstrip(".") or "png"
        if kind == "png":
            options["metadata"] = {"Description": self.description, **(options.get("metadata") or {})}
        super().savefig(fname, **options)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Mapping[str, str]]]:
        # No data, because the PNG comes from elsewhere; nbconvert reads its alternative text from here.
        return {}, {"image/png": {"alt": self.description}}

    def _repr_png_(self) -> bytes:
        # With matplotlib 3.8 IPython learns to draw figures only after the cell that made the first one.
        with io.BytesIO() as png:
            self.savefig(png, format="png", bbox_inches="tight")
            return png.getvalue()


def calls_by_outcome(frame: pd.DataFrame) -> DescribedFigure:
    """Draw each call as a bar over time, in one lane per outcome.

    Args:
        frame: one row per call: `outcome` (one of `refusals.OUTCOMES`), `started_s` and `seconds`, as in
            `ask_many(...).frame`.

    Returns:
        A figure whose title says how many calls were answered; `description` says the same and more in words.
    """
    counts = {outcome: int((frame["outcome"] == outcome).sum()) for outcome in OUTCOMES}
    counts = {outcome: count for outcome, count in counts.items() if count}
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(layout="constrained", FigureClass=DescribedFigure)
        _lanes(axes, frame.sort_values("started_s"), counts)
        axes.set_title(_finding(counts))
        axes.set_xlabel("seconds since the first call")
        axes.set_ylabel("calls, one bar each")
    figure.description = _words(frame, counts)
    plt.close(figure)
    return figure


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
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _bars(axes: Axes, calls: pd.DataFrame, rows: list[float], height: float, outcome: str) -> None:
    colour, marker = _LOOKS[outcome]
    begin, length = calls["started_s"].astype(float), calls["seconds"].astype(float)
    axes.barh(rows, length, height=height, left=begin, color=colour, label=outcome)
    # A refusal takes milliseconds: the marker is what one sees of it.
    look = {"color": colour, "marker": marker, "edgecolors": "white", "linewidths": 0.5}
    axes.scatter(begin, rows, s=40, clip_on=False, zorder=3, **look)


def _finding(counts: Mapping[str, int]) -> str:
    total, answered = sum(counts.values()), counts.get("answered", 0)
    if not total:
        return "No calls were made"
    if answered == total:
        return "The call was answered" if total == 1 else f"All {total} calls were answered"
    others = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if outcome != "answered")
    return f"{answered} of {total} calls answered, {others}"


def _words(frame: pd.DataFrame, counts: Mapping[str, int]) -> str:
    if not counts:
        return "An empty chart: no calls were made."
    end = float((frame["started_s"] + frame["seconds"]).max())
    lanes = ", ".join(f"{outcome} {count}" for outcome, count in counts.items())
    return f"{_finding(counts)}. Bars over {end:.1f} seconds, one per call, by outcome: {lanes}."
