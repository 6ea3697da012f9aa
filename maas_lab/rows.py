"""What the gateway keeps: catalogue models, keys and spend rows, each as a typed row."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# LiteLLM's prefix for the kind of server; the name at the model server follows, and may hold a slash.
_PROVIDERS = ("hosted_vllm/", "openai/")
_HASH = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = "maas_lab_fingerprint"


@dataclass(frozen=True)
class CatalogModel:
    """A model that the gateway offers.

    Attributes:
        name: what consumers call it.
        id: the gateway's own id of this row.
        served: the name at the model server behind it.
        api_base: the model server's address.
        input_cost: dollars per prompt token.
        output_cost: dollars per answered token.
        fingerprint: of the model server's key, which the gateway never gives back; empty when the model was
            registered by other means.
        context: tokens of prompt and answer together; None where nobody said.
        description: for people.
    """

    name: str
    id: str
    served: str
    api_base: str
    input_cost: float
    output_cost: float
    fingerprint: str = ""
    context: int | None = None
    description: str = ""

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> CatalogModel:
        """Read a row of `/model/info`."""
        params, info = row["litellm_params"], row["model_info"]
        return cls(
            name=row["model_name"],
            id=info["id"],
            served=served_name(params["model"]),
            api_base=params.get("api_base") or "",
            input_cost=float(params.get("input_cost_per_token") or 0),
            output_cost=float(params.get("output_cost_per_token") or 0),
            fingerprint=info.get(_FINGERPRINT) or "",
            context=int(info["max_tokens"]) if info.get("max_tokens") else None,
            description=info.get("description") or "",
        )

    @property
    def terms(self) -> tuple[object, ...]:
        """What makes two rows of a name the same offer."""
        costs = self.input_cost, self.output_cost
        return self.served, self.api_base.rstrip("/"), *costs, self.fingerprint, self.context, self.description

    def request(self, secret: str) -> dict[str, Any]:
        """Return the body of `/model/new`."""
        # Of a model that is called OpenAI's, LiteLLM 1.81.0 gives away the prompt tokens that its server has cached,
        # even with a `cache_read_input_token_cost`, when it comes to a running gateway; of vLLM's it bills them all.
        params = {"model": f"hosted_vllm/{self.served}", "api_base": self.api_base, "api_key": secret}
        costs = {"input_cost_per_token": self.input_cost, "output_cost_per_token": self.output_cost}
        told = {"max_tokens": self.context, "description": self.description}
        info = {_FINGERPRINT: self.fingerprint, **{name: value for name, value in told.items() if value}}
        return {"model_name": self.name, "litellm_params": params | costs, "model_info": info}


@dataclass(frozen=True)
class KeyInfo:
    """What the gateway knows about a key; the secret is not part of it.

    Attributes:
        name: the key's name, unique at the gateway; empty when it has none.
        hash: SHA-256 of the secret, as in spend rows.
        models: the models it opens; empty means all.
        spend: dollars spent, some seconds behind the calls.
        max_budget: dollars; None means no limit.
        rpm_limit: requests per minute; None means no limit.
        tpm_limit: tokens per minute; None means no limit.
        blocked: whether its calls are refused.
        expires: when it ends, UTC; None means never.
        application: what it is used for; None when it does not say.
        user: the owner's id; None when it has none.
        created_at: UTC.
        team: who pays: its LiteLLM team, else the cost centre that its maker named; None when neither.
        soft_budget: dollars, from which on there is a warning; None means none.
        budget_duration: after which the spend starts again, e.g. `30d`; None means never.
        deleted_at: UTC; None while it lives.
    """

    name: str
    hash: str
    models: tuple[str, ...]
    spend: float
    max_budget: float | None
    rpm_limit: int | None
    tpm_limit: int | None
    blocked: bool
    expires: datetime | None
    application: str | None
    user: str | None
    created_at: datetime | None
    team: str | None = None
    soft_budget: float | None = None
    budget_duration: str | None = None
    deleted_at: datetime | None = None

    @classmethod
    def read(cls, row: Mapping[str, Any], hashed: str) -> KeyInfo:
        """Read a row of `/key/list` or the `info` of `/key/info`."""
        told = row.get("metadata") or {}
        return cls(
            name=row.get("key_alias") or "",
            hash=hashed,
            models=tuple(row.get("models") or ()),
            spend=float(row.get("spend") or 0),
            max_budget=row.get("max_budget"),
            rpm_limit=row.get("rpm_limit"),
            tpm_limit=row.get("tpm_limit"),
            blocked=bool(row.get("blocked")),
            expires=moment(row.get("expires")),
            application=told.get("application"),
            user=row.get("user_id") or None,
            created_at=moment(row.get("created_at")),
            team=row.get("team_alias") or row.get("team_id") or told.get("team") or None,
            soft_budget=_amount(told.get("soft_budget")),
            budget_duration=row.get("budget_duration") or None,
            deleted_at=moment(row.get("deleted_at")),
        )


@dataclass(frozen=True)
class UserInfo:
    """What the gateway knows about a user.

    Attributes:
        id: the gateway's; equal to the portal's.
        name: for people; the id when the gateway has none.
        spend: dollars spent with all keys, some seconds behind the calls.
        max_budget: dollars, over all keys; None means no limit.
        budget_duration: after which the spend starts again; None means never.
        rpm_limit: requests per minute; None means no limit.
        tpm_limit: tokens per minute; None means no limit.
    """

    id: str
    name: str
    spend: float
    max_budget: float | None
    budget_duration: str | None
    rpm_limit: int | None
    tpm_limit: int | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> UserInfo:
        """Read a row of `/user/list`."""
        limits = {name: row.get(name) for name in ("max_budget", "budget_duration", "rpm_limit", "tpm_limit")}
        name = row.get("user_alias") or row.get("user_email") or row["user_id"]
        return cls(row["user_id"], name, float(row.get("spend") or 0), **limits)


@dataclass(frozen=True)
class SpendRow:
    """One call, as the gateway booked it.

    Attributes:
        request_id: equal to the `id` of the answer; for a refused call the header `x-litellm-call-id`.
        time: when the call arrived, UTC.
        key_hash: SHA-256 of the key that called; empty when it sent none.
        key_name: its name; empty when the gateway never had this key.
        application: what the key is used for; None when it does not say.
        user: the owner of the key; None when it has none, and for most refused calls.
        team: who pays: the key's LiteLLM team, else the cost centre that its maker named; None when neither.
        model: the catalogue's name, or the requested one when the call was refused.
        prompt_tokens: tokens of the prompt.
        completion_tokens: tokens of the answer.
        total_tokens: both.
        cost: dollars.
        status: `success` or `failure`.
        outcome: one of `refusals.OUTCOMES`, as `ask_many` names them.
        latency_s: seconds from the call's arrival to the answer's end.
    """

    request_id: str
    time: datetime
    key_hash: str
    key_name: str
    application: str | None
    user: str | None
    team: str | None
    model: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float
    status: str
    outcome: str
    latency_s: float

    @classmethod
    def read(cls, row: Mapping[str, Any], owners: Mapping[str, KeyInfo]) -> SpendRow:
        """Read a row of `/spend/logs/v2`.

        Args:
            row: as the gateway sends it.
            owners: the keys by hash, because a row has no application, and a refusal's row no key name.
        """
        told = row.get("metadata") or {}
        owner = owners.get(row["api_key"])
        begin, end = moment(row["startTime"]), moment(row["endTime"])
        return cls(
            request_id=row["request_id"],
            time=begin,
            key_hash=booked_hash(row["api_key"]),
            key_name=told.get("user_api_key_alias") or (owner.name if owner else ""),
            application=owner.application if owner else None,
            user=row.get("user") or None,
            team=told.get("user_api_key_team_alias") or row.get("team_id") or (owner.team if owner else None),
            model=row.get("model_group") or served_name(row.get("model") or ""),
            prompt_tokens=int(row.get("prompt_tokens") or 0),
            completion_tokens=int(row.get("completion_tokens") or 0),
            total_tokens=int(row.get("total_tokens") or 0),
            cost=float(row.get("spend") or 0),
            status=row.get("status") or "success",
            outcome=call_outcome(row.get("status"), told.get("error_information") or {}),
            latency_s=(end - begin).total_seconds(),
        )


def booked_hash(key: str) -> str:
    """Return the hash of the key of a spend row.

    LiteLLM 1.81.0 books a key that does not begin with `sk-` as it came, so what somebody sent by mistake, e.g. the
    key of another service, would be told to whoever reads spend rows.
    """
    return key if not key or _HASH.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def call_outcome(status: str | None, error: Mapping[str, Any]) -> str:
    """Return how a call ended, one of `refusals.OUTCOMES`, from a spend row's status and `error_information`."""
    if status != "failure":
        return "answered"
    if error.get("error_class") == "BudgetExceededError":
        return "budget exceeded"
    code = str(error.get("error_code") or "")
    return "rate limited" if code == "429" else "failed" if code.startswith("5") else "refused"


def served_name(model: str) -> str:
    """Return a model's name at its server: LiteLLM's name without the kind of server."""
    return next((model.removeprefix(prefix) for prefix in _PROVIDERS if model.startswith(prefix)), model)


def _amount(said: object) -> float | None:
    """Read dollars out of metadata, where anybody may have written anything."""
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else None


def moment(text: str | None) -> datetime | None:
    """Return a moment that LiteLLM tells, in UTC; it means UTC where it names no zone."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
