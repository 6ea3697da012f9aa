"""The invoice of what a board shows, as files to save."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from html import escape
from pathlib import Path

import pandas as pd
from ipywidgets import HTML, VBox

from maas_lab import chargeback, report, usage
from maas_lab.amounts import dollars
from maas_lab.errors import EnvironmentFault
from maas_lab.widgets.figures import download
from maas_lab.widgets.parts import Message, button
from maas_lab.widgets.windows import filename, span

BY = ("team", "application")
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class InvoiceFiles(VBox):
    """Makes the invoice of the numbers that are shown, and links to its files; the board acts.

    Attributes:
        make: the button.
        message: what became of it.
        invoice: the last one; None before, and after another time was chosen.
    """

    def __init__(self) -> None:
        self._head = HTML("<h3>Invoice</h3><p>By team and application, for the numbers above, as they were booked.</p>")
        self.make = button("Make the invoice", "Make files of the invoice for the time that is shown")
        self._links, self.message = HTML(), Message()
        self.invoice: chargeback.Invoice | None = None
        super().__init__([self._head, self.make, self._links, self.message])

    def show(self, summary: pd.DataFrame, window: usage.Window, tz: tzinfo) -> None:
        """Make an invoice and link to its files.

        Args:
            summary: by team, application and model, and perhaps by more.
            window: the time it is of.
            tz: the zone in which that is said.

        Raises:
            LabError: the numbers make no invoice.
        """
        calls = usage.regroup(summary, (*BY, "model"))
        made = chargeback.invoice(calls, window=window, by=BY)
        self._links.value = _links(made, calls, tz)
        self.invoice = made

    def clear(self) -> None:
        """Take the files away: they are of another time than the one that is shown now."""
        self._links.value, self.invoice = "", None
        self.message.clear()


def _links(made: chargeback.Invoice, summary: pd.DataFrame, tz: tzinfo) -> str:
    kinds = {"csv": ("CSV", "text/csv"), "html": ("HTML, to print", "text/html"), "xlsx": ("Excel", _SHEET)}
    files, missing = {"csv": made.csv().encode(), "html": _written(lambda path: _page(path, made, summary))}, ""
    try:
        files["xlsx"] = _written(made.xlsx)
    except EnvironmentFault as error:
        missing = f"<p>No Excel file: {escape(error.what)}. {escape(error.hint)}</p>"
    links = [
        download(kinds[end][0], filename(made.window, end), kinds[end][1], content) for end, content in files.items()
    ]
    about = f"{span(made.window, tz)}: {dollars(made.total)}, made at {datetime.now(UTC):%H:%M:%S} UTC."
    return f"<p>Invoice for {escape(about)}</p><p>Save as: {' · '.join(links)}</p>{missing}"


def _page(path: Path, made: chargeback.Invoice, summary: pd.DataFrame) -> None:
    report.write(path, title=made.title, window=made.window, summary=summary, invoice=made)


def _written(write: Callable[[Path], object]) -> bytes:
    """Return what is written to a file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "invoice"
        write(place)
        return place.read_bytes()
