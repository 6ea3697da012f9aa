"""JSON over HTTP with typed errors: what the gateway's admin calls stand on."""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections.abc import Mapping
from typing import Any

import httpx

from maas_lab import wait
from maas_lab.errors import UsageError
from maas_lab.refusals import refusal, unreachable


def is_loopback(url: str | httpx.URL) -> bool:
    """Return whether an address is this machine's own, where no proxy may stand in between."""
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Rest:
    """A base address and headers, and calls that return parsed JSON or raise typed errors.

    Args:
        url: base address, `http://` or `https://`.
        headers: sent with every call.
        transport: stands in for the network in tests (`httpx.MockTransport`).
        timeout: seconds to wait for an answer.

    Raises:
        UsageError: the address is not one.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], transport: httpx.BaseTransport | None, timeout: float
    ) -> None:
        self.url = _address(url)
        self._http = httpx.Client(
            base_url=self.url,
            headers=dict(headers),
            transport=transport,
            timeout=timeout,
            trust_env=not is_loopback(self.url),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, **content: Any) -> Any:
        """Call and return the parsed answer.

        Args:
            method: `GET`, `POST` and so on.
            path: below the base address.
            headers: for this call, over those of every call.
            content: `params` or `json`, as httpx takes them.

        Raises:
            GatewayError: the gateway refused, failed, or did not answer; its subclass says which.
        """
        try:
            answer = self._http.request(method, path, headers=headers, **content)
        except httpx.TimeoutException as error:
            raise unreachable(error, timed_out=True) from error
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        if not answer.is_success:
            raise refusal(answer.status_code, answer.content, answer.headers)
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise refusal(answer.status_code, answer.content, answer.headers) from error

    def every_row(
        self, path: str, params: Mapping[str, Any], *, rows: str, total: str, size: str, identity: str
    ) -> list[dict]:
        """Read all pages of a listing that may change meanwhile.

        Offset paging over rows that tie in the sort order, or that move while pages are read, can skip some.
        So rows are collected by identity, and read again with other page borders, until none is missing.

        Args:
            path: of the listing.
            params: of every page.
            rows: the answer's member with the rows.
            total: the answer's member with the count of all rows.
            size: the parameter for the rows per page.
            identity: the member that tells one row from another.

        Raises:
            GatewayError: as `call`.
            TookTooLong: the count was not reached in 30 s.
        """
        found: dict[str, dict] = {}
        sizes = itertools.cycle((100, 97, 89))

        def complete() -> bool:
            per_page = next(sizes)
            for page in itertools.count(1):
                answer = self.call("GET", path, params={**params, "page": page, size: per_page})
                found.update((row[identity], row) for row in answer[rows])
                if page >= answer["total_pages"]:
                    return len(found) >= answer[total]
            return False

        wait.until(complete, what=f"a complete listing of {path}", timeout=30)
        return list(found.values())


def _address(url: str) -> str:
    hint = "it looks like https://host"
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise UsageError("this is not the address of a gateway", str(error), hint) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"`{url}` is not the address of a gateway", hint=hint)
    return str(parsed.copy_with(userinfo=b"")).rstrip("/").removesuffix("/v1")
