"""One model in several precisions: what each takes and says, as shares of the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from maas_lab.plots.figure import (
    CATEGORIES,
    DescribedFigure,
    drawing,
    finish,
    legend,
    listed,
    percent,
    say,
    shown,
)

MOST = len(CATEGORIES)


class _Measure(NamedTuple):
    column: str
    label: str
    told: Callable[[float], str]


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.0f} MB" if value < 1e10 else f"{value / 1e9:,.1f} GB"


_MEASURES = (
    _Measure("bytes", "all weights", _megabytes),
    _Measure("memory", "memory of the server", _megabytes),
    _Measure("tokens_per_second", "tokens per second", lambda value: f"{value:,.0f}/s"),
    _Measure("same_words", "same words", percent),
)


def precisions(table: pd.DataFrame) -> DescribedFigure:
    """Draw what each precision takes and says, a group of bars for each measure, as shares of the first row.

    Args:
        table: one row per precision, the reference first, as in `quantisation.measure(...).table`: `precision`,
            `bytes`, `memory`, `tokens_per_second` and `same_words`. A measure that some server does not tell is left
            out.

    Returns:
        A figure whose title says how small the smallest is, and how far it says the same.
    """
    measures = [one for one in _MEASURES if len(table) and table[one.column].notna().all()]
    title = _finding(table)
    with drawing(title, _words(title, table, measures), figsize=(9.6, 3.8)) as (figure, (axes,)):
        for number, row in enumerate(table.head(MOST).itertuples(index=False)):
            _bars(axes, number, row._asdict(), table.iloc[0], measures, len(table))
        axes.set_xticks(range(len(measures)), [one.label for one in measures])
        axes.tick_params(axis="x", length=0)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_ylabel(f"compared with {shown(table['precision'].iloc[0])}" if len(table) else "")
        axes.margins(y=0.12)
        finish(axes)
        if measures:
            legend(axes)
        else:
            say(axes, "nothing was measured")
    return figure


def _bars(axes: Axes, number: int, row: dict, reference: pd.Series, measures: list[_Measure], rows: int) -> None:
    width = 0.84 / rows
    at = [group + (number - (rows - 1) / 2) * width for group in range(len(measures))]
    heights = [_share(row[one.column], reference[one.column]) for one in measures]
    bars = axes.bar(at, heights, 0.92 * width, label=shown(row["precision"]), **CATEGORIES[number].bar)
    told = [one.told(row[one.column]) for one in measures]
    axes.bar_label(bars, told, fontsize="x-small", padding=2)


def _share(value: float, reference: float) -> float:
    return float(value) / float(reference) if reference else 0.0


def _finding(table: pd.DataFrame) -> str:
    if not len(table):
        return "Nothing was measured"
    first, last = table.iloc[0], table.iloc[-1]
    if len(table) == 1 or pd.isna(last["bytes"]):
        return f"{listed([shown(one) for one in table['precision']])} on the same questions"
    size = percent(_share(last["bytes"], first["bytes"]))
    kept = percent(last["same_words"])
    return f"{last['precision']} has {size} of the bytes of {first['precision']}, and says {kept} of its words"


def _words(title: str, table: pd.DataFrame, measures: list[_Measure]) -> str:
    if not measures:
        return "An empty chart: nothing was measured."
    lines = [
        f"{row['precision']}: {', '.join(f'{one.label} {one.told(row[one.column])}' for one in measures)}"
        for row in table.to_dict("records")
    ]
    return f"{title}. A group of bars for each measure, a bar for each precision. {'; '.join(lines)}."
