"""Subscriptions: which user may make keys for which model; restricted models need an administrator's approval."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import LOGGED_IN, Answer, Call, Rule, now, page, stamp
from maas_lab.local.portal.catalog import Catalog
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.people import People
from maas_lab.local.portal.refusals import Refused, invalid, not_found, there
from maas_lab.local.portal.spend import Spend, Spent

QUOTA_REQUESTS, QUOTA_TOKENS = 10_000, 1_000_000
PATH = "/api/v1/subscriptions"
ACTIVE = "status = 'active' and (expires_at is null or expires_at > now())"
Ended = Callable[[UUID, str], Awaitable[None]]
# One row for each user and model: what has ended begins anew in it.
_INSERT = """
insert into subscriptions (user_id, model_id, status, quota_requests, quota_tokens, expires_at, metadata, changed_by)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (user_id, model_id) do update set status = $3, quota_requests = $4, quota_tokens = $5, expires_at = $6,
    metadata = $7, changed_by = $8, reason = '', changed_at = now(), updated_at = now()
where subscriptions.status in ('inactive', 'expired')
    or subscriptions.status = 'active' and subscriptions.expires_at <= now() returning *"""
_DECIDE = """
update subscriptions set status = $2, reason = $3, changed_by = $4, changed_at = now(), updated_at = now(),
    expires_at = case when $2 = 'active' and expires_at <= now() then null else expires_at end
where id = $1 returning *"""
_EXPIRE = """
update subscriptions set status = 'expired', changed_at = now(), updated_at = now()
where id = $1 and status = 'active' and expires_at <= now()"""


async def active_models(database: Database, user: UUID) -> set[str]:
    """Return the models that a user may make keys for.

    Raises:
        Refused: 503.
    """
    rows = await database.rows(f"select model_id from subscriptions where user_id = $1 and {ACTIVE}", user)
    return {row["model_id"] for row in rows}


class Subscriptions:
    """Keeps subscriptions, and answers their users.

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
        ]

    async def list(self, call: Call) -> dict[str, Any]:
        """Tell the subscriptions of who asks, and how much of each is used; those given up only if asked for."""
        query = """select * from subscriptions where user_id = $1 and case when $2 = '' then status <> 'inactive'
            else status = $2 end order by created_at desc, id"""
        told = page(call, await self._database.rows(query, call.user, call.query.get("status", "")))
        used = await self._used(call.user) if told["data"] else []
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
        return Answer(shown(await self._insert(call.user, name, status, *values, call.user), []), 201)

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
        """End one of one's own subscriptions; keys open its model no longer. What was denied stays so."""
        row = await self._own(call)
        if row["status"] == "denied":
            more = "Ask the administrators to review it"
            raise invalid("Cannot cancel subscription that was denied", "status", "denied", more)
        if row["status"] in ("inactive", "expired"):
            raise invalid(f"Cannot cancel subscription that is already {row['status']}", "status", row["status"])
        return shown(await self.decide(row["id"], "inactive", "", call.user), [])

    async def ask_again(self, call: Call) -> dict[str, Any]:
        """Ask for another look at a denied subscription; one that waits already goes on waiting."""
        row = await self._own(call)
        if row["status"] == "pending":
            return shown(row, [])
        if row["status"] != "denied":
            more = "Only denied subscriptions can be re-reviewed"
            raise invalid(f"Cannot request review for {row['status']} subscription", "status", row["status"], more)
        return shown(await self.decide(row["id"], "pending", "", call.user), [])

    async def ensure(self, user: UUID, models: Sequence[str], by: UUID | None) -> dict[str, Any]:
        """Subscribe a user to models, approved already.

        Args:
            user: whose subscriptions these are.
            models: names of the catalog.
            by: who wants it.

        Raises:
            Refused: 400, there is no such model.
        """
        for name in models:
            await self._must_be_offered(name)
        await self._people.at_gateway(user)
        told: dict[str, Any] = {"created": [], "activated": [], "alreadyActive": []}
        for name in models:
            await self._ensure(user, name, by, told)
        return told

    async def _ensure(self, user: UUID, model: str, by: UUID | None, told: dict[str, Any]) -> None:
        query = f"select *, {ACTIVE} as is_active from subscriptions where user_id = $1 and model_id = $2"
        old = await self._database.row(query, user, model)
        if old is None:
            row = await self._insert(user, model, "active", QUOTA_REQUESTS, QUOTA_TOKENS, None, {}, by)
            told["created"].append({"modelId": model, "subscriptionId": str(row["id"])})
        elif old["is_active"]:
            told["alreadyActive"].append(model)
        else:
            await self.decide(old["id"], "active", "", by)
            was = {"modelId": model, "subscriptionId": str(old["id"]), "previousStatus": old["status"]}
            told["activated"].append(was)

    async def decide(self, one: UUID, status: str, reason: str, by: UUID | None) -> Row:
        """Give a subscription a status; with any other than `active` no key opens its model.

        Raises:
            Refused: 404.
        """
        row = there(await self._database.row(_DECIDE, one, status, reason, by), "Subscription")
        if status != "active":
            await self._ended(row["user_id"], row["model_id"])
        return row

    async def delete(self, row: Row) -> None:
        """Delete a subscription; no key opens its model any longer."""
        await self._database.row("delete from subscriptions where id = $1", row["id"])
        await self._ended(row["user_id"], row["model_id"])

    async def find(self, one: str) -> Row:
        """Return a subscription.

        Raises:
            Refused: 404.
        """
        query = "select * from subscriptions where id = $1"
        return there(await self._database.row(query, fields.identifier("Subscription", one)), "Subscription")

    async def end_expired(self) -> None:
        """End subscriptions whose time is over: keys first, so that what fails is tried again."""
        query = "select id, user_id, model_id from subscriptions where status = 'active' and expires_at <= now()"
        for row in await self._database.rows(query):
            await self._ended(row["user_id"], row["model_id"])
            await self._database.row(_EXPIRE, row["id"])

    async def _insert(self, user: UUID, model: str, *values: Any) -> Row:
        if row := await self._database.row(_INSERT, user, model, *values):
            return row
        told = f"Subscription with modelId '{model}' already exists"
        more = "A subscription for this model already exists. Use the existing subscription or cancel it first"
        details = {"resource": "Subscription", "field": "modelId", "value": model, "suggestion": more}
        raise Refused(409, "ALREADY_EXISTS", told, **details)

    async def _must_be_offered(self, name: str) -> None:
        try:
            await self._catalog.find(name)
        except Refused as error:
            if error.status != 404:
                raise
            raise invalid(f"The following model IDs do not exist: {name[:100]}", "modelIds") from None

    async def _own(self, call: Call) -> Row:
        """Return one of one's own; somebody else's is as if it were not there."""
        row = await self.find(call.path["id"])
        if row["user_id"] != call.user:
            raise not_found("Subscription")
        call.target = str(row["id"])
        return row

    async def _used(self, user: UUID) -> list[Spent]:
        """Return what a user has used this month."""
        today = now().date()
        return await self._spend.days(today.replace(day=1), today, user=str(user))


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
