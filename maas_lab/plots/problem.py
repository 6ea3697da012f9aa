"""Slots that people ask for, hold and use: a model for each of them, and one for all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from maas_lab.errors import UsageError
from maas_lab.plots.figure import (
    CATEGORIES,
    OTHERS,
    DescribedFigure,
    count,
    drawing,
    finish,
    legend,
    percent,
    say,
    shown,
    whole,
)

_COLUMNS = ("label", "people", "asked", "held", "busy")
_BAR = 0.55
# From the left: what is worked with, what is held for nothing, what somebody waits for.
_PARTS = {"busy": CATEGORIES[0], "idle": CATEGORIES[1], "asked for and not given": OTHERS}


def slots_used(frame: pd.DataFrame) -> DescribedFigure:
    """Draw GPU slots as bars, one for each way to serve people: busy, idle, and asked for in vain.

    Args:
        frame: one row per bar, from the top: `label`; `people`, how many got answers; `asked`, slots that were asked
            for; `held`, those of them that were given; `busy`, the share of time, 0 to 1, in which these computed, on
            average.

    Returns:
        A figure whose title says how many people each way served, with how many slots, and how busy these were.

    Raises:
        UsageError: a column is missing, or a number is not possible.
    """
    table = _checked(frame)
    title = ". ".join(map(_told, table.itertuples())) or "No slots were asked for"
    with drawing(title, _words(title, table)) as (figure, (axes,)):
        figure.set_figheight(max(2.2, 1.4 + 0.7 * len(table)))
        _bars(axes, table)
        axes.set_xlabel("GPU slots")
        axes.set_xlim(0, max(1.0, 1.04 * float(table["asked"].max())) if len(table) else 1.0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        finish(axes, "x")
        whole(axes.xaxis, 8)
    return figure


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _COLUMNS if name not in frame]
    if missing:
        raise UsageError(f"the frame has no {missing[0]!r}", hint=f"its columns are {', '.join(_COLUMNS)}")
    table = frame.reset_index(drop=True)
    numbers = table[list(_COLUMNS[1:])].astype(float)
    fits = np.isfinite(numbers).all(axis=1) & (numbers >= 0).all(axis=1)
    fits &= (numbers["held"] <= numbers["asked"]) & (numbers["busy"] <= 1)
    if not fits.all():
        label = table.loc[~fits, "label"].iloc[0]
        raise UsageError(f"the numbers of {label!r} are not possible", hint="0 <= held <= asked, and 0 <= busy <= 1")
    return table.assign(**numbers.astype({"people": int, "asked": int, "held": int}))


def _lengths(table: pd.DataFrame) -> dict[str, pd.Series]:
    busy = table["held"] * table["busy"]
    return dict(zip(_PARTS, (busy, table["held"] - busy, table["asked"] - table["held"]), strict=True))


def _bars(axes: Axes, table: pd.DataFrame) -> None:
    if not len(table):
        say(axes, "nothing was measured")
        axes.set_yticks([])
        return
    rows, left = -np.arange(len(table)), np.zeros(len(table))
    for name, lengths in _lengths(table).items():
        axes.barh(rows, lengths, left=left, height=_BAR, label=name, linewidth=0.5, **_PARTS[name].bar)
        left = left + lengths.to_numpy()
    axes.set_yticks(rows, [shown(label, 34) for label in table["label"]])
    legend(axes)


def _told(row: object) -> str:
    slots, people = count(row.held, "slot"), "1 person" if row.people == 1 else f"{row.people} people"
    label = shown(row.label)
    return f"{label[:1].upper()}{label[1:]}: {slots} for {people}, busy {percent(row.busy)}"


def _words(title: str, table: pd.DataFrame) -> str:
    if not len(table):
        return "An empty chart: nothing was measured."
    vain = [f"{shown(row.label)} {row.asked - row.held} of {row.asked}" for row in table.itertuples()]
    return f"{title}. Bars of GPU slots, busy, idle, and asked for and not given: {', '.join(vain)} were not given."
