"""What administrators do with subscriptions: look at all, approve, deny, change their minds, give, take away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import LARGEST_PAGE, Answer, Call, Rule, pagination, stamp
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.people import People
from maas_lab.local.portal.refusals import Refused, invalid, there
from maas_lab.local.portal.subscriptions import Subscriptions

PATH = "/api/v1/admin/subscriptions"
READ, WRITE = "subscriptions:read", "subscriptions:write"
_CHOSEN = """
from subscriptions join users on users.id = user_id join models on models.id = model_id
where ($1::text[] is null or subscriptions.status = any($1)) and ($2::text[] is null or model_id = any($2))
    and ($3::uuid[] is null or user_id = any($3)) and ($4::timestamptz is null or changed_at >= $4)
    and ($5::timestamptz is null or changed_at <= $5) and ($6::uuid is null or subscriptions.id = $6)"""
_LIST = f"""
select subscriptions.*, users.username, users.email, models.provider, models.restricted {_CHOSEN}
order by changed_at desc, subscriptions.id limit $7 offset $8"""
_COUNT = f"select count(*) {_CHOSEN}"
_STATS = """
select count(*) filter (where status = 'pending') as "pendingCount",
    count(*) filter (where status = 'active' and today and reviewed) as "approvedToday",
    count(*) filter (where status = 'denied' and today) as "deniedToday", count(*) as "totalRequests"
from (select status, changed_by is distinct from user_id as reviewed,
    (changed_at at time zone 'utc')::date = (now() at time zone 'utc')::date as today from subscriptions) as every"""


class Approvals:
    """Answers administrators about subscriptions."""

    def __init__(self, database: Database, subscriptions: Subscriptions, people: People) -> None:
        self._database, self._subscriptions, self._people = database, subscriptions, people

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("GET", PATH, READ, self.list),
            Rule("GET", PATH + "/stats", READ, self.stats),
            Rule("POST", PATH + "/approve", WRITE, self.approve),
            Rule("POST", PATH + "/deny", WRITE, self.deny),
            Rule("POST", PATH + "/{id}/revert", WRITE, self.revert),
            Rule("DELETE", PATH + "/{id}", WRITE, self.delete),
            Rule("POST", "/api/v1/admin/users/{id}/subscriptions", WRITE, self.give),
        ]

    async def list(self, call: Call) -> dict[str, Any]:
        """Tell everybody's subscriptions, or those of some statuses, users or models; the last changed first."""
        number, limit = call.number("page", 1, 1_000_000), call.number("limit", 20, LARGEST_PAGE)
        chosen = _filters(call)
        rows = await self._database.rows(_LIST, *chosen, None, limit, (number - 1) * limit)
        total = await self._database.value(_COUNT, *chosen, None)
        return {"data": [_shown(row) for row in rows], "pagination": pagination(number, limit, total)}

    async def stats(self, call: Call) -> dict[str, Any]:
        """Tell how many subscriptions wait, and how many were decided today."""
        return dict(there(await self._database.row(_STATS), "Subscription"))

    async def approve(self, call: Call) -> dict[str, Any]:
        """Let users use restricted models."""
        return await self._review(call, "active")

    async def deny(self, call: Call) -> dict[str, Any]:
        """Refuse it, or end it; users read why."""
        return await self._review(call, "denied")

    async def revert(self, call: Call) -> dict[str, Any]:
        """Change a decision."""
        body = call.fields
        status = body.take("newStatus", fields.choice("pending", "active", "denied"), needed=True)
        reason = body.take("reason", fields.text, "")
        body.end()
        row = await self._found(call)
        if row["status"] == status:
            raise invalid("Cannot revert to same status", "newStatus", status, f"Subscription is already {status}")
        if row["status"] not in ("pending", "active", "denied"):
            raise invalid(f"Cannot revert from {row['status']} status", "status", row["status"])
        await self._subscriptions.decide(row["id"], status, reason, call.who.id)
        rows = await self._database.rows(_LIST, None, None, None, None, None, row["id"], 1, 0)
        return _shown(rows[0])

    async def delete(self, call: Call) -> dict[str, Any]:
        """Take a user's subscription away."""
        await self._subscriptions.delete(await self._found(call))
        return {"success": True}

    async def give(self, call: Call) -> Answer:
        """Subscribe a user to models, approved already."""
        user = await self._people.find(call.path["id"])
        call.target = user["username"]
        body = call.fields
        names = body.take("modelIds", fields.some_names, needed=True)
        body.end()
        return Answer(await self._subscriptions.ensure(user["id"], names, call.who.id), 201)

    async def _found(self, call: Call) -> Row:
        row = await self._subscriptions.find(call.path["id"])
        call.target = str(row["id"])
        return row

    async def _review(self, call: Call, status: str) -> dict[str, Any]:
        body = call.fields
        ids: list[UUID] = body.take("subscriptionIds", fields.ids, needed=True)
        reason = body.take("reason", fields.text, "", needed=status == "denied")
        body.end()
        call.target = ", ".join(map(str, ids))
        failed = []
        for one in ids:
            try:
                await self._subscriptions.decide(one, status, reason, call.who.id)
            except Refused as error:
                failed.append({"subscription": str(one), "error": error.message})
        return {"successful": len(ids) - len(failed), "failed": len(failed), "errors": failed}


def _filters(call: Call) -> tuple[Any, ...]:
    """Return the statuses, models, users and moments that the query asks for, None where it asks for any."""
    users = call.query.getlist("userIds")
    moments = (call.query.get(name) and fields.time(name, call.query[name]) for name in ("dateFrom", "dateTo"))
    some = (call.query.getlist("statuses") or None, call.query.getlist("modelIds") or None)
    return *some, fields.ids("userIds", users) if users else None, *(one or None for one in moments)


def _shown(row: Row) -> dict[str, Any]:
    """Return a subscription as administrators see it."""
    return {
        "id": str(row["id"]),
        "userId": str(row["user_id"]),
        "modelId": row["model_id"],
        "status": row["status"],
        "statusReason": row["reason"],
        "statusChangedAt": stamp(row["changed_at"]),
        "statusChangedBy": row["changed_by"] and str(row["changed_by"]),
        "quotaRequests": row["quota_requests"],
        "quotaTokens": row["quota_tokens"],
        "user": {"id": str(row["user_id"]), "username": row["username"], "email": row["email"]},
        "model": {
            "id": row["model_id"],
            "name": row["model_id"],
            "provider": row["provider"],
            "restrictedAccess": row["restricted"],
        },
        "createdAt": stamp(row["created_at"]),
        "updatedAt": stamp(row["updated_at"]),
    }
