"""What administrators let the keys of a user and of an application spend."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from maas_lab.cap_shares import Cap, shares, whole_shares
from maas_lab.errors import NoSuchEntry, UsageError
from maas_lab.portal_keys import changed_limits, kept_limits, key_table
from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import PortalKey, User, number
from maas_lab.portal_usage import span
from maas_lab.portal_users import user_id, users
from maas_lab.tables import Table

_DAYS = 89  # how far the portal's statistics look back


class KeyCaps:
    """Caps of keys and of applications, through the portal.

    Args:
        rest: the portal, with an administrator's token.
    """

    def __init__(self, rest: PortalRest) -> None:
        self._rest = rest

    def keys(self, user: User | str) -> Table[PortalKey]:
        """Return a user's keys, the newest first."""
        return key_table(self._rest.every_row(f"/admin/users/{user_id(self._rest, user)}/api-keys"))

    def cap_key(self, user: User | str, key: PortalKey | str, limits: dict[str, Any]) -> PortalKey:
        """Change limits of a user's key, and return it as it is then."""
        owner = user_id(self._rest, user)
        row = self._find(owner, key)
        self._patch(owner, row, changed_limits(row, limits))
        return self._find(owner, row)

    def cap_application(self, name: str, max_budget: float, soft_budget: float | None, rates: dict[str, Any]) -> Cap:
        """Divide an application's cap among its keys."""
        _check(max_budget, soft_budget)
        found = list(self._of_application(name))
        if not found:
            why = "no key of any user says that it is used for it"
            raise NoSuchEntry(f"the portal has no application `{name}`", why, "portal.admin.keys(user) shows a user's")
        spends = [row.spend for _, row in found]
        # What its deleted keys have spent cannot be spent again.
        gone = max(0.0, self._spent(name) - sum(spends))
        bodies = _bodies(spends, max_budget - gone, None if soft_budget is None else soft_budget - gone, rates)
        for (owner, row), limits in zip(found, bodies, strict=True):
            if not _same(row, limits):
                self._patch(owner, row, changed_limits(row, limits))
        return Cap.of("application", name, gone + sum(spends), soft_budget, max_budget)

    def _of_application(self, name: str) -> Iterator[tuple[str, PortalKey]]:
        """Return the live keys of an application with the ids of their owners, in an order that stays."""
        for user in users(self._rest):
            for row in reversed(self.keys(user)):
                # LiteMaaS tells administrators no metadata; there the key carries the application's name.
                if row.live and name == (row.application or row.name):
                    yield user.id, row

    def _spent(self, name: str) -> float:
        """Return what an application has spent in the last 90 days, 0.0 where the portal does not tell."""
        today = datetime.now(UTC).date()
        days = span(today - timedelta(days=_DAYS), today, today)
        self._rest.call("POST", "/admin/usage/refresh-today", json={})
        rows = self._rest.call("POST", "/admin/usage/analytics", json=days).get("topApiKeys") or ()
        return sum(number(row.get("cost")) or 0.0 for row in rows if row.get("application") == name)

    def _find(self, owner: str, key: PortalKey | str) -> PortalKey:
        rows = self.keys(owner)
        wanted = key.id if isinstance(key, PortalKey) else key
        live = [row for row in rows if wanted in (row.id, row.name) and row.live]
        if len(live) == 1:
            return live[0]
        what = f"{len(live)} keys are called `{wanted}`" if live else f"this user has no key `{wanted}`"
        raise NoSuchEntry(what, "", "take the one you mean out of portal.admin.keys(user)")

    def _patch(self, owner: str, row: PortalKey, changes: dict[str, Any]) -> None:
        self._rest.write("PATCH", f"/admin/users/{owner}/api-keys/{row.id}", json=kept_limits(row) | changes)


def _check(max_budget: float, soft_budget: float | None) -> None:
    with suppress(TypeError):
        if 0 <= max_budget < math.inf and (soft_budget is None or 0 <= soft_budget <= max_budget):
            return
    what = f"this is no cap: max_budget={max_budget!r}, soft_budget={soft_budget!r}"
    hint = "give dollars, e.g. max_budget=50, soft_budget=40"
    raise UsageError(what, "a budget is a number of dollars from 0 on, and the soft one is not above it", hint)


def _bodies(spends: list[float], cap: float, soft: float | None, rates: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the limits of each key, by Python's names."""
    parts = {"max_budget": shares(max(0.0, cap), spends)}
    if soft is not None:
        parts["soft_budget"] = shares(max(0.0, soft), spends)
    parts |= {name: whole_shares(rate, len(spends)) for name, rate in rates.items() if rate is not None}
    return [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]


def _same(row: PortalKey, limits: dict[str, Any]) -> bool:
    """Return whether a key has these limits already: a change makes the gateway count from its books anew."""
    known = ((getattr(row, name), value) for name, value in limits.items())
    return all(old is not None and math.isclose(old, value, rel_tol=1e-9) for old, value in known)
