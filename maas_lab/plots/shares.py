"""Parts of a sum: how much each category has, and the small ones together when there are too many to tell apart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import pandas as pd

from maas_lab.plots.figure import CATEGORIES, OTHERS, Look, flat, listed, percent, shown

TOLD = 12  # categories that a description tells one by one
MOST = len(CATEGORIES) + 1  # categories of a chart, the others together being one


class Category(NamedTuple):
    """A category of a chart, or all small ones together.

    Attributes:
        label: what the chart calls it.
        names: the categories in it: one, or all the others.
        look: how it is drawn.
    """

    label: str
    names: tuple[Hashable, ...]
    look: Look


def categories(sizes: pd.Series, most: int = MOST) -> list[Category]:
    """Return categories, the largest first; when there are more than `most`, the smallest are one, `others (n)`.

    Args:
        sizes: by category.
        most: the most categories.
    """
    names = list(sizes.sort_values(ascending=False, kind="stable").index)
    single = names if len(names) <= most else names[: most - 1]
    found = [Category(shown(name), (name,), _look(n)) for n, name in enumerate(single)]
    if rest := tuple(names[len(single) :]):
        found.append(Category(f"others ({len(rest)})", rest, OTHERS))
    return found


def totals(frame: pd.DataFrame, by: str | Sequence[str], column: str | Sequence[str]) -> pd.Series | pd.DataFrame:
    """Return sums of integer columns by categories; a missing number counts as nothing."""
    columns = [column] if isinstance(column, str) else list(column)
    whole = frame[columns].fillna(0).astype("int64")
    keys = [frame[name] for name in ([by] if isinstance(by, str) else by)]
    sums = whole.groupby(keys, sort=False).sum()
    return sums[column] if isinstance(column, str) else sums


def told(sizes: pd.Series, unit: str) -> str:
    """Say in words how much each category has, the largest first, e.g. `chat 12 hits (60 %), batch 8 hits (40 %)`."""
    whole, order = sizes.sum(), sizes.sort_values(ascending=False, kind="stable")

    def one(name: str, size: int) -> str:
        return f"{name} {size:,} {unit}" + (f" ({percent(size / whole)})" if whole else "")

    parts = [one(flat(name), size) for name, size in order.iloc[:TOLD].items()]
    if rest := len(order) - len(parts):
        parts.append(one(f"{rest} others", order.iloc[TOLD:].sum()))
    return listed(parts)


def _look(number: int) -> Look:
    return CATEGORIES[number] if number < len(CATEGORIES) else OTHERS
