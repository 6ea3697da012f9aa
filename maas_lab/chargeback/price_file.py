"""A price list's file: CSV to rows, and every mistake in it told with its line."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from maas_lab.errors import AccountingError

COLUMNS = ("item", "unit", "price", "currency", "valid_from", "source", "read_on", "note")
PROMPT, COMPLETION = "1M prompt tokens", "1M completion tokens"
UNITS = (PROMPT, COMPLETION, "GPU hour", "month")
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,12})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Price:
    """What something costs from a day on.

    Attributes:
        item: what it is about: a model's name in the catalogue, a hosted model, a GPU.
        unit: what one buys for the price, one of `UNITS`.
        price: of one unit.
        currency: three letters, e.g. `USD`.
        valid_from: the first day.
        source: who says so.
        read_on: the day on which somebody looked; None where nobody says.
        note: how far it can be trusted.
    """

    item: str
    unit: str
    price: Decimal
    currency: str
    valid_from: date
    source: str
    read_on: date | None = None
    note: str = ""


class _Line:
    """One line of a file, with what to say about it."""

    def __init__(self, file: str, number: int, cells: Mapping[str, str]) -> None:
        self.file, self.number, self._cells = file, number, cells

    def error(self, what: str, why: str, hint: str) -> AccountingError:
        return AccountingError(f"{self.file}, line {self.number}: {what}", why, hint)

    def text(self, name: str) -> str:
        if not self._cells[name]:
            why = "a price without a source cannot be checked" if name == "source" else "every price needs it"
            raise self.error(f"`{name}` is empty", why, "fill it in")
        return self._cells[name]

    def price(self) -> Decimal:
        text = self.text("price")
        if _NUMBER.fullmatch(text):
            return Decimal(text)
        if text.startswith("-") and _NUMBER.fullmatch(text[1:]):
            raise self.error(f"the price {text} is negative", "nobody is paid for using a model", "correct the price")
        decimal = text.replace(",", ".")
        why = "it has a decimal comma" if _NUMBER.fullmatch(decimal) and text != decimal else ""
        hint = f"write {decimal}" if why else "write digits and a point, e.g. 0.05, without a currency's sign"
        raise self.error(f"the price `{text}` is not a number", why, hint)

    def day(self, name: str) -> date:
        text = self.text(name)
        try:
            return date.fromisoformat(text) if _DAY.fullmatch(text) else date.fromisoformat("")
        except ValueError:
            hint = "write year-month-day, e.g. 2026-11-28"
            raise self.error(f"`{name}` is `{text}`", "this is not a day", hint) from None

    def unit(self) -> str:
        text = self.text("unit")
        if text not in UNITS:
            raise self.error(f"there is no unit `{text}`", like(text, UNITS), f"the units are: {', '.join(UNITS)}")
        return text

    def currency(self) -> str:
        text = self.text("currency")
        if not re.fullmatch("[A-Z]{3}", text):
            raise self.error(f"`{text}` is not a currency", "a currency has three capital letters", "e.g. USD, EUR")
        return text

    def read(self) -> Price:
        return Price(
            item=self.text("item"),
            unit=self.unit(),
            price=self.price(),
            currency=self.currency(),
            valid_from=self.day("valid_from"),
            source=self.text("source"),
            read_on=self.day("read_on") if self._cells["read_on"] else None,
            note=self._cells["note"],
        )


def like(name: str, names: Iterable[str]) -> str:
    """Return a sentence that suggests what may have been meant; empty when nothing is near."""
    near = difflib.get_close_matches(name.casefold(), {one.casefold(): one for one in names}, n=1, cutoff=0.6)
    meant = [one for one in names if near and one.casefold() == near[0]]
    return f"did you mean `{meant[0]}`?" if meant else ""


def read(path: Path) -> list[Price]:
    """Read a file of prices, in its order.

    Raises:
        AccountingError: the file cannot be read, or a line of it is wrong; the message names the line.
    """
    lines = _lines(path)
    prices = [line.read() for line in lines]
    first: dict[tuple[str, str, date], int] = {}
    for line, price in zip(lines, prices, strict=True):
        place = (price.item, price.unit, price.valid_from)
        if place in first:
            why = f"line {first[place]} has the same item, unit and day"
            raise line.error(f"a second price of {price.item} ({price.unit})", why, "remove one of the two")
        first[place] = line.number
        if price.currency != prices[0].currency:
            why = f"line {lines[0].number} has {prices[0].currency}; sums of two currencies mean nothing"
            raise line.error(f"the currency is {price.currency}", why, "convert the price, and say so in its note")
    return prices


def _lines(path: Path) -> list[_Line]:
    name = path.name
    reader = csv.reader(io.StringIO(_decoded(path), newline=""), strict=True)
    found, begin = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((begin, [cell.strip() for cell in cells]))
            begin = reader.line_num + 1
    except csv.Error as error:
        hint = "a field with a quote or a comma stands in quotes, and a quote in it is doubled"
        raise AccountingError(f"{name}, line {begin}: this is not CSV", str(error), hint) from error
    if len(found) < 2:
        raise AccountingError(f"{name} holds no prices", "", "PriceList.read().save(path) writes a list to begin with")
    (number, header), *rows = found
    _check_header(name, number, header)
    return [_line(name, number, header, cells) for number, cells in rows]


def _check_header(name: str, number: int, header: list[str]) -> None:
    where = f"{name}, line {number}"
    if len(header) == 1 and ";" in header[0]:
        hint = "save it as CSV with commas, and numbers with a decimal point"
        raise AccountingError(f"{where}: the fields are separated by semicolons", "", hint)
    hint = f"the first line is: {','.join(COLUMNS)}"
    if missing := [column for column in COLUMNS if column not in header]:
        others = [cell for cell in header if cell not in COLUMNS]
        near = difflib.get_close_matches(missing[0], others, n=1, cutoff=0.6)
        why = f"it has `{near[0]}`" if near else ""
        raise AccountingError(f"{where}: there is no column `{missing[0]}`", why, hint)
    if len(header) != len(COLUMNS):
        extra = next(cell for n, cell in enumerate(header) if cell not in COLUMNS or cell in header[:n])
        raise AccountingError(f"{where}: the column `{extra}` is one too many", "", hint)


def _line(name: str, number: int, header: list[str], cells: list[str]) -> _Line:
    if len(cells) != len(header):
        why = f"it has {len(cells)} fields, the first line has {len(header)}"
        hint = "numbers have a decimal point; a note with a comma stands in quotes; no field is left out"
        raise AccountingError(f"{name}, line {number}: the fields do not fit the columns", why, hint)
    return _Line(name, number, dict(zip(header, cells, strict=True)))


def _decoded(path: Path) -> str:
    """Return the text of a file; the mark that Excel writes in front of UTF-8 is no part of it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        hint = "PriceList.read() reads the lab's own list, and .save(path) writes a copy that you may edit"
        raise AccountingError(f"{path} cannot be read", error.strerror or "", hint) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _encoding(path.name, line) from error
    if "\0" in text:
        raise _encoding(path.name, text[: text.index("\0")].count("\n") + 1)
    return text


def _encoding(name: str, line: int) -> AccountingError:
    hint = "save it again as CSV, UTF-8; a workbook (.xlsx) is not read"
    return AccountingError(f"{name}, line {line}: this is not text in UTF-8", "", hint)
