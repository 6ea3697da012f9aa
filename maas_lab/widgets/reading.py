"""What the accountant's board reads in one go, and the HTML that shows it; no widget is touched here."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from html import escape
from pathlib import Path
from typing import Protocol

import pandas as pd

from maas_lab import caps, usage
from maas_lab.gateway import Gateway
from maas_lab.widgets import numbers
from maas_lab.widgets.charts import charts
from maas_lab.widgets.windows import span, window

_ALWAYS = ("hour", "application", "team", "model", "outcome")  # what the charts and the invoice need


class Source(Protocol):
    """Where the numbers come from: `lab.usage` or `lab.usage_database()`."""

    name: str

    def summary(self, window: usage.Window, by: Sequence[str]) -> pd.DataFrame:
        """Return the calls of a span of time, added up."""


@dataclass(frozen=True)
class Reading:
    """Numbers of one moment.

    Attributes:
        asked: the choice of time and of groups.
        window: which span of time that was.
        summary: the calls, by all that the board shows.
        caps: of users, applications and keys; None where there is no gateway to ask.
        about: the span of time and the moment, as HTML; as are the next three.
        totals: the sums.
        table: the sums by group.
        charts: images with their alternative texts.
    """

    asked: tuple[str, str]
    window: usage.Window
    summary: pd.DataFrame
    caps: tuple[caps.Cap, ...] | None
    about: str
    totals: str
    table: str
    charts: str


class _Remembering:
    """A gateway's usage, of which only what is new is fetched: what is settled is kept in a file of this process.

    Args:
        usage: of the gateway.

    Attributes:
        rows: the calls that were added up last.
    """

    def __init__(self, usage: usage.GatewayUsage) -> None:
        self._usage, self.name, self.rows = usage, usage.name, pd.DataFrame()
        self._folder = tempfile.TemporaryDirectory(prefix="maas-lab-board-", ignore_cleanup_errors=True)

    def summary(self, window: usage.Window, by: Sequence[str]) -> pd.DataFrame:
        """Return the calls of a span of time, added up."""
        # No progress bar: from another thread it would appear in somebody's cell.
        self.rows = self._usage.rows(window, keep=Path(self._folder.name) / "rows", show=False)
        return usage.summary(self.rows, by)

    def close(self) -> None:
        """Forget what was kept."""
        self._folder.cleanup()


class Reader:
    """Reads, one at a time, whichever thread asks.

    Args:
        source: of the calls.
        gateway: of the caps; None where there is none to ask.
        tz: the zone of days and hours.
    """

    def __init__(self, source: Source, gateway: Gateway | None, tz: tzinfo) -> None:
        self._remembers = isinstance(source, usage.GatewayUsage)
        self._source = _Remembering(source) if self._remembers else source
        self._gateway, self._tz = gateway, tz
        self._lock = threading.Lock()

    def read(self, choice: str, by: str) -> Reading:
        """Read the numbers of a span of time.

        Args:
            choice: a key of `WINDOWS`.
            by: one of `usage.DIMENSIONS`.

        Raises:
            LabError: source or gateway refused, failed, or did not answer.
        """
        with self._lock:
            asked, at = window(choice, self._tz), datetime.now(UTC)
            found = self._source.summary(asked, by=tuple(dict.fromkeys((*_ALWAYS, by))))
            states = tuple(caps.state(self._gateway)) if self._gateway else None
            told = f"{span(asked, self._tz)}, read at {at:%H:%M:%S} UTC from {self._source.name}."
            # A database is not asked for a million rows.
            drawn = charts(found, self._source.rows if self._remembers else None, asked, by, self._tz)
            shown = numbers.totals(found), numbers.by_table(found, by, self._tz), drawn
            return Reading((choice, by), asked, found, states, f"<p>{escape(told)}</p>", *shown)

    def close(self) -> None:
        """Forget what was read."""
        if self._remembers:
            with self._lock:
                self._source.close()
