"""What was used: hits by hour, tokens by application and model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from maas_lab import palette
from maas_lab.plots import hours, shares
from maas_lab.plots.figure import (
    REJECTED,
    WHITE,
    DescribedFigure,
    Look,
    count,
    drawing,
    finish,
    flat,
    legend,
    percent,
    say,
    shown,
    whole,
)

_PARTS = {"prompt_tokens": "prompts", "completion_tokens": "answers"}


def hits_by_hour(
    summary: pd.DataFrame, window: Any = None, *, by: str = "application", tz: str = "UTC"
) -> DescribedFigure:
    """Draw the calls of each hour, stacked by application, and the rejected ones as a series of their own.

    Args:
        summary: of `usage.summary` by `hour` and, for the colours, `by`: `hour`, `hits` and `rejected`.
        window: `usage.last(24)` and so on, so that its empty hours are shown; without one, the chart goes from the
            first hour with a call to the last. What lies outside is left out; more than 96 hours are shown in days.
        by: the column that the colours tell apart; a summary without it has one colour.
        tz: the time zone whose clock the axis shows, e.g. `Europe/Berlin`.

    Returns:
        A figure whose title says who called most and when it was busiest.

    Raises:
        UsageError: there is no such time zone.
    """
    span = hours.bins(summary["hour"], window, tz)
    inside = summary.assign(bin=span.of_hour.to_numpy())
    inside = inside[inside["bin"] >= 0]
    inside = inside if by in inside else inside.assign(**{by: "hits"})
    sizes = shares.totals(inside[inside["hits"] > 0], by, "hits")
    rejected = _by_bin(inside, "rejected", span)
    title = _busiest(sizes, _by_bin(inside, "hits", span), rejected, span)
    with drawing(title, _hits_in_words(title, sizes, rejected, span, tz)) as (figure, (axes,)):
        _stack(axes, inside, by, sizes, rejected, span)
        _clock(axes, span, tz)
        axes.set_ylabel(f"calls per {span.unit}")
    return figure


def tokens_by(summary: pd.DataFrame, by: str = "application", split: str | None = "model") -> DescribedFigure:
    """Draw the tokens of each application: a colour and a pattern per model, those of prompts pale.

    Args:
        summary: of `usage.summary`, by `by` and `split`, with `prompt_tokens` and `completion_tokens`.
        by: the column that the bars stand for.
        split: the column that the colours tell apart; None for one colour.

    Returns:
        A figure whose title says who used most; the description has all numbers in words.
    """
    split = split if split and split != by else ""
    frame = summary if split else summary.assign(**{"": "tokens"})
    sums = shares.totals(frame, [by, split], list(_PARTS))
    sizes = sums.sum(axis=1).groupby(level=0, sort=False).sum()
    title = _most(sizes, sums, frame)
    with drawing(title, _tokens_in_words(title, sums, split)) as (figure, (axes,)):
        figure.set_figheight(max(2.4, 1.5 + 0.32 * min(len(sizes), shares.MOST)))
        _bars(axes, sums, shares.categories(sizes), split)
        axes.set_xlabel("tokens")
    return figure


def _by_bin(frame: pd.DataFrame, column: str, span: hours.Bins) -> np.ndarray:
    return np.bincount(frame["bin"], frame[column].fillna(0).astype(float), len(span.starts)).astype("int64")


def _stack(axes: Axes, frame: pd.DataFrame, by: str, sizes: pd.Series, rejected: np.ndarray, span: hours.Bins) -> None:
    at, bottom = np.arange(len(span.starts)), np.zeros(len(span.starts), dtype="int64")
    for one in shares.categories(sizes, shares.MOST - 1):
        heights = _by_bin(frame[frame[by].isin(one.names)], "hits", span)
        axes.bar(
            at, heights, 0.85, bottom, label=one.label, color=one.look.color, hatch=one.look.hatch, edgecolor=WHITE
        )
        bottom += heights
    if rejected.any():
        look = {"facecolor": WHITE, "edgecolor": REJECTED.color, "hatch": REJECTED.hatch}
        axes.bar(at, rejected, 0.85, bottom, label="rejected", **look)
    if bottom.any() or rejected.any():
        legend(axes, handles=list(axes.containers)[::-1])  # in the order of the stack
    else:
        say(axes, "no calls")


def _clock(axes: Axes, span: hours.Bins, zone: str) -> None:
    ticks = span.ticks()
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xlim(-0.6, max(len(span.starts), 1) - 0.4)
    axes.set_xlabel(f"{span.unit}, {zone}")
    whole(axes.yaxis)
    axes.set_ylim(bottom=0, top=None if axes.containers else 1)
    finish(axes)


def _busiest(sizes: pd.Series, hits: np.ndarray, rejected: np.ndarray, span: hours.Bins) -> str:
    refused = f"; {count(int(rejected.sum()), 'call')} rejected" if rejected.any() else ""
    if not hits.any():
        return f"No hits in {span.long}{refused}" if len(span.starts) else "No hits"
    total, top = int(hits.sum()), sizes.idxmax()
    when = "on" if span.unit == "day" else "in"
    peak = f"{int(hits.max()):,} {when} the busiest {span.unit}, {span.name(int(hits.argmax()))}"
    if len(sizes) == 1:
        return f"{count(total, 'hit')} in {span.long}, {peak}{refused}"
    share = f"{percent(sizes.max() / total)} of {count(total, 'hit')} in {span.long} by {shown(top)}"
    return f"{share}; {peak}{refused}"


def _hits_in_words(title: str, sizes: pd.Series, rejected: np.ndarray, span: hours.Bins, zone: str) -> str:
    if not len(span.starts):
        return "An empty chart: no calls."
    each = f" Answered: {shares.told(sizes, 'hits')}." if len(sizes) else ""
    first, last = (f"{span.starts[n]:%Y-%m-%d %H:%M}" for n in (0, -1))
    bars = f"A bar for each {span.unit}: the first began {first}, the last {last}, {zone}"
    return f"{title}. {bars}.{each} Rejected: {count(int(rejected.sum()), 'call')}."


def _bars(axes: Axes, sums: pd.DataFrame, rows: list[shares.Category], split: str) -> None:
    colours = shares.categories(sums.sum(axis=1).groupby(level=1, sort=False).sum(), 5)
    ends = np.zeros(len(rows), dtype="int64")
    for colour in colours:
        for part in _PARTS:
            widths = np.array([_sum(sums[part], row, colour) for row in rows], dtype="int64")
            look = _part(colour.look, part)
            label = f"{colour.label}, {_PARTS[part]}" if split else _PARTS[part]
            axes.barh(-np.arange(len(rows)), widths, 0.7, ends, label=label, **look)
            ends += widths
    for row, end in enumerate(ends):
        axes.text(end, -row, f" {end:,}", va="center")
    axes.set_yticks(-np.arange(len(rows)), [row.label for row in rows])
    whole(axes.xaxis, 4)
    axes.set_xlim(0, 1.2 * max(ends.max(initial=0), 1))
    axes.tick_params(axis="y", length=0)
    finish(axes, "x")
    if len(rows):
        legend(axes, handles=_keys(colours, split))
    else:
        say(axes, "no tokens")
        axes.set_xticks([])


def _part(look: Look, part: str) -> dict[str, Any]:
    """Return how the tokens of prompts look, pale with a line around them, and those of answers."""
    if part == "completion_tokens":
        return {"facecolor": look.color, "edgecolor": WHITE, "hatch": look.hatch}
    pale = tuple(1 - 0.3 * (1 - value) for value in to_rgb(look.color))
    return {"facecolor": pale, "edgecolor": look.color, "hatch": look.hatch}


def _keys(colours: list[shares.Category], split: str) -> list[Patch]:
    """Return what the legend tells: which look is which model's, and that pale is what prompts are."""
    models = [Patch(label=one.label, **_part(one.look, "completion_tokens")) for one in colours] if split else []
    grey = Look(palette.QUIET, "") if split else colours[0].look
    return models + [Patch(label=name, **_part(grey, part)) for part, name in _PARTS.items()]


