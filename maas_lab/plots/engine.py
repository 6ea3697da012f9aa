"""What the model server did: how busy it was, and how many tokens came out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from maas_lab.plots.figure import (
    CATEGORIES,
    DescribedFigure,
    count,
    drawing,
    finish,
    legend,
    listed,
    percent,
    say,
    shown,
)

# Columns of the samples, what the chart calls them, and how the lines differ.
_RATES = {
    "prompt_tokens_per_s": ("prompt tokens", CATEGORIES[1].color, "--"),
    "completion_tokens_per_s": ("answered tokens", CATEGORIES[0].color, "-"),
}
_UNITS = (("seconds", 1), ("minutes", 60), ("hours", 3600))


class _Span(NamedTuple):
    """The time of the samples: the ends of each, in a unit that suits, and the weight of each in a mean."""

    edges: np.ndarray
    unit: str
    weights: np.ndarray


def utilisation(samples: pd.DataFrame) -> DescribedFigure:
    """Draw how busy the model server was, and below it the tokens per second.

    Args:
        samples: of `EngineMetrics.watch` or `watching`: `time`, the end of each interval; `seconds`, its length;
            `engine`; `busy`, a share of 1; `prompt_tokens_per_s` and `completion_tokens_per_s`. What the engine does
            not expose is missing, and the chart says so.

    Returns:
        A figure whose title says how busy the engine was on average and how many tokens per second it answered.
    """
    engine, span = _engines(samples), _span(samples)
    title = _finding(samples, engine, span)
    with drawing(title, _words(title, samples, span), 2, sharex=True, figsize=(8, 4)) as (figure, (upper, lower)):
        _busy(upper, samples, span, engine)
        _rates(lower, samples, span)
        lower.set_xlabel(f"{span.unit} since the first look at {engine or 'the engine'}")
    return figure


def _engines(samples: pd.DataFrame) -> str:
    return listed([shown(name) for name in samples["engine"].dropna().unique()])


def _span(samples: pd.DataFrame) -> _Span:
    if not len(samples):
        return _Span(np.zeros(0), "seconds", np.zeros(0))
    ends = pd.to_datetime(samples["time"], utc=True)
    lengths = samples["seconds"].astype(float).to_numpy()
    edges = (ends - ends.iloc[0]).dt.total_seconds().to_numpy() + lengths[0]
    unit, size = next(one for one in reversed(_UNITS) if edges[-1] >= 3 * one[1] or one[1] == 1)
    return _Span(np.r_[0.0, edges] / size, unit, lengths)


def _mean(samples: pd.DataFrame, column: str, span: _Span) -> float | None:
    """Return the mean over time, None where the engine does not tell."""
    values = _values(samples, column)
    known = np.isfinite(values)
    return float(np.average(values[known], weights=span.weights[known])) if known.any() else None


def _values(samples: pd.DataFrame, column: str) -> np.ndarray:
    return samples[column].astype("Float64").to_numpy(float, na_value=np.nan)


def _busy(axes: Axes, samples: pd.DataFrame, span: _Span, engine: str) -> None:
    values = _values(samples, "busy")
    if np.isfinite(values).any():
        look = {"color": CATEGORIES[0].color, "alpha": 0.35, "label": f"{engine} busy"}
        axes.stairs(np.nan_to_num(values), span.edges, fill=True, **look)
        axes.stairs(values, span.edges, color=CATEGORIES[0].color, linewidth=1.5, baseline=None)
    else:
        say(axes, "nothing was measured" if not len(samples) else f"{engine} does not tell how busy it is")
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_ylabel("busy, share of time")
    finish(axes)


def _rates(axes: Axes, samples: pd.DataFrame, span: _Span) -> None:
    top = 1.0
    for column, (label, colour, line) in _RATES.items():
        values = _values(samples, column)
        if np.isfinite(values).any():
            axes.stairs(values, span.edges, color=colour, linestyle=line, linewidth=2, baseline=None, label=label)
            top = max(top, float(np.nanmax(values)))
    axes.set_ylim(0, 1.12 * top)
    axes.set_xlim(0, span.edges[-1] if len(span.edges) else 1)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_ylabel("tokens per second")
    finish(axes)
    if axes.get_legend_handles_labels()[0]:
        legend(axes)
    else:
        say(axes, "nothing was measured" if not len(samples) else "no tokens are told")


def _finding(samples: pd.DataFrame, engine: str, span: _Span) -> str:
    if not len(samples):
        return "The model server was not looked at"
    busy, rate = _mean(samples, "busy", span), _mean(samples, "completion_tokens_per_s", span)
    told = f"{engine} was busy {percent(busy)} of {_long(span)}" if busy is not None else f"{engine} in {_long(span)}"
    return told if rate is None else f"{told}, {rate:,.1f} answered tokens per second"


def _long(span: _Span) -> str:
    seconds = float(span.weights.sum())
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    return count(round(seconds), "second") if seconds < 180 else count(round(seconds / 60), "minute")


def _words(title: str, samples: pd.DataFrame, span: _Span) -> str:
    if not len(samples):
        return "An empty chart: nothing was measured."
    prompts, most = _mean(samples, "prompt_tokens_per_s", span), _values(samples, "busy")
    told = [f"{prompts:,.1f} prompt tokens per second"] if prompts is not None else []
    if np.isfinite(most).any():
        told.append(f"the busiest interval {percent(float(np.nanmax(most)))}")
    more = f" Also {listed(told)}." if told else ""
    return (
        f"{title}. Steps over {count(len(samples), 'interval')}: above the busy share, below tokens per second.{more}"
    )
