"""Log people in as OpenShift does: the three endpoints that a portal needs, for the lab's own users."""

from __future__ import annotations

import base64
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from maas_lab.local.kube import bodies, login_form
from maas_lab.local.kube.accounts import Account
from maas_lab.local.kube.tokens import Tokens
from maas_lab.local.kube.users import User

CODE_S = 60
TOKEN_S = 86400
MOST_FAILURES, FAILURES_S = 20, 60
SCOPE = "user:info user:check-access"
PATHS = ("/.well-known/oauth-authorization-server", "/oauth/authorize", "/oauth/token")
# Browsers and Python differ about user names, backslashes and blanks in an address: none may be there.
_ADDRESS = re.compile(r'https?://[a-z0-9.:\[\]]+(?:[/?][!"$-\[\]-~]*)?')
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grant:
    """What a code stands for until it is exchanged."""

    user: User
    redirect: str
    client: str
    expires: float


class OAuth:
    """Gives out codes for passwords, and tokens for codes.

    Args:
        accounts: who can log in, by name.
    """

    def __init__(self, tokens: Tokens, accounts: Mapping[str, Account]) -> None:
        self._tokens, self._accounts = tokens, accounts
        self._grants: dict[str, Grant] = {}
        self._failed: dict[str, list[float]] = {}  # by the names of accounts: nobody fills it with names of their own

    async def answer(self, request: Request) -> Response:
        """Answer a request for one of the endpoints."""
        path = request.url.path
        if path == PATHS[1] and request.method == "GET":
            return self._authorize(request)
        if path == PATHS[1] and request.method == "POST":
            return await self._submitted(request)
        if path == PATHS[2] and request.method == "POST":
            return await self._token(request)
        if path == PATHS[0] and request.method == "GET":
            return JSONResponse(_metadata(f"https://{request.url.netloc}"))
        return JSONResponse({"error": "invalid_request"}, 405)

    def _authorize(self, request: Request) -> Response:
        """Ask whoever comes for name and password: people by a page, programs by a challenge."""
        by_page = login_form.is_for_people(request)
        if told := _misled(request.query_params):
            body = {"error": "invalid_request", "error_description": told}
            return login_form.refused(told) if by_page else JSONResponse(body, 400)
        if by_page:
            return login_form.page(request)
        name, password = _credentials(request.headers.get("authorization", ""))
        if self._is_guessed(name):
            body = {
                "error": "access_denied",
                "error_description": f"too many wrong passwords for {name}; wait a minute",
            }
            return JSONResponse(body, 429, {"retry-after": str(FAILURES_S)})
        user = self._logged_in(name, password)
        if user is None:
            return JSONResponse({"error": "access_denied"}, 401, {"www-authenticate": 'Basic realm="openshift"'})
        return self._granted(request.query_params, user)

    async def _submitted(self, request: Request) -> Response:
        """Take the page's form."""
        if told := _misled(request.query_params):
            return login_form.refused(told)
        form = await _form(request)
        if not login_form.is_own(request, form):
            return login_form.page(request, 403, "The form was too old, or came from another page. Please try again.")
        name = form.get("name", "")
        if self._is_guessed(name):
            answer = login_form.page(request, 429, "Too many wrong passwords for this name. Wait a minute.", name)
            answer.headers["retry-after"] = str(FAILURES_S)
            return answer
        user = self._logged_in(name, form.get("password", ""))
        if user is None:
            return login_form.page(request, 401, "Name or password is wrong.", name)
        return self._granted(request.query_params, user)

    def _granted(self, query: Mapping[str, str], user: User) -> Response:
        """Send somebody back with a code."""
        self._grants = {code: grant for code, grant in self._grants.items() if grant.expires > time.time()}
        code, redirect = secrets.token_urlsafe(24), query["redirect_uri"]
        self._grants[code] = Grant(user, redirect, query.get("client_id", ""), time.time() + CODE_S)
        told = {"code": code, **({"state": query["state"]} if "state" in query else {})}
        separator = "&" if urlsplit(redirect).query else "?"
        headers = {"location": f"{redirect}{separator}{urlencode(told)}", "cache-control": "no-store"}
        return Response(status_code=302, headers=headers)

    async def _token(self, request: Request) -> Response:
        form = await _form(request)
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None or grant.expires < time.time() or form.get("redirect_uri", grant.redirect) != grant.redirect:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if form.get("client_id", grant.client) != grant.client:
            return JSONResponse({"error": "invalid_client"}, 401)
        token = self._tokens.for_user(grant.user, TOKEN_S)
        told = {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S, "scope": SCOPE}
        return JSONResponse(told, headers={"cache-control": "no-store"})

    def _logged_in(self, name: str, password: str) -> User | None:
        """Return whose name and password these are, None if they do not belong together."""
        account = self._accounts.get(name)
        fits = (account or Account(User(name), secrets.token_hex(16))).opens(password)
        if account and not fits:
            self._failed.setdefault(name, []).append(time.time())
            log.warning("a wrong password for %s", name)
        return account.user if account and fits else None

    def _is_guessed(self, name: str) -> bool:
        """Tell whether somebody tries out passwords of a user, who cannot log in either for a while."""
        recent = [moment for moment in self._failed.get(name, ()) if moment > time.time() - FAILURES_S]
        if name in self._failed:
            self._failed[name] = recent
        return len(recent) >= MOST_FAILURES


def _credentials(authorization: str) -> tuple[str, str]:
    """Return the name and the password that a header carries, empty ones where it carries none."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (name, password) if scheme.lower() == "basic" else ("", "")


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form that a request carries."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        bodies.check_size(body)
    return dict(parse_qsl(body.decode(errors="replace")))


def _misled(query: Mapping[str, str]) -> str:
    """Return what is wrong with where a login comes from and leads to; empty if nothing is."""
    if query.get("response_type") == "code" and _is_ours(query.get("redirect_uri", "")):
        return ""
    return "response_type must be code, and redirect_uri an address on this machine"


def _is_ours(redirect: str) -> bool:
    """Tell whether an address is on this machine, to everybody who reads it: codes go nowhere else."""
    if not _ADDRESS.fullmatch(redirect):
        return False
    try:
        parts = urlsplit(redirect)
        host = parts.hostname or ""
        return parts.port != 0 and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def _metadata(issuer: str) -> dict[str, object]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}{PATHS[1]}",
        "token_endpoint": f"{issuer}{PATHS[2]}",
        "scopes_supported": ["user:check-access", "user:full", "user:info"],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": [],
    }
