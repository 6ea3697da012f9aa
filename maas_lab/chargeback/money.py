"""Money: sums that are exact, cents, and how amounts are written."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from typing import Any

from maas_lab.errors import AccountingError, UsageError
from maas_lab.usage_frames import EXACT, money

CENT = Decimal("0.01")
LARGEST = Decimal("1e12")  # dollars; whoever owes more has a wrong number


def amount(value: Any, what: str) -> Decimal:
    """Return an amount of money as a decimal.

    Args:
        value: a number, a text, or a Decimal.
        what: whose amount it is, for the error.

    Raises:
        AccountingError: it is no number, or larger than any real bill.
    """
    try:
        number = money(value)
    except (InvalidOperation, TypeError, ValueError, UsageError) as error:
        raise _wrong(what, value, "this is not a number") from error
    if not number.is_finite():
        raise _wrong(what, value, "this is not a number")
    if abs(number) > LARGEST:
        raise _wrong(what, value, f"more than {LARGEST:,.0f} dollars cannot be right")
    return number


def _wrong(what: str, value: Any, why: str) -> AccountingError:
    return AccountingError(f"{what} is {value}", why, "correct it where it comes from, then account again")


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add up amounts without rounding; zero for none."""
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))


def less(number: Decimal, other: Decimal) -> Decimal:
    """Subtract without rounding; Python's own minus keeps 28 digits."""
    return EXACT.subtract(number, other)


def product(count: int, price: Decimal) -> Decimal:
    """Multiply without rounding."""
    return EXACT.multiply(Decimal(int(count)), price)


def cents(number: Decimal) -> Decimal:
    """Round to whole cents, half to even, as banks do, so that many roundings do not add up to one side."""
    with localcontext(EXACT):
        return number.quantize(CENT, rounding=ROUND_HALF_EVEN)


def plain(number: Decimal) -> str:
    """Write all digits, without an exponent and without zeros at the end."""
    with localcontext(EXACT):
        text = f"{number.normalize():f}"
    return "0" if text == "-0" else text


def written(number: Decimal, currency: str = "USD", digits: str = "") -> str:
    """Write an amount for people: `$1,234.50`, `-$0.05`, `EUR 12.00`; with other `digits` than cents where given."""
    sign, unit = ("-" if number < 0 else ""), ("$" if currency == "USD" else f"{currency} ")
    return f"{sign}{unit}{digits or f'{number.copy_abs():,.2f}'}"


def exactly(number: Decimal, currency: str = "USD") -> str:
    """Write all digits of an amount: `$0.0000001`."""
    return written(number, currency, plain(number.copy_abs()))
