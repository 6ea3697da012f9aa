"""The gateway's spend rows, read completely while others write, and pruned to what usage is made of.

How `/spend/logs/v2` of LiteLLM 1.81.0 behaves (read in its source and measured): it takes whole seconds, both ends
included, sorts by arrival, the latest first, and returns at most 100 rows a page, found by offset. Count and rows
are two statements, so a row that is booked between them pushes another one over the page's end, and no count tells.
Hence pages are not counted off here. The first page of any span holds its latest rows as one statement saw them;
the next read ends at the second of the oldest row seen, and so on. Only a second with more than a page of rows must
be paged through by offset, again and again until nothing new is found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from sys import intern
from typing import Any, NamedTuple

from maas_lab import wait
from maas_lab.errors import GatewayError
from maas_lab.rest import CHANGES, Rest
from maas_lab.rows import booked_hash, call_outcome, moment, served_name

PATH = "/spend/logs/v2"
PAGE = 100  # the most that LiteLLM 1.81.0 gives
LEAF = 5000  # rows up to which a span is walked; of longer ones the two halves, so that counting stays cheap
Rows = Sequence[Mapping[str, Any]]
_DENSE_PAGES = (100, 97, 89)
_STREAMED = {"None": False, "False": True}
_CALLS = ("acompletion", "atext_completion")


class Booking(NamedTuple):
    """One spend row without what usage does not need: no prompt, no answer, no address.

    Attributes:
        request_id: equal to the `id` of the answer; for a refused call the header `x-litellm-call-id`.
        begun: arrival, microseconds since 1970 (UTC).
        ended: end of the answer, likewise.
        key_hash: SHA-256 of the key.
        key: its name when the call was booked; None where the row has none.
        user: the owner's id; None where the row has none.
        team: id of the key's LiteLLM team; None where the row has none.
        team_name: its name when the call was booked.
        model: the catalogue's name, or the requested one when the call was refused.
        prompt_tokens: None where the gateway booked none; so are the next two.
        cost: dollars.
        status: `success` or `failure`.
        outcome: one of `refusals.OUTCOMES`.
        streamed: None where the row does not tell.
    """

    request_id: str
    begun: int
    ended: int
    key_hash: str
    key: str | None
    user: str | None
    team: str | None
    team_name: str | None
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cost: float
    status: str
    outcome: str
    streamed: bool | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Booking:
        """Prune a row of `/spend/logs/v2`."""
        told, status = row.get("metadata") or {}, row.get("status") or "success"
        return cls(
            request_id=row["request_id"],
            begun=_microseconds(row["startTime"]),
            ended=_microseconds(row["endTime"]),
            key_hash=intern(booked_hash(row.get("api_key") or "")),
            key=_text(told.get("user_api_key_alias")),
            user=_text(row.get("user")),
            team=_text(row.get("team_id")),
            team_name=_text(told.get("user_api_key_team_alias")),
            model=intern(row.get("model_group") or served_name(row.get("model") or "")),
            prompt_tokens=row.get("prompt_tokens"),
            completion_tokens=row.get("completion_tokens"),
            total_tokens=row.get("total_tokens"),
            cost=float(row.get("spend") or 0),
            status=intern(status),
            outcome=call_outcome(status, told.get("error_information") or {}),
            streamed=_streamed(row, status),
        )


@dataclass(frozen=True)
class Span:
    """Whole seconds since 1970, [since, until)."""

    since: int
    until: int


@dataclass
class Reader:
    """Reads the spend rows of a gateway.

    Attributes:
        only: filters of the endpoint, e.g. `api_key` (a hash) or `request_id`.
        ahead_s: seconds by which the gateway's clock is ahead of this machine's, as its last answer said.
    """

    rest: Rest
    only: Mapping[str, str] = field(default_factory=dict)
    ahead_s: float = 0.0

    def count(self, span: Span) -> int:
        """Return how many rows a span has, now."""
        return self._page(span, size=1)[1]

    def pieces(self, span: Span) -> Iterator[tuple[Span, Rows]]:
        """Yield the rows of a span piece by piece, the oldest piece first.

        Every row is there that was booked before its piece was begun, exactly once. Rows that are booked later may
        be there or not: a piece is settled when its last calls are booked.

        Raises:
            GatewayError: the gateway refused, failed, or did not answer.
        """
        page, total = self._page(span)
        if total <= LEAF or span.until - span.since <= 1:
            found = self._walk(span, page, total)
            yield span, [row for row in found.values() if span.since <= _seconds(row) < span.until]
            return
        middle = (span.since + span.until) // 2
        yield from self.pieces(Span(span.since, middle))
        yield from self.pieces(Span(middle, span.until))

    def _walk(self, span: Span, page: Rows, total: int) -> dict[str, Mapping[str, Any]]:
        """Return the rows of a span by id, from the latest back to the first, begun with its first page."""
        found, end = {row["request_id"]: row for row in page}, span.until
        while len(page) >= PAGE or total > len(page):
            # Rows of this second may be on either side of the page's end, so it is read again.
            second = math.ceil(_seconds(page[-1]))
            if second >= end:
                second = end - 1
                found |= self._dense(Span(second, end))
                if second <= span.since:
                    break
            end = second
            page, total = self._page(Span(span.since, end))
            found |= {row["request_id"]: row for row in page}
        return found

    def _dense(self, second: Span) -> dict[str, Mapping[str, Any]]:
        """Return the rows of one second, which are more than a page, by offset.

        While rows are only added, an offset never skips one that was there, except where rows tie; other page
        sizes show those. So it reads until the count is reached and nothing new turns up.
        """
        found: dict[str, Mapping[str, Any]] = {}
        sizes = itertools.cycle(_DENSE_PAGES)

        def complete() -> bool:
            size, known, total = next(sizes), len(found), 0
            for number in itertools.count(1):
                rows, total = self._page(second, number, size)
                found.update((row["request_id"], row) for row in rows)
                if len(rows) < size:
                    break
            return total <= len(found) == known

        wait.until(complete, what="a complete listing of the gateway's spend rows", timeout=120, hint=CHANGES)
        return found

    def _page(self, span: Span, number: int = 1, size: int = PAGE) -> tuple[Rows, int]:
        """Return a page, the latest row first, and the count of all rows of a span, both its ends included."""
        ends = {"start_date": _second(span.since), "end_date": _second(span.until)}
        params = {**ends, "page": number, "page_size": size, **self.only}

        def read() -> dict[str, Any] | None:
            answer = self.rest.once("GET", PATH, params=params)
            self._compare_clocks(answer.headers.get("date"))
            told = self.rest.parsed(answer)
            # Rows may have been deleted between count and rows; then ask again.
            return told if number > 1 or len(told["data"]) >= min(size, told["total"]) else None

        told = wait.until(read, what=f"a complete listing of {PATH}", timeout=30, hint=CHANGES)
        times = [_seconds(row) for row in told["data"]]
        if times != sorted(times, reverse=True):
            why = "its spend rows do not come the latest first, as those of LiteLLM 1.81.0"
            raise GatewayError("this gateway's spend rows cannot be read completely", why, "use LiteLLM 1.81.0")
        return told["data"], told["total"]

    def _compare_clocks(self, date: str | None) -> None:
        if date:
            self.ahead_s = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()


def _streamed(row: Mapping[str, Any], status: str) -> bool | None:
    """Return whether an answer was streamed; None where the row does not tell.

    No column says it. LiteLLM 1.81.0 hands its logger `cache_hit=None` for a whole answer and `cache_hit=False` for
    a stream (streaming_handler.py), and books that as a text; with a cache it means something else.
    """
    if status != "success" or row.get("cache_key") != "Cache OFF" or row.get("call_type") not in _CALLS:
        return None
    return _STREAMED.get(row.get("cache_hit") or "")


def _text(value: str | None) -> str | None:
    return intern(value) if value else None


def _microseconds(text: str) -> int:
    return round(moment(text).timestamp() * 1_000_000)


def _seconds(row: Mapping[str, Any]) -> float:
    return moment(row["startTime"]).timestamp()


def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
