"""What is asked of a key and told of it, in the portal's words and in LiteLLM's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maas_lab.local.portal import fields
from maas_lab.local.portal.calls import now, stamp
from maas_lab.local.portal.database import Row
from maas_lab.local.portal.fields import WORDS, Fields
from maas_lab.local.portal.refusals import invalid

READERS: Mapping[str, fields.Reader] = {
    "maxBudget": fields.number,
    "softBudget": fields.number,
    "budgetDuration": fields.span,
    "tpmLimit": fields.positive,
    "rpmLimit": fields.positive,
    "modelRpmLimit": fields.mapping(fields.positive),
    "modelTpmLimit": fields.mapping(fields.positive),
    "expiresAt": fields.moment,
}
GATEWAY_NAMES = {
    "maxBudget": "max_budget",
    "budgetDuration": "budget_duration",
    "tpmLimit": "tpm_limit",
    "rpmLimit": "rpm_limit",
    "modelRpmLimit": "model_rpm_limit",
    "modelTpmLimit": "model_tpm_limit",
}
SOFT = "soft_budget"  # in a key's metadata: LiteLLM's own is told in no listing, and never changes


@dataclass(frozen=True)
class Asked:
    """What a request wants a key to be.

    Attributes:
        limits: by the API's names; None takes a limit away, and what is left out stays as it is.
        metadata: None where nothing is said.
        active: whether its calls are accepted; None where nothing is said.
    """

    name: str
    models: list[str]
    limits: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None
    active: bool | None = None


def asked(body: Fields, *, new: bool) -> Asked:
    """Read a request for a key, or for a change of one.

    Raises:
        Refused: 400.
    """
    name = body.take("name", fields.name, "", needed=new)
    models = body.take("modelIds", fields.some_names, [], needed=new)
    if body.take("modelMaxBudget", fields.mapping(lambda field_, value: value), {}):
        more = "Give the key itself a maxBudget, or make one key per model"
        raise invalid(
            "Budgets per model need LiteLLM Enterprise, which this gateway is not", "modelMaxBudget", "", more
        )
    limits = body.given(READERS)
    metadata = body.take("metadata", fields.mapping(fields.simple), {} if new else None)
    active = None if new else body.take("isActive", fields.flag)
    body.end()
    return Asked(name, models, limits, metadata and _without_soft(metadata), active)


def labelled(said: Mapping[str, Any] | None, limits: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key's metadata with its soft budget.

    Args:
        said: what its owner says of it now; None where nothing is said.
        limits: what is asked; a `softBudget` that is left out stays as it is.
        old: the key's metadata so far.
    """
    soft = limits["softBudget"] if "softBudget" in limits else old.get(SOFT)
    return _without_soft(old if said is None else said) | ({} if soft is None else {SOFT: soft})


def per_model(known: Row) -> dict[str, Any]:
    """Return the limits per model in LiteLLM's names: it keeps them in the metadata, where a change would lose them."""
    return {f"{name}_limit": known[name] for name in ("model_rpm", "model_tpm") if known[name]}


def _without_soft(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name != SOFT}


def for_gateway(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits in LiteLLM's names."""
    found = {GATEWAY_NAMES[name]: value for name, value in limits.items() if name in GATEWAY_NAMES}
    if "expiresAt" in limits:
        found["duration"] = _left(limits["expiresAt"])
    if span := found.get("budget_duration"):
        found["budget_duration"] = WORDS.get(span, span)
    return found


def duration(asked_: str | None, known: str | None) -> str | None:
    """Return how long a budget lasts in the words in which it was asked for, if the gateway still says the same."""
    return asked_ if asked_ and WORDS.get(asked_, asked_) == known else known


def copied(old: Row) -> dict[str, Any]:
    """Return what a rotated key takes over from LiteLLM's row of the old one."""
    names = ("models", "spend", "max_budget", "budget_duration", "tpm_limit", "rpm_limit")
    found = {name: old[name] for name in names if old[name] is not None}
    return found | per_model(old) | ({"duration": _left(old["expires"])} if old["expires"] else {})


def _left(moment: datetime | None) -> str | None:
    """Return the span until a moment; LiteLLM takes -1 for ever."""
    if moment is None:
        return "-1"
    aware = moment if moment.tzinfo else moment.replace(tzinfo=now().tzinfo)
    return f"{max(1, round((aware - now()).total_seconds()))}s"


def shown(row: Row, known: Row | None) -> dict[str, Any]:
    """Return a key as its owner sees it.

    Args:
        row: the portal's.
        known: the gateway's; None when it does not know the key any more.
    """
    expired = row["expires_at"] is not None and row["expires_at"] <= now()
    active = known is not None and not known["blocked"] and not expired
    told: dict[str, Any] = {
        "id": str(row["id"]),
        "name": row["name"],
        "keyPrefix": row["prefix"],
        "models": list(row["models"]),
        "modelDetails": [{"id": one, "name": one, "provider": "openai"} for one in row["models"]],
        "isActive": active,
        "status": "active" if active else "expired" if expired else "revoked" if known is None else "blocked",
        "blockedBy": row["blocked_by"] or None,
        "createdAt": stamp(row["created_at"]),
        "updatedAt": stamp(row["updated_at"]),
        "expiresAt": stamp(row["expires_at"]),
        "metadata": _without_soft(row["metadata"]),
    }
    return told | (_limits(row, known) if known else {})


def _limits(row: Row, known: Row) -> dict[str, Any]:
    return {
        "currentSpend": known["spend"],
        "maxBudget": known["max_budget"],
        "softBudget": row["metadata"].get(SOFT),
        "budgetDuration": duration(row["budget_duration"], known["budget_duration"]),
        "budgetResetAt": stamp(known["budget_reset_at"]),
        "tpmLimit": known["tpm_limit"],
        "rpmLimit": known["rpm_limit"],
        "modelMaxBudget": {},
        "modelRpmLimit": known["model_rpm"] or {},
        "modelTpmLimit": known["model_tpm"] or {},
    }
