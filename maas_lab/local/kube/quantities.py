"""Read and write quantities such as `500m` and `1Gi` in the canonical form that a Kubernetes API server stores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import lru_cache

_FORM = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_NANO = Decimal(1).scaleb(-9)  # nothing smaller is kept
WRONG_FORM = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_SUFFIX = "unable to parse quantity's suffix"


@dataclass(frozen=True)
class Quantity:
    """A number, and how it is written.

    Attributes:
        number: what it stands for.
        form: `binary` (`1Gi`), `decimal` (`500m`) or `exponent` (`1e3`).
    """

    number: Decimal = Decimal(0)
    form: str = "decimal"

    def __add__(self, other: Quantity) -> Quantity:
        """Return the sum, in the form of the first that is not zero."""
        return Quantity(self.number + other.number, self.form if self.number else other.form)

    def __sub__(self, other: Quantity) -> Quantity:
        """Return the difference, in this one's form."""
        return Quantity(self.number - other.number, self.form)

    def __str__(self) -> str:
        """Write it in the one way in which a server does."""
        if self.form == "binary" and self.number == self.number.to_integral_value() and abs(self.number) >= 1024:
            return _binary(int(self.number))
        return _decimal(self.number, exponents=self.form == "exponent")


@lru_cache(4096)
def read(quantity: str | int | float) -> Quantity:
    """Return a quantity that is written down.

    Raises:
        ValueError: it is none; the message is the API server's.
    """
    return Quantity(*_parsed(quantity))


def value(quantity: str | int | float) -> Decimal:
    """Return the number that a quantity stands for.

    Raises:
        ValueError: it is no quantity; the message is the API server's.
    """
    return _parsed(quantity)[0]


def canonical(quantity: str | int | float) -> str:
    """Return the one way of writing a quantity: `1024Mi` is `1Gi`, `0.5` is `500m`, `1` stays `1`.

    Raises:
        ValueError: as `value`.
    """
    return str(Quantity(*_parsed(quantity)))


def _parsed(quantity: str | int | float) -> tuple[Decimal, str]:
    text = str(quantity).strip() if isinstance(quantity, str) else _plain(quantity)
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(WRONG_FORM)
    try:
        number = Decimal(match[1])
    except InvalidOperation as error:
        raise ValueError(WRONG_FORM) from error
    factor, form = _factor(match[2])
    return (number * factor).quantize(_NANO, rounding=ROUND_CEILING).normalize(), form


def _plain(number: float) -> str:
    return format(Decimal(str(number)), "f")


def _factor(suffix: str) -> tuple[Decimal, str]:
    if suffix in _BINARY:
        return Decimal(1024) ** (_BINARY.index(suffix) + 1), "binary"
    if suffix in _DECIMAL:
        return Decimal(1).scaleb(_DECIMAL[suffix]), "decimal"
    if re.fullmatch(r"[eE][+-]?[0-9]{1,2}", suffix):
        return Decimal(1).scaleb(int(suffix[1:])), "exponent"
    raise ValueError(WRONG_SUFFIX)


def _binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY):
        number, power = number // 1024, power + 1
    return f"{number}{_BINARY[power - 1] if power else ''}"


def _decimal(number: Decimal, *, exponents: bool) -> str:
    """Write with the largest suffix that leaves a whole number."""
    if number == 0:
        return "0"
    for exponent in sorted(_SUFFIX, reverse=True):
        scaled = number.scaleb(-exponent)
        if scaled == scaled.to_integral_value():
            suffix = (f"e{exponent}" if exponent else "") if exponents else _SUFFIX[exponent]
            return f"{int(scaled)}{suffix}"
    raise AssertionError(f"{number} has more than nine decimals")
