"""Requests about keys: of their owners, and of administrators for a user."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from maas_lab.local.portal import keyfields
from maas_lab.local.portal.calls import LOGGED_IN, Answer, Call, Rule, now, page, stamp
from maas_lab.local.portal.database import Row
from maas_lab.local.portal.keys import ENDED, MOST_KEYS, Keys
from maas_lab.local.portal.people import People
from maas_lab.local.portal.refusals import forbidden
from maas_lab.local.portal.spend import Spend
from maas_lab.local.portal.subscriptions import Subscriptions

PATH, ADMIN_PATH = "/api/v1/api-keys", "/api/v1/admin/users/{id}/api-keys"
READ, WRITE = "users:read", "users:write"


class KeyRules:
    """Answers requests about keys."""

    def __init__(self, keys: Keys, people: People, spend: Spend, subscriptions: Subscriptions) -> None:
        self._keys, self._people, self._spend = keys, people, spend
        self._subscriptions = subscriptions

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("GET", PATH, LOGGED_IN, self.list),
            Rule("POST", PATH, LOGGED_IN, self.create),
            Rule("GET", PATH + "/stats", LOGGED_IN, self.stats),
            Rule("GET", PATH + "/{key}", LOGGED_IN, self.get),
            Rule("PATCH", PATH + "/{key}", LOGGED_IN, self.change),
            Rule("DELETE", PATH + "/{key}", LOGGED_IN, self.delete),
            Rule("POST", PATH + "/{key}/reveal", LOGGED_IN, self.reveal),
            Rule("POST", PATH + "/{key}/rotate", LOGGED_IN, self.rotate),
            Rule("POST", PATH + "/{key}/reset-spend", LOGGED_IN, self.reset),
            Rule("GET", ADMIN_PATH, READ, self.list_of),
            Rule("POST", ADMIN_PATH, WRITE, self.create_for),
            Rule("PATCH", ADMIN_PATH + "/{key}", WRITE, self.change_of),
            Rule("DELETE", ADMIN_PATH + "/{key}", WRITE, self.delete_of),
            Rule("POST", ADMIN_PATH + "/{key}/reset-spend", WRITE, self.reset_of),
        ]

    async def list(self, call: Call) -> dict[str, Any]:
        """Tell the keys of who asks, with what each has spent."""
        return await self._page(call, call.user)

    async def stats(self, call: Call) -> dict[str, Any]:
        """Tell how many keys there are."""
        rows = await self._keys.own(call.user)
        known = await self._spend.keys([row["token"] for row in rows])
        active = sum(keyfields.shown(row, known.get(row["token"]))["isActive"] for row in rows)
        spent = sum(row["spend"] for row in known.values())
        counts = {"total": len(rows), "active": active, "inactive": len(rows) - active, "maximum": MOST_KEYS}
        return counts | {"totalSpend": spent}

    async def create(self, call: Call) -> Answer:
        """Make a key; its secret is told now, and when its owner asks for it."""
        return await self._create(call, call.user)

    async def get(self, call: Call) -> dict[str, Any]:
        """Tell one key."""
        return await self._shown(await self._own(call))

    async def change(self, call: Call) -> dict[str, Any]:
        """Change a key: what is left out stays as it is."""
        row = await self._own(call)
        asked = keyfields.asked(call.fields, new=False)
        if asked.active and row["blocked_by"] not in ("", ENDED, call.who.username):
            raise forbidden(f"This key was blocked by {row['blocked_by']}", "Ask an administrator")
        return await self._changed(call, row, asked)

    async def delete(self, call: Call) -> dict[str, Any]:
        """Delete a key: it is dead at once, and what it has spent stays its owner's."""
        return await self._deleted(await self._own(call))

    async def reveal(self, call: Call) -> dict[str, Any]:
        """Tell a key's secret again."""
        return {"key": self._keys.secret(await self._own(call)), "keyType": "litellm", "retrievedAt": stamp(now())}

    async def rotate(self, call: Call) -> dict[str, Any]:
        """Replace a key's secret."""
        row, secret = await self._keys.rotate(await self._own(call))
        told = await self._shown(row)
        old = {"message": "API key rotated successfully", "oldPrefix": row["prefix"], "rotatedAt": stamp(now())}
        return told | old | {"key": secret}

    async def reset(self, call: Call) -> dict[str, Any]:
        """Let a key's spend begin anew; only an administrator, or a budget would be no budget."""
        row = await self._own(call)
        call.who.check(WRITE)
        return await self._reset(row)

    async def list_of(self, call: Call) -> dict[str, Any]:
        """Tell the keys of a user."""
        return await self._page(call, (await self._people.find(call.path["id"]))["id"])

    async def create_for(self, call: Call) -> Answer:
        """Make a key for a user, who is subscribed to its models thereby."""
        user = (await self._people.find(call.path["id"]))["id"]
        return await self._create(call, user, given_by=call.who.id)

    async def change_of(self, call: Call) -> dict[str, Any]:
        """Change, block or open a user's key."""
        row = await self._theirs(call)
        asked = keyfields.asked(call.fields, new=False)
        await self._subscriptions.ensure(row["user_id"], asked.models, call.who.id)
        return await self._changed(call, row, asked)

    async def delete_of(self, call: Call) -> dict[str, Any]:
        """Delete a user's key."""
        return {"success": True} | await self._deleted(await self._theirs(call))

    async def reset_of(self, call: Call) -> dict[str, Any]:
        """Let the spend of a user's key begin anew."""
        return await self._reset(await self._theirs(call))

    async def _create(self, call: Call, user: UUID, given_by: UUID | None = None) -> Answer:
        asked = keyfields.asked(call.fields, new=True)
        call.target = asked.name
        if given_by:
            await self._subscriptions.ensure(user, asked.models, given_by)
        row, secret = await self._keys.create(user, asked)
        call.target = str(row["id"])
        return Answer(await self._shown(row) | {"key": secret}, 201)

    async def _page(self, call: Call, user: UUID) -> dict[str, Any]:
        told = page(call, await self._keys.own(user))
        known = await self._spend.keys([row["token"] for row in told["data"]]) if told["data"] else {}
        return told | {"data": [keyfields.shown(row, known.get(row["token"])) for row in told["data"]]}

    async def _changed(self, call: Call, row: Row, asked: keyfields.Asked) -> dict[str, Any]:
        return await self._shown(await self._keys.change(row, asked, call.who.username))

    async def _deleted(self, row: Row) -> dict[str, Any]:
        await self._keys.delete(row)
        return {"message": "API key deleted successfully", "deletedAt": stamp(now())}

    async def _reset(self, row: Row) -> dict[str, Any]:
        await self._keys.reset_spend(row)
        return await self._shown(row) | {"resetAt": stamp(now())}

    async def _shown(self, row: Row) -> dict[str, Any]:
        return keyfields.shown(row, (await self._spend.keys([row["token"]])).get(row["token"]))

    async def _own(self, call: Call) -> Row:
        row = await self._keys.find(call.user, call.path["key"])
        call.target = str(row["id"])
        return row

    async def _theirs(self, call: Call) -> Row:
        user = await self._people.find(call.path["id"])
        row = await self._keys.find(user["id"], call.path["key"])
        call.target = f"{user['username']} {row['id']}"
        return row
