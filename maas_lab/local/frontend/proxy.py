"""Pass requests on to the programs behind the pages, and their answers back as they come."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

from maas_lab.local.frontend import addresses, headers
from maas_lab.local.frontend.answers import leading_to, refusal

LARGEST_BODY = 1024 * 1024
TIMES = aiohttp.ClientTimeout(total=None, connect=5, sock_read=60)
KEPT_S = 2  # less than the 5 s after which the programs behind close a connection: none closes under a request
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Behind:
    """A program to which requests are passed on.

    Attributes:
        name: for people.
        address: scheme, host and port.
        cookie: the one that the program sets.
        login: whether people show it who they are.
    """

    name: str
    address: str
    cookie: str
    login: bool = False


class Proxy:
    """Passes requests on.

    Args:
        authority: file of certificates to trust; None means those of the system.
    """

    def __init__(self, authority: str | None) -> None:
        trust = ssl.create_default_context(cafile=authority)
        connector = aiohttp.TCPConnector(ssl=trust, limit=100, keepalive_timeout=KEPT_S)
        self._http = aiohttp.ClientSession(
            connector=connector,
            timeout=TIMES,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def pass_on(self, request: web.Request, behind: Behind, *origins: str) -> web.StreamResponse:
        """Answer a request with what the program behind answers.

        Args:
            request: as it came.
            behind: who answers it.
            origins: what else than the request's own host stands for this place in a Location.
        """
        if not addresses.is_plain(request.raw_path.partition("?")[0]):
            return refusal(400, "VALIDATION_ERROR", "The address has dots or backslashes that could be read two ways")
        try:
            told = headers.onward(request, cookie=behind.cookie, login=behind.login)
            body = await request.read() or None
        except headers.BadSession:
            return refusal(401, "UNAUTHORIZED", f"{headers.SESSION} holds no token; log in again")
        except web.HTTPRequestEntityTooLarge:
            return refusal(413, "PAYLOAD_TOO_LARGE", f"A request has at most {LARGEST_BODY} bytes")
        url = URL(behind.address + request.raw_path, encoded=True)
        try:
            answer = await self._http.request(request.method, url, headers=told, data=body, allow_redirects=False)
        except TimeoutError:
            return self._away(behind, 504, "GATEWAY_TIMEOUT", "does not answer in time")
        except aiohttp.ClientError as error:
            log.warning("%s: %s", behind.name, type(error).__name__)
            return self._away(behind, 502, "BAD_GATEWAY", "cannot be reached")
        async with answer:
            return await self._back(request, behind, answer, origins)

    async def _back(
        self, request: web.Request, behind: Behind, answer: aiohttp.ClientResponse, origins: tuple[str, ...]
    ) -> web.StreamResponse:
        told = headers.back(answer.headers)
        if location := told.get("Location"):
            here = (f"http://{request.host}", f"https://{request.host}", *origins)
            near = addresses.relative(location, request.raw_path.partition("?")[0], *here)
            if near is None:
                return self._away(behind, 502, "BAD_GATEWAY", "sends you to another place; that is not followed")
            if "text/html" in request.headers.get("Accept", ""):
                return leading_to(near)
            told["Location"] = near
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=told)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response

    def _away(self, behind: Behind, status: int, code: str, what: str) -> web.Response:
        return refusal(status, code, f"{behind.name} {what}; try again in a moment")
