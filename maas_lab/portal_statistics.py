"""Everybody's usage, for administrators and for those who may only look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from maas_lab import wait
from maas_lab.errors import RoleMissing, UsageError
from maas_lab.portal_hours import Hour, hours
from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import OfferedModel
from maas_lab.portal_usage import Names, Usage, UsageRow, span
from maas_lab.portal_users import user_id
from maas_lab.tables import Table

LOOK_S = 12  # between two looks: a portal answers ten calls of its statistics a minute, and a look takes two
_PAGE = 200  # the most rows that a page holds; each page counts as one of the ten calls that a minute allows


class Statistics:
    """The portal's statistics page.

    Args:
        rest: the portal, with the user's token.
        models: returns the catalogue.
    """

    def __init__(self, rest: PortalRest, models: Callable[[], Iterable[OfferedModel]]) -> None:
        self._rest, self._models = rest, models

    def refresh(self) -> None:
        """Make the portal look at today's calls again; otherwise it may be five minutes behind."""
        self._rest.call("POST", "/admin/usage/refresh-today", json={})

    def usage(self, since: date, until: date | None = None, *, calls: int = 0, **only: Sequence[Any]) -> Usage:
        """Return everybody's usage, as fresh as the user's role allows.

        Args:
            since: the first day, UTC.
            until: the last day; None means today.
            calls: wait until so many requests are counted; the gateway adds its days up some seconds after each row.
            only: `users`, `models` or `keys` (names of keys at the gateway): only these.

        Raises:
            UsageError: these are not days, or there is no such filter.
            TookTooLong: so many are not counted.
        """
        names = Names(self._models())
        asked = self._asked(since, until, only, names)

        def told() -> Usage | None:
            fresh = self._refreshed()
            found = Usage.read(self._rest.call("POST", "/admin/usage/analytics", json=asked), names, fresh)
            return found if found.requests >= calls else None

        return wait.until(told, what=f"the portal to count {calls} requests", timeout=40, every=LOOK_S)

    def by_user(self, since: date, until: date | None = None, **only: Sequence[Any]) -> Table[UsageRow]:
        """Return the usage of each user, as `usage`, the most expensive first."""
        asked = self._asked(since, until, only, Names(self._models()))
        self._refreshed()
        rows = self._rest.every_row("/admin/usage/by-user", "userId", _PAGE, json=asked)
        return _by_cost([UsageRow.of_user(row) for row in rows])

    def by_model(self, since: date, until: date | None = None, **only: Sequence[Any]) -> Table[UsageRow]:
        """Return the usage of each model, as `usage`, the most expensive first."""
        names = Names(self._models())
        asked = self._asked(since, until, only, names)
        self._refreshed()
        rows = self._rest.every_row("/admin/usage/by-model", "modelId", _PAGE, json=asked)
        return _by_cost([UsageRow.of_model(row, names) for row in rows])

    def hours(self, count: int = 24) -> Table[Hour]:
        """Return everybody's calls of the last hours, by hour and model, the oldest first.

        Raises:
            NoSuchEntry: this portal knows only days, as LiteMaaS does.
        """
        return hours(self._rest, "/admin/usage/hours", count)

    def export(self, since: date, until: date | None = None, format: str = "csv") -> str:
        """Return each user's usage as a text: `csv` with a header line, or `json`."""
        asked = span(since, until, datetime.now(UTC).date())
        self._refreshed()
        return self._rest.text("POST", "/admin/usage/export", json={**asked, "format": format}).text

    def _refreshed(self) -> bool:
        try:
            self.refresh()
        except RoleMissing:
            return False  # who may only look, sees what the portal has
        return True

    def _asked(
        self, since: date, until: date | None, only: dict[str, Sequence[Any]], names: Names
    ) -> dict[str, str | list[str]]:
        asked: dict[str, Any] = span(since, until, datetime.now(UTC).date())
        filters = {
            "users": ("userIds", lambda users: [user_id(self._rest, user) for user in users]),
            "models": ("modelIds", names.filters),
            "keys": ("apiKeyIds", list),
        }
        if unknown := next((name for name in only if name not in filters), None):
            raise UsageError(f"usage has no filter `{unknown}`", hint=f"there are: {', '.join(filters)}")
        return asked | {filters[name][0]: filters[name][1](wanted) for name, wanted in only.items()}


def _by_cost(rows: list[UsageRow]) -> Table[UsageRow]:
    return Table(UsageRow, sorted(rows, key=lambda row: (-row.cost, row.name)))
