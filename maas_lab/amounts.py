"""Dollars: as people read them, and as a gateway keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

_KEPT = Context(prec=15, rounding=ROUND_FLOOR)


def dollars(amount: float | Decimal) -> str:
    """Return an amount of money: cents from a dollar on, four significant digits below, so that little is not nothing.

    `$12.50`, `$0.0012`, `$0.00`, `−$3.00`.
    """
    sign, size = "−" if amount < 0 else "", abs(amount)
    if size >= 1 or size < 5e-13:
        return f"{sign}${size:,.2f}"
    whole, _, decimals = f"{float(f'{size:.4g}'):.16f}".partition(".")
    return f"{sign}${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def with_kept_cap(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits whose `max_budget` a gateway keeps as it is, and never above what was asked.

    LiteLLM's database engine rounds what it writes to 16 digits, but not the sums that it adds up: a cap at what is
    spent, 2.2729999999999997, would become 2.273, and let one more call through. 15 digits it keeps.
    """
    cap = limits.get("max_budget")
    return {**limits, "max_budget": float(_KEPT.create_decimal(repr(cap)))} if isinstance(cap, float) else {**limits}
