"""Subscriptions: which user may make keys for which model; restricted models need an administrator's approval."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import LOGGED_IN, Answer, Call, Rule, now, page, stamp
from maas_lab.local.portal.catalog import Catalog
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.people import People
from maas_lab.local.portal.refusals import Refused, not_found, there
from maas_lab.local.portal.spend import Spend, Spent

QUOTA_REQUESTS, QUOTA_TOKENS = 10_000, 1_000_000
PATH, ADMIN_PATH = "/api/v1/subscriptions", "/api/v1/admin/subscriptions"
READ, WRITE = "subscriptions:read", "subscriptions:write"
ACTIVE = "status = 'active' and (expires_at is null or expires_at > now())"
Ended = Callable[[UUID, str], Awaitable[None]]
_INSERT = """
insert into subscriptions (user_id, model_id, status, quota_requests, quota_tokens, expires_at, metadata)
values ($1, $2, $3, $4, $5, $6, $7) returning *"""
_REVIEW = """
update subscriptions set status = $2, reason = $3, reviewed_by = $4, reviewed_at = now(), updated_at = now()
where id = $1 and status <> 'cancelled' returning *"""
_ALL = """
select subscriptions.*, users.username, models.restricted from subscriptions
join users on users.id = user_id join models on models.id = model_id
order by subscriptions.created_at desc, subscriptions.id"""


async def active_models(database: Database, user: UUID) -> set[str]:
    """Return the models that a user may make keys for.

    Raises:
        Refused: 503.
    """
    rows = await database.rows(f"select model_id from subscriptions where user_id = $1 and {ACTIVE}", user)
    return {row["model_id"] for row in rows}


class Subscriptions:
    """Keeps subscriptions.

    Args:
        ended: told of each user and model whose subscription has ended, so that no key opens it any longer.
    """

    def __init__(self, database: Database, catalog: Catalog, people: People, spend: Spend, ended: Ended) -> None:
        self._database, self._catalog, self._people, self._spend = database, catalog, people, spend
        self._ended = ended

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("GET", PATH, LOGGED_IN, self.list),
            Rule("POST", PATH, LOGGED_IN, self.create),
            Rule("GET", PATH + "/{id}", LOGGED_IN, self.get),
            Rule("GET", PATH + "/{id}/quota", LOGGED_IN, self.quota),
            Rule("PATCH", PATH + "/{id}", LOGGED_IN, self.change),
            Rule("POST", PATH + "/{id}/cancel", LOGGED_IN, self.cancel),
            Rule("POST", PATH + "/{id}/request-review", LOGGED_IN, self.ask_again),
            Rule("GET", ADMIN_PATH, READ, self.list_all),
            Rule("GET", ADMIN_PATH + "/stats", READ, self.stats),
            Rule("POST", ADMIN_PATH + "/approve", WRITE, self.approve),
            Rule("POST", ADMIN_PATH + "/deny", WRITE, self.deny),
            Rule("POST", ADMIN_PATH + "/{id}/revert", WRITE, self.revert),
            Rule("DELETE", ADMIN_PATH + "/{id}", WRITE, self.delete),
            Rule("POST", "/api/v1/admin/users/{id}/subscriptions", WRITE, self.give),
        ]

    async def list(self, call: Call) -> dict[str, Any]:
        """Tell the subscriptions of who asks, and how much of each is used."""
        query = "select * from subscriptions where user_id = $1 order by created_at desc, id"
        rows = await self._database.rows(query, call.user)
        wanted = [row for row in rows if call.query.get("status") in (None, "", row["status"])]
        told = page(call, wanted)
        used = await self._used(call.user)
        return told | {"data": [shown(row, used) for row in told["data"]]}

    async def create(self, call: Call) -> Answer:
        """Subscribe to a model: at once, or pending where an administrator decides."""
        body = call.fields
        name = body.take("modelId", fields.name, needed=True)
        values = (
            body.take("quotaRequests", fields.positive, QUOTA_REQUESTS),
            body.take("quotaTokens", fields.positive, QUOTA_TOKENS),
            body.take("expiresAt", fields.moment),
            body.take("metadata", fields.mapping(fields.simple), {}),
        )
        body.end()
        call.target = name
        model = await self._catalog.find(name)
        await self._people.at_gateway(call.user)
        status = "pending" if model["restricted"] else "active"
        return Answer(shown(await self._insert(call.user, name, status, values), []), 201)

    async def get(self, call: Call) -> dict[str, Any]:
        """Tell one of one's own subscriptions."""
        return shown(await self._own(call), await self._used(call.user))

    async def quota(self, call: Call) -> dict[str, Any]:
        """Tell how much of a subscription is used this month."""
        told = shown(await self._own(call), await self._used(call.user))
        return {
            kind.lower(): {
                "limit": told[f"quota{kind}"],
                "used": told[f"used{kind}"],
                "remaining": told[f"remaining{kind}"],
                "resetAt": told["resetAt"],
            }
            for kind in ("Requests", "Tokens")
        }

    async def change(self, call: Call) -> dict[str, Any]:
        """Change what a subscription says of itself; how much it allows is not for its user to say."""
        row = await self._own(call)
        body = call.fields
        metadata = body.take("metadata", fields.mapping(fields.simple), row["metadata"])
        body.end()
        statement = "update subscriptions set metadata = $2, updated_at = now() where id = $1 returning *"
        changed = there(await self._database.row(statement, row["id"], metadata), "Subscription")
        return shown(changed, await self._used(call.user))

    async def cancel(self, call: Call) -> dict[str, Any]:
        """End one of one's own subscriptions; keys open its model no longer."""
        row = await self._own(call)
        if row["status"] == "cancelled":
            raise Refused(409, "CONFLICT", "This subscription is cancelled already")
        return shown(await self._end(row["id"], "cancelled", "", call.who.username), [])

    async def ask_again(self, call: Call) -> dict[str, Any]:
        """Ask for another look at a denied subscription."""
        row = await self._own(call)
        if row["status"] != "denied":
            raise Refused(
                409, "CONFLICT", f"Only a denied subscription can be reviewed again, and this is {row['status']}"
            )
        statement = (
            "update subscriptions set status = 'pending', updated_at = now() where id = $1 and status = 'denied'"
        )
        return shown(there(await self._database.row(statement + " returning *", row["id"]), "Subscription"), [])

    async def list_all(self, call: Call) -> dict[str, Any]:
        """Tell everybody's subscriptions, or those of one status, user or model."""
        rows = await self._database.rows(_ALL)
        wanted = {"status": "status", "modelId": "model_id", "userId": "user_id", "username": "username"}
        for asked, column in wanted.items():
            if value := call.query.get(asked):
                rows = [row for row in rows if str(row[column]) == value]
        told = page(call, rows)
        return told | {"data": [_reviewed(row) for row in told["data"]]}

    async def stats(self, call: Call) -> dict[str, Any]:
        """Tell how many subscriptions there are of each status."""
        rows = await self._database.rows("select status, count(*) as number from subscriptions group by status")
        counts = dict.fromkeys(("active", "pending", "denied", "cancelled"), 0)
        counts |= {row["status"]: row["number"] for row in rows}
        return counts | {"total": sum(counts.values())}

    async def approve(self, call: Call) -> dict[str, Any]:
        """Let users use restricted models."""
        return await self._review(call, "active")

    async def deny(self, call: Call) -> dict[str, Any]:
        """Refuse it, or end it."""
        return await self._review(call, "denied")

    async def revert(self, call: Call) -> dict[str, Any]:
        """Make a decision undecided again."""
        status = call.fields.take("newStatus", fields.choice("pending", "active", "denied"), "pending")
        row = await self._find(call.path["id"])
        call.target = str(row["id"])
        return shown(await self._decide(row["id"], status, "", call.who.username), [])

    async def delete(self, call: Call) -> dict[str, Any]:
        """End a user's subscription."""
        row = await self._find(call.path["id"])
        call.target = str(row["id"])
        await self._end(row["id"], "cancelled", "", call.who.username)
        return {"message": "Subscription deleted successfully", "deletedAt": stamp(now())}

    async def give(self, call: Call) -> Answer:
        """Subscribe a user to models, approved already."""
        user = await self._people.find(call.path["id"])
        call.target = user["username"]
        body = call.fields
        names = body.take("modelIds", fields.some_names, needed=True)
        body.end()
        for name in names:
            await self._catalog.find(name)
        await self._people.at_gateway(user["id"])
        made, skipped = [], []
        for name in names:
            try:
                row = await self._insert(user["id"], name, "active", (QUOTA_REQUESTS, QUOTA_TOKENS, None, {}))
                made.append(shown(row, []))
            except Refused as error:
                skipped.append({"modelId": name, "message": error.message})
        return Answer({"subscriptions": made, "successful": len(made), "failed": len(skipped), "errors": skipped}, 201)

    async def _insert(self, user: UUID, model: str, status: str, values: Sequence[Any]) -> Row:
        try:
            return there(await self._database.row(_INSERT, user, model, status, *values), "Subscription")
        except asyncpg.UniqueViolationError:
            told = f"Subscription with modelId '{model}' already exists"
            more = "A subscription for this model already exists. Use the existing subscription or cancel it first"
            details = {"resource": "Subscription", "field": "modelId", "value": model, "suggestion": more}
            raise Refused(409, "ALREADY_EXISTS", told, **details) from None

    async def _review(self, call: Call, status: str) -> dict[str, Any]:
        body = call.fields
        ids = body.take("subscriptionIds", fields.some_names, needed=True)
        reason = body.take("reason", fields.text, "")
        body.end()
        call.target = ", ".join(ids)
        failed = []
        for one in ids:
            try:
                await self._decide(fields.identifier("Subscription", one), status, reason, call.who.username)
            except Refused as error:
                failed.append({"subscriptionId": one, "error": error.message})
        return {"successful": len(ids) - len(failed), "failed": len(failed), "errors": failed}

    async def _decide(self, one: UUID, status: str, reason: str, by: str) -> Row:
        if status == "active":
            return there(await self._database.row(_REVIEW, one, status, reason, by), "Subscription")
        return await self._end(one, status, reason, by)

    async def _end(self, one: UUID, status: str, reason: str, by: str) -> Row:
        """Give a subscription a status with which its model is closed."""
        row = there(await self._database.row(_REVIEW, one, status, reason, by), "Subscription")
        await self._ended(row["user_id"], row["model_id"])
        return row

    async def _own(self, call: Call) -> Row:
        """Return one of one's own; somebody else's is as if it were not there."""
        row = await self._find(call.path["id"])
        if row["user_id"] != call.user:
            raise not_found("Subscription")
        call.target = str(row["id"])
        return row

    async def _find(self, one: str) -> Row:
        query = "select * from subscriptions where id = $1"
        return there(await self._database.row(query, fields.identifier("Subscription", one)), "Subscription")

    async def _used(self, user: UUID) -> list[Spent]:
        """Return what a user's keys have used this month."""
        query = "select key_tokens.token from key_tokens join api_keys on api_keys.id = key_id where user_id = $1"
        tokens = [row["token"] for row in await self._database.rows(query, user)]
        today = now().date()
        return await self._spend.days(today.replace(day=1), today, tokens) if tokens else []


