"""What administrators do at the portal: users and their caps, rules for keys, approvals, models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from maas_lab.cap_shares import Cap
from maas_lab.errors import PortalError, UsageError
from maas_lab.keys import ApiKey
from maas_lab.portal_caps import KeyCaps
from maas_lab.portal_keys import limit_body
from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import LIFETIME, LIMITS, MAXIMUMS, Account, PortalKey, Subscription, User, number
from maas_lab.portal_users import user_id, users
from maas_lab.refusals import plain
from maas_lab.tables import Table

_FEATURES = ("vision", "function_calling", "parallel_function_calling", "tool_choice")  # which the portal must be told


@dataclass(frozen=True)
class KeyRules:
    """What the portal prescribes for everybody's keys.

    Attributes:
        defaults: of a key that asks for nothing: `max_budget`, `budget_duration`, `rpm_limit`, `tpm_limit`.
        maximums: above which a key is refused: `max_budget`, `rpm_limit`, `tpm_limit`, `expiration_days`.
    """

    defaults: dict[str, Any]
    maximums: dict[str, Any]


class Admin:
    """A portal, seen by its administrators; who may only look (`admin-readonly`) reads everything here.

    Args:
        rest: the portal, with the user's token.
    """

    def __init__(self, rest: PortalRest) -> None:
        self._rest, self._caps = rest, KeyCaps(rest)

    # Users and their caps

    def users(self) -> Table[User]:
        """Return everybody who has logged in so far, in the order of their names."""
        return users(self._rest)

    def account(self, user: User | str) -> Account:
        """Return what the portal knows about a user, given as a row of `users()`, by name or by id."""
        return Account.read(self._rest.call("GET", f"/admin/users/{user_id(self._rest, user)}"))

    def cap_user(self, user: User | str, **limits: Any) -> Account:
        """Change what a user may spend, over all keys; the gateway enforces it from the next call on.

        Args:
            user: a row of `users()`, a name or an id.
            limits: `max_budget` (dollars), `budget_duration` (e.g. `monthly`), `rpm_limit`, `tpm_limit`. What is left
                out stays.

        Returns:
            The account. Its `max_budget` is what was asked for: the portal shows two decimals, the gateway keeps all.

        Raises:
            UsageError: there is no such limit, or it is None: a user's limit can be changed, but not taken away.
        """
        found, body = user_id(self._rest, user), _kept(limits)
        self._rest.write("PATCH", f"/admin/users/{found}/budget-limits", json=body)
        account = self.account(found)
        return replace(account, max_budget=number(limits.get("max_budget", account.max_budget)))

    def cap_everyone(self, **limits: Any) -> int:
        """Change what each user may spend, as `cap_user`; return how many users that are.

        Raises:
            PortalError: it failed for some of them.
        """
        done = self._rest.write("POST", "/admin/users/bulk-update-limits", json=_kept(limits))
        if done["failedCount"]:
            why = "\n".join(plain(one if isinstance(one, str) else one.get("error")) for one in done["errors"])
            what = f"{done['failedCount']} of {done['totalUsers']} users have their old limits"
            raise PortalError(what, why, "portal.admin.cap_user(name, ...) for each of them says why")
        return done["successCount"]

    def reset_spend(self, user: User | str) -> float:
        """Start a user's spend again; return what the portal counts now, in dollars."""
        told = self._rest.write("POST", f"/admin/users/{user_id(self._rest, user)}/reset-spend", json={})
        return number(told.get("currentSpend")) or 0.0

    # Keys and applications, and their caps

    def keys(self, user: User | str) -> Table[PortalKey]:
        """Return a user's keys, the newest first."""
        return self._caps.keys(user)

    def cap_key(self, user: User | str, key: PortalKey | str, **limits: Any) -> PortalKey:
        """Change limits of a user's key; the gateway enforces them from the next call on.

        The owner can change them again, up to the maximums of all keys (`set_key_maximums`): what binds a person is
        `cap_user`.

        Args:
            user: a row of `users()`, a name or an id.
            key: a row of `keys(user)`, or its name.
            limits: `max_budget` and `soft_budget` (dollars), `budget_duration`, `rpm_limit`, `tpm_limit`. What is left
                out stays; None takes one away.

        Raises:
            NoSuchEntry: there is no such key, or there are several.
            UsageError: there is no such limit, or it is a `budget_duration` that should go.
        """
        return self._caps.cap_key(user, key, limits)

    def cap_application(
        self,
        name: str,
        *,
        max_budget: float,
        soft_budget: float | None = None,
        rpm_limit: int | None = None,
        tpm_limit: int | None = None,
    ) -> Cap:
        """Cap what all keys of an application spend together, whoever's they are; the same call twice changes nothing.

        The gateway knows no applications, so each live key gets a cap of its own: what it has spent, and an even part
        of what is left. Call it again to divide anew, for instance once an hour: a key that has used up its part gets
        some of what the others have left, and a key that was made since gets a cap. A rotated key keeps its part.

        What it cannot do: a key that is made later has no cap until the next call, and the owner of a key can raise its
        part; against both stands the cap of the user (`cap_user`). A part is renewed when its key has a
        `budget_duration`. LiteMaaS tells administrators neither applications nor deleted keys: there it caps the keys
        that are called like the application, and what deleted ones have spent is not counted.

        LiteLLM's teams, which have budgets, are no way: a key in a team is not stopped by its user's cap any more.

        Args:
            name: of the application.
            max_budget: dollars, of all keys together, from the first call on; spent ones of the last 90 days count even
                when their key is deleted, if it is among the 200 that cost most.
            soft_budget: dollars, from which on `caps.state` warns; None leaves that as it is.
            rpm_limit: requests per minute, divided among the keys; None leaves that as it is.
            tpm_limit: tokens per minute, likewise.

        Returns:
            The application's spend, cap and state.

        Raises:
            NoSuchEntry: no live key is used for it.
            UsageError: a budget is not a number of dollars, or the soft one is above the other.
        """
        rates = {"rpm_limit": rpm_limit, "tpm_limit": tpm_limit}
        return self._caps.cap_application(name, max_budget, soft_budget, rates)

    def delete_key(self, user: User | str, key: PortalKey) -> None:
        """Delete a key of a user."""
        self._rest.write("DELETE", f"/admin/users/{user_id(self._rest, user)}/api-keys/{key.id}")

    # Rules for everybody's keys

    def key_rules(self) -> KeyRules:
        """Return the defaults and maximums of keys."""
        return _rules(self._rest.call("GET", "/admin/settings/api-key-defaults"))

    def set_key_maximums(self, **maximums: Any) -> KeyRules:
        """Change the maximums of keys: `max_budget`, `rpm_limit`, `tpm_limit`, `expiration_days`; None lifts one."""
        return self._set_rules("maximums", MAXIMUMS | LIFETIME, maximums)

    def set_key_defaults(self, **defaults: Any) -> KeyRules:
        """Change the defaults of keys: `max_budget`, `budget_duration`, `rpm_limit`, `tpm_limit`; None lifts one."""
        return self._set_rules("defaults", LIMITS, defaults)

    # Approvals

    def requests(self, status: str = "pending") -> Table[Subscription]:
        """Return the subscriptions of a status, with who asks: those that wait for approval, unless told otherwise."""
        rows = self._rest.every_row("/admin/subscriptions", params={"statuses": status})
        found = [Subscription.read(row) for row in rows]
        # A portal that does not know this filter lists all.
        return Table(Subscription, [one for one in found if one.status == status])

    def approve(self, *requests: Subscription, reason: str = "") -> None:
        """Approve subscriptions.

        Raises:
            PortalError: it failed for some of them.
        """
        self._decide("approve", requests, {"reason": reason} if reason else {})

    def deny(self, *requests: Subscription, reason: str) -> None:
        """Deny subscriptions, with a reason that the user reads; otherwise as `approve`."""
        self._decide("deny", requests, {"reason": reason})

    def subscribe(self, user: User | str, *models: str) -> None:
        """Subscribe a user to models, restricted ones too, without a request."""
        self._rest.write(
            "POST", f"/admin/users/{user_id(self._rest, user)}/subscriptions", json={"modelIds": list(models)}
        )

    # Models

    def register_model(
        self,
        name: str,
        *,
        served: str,
        api_base: str,
        api_key: ApiKey | str,
        input_cost: float,
        output_cost: float,
        context: int,
        description: str = "",
        restricted: bool = False,
        rpm_limit: int = 1000,
        tpm_limit: int = 100_000,
    ) -> None:
        """Offer a model, at the gateway too.

        Args:
            name: what consumers call it.
            served: the name at the model server; usage is filed under it, so better the same as `name`.
            api_base: the model server's address with `/v1`.
            api_key: the key that the model server wants.
            input_cost: dollars per prompt token. LiteMaaS calls a model OpenAI's, of which LiteLLM may give cached ones
                away; `gateway.register_model` does not.
            output_cost: dollars per answered token.
            context: tokens of prompt and answer together.
            description: for people.
            restricted: whether an administrator has to approve each subscription.
            rpm_limit: requests per minute, of everybody together.
            tpm_limit: tokens per minute, of everybody together.

        Raises:
            AlreadyExists: there is a model of this name.
        """
        told = {"model_name": name, "backend_model_name": served, "api_base": api_base}
        costs = {"input_cost_per_token": input_cost, "output_cost_per_token": output_cost, "max_tokens": context}
        limits = {"rpm": rpm_limit, "tpm": tpm_limit, "restrictedAccess": restricted}
        words = {"description": description} if description else {}
        body = told | words | costs | limits | {"api_key": ApiKey.of(api_key).reveal()}
        self._rest.write("POST", "/admin/models", json=body | {f"supports_{one}": False for one in _FEATURES})

    def delete_model(self, name: str) -> None:
        """Take a model out of the catalogue, and out of the gateway."""
        self._rest.write("DELETE", f"/admin/models/{quote(name, safe='')}")

    def sync_models(self) -> None:
        """Make the portal look at the gateway's models again; needed after a change that went past the portal."""
        self._rest.write("POST", "/models/sync", json={})

    def _set_rules(self, part: str, known: dict[str, str], changes: dict[str, Any]) -> KeyRules:
        changed = limit_body(changes, known)
        # A PUT replaces everything.
        told = self._rest.call("GET", "/admin/settings/api-key-defaults")
        rules = {name: dict(told.get(name) or {}) for name in ("defaults", "maximums")}
        rules[part] |= changed
        kept = {name: {key: one for key, one in rule.items() if one is not None} for name, rule in rules.items()}
        return _rules(self._rest.write("PUT", "/admin/settings/api-key-defaults", json=kept))

    def _decide(self, verb: str, requests: Sequence[Subscription], body: dict[str, str]) -> None:
        if not requests:
            return
        body = {"subscriptionIds": [one.id for one in requests], **body}
        done = self._rest.write("POST", f"/admin/subscriptions/{verb}", json=body)
        if done["failed"]:
            why = "\n".join(plain(one.get("error")) for one in done["errors"])
            raise PortalError(f"{done['failed']} subscriptions are as they were", why, "portal.admin.requests()")


def _kept(limits: dict[str, Any]) -> dict[str, Any]:
    """Return limits of users under the portal's names.

    Raises:
        UsageError: there is no such limit, or one should go.
    """
    body = limit_body(limits)
    if lost := next((name for name, value in limits.items() if value is None), None):
        why = "the gateway overlooks the wish to end it"
        raise UsageError(f"a user's `{lost}` can be changed, not taken away", why, "set a large one, e.g. 1_000_000")
    return body


def _rules(told: dict[str, Any]) -> KeyRules:
    def read(part: str, known: dict[str, str]) -> dict[str, Any]:
        row = told.get(part) or {}
        return {name: row[key] for name, key in known.items() if row.get(key) is not None}

    return KeyRules(read("defaults", LIMITS), read("maximums", MAXIMUMS | LIFETIME))
