"""What keys get when nothing is said, and what none may exceed: set by administrators."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import LOGGED_IN, Call, Rule, now
from maas_lab.local.portal.database import Database
from maas_lab.local.portal.refusals import invalid

NAME = "api-key-defaults"
_STORE = """
insert into settings (name, value, updated_by) values ($1, $2, $3)
on conflict (name) do update set value = $2, updated_by = $3, updated_at = now()"""
_MAXIMUMS = {
    "maxBudget": fields.number,
    "tpmLimit": fields.positive,
    "rpmLimit": fields.positive,
    "expirationDays": fields.positive,
}
_DEFAULTS = _MAXIMUMS | {"budgetDuration": fields.span, "softBudget": fields.number}


class KeyLimits:
    """Keeps defaults and maximums of keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        path = "/api/v1/admin/settings/api-key-defaults"
        return [
            Rule("GET", path, "settings:read", self.get),
            Rule("PUT", path, "settings:write", self.put),
            Rule("GET", "/api/v1/config/api-key-defaults", LOGGED_IN, self.get),
        ]

    async def get(self, call: Call) -> dict[str, Any]:
        """Tell defaults and maximums."""
        return await self.read()

    async def read(self) -> dict[str, Any]:
        """Return defaults and maximums; without any, nothing is said and nothing forbidden."""
        found = await self._database.value("select value from settings where name = $1", NAME)
        return found or {"defaults": {}, "maximums": {}}

    async def put(self, call: Call) -> dict[str, Any]:
        """Set defaults and maximums; both wholly."""
        body = call.fields
        parts = {
            "defaults": _part(body.take("defaults", _object, {}), _DEFAULTS, "defaults"),
            "maximums": _part(body.take("maximums", _object, {}), _MAXIMUMS, "maximums"),
        }
        body.end()
        if problems := _problems(parts["defaults"], parts["maximums"]):
            raise invalid(f"defaults exceed maximums: {', '.join(problems)}", "defaults")
        await self._database.row(_STORE, NAME, parts, call.who.username)
        return parts

    async def applied(self, given: Mapping[str, Any], *, fill: bool) -> dict[str, Any]:
        """Return a key's limits, with the defaults where nothing is said.

        Args:
            given: the limits by the API's names, and `expiresAt`, a moment; None stands for no limit.
            fill: whether what is left out gets its default; a change leaves it as it is.

        Raises:
            Refused: 400, a maximum is exceeded: no limit is more than any.
        """
        known = await self.read()
        defaults, maximums = known["defaults"], known["maximums"]
        found = dict(given)
        if fill:
            found = {**{name: one for name, one in defaults.items() if name != "expirationDays"}, **found}
            if "expiresAt" not in found and "expirationDays" in defaults:
                found["expiresAt"] = now() + timedelta(days=defaults["expirationDays"])
        asked = {name: one for name, one in found.items() if name != "expiresAt"}
        if "expiresAt" in found or fill:
            asked["expirationDays"] = _days(found.get("expiresAt"))
        for name in ("maxBudget", "tpmLimit", "rpmLimit"):
            if fill and found.get(name) is None and name not in given and name in maximums:
                found[name] = asked[name] = maximums[name]
        if fill and "expiresAt" not in found and "expirationDays" in maximums:
            found["expiresAt"] = now() + timedelta(days=maximums["expirationDays"])
            asked["expirationDays"] = maximums["expirationDays"]
        if problems := _problems(asked, maximums):
            raise invalid(f"Quota limits exceeded: {', '.join(problems)}")
        return found


def _object(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(f"{field} must be an object", field)
    return value


def _part(given: Mapping[str, Any], readers: Mapping[str, fields.Reader], what: str) -> dict[str, Any]:
    body = fields.Fields(given)
    found = body.given(readers)
    body.end()
    return {name: value for name, value in found.items() if value is not None}


def _problems(asked: Mapping[str, Any], maximums: Mapping[str, Any]) -> list[str]:
    """Return what is too much, one phrase each."""
    found = []
    for name, most in maximums.items():
        if name in asked and (asked[name] is None or asked[name] > most):
            amount = "no limit" if asked[name] is None else f"{asked[name]:g}"
            found.append(f"{name}: {amount} exceeds maximum {most:g}")
    return found


def _days(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - now()).total_seconds() / 86400
