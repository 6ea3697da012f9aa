"""The gateway's listings, read completely: its keys, and the calls that it booked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from maas_lab.errors import UsageError
from maas_lab.rest import Rest
from maas_lab.rows import KeyInfo, SpendRow, UserInfo

_EVER = datetime.min.replace(tzinfo=UTC)


def keys(rest: Rest, **filters: str) -> list[KeyInfo]:
    """Return every key of the gateway, the newest first; `status="deleted"` lists those that are gone."""
    params = {"return_full_object": "true", **filters}
    names = {"rows": "keys", "total": "total_count", "size": "size", "identity": "token"}
    found = [KeyInfo.read(row, row["token"]) for row in rest.every_row("/key/list", params, **names)]
    return sorted(found, key=lambda key: (key.created_at or _EVER, key.hash), reverse=True)


def users(rest: Rest) -> list[UserInfo]:
    """Return every user of the gateway, in the order of their names."""
    names = {"rows": "users", "total": "total", "size": "page_size", "identity": "user_id"}
    found = [UserInfo.read(row) for row in rest.every_row("/user/list", {}, **names)]
    return sorted(found, key=lambda user: (user.name, user.id))


def calls(rest: Rest, since: datetime, until: datetime, only: Mapping[str, str]) -> list[SpendRow]:
    """Return every booked call between two moments, the oldest first.

    Args:
        rest: the gateway.
        since: first moment, aware.
        until: last moment, aware.
        only: filters of `/spend/logs/v2`, e.g. `api_key` (a hash) or `request_id`.

    Raises:
        UsageError: a time has no time zone.
    """
    # The gateway takes whole seconds, so ask for a little more and choose here.
    span = {"start_date": _second(since), "end_date": _second(until + timedelta(seconds=1))}
    names = {"rows": "data", "total": "total", "size": "page_size", "identity": "request_id"}
    found = rest.every_row("/spend/logs/v2", {**span, **only}, **names)
    owners = _owners(rest) if found else {}
    rows = [SpendRow.read(row, owners) for row in found]
    return sorted((row for row in rows if since <= row.time <= until), key=lambda row: (row.time, row.request_id))


def tomorrow() -> datetime:
    """Return a moment that no booked call is after, whatever the difference of the two clocks."""
    return datetime.now(UTC) + timedelta(days=1)


def _owners(rest: Rest) -> dict[str, KeyInfo]:
    # Deleted keys too: what they spent is still to be paid.
    return {key.hash: key for key in [*keys(rest, status="deleted"), *keys(rest)]}


def _second(time: datetime) -> str:
    if time.tzinfo is None:
        raise UsageError("this time has no time zone", hint="datetime.now(UTC) has one")
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
