"""Sheets as a spreadsheet file; the one part that needs a library the lab does not bring."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from maas_lab.chargeback.tables import Sheet, clean
from maas_lab.errors import AccountingError, EnvironmentFault

_FORMATS = {"count": "#,##0", "money": "#,##0.00", "share": "0.0%"}
_MOST_ROWS = 1_048_000  # a spreadsheet's limit is 1,048,576


def xlsx(sheets: Sequence[Sheet], about: Sequence[tuple[str, str]]) -> bytes:
    """Return a workbook: a sheet per table, and one of words; numbers are numbers, texts never formulas.

    Args:
        sheets: the tables; the caption becomes the tab's name.
        about: what to know about them: a name and a text each.

    Raises:
        EnvironmentFault: openpyxl is not installed.
        AccountingError: a table is longer than a spreadsheet can be.
    """
    try:
        import openpyxl
    except ImportError as error:
        hint = f"{sys.executable} -m pip install openpyxl, or take .csv()"
        raise EnvironmentFault("a workbook needs the library openpyxl", "it is not installed here", hint) from error
    book = openpyxl.Workbook()
    book.remove(book.active)
    for sheet in sheets:
        _fill(book.create_sheet(sheet.caption[:31]), sheet)
    page = book.create_sheet("About")
    for number, line in enumerate(about, 1):
        for place, text in enumerate(line, 1):
            _text(page.cell(number, place), text)
    _widths(page, about)
    with io.BytesIO() as content:
        book.save(content)
        return content.getvalue()


def _fill(page: Any, sheet: Sheet) -> None:
    from openpyxl.styles import Font

    if len(sheet.rows) > _MOST_ROWS:
        hint = "take .csv(), or make the summary with fewer dimensions"
        raise AccountingError(f"{len(sheet.rows):,} lines are more than a spreadsheet holds", "", hint)
    labels = [f"{one.label} ({sheet.currency})" if one.kind == "money" else one.label for one in sheet.columns]
    lines = [labels, *sheet.rows, *([sheet.foot] if sheet.foot else [])]
    for number, line in enumerate(lines, 1):
        for place, (value, column) in enumerate(zip(line, sheet.columns, strict=True), 1):
            _value(page.cell(number, place), value, _FORMATS.get(column.kind, "General"))
    for number in (1, *([len(lines)] if sheet.foot else [])):
        for cell in page[number]:
            cell.font = Font(bold=True)
    page.freeze_panes = "A2"
    page.print_title_rows = "1:1"
    page.page_setup.fitToHeight = 0
    page.sheet_properties.pageSetUpPr.fitToPage = True
    _widths(page, lines)


def _value(cell: Any, value: Any, number_format: str) -> None:
    if isinstance(value, int | float | Decimal):
        cell.value, cell.number_format = value, number_format
    elif value is not None:
        _text(cell, value)


def _text(cell: Any, text: object) -> None:
    """Write a text that stays one: openpyxl takes what begins with `=` for a formula."""
    cell.value = clean(text)
    cell.data_type = "s"
    cell.quotePrefix = True


def _widths(page: Any, lines: Sequence[Sequence[Any]]) -> None:
    from openpyxl.utils import get_column_letter

    for place, column in enumerate(zip(*lines, strict=True), 1):
        longest = max(len(clean(value)) for value in column if value is not None)
        page.column_dimensions[get_column_letter(place)].width = min(60, longest + 4)
