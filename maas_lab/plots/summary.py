"""A course in one picture: what a learner measured before and after the platform was shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from maas_lab.plots.figure import CATEGORIES, DescribedFigure, drawing, finish, listed, percent, say

UNMEASURED = "Nothing is measured on this lab yet: run lesson 01, then this lesson again."
BEFORE, AFTER = CATEGORIES[1], CATEGORIES[0]


class _Pair(NamedTuple):
    """One comparison: its name, its two numbers, and how a number is written."""

    label: str
    before: Callable[[Mapping[str, Any]], float]
    after: Callable[[Mapping[str, Any]], float]
    told: Callable[[float], str]


def _number(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda told: float(told[name])


_PAIRS = (
    _Pair("people who get answers", _number("running"), _number("people"), lambda value: f"{value:.0f}"),
    _Pair(
        "memory that is taken for models",
        _number("memory_hoarded"),
        _number("memory_shared"),
        lambda value: f"{value / 1e6:,.0f} MB",
    ),
    _Pair("share of time that the models work", _number("busy_hoarded"), _number("busy_shared"), percent),
    _Pair(
        "95 of 100 questions are answered within",
        _number("wait_p95_hoarded"),
        _number("wait_p95_shared"),
        lambda value: f"{value:.2f} s",
    ),
    _Pair(
        "people whose tokens are known",
        lambda told: 0.0 * len(told["tokens_by_person"]),
        lambda told: float(len(told["tokens_by_person"])),
        lambda value: f"{value:.0f}",
    ),
)


def before_after(told: Mapping[str, Any]) -> DescribedFigure:
    """Draw what lesson 01 measured with a model for each person, and with one for all: two bars for each number.

    Args:
        told: what lesson 01 noted, `lab.journal.of("01")`: people, running, memory_hoarded, memory_shared,
            busy_hoarded, busy_shared, wait_p95_hoarded, wait_p95_shared and tokens_by_person (bytes, shares of 1,
            seconds). What is missing, its part of the chart says.

    Returns:
        A figure whose title says who got answers before and after; without any number, one line that says which
        lesson measures them.
    """
    pairs = [(pair, _found(pair, told)) for pair in _PAIRS]
    if not any(found for _, found in pairs):
        return _nothing()
    title = _finding(told)
    with drawing(title, _words(title, pairs), rows=len(pairs), figsize=(8, 6.2)) as (figure, charts):
        for axes, (pair, found) in zip(charts, pairs, strict=True):
            _draw(axes, pair, found)
    return figure


def _nothing() -> DescribedFigure:
    with drawing("Before and after", UNMEASURED, figsize=(8, 1.2)) as (figure, [axes]):
        axes.set_axis_off()
        say(axes, UNMEASURED)
    return figure


def _found(pair: _Pair, told: Mapping[str, Any]) -> tuple[float, float] | None:
    try:
        return pair.before(told), pair.after(told)
    except KeyError:
        return None


def _draw(axes: Axes, pair: _Pair, found: tuple[float, float] | None) -> None:
    before, after = found or (0.0, 0.0)
    for row, (look, value) in enumerate(((AFTER, after), (BEFORE, before)) if found else ()):
        bars = axes.barh([row], [value], 0.72, **look.bar)
        axes.bar_label(bars, [pair.told(value)], padding=4, fontsize="small")
    axes.set_yticks([0, 1], ["one for all", "a model each"])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, 1.6)
    axes.set_xlim(0, 1.2 * max(before, after) or 1)
    axes.set_xticks([])
    axes.set_xlabel(pair.label, loc="left", fontsize="small")
    finish(axes, "x")
    if not found:
        say(axes, "not measured yet: run lesson 01")


def _finding(told: Mapping[str, Any]) -> str:
    if "people" not in told or "running" not in told:
        return "Before and after: nothing is measured yet"
    people, running = int(told["people"]), int(told["running"])
    return f"A model each: {running} of {people} people get answers. One for all: {people} of {people} do"


def _words(title: str, pairs: list[tuple[_Pair, tuple[float, float] | None]]) -> str:
    each = [f"{pair.label} {' and '.join(map(pair.told, found))}" for pair, found in pairs if found]
    return f"{title}. Two bars for each number, with a model each and with one for all: {listed(each)}."
