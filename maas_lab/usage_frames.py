"""The two frames in which usage is told, one row per call and added up; what they hold is said in `maas_lab.usage`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import Any

import pandas as pd

from maas_lab.errors import UsageError

UNLABELLED, NO_TEAM, NO_USER = "(no application)", "(no team)", "(no user)"
NO_KEY, NO_MODEL = "(unknown key)", "(no model)"
DIMENSIONS = ("hour", "application", "team", "user", "key", "model", "outcome")
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
SUMS = ("hits", "rejected", *COUNTS, "unmetered", "cost")

TIME = "datetime64[us, UTC]"
# Texts are plain objects with every pandas, so that frames made by different ones compare equal.
TEXT = "object"
COLUMNS: dict[str, str] = {
    "time": TIME,
    **dict.fromkeys(("request_id", "application", "team", "user", "key", "key_hash", "model"), TEXT),
    **dict.fromkeys(COUNTS, "Int64"),
    "cost": "float64",
    **dict.fromkeys(("status", "outcome"), TEXT),
    "latency_s": "float64",
    "streamed": "boolean",
}
# Amounts of 15 digits between 1e-308 and 1e308: with so many digits no addition is rounded.
EXACT = Context(prec=700)


def rows_frame(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return the frame of rows, in its order.

    Args:
        columns: the values of every column of `COLUMNS`, equally long.
    """
    frame = pd.DataFrame({name: pd.Series(columns[name], dtype=kind) for name, kind in COLUMNS.items()})
    return frame.sort_values(["time", "request_id"], ignore_index=True)


def empty_rows() -> pd.DataFrame:
    """Return a frame of rows in which nobody has called."""
    return rows_frame(dict.fromkeys(COLUMNS, ()))


def money(dollars: float | str | Decimal) -> Decimal:
    """Return an exact amount: of a float, the 15 digits that it guarantees, so 0.1 is one tenth.

    PostgreSQL's cast from `float8` to `numeric` does the same, so sums of the database are equal to the last digit.

    Raises:
        UsageError: this is not an amount.
    """
    try:
        return Decimal(f"{dollars:.15g}") if isinstance(dollars, float) else Decimal(dollars)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise UsageError(f"{dollars!r} is not an amount of money", hint='write it like 0.25 or "0.25"') from error


def summary(rows: pd.DataFrame, by: str | Sequence[str] = ("application", "model")) -> pd.DataFrame:
    """Add up rows, exactly.

    Args:
        rows: one row per call, as `maas_lab.usage` says.
        by: which of `DIMENSIONS` to keep apart; an empty list adds up everything into one row.

    Returns:
        One row per combination that occurs, sorted: the dimensions, then `hits`, `rejected`, `prompt_tokens`,
        `completion_tokens`, `total_tokens`, `unmetered` (int64) and `cost` (Decimal, exact).

    Raises:
        UsageError: there is no such dimension, or these are not rows.
    """
    names = dimensions(by)
    if missing := [name for name in COLUMNS if name not in rows.columns]:
        why, hint = f"the column {missing[0]!r} is missing", "rows = lab.usage.rows(usage.last(24))"
        raise UsageError("these are not rows of calls", why, hint)
    answered = rows["outcome"] == "answered"
    parts: dict[str, Any] = {name: rows["time"].dt.floor("h") if name == "hour" else rows[name] for name in names}
    parts |= {"hits": answered.astype("int64"), "rejected": (~answered).astype("int64")}
    parts |= {name: rows[name].fillna(0).astype("int64") for name in COUNTS}
    parts["unmetered"] = (answered & (rows["total_tokens"].fillna(0) == 0)).astype(bool).astype("int64")
    parts["cost"] = _exact(rows["cost"])
    with localcontext(EXACT):
        return _added(pd.DataFrame(parts), names)


def regroup(sums: pd.DataFrame, by: str | Sequence[str]) -> pd.DataFrame:
    """Add up a summary by fewer dimensions, exactly.

    Args:
        sums: a summary.
        by: which of its dimensions to keep apart; an empty list adds up everything into one row.

    Raises:
        UsageError: it does not keep such a dimension apart, or this is no summary.
    """
    names = dimensions(by)
    if missing := [name for name in (*names, *SUMS) if name not in sums.columns]:
        why, hint = f"it has no column {missing[0]!r}", f"name it when you add up: by={[*names]!r}"
        raise UsageError("this summary cannot be added up so", why, hint)
    with localcontext(EXACT):
        return _added(sums, names)


def dimensions(by: str | Sequence[str]) -> list[str]:
    """Return which columns keep a summary's rows apart.

    Raises:
        UsageError: there is no such dimension, or one is named twice.
    """
    names = [by] if isinstance(by, str) else list(by)
    for name in names:
        if name not in DIMENSIONS or names.count(name) > 1:
            what = f"{name!r} is named twice" if name in DIMENSIONS else f"usage cannot be told by {name!r}"
            raise UsageError(what, hint=f"by is one or several of: {', '.join(DIMENSIONS)}")
    return names


def summary_frame(parts: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return sums as a summary's columns, with their types and in their order."""
    kinds = {name: TIME if name == "hour" else TEXT for name in names}
    kinds |= {name: "object" if name == "cost" else "int64" for name in SUMS}
    frame = parts[[*names, *SUMS]].astype(kinds)
    return frame.sort_values(list(names), ignore_index=True) if names else frame


def _added(parts: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    if names:
        grouped = parts.groupby(names, sort=True, observed=True, as_index=False)
        return summary_frame(grouped[list(SUMS)].sum(), names)
    total = {name: [parts[name].sum() if len(parts) else 0] for name in SUMS}
    total["cost"] = [sum(parts["cost"], Decimal(0))]
    return summary_frame(pd.DataFrame(total), names)


def _exact(costs: pd.Series) -> pd.Series:
    """Return costs as decimals; few differ, so each is converted once."""
    codes, different = pd.factorize(costs, use_na_sentinel=False)
    exact = pd.Series([money(float(one)) for one in different], dtype="object")
    return pd.Series(exact.to_numpy()[codes] if len(codes) else [], index=costs.index, dtype="object")
