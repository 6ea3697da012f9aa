"""API keys as their users have them: made for subscribed models, within limits, at the gateway."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from maas_lab.keys import key_hash
from maas_lab.local.portal import fields, keyfields
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.gateway import GatewayAdmin, answer_of
from maas_lab.local.portal.limits import KeyLimits
from maas_lab.local.portal.people import People
from maas_lab.local.portal.refusals import Refused, invalid, there
from maas_lab.local.portal.sessions import Vault
from maas_lab.local.portal.spend import Spend
from maas_lab.local.portal.subscriptions import active_models

MOST_KEYS = 10
ENDED = "the end of a subscription"
PREFIX = 7  # characters of a key that are shown: `sk-` and four more
_INSERT = """
with made as (
    insert into api_keys
        (id, user_id, name, alias, prefix, token, secret, models, metadata, expires_at, budget_duration)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning *
), known as (insert into key_tokens values ($6, $1))
select * from made"""
_ROTATE = """
with known as (insert into key_tokens values ($2, $1))
update api_keys set token = $2, prefix = $3, secret = $4, updated_at = now() where id = $1 returning *"""
LIVE = "deleted_at is null and (expires_at is null or expires_at > now())"


class Keys:
    """Keeps the keys of users: names and owners here, limits and spend at the gateway."""

    def __init__(
        self,
        database: Database,
        gateway: GatewayAdmin,
        spend: Spend,
        people: People,
        limits: KeyLimits,
        vault: Vault,
    ) -> None:
        self._database, self._gateway, self._spend, self._people = database, gateway, spend, people
        self._limits, self._vault = limits, vault
        # One change of a user's keys after the other: two at once could pass the largest number of keys.
        self._turns: weakref.WeakValueDictionary[UUID, asyncio.Lock] = weakref.WeakValueDictionary()

    def turn(self, user: UUID) -> asyncio.Lock:
        """Return what is held while a user's keys change."""
        return self._turns.setdefault(user, asyncio.Lock())

    async def own(self, user: UUID) -> list[Row]:
        """Return a user's keys that are not deleted, the newest first."""
        query = "select * from api_keys where user_id = $1 and deleted_at is null order by created_at desc, id"
        return await self._database.rows(query, user)

    async def find(self, user: UUID, key: str) -> Row:
        """Return a user's key; somebody else's is as if it were not there.

        Raises:
            Refused: 404.
        """
        query = "select * from api_keys where id = $1 and user_id = $2 and deleted_at is null"
        return there(await self._database.row(query, fields.identifier("API key", key), user), "API key")

    async def create(self, user: UUID, asked: keyfields.Asked) -> tuple[Row, str]:
        """Make a key at the gateway and keep it here.

        Returns:
            The key's row, and its secret.

        Raises:
            Refused: 400, a model is not allowed, a limit is too high or there are too many keys.
        """
        limits = await self._limits.applied(asked.limits, fill=True)
        async with self.turn(user):
            await self._check_models(user, asked.models)
            await self._people.at_gateway(user)
            count = await self._database.value(f"select count(*) from api_keys where user_id = $1 and {LIVE}", user)
            if count >= MOST_KEYS:
                more = "Delete a key that is not needed any more"
                raise invalid(f"Maximum number of active API keys reached ({MOST_KEYS})", suggestion=more)
            key, metadata = uuid4(), keyfields.labelled(asked.metadata, limits, {})
            alias = f"{asked.name}_{key.hex[:8]}"
            given = {"key_alias": alias, "user_id": str(user), "models": asked.models, "metadata": metadata}
            secret = await answer_of(self._gateway.make_key(given | keyfields.for_gateway(limits)), "make this key")
            kept = (key, user, asked.name, alias, secret[:PREFIX], key_hash(secret), self._vault.lock(secret))
            more = (asked.models, metadata, limits.get("expiresAt"), limits.get("budgetDuration"))
            return await self._kept(secret, _INSERT, *kept, *more), secret

    async def change(self, row: Row, asked: keyfields.Asked, by: str) -> Row:
        """Change what is asked of a key, and nothing else.

        Args:
            row: the key's.
            asked: the changes.
            by: who wants them.

        Raises:
            Refused: 400, a model is not allowed or a limit is too high.
        """
        limits = await self._limits.applied(asked.limits, fill=False)
        changes = keyfields.for_gateway(limits) | ({"models": asked.models} if asked.models else {})
        metadata = keyfields.labelled(asked.metadata, limits, row["metadata"])
        if metadata != row["metadata"]:
            known = (await self._spend.keys([row["token"]])).get(row["token"])
            changes = {"metadata": metadata, **(keyfields.per_model(known) if known else {}), **changes}
        async with self.turn(row["user_id"]):
            if asked.models or asked.active:
                await self._check_models(row["user_id"], asked.models or row["models"])
            if changes:
                await answer_of(self._gateway.change_key(row["token"], **changes), "change this key")
            if asked.active is not None:
                await answer_of(self._gateway.block_key(row["token"], not asked.active), "block this key")
            return await self._noted(row, replace(asked, limits=limits, metadata=metadata), by)

    async def _noted(self, row: Row, asked: keyfields.Asked, by: str) -> Row:
        blocked = row["blocked_by"] if asked.active is None else "" if asked.active else by
        statement = """update api_keys set name = $2, models = $3, metadata = $4, expires_at = $5, blocked_by = $6,
            budget_duration = $7, updated_at = now() where id = $1 returning *"""
        values = (
            asked.name or row["name"],
            asked.models or row["models"],
            asked.metadata,
            asked.limits.get("expiresAt", row["expires_at"]),
            blocked,
            asked.limits.get("budgetDuration", row["budget_duration"]),
        )
        return there(await self._database.row(statement, row["id"], *values), "API key")

    async def rotate(self, row: Row) -> tuple[Row, str]:
        """Replace a key's secret; limits, owner and spend stay, and the old one is dead at once."""
        async with self.turn(row["user_id"]):
            row = await self.find(row["user_id"], str(row["id"]))  # it may have been rotated meanwhile
            old = (await self._spend.keys([row["token"]])).get(row["token"])
            if old is None:
                raise Refused(409, "CONFLICT", "The gateway does not know this key any more; delete it")
            given = keyfields.copied(old) | {"user_id": str(row["user_id"]), "metadata": row["metadata"]}
            # The name is free only when the old key is gone.
            given["key_alias"] = f"{row['alias']} (rotating {uuid4().hex[:8]})"
            secret = await answer_of(self._gateway.make_key(given), "make the new key")
            token = key_hash(secret)
            fresh = (row["id"], token, secret[:PREFIX], self._vault.lock(secret))
            changed = await self._kept(secret, _ROTATE, *fresh)
            await answer_of(self._gateway.delete_key(row["token"]), "delete the old key")
            await answer_of(self._gateway.change_key(token, key_alias=row["alias"]), "name the new key")
            if old["blocked"]:
                await answer_of(self._gateway.block_key(token, True), "block the new key")
            return changed, secret

    async def delete(self, row: Row) -> None:
        """Delete a key at the gateway; here it stays for its spend."""
        async with self.turn(row["user_id"]):
            await answer_of(self._gateway.delete_key(row["token"]), "delete this key")
            await self._database.row("update api_keys set deleted_at = now(), secret = '' where id = $1", row["id"])

    async def reset_spend(self, row: Row) -> None:
        """Let a key's spend begin at 0 again; what was booked stays booked."""
        await answer_of(self._gateway.change_key(row["token"], spend=0.0), "reset this key")

    async def close_model(self, user: UUID, model: str) -> None:
        """Take a model out of a user's keys; a key with no other is blocked: to the gateway, none means all."""
        async with self.turn(user):
            for row in await self.own(user):
                left = [one for one in row["models"] if one != model]
                if len(left) == len(row["models"]):
                    continue
                if left:
                    await answer_of(self._gateway.change_key(row["token"], models=left), "change this key")
                    await self._database.row("update api_keys set models = $2 where id = $1", row["id"], left)
                else:
                    await answer_of(self._gateway.block_key(row["token"], True), "block this key")
                    await self._database.row("update api_keys set blocked_by = $2 where id = $1", row["id"], ENDED)

    def secret(self, row: Row) -> str:
        """Return a key's secret.

        Raises:
            Refused: 409.
        """
        return self._vault.unlock(row["secret"])

    async def _check_models(self, user: UUID, models: list[str]) -> None:
        allowed = await active_models(self._database, user)
        if missing := [one for one in models if one not in allowed]:
            message = f"You do not have active subscriptions for the following models: {', '.join(missing)}"
            more = "Please ensure you have active subscriptions for all selected models"
            raise Refused(400, "VALIDATION_ERROR", message, field="modelIds", value=missing, suggestion=more)

    async def _kept(self, secret: str, statement: str, *values: Any) -> Row:
        """Write a new key here; one that cannot be written must not live on unseen."""
        try:
            return there(await self._database.row(statement, *values), "API key")
        except BaseException:
            await self._gateway.delete_key(key_hash(secret))
            raise
