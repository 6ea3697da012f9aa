"""The gateway's listings, read completely: its keys, and the calls that it booked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from typing import Any

from maas_lab.bookings import Reader, Span
from maas_lab.rest import Rest
from maas_lab.rows import KeyInfo, SpendRow, UserInfo, moment
from maas_lab.windows import utc

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


def known_keys(rest: Rest) -> dict[str, dict[str, Any]]:
    """Return the gateway's own row of every key by its hash; of deleted ones too: what they spent is still to be paid.

    Where a hash was deleted more than once, its latest row counts; a living key counts before all of them.
    """
    living = key_rows(rest)  # first, so that one that is deleted meanwhile is in both listings, not in none
    gone = sorted(key_rows(rest, status="deleted"), key=lambda row: moment(row.get("created_at")) or _EVER)
    return {row["token"]: row for row in [*gone, *living]}


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
    since, until = utc(since), utc(until)
    span = Span(floor(since.timestamp()), ceil((until + timedelta(microseconds=1)).timestamp()))
    found = [row for _, rows in Reader(rest, only).pieces(span) for row in rows]
    owners = {one: KeyInfo.read(row, one) for one, row in known_keys(rest).items()} if found else {}
    rows = [SpendRow.read(row, owners) for row in found]
    return sorted((row for row in rows if since <= row.time <= until), key=lambda row: (row.time, row.request_id))


def tomorrow() -> datetime:
    """Return a moment that no booked call is after, whatever the difference of the two clocks."""
    return datetime.now(UTC) + timedelta(days=1)