def _reviewed(row: Row) -> dict[str, Any]:
    """Return a subscription as administrators see it."""
    more = {"username": row["username"], "restrictedAccess": row["restricted"], "reviewedBy": row["reviewed_by"]}
    return shown(row, []) | more | {"reviewedAt": stamp(row["reviewed_at"])}


def shown(row: Row, used: Sequence[Spent]) -> dict[str, Any]:
    """Return a subscription as its user sees it, with what was used of its model."""
    mine = [one for one in used if one.model == row["model_id"]]
    counts = {
        "Requests": sum(one.successes for one in mine),
        "Tokens": sum(one.prompt + one.completion for one in mine),
    }
    quotas = {"Requests": row["quota_requests"], "Tokens": row["quota_tokens"]}
    expired = row["status"] == "active" and row["expires_at"] is not None and row["expires_at"] <= now()
    told: dict[str, Any] = {"id": str(row["id"]), "userId": str(row["user_id"]), "modelId": row["model_id"]}
    told |= {"status": "expired" if expired else row["status"], "statusReason": row["reason"]}
    for kind, quota in quotas.items():
        told |= {f"quota{kind}": quota, f"used{kind}": counts[kind], f"remaining{kind}": max(0, quota - counts[kind])}
    shares = {kind.lower(): min(100.0, 100 * counts[kind] / quota) for kind, quota in quotas.items()}
    told |= {"utilizationPercent": shares, "resetAt": stamp(_next_month(now())), "expiresAt": stamp(row["expires_at"])}
    return told | {
        "createdAt": stamp(row["created_at"]),
        "updatedAt": stamp(row["updated_at"]),
        "metadata": row["metadata"],
    }


def _next_month(moment: datetime) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)
