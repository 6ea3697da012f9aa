"""Usage as the gateway's own API tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from maas_lab.bookings import LEAF, Booking, Reader, Span
from maas_lab.labels import Labels
from maas_lab.ledger import tomorrow
from maas_lab.usage_frames import (
    COLUMNS,
    NO_KEY,
    NO_MODEL,
    NO_TEAM,
    NO_USER,
    UNLABELLED,
    empty_rows,
    rows_frame,
    summary,
)
from maas_lab.usage_keep import KeptRows, Nothing
from maas_lab.windows import Window

if TYPE_CHECKING:
    from maas_lab.gateway import Gateway

# The OpenAI SDK gives a call up after 10 minutes; LiteLLM 1.81.0 books it within half a minute of its end.
SETTLED = timedelta(minutes=15)
_SECOND = 1_000_000  # microseconds


@dataclass(frozen=True)
class GatewayUsage:
    """Spend rows of a gateway, read through its API with its administrator's key.

    Args:
        gateway: whose calls.
        settled: how long after its arrival a call is booked at the latest; LiteLLM books a call when it has ended,
            under the time at which it arrived.

    Attributes:
        name: in words.
    """

    gateway: Gateway
    settled: timedelta = SETTLED
    name: str = field(default="the gateway's spend rows", init=False)

    def rows(self, window: Window, *, keep: Path | str | None = None, show: bool = True) -> pd.DataFrame:
        """Return one row per booked call of a window; `maas_lab.usage` says which columns.

        Every call is there, once, that was booked when it was asked for, whatever is booked meanwhile. Calls of the
        last seconds are not booked yet.

        Args:
            window: when the calls arrived.
            keep: file that keeps what is settled: a fetch that broke off goes on there, and a later one asks only
                for what is new. It holds neither prompts nor secrets, and only its owner may read it.
            show: whether to show a progress bar on a long fetch, where there is a notebook to show it in.

        Raises:
            UsageError: the file is damaged, or of another gateway.
            GatewayError: the gateway refused, failed, or did not answer; what is in `keep` stays.
        """
        reader, found = Reader(self.gateway.rest), {}
        with KeptRows(Path(keep), self.gateway.url) if keep else Nothing() as kept:
            span = _span(window)
            expected = reader.count(span)  # and the first answer tells the gateway's clock
            step = _bar(expected) if show else _silent
            for rows in self._pieces(reader, kept, span):
                found |= {row.request_id: row for row in rows}
                step(len(rows))
        inside = [row for row in found.values() if _is_in(row, window)]
        return frame(inside, Labels.read(self.gateway.rest)) if inside else empty_rows()

    def summary(self, window: Window, by: str | Sequence[str] = ("application", "model")) -> pd.DataFrame:
        """Return the calls of a window added up; `maas_lab.usage` says which columns.

        Args:
            window: when the calls arrived.
            by: which of `usage.DIMENSIONS` to keep apart.

        Raises:
            UsageError: there is no such dimension.
            GatewayError: the gateway refused, failed, or did not answer.
        """
        return summary(self.rows(window), by)

    def _pieces(self, reader: Reader, kept: KeptRows | Nothing, span: Span) -> Iterator[list[Booking]]:
        if (latest := kept.latest()) and not self._has(latest):
            raise kept.foreign()
        yield from kept.rows(span)
        settled = floor(datetime.now(UTC).timestamp() + reader.ahead_s - self.settled.total_seconds())
        for gap in kept.gaps(span):
            for part in _split(gap, settled):
                for piece, rows in reader.pieces(part):
                    bookings = [Booking.read(row) for row in rows]
                    if piece.until <= settled:
                        kept.add(piece, bookings)
                    yield bookings

    def _has(self, row: Booking) -> bool:
        at = row.begun // _SECOND
        return Reader(self.gateway.rest, {"request_id": row.request_id}).count(Span(at, at + 1)) > 0


def frame(bookings: Iterable[Booking], labels: Labels) -> pd.DataFrame:
    """Return the frame of bookings, with the names of those who called.

    Args:
        bookings: each call once, in any order.
        labels: keys, users and teams by their ids.
    """
    columns: dict[str, Any] = {name: [] for name in COLUMNS}
    for one in bookings:
        for name, value in _row(one, labels).items():
            columns[name].append(value)
    columns["time"] = pd.to_datetime(pd.Series(columns["time"], dtype="int64"), unit="us", utc=True)
    return rows_frame(columns)


def _row(one: Booking, labels: Labels) -> dict[str, Any]:
    # A refused call has no owner in its row, so the key's counts.
    key = labels.key(one.key_hash)
    user, team = one.user or key.user, one.team or key.team_id
    return {
        "time": one.begun,
        "request_id": one.request_id,
        "application": key.application or UNLABELLED,
        "team": labels.teams.get(team or "") or (one.team_name if one.team else None) or team or key.team or NO_TEAM,
        "user": labels.users.get(user, user) if user else NO_USER,
        "key": key.name or one.key or NO_KEY,
        "key_hash": one.key_hash,
        "model": one.model or NO_MODEL,
        "prompt_tokens": one.prompt_tokens,
        "completion_tokens": one.completion_tokens,
        "total_tokens": one.total_tokens,
        "cost": one.cost,
        "status": one.status,
        "outcome": one.outcome,
        "latency_s": (one.ended - one.begun) / _SECOND,
        "streamed": one.streamed,
    }


def _span(window: Window) -> Span:
    # The gateway takes whole seconds.
    until = tomorrow() if window.running else window.until
    return Span(floor(window.since.timestamp()), ceil(max(until, window.until).timestamp()))


def _split(span: Span, at: int) -> list[Span]:
    return [Span(span.since, at), Span(at, span.until)] if span.since < at < span.until else [span]


def _is_in(row: Booking, window: Window) -> bool:
    since, until = (round(one.timestamp() * _SECOND) for one in (window.since, window.until))
    return since <= row.begun and (window.running or row.begun < until)


def _silent(rows: int) -> None:
    """Show nothing."""


def _bar(total: int) -> Callable[[int], None]:
    from maas_lab.progress import Progress, in_notebook

    if total <= LEAF or not in_notebook():
        return _silent
    from IPython.display import display

    bar = Progress(total, "spend rows")
    display(bar)
    return bar.advance
