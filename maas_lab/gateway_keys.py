"""What a key at the gateway is made of: its labels and limits, as LiteLLM wants them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from maas_lab.amounts import with_stopping_cap
from maas_lab.errors import BadRequest, UsageError
from maas_lab.keys import ApiKey
from maas_lab.rest import Rest

LIMITS = ("max_budget", "budget_duration", "rpm_limit", "tpm_limit", "max_parallel_requests", "models")
# A key calls models, reads what they cost, and does no more. Without this, at LiteLLM 1.81.0, one that has an owner may
# read what everybody spent, raise its own budget, and block the keys of others; one without an owner reads everybody's
# daily sums.
CALLS_ONLY = {"allowed_routes": ["llm_api_routes", "/model/info"]}
# What LiteLLM takes for "no limit" where it is not null.
_FREE = {"models": [], "duration": "-1"}


def stated(**given: Any) -> dict[str, Any]:
    """Return what is given, without what is None."""
    return {name: value for name, value in given.items() if value is not None}


def must_be_limits(limits: Mapping[str, Any]) -> None:
    """Refuse what is no limit of a key.

    Raises:
        UsageError: there is no such limit.
    """
    known = (*LIMITS, "soft_budget", "duration")
    if unknown := next((name for name in limits if name not in known), None):
        raise UsageError(f"a key has no limit `{unknown}`", hint=f"there are: {', '.join(known)}")


def changes(limits: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of `/key/update` that changes limits; None takes one away.

    Args:
        limits: by the names of `Gateway.update_key`.
        info: the gateway's row of the key.

    Raises:
        UsageError: it is a `budget_duration` that should go.
    """
    if limits.get("budget_duration", "") is None and info.get("budget_duration"):
        why = "the gateway overlooks the wish to end it, and would go on renewing the budget"
        hint = "set a long one, e.g. `3650d`, or make a new key"
        raise UsageError("a key's `budget_duration` can be changed, not taken away", why, hint)
    given = {
        name: _FREE.get(name) if limit is None else limit
        for name, limit in with_stopping_cap(limits, info.get("spend")).items()
    }
    if "soft_budget" in given:
        # LiteLLM 1.81.0 shows a key's own `soft_budget` in no listing and overlooks its change; metadata it keeps.
        given["metadata"] = stated(**{**(info.get("metadata") or {}), "soft_budget": given.pop("soft_budget")})
    return given


def generate(rest: Rest, given: Mapping[str, Any]) -> ApiKey:
    """Make a key.

    Raises:
        UsageError: a key of this name exists.
    """
    try:
        made = rest.call("POST", "/key/generate", json={**CALLS_ONLY, **given})
    except BadRequest as error:
        if "already exists" not in error.why:
            raise
        what = f"a key named `{given['key_alias']}` exists already"
        hint = "choose another name, or delete that key first: its hash is in gateway.keys()"
        raise UsageError(what, "names of keys are unique at a gateway", hint) from error
    return ApiKey(made["key"], given["key_alias"], given.get("models", ()))


def give(rest: Rest, hashed: str, user: str) -> None:
    """Make somebody the owner of a key: what it spends from now on counts against their cap.

    Args:
        rest: the gateway.
        hashed: the key's hash.
        user: their id at the gateway.
    """
    rest.call("POST", "/key/update", json={"key": hashed, "user_id": user})


def twin(rest: Rest, old: Mapping[str, Any]) -> ApiKey:
    """Make a key like another one, under a name for the time being.

    Args:
        rest: the gateway.
        old: its row of the other key.
    """
    copied = (*LIMITS, "user_id", "team_id", "metadata", "spend", "blocked")
    given = {name: old[name] for name in copied if old.get(name) is not None}
    if old.get("expires"):
        left = datetime.fromisoformat(old["expires"]) - datetime.now(UTC)
        given["duration"] = f"{max(1, int(left.total_seconds()))}s"
    return generate(rest, {**given, "key_alias": f"{old.get('key_alias') or ''} (rotating {secrets.token_hex(4)})"})
