"""Dollars: as people read them, and as a gateway keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_SAME, _HAIR = 1e-12, 1e-14  # parts of an amount; 16 digits are rounded by 5e-16 of it at most


def dollars(amount: float | Decimal) -> str:
    """Return an amount of money: cents from a dollar on, four significant digits below, so that little is not nothing.

    `$12.50`, `$0.0012`, `$0.00`, `−$3.00`.
    """
    sign, size = "−" if amount < 0 else "", abs(amount)
    if size >= 1 or size < 5e-13:
        return f"{sign}${size:,.2f}"
    whole, _, decimals = f"{float(f'{size:.4g}'):.16f}".partition(".")
    return f"{sign}${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def with_stopping_cap(limits: Mapping[str, Any], spent: float | None) -> dict[str, Any]:
    """Return limits whose `max_budget`, where that is what is spent, lies a hair below it: the next call is refused.

    LiteLLM's database engine rounds to 16 digits what it tells and what it writes, but not the sums that it adds up: of
    2.2729999999999997 it tells 2.273, and a cap of 2.273 would let one more call through.

    Args:
        limits: by the names of `Gateway.update_key`.
        spent: dollars, as the gateway tells it.
    """
    cap = limits.get("max_budget")
    if not isinstance(cap, int | float) or not spent or not math.isclose(cap, spent, rel_tol=_SAME):
        return {**limits}
    return {**limits, "max_budget": cap * (1 - _HAIR)}
