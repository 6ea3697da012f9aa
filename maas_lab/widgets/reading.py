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
from maas_lab.widgets.charts import charts, who
from maas_lab.widgets.windows import span, window

_ALWAYS = ("application", "team", "model")  # what the chart of tokens and the invoice need


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
        summary: the calls, by application, team, model and the chosen group; not by hour.
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
    """

    def __init__(self, usage: usage.GatewayUsage) -> None:
        self._usage = usage
        # A file without a name, which Linux opens again through /proc: it is gone even when the kernel is killed.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._place = Path(f"/proc/self/fd/{self._file.fileno()}")
        if not self._place.exists():
            self._file = tempfile.NamedTemporaryFile(prefix="maas-lab-board-")  # noqa: SIM115
            self._place = Path(self._file.name)

    def rows(self, window: usage.Window) -> pd.DataFrame:
        """Return the calls of a span of time."""
        # No progress bar: from another thread it would appear in somebody's cell.
        return self._usage.rows(window, keep=self._place, show=False)

    def close(self) -> None:
        """Forget what was kept."""
        self._file.close()


class Reader:
    """Reads, one at a time, whichever thread asks.

    Args:
        source: of the calls.
        gateway: of the caps; None where there is none to ask.
        tz: the zone of days and hours.
    """

    def __init__(self, source: Source, gateway: Gateway | None, tz: tzinfo) -> None:
        self._source, self._gateway, self._tz = source, gateway, tz
        self._kept = _Remembering(source) if isinstance(source, usage.GatewayUsage) else None
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
            summary, hours, rows = self._calls(asked, by)
            states = tuple(caps.state(self._gateway)) if self._gateway else None
            told = f"{span(asked, self._tz)}, read at {at:%H:%M:%S} UTC from {self._source.name}."
            table = numbers.by_table(hours if by == "hour" else summary, by, self._tz)
            drawn = charts(summary, hours, rows, asked, by, self._tz)
            shown = f"<p>{escape(told)}</p>", numbers.totals(summary), table, drawn
            return Reading((choice, by), asked, summary, states, *shown)

    def close(self) -> None:
        """Forget what was read."""
        if self._kept:
            with self._lock:
                self._kept.close()

    def _calls(self, asked: usage.Window, by: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]:
        """Return the calls added up, added up by the hour, and one by one where they have to be fetched anyway.

        Apart from each other, because all at once would leave of a month as many rows as calls.
        """
        groups, hours = (*_ALWAYS, *({by} - {"hour", *_ALWAYS})), ("hour", "outcome", who(by))
        if self._kept:
            rows = self._kept.rows(asked)
            return usage.summary(rows, groups), usage.summary(rows, hours), rows
        return self._source.summary(asked, by=groups), self._source.summary(asked, by=hours), None
