"""What administrators do with models: offer one, change it, take it away, look whether it is there."""

from __future__ import annotations

from typing import Any

import httpx

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import Answer, Call, Rule, stamp
from maas_lab.local.portal.catalog import Catalog, model_fields
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.gateway import GatewayAdmin, GatewayRefused, answer_of, told
from maas_lab.local.portal.refusals import Refused, invalid

WRITE = "models:write"
_KEEP = """
insert into models (id, restricted, description, is_active, gateway_ids, provider, backend_name, api_base, input_cost,
    output_cost, supports) values ($1, $2, $3, false, '{}', '', '', '', 0, 0, '{}')
on conflict (id) do update set restricted = $2, description = $3"""


class Models:
    """Keeps the gateway's models for administrators."""

    def __init__(self, database: Database, gateway: GatewayAdmin, catalog: Catalog) -> None:
        self._database, self._gateway, self._catalog = database, gateway, catalog
        self._http = httpx.AsyncClient(timeout=5, trust_env=False)

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("POST", "/api/v1/admin/models/test", WRITE, self.test),
            Rule("POST", "/api/v1/admin/models", WRITE, self.create),
            Rule("PUT", "/api/v1/admin/models/{id:path}", WRITE, self.change),
            Rule("DELETE", "/api/v1/admin/models/{id:path}", WRITE, self.delete),
        ]

    async def create(self, call: Call) -> Answer:
        """Offer a model; from now on it is in the catalog."""
        given = model_fields(call.body)
        name = call.target = given["model_name"]
        if await self._database.value("select 1 from models where id = $1 and is_active", name):
            details = {"field": "model_name", "value": name, "suggestion": "Change it, or choose another name"}
            raise Refused(409, "ALREADY_EXISTS", f"Model '{name}' already exists", **details)
        row = await self._offer(given)
        model = {"id": name, "model_name": name, "created_at": stamp(row["created_at"])}
        return Answer({"success": True, "message": f"Model '{name}' created successfully", "model": model}, 201)

    async def change(self, call: Call) -> dict[str, Any]:
        """Offer a model under other terms: a new row at the gateway takes the place of the old ones."""
        old = await self._catalog.find(call.path["id"])
        name = call.target = old["id"]
        given = model_fields({"model_name": name, **call.body})
        if given["model_name"] != name:
            raise invalid("a model keeps its name", "model_name")
        row = await self._offer(given)
        await self._forget(set(old["gateway_ids"]))
        await self._catalog.read()
        model = {"id": name, "model_name": name, "updated_at": stamp(row["updated_at"])}
        return {"success": True, "message": f"Model '{name}' updated successfully", "model": model}

    async def delete(self, call: Call) -> dict[str, Any]:
        """Take a model out of gateway and catalog; subscriptions stay, and lead to nothing."""
        old = await self._catalog.find(call.path["id"])
        call.target = old["id"]
        await self._forget(set(old["gateway_ids"]))
        await self._catalog.read()
        return {"success": True, "message": f"Model '{old['id']}' deleted successfully"}

    async def test(self, call: Call) -> dict[str, Any]:
        """Tell whether a model server serves a model."""
        body = call.fields
        base = body.take("api_base", fields.text, needed=True)
        key = body.take("api_key", fields.text, "")
        name = body.take("backend_model_name", fields.text, needed=True)
        body.end()
        if not base.startswith(("http://", "https://")):
            raise invalid("api_base must begin with http:// or https://", "api_base")
        served = await self._served(base, key)
        if served is None:
            return {"success": False, "result": "connection_failed", "message": "No model server answers there."}
        if name not in served:
            return {"success": False, "result": "model_not_found", "message": f"Model '{name}' is not served there."}
        return {"success": True, "result": "model_found", "message": f"Model '{name}' is available at this endpoint."}

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _served(self, base: str, key: str) -> set[str] | None:
        try:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            response = await self._http.get(f"{base.rstrip('/')}/models", headers=headers)
            return {str(one["id"]) for one in response.json()["data"]} if response.is_success else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
            return None

    async def _offer(self, given: dict[str, Any]) -> Row:
        """Make a model's row at the gateway and read it into the catalog."""
        copied = ("api_base", "api_key", "input_cost_per_token", "output_cost_per_token", "tpm", "rpm")
        # LiteMaaS writes `openai/`: then LiteLLM gives away prompt tokens that the server has cached, even with a
        # price of their own (`cache_read_input_token_cost`), unless the model is there when the gateway starts.
        params = {name: given[name] for name in copied} | {"model": f"hosted_vllm/{given['backend_model_name']}"}
        info = given["info"] | {"max_tokens": given["max_tokens"], "description": given["description"]}
        body = {"model_name": given["model_name"], "litellm_params": params, "model_info": info}
        # First that it is restricted, and then that it is there: nobody comes in between.
        await self._database.row(_KEEP, given["model_name"], given["restricted"], given["description"])
        await answer_of(self._gateway.call("POST", "/model/new", json=body), "make this model")
        await self._catalog.read()
        return await self._catalog.find(given["model_name"])

    async def _forget(self, ids: set[str]) -> None:
        """Delete a model's rows at the gateway; one that is gone already is fine."""
        for one in ids:
            try:
                await self._gateway.call("POST", "/model/delete", json={"id": one})
            except GatewayRefused as error:
                left = {row["model_info"]["id"] for row in await self._gateway.models()}
                if one in left:
                    raise told(error, "delete this model") from error
