"""What the portal keeps: users, models, subscriptions, keys and limits, each as a typed row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# Python's names of limits, and LiteMaaS's.
LIMITS = {
    "max_budget": "maxBudget",
    "budget_duration": "budgetDuration",
    "rpm_limit": "rpmLimit",
    "tpm_limit": "tpmLimit",
}
KEY_LIMITS = LIMITS | {"soft_budget": "softBudget"}
MAXIMUMS = {"max_budget": "maxBudget", "rpm_limit": "rpmLimit", "tpm_limit": "tpmLimit"}
LIFETIME = {"expiration_days": "expirationDays"}
SYSTEM_USER = "00000000-0000-0000-0000-000000000001"
NOBODY = "00000000-0000-0000-0000-000000000000"  # who is charged for calls of deleted keys


@dataclass(frozen=True)
class User:
    """Somebody who can log in.

    Attributes:
        name: for logging in.
        full_name: for people; empty when the portal does not say.
        roles: `user`, `admin` or `admin-readonly`; empty where the portal lists users without their roles.
        email: as the portal knows it; the name where the cluster has none.
        id: the portal's own id, which is the gateway's `user` too.
    """

    name: str
    full_name: str
    roles: tuple[str, ...]
    email: str = field(repr=False)
    id: str = field(repr=False)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> User:
        """Read the answer of `/auth/me`, or a row of `/admin/users`."""
        # `adminReadonly` is what LiteMaaS's own documents call the role.
        roles = tuple("admin-readonly" if role == "adminReadonly" else role for role in row.get("roles") or ())
        full = row.get("name") or row.get("fullName") or ""
        return cls(row["username"], full, roles, row.get("email") or "", row.get("id") or row["userId"])

    @property
    def is_admin(self) -> bool:
        """Whether they may change things of others."""
        return "admin" in self.roles

    @property
    def sees_usage(self) -> bool:
        """Whether they may look at the usage of others."""
        return self.is_admin or "admin-readonly" in self.roles


@dataclass(frozen=True)
class OfferedModel:
    """A model of the portal's catalogue.

    Attributes:
        name: what a call names it.
        context: tokens of prompt and answer together; None when the portal does not say.
        input_cost: dollars per prompt token.
        output_cost: dollars per answered token.
        restricted: whether an administrator has to approve each subscription.
        description: for people.
        served: the name at the model server; usage is filed under it, not under `name`.
        provider: as usage rows name it, e.g. `openai`.
        active: whether it can be called.
    """

    name: str
    context: int | None
    input_cost: float
    output_cost: float
    restricted: bool
    description: str = field(repr=False)
    served: str = field(repr=False)
    provider: str = field(repr=False)
    active: bool = field(repr=False)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> OfferedModel:
        """Read a row of `/models`."""
        # `pricing.unit` says per thousand tokens, but its numbers are per token too.
        prices = row.get("pricing") or {}
        return cls(
            name=row["id"],
            context=whole(row.get("contextLength")),
            input_cost=number(row.get("inputCostPerToken")) or number(prices.get("input")) or 0.0,
            output_cost=number(row.get("outputCostPerToken")) or number(prices.get("output")) or 0.0,
            restricted=bool(row.get("restrictedAccess")),
            description=row.get("description") or "",
            served=row.get("backendModelName") or row["id"],
            provider=row.get("provider") or "openai",
            active=row.get("isActive") is not False,
        )


@dataclass(frozen=True)
class Subscription:
    """A user's right to use a model.

    LiteMaaS shows quotas with it, but counts nothing against them: what is enforced are the limits of keys and users.

    Attributes:
        model: its name in the catalogue.
        status: `active`, `pending`, `denied`, `suspended`, `cancelled`, `expired` or `inactive`.
        user: who asks; empty in a user's own list.
        reason: what an administrator wrote to it; empty when nothing.
        id: the portal's own id.
    """

    model: str
    status: str
    user: str
    reason: str
    id: str = field(repr=False)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Subscription:
        """Read a row of `/subscriptions` or `/admin/subscriptions`."""
        user = (row.get("user") or row).get("username") or ""
        return cls(row["modelId"], row["status"], user, row.get("statusReason") or "", row["id"])

    @property
    def active(self) -> bool:
        """Whether a key can be made for it."""
        return self.status == "active"


@dataclass(frozen=True)
class PortalKey:
    """What the portal knows about a key; the secret is not part of it.

    Attributes:
        name: what people call the key.
        application: what it is used for; None when it does not say.
        team: who pays for it, the cost centre that its maker named; None when it does not say.
        models: the models it opens.
        max_budget: dollars; None means no limit of its own.
        budget_duration: after which the spend starts again, e.g. `monthly`; None means never.
        rpm_limit: requests per minute; None means no limit of its own.
        tpm_limit: tokens per minute; None means no limit of its own.
        active: whether the portal counts it as live; the gateway has the last word.
        blocked: whether it is kept, but all its calls are refused.
        soft_budget: dollars, from which on there is a warning; None means none.
        spend: dollars spent, some seconds behind the calls.
        expires: when it ends, UTC; None means never.
        created_at: UTC.
        prefix: the secret's first characters.
        id: the portal's own id.
        per_model: limits of single models, by the portal's names; the client only keeps them.
    """

    name: str
    application: str | None
    team: str | None = field(repr=False)
    models: tuple[str, ...]
    max_budget: float | None
    budget_duration: str | None
    rpm_limit: int | None
    tpm_limit: int | None
    active: bool
    blocked: bool
    soft_budget: float | None = field(repr=False)
    spend: float = field(repr=False)
    expires: datetime | None = field(repr=False)
    created_at: datetime | None = field(repr=False)
    prefix: str = field(repr=False)
    id: str = field(repr=False)
    per_model: Mapping[str, Any] = field(repr=False, hash=False)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> PortalKey:
        """Read a row of `/api-keys`."""
        # Not read: `modelMaxBudget`, which LiteMaaS shows although its gateway never got it.
        told, labels = limits(row), row.get("metadata") or {}
        return cls(
            name=row.get("name") or "",
            application=labels.get("application"),
            team=labels.get("team"),
            models=tuple(row.get("models") or ()),
            **told,
            active=row.get("isActive") is not False,
            # LiteMaaS blocks no key; a budget of nothing does the same.
            blocked=row.get("status") == "blocked" or told["max_budget"] == 0,
            soft_budget=number(row.get("softBudget")),
            spend=number(row.get("currentSpend")) or 0.0,
            expires=moment(row.get("expiresAt")),
            created_at=moment(row.get("createdAt")),
            prefix=row.get("keyPrefix") or row.get("prefix") or "",
            id=row["id"],
            per_model={name: row[name] for name in ("modelRpmLimit", "modelTpmLimit") if row.get(name)},
        )

    @property
    def live(self) -> bool:
        """Whether it is there: neither deleted nor expired; a blocked one is."""
        return (self.active or self.blocked) and (self.expires is None or self.expires > datetime.now(UTC))


@dataclass(frozen=True)
class Account:
    """What an administrator sees of a user.

    Attributes:
        user: who it is.
        max_budget: dollars, over all keys of the user; None means no cap. The portal shows two decimals.
        budget_duration: after which the spend starts again; None means never.
        rpm_limit: requests per minute, over all keys.
        tpm_limit: tokens per minute, over all keys.
        active: whether they may log in.
        spend: dollars spent, over all keys.
        keys: how many live keys they have.
        subscriptions: how many active subscriptions they have.
        last_login: UTC; None when never.
    """

    user: User
    max_budget: float | None
    budget_duration: str | None
    rpm_limit: int | None
    tpm_limit: int | None
    active: bool
    spend: float = field(repr=False)
    keys: int
    subscriptions: int
    last_login: datetime | None = field(repr=False)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Account:
        """Read the answer of `/admin/users/ID`."""
        return cls(
            user=User.read(row),
            **limits(row),
            active=row.get("isActive") is not False,
            spend=number(row.get("currentSpend")) or 0.0,
            keys=int(row.get("activeApiKeysCount") or 0),
            subscriptions=int(row.get("activeSubscriptionsCount") or 0),
            last_login=moment(row.get("lastLoginAt")),
        )


@dataclass(frozen=True)
class Budget:
    """What a user may spend, over all keys.

    Attributes:
        max_budget: dollars; None means no cap.
        spend: dollars spent, some seconds behind the calls.
    """

    max_budget: float | None
    spend: float

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Budget:
        """Read the answer of `/usage/budget`."""
        return cls(number(row.get("maxBudget")), number(row.get("currentSpend")) or 0.0)


def limits(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits in a row under Python's names; what is not set is None."""
    return {
        "max_budget": number(row.get("maxBudget")),
        "budget_duration": row.get("budgetDuration") or None,
        "rpm_limit": whole(row.get("rpmLimit")),
        "tpm_limit": whole(row.get("tpmLimit")),
    }


def number(value: Any) -> float | None:
    """Read a number; PostgreSQL's decimals may come as text. None when there is none."""
    return None if value in (None, "") else float(value)


def whole(value: Any) -> int | None:
    """Read a whole number; None when there is none."""
    found = number(value)
    return None if found is None else int(found)


def moment(text: Any) -> datetime | None:
    """Read a time, UTC: ISO 8601, or as JavaScript prints it (`Mon Nov 23 2026 14:39:11 GMT+0000 (...)`)."""
    if not text:
        return None
    if text[:1].isdigit():
        return datetime.fromisoformat(text).astimezone(UTC)
    return datetime.strptime(text.partition(" (")[0], "%a %b %d %Y %H:%M:%S GMT%z").astimezone(UTC)
