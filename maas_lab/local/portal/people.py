"""Users at the gateway: made there when first needed, capped by administrators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import Call, Rule, now, page, stamp
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.gateway import GatewayAdmin, answer_of
from maas_lab.local.portal.keyfields import GATEWAY_NAMES, duration, for_gateway
from maas_lab.local.portal.refusals import invalid, there
from maas_lab.local.portal.spend import Spend

FIRST_LIMITS = {"max_budget": 100, "tpm_limit": 100_000, "rpm_limit": 120}
LIMITS: dict[str, fields.Reader] = {
    "maxBudget": fields.number,
    "tpmLimit": fields.whole,
    "rpmLimit": fields.whole,
    "budgetDuration": fields.span,
}
READ, WRITE = "users:read", "users:write"
_COUNTS = """
select users.*, (select count(*) from subscriptions where user_id = users.id) as subscriptions,
    (select count(*) from subscriptions where user_id = users.id and status = 'active') as active_subscriptions,
    (select count(*) from api_keys where user_id = users.id) as keys,
    (select count(*) from api_keys where user_id = users.id and deleted_at is null) as active_keys
from users where id = $1"""


class People:
    """Knows the users of the portal, and keeps their limits at the gateway."""

    def __init__(self, database: Database, gateway: GatewayAdmin, spend: Spend) -> None:
        self._database, self._gateway, self._spend = database, gateway, spend

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("GET", "/api/v1/admin/users", READ, self.list),
            Rule("GET", "/api/v1/users", READ, self.page),
            Rule("GET", "/api/v1/admin/users/{id}", READ, self.get),
            Rule("PATCH", "/api/v1/admin/users/{id}/budget-limits", WRITE, self.cap),
            Rule("POST", "/api/v1/admin/users/{id}/reset-spend", WRITE, self.reset),
            Rule("POST", "/api/v1/admin/users/bulk-update-limits", WRITE, self.cap_all),
        ]

    async def list(self, call: Call) -> dict[str, Any]:
        """Tell all users."""
        rows = await self._database.rows("select * from users order by username")
        users = [{"userId": str(row["id"]), "username": row["username"], "email": row["email"]} for row in rows]
        return {"users": users, "total": len(users)}

    async def page(self, call: Call) -> dict[str, Any]:
        """Tell a page of the users."""
        wanted = call.query.get("search", "").lower()
        rows = await self._database.rows("select * from users order by username")
        return page(call, [_shown(row) for row in rows if wanted in row["username"].lower()])

    async def get(self, call: Call) -> dict[str, Any]:
        """Tell one user with spend and limits."""
        found = await self.find(call.path["id"])
        row = await self._database.row(_COUNTS, found["id"])
        assert row is not None
        counts = {
            "subscriptionsCount": row["subscriptions"],
            "activeSubscriptionsCount": row["active_subscriptions"],
            "apiKeysCount": row["keys"],
            "activeApiKeysCount": row["active_keys"],
        }
        synced = {"syncStatus": "synced" if row["at_gateway"] else "pending"}
        return {**_shown(row), **counts, **await self._limits(row), **synced}

    async def find(self, user: str) -> Row:
        """Return a user's row.

        Raises:
            Refused: 404.
        """
        query = "select * from users where id = $1"
        return there(await self._database.row(query, fields.identifier("User", user)), "User")

    async def limits(self, user: UUID) -> dict[str, Any]:
        """Return what a user has spent and may spend: what the gateway says, or will say at the first use."""
        row = await self._spend.user(str(user))
        names = {name: GATEWAY_NAMES[name] for name in LIMITS}
        known = {name: row[one] if row else FIRST_LIMITS.get(one) for name, one in names.items()}
        return {**known, "currentSpend": row["spend"] if row else 0.0, "resetAt": stamp(row and row["budget_reset_at"])}

    async def at_gateway(self, user: UUID) -> None:
        """Make sure that the gateway knows a user.

        Raises:
            Refused: 503, it does not answer.
        """
        row = await self._database.row("select * from users where id = $1", user)
        assert row is not None
        if row["at_gateway"]:
            return
        given = {"user_id": str(user), "user_alias": row["username"], "user_role": "internal_user", **FIRST_LIMITS}
        await answer_of(self._gateway.make_user(given), "make this user")
        await self._database.row("update users set at_gateway = true where id = $1", user)

    async def cap(self, call: Call) -> dict[str, Any]:
        """Set a user's limits; the gateway refuses calls beyond them from the next one on."""
        user = await self.find(call.path["id"])
        call.target = user["username"]
        asked = _limits(call)
        await self._change(user["id"], asked)
        limits = await self._limits(await self._noted(user, asked))
        return {"id": str(user["id"]), "updatedAt": stamp(now()), **{name: limits[name] for name in LIMITS}}

    async def reset(self, call: Call) -> dict[str, Any]:
        """Let a user's spend begin at 0 again; what was booked stays booked."""
        user = await self.find(call.path["id"])
        call.target = user["username"]
        await self._at_gateway(user["id"], {"spend": 0.0})
        limits = await self.limits(user["id"])
        return {"id": str(user["id"]), "currentSpend": limits["currentSpend"], "resetAt": stamp(now())}

    async def cap_all(self, call: Call) -> dict[str, Any]:
        """Set the limits of all users."""
        limits = _limits(call)
        rows = await self._database.rows("select * from users where is_active")
        for row in rows:
            await self._change(row["id"], limits)
            await self._noted(row, limits)
        told_ = {"totalUsers": len(rows), "successCount": len(rows), "failedCount": 0, "errors": []}
        return {**told_, "processedAt": stamp(now())}

    async def _limits(self, user: Row) -> dict[str, Any]:
        """Return a user's limits, with the span of the budget in the words in which it was asked for."""
        found = await self.limits(user["id"])
        return found | {"budgetDuration": duration(user["budget_duration"], found["budgetDuration"])}

    async def _noted(self, user: Row, asked: dict[str, Any]) -> Row:
        if "budgetDuration" not in asked:
            return user
        statement = "update users set budget_duration = $2 where id = $1 returning *"
        return there(await self._database.row(statement, user["id"], asked["budgetDuration"]), "User")

    async def _change(self, user: UUID, asked: dict[str, Any]) -> None:
        await self._at_gateway(user, for_gateway(asked))

    async def _at_gateway(self, user: UUID, changes: dict[str, Any]) -> None:
        await self.at_gateway(user)
        await answer_of(self._gateway.change_user(str(user), **changes), "change this user")


def _limits(call: Call) -> dict[str, Any]:
    """Read limits; what is left out stays as it is."""
    body = call.fields
    found = body.given(LIMITS)
    body.end()
    if lost := next((name for name, value in found.items() if value is None), None):
        # The gateway answers 200 to null and keeps what it has.
        raise invalid(f"A user's {lost} can be changed, not taken away; set a large one", lost)
    if not found:
        raise invalid(f"body must have one of {', '.join(LIMITS)}")
    return found


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "username": row["username"],
        "email": row["email"],
        "fullName": row["full_name"],
        "roles": list(row["roles"]),
        "isActive": row["is_active"],
        "createdAt": stamp(row["created_at"]),
        "lastLoginAt": stamp(row["last_login_at"]),
    }