def _sum(column: pd.Series, row: shares.Category, colour: shares.Category) -> int:
    first, second = column.index.get_level_values(0), column.index.get_level_values(1)
    return int(column[first.isin(row.names) & second.isin(colour.names)].sum())


def _most(sizes: pd.Series, sums: pd.DataFrame, frame: pd.DataFrame) -> str:
    total = int(sizes.sum())
    unmetered = int(frame["unmetered"].fillna(0).sum()) if "unmetered" in frame else 0
    more = f"; {count(unmetered, 'answered call')} booked none" if unmetered else ""
    if not total:
        return f"No tokens were used{more}"
    answers = f"{percent(sums['completion_tokens'].sum() / total)} of them for answers"
    if len(sizes) == 1:
        return f"{shown(sizes.index[0])} used {count(total, 'token')}, {answers}{more}"
    return f"{shown(sizes.idxmax())} used {percent(sizes.max() / total)} of {count(total, 'token')}, {answers}{more}"


def _tokens_in_words(title: str, sums: pd.DataFrame, split: str) -> str:
    if not len(sums):
        return "An empty chart: no tokens."
    order = sums.assign(all=sums.sum(axis=1)).sort_values("all", ascending=False, kind="stable")
    each = [
        f"{flat(row.Index[0])}{f' with {flat(row.Index[1])}' if split else ''}: {row.prompt_tokens:,} for prompts and "
        f"{row.completion_tokens:,} for answers"
        for row in order.iloc[: shares.TOLD].itertuples()
    ]
    if (rest := order.iloc[shares.TOLD :]).size:
        each.append(f"{len(rest)} others: {rest['prompt_tokens'].sum():,} and {rest['completion_tokens'].sum():,}")
    return f"{title}. Tokens of {'; '.join(each)}."
