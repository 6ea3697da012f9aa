"""One place that turns an HTTP answer of the gateway into a typed error.

LiteLLM changes status codes between releases (a spent budget was 400, 422 and 429), so the type in the body
decides first, then the status. Messages are the same in every run: no ids, no hashes, no sums of money.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from maas_lab import network
from maas_lab.errors import (
    BadRequest,
    BudgetExceeded,
    GatewayError,
    GatewayUnreachable,
    InvalidKey,
    LabError,
    ModelNotAllowed,
    RateLimited,
)

E = TypeVar("E", bound=LabError)

# How a call can end, in the order in which charts and tables show it.
OUTCOMES = ("answered", "rate limited", "budget exceeded", "refused", "failed", "unreachable")

NO_MODELS = "LLM Model List not loaded in"  # LiteLLM without a configuration file, before its first model: a 500
# The way out for who lacks the gateway's administration key: learners of a class do on purpose.
ON_THEIR_OWN = "on a lab of your own it is there: `unset MAAS_LAB_KUBECONFIG && ./lab up`"
IN_CLASS = f"in a class ask your instructor for `./lab class create N --accountants`; {ON_THEIR_OWN}"
BEHIND = "the model server refuses the key that the gateway sends"
STATUS = "`./lab status` shows what runs, `./lab up` starts the lab"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SECRETS = r"sk-[\w.…-]+|ltm_admin_\w+|sha256~[\w-]+|eyJ[\w.-]+"
_SECRETS_AND_IDS = re.compile(rf"{SECRETS}|chatcmpl-\w+|{UUID}|[0-9a-f]{{32,}}")
_TOO_LONG = re.compile(r"exceed.*context|context.*(length|window|exceed)|maximum context", re.IGNORECASE)
_OWNERS = {"user": "the user of this key", "team": "the team of this key"}
_ALLOWED = {"user": "the user of this key is allowed", "team": "the team of this key is allowed"}
# LiteLLM passes on what the model server has said, under its own name for it.
_PASSED_ON = re.compile(r"litellm\.\w+: \w+: \w+Exception - ")
_UNKNOWN = (
    r"Invalid model name passed in model=(\S+?)\.? ",
    r"You passed in model=(\S+?)\. There (?:are no healthy deployments|is no 'model_name')",  # it was there once
)
_UNITS = {"requests": "request", "tokens": "token", "max_parallel_requests": "call"}
_NAMED = {RateLimited: "rate limited", BudgetExceeded: "budget exceeded", GatewayUnreachable: "unreachable"}


class _Answer(NamedTuple):
    """What of a refusal tells its kind."""

    status: int
    type: str
    message: str
    headers: Mapping[str, str]
    is_passed_on: bool = False

    def to(self, kind: type[GatewayError], what: str, why: str = "", hint: str = "") -> GatewayError:
        """Make the typed error."""
        after = retry_after(self.headers)
        return kind(what, why, hint, status=self.status, type=self.type or None, retry_after=after)


def refusal(status: int, body: str | bytes | Mapping[str, Any], headers: Mapping[str, str]) -> GatewayError:
    """Return the typed error for an answer of the gateway that is not a success.

    Args:
        status: the HTTP status code.
        body: the answer's body as it came, or as parsed JSON.
        headers: the answer's headers; upper and lower case do not matter.

    Returns:
        The error, to be raised by the caller; `what` and `why` are the same in every run.
    """
    error = _error(body)
    lower = {name.lower(): value for name, value in headers.items()}
    if error is None:
        return _foreign(_Answer(status, "", "", lower))
    kind = "" if error.get("type") in (None, "None") else str(error["type"])
    said = error.get("message")
    answer = _Answer(status, kind, _plain(said), lower, bool(_PASSED_ON.match(str(said or ""))))
    for classify in (_budget, _edition, _behind, _model, _key, _rate, _request):
        if found := classify(answer):
            return found
    return _failure(answer)


def unreachable(cause: object, timed_out: bool = False) -> GatewayUnreachable:
    """Return the error for a call that got no answer at all.

    Args:
        cause: what the HTTP client said.
        timed_out: the gateway was too slow; otherwise the connection failed.
    """
    slow = "ask for fewer tokens or with fewer calls at once; `./lab status` shows what runs"
    return unanswered(GatewayUnreachable, "the gateway", cause, slow if timed_out else "")


def unanswered(kind: type[E], who: str, cause: object, slow: str) -> E:
    """Return the error for a call to any service that got no answer at all.

    Args:
        kind: of the error.
        who: did not answer.
        cause: what the HTTP client said.
        slow: what to do about a service that is too slow; empty when the connection failed.
    """
    if slow:
        return kind(f"{who} did not answer in time", "it is busy, or it hangs", slow)
    why = re.sub(r"^\[[^]]*\]\s*", "", plain(cause)) or "the connection failed"
    hint = STATUS
    if "CERTIFICATE_VERIFY_FAILED" in str(cause):
        hint = network.authority_hint()
    return kind(f"nothing answers at {who}'s address", why, hint)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, None when it does not say; names are in small letters."""
    wait = headers.get("retry-after", "")
    return float(wait) if re.fullmatch(r"\d+(\.\d+)?", wait) else None


