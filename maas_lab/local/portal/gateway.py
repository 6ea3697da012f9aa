"""LiteLLM as its administrator sees it: everything that changes a key, a user or a model there."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import httpx

from maas_lab.gateway_keys import CALLS_ONLY
from maas_lab.local.portal.refusals import Refused, unavailable
from maas_lab.refusals import NO_MODELS

log = logging.getLogger(__name__)
T = TypeVar("T")


class GatewayRefused(Exception):
    """LiteLLM refused a call; its words may hold what nobody else should read."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(f"the gateway answered {status}")
        self.status, self.told = status, told


class GatewayAdmin:
    """Speaks LiteLLM's administration API.

    Args:
        url: its address.
        key: its master key.
    """

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """Ask LiteLLM.

        Raises:
            GatewayRefused: it says no.
            Refused: 503, it does not answer.
        """
        try:
            response = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise unavailable("the gateway") from error
        if response.is_success:
            return response.json()
        raise GatewayRefused(response.status_code, response.text)

    async def models(self) -> list[dict[str, Any]]:
        """Return the rows of the gateway's models.

        Raises:
            Refused: 503.
        """
        try:
            return (await self.call("GET", "/model/info"))["data"]
        except GatewayRefused as error:
            if NO_MODELS in error.told:
                return []
            raise

    async def make_key(self, given: Mapping[str, Any]) -> str:
        """Make a key, which calls models and does no more, and return its secret."""
        return (await self.call("POST", "/key/generate", json={**CALLS_ONLY, **given}))["key"]

    async def change_key(self, token: str, **changes: Any) -> None:
        """Change limits or models of a key, which is named by its hash."""
        await self.call("POST", "/key/update", json={"key": token, **changes})

    async def block_key(self, token: str, blocked: bool) -> None:
        """Refuse the calls of a key, or accept them again."""
        await self.call("POST", "/key/block" if blocked else "/key/unblock", json={"key": token})

    async def delete_key(self, token: str) -> None:
        """Delete a key; one that is gone already is fine."""
        try:
            await self.call("POST", "/key/delete", json={"keys": [token]})
        except GatewayRefused as error:
            if error.status != 404:
                raise

    async def make_user(self, given: Mapping[str, Any]) -> None:
        """Make a user; one that is there already is fine, and keeps its limits."""
        try:
            await self.call("POST", "/user/new", json={**given, "auto_create_key": False})
        except GatewayRefused as error:
            if error.status not in (400, 409) or "already exists" not in error.told:
                raise

    async def change_user(self, user: str, **changes: Any) -> None:
        """Change a user's limits."""
        await self.call("POST", "/user/update", json={"user_id": user, **changes})

    async def answers(self) -> bool:
        """Return whether LiteLLM lives."""
        try:
            return (await self._http.get("/health/liveness", timeout=3)).is_success
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


async def answer_of(asking: Awaitable[T], what: str) -> T:
    """Return what LiteLLM answers to a call of the portal's own.

    Raises:
        Refused: 400 or 502, it refused to do this; 503, it does not answer.
    """
    try:
        return await asking
    except GatewayRefused as error:
        raise told(error, what) from error


def told(error: GatewayRefused, what: str) -> Refused:
    """Return what the portal answers when LiteLLM refused a call of its own; its words stay in the log."""
    log.warning("the gateway refused to %s: %s %.300s", what, error.status, error.told)
    status = 400 if error.status == 400 else 502
    return Refused(status, "GATEWAY_REFUSED", f"The gateway refused to {what}")
