"""The AI gateway (LiteLLM): its catalogue, its keys and its spend rows."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from maas_lab import gateway_keys, ledger, wait
from maas_lab.errors import BadRequest, GatewayError, InvalidKey
from maas_lab.keys import ApiKey, key_hash
from maas_lab.refusals import NO_MODELS
from maas_lab.refusals import refusal as refusal
from maas_lab.rest import Rest
from maas_lab.rows import CatalogModel, KeyInfo, SpendRow, UserInfo


class Gateway:
    """A LiteLLM gateway, seen by its administrator.

    Every method raises a `GatewayError`: `InvalidKey` when the admin key or the key it is about is not known,
    `GatewayUnreachable` when nothing answers. Money is in dollars, times are aware and UTC.

    Args:
        url: the gateway's address, with or without `/v1`.
        key: the admin key.
        transport: stands in for the network in tests (`httpx.MockTransport`).
        timeout: seconds to wait for an answer.
        verify: which certificate authorities to trust: those of this machine, or an `ssl.SSLContext`.

    Raises:
        UsageError: the address or the key is not one.
    """

    def __init__(
        self,
        url: str,
        key: ApiKey | str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._rest = Rest(url, _bearer(key), transport, timeout, verify)

    @property
    def url(self) -> str:
        """The gateway's address; the OpenAI API is at `/v1` below it."""
        return self._rest.url

    @property
    def rest(self) -> Rest:
        """The calls that all this is made of."""
        return self._rest

    def close(self) -> None:
        """Close the connections."""
        self._rest.close()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gateway({self.url})"

    def version(self) -> str:
        """Return LiteLLM's version, e.g. `1.81.0`."""
        ready = self._rest.call("GET", "/health/readiness")
        # Newer releases keep it out of the public probe.
        return ready.get("litellm_version") or self._rest.call("GET", "/openapi.json")["info"]["version"]

    # The catalogue

    def models(self) -> list[CatalogModel]:
        """Return the models that the gateway offers, in the order in which it lists them."""
        try:
            return [CatalogModel.read(row) for row in self._rest.call("GET", "/model/info")["data"]]
        except GatewayError as error:
            if NO_MODELS in error.why:
                return []
            raise

    def register_model(
        self,
        name: str,
        *,
        served: str,
        api_base: str,
        api_key: ApiKey | str,
        input_cost: float,
        output_cost: float,
        context: int | None = None,
        description: str = "",
    ) -> CatalogModel:
        """Offer a model; exactly one row of this name is left, however often it is called.

        A row with other values is replaced, not patched: at a patch LiteLLM unloads all its models for a
        moment, while a new row beside the old one loses no call.

        Args:
            name: what consumers call the model.
            served: the name at the model server.
            api_base: the model server's address with `/v1`.
            api_key: the key that the model server wants.
            input_cost: dollars per prompt token.
            output_cost: dollars per answered token.
            context: tokens of prompt and answer together, as the portal tells its users.
            description: for people, in the portal.
        """
        secret = ApiKey.of(api_key)
        costs = float(input_cost), float(output_cost)
        wanted = CatalogModel(name, "", served, api_base, *costs, secret.hash[:16], context, description)
        rows = [row for row in self.models() if row.name == name]
        if not any(row.terms == wanted.terms for row in rows):
            self._rest.call("POST", "/model/new", json=wanted.request(secret.reveal()))
            rows = [row for row in self.models() if row.name == name]
        # The smallest id, so that two callers at the same moment keep the same row.
        kept = min((row for row in rows if row.terms == wanted.terms), key=lambda row: row.id)
        for row in rows:
            if row.id != kept.id:
                self._delete_row(row)
        return kept

    def delete_model(self, name: str) -> None:
        """Take a model out of the catalogue; a model that is not there is fine."""
        for row in self.models():
            if row.name == name:
                self._delete_row(row)

    def available_models(self, key: ApiKey | str) -> list[str]:
        """Return the names of the models that a consumer's key opens."""
        return [row["id"] for row in self._rest.call("GET", "/v1/models", headers=_bearer(key))["data"]]

    def _delete_row(self, row: CatalogModel) -> None:
        try:
            self._rest.call("POST", "/model/delete", json={"id": row.id})
        except BadRequest:
            # Another caller was faster; a row that is still there comes from LiteLLM's configuration file.
            if any(other.id == row.id for other in self.models()):
                raise

    # Keys

    def create_key(
        self,
        name: str,
        *,
        models: Sequence[str],
        application: str | None = None,
        team: str | None = None,
        user: str | None = None,
        max_budget: float | None = None,
        soft_budget: float | None = None,
        duration: str | None = None,
        rpm_limit: int | None = None,
        tpm_limit: int | None = None,
    ) -> ApiKey:
        """Make a key; the gateway shows the secret only this once.

        Args:
            name: what people call the key; no other key may have it.
            models: the models it opens; empty means all.
            application: what it is used for; the key's name when left out.
            team: who pays for it, the cost centre; whoever makes the key says so, and nobody checks it.
            user: the owner's id at the gateway.
            max_budget: dollars, after which every call is refused.
            soft_budget: dollars, from which on `caps.state` warns; the gateway itself does nothing then.
            duration: how long it lives, e.g. `30s`, `2h`, `7d`; None means for ever.
            rpm_limit: requests per minute.
            tpm_limit: tokens per minute; LiteLLM 1.81.0 does not count prompt tokens that came from a cache.

        Raises:
            UsageError: a key of this name exists.
        """
        metadata = gateway_keys.stated(application=application or name, team=team, soft_budget=soft_budget)
        given = {"key_alias": name, "models": list(models), "metadata": metadata, "user_id": user}
        given |= {"max_budget": max_budget, "duration": duration, "rpm_limit": rpm_limit, "tpm_limit": tpm_limit}
        return gateway_keys.generate(self._rest, gateway_keys.stated(**given))

    def keys(self, application: str | None = None, *, deleted: bool = False) -> list[KeyInfo]:
        """Return all keys, or those of one application, the newest first; or those that were deleted.

        A key that goes with its user (LiteLLM's `/user/delete`) is in neither list, and its spend rows say no
        application any more: delete a user's keys before the user.
        """
        found = ledger.keys(self._rest, **({"status": "deleted"} if deleted else {}))
        return [key for key in found if application in (None, key.application)]

    def users(self) -> list[UserInfo]:
        """Return all users, in the order of their names."""
        return ledger.users(self._rest)

    def key_info(self, key: ApiKey | str) -> KeyInfo:
        """Return what the gateway knows about a key (an ApiKey, or its hash)."""
        return KeyInfo.read(self._info(key), key_hash(key))

    def update_key(self, key: ApiKey | str, **limits: Any) -> KeyInfo:
        """Change limits of a key, at once; None takes a limit away.

        Args:
            key: an ApiKey, or its hash.
            limits: `max_budget` and `soft_budget` (dollars), `budget_duration` (e.g. `1d`), `rpm_limit` and `tpm_limit`
                (per minute), `max_parallel_requests`, `models`, `duration` (from now on).

        Raises:
            UsageError: there is no such limit, or it is a `budget_duration`, which cannot be taken away.
        """
        gateway_keys.must_be_limits(limits)
        body = gateway_keys.changes(limits, self._info(key))
        self._rest.call("POST", "/key/update", json={"key": key_hash(key), **body})
        return self.key_info(key)

    def block_key(self, key: ApiKey | str) -> None:
        """Refuse the calls of a key from now on."""
        self._rest.call("POST", "/key/block", json={"key": key_hash(key)})

    def unblock_key(self, key: ApiKey | str) -> None:
        """Accept the calls of a key again."""
        self._rest.call("POST", "/key/unblock", json={"key": key_hash(key)})

    def delete_key(self, *keys: ApiKey | str) -> None:
        """Delete keys; one that is gone already is fine."""
        try:
            if keys:
                self._rest.call("POST", "/key/delete", json={"keys": [key_hash(key) for key in keys]})
        except InvalidKey as error:
            # 404 says that none of them exists; anything else is about the admin key.
            if error.status != 404:
                raise

    def rotate_key(self, key: ApiKey | str) -> ApiKey:
        """Replace a key by a new one of the same name, limits, owner and expiry; the old one dies at once.

        LiteLLM keeps `/key/regenerate` for Enterprise, so this makes a new key and deletes the old one. The
        new key starts with the old one's spend, so a rotation is no way round a budget (but calls of the last
        seconds may not be booked yet). Old spend rows keep the old hash; the name is the same.
        """
        old = self._info(key)
        fresh, name = gateway_keys.twin(self._rest, old), old.get("key_alias") or ""
        # The name is free only when the old key is gone, and that keeps it: its spend rows are listed by it.
        self.delete_key(key)
        self._rest.call("POST", "/key/update", json={"key": fresh.hash, "key_alias": name or None})
        return ApiKey(fresh.reveal(), name, fresh.models)

    def _info(self, key: ApiKey | str) -> dict[str, Any]:
        return self._rest.call("GET", "/key/info", params={"key": key_hash(key)})["info"]

    # Spend

    def spend_rows(
        self, since: datetime, until: datetime | None = None, key: ApiKey | str | None = None
    ) -> list[SpendRow]:
        """Return every call that the gateway booked in a span of time, the oldest first.

        A call is booked 2 to 10 seconds after it ended. Rejected calls are rows with 0 tokens.

        Args:
            since: first moment, aware; the gateway's clock counts.
            until: last moment, aware; None means now.
            key: only calls with this key (an ApiKey, or its hash).

        Raises:
            UsageError: a time has no time zone.
        """
        only = {"api_key": key_hash(key)} if key else {}
        return ledger.calls(self._rest, since, until or ledger.tomorrow(), only)

    def spend_row(self, request_id: str, timeout: float = 20) -> SpendRow:
        """Wait for the row of one call and return it.

        Args:
            request_id: the `id` of the answer.
            timeout: seconds to wait; a call is booked 2 to 10 seconds after it ended.

        Raises:
            TookTooLong: there is no such row.
        """
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        return wait.until(
            lambda: ledger.calls(self._rest, long_ago, ledger.tomorrow(), {"request_id": request_id}),
            what="the spend row of this call",
            timeout=timeout,
            every=0.5,
            hint="is it the `id` of an answer of this gateway?",
        )[0]


def _bearer(key: ApiKey | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ApiKey.of(key).reveal()}"}
