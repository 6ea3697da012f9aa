"""JSON over HTTP with the portal's typed errors, its pages and its rate limits."""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx

from maas_lab import wait
from maas_lab.errors import PortalBusy, UsageError
from maas_lab.keys import ApiKey
from maas_lab.portal_refusals import portal_refusal, portal_unreachable
from maas_lab.rest import Service, address

# LiteMaaS takes every caller whose User-Agent says "Mozilla" for its own pages, logged in as an administrator.
USER_AGENT = "maas-lab"
ADMIN_KEY = "ltm_admin_"


class PortalRest(Service):
    """A portal's address and a token, and calls that return parsed JSON or raise typed errors.

    Args:
        url: the portal's address.
        token: a user's token, or an administrators' key; None calls without.
        transport: stands in for the network in tests (`httpx.MockTransport`).
        timeout: seconds to wait for an answer.
        verify: which certificate authorities to trust, as httpx takes it.
        patience: seconds to wait, in all, when the portal says that there were too many calls.

    Raises:
        UsageError: the address is not one.
    """

    refusal, unreachable = staticmethod(portal_refusal), staticmethod(portal_unreachable)

    def __init__(
        self,
        url: str,
        token: ApiKey | None,
        *,
        transport: httpx.BaseTransport | None,
        timeout: float,
        verify: ssl.SSLContext | bool,
        patience: float,
    ) -> None:
        self.token, self._patience = token, patience
        found = address(url, "a portal", "https://litemaas-namespace.apps.cluster")
        bearer = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **bearer}
        super().__init__(found.removesuffix("/v1").removesuffix("/api"), headers, transport, timeout, verify)

    def call(self, method: str, path: str, **content: Any) -> Any:
        """Call and return the parsed answer, None for an empty one; wait after too many calls.

        Args:
            method: `GET`, `POST` and so on.
            path: below `/api/v1`.
            content: `params` or `json`, as httpx takes them.

        Raises:
            PortalError: the portal refused, failed, or did not answer; its subclass says which.
        """
        answer = self.text(method, path, **content)
        return None if answer.status_code == 204 else self.parsed(answer)

    def text(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Call and return the answer as it came; otherwise as `call`."""
        return self._patiently(lambda: self.once(method, f"/api/v1{path}", **content))

    def write(self, method: str, path: str, **content: Any) -> Any:
        """Call something that changes what the portal keeps.

        Raises:
            UsageError: with an administrators' key, which stands for no user: LiteMaaS then fails half-way, and has
                made a live key that nobody knows.
            PortalError: as `call`.
        """
        if self.token and self.token.reveal().startswith(ADMIN_KEY):
            what = "an administrators' key only reads"
            hint = "log in as a user with the role: `portal = Portal.login(url, user, password)`"
            raise UsageError(what, "the portal cannot book a change to nobody", hint)
        return self.call(method, path, **content)

    def every_row(self, path: str, identity: str = "id", size: int = 100, **content: Any) -> list[dict[str, Any]]:
        """Read all pages of a listing, as `collect`.

        Args:
            path: below `/api/v1`.
            identity: the member that tells one row from another.
            size: rows per page.
            content: `params`, and `json` where the listing is a POST.
        """
        method = "POST" if "json" in content else "GET"

        def read(page: int, limit: int) -> tuple[list[dict[str, Any]], int, int]:
            answer = self.call(method, path, **_at(content, {"page": page, "limit": limit}))
            return answer["data"], answer["pagination"]["total"], answer["pagination"]["totalPages"]

        return self.collect(path, identity, (size,), read)

    def _patiently(self, call: Callable[[], httpx.Response]) -> httpx.Response:
        pauses = itertools.chain((1.0, 2.0, 4.0, 8.0), itertools.repeat(16.0))
        due, give_up = 0.0, time.monotonic() + self._patience

        def attempt() -> httpx.Response | None:
            nonlocal due
            if time.monotonic() < due:
                return None
            try:
                return call()
            except PortalBusy as busy:
                due = time.monotonic() + (busy.retry_after or next(pauses))
                if due > give_up:
                    raise
                return None

        # `attempt` gives up by itself, with the portal's own words.
        return wait.until(attempt, what="the portal to take another call", timeout=self._patience + 600)


def _at(content: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
    """Return a request's content with its place in a listing: in the query, and where there is a body in that, too."""
    asked = {**content, "params": {**content.get("params", {}), **place}}
    return {**asked, "json": {**content["json"], **place}} if "json" in content else asked
