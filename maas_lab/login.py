"""Log in at the portal as a browser does: by the cluster's OAuth server, with a name and a password.

The portal names the OAuth server, the server asks for name and password and answers with a code, the portal takes the
code and answers with a token, behind the `#` of an address that only a browser's own page reads.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx

from maas_lab.errors import InvalidRequest, LoginFailed, SessionExpired, UsageError
from maas_lab.keys import ApiKey
from maas_lab.portal_refusals import portal_unreachable
from maas_lab.portal_rest import USER_AGENT, PortalRest
from maas_lab.refusals import plain
from maas_lab.rest import is_loopback

CALLBACK = "/api/auth/callback"
_PASTE = (
    "log in at the portal in a browser, copy the token after `Authorization: Bearer` from a request in its network "
    "tools, then: `portal = Portal(url, token)`"
)


def token_of(pasted: ApiKey | str) -> ApiKey:
    """Return the token in what somebody pasted: a token, a whole header, or an address that ends in `#token=...`.

    Raises:
        UsageError: there is none in it.
    """
    if isinstance(pasted, ApiKey):
        return pasted
    text = str(pasted).strip()
    if "#" in text:
        text = parse_qs(urlsplit(text).fragment).get("token", [""])[0]
    bare = re.sub(r"^(Authorization:\s*)?Bearer\s+", "", text, flags=re.IGNORECASE)
    try:
        return ApiKey(bare, "portal token")
    except UsageError as error:
        raise UsageError("this is not a token of the portal", "a token has no spaces and no quotes", _PASTE) from error


def log_in(portal: PortalRest, user: str, password: str, oauth: httpx.Client) -> ApiKey:
    """Return a token for a user.

    Args:
        portal: the portal, without a token.
        user: the name at the cluster.
        password: theirs; it goes to the cluster's OAuth server, never to the portal.
        oauth: for calls to the OAuth server; it must not follow redirects.

    Raises:
        LoginFailed: the name and password are wrong, or the server wants a browser.
        PortalError: the portal refused, failed, or did not answer.
    """
    asked = begin(portal)
    code = _code(_authorize(oauth, asked, user, password), asked.params.get("state", ""))
    try:
        # To the portal's own address, whatever the answer says: a code opens what a password opens.
        done = portal.once("GET", CALLBACK, params={"code": code, "state": asked.params.get("state", "")})
    except (InvalidRequest, SessionExpired) as error:
        why = error.why if isinstance(error, InvalidRequest) else "the login began elsewhere, or took too long"
        raise LoginFailed("the portal did not finish the login", why, "log in again") from error
    fragment = parse_qs(urlsplit(done.headers.get("location", "")).fragment)
    if "token" not in fragment:
        raise LoginFailed("the portal finished the login without a token", plain(_told(fragment)), _PASTE)
    return ApiKey(fragment["token"][0], f"portal token of {user}")


def begin(portal: PortalRest) -> httpx.URL:
    """Begin a login, and return the address at which the OAuth server asks for name and password.

    Args:
        portal: the portal, without a token.

    Raises:
        LoginFailed: the portal names no such address.
        PortalError: the portal refused, failed, or did not answer.
    """
    # The portal makes the callback's address of the origin that a browser sends.
    origin = str(httpx.URL(portal.url).copy_with(raw_path=b"/")).rstrip("/")
    started = portal.once("POST", "/api/auth/login", headers={"Origin": origin})
    try:
        return httpx.URL(started.json()["authUrl"])
    except (ValueError, KeyError, TypeError, httpx.InvalidURL) as error:
        hint = "check the address; `./lab status` shows the portal's"
        raise LoginFailed("the portal does not say where to log in", "its answer has no address", hint) from error


def _authorize(oauth: httpx.Client, asked: httpx.URL, user: str, password: str) -> dict[str, list[str]]:
    """Ask the OAuth server for a code; return what it gives the callback."""
    if asked.scheme != "https" and not is_loopback(asked):
        what = "the portal would send your password unencrypted"
        raise LoginFailed(what, "the address for logging in is not https", "tell whoever runs the portal")
    # OpenShift asks for a name and a password only where this header shows that no web page is behind the call.
    headers = {"X-CSRF-Token": "1", "User-Agent": USER_AGENT}
    try:
        answer = oauth.get(asked, headers=headers)
        if answer.status_code == 401 and "basic" in answer.headers.get("www-authenticate", "").lower():
            answer = oauth.get(asked, headers=headers, auth=httpx.BasicAuth(user, password))
            if answer.status_code in (401, 403):
                hint = f"check both; of a user of the local lab: `./lab password {user}`"
                raise LoginFailed(f"the cluster does not let `{user}` in", "name or password is wrong", hint)
    except httpx.TimeoutException as error:
        raise portal_unreachable(error, timed_out=True, who="the OAuth server") from error
    except httpx.HTTPError as error:
        raise portal_unreachable(error, who="the OAuth server") from error
    location = urlsplit(answer.headers.get("location", ""))
    if not answer.is_redirect or not location.path.endswith(CALLBACK):
        why = "its OAuth server shows a page instead of asking for name and password"
        if answer.status_code in (400, 404) or answer.status_code >= 500:
            why = f"its OAuth server answers with HTTP {answer.status_code}"
        raise LoginFailed("this cluster lets nobody in by name and password", why, _PASTE)
    return parse_qs(location.query)


def _code(told: dict[str, list[str]], state: str) -> str:
    """Take the code out of the OAuth server's answer, if that belongs to this login."""
    if "error" in told:
        raise LoginFailed("the cluster refused the login", plain(_told(told)), _PASTE)
    if told.get("state", [""])[0] != state or "code" not in told:
        raise LoginFailed("the answer of the OAuth server is not for this login", "its state differs", "log in again")
    return told["code"][0]


def _told(told: dict[str, list[str]]) -> str:
    return (told.get("error_description") or told.get("error") or [""])[0]
