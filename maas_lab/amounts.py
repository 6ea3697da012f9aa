"""Dollars as people read them."""

from __future__ import annotations

from decimal import Decimal


def dollars(amount: float | Decimal) -> str:
    """Return an amount of money: cents from a dollar on, four significant digits below, so that little is not nothing.

    `$12.50`, `$0.0012`, `$0.00`, `−$3.00`.
    """
    sign, size = "−" if amount < 0 else "", abs(amount)
    if size >= 1 or size < 5e-13:
        return f"{sign}${size:,.2f}"
    whole, _, decimals = f"{float(f'{size:.4g}'):.16f}".partition(".")
    return f"{sign}${whole}.{decimals.rstrip('0').ljust(2, '0')}"
