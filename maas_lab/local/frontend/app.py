"""Put the pages and what is behind them together: which address answers with what.

`/` is pages/index.html, `/auth/callback` pages/callback.html, `/static/NAME` the file pages/static/NAME.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from maas_lab.local.frontend import addresses
from maas_lab.local.frontend.answers import refusal
from maas_lab.local.frontend.configuration import Configuration
from maas_lab.local.frontend.proxy import LARGEST_BODY, Behind, Proxy

PAGES = Path(__file__).with_name("pages")
CALLBACK = "/api/auth/callback"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
EVERYWHERE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
PAGE = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}


class Front:
    """The pages and the programs behind them."""

    def __init__(self, chosen: Configuration, pages: Path = PAGES) -> None:
        self._chosen, self._pages = chosen, pages
        self._backend = Behind("The portal's backend", chosen.backend, "litemaas_login")
        self._cluster = Behind("The cluster's login", chosen.issuer, "cluster_login", login=True)

    def app(self) -> web.Application:
        """Return the application."""
        made = web.Application(client_max_size=LARGEST_BODY, middlewares=[_refused])
        made.router.add_get("/", self._index)
        made.router.add_get("/auth/callback", self._callback)
        made.router.add_static("/static/", self._pages / "static")
        made.router.add_route("*", "/api/{path:.*}", self._api)
        if self._chosen.issuer:
            made.router.add_get("/oauth/authorize", self._login, allow_head=False)
            made.router.add_post("/oauth/authorize", self._login)
        made.on_response_prepare.append(_finish)
        made.cleanup_ctx.append(self._running)
        return made

    async def _running(self, app: web.Application) -> AsyncIterator[None]:
        self._proxy = Proxy(self._chosen.authority)
        yield
        await self._proxy.close()

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._pages / "index.html")

    async def _callback(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._pages / "callback.html")

    async def _api(self, request: web.Request) -> web.StreamResponse:
        return await self._proxy.pass_on(request, self._backend)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        """Let people log in here and nowhere else: whatever host stands before the callback, they stay at this one."""
        wanted, *more = request.query.getall("redirect_uri", [""])
        origin = addresses.origin_of(wanted)
        if more or not origin or wanted != origin + CALLBACK:
            return refusal(400, "VALIDATION_ERROR", "This login leads back to the portal only; begin at its first page")
        return await self._proxy.pass_on(request, self._cluster, origin)


@web.middleware
async def _refused(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Give what nobody answers the form that all refusals have."""
    try:
        return await handler(request)
    except web.HTTPError as error:
        code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status, "ERROR")
        answer = refusal(error.status, code, error.reason)
        answer.headers.update({name: error.headers[name] for name in ("Allow",) if name in error.headers})
        return answer


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    """Say in every answer what browsers may do with it."""
    is_page = isinstance(response, web.FileResponse)
    for name, value in (EVERYWHERE | PAGE if is_page else EVERYWHERE).items():
        response.headers.setdefault(name, value)
    response.headers.popall("Server", None)
