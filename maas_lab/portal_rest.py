"""JSON over HTTP with the portal's typed errors, its pages and its rate limits."""

from __future__ import annotations

import itertools
import json
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx

from maas_lab import wait
from maas_lab.errors import PortalBusy, UsageError
from maas_lab.keys import ApiKey
from maas_lab.portal_refusals import portal_refusal, portal_unreachable
from maas_lab.rest import is_loopback

# LiteMaaS takes every caller whose User-Agent says "Mozilla" for its own pages, logged in as an administrator.
USER_AGENT = "maas-lab"
ADMIN_KEY = "ltm_admin_"


class PortalRest:
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
        self.url, self.token, self._patience = address(url), token, patience
        bearer = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json", **bearer},
            transport=transport,
            timeout=timeout,
            verify=verify,
            trust_env=not is_loopback(self.url),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

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
        if answer.status_code == 204:
            return None
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise portal_refusal(answer.status_code, answer.content, answer.headers) from error

    def text(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Call and return the answer as it came; otherwise as `call`."""
        return self._patiently(lambda: self.once(method, f"/api/v1{path}", **content))

    def once(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Call a path below the portal's address, and take "too many calls" for an answer."""
        try:
            answer = self._http.request(method, path, **content)
        except httpx.TimeoutException as error:
            raise portal_unreachable(error, timed_out=True) from error
        except httpx.HTTPError as error:
            raise portal_unreachable(error) from error
        if not (answer.is_success or answer.is_redirect):
            raise portal_refusal(answer.status_code, answer.content, answer.headers)
        return answer

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
        """Read all pages of a listing that may change meanwhile.

        Rows are collected by identity, and read again where a row moved from one page to another between two reads.

        Args:
            path: below `/api/v1`.
            identity: the member that tells one row from another.
            size: rows per page.
            content: `params`, and `json` where the listing is a POST.

        Raises:
            PortalError: as `call`.
            TookTooLong: the count of rows was not reached in 30 s.
        """
        found: dict[str, dict[str, Any]] = {}
        method = "POST" if "json" in content else "GET"

        def complete() -> bool:
            for page in itertools.count(1):
                answer = self.call(method, path, **_at(content, {"page": page, "limit": size}))
                found.update((row[identity], row) for row in answer["data"])
                pages = answer["pagination"]
                if page >= pages["totalPages"]:
                    return len(found) >= pages["total"]
            return False

        wait.until(complete, what=f"a complete listing of {path}", timeout=30)
        return list(found.values())

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


def address(url: str) -> str:
    """Return a portal's address without a slash, a path of its API, or a password in it.

    Raises:
        UsageError: it is not an address.
    """
    hint = "it looks like https://litemaas-namespace.apps.cluster"
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise UsageError("this is not the address of a portal", str(error), hint) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError("this is not the address of a portal", f"`{url}`", hint)
    bare = parsed.copy_with(userinfo=b"", fragment=None, query=None)
    return str(bare).rstrip("/").removesuffix("/v1").removesuffix("/api")


def _at(content: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
    """Return a request's content with its place in a listing: in the query, and where there is a body in that, too."""
    asked = {**content, "params": {**content.get("params", {}), **place}}
    return {**asked, "json": {**content["json"], **place}} if "json" in content else asked
