"""Serve the Kubernetes API: who calls, which part of the API is meant, and an answer in every case."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from maas_lab.local.kube import discovery, expiry, paths, tables
from maas_lab.local.kube.audit import ALLOW, COMPLETE, FORBID, STARTED, Audit, Entry
from maas_lab.local.kube.collector import Collector
from maas_lab.local.kube.handlers import Handlers, Logs, Stream, Usage, no_logs, no_usage, respond
from maas_lab.local.kube.lifecycle import NAMESPACE, Objects, Target
from maas_lab.local.kube.oauth import PATHS as OAUTH_PATHS
from maas_lab.local.kube.oauth import Account, OAuth
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.rbac import defaults
from maas_lab.local.kube.rbac.authorizer import Authorizer
from maas_lab.local.kube.rbac.rules import Asked
from maas_lab.local.kube.status import ApiError, method_not_allowed, unauthorized
from maas_lab.local.kube.store import dump
from maas_lab.local.kube.tokens import Tokens
from maas_lab.local.kube.users import User

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
HEALTH = ("/healthz", "/livez", "/readyz")
PLAIN = tables.Form()
log = logging.getLogger(__name__)


class Runs(Protocol):
    """A controller, or several."""

    async def run(self) -> None:
        """Work until cancelled."""


class Server:
    """The API as one ASGI application.

    Args:
        objects: what is served.
        accounts: the users who can log in, by name.
        logs: where the lines of a pod's container come from.
        usage: gives the PodMetrics of those of some pods that run.
        controllers: run beside the API, as long as it runs.
        audit: where requests are written down.
    """

    def __init__(
        self,
        objects: Objects,
        tokens: Tokens,
        accounts: Mapping[str, Account],
        *,
        logs: Logs = no_logs,
        usage: Usage = no_usage,
        controllers: Iterable[Runs] = (),
        audit: Audit | None = None,
    ) -> None:
        self.objects, self.store, self.rules, self._tokens = objects, objects.store, objects.rules, tokens
        self._authorizer, self._audit = Authorizer(objects.store), audit
        self._handlers = Handlers(objects, tokens, self._authorizer, logs, usage)
        self._oauth = OAuth(tokens, accounts)
        self._controllers = (Collector(objects), expiry.start(objects), *controllers)
        self._documents: dict[str, bytes] = {}

    def app(self) -> Starlette:
        """Return the application; it runs the controllers as long as it runs."""
        return Starlette(routes=[Route("/{path:path}", self._serve, methods=METHODS)], lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._begin()
        tasks = [asyncio.create_task(_run(one)) for one in self._controllers]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def end_watches(self) -> None:
        """End all watches, so that the server can stop."""
        self._handlers.watches.end()

    def _begin(self) -> None:
        """Create the namespaces and roles that every cluster has."""
        for name in FIRST_NAMESPACES:
            if self.store.get(NAMESPACE, "", name) is None:
                body = {"metadata": {"name": name}}
                self.objects.create(Target(NAMESPACE), body, WriteOptions(manager="kube-apiserver"))
        defaults.ensure(self.objects)

    async def _serve(self, request: Request) -> Response:
        answer = self._oauth.answer if request.url.path in OAUTH_PATHS else self._audited
        return await self._told(request, answer(request))

    async def _told(self, request: Request, answer: Awaitable[Response]) -> Response:
        """Return an answer, or the refusal in its place; a fault of ours is logged and told without its details."""
        try:
            return await answer
        except ApiError as error:
            return self._refusal(error)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            return self._fault(request)

    def _fault(self, request: Request) -> Response:
        log.error("%s %s\n%s", request.method, request.url.path, traceback.format_exc())
        message = "an error in the local lab's API server has been logged; please report it"
        return self._refusal(ApiError(500, "InternalError", f"Internal error occurred: {message}", {}))

    async def _audited(self, request: Request) -> Response:
        """Answer a request and write down that it was made."""
        uri = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        entry = Entry(request.method, uri, request.headers.get("user-agent", ""))
        response = await self._told(request, self._identified(request, entry))
        if self._audit and request.url.path not in HEALTH:
            self._audit.write(entry, response.status_code, STARTED if isinstance(response, Stream) else COMPLETE)
        return response

    async def _identified(self, request: Request, entry: Entry) -> Response:
        """Answer whoever shows a token that is known."""
        entry.user = self._tokens.user(request.headers.get("authorization", ""))
        if entry.user is None:
            raise unauthorized()
        entry.acting = self._tokens.impersonated(entry.user, request.headers)
        return await self._answer(request, entry.acting, entry)

    def _refusal(self, error: ApiError) -> Response:
        response = respond(error.status, PLAIN, error.code)
        if error.code == 401:
            response.headers["www-authenticate"] = 'Bearer realm="kubernetes"'
        return response

    async def _answer(self, request: Request, user: User, entry: Entry) -> Response:
        path = request.url.path
        if paths.is_resource(path):
            query = dict(reversed(parse_qsl(request.url.query, keep_blank_values=True)))
            return await self._handlers.answer(request, user, query, entry)
        entry.asked = Asked(request.method.lower(), path=path)
        entry.decision = FORBID
        self._authorizer.check_path(user, entry.asked)
        entry.decision = ALLOW
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        return self._document(request, path.rstrip("/") or "/")

    def _document(self, request: Request, path: str) -> Response:
        """Answer for what is not an object."""
        if path in HEALTH:
            return PlainTextResponse("ok")
        if path == "/openapi/v2":
            return Response(b"", media_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
        if path in ("/api", "/apis") and discovery.wants_aggregated(request.headers.get("accept", "")):
            told = discovery.aggregated(core=path == "/api")
            return self._tagged(request, told, discovery.AGGREGATED)
        told = self._known(request, path)
        if told is None:
            return PlainTextResponse("404 page not found\n", 404)
        return self._tagged(request, told, "application/json")

    def _known(self, request: Request, path: str) -> Any:
        parts = path.strip("/").split("/")
        match parts:
            case ["version"]:
                return discovery.VERSION
            case [""]:
                return {
                    "paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]
                }
            case ["api"]:
                return discovery.api_versions(request.url.netloc)
            case ["apis"]:
                return discovery.group_list()
            case ["api", version]:
                return discovery.resource_list("", version)
            case ["apis", group]:
                return discovery.group(group)
            case ["apis", group, version]:
                return discovery.resource_list(group, version)
            case ["openapi", "v3"]:
                return self._document_text(path, lambda: self.rules.openapi_index())
            case ["openapi", "v3", "api", version]:
                return self._openapi(path, "", version)
            case ["openapi", "v3", "apis", group, version]:
                return self._openapi(path, group, version)
        return None

    def _openapi(self, path: str, group: str, version: str) -> bytes | None:
        if discovery.resource_list(group, version) is None:
            return None
        return self._document_text(path, lambda: self.rules.openapi_document(group, version))

    def _document_text(self, path: str, make: Any) -> bytes:
        """Return a large document's text, made once."""
        if path not in self._documents:
            self._documents[path] = dump(make())
        return self._documents[path]

    def _tagged(self, request: Request, told: Mapping[str, Any] | bytes, media_type: str) -> Response:
        """Return a document with its tag, or only that the client knows it."""
        text = told if isinstance(told, bytes) else dump(told)
        tag = discovery.etag(text)
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return Response(text, media_type=media_type, headers={"etag": tag, "vary": "Accept"})


async def _run(controller: Runs) -> None:
    """Run a controller; one that breaks is told about, and the API goes on."""
    try:
        await controller.run()
    except Exception:
        log.exception("%s has ended: a bug", type(controller).__name__)
