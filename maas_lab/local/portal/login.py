"""Log in through the cluster: the portal never sees a password."""

from __future__ import annotations

import hmac
import re
import secrets
import ssl
import time
from typing import Any
from urllib.parse import urlencode

import httpx

from maas_lab.local.portal.calls import LOGGED_IN, PUBLIC, Answer, Call, Rule
from maas_lab.local.portal.configuration import Configuration
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.limiter import Limiter
from maas_lab.local.portal.refusals import Refused, forbidden, unauthorized, unavailable
from maas_lab.local.portal.sessions import Sessions

STATE_S = 600
FAILURES, FAILURES_S = 30, 60
COOKIE = "litemaas_login"
SCOPE = "user:info user:check-access"
_BOUND = re.compile(r"[A-Za-z0-9_-]{43}")
ROLES = {
    "litemaas-admins": "admin",
    "administrators": "admin",
    "litemaas-readonly": "admin-readonly",
    "viewers": "admin-readonly",
}


class States:
    """Marks logins, so that only what has begun here ends here, once and in time.

    A mark is signed and not stored: beginning a thousand logins costs nobody anything.

    Args:
        secret: signs them.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._used: dict[str, float] = {}

    def begin(self, bound: str = "") -> str:
        """Return a new mark; with what a browser's cookie holds, it ends only in that browser."""
        text = f"{int(time.time()) + STATE_S}-{secrets.token_hex(16)}-{'b' if bound else 'p'}"
        return f"{text}-{self._sign(text, bound)}"

    def end(self, state: str, cookie: str) -> bool:
        """Return whether a mark is ours and still good; it is not a second time."""
        text, _, signature = state.rpartition("-")
        expected = self._sign(text, cookie if text.endswith("b") else "")
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return False
        expires = text.partition("-")[0]
        self._used = {one: until for one, until in self._used.items() if until > time.time()}
        if text in self._used or int(expires) < time.time():
            return False
        self._used[text] = float(expires)
        return True

    def _sign(self, text: str, bound: str) -> str:
        return hmac.new(self._secret, f"state:{text}:{bound}".encode(), "sha256").hexdigest()


class Login:
    """Sends people to the cluster's login and takes them back."""

    def __init__(self, chosen: Configuration, database: Database, sessions: Sessions) -> None:
        self._chosen, self._database, self._sessions = chosen, database, sessions
        context = ssl.create_default_context(cafile=chosen.authority)
        self._http = httpx.AsyncClient(verify=context, timeout=10, trust_env=False)
        self._states = States(chosen.secret)
        self._failures = Limiter(FAILURES, FAILURES_S, "failed logins")

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("POST", "/api/auth/login", PUBLIC, self.begin),
            Rule("GET", "/api/auth/callback", PUBLIC, self.end),
            Rule("GET", "/api/v1/auth/me", LOGGED_IN, self.me),
        ]

    async def begin(self, call: Call) -> Answer:
        """Tell where to log in. Nothing of the request decides where people come back to."""
        bound = ""
        if "sec-fetch-site" in call.headers:  # what no program sends and every browser does
            known = call.cookies.get(COOKIE, "")  # the same for all logins of a browser: they do not undo each other
            bound = known if _BOUND.fullmatch(known) else secrets.token_urlsafe(32)
        asked = {
            "response_type": "code",
            "client_id": self._chosen.client_id,
            "redirect_uri": self._chosen.callback,
            "scope": SCOPE,
            "state": self._states.begin(bound),
        }
        told = {"authUrl": f"{self._chosen.issuer}/oauth/authorize?{urlencode(asked)}"}
        # No Path: it is that of this answer as the browser sees it, below whatever path a proxy has put before ours.
        kept = f"{COOKIE}={bound}; HttpOnly; SameSite=Lax; Max-Age={STATE_S}"
        return Answer(told, headers={"set-cookie": kept} if bound else {})

    async def end(self, call: Call) -> Answer:
        """Take somebody back from the cluster's login and begin a session; it is told only in the fragment."""
        code, state = call.query.get("code", ""), call.query.get("state", "")
        if not code or not self._states.end(state, call.cookies.get(COOKIE, "")):
            raise self._failure("This login has not begun here, is over, or took too long; begin again")
        user = await self._stored(await self._who(await self._token(code)))
        call.target = user["username"]
        if not user["is_active"]:
            raise forbidden("This account is locked", "Ask an administrator")
        told = urlencode({"token": self._sessions.begin(user), "expires_in": self._sessions.lifetime_s})
        return Answer(status=302, headers={"location": f"/auth/callback#{told}"})

    async def me(self, call: Call) -> dict[str, Any]:
        """Tell who is logged in."""
        who = call.who
        told = {"username": who.username, "email": who.email, "name": who.full_name, "roles": list(who.roles)}
        return {"id": str(who.id), **told}

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _token(self, code: str) -> str:
        """Exchange a code for a token of the cluster's."""
        chosen = self._chosen
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": chosen.callback,
            "client_id": chosen.client_id,
            "client_secret": chosen.client_secret,
        }
        told = await self._ask("POST", f"{chosen.issuer}/oauth/token", data=form)
        return told["access_token"]

    async def _who(self, token: str) -> dict[str, Any]:
        url = f"{self._chosen.cluster}/apis/user.openshift.io/v1/users/~"
        return await self._ask("GET", url, headers={"Authorization": f"Bearer {token}"})

    async def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise unavailable("the cluster's login") from error
        if not response.is_success:
            raise self._failure("The cluster does not confirm this login; begin again")
        return response.json()

    async def _stored(self, told: dict[str, Any]) -> Row:
        """Return the user's row, made at the first login and brought up to date at each."""
        name = told["metadata"]["name"]
        roles = roles_of(told.get("groups") or ())
        statement = """
            insert into users (oauth_id, username, email, full_name, roles) values ($1, $2, $2, $3, $4)
            on conflict (oauth_id) do update
            set username = $2, email = $2, full_name = $3, roles = $4, last_login_at = now() returning *"""
        values = (told["metadata"].get("uid") or name, name, told.get("fullName") or name, roles)
        row = await self._database.row(statement, *values)
        assert row is not None
        return row

    def _failure(self, message: str) -> Refused:
        """Return the refusal of a login; whoever tries many out is told less, and disturbs nobody else."""
        try:
            self._failures.check("everybody")
        except Refused as too_many:
            return too_many
        return unauthorized(message)


def roles_of(groups: list[str] | tuple[str, ...]) -> list[str]:
    """Return the roles that the cluster's groups stand for; everybody is a user."""
    return ["user", *sorted({ROLES[group] for group in groups if group in ROLES})]
