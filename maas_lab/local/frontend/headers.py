"""Which headers go on to the programs behind, and which come back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

SESSION = "X-Portal-Session"
# Between two neighbours only (RFC 9110, 7.6.1); the body's framing is made anew for the next one.
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
    *("transfer-encoding", "upgrade", "expect"),
}
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class BadSession(Exception):
    """What stands in `X-Portal-Session` is no token."""


def onward(request: web.Request, *, cookie: str, login: bool) -> CIMultiDict[str]:
    """Return the headers of a request for the program behind.

    Args:
        request: as it came.
        cookie: the one that the program has set itself; a workbench's own are none of its business.
        login: for the cluster's login. It is for people at a page, who have shown nothing yet: what a proxy on the
            way has put into `Authorization` does not log anybody in.

    Raises:
        BadSession: the session cannot be a token.
    """
    headers = _without(request.headers, {"host", "content-length", "cookie", SESSION.lower(), "forwarded"})
    headers["Host"] = request.host
    headers["X-Forwarded-For"] = ", ".join([*request.headers.getall("X-Forwarded-For", ()), request.remote or ""])
    headers.setdefault("X-Forwarded-Proto", request.scheme)
    headers.setdefault("X-Forwarded-Host", request.host)
    if login:
        headers.popall("Authorization", None)
        headers.popall("X-CSRF-Token", None)
    elif session := request.headers.get(SESSION):
        if not _TOKEN.fullmatch(session):
            raise BadSession
        headers["Authorization"] = f"Bearer {session}"
    if value := _cookie(request.headers.getall("Cookie", ()), cookie):
        headers["Cookie"] = f"{cookie}={value}"
    return headers


def back(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the headers of an answer for whoever asked."""
    return _without(headers, {"date"})


def _without(headers: CIMultiDictProxy[str], names: Iterable[str]) -> CIMultiDict[str]:
    named = {one.strip().lower() for told in headers.getall("Connection", ()) for one in told.split(",")}
    left = HOP_BY_HOP | named | set(names)
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in left)


def _cookie(told: Iterable[str], name: str) -> str:
    """Return a cookie's value, empty if it is not there."""
    for pair in ";".join(told).split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""
