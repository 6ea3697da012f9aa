"""The models that people can subscribe to: LiteLLM's, and what the portal adds to them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import PUBLIC, Call, Rule, now, page, stamp
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.gateway import GatewayAdmin, answer_of
from maas_lab.local.portal.refusals import Refused, there

FRESH_S = 5.0
ABILITIES = ("vision", "function_calling", "parallel_function_calling", "tool_choice")
log = logging.getLogger(__name__)
_STORE = """
insert into models (id, gateway_ids, provider, backend_name, api_base, description, input_cost, output_cost, tpm, rpm,
    max_tokens, supports) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (id) do update set gateway_ids = $2, provider = $3, backend_name = $4, api_base = $5, input_cost = $7,
    output_cost = $8, tpm = $9, rpm = $10, max_tokens = $11, supports = $12, is_active = true, updated_at = now(),
    description = case when $6 = '' then models.description else $6 end
returning (xmax = 0) as is_new"""


class Catalog:
    """Knows the models, and reads them from the gateway again when they may have changed."""

    def __init__(self, database: Database, gateway: GatewayAdmin) -> None:
        self._database, self._gateway = database, gateway
        self._turn, self._read_at = asyncio.Lock(), float("-inf")
        self._reading: asyncio.Task[Any] | None = None

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("GET", "/api/v1/models", PUBLIC, self.list),
            Rule("GET", "/api/v1/models/{id:path}", PUBLIC, self.get),
            Rule("POST", "/api/v1/models/sync", "models:write", self.sync),
        ]

    async def list(self, call: Call) -> dict[str, Any]:
        """Tell a page of the models; the gateway is asked beside it."""
        if self._read_at == float("-inf"):
            await self.refresh()
        elif time.monotonic() > self._read_at + FRESH_S and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self.refresh())
        wanted, provider = call.query.get("search", "").lower(), call.query.get("provider")
        rows = await self._database.rows("select * from models where is_active order by id")
        fitting = [row for row in rows if wanted in row["id"].lower() + row["description"].lower()]
        return page(call, [shown(row) for row in fitting if provider in (None, "", row["provider"])])

    async def get(self, call: Call) -> dict[str, Any]:
        """Tell one model."""
        return shown(await self.find(call.path["id"]))

    async def find(self, name: str) -> Row:
        """Return a model that can be used; one that is new at the gateway too.

        Raises:
            Refused: 404.
        """
        query = "select * from models where id = $1 and is_active"
        found = await self._database.row(query, name)
        if found is None:
            await self.read()
            found = await self._database.row(query, name)
        return there(found, "Model")

    async def sync(self, call: Call) -> dict[str, Any]:
        """Read the gateway's models now."""
        return await self.read()

    async def read(self) -> dict[str, Any]:
        """Make the catalog what the gateway offers, and tell what has changed.

        Raises:
            Refused: 502, the gateway does not tell them; 503, gateway or database do not answer.
        """
        async with self._turn:
            offers = _offers(await answer_of(self._gateway.models(), "list its models"))
            new = 0
            async with self._database.transaction() as connection:
                for name, rows in offers.items():
                    new += await connection.fetchval(_STORE, *_values(name, rows))
                gone = "update models set is_active = false where is_active and not id = any($1) returning id"
                lost = await connection.fetch(gone, list(offers))
            self._read_at = time.monotonic()
        told = {"totalModels": len(offers), "newModels": new, "updatedModels": len(offers) - new}
        return {"success": True, **told, "unavailableModels": len(lost), "errors": [], "syncedAt": stamp(now())}

    async def refresh(self) -> None:
        """Read the gateway's models if it answers; what is known already is told if not."""
        try:
            await self.read()
        except Refused as error:
            log.warning("the catalog could not be read anew: %s", error)


def _offers(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the gateway's rows by the name that people use; several rows of a name share its calls."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["model_name"], []).append(row)
    return found


def _values(name: str, rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Return the columns of a model."""
    params, info = rows[0]["litellm_params"], rows[0]["model_info"]
    provider, _, backend = params["model"].partition("/")
    costs = [float(params.get(f"{way}_cost_per_token") or 0) for way in ("input", "output")]
    limits = [_whole(params.get("tpm")), _whole(params.get("rpm")), _whole(info.get("max_tokens"))]
    supports = {one: bool(info.get(f"supports_{one}")) for one in ABILITIES}
    ids = [row["model_info"]["id"] for row in rows]
    described = (provider if backend else "unknown", backend or provider, params.get("api_base") or "")
    return name, ids, *described, info.get("description") or "", *costs, *limits, supports


def _whole(value: Any) -> int | None:
    return int(value) if value else None


def shown(row: Row) -> dict[str, Any]:
    """Return a model as the catalog tells it; prices are dollars per token, whatever LiteMaaS calls the unit."""
    words = ["".join(part.capitalize() for part in one.split("_")) for one in ABILITIES]
    return {
        "id": row["id"],
        "name": row["id"],
        "provider": row["provider"],
        "description": row["description"],
        "capabilities": ["chat"],
        "contextLength": row["max_tokens"],
        "pricing": {"input": row["input_cost"], "output": row["output_cost"], "unit": "per_token"},
        "isActive": row["is_active"],
        "createdAt": stamp(row["created_at"]),
        "updatedAt": stamp(row["updated_at"]),
        "apiBase": row["api_base"],
        "backendModelName": row["backend_name"],
        "inputCostPerToken": row["input_cost"],
        "outputCostPerToken": row["output_cost"],
        "tpm": row["tpm"],
        "rpm": row["rpm"],
        "maxTokens": row["max_tokens"],
        **{f"supports{word}": row["supports"].get(one, False) for word, one in zip(words, ABILITIES, strict=True)},
        "supportsChat": True,
        "restrictedAccess": row["restricted"],
    }


def model_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read an administrator's description of a model.

    Raises:
        Refused: 400.
    """
    body = fields.Fields(given)
    read = {
        "model_name": body.take("model_name", fields.name, needed=True),
        "backend_model_name": body.take("backend_model_name", fields.name, needed=True),
        "api_base": body.take("api_base", fields.text, needed=True),
        "api_key": body.take("api_key", fields.text, "none"),
        "description": body.take("description", fields.text, ""),
        "restricted": body.take("restrictedAccess", fields.flag, False),
    }
    for cost in ("input_cost_per_token", "output_cost_per_token"):
        read[cost] = body.take(cost, fields.number, needed=True)
    for limit in ("tpm", "rpm", "max_tokens"):
        read[limit] = body.take(limit, fields.positive, needed=True)
    read["info"] = {f"supports_{one}": body.take(f"supports_{one}", fields.flag, False) for one in ABILITIES}
    body.end()
    return read
