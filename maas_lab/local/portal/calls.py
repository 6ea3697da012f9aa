"""What a request is to the portal's parts: who asks, for what, with which fields; and what they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.datastructures import QueryParams

from maas_lab.local.portal.fields import Fields
from maas_lab.local.portal.refusals import forbidden, invalid

PUBLIC, LOGGED_IN = "public", "logged in"
LARGEST_PAGE = 200
_READS = ("models:read", "users:read", "subscriptions:read", "settings:read", "audit:read", "admin:usage")
_WRITES = ("models:write", "users:write", "subscriptions:write", "settings:write")
RIGHTS = {"admin": {*_READS, *_WRITES}, "admin-readonly": {*_READS}}


@dataclass(frozen=True)
class Identity:
    """Somebody who asks.

    Attributes:
        id: the user's; None for an administrator's key, behind which there is nobody in particular.
    """

    id: UUID | None
    username: str
    email: str = ""
    full_name: str = ""
    roles: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What counts as one asker."""
        return str(self.id or self.username)

    def check(self, permission: str) -> None:
        """Refuse what this one may not do.

        Raises:
            Refused: 403.
        """
        if permission == LOGGED_IN:
            if self.id is None:
                raise forbidden("An admin API key belongs to no user and only reads; log in instead")
        elif not any(permission in RIGHTS.get(role, ()) for role in self.roles):
            raise forbidden(f"Access denied. Required permission: {permission}")


NOBODY = Identity(None, "anonymous")


@dataclass
class Call:
    """One request.

    Attributes:
        who: asks.
        path: the values in its path, by name.
        query: what stands behind the question mark.
        body: its JSON.
        headers: by name in small letters.
        target: what the answer is about, for the audit.
    """

    who: Identity
    path: Mapping[str, str]
    query: QueryParams
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)
    target: str = ""

    @property
    def user(self) -> UUID:
        """The id of the user who asks; rules with `LOGGED_IN` have one."""
        assert self.who.id is not None
        return self.who.id

    @property
    def fields(self) -> Fields:
        """The body's fields."""
        return Fields(self.body)

    def number(self, name: str, default: int, largest: int) -> int:
        """Return a whole number of the query.

        Raises:
            Refused: 400.
        """
        text = self.query.get(name, str(default))
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:10]) <= largest:
            raise invalid(f"{name} must be a whole number from 1 to {largest}", name)
        return int(text)


@dataclass(frozen=True)
class Answer:
    """What is answered when it is not just JSON with status 200."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True)
class Rule:
    """Which function answers which requests, and who may ask.

    Attributes:
        permission: `PUBLIC`, `LOGGED_IN`, or a right of administrators.
        limit: name of the limit that counts these requests; empty for none.
    """

    method: str
    path: str
    permission: str
    handler: Handler
    limit: str = ""

    @property
    def changes(self) -> bool:
        """Whether it changes something, and so is written into the audit."""
        return self.method != "GET" and self.permission != "admin:usage" and not self.path.endswith("/usage/analytics")


def page(call: Call, rows: list[Any], default: int = 20) -> dict[str, Any]:
    """Return the page of a list that the query asks for.

    Raises:
        Refused: 400, the query asks for no page.
    """
    limit = call.number("limit", default, LARGEST_PAGE)
    number = call.number("page", 1, 1_000_000)
    return {"data": rows[(number - 1) * limit : number * limit], "pagination": pagination(number, limit, len(rows))}


def pagination(number: int, limit: int, total: int) -> dict[str, Any]:
    """Return where in a list a page is."""
    last = -(-total // limit)
    steps = {"hasNext": number < last, "hasPrevious": number > 1}
    return {"page": number, "limit": limit, "total": total, "totalPages": last, **steps}


def stamp(moment: datetime | None) -> str | None:
    """Return a moment as the portal writes it, e.g. 2026-11-23T14:55:15.934Z."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)
