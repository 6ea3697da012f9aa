"""One place that turns an HTTP answer of the portal into a typed error.

LiteMaaS answers with several shapes of errors, one of them (`[object Object]`) without a word, and status codes that
differ between releases. So the code and the words in the body decide first, where there are any, then the status.
Messages are the same in every run: no ids, no keys, no tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from maas_lab.errors import (
    AlreadyExists,
    InvalidRequest,
    NoSuchEntry,
    NotSubscribed,
    OverMaximum,
    PortalBusy,
    PortalError,
    PortalUnreachable,
    RoleMissing,
    SessionExpired,
)
from maas_lab.refusals import STATUS, plain, retry_after, unanswered

LOG_IN = "log in again: `portal = Portal.login(url, user, password)`"
_WORDLESS = "[object Object]"  # what LiteMaaS makes of its own error objects on some paths
_BEHIND = (502, 503, 504)


class _Answer(NamedTuple):
    """What of a refusal tells its kind."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any]
    retry_after: float | None

    def to(self, kind: type[PortalError], what: str, why: str = "", hint: str = "") -> PortalError:
        """Make the typed error."""
        return kind(what, why, hint, status=self.status, code=self.code, retry_after=self.retry_after)

    @property
    def suggestion(self) -> str:
        """What the portal itself proposes; empty when nothing."""
        return plain(self.details.get("suggestion"))


def portal_refusal(status: int, body: str | bytes | Mapping[str, Any], headers: Mapping[str, str]) -> PortalError:
    """Return the typed error for an answer of the portal that is not a success.

    Args:
        status: the HTTP status code.
        body: the answer's body as it came, or as parsed JSON.
        headers: the answer's headers; upper and lower case do not matter.

    Returns:
        The error, to be raised by the caller; `what` and `why` are the same in every run.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    error, after = _error(body), retry_after(lower)
    if error is None:
        return _foreign(_Answer(status, "", "", {}, after), lower.get("content-type", ""))
    details = error.get("details")
    told = plain(error.get("message"))
    answer = _Answer(status, str(error.get("code") or ""), told, details if isinstance(details, Mapping) else {}, after)
    for classify in (_busy, _subscription, _maximum, _existing, _who, _missing, _request):
        if found := classify(answer):
            return found
    hint = "call again in a moment; `./lab status` shows what runs"
    return answer.to(PortalError, f"the portal failed (HTTP {status})", told, hint)


def portal_unreachable(cause: object, timed_out: bool = False, who: str = "the portal") -> PortalUnreachable:
    """Return the error for a call that got no answer at all.

    Args:
        cause: what the HTTP client said.
        timed_out: it was too slow; otherwise the connection failed.
        who: did not answer.
    """
    return unanswered(PortalUnreachable, who, cause, STATUS if timed_out else "")


def _error(body: str | bytes | Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the error object in a body; None when it is not JSON, or not as LiteMaaS makes it."""
    try:
        told = json.loads(body) if isinstance(body, str | bytes) else body
    except ValueError:
        return None
    if not isinstance(told, Mapping):
        return None
    error = told.get("error")
    if isinstance(error, Mapping):
        return error
    if isinstance(error, str):
        # Fastify's own errors have their words in `message`; `error` is the name of the status.
        words = told.get("message") or ("" if error == _WORDLESS else error)
        return {**told, "message": words}
    return told if "message" in told else None


def _busy(answer: _Answer) -> PortalError | None:
    if answer.status != 429 and answer.code not in ("RATE_LIMITED", "RATE_LIMIT_EXCEEDED"):
        return None
    seconds = answer.retry_after
    hint = f"wait {seconds:g} s, then call again" if seconds else "wait a minute, then call again"
    return answer.to(PortalBusy, "too many calls to the portal in this minute", answer.message, hint)


def _subscription(answer: _Answer) -> PortalError | None:
    if "active subscription" not in answer.message or answer.status not in (400, 403, 422):
        return None
    value = answer.details.get("value")
    names = ", ".join(f"`{name}`" for name in value) if isinstance(value, list) and value else "a model of this key"
    what = f"you have no active subscription to {names}"
    hint = f"portal.subscribe({value[0]!r})" if isinstance(value, list) and value else "portal.subscribe(model)"
    return answer.to(NotSubscribed, what, "a key opens only models that its owner has subscribed to", hint)


def _maximum(answer: _Answer) -> PortalError | None:
    text = answer.message
    if answer.status >= 500 or not re.search(r"maximum|limits? exceeded|at most", text, re.IGNORECASE):
        return None
    if found := re.findall(r"(\w+): (\S+) exceeds maximum (\d+(?:\.\d+)?)", text):
        why = "; ".join(f"{name} is at most {most}, not {given}" for name, given, most in found)
        hint = "ask for less, or ask an administrator to raise the maximum: portal.admin.set_key_maximums(...)"
        return answer.to(OverMaximum, "a limit of this key is above the portal's maximum", why, hint)
    if re.search(r"\bkeys?\b", text, re.IGNORECASE):
        hint = "portal.keys() shows them; delete one: portal.delete_key(name)"
        return answer.to(OverMaximum, "you have as many keys as the portal allows", text, hint)
    return None


def _existing(answer: _Answer) -> PortalError | None:
    if answer.status != 409 and answer.code != "ALREADY_EXISTS":
        return None
    hint = answer.suggestion or "use the one that is there, or choose another name"
    return answer.to(AlreadyExists, "it is there already", answer.message, hint)


def _who(answer: _Answer) -> PortalError | None:
    if answer.status == 401 or answer.code == "UNAUTHORIZED":
        why = "it has expired (after 24 h), was mistyped, or another portal made it"
        return answer.to(SessionExpired, "the portal does not know this token", why, LOG_IN)
    if answer.status != 403 and answer.code != "FORBIDDEN":
        return None
    if re.search(r"inactive|expired", answer.message):
        hint = "portal.keys() shows its state; create a new one: portal.create_key(name, models=[...])"
        return answer.to(RoleMissing, "this key cannot be shown", answer.message, hint)
    hint = "`portal.me` shows your roles; ask whoever runs the portal for the role"
    return answer.to(RoleMissing, "your role does not allow this", answer.message, hint)


def _missing(answer: _Answer) -> PortalError | None:
    if answer.status not in (404, 405) and answer.code != "NOT_FOUND":
        return None
    hint = "look at what is there: portal.models(), portal.keys(), portal.subscriptions()"
    return answer.to(NoSuchEntry, "the portal has nothing of this name or id", answer.message, hint)


def _request(answer: _Answer) -> PortalError | None:
    if answer.status not in (400, 413, 422):
        return None
    field = plain(answer.details.get("field"))
    what = "the portal does not accept this request" + (f": `{field}` is wrong" if field else "")
    return answer.to(InvalidRequest, what, answer.message, answer.suggestion or "correct the request")


def _foreign(answer: _Answer, content: str) -> PortalError:
    if answer.status in _BEHIND:
        return answer.to(PortalUnreachable, "no portal runs behind this address", f"HTTP {answer.status}", STATUS)
    if busy := _busy(answer):
        return busy
    make = "a web page" if content.startswith("text/html") else "not JSON"
    what = f"the answer (HTTP {answer.status}) is {make}: it is not the portal's"
    why = "a proxy, a login page or an empty route stands in front of it, or this address is not a portal's"
    return answer.to(PortalError, what, why, "check the address; `./lab status` shows the portal's")
