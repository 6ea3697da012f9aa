"""Numbers that people type: possible ones, or an error that says what would be."""

from __future__ import annotations

import math
import operator
from typing import Any

from maas_lab.errors import UsageError


def whole(name: str, value: Any, least: int = 1, most: int = 1_000_000_000) -> int:
    """Return a whole number.

    Raises:
        UsageError: it is none, or is out of range.
    """
    try:
        found = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        # Sliders and measurements give 7.0 where 7 is meant.
        found = int(value) if isinstance(value, float) and value.is_integer() else None
    if found is None or not least <= found <= most:
        raise UsageError(f"{name} is {value!r}", hint=f"a whole number from {least:,} to {most:,}")
    return found


def positive(name: str, value: Any, most: float = 1e12) -> float:
    """Return a number above zero.

    Raises:
        UsageError: it is none, or is out of range.
    """
    try:
        found = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found <= most:
        raise UsageError(f"{name} is {value!r}", hint=f"a number above 0, at most {most:,g}")
    return found
