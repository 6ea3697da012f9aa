"""Tables as an accountant reads them, in Markdown, HTML, CSV and XLSX.

Names in them come from whoever makes applications and keys, so nobody may trust them: each format escapes them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any

from maas_lab.chargeback.money import cents, plain, written

_LONGEST = 200  # characters of a name that are shown
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&@:!^=])|www\.", re.IGNORECASE)
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), full-width forms too.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: of the frame's column.
        label: what people read above it.
        kind: `text`, `count`, `money` (cents), `exact` (all digits of an amount) or `share`.
    """

    name: str
    label: str
    kind: str = "text"

    @property
    def is_number(self) -> bool:
        """Whether it is set to the right."""
        return self.kind != "text"


@dataclass(frozen=True)
class Sheet:
    """A table with a caption.

    Attributes:
        caption: what it shows.
        columns: of it.
        rows: values in the order of the columns: text, int, Decimal or float; None for an empty cell.
        foot: the last line, e.g. a total; empty when there is none.
        currency: of its amounts.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    foot: tuple[Any, ...] = ()
    currency: str = "USD"

    def cells(self, row: Sequence[Any]) -> list[str]:
        """Return a row as people read it, not yet escaped."""
        return [_cell(value, column.kind, self.currency) for value, column in zip(row, self.columns, strict=True)]


def clean(text: object) -> str:
    """Return a text in one line, without what is not seen or turns the direction of reading."""
    line = " ".join(str(text).split())
    seen = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)
    return seen if len(seen) <= _LONGEST else seen[: _LONGEST - 1] + "…"


def _cell(value: Any, kind: str, currency: str) -> str:
    if value is None:
        return ""
    if kind == "count":
        return f"{value:,}"
    if kind == "share":
        return f"{100 * value:.1f} %"
    if kind == "money":
        return money_text(value, currency)
    if kind == "exact":
        return _exact(value)
    return clean(value)


def money_text(value: Decimal, currency: str = "USD") -> str:
    """Write an amount in cents; one that is less than half a cent is never shown as nothing."""
    rounded = cents(value)
    told = written(rounded, currency)
    return told if rounded or not value else f"{told} ({plain(value)})"


def _exact(value: Decimal) -> str:
    """Write all digits of an amount, two behind the point at least."""
    digits, _, rest = plain(value).partition(".")
    return f"{digits}.{rest:0<2}"


def markdown(sheet: Sheet) -> str:
    """Return a table in GitHub's Markdown."""
    head = _row(map(escaped, (column.label for column in sheet.columns)))
    rule = _row("---:" if column.is_number else ":---" for column in sheet.columns)
    body = [_row(map(escaped, sheet.cells(row))) for row in sheet.rows]
    foot = [_row(f"**{escaped(cell)}**" if cell else "" for cell in sheet.cells(sheet.foot))] if sheet.foot else []
    return "\n".join([f"**{escaped(sheet.caption)}**", "", head, rule, *body, *foot])


def escaped(text: object) -> str:
    """Return a text that Markdown shows as it is, in a table too."""
    return _MARKDOWN.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[0][:-1]}\\.", clean(text))


def escaped_words(text: str) -> str:
    """Return words of ours for Markdown; a colon and an equals sign in them do no harm."""
    return escaped(text).replace("\\:", ":").replace("\\=", "=")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def html(sheet: Sheet) -> str:
    """Return a table in HTML: a caption, headers with their scope, numbers in cells of class `number`."""
    head = "".join(f'<th scope="col"{_class(column)}>{escape(column.label)}</th>' for column in sheet.columns)
    body = "".join(f"<tr>{_html_cells(sheet, row)}</tr>" for row in sheet.rows)
    foot = f"<tfoot><tr>{_html_cells(sheet, sheet.foot)}</tr></tfoot>" if sheet.foot else ""
    caption = f"<caption>{escape(clean(sheet.caption))}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"


def _html_cells(sheet: Sheet, row: Sequence[Any]) -> str:
    first, *others = sheet.cells(row)
    cells = [f'<th scope="row">{escape(first)}</th>']
    cells += [
        f"<td{_class(column)}>{escape(cell)}</td>" for cell, column in zip(others, sheet.columns[1:], strict=True)
    ]
    return "".join(cells)


def _class(column: Column) -> str:
    return ' class="number" style="text-align: right"' if column.is_number else ' style="text-align: left"'


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return lines of CSV: numbers plain, texts so that no spreadsheet takes them for a formula."""
    with io.StringIO(newline="") as text:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([_csv_cell(value) for value in row] for row in rows)
        return text.getvalue()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if not isinstance(value, str):
        return str(value)
    shown = clean(value)
    return f"'{shown}" if _FORMULA.match(shown) else shown
