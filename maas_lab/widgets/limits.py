"""What people type into a field that may stay empty."""

from __future__ import annotations

import math

from maas_lab.errors import UsageError

NO_BUDGET = "then the key has no budget of its own"
NO_LIMIT = "then the key has no limit of its own"


def budget(text: str, empty: str = NO_BUDGET) -> float | None:
    """Read an amount in dollars; None when nothing was typed.

    Args:
        text: what was typed.
        empty: what an empty field means.

    Raises:
        UsageError: it is no amount, or nothing could be bought for it.
    """
    typed = text.strip().removeprefix("$").strip()
    try:
        amount = float(typed) if typed else None
    except ValueError:
        amount = math.nan
    if amount is None or 0 < amount < math.inf:
        return amount
    hint = f"type a number such as 2.50, or leave the field empty: {empty}"
    raise UsageError(f"`{text}` is not a budget", "a budget is a number of dollars above 0", hint)


def per_minute(text: str, what: str = "requests", empty: str = NO_LIMIT) -> int | None:
    """Read how many of something a minute allows; None when nothing was typed.

    Args:
        text: what was typed.
        what: is counted, `requests` or `tokens`.
        empty: what an empty field means.

    Raises:
        UsageError: it is not a whole number from 1 on.
    """
    typed = text.strip()
    if not typed:
        return None
    if typed.isdecimal() and int(typed) >= 1:
        return int(typed)
    hint = f"type a number such as 60, or leave the field empty: {empty}"
    raise UsageError(f"`{text}` is not a number of {what}", "it is a whole number, at least 1", hint)


def application_name(text: str) -> str:
    """Read the name of an application.

    Raises:
        UsageError: nothing was typed.
    """
    if name := text.strip():
        return name
    raise UsageError("the application has no name", "its key and its usage are filed under it", "type one")
