"""Who has done what, and what was refused: written down for administrators."""

from __future__ import annotations

from typing import Any

from maas_lab.local.portal.calls import LARGEST_PAGE, Call, Identity, Rule, pagination, stamp
from maas_lab.local.portal.database import Database

_INSERT = """
insert into audit_logs (username, user_id, action, target, status, code, message, request_id)
values ($1, $2, $3, $4, $5, $6, $7, $8)"""
_CHOSEN = "from audit_logs where ($1 = '' or username = $1) and ($2 = '' or action = $2) and ($3 = 0 or status = $3)"
_LIST = f"select * {_CHOSEN} order by id desc limit $4 offset $5"
_COUNT = f"select count(*) {_CHOSEN}"


class Audit:
    """Keeps the list of what was done."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [Rule("GET", "/api/v1/admin/audit", "audit:read", self.list)]

    async def note(
        self, who: Identity, action: str, target: str, status: int, request_id: str, code: str = "", message: str = ""
    ) -> None:
        """Write down a request that changed something, or that was refused.

        Raises:
            Refused: 503.
        """
        values = (who.username, who.id, action, target[:500], status, code, message[:500], request_id)
        await self._database.row(_INSERT, *values)

    async def list(self, call: Call) -> dict[str, Any]:
        """Tell what was done, the last first."""
        limit, number = call.number("limit", 50, LARGEST_PAGE), call.number("page", 1, 1_000_000)
        status = call.number("status", 1, 599) if "status" in call.query else 0
        chosen = (call.query.get("username", ""), call.query.get("action", ""), status)
        rows = await self._database.rows(_LIST, *chosen, limit, (number - 1) * limit)
        total = await self._database.value(_COUNT, *chosen)
        return {"data": [_shown(row) for row in rows], "pagination": pagination(number, limit, total)}


def _shown(row: Any) -> dict[str, Any]:
    names = {"user_id": "userId", "request_id": "requestId"}
    told = {names.get(name, name): value for name, value in row.items()}
    return told | {"at": stamp(row["at"]), "userId": row["user_id"] and str(row["user_id"])}
