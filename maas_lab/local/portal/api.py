"""Answer HTTP requests: who asks, may they, what do they say; refusals have one form, and logs hold no secret."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from maas_lab.local.portal.calls import NOBODY, PUBLIC, Answer, Call, Rule, now, stamp
from maas_lab.local.portal.limiter import Limiter
from maas_lab.local.portal.portal import Portal
from maas_lab.local.portal.refusals import Refused, forbidden, invalid, unauthorized

LARGEST_BODY = 64 * 1024
STRANGERS_A_MINUTE = 120  # refusals of people who have not logged in that are written into the audit
QUIET = ("/api/v1/health/live", "/api/v1/health/ready")
ALLOWED = {"access-control-allow-headers": "authorization, content-type", "access-control-max-age": "600"}
SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
log = logging.getLogger(__name__)


class Api:
    """The portal as one ASGI application."""

    def __init__(self, portal: Portal) -> None:
        self._portal, chosen = portal, portal.chosen
        self._limits = {
            "": Limiter(chosen.rate_limit, chosen.rate_window_s, "requests"),
            "analytics": Limiter(chosen.analytics_limit, 60, "analytics"),
            "export": Limiter(chosen.export_limit, 60, "exports"),
        }
        self._strangers = Limiter(STRANGERS_A_MINUTE, 60, "refusals")

    def app(self) -> Starlette:
        """Return the application."""
        routes = [Route(rule.path, self._endpoint(rule), methods=[rule.method]) for rule in self._portal.rules]
        unmatched = {HTTPException: self._unmatched}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=unmatched)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with self._portal.running():
            yield

    def _endpoint(self, rule: Rule) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await _Exchange(self._portal, self._limits, self._strangers, rule, request).response()

        return endpoint

    async def _unmatched(self, request: Request, error: Exception) -> Response:
        """Answer what no rule is for; a browser's question what other pages may do is among it."""
        assert isinstance(error, HTTPException)
        allowed = _sharing(request, self._portal.chosen.origins)
        if request.method == "OPTIONS" and allowed:
            methods = {"access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE"}
            return Response(status_code=204, headers=SAFE | allowed | ALLOWED | methods)
        code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "ERROR")
        told = "Endpoint not available" if error.status_code == 404 else error.detail
        refused = Refused(error.status_code, code, told, headers=error.headers)
        return _json(refused.body(_new_id(), stamp(now()) or ""), refused.status, SAFE | refused.headers)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, portal: Portal, limits: Mapping[str, Limiter], strangers: Limiter, rule: Rule, request: Request
    ) -> None:
        self._portal, self._limits, self._strangers = portal, limits, strangers
        self._rule, self._request, self._id = rule, request, _new_id()
        self._who, self._call, self._began = NOBODY, None, time.monotonic()

    async def response(self) -> Response:
        """Return the answer, whatever happens."""
        more = SAFE | _sharing(self._request, self._portal.chosen.origins) | {"x-request-id": self._id}
        try:
            answer = await self._answer()
            if self._rule.changes:
                await self._note(answer.status)
            self._log(answer.status)
            return _response(answer, more)
        except Refused as error:
            refused = error
            await self._note_refusal(error)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            self._log_fault(error)
            refused = Refused(500, "INTERNAL_ERROR", "An error in the portal has been logged; please report it")
        self._log(refused.status, refused.code)
        return _json(refused.body(self._id, stamp(now()) or ""), refused.status, more | refused.headers)

    async def _answer(self) -> Answer:
        rule, request = self._rule, self._request
        _check_origin(request, self._portal.chosen.origins)
        if rule.permission != PUBLIC:
            self._who = await self._portal.sessions.identity(request.headers.get("authorization", ""))
            if self._who is NOBODY:
                raise unauthorized()
            self._limits[""].check(self._who.key)
            self._who.check(rule.permission)
            if rule.limit:
                self._limits[rule.limit].check(self._who.key)
        body = {} if request.method == "GET" else await _body(request)
        seen = (request.path_params, request.query_params, body, request.headers, request.cookies)
        self._call = Call(self._who, *seen)
        found = await rule.handler(self._call)
        return found if isinstance(found, Answer) else Answer(found)

    async def _note(self, status: int, code: str = "", message: str = "") -> None:
        target = self._call.target if self._call else ""
        action = f"{self._rule.method} {self._rule.path}"
        await self._portal.audit.note(self._who, action, target, status, self._id, code, message)

    async def _note_refusal(self, refused: Refused) -> None:
        """Write a refusal into the audit; a database that is away is no reason to answer something else."""
        if refused.status == 503:
            log.warning("%s: %r", refused.message, refused.__cause__)
            return
        noted = (401, 403, 429) if self._who is NOBODY else (401, 403)
        if not self._rule.changes and refused.status not in noted:
            return
        try:
            if self._who is NOBODY:
                self._strangers.check("strangers")
            await self._note(refused.status, refused.code, refused.message)
        except Refused as error:
            log.warning("a refusal is not in the audit: %s", error.message)

    def _log(self, status: int, code: str = "") -> None:
        if self._rule.path not in QUIET and (self._rule.changes or status >= 400):
            spent = 1000 * (time.monotonic() - self._began)
            what = (self._id, self._rule.method, self._rule.path, status, code, spent, self._who.key)
            log.info("%s %s %s %s %s %.0f ms %s", *what)

    def _log_fault(self, error: Exception) -> None:
        """Log where a fault of ours is, and not its words: they may hold what somebody has sent."""
        where = "".join(traceback.format_tb(error.__traceback__, limit=-8))
        log.error("%s %s %s: %s\n%s", self._id, self._rule.method, self._rule.path, type(error).__name__, where)


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request carries, an empty one where it carries nothing.

    Raises:
        Refused: 400, 413 or 415.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise Refused(413, "PAYLOAD_TOO_LARGE", f"A request has at most {LARGEST_BODY} bytes")
    if not content:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "A request's body is application/json")
    try:
        found = orjson.loads(bytes(content))
    except orjson.JSONDecodeError:
        raise invalid("The body is not valid JSON") from None
    if not isinstance(found, dict):
        raise invalid("The body must be a JSON object")
    return found


def _check_origin(request: Request, allowed: tuple[str, ...]) -> None:
    """Refuse what another page makes a browser send; programs send neither of these headers.

    Raises:
        Refused: 403.
    """
    origin = request.headers.get("origin")
    if request.method == "GET" or origin is None or origin in allowed:
        return
    site = request.headers.get("sec-fetch-site")
    ours = site == "same-origin" if site else urlsplit(origin).netloc == request.headers.get("host")
    if not ours:
        raise forbidden("Requests from other pages are not accepted", "Open the portal itself")


def _sharing(request: Request, allowed: tuple[str, ...]) -> dict[str, str]:
    """Return the headers that let a page elsewhere read the answer."""
    origin = request.headers.get("origin", "")
    return {"access-control-allow-origin": origin, "vary": "Origin"} if origin in allowed else {"vary": "Origin"}


def _response(answer: Answer, headers: Mapping[str, str]) -> Response:
    more = {**headers, **answer.headers}
    if isinstance(answer.body, str):
        return Response(answer.body, answer.status, more)
    if answer.body is None:
        return Response(status_code=answer.status, headers=more)
    return _json(answer.body, answer.status, more)


def _json(body: Any, status: int, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), status, {**headers}, "application/json")


def _new_id() -> str:
    return secrets.token_hex(6)
