"""The gateway's listings, read completely: its keys, and the calls that it booked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from typing import Any

from maas_lab.bookings import Reader, Span
from maas_lab.errors import UsageError
from maas_lab.rest import Rest
from maas_lab.rows import KeyInfo, SpendRow, UserInfo

_EVER = datetime.min.replace(tzinfo=UTC)


def key_rows(rest: Rest, **filters: str) -> list[dict[str, Any]]:
    """Return the gateway's own rows of its keys; `status="deleted"` lists those that are gone."""
    params = {"return_full_object": "true", **filters}
    # A key can be deleted, made anew with the same secret, and deleted again: then it is listed twice.
    identity = "id" if filters.get("status") == "deleted" else "token"
    names = {"rows": "keys", "total": "total_count", "size": "size", "identity": identity}
    return rest.every_row("/key/list", params, **names)


def keys(rest: Rest, **filters: str) -> list[KeyInfo]:
    """Return every key of the gateway, the newest first; `status="deleted"` lists those that are gone."""
    found = [KeyInfo.read(row, row["token"]) for row in key_rows(rest, **filters)]
    return sorted(found, key=lambda key: (key.created_at or _EVER, key.hash), reverse=True)


def users(rest: Rest) -> list[UserInfo]:
    """Return every user of the gateway, in the order of their names."""
    names = {"rows": "users", "total": "total", "size": "page_size", "identity": "user_id"}
    found = [UserInfo.read(row) for row in rest.every_row("/user/list", {}, **names)]
    return sorted(found, key=lambda user: (user.name, user.id))


def calls(rest: Rest, since: datetime, until: datetime, only: Mapping[str, str]) -> list[SpendRow]:
    """Return every booked call between two moments, both included, the oldest first.

    Args:
        rest: the gateway.
        since: first moment, aware.
        until: last moment, aware.
        only: filters of `/spend/logs/v2`, e.g. `api_key` (a hash) or `request_id`.

    Raises:
        UsageError: a time has no time zone.
    """
    span = Span(floor(_timestamp(since)), ceil(_timestamp(until + timedelta(microseconds=1))))
    found = [row for _, rows in Reader(rest, only).pieces(span) for row in rows]
    owners = _owners(rest) if found else {}
    rows = [SpendRow.read(row, owners) for row in found]
    return sorted((row for row in rows if since <= row.time <= until), key=lambda row: (row.time, row.request_id))


def tomorrow() -> datetime:
    """Return a moment that no booked call is after, whatever the difference of the two clocks."""
    return datetime.now(UTC) + timedelta(days=1)


def _owners(rest: Rest) -> dict[str, KeyInfo]:
    # Deleted keys too: what they spent is still to be paid. The latest of a hash counts.
    return {key.hash: key for key in [*reversed(keys(rest, status="deleted")), *keys(rest)]}


def _timestamp(when: datetime) -> float:
    if when.utcoffset() is None:
        raise UsageError("this time has no time zone", hint="datetime.now(UTC) is a time in UTC")
    return when.timestamp()
