"""JSON over HTTP with typed errors: what the calls of gateway and portal stand on."""

from __future__ import annotations

import ipaddress
import itertools
import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import httpx

from maas_lab import wait
from maas_lab.errors import LabError, UsageError
from maas_lab.refusals import refusal, unreachable

CHANGES = "it grows or shrinks while it is read: call again when fewer people change it"

Read = Callable[[int, int], tuple[list[dict[str, Any]], int, int]]


def is_loopback(url: str | httpx.URL) -> bool:
    """Return whether an address is this machine's own, where no proxy may stand in between."""
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Service:
    """A service's address and headers, and calls that return its answers or raise its own typed errors.

    Args:
        url: base address, `http://` or `https://`.
        headers: sent with every call.
        transport: stands in for the network in tests (`httpx.MockTransport`).
        timeout: seconds to wait for an answer.
        verify: which certificate authorities to trust, as httpx takes it.
    """

    refusal: Callable[..., LabError]
    unreachable: Callable[..., LabError]

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        transport: httpx.BaseTransport | None,
        timeout: float,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self.url = url
        if verify is True and url.startswith("https:") and is_loopback(url):
            verify = httpx.create_ssl_context()  # of SSL_CERT_FILE, which is not looked at without `trust_env`
        options = {"transport": transport, "timeout": timeout, "verify": verify, "trust_env": not is_loopback(url)}
        self._http = httpx.Client(base_url=url, headers=dict(headers), **options)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def once(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Call and return the answer as it came, if it is a success or leads elsewhere.

        Args:
            method: `GET`, `POST` and so on.
            path: below the base address.
            content: `params`, `json` or `headers`, as httpx takes them.

        Raises:
            LabError: the service refused, failed, or did not answer; its own subclass says which.
        """
        try:
            answer = self._http.request(method, path, **content)
        except httpx.TimeoutException as error:
            raise self.unreachable(error, timed_out=True) from error
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error
        if not (answer.is_success or answer.is_redirect):
            raise self.refusal(answer.status_code, answer.content, answer.headers)
        return answer

    def parsed(self, answer: httpx.Response) -> Any:
        """Return the JSON of an answer.

        Raises:
            LabError: it has none, so another program stands in front of the service.
        """
        with suppress(ValueError):
            if answer.is_success:
                return json.loads(answer.content)
        raise self.refusal(answer.status_code, answer.content, answer.headers)

    def collect(self, path: str, identity: str, sizes: Iterable[int], read: Read) -> list[dict[str, Any]]:
        """Read all pages of a listing that may change meanwhile.

        Offset paging over rows that tie in the sort order, or that move while pages are read, can skip some.
        So rows are collected by identity, and read again until none is missing.

        Args:
            path: of the listing.
            identity: the member that tells one row from another.
            sizes: rows per page, in turn: other page borders show rows that tie.
            read: takes a page's number and size; returns its rows, the count of all rows, and the last page's number.

        Raises:
            LabError: as `once`.
            TookTooLong: the count was not reached in 30 s.
        """
        found: dict[str, dict[str, Any]] = {}
        turns = itertools.cycle(sizes)

        def complete() -> bool:
            size = next(turns)
            for page in itertools.count(1):
                rows, total, last = read(page, size)
                found.update((row[identity], row) for row in rows)
                if page >= last:
                    return len(found) >= total
            return False

        wait.until(complete, what=f"a complete listing of {path}", timeout=30, hint=CHANGES)
        return list(found.values())


class Rest(Service):
    """The gateway's address and headers, and calls that return parsed JSON or raise a `GatewayError`.

    Args:
        url: base address, `http://` or `https://`, with or without `/v1`.
        headers: sent with every call.
        transport: stands in for the network in tests (`httpx.MockTransport`).
        timeout: seconds to wait for an answer.
        verify: which certificate authorities to trust, as httpx takes it.

    Raises:
        UsageError: the address is not one.
    """

    refusal, unreachable = staticmethod(refusal), staticmethod(unreachable)

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        transport: httpx.BaseTransport | None,
        timeout: float,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        found = address(url, "a gateway", "https://host").removesuffix("/v1")
        super().__init__(found, headers, transport, timeout, verify)

    def call(self, method: str, path: str, **content: Any) -> Any:
        """Call and return the parsed answer; otherwise as `once`."""
        return self.parsed(self.once(method, path, **content))

    def every_row(
        self, path: str, params: Mapping[str, Any], *, rows: str, total: str, size: str, identity: str
    ) -> list[dict]:
        """Read all pages of a listing, as `collect`.

        Args:
            path: of the listing.
            params: of every page.
            rows: the answer's member with the rows.
            total: the answer's member with the count of all rows.
            size: the parameter for the rows per page.
            identity: the member that tells one row from another.
        """

        def read(page: int, per_page: int) -> tuple[list[dict[str, Any]], int, int]:
            answer = self.call("GET", path, params={**params, "page": page, size: per_page})
            return answer[rows], answer[total], answer["total_pages"]

        return self.collect(path, identity, (100, 97, 89), read)


def address(url: str, whose: str, example: str) -> str:
    """Return the address of a service without a password, a query, or a slash at its end.

    Args:
        url: as somebody wrote it.
        whose: what it should be the address of.
        example: what such an address looks like.

    Raises:
        UsageError: it is not an address.
    """
    what, hint = f"this is not the address of {whose}", f"it looks like {example}"
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise UsageError(what, str(error), hint) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(what, f"`{url}`", hint)
    return str(parsed.copy_with(userinfo=b"", fragment=None, query=None)).rstrip("/")
