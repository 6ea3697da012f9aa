"""Price lists: what a token, a GPU hour or a server costs on a day, and who says so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd

from maas_lab import outfile
from maas_lab.chargeback import price_file, tables
from maas_lab.chargeback.money import amount, plain
from maas_lab.chargeback.price_file import COLUMNS, COMPLETION, PROMPT, UNITS, Price, like
from maas_lab.chargeback.tables import Column, Sheet
from maas_lab.errors import AccountingError, MissingPrice, UsageError
from maas_lab.rows import CatalogModel

PUBLISHED = Path(__file__).with_name("prices.csv")
_MILLION = 1_000_000


@dataclass(frozen=True)
class TokenPrice:
    """What the tokens of a model cost.

    Attributes:
        prompt: dollars (or the list's currency) per prompt token.
        completion: per answered token.
    """

    prompt: Decimal
    completion: Decimal

    def blended(self, prompt_share: float = 0.5) -> Decimal:
        """Return the price of one token when this share of all tokens (0 to 1) is prompts."""
        if not 0 <= prompt_share <= 1:
            raise UsageError(f"a share of {prompt_share} is none", hint="give a number from 0 to 1")
        share = Decimal(str(prompt_share))
        return share * self.prompt + (1 - share) * self.completion


class PriceList:
    """Dated prices of one currency; on a day the newest price that is not younger counts.

    Args:
        rows: the prices.
        name: what invoices call this list.
    """

    def __init__(self, rows: Iterable[Price], name: str) -> None:
        self.rows, self.name = tuple(rows), name

    @classmethod
    def read(cls, path: str | Path | None = None) -> PriceList:
        """Read a CSV file of prices; without a path, the published prices that come with the lab.

        Raises:
            AccountingError: the file cannot be read, or a line of it is wrong; the message names file and line.
        """
        file = PUBLISHED if path is None else Path(path).expanduser()
        return cls(price_file.read(file), file.name if path else "published prices")

    @classmethod
    def of(cls, models: Iterable[CatalogModel], since: date = date.min) -> PriceList:
        """Make a list of the gateway's catalogue (`gateway.models()`), to price calls with it again.

        Args:
            models: rows of the catalogue.
            since: the first day; the gateway knows only today's price and not since when it holds, so that is for
                the caller to say.

        Raises:
            AccountingError: a model stands in the catalogue at two prices.
        """
        found: dict[tuple[str, str], Price] = {}
        for model in models:
            for unit, cost in ((PROMPT, model.input_cost), (COMPLETION, model.output_cost)):
                price = Decimal(plain(amount(cost, f"the price of {model.name}") * _MILLION))
                row = Price(model.name, unit, price, "USD", since, "the gateway's catalogue")
                if found.setdefault((model.name, unit), row) != row:
                    hint = "gateway.models() shows both; offer the model once"
                    raise AccountingError(f"{model.name} has two prices in the gateway's catalogue", "", hint)
        return cls(found.values(), "the gateway's catalogue")

    @property
    def currency(self) -> str:
        """Three letters; `USD` when the list is empty."""
        return self.rows[0].currency if self.rows else "USD"

    @property
    def frame(self) -> pd.DataFrame:
        """The prices as a table: a row each, `price` as Decimal."""
        return pd.DataFrame([asdict(row) for row in self.rows], columns=list(COLUMNS))

    def find(self, item: str, unit: str, on: date) -> Price:
        """Return the price that counts on a day, with its source.

        Args:
            item: e.g. a model's name.
            unit: one of `UNITS`.
            on: the day.

        Raises:
            MissingPrice: there is none; the message has the line to add.
            UsageError: there is no such unit.
        """
        if unit not in UNITS:
            raise UsageError(f"there is no unit `{unit}`", like(unit, UNITS), f"the units are: {', '.join(UNITS)}")
        day = on.date() if isinstance(on, datetime) else on
        known = [row for row in self.rows if (row.item, row.unit) == (item, unit)]
        valid = [row for row in known if row.valid_from <= day]
        if not valid:
            raise self._missing(item, unit, day, known)
        return max(valid, key=lambda row: row.valid_from)

    def price(self, item: str, unit: str, on: date) -> Decimal:
        """Return the price of one unit on a day; arguments and errors as in `find`."""
        return self.find(item, unit, on).price

    def model(self, name: str, on: date) -> TokenPrice:
        """Return what one token of a model costs on a day.

        Raises:
            MissingPrice: there is no price for prompts, or none for answers.
        """
        prompt, completion = (self.price(name, unit, on) / _MILLION for unit in (PROMPT, COMPLETION))
        return TokenPrice(prompt, completion)

    def changes(self, name: str, since: date, until: date) -> list[date]:
        """Return the days after the first and up to the last one on which a model's price changes."""
        days = {row.valid_from for row in self.rows if row.item == name and row.unit in (PROMPT, COMPLETION)}
        return sorted(day for day in days if since < day <= until)

    def save(self, path: str | Path) -> Path:
        """Write a copy that you may edit; a file that is there already stays as it is.

        Raises:
            UsageError: there is a file already, or it cannot be written there.
        """
        return outfile.write(path, _csv([COLUMNS, *map(_cells, self.rows)]).encode(), replace=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"PriceList({self.name}: {len(self)} prices in {self.currency})"

    def _repr_html_(self) -> str:
        return tables.html(sheet(f"{self.name}, in {self.currency}", self.rows))

    def _missing(self, item: str, unit: str, day: date, known: list[Price]) -> MissingPrice:
        what = f"{self.name} has no price of {item} ({unit}) on {day}"
        near = like(item, sorted({row.item for row in self.rows} - {item}))
        why = f"its first price is valid from {min(row.valid_from for row in known)}" if known else near
        read_on = datetime.now(UTC).date().isoformat()
        line = _csv([[item, unit, "PRICE", self.currency, day.isoformat(), "SOURCE", read_on, ""]]).removesuffix("\n")
        return MissingPrice(what, why, f"add this line to the list, with your price and its source:\n{line}")


def sheet(caption: str, rows: Sequence[Price]) -> Sheet:
    """Return prices with their sources as a table to print."""
    labels = {"item": "Item", "unit": "Unit", "price": "Price", "valid_from": "Valid from", "source": "Source"}
    columns = [Column(name, label, "exact" if name == "price" else "text") for name, label in labels.items()]
    columns.append(Column("note", "Note"))
    return Sheet(caption, tuple(columns), tuple(tuple(getattr(row, one.name) for one in columns) for row in rows))


def _csv(lines: Iterable[Sequence[str]]) -> str:
    with io.StringIO(newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(lines)
        return text.getvalue()


def _cells(row: Price) -> list[str]:
    days = [day.isoformat() if day else "" for day in (row.valid_from, row.read_on)]
    return [row.item, row.unit, f"{row.price:f}", row.currency, days[0], row.source, days[1], row.note]