def plain(message: object) -> str:
    """Take ids, keys and tokens off a message, and all but its first line."""
    return _SECRETS_AND_IDS.sub("…", str(message or "").split("\n")[0])[:300].strip()


def outcome(error: GatewayError) -> str:
    """Return which of `OUTCOMES` an error is."""
    # A plain GatewayError is nobody's refusal: something behind the gateway's door broke.
    return _NAMED.get(type(error), "failed" if type(error) is GatewayError else "refused")


def _error(body: str | bytes | Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the error object in a body; None when it is not JSON, or not as LiteLLM makes it."""
    try:
        found = json.loads(body) if isinstance(body, str | bytes) else body
    except ValueError:
        return None
    if isinstance(found, Mapping):
        found = found.get("error") or found.get("detail") or found
    # LiteLLM's Enterprise reports: {"detail": {"error": ...}}
    if isinstance(found, Mapping) and "error" in found:
        found = found["error"]
    # FastAPI's validation: one entry per wrong field
    if isinstance(found, list) and found:
        found = "; ".join(f"{entry['loc'][-1]}: {entry['msg']}" for entry in found if "loc" in entry)
    if isinstance(found, str):
        return {"message": found}
    return found if isinstance(found, Mapping) and "message" in found else None


def _plain(message: object) -> str:
    """Take LiteLLM's packaging off a message, too."""
    text = str(message or "").split(" Received Model Group=")[0].split("\n")[0]
    text = re.sub(r"^(\d{3}: )?\{'error': [\"'](.*)[\"']\}$", r"\2", text)
    return plain(re.sub(r"^litellm\.\w+: (\w+: )?(\w+Exception - )?", "", text))


def _budget(answer: _Answer) -> GatewayError | None:
    if answer.type != "budget_exceeded":
        return None
    who = next((text for name, text in _OWNERS.items() if f"{name.title()}=" in answer.message), "this key")
    why = "the gateway refuses every call from the one that crossed the line"
    hint = "don't retry: have the budget raised, or wait until it is renewed"
    return answer.to(BudgetExceeded, f"{who} has spent its budget", why, hint)


def _edition(answer: _Answer) -> GatewayError | None:
    if "Enterprise" not in answer.message:
        return None
    return answer.to(GatewayError, "this is a feature of LiteLLM Enterprise", "", "leave that option out")


def _behind(answer: _Answer) -> GatewayError | None:
    if not answer.is_passed_on or answer.status not in (401, 403):
        return None
    hint = "give the gateway the key that its server wants: `gateway.register_model(...)` replaces it"
    return answer.to(GatewayError, BEHIND, f"it says: {answer.message}", hint)


def _model(answer: _Answer) -> GatewayError | None:
    hint = "`client.models.list()` shows the models that this key opens"
    if answer.type.endswith("_model_access_denied"):
        asked = re.search(r"Tried to access (\S+)|model '([^']+)'", answer.message)
        name = f"the model `{asked[1] or asked[2]}`" if asked else "this model"
        opens = re.search(r"models=\[(.*?)\]", answer.message)
        why = "it opens: " + opens[1].replace("'", "") if opens else "it was not made for it, or there is none"
        return answer.to(ModelNotAllowed, f"this key does not open {name}", why, hint)
    if asked := next((found for one in _UNKNOWN if (found := re.search(one, answer.message))), None):
        return answer.to(ModelNotAllowed, f"the gateway has no model `{asked[1]}`", "", hint)
    if answer.status == 404 and re.search(r"\bmodel\b.*not (exist|found)|^Error code: 404", answer.message):
        hint = "compare `served` and `api_base` in gateway.models() with what the model server serves"
        return answer.to(ModelNotAllowed, "the model server does not serve this model", answer.message, hint)
    return None


def _key(answer: _Answer) -> GatewayError | None:
    text = answer.message
    if answer.type == "expired_key":
        return answer.to(InvalidKey, "this key has expired", "its time was limited", "create a new key")
    missing = answer.status == 404 and re.search(r"\bkeys? (not )?found", text, re.IGNORECASE)
    if answer.status not in (401, 403) and not missing:
        return None
    if "blocked" in text:
        return answer.to(InvalidKey, "this key is blocked", "", "ask whoever runs the gateway to unblock it")
    if "No api key passed" in text:
        return answer.to(InvalidKey, "no key was sent", "", "send the header `Authorization: Bearer <key>`")
    if "proxy admin" in text or "not authorized to access" in text:
        why = "keys, limits and everybody's calls are for the gateway's administrator"
        return answer.to(InvalidKey, "this key may not manage the gateway", why, IN_CLASS)
    if "not allowed to call this route" in text:
        why = "administering the gateway, and reading what was spent, need its administrator's key"
        hint = f"the portal shows what you spend; for more, {IN_CLASS}"
        return answer.to(InvalidKey, "this key calls models, and does no more", why, hint)
    why, hint = (
        "it was mistyped or revoked, or another gateway made it",
        "copy the key again, or create a new one",
    )
    return answer.to(InvalidKey, "the gateway does not know this key", why, hint)


def _rate(answer: _Answer) -> GatewayError | None:
    if answer.status != 429:
        return None
    if "No deployments available" in answer.message:
        hint = "wait a few seconds and call again; `./lab status` shows what runs"
        return answer.to(GatewayError, "no server of this model is ready", "they failed a moment ago", hint)
    after = answer.headers.get("retry-after")
    hint = f"wait {after} s, then call again" if after else "wait a few seconds, then call again, slower"
    if answer.headers.get("rate_limit_type") == "max_parallel_requests":
        hint = "wait for an answer before you send the next call"
    return answer.to(RateLimited, _limit(answer), "", hint)


def _limit(answer: _Answer) -> str:
    kind = answer.headers.get("rate_limit_type", "")
    found = re.search(r"Current limit: (\d+)", answer.message)
    unit = _UNITS.get(kind)
    if not (found and unit):
        return "too many calls in this minute"
    owner = re.search(r"exceeded for (\w+)", answer.message)
    allows = _ALLOWED.get(owner[1] if owner else "", "this key allows")
    span = "at a time" if unit == "call" else "per minute"
    return f"{allows} {found[1]} {unit}{'' if found[1] == '1' else 's'} {span}"


def _request(answer: _Answer) -> GatewayError | None:
    if answer.status not in (400, 413, 422):
        return None
    if _TOO_LONG.search(answer.message):
        hint = "shorten the prompt, or ask for fewer tokens"
        return answer.to(BadRequest, "the prompt is longer than the model's context", answer.message, hint)
    what = "the gateway does not understand this request"
    return answer.to(BadRequest, what, answer.message, "correct the request")


def _failure(answer: _Answer) -> GatewayError:
    if answer.status in (404, 405):
        hint = "an OpenAI client's base URL ends in `/v1`"
        return answer.to(GatewayError, "the gateway has nothing at this address", answer.message, hint)
    hint = "call again in a moment; `./lab status` shows what runs"
    if answer.status >= 500 and "onnection error" in answer.message:
        what = "the model server behind the gateway does not answer"
        return answer.to(GatewayError, what, answer.message, hint)
    return answer.to(GatewayError, f"the gateway failed (HTTP {answer.status})", answer.message, hint)


def _foreign(answer: _Answer) -> GatewayError:
    make = "a web page" if answer.headers.get("content-type", "").startswith("text/html") else "not JSON"
    what = f"the answer (HTTP {answer.status}) is {make}: it is not the gateway's"
    why = "a proxy, a login page or an empty route stands in front of it"
    return answer.to(GatewayError, what, why, "check the address; `./lab status` shows the gateway's")
