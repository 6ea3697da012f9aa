"""The self-service portal (LiteMaaS): what a consumer sees of it, and through `admin` what an administrator does."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import httpx

from maas_lab import login
from maas_lab.keys import ApiKey
from maas_lab.portal_admin import Admin
from maas_lab.portal_hours import Hour, hours
from maas_lab.portal_keys import Application, Key, Keys, must_be_new
from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import Budget, OfferedModel, PortalKey, Subscription, User
from maas_lab.portal_statistics import Statistics
from maas_lab.portal_subscriptions import Subscriptions, must_be_active
from maas_lab.portal_usage import Names, Usage, span
from maas_lab.rest import is_loopback
from maas_lab.tables import Table

__all__ = ["Application", "Portal"]


class Portal:
    """A portal, seen by the user who is logged in.

    Every method raises a `PortalError`: `SessionExpired` when the token is not known any more, `RoleMissing` when the
    user may not do this, `PortalUnreachable` when nothing answers. When the portal says that there were too many calls
    in this minute, calls wait; after `patience` they raise `PortalBusy`. Money is in dollars, times are aware and UTC.

    Args:
        url: the portal's address.
        token: a user's token, as a browser shows it; with or without `Bearer`. `Portal.login` gets one.
        transport: stands in for the network in tests (`httpx.MockTransport`).
        timeout: seconds to wait for an answer.
        verify: which certificate authorities to trust: those of this machine, or an `ssl.SSLContext`.
        patience: seconds to wait for the portal's limit on calls.

    Raises:
        UsageError: the address or the token is not one.
    """

    def __init__(
        self,
        url: str,
        token: ApiKey | str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        verify: ssl.SSLContext | bool = True,
        patience: float = 75.0,
    ) -> None:
        options = {"transport": transport, "timeout": timeout, "verify": verify, "patience": patience}
        self._rest = PortalRest(url, login.token_of(token), **options)
        self._keys, self._subscriptions = Keys(self._rest), Subscriptions(self._rest)

    @classmethod
    def login(cls, url: str, user: str, password: str, **options: Any) -> Portal:
        """Log in with a name and a password of the cluster, as a browser does, and return the portal.

        Args:
            url: the portal's address.
            user: the name at the cluster.
            password: theirs; it goes to the cluster's OAuth server, never to the portal.
            options: `transport`, `timeout`, `verify` and `patience`, as for `Portal`.

        Raises:
            LoginFailed: name or password is wrong, or the cluster lets people in by a browser only.
            PortalError: the portal or the OAuth server refused, failed, or did not answer.
        """
        chosen = {"transport": None, "timeout": 30.0, "verify": True, "patience": 75.0, **options}
        web = {name: chosen[name] for name in ("transport", "timeout", "verify")}
        door = PortalRest(url, None, **chosen)
        with closing(door), httpx.Client(trust_env=not is_loopback(door.url), **web) as oauth:
            token = login.log_in(door, user, password, oauth)
        return cls(url, token, **options)

    @property
    def url(self) -> str:
        """The portal's address."""
        return self._rest.url

    @property
    def token(self) -> ApiKey:
        """The user's token; it never shows more than its last four characters."""
        return self._rest.token

    @cached_property
    def admin(self) -> Admin:
        """What administrators do; the portal refuses it to others with `RoleMissing`."""
        return Admin(self._rest)

    @cached_property
    def statistics(self) -> Statistics:
        """Everybody's usage, for administrators and for those who may only look."""
        return Statistics(self._rest, self.models)

    def close(self) -> None:
        """Close the connections."""
        self._rest.close()

    def __enter__(self) -> Portal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Portal({self.url})"

    @property
    def me(self) -> User:
        """Who is logged in, with their roles."""
        return User.read(self._rest.call("GET", "/auth/me"))

    def version(self) -> str:
        """Return the portal's version, e.g. `0.4.0`."""
        return self._rest.call("GET", "/config")["version"]

    def gateway_url(self) -> str:
        """Return the gateway's address as the portal tells it to its users; the OpenAI API is at `/v1` below it."""
        return self._rest.call("GET", "/config")["litellmApiUrl"].rstrip("/").removesuffix("/v1")

    # Models and subscriptions

    def models(self) -> Table[OfferedModel]:
        """Return the catalogue: the models that can be subscribed to."""
        rows = map(OfferedModel.read, self._rest.every_row("/models"))
        return Table(OfferedModel, [model for model in rows if model.active])

    def subscriptions(self) -> Table[Subscription]:
        """Return the user's subscriptions."""
        return self._subscriptions.all()

    def subscribe(self, model: str) -> Subscription:
        """Subscribe to a model, if that has not happened yet.

        Returns:
            The subscription; it is `pending` until an administrator approves it, if the model is restricted.
        """
        return self._subscriptions.create(model)

    def unsubscribe(self, model: str) -> None:
        """Give up a subscription; one that is not there is fine.

        Keys that open the model open it no longer; those with no other model are dead.

        Raises:
            InvalidRequest: the subscription was denied, or a key still opens the model: older LiteMaaS wants its keys
                deleted first.
        """
        self._subscriptions.cancel(model)

    def request_review(self, model: str) -> Subscription:
        """Ask the administrators to look again at a subscription that they denied."""
        return self._subscriptions.request_review(model)

    # Applications

    def create_application(
        self, name: str, models: Sequence[str], *, team: str | None = None, duration: str | None = None, **limits: Any
    ) -> Application:
        """Make an application: a subscription to each of its models, and one key that carries its name.

        Args:
            name: of the application.
            models: what it may call.
            team: who pays for it, as for `create_key`.
            duration: how long its key lives, e.g. `30s`, `2h`, `7d`; None means for ever.
            limits: of its key, as for `create_key`.

        Raises:
            AlreadyExists: the user has an application of this name.
            ApprovalNeeded: a model is restricted; the subscription waits for an administrator.
        """
        must_be_new(name, self.applications())
        for subscription in [self.subscribe(model) for model in models]:
            must_be_active(subscription)
        key = self.create_key(name, models, application=name, team=team, duration=duration, **limits)
        return Application.of(self._keys.find(key), key)

    def applications(self) -> Table[Application]:
        """Return the user's applications, the newest first."""
        return Table(Application, [Application.of(row) for row in self.keys() if row.application])

    def delete_application(self, name: str) -> None:
        """Delete the keys of an application, as `delete_key`; subscriptions stay. One that is not there is fine."""
        for one in self.applications():
            if one.name == name:
                self.delete_key(one)

    # Keys

    def create_key(
        self,
        name: str,
        models: Sequence[str],
        *,
        application: str | None = None,
        team: str | None = None,
        duration: str | None = None,
        **limits: Any,
    ) -> ApiKey:
        """Make a key; it is shown only this once (`reveal_key` shows it again).

        Args:
            name: what people call the key.
            models: the models it opens; the user has to be subscribed to them.
            application: what it is used for.
            team: who pays for it, the cost centre: the maker's own word, which nobody checks.
            duration: how long it lives, e.g. `30s`, `2h`, `7d`; None means for ever.
            limits: `max_budget` and `soft_budget` (dollars; the soft one only warns), `rpm_limit` and `tpm_limit` (per
                minute), `budget_duration` (`daily`, `weekly`, `monthly`, `yearly`, `30d`, ...).

        Raises:
            NotSubscribed: the user is not subscribed to a model.
            OverMaximum: a limit is above the portal's maximum, or the user has ten keys.
            UsageError: there is no such limit.
        """
        return self._keys.create(name, models, {"application": application, "team": team}, limits, duration)

    def keys(self, application: str | None = None) -> Table[PortalKey]:
        """Return the user's keys, or those of one application, the newest first."""
        return Table(PortalKey, [key for key in self._keys.all() if application in (None, key.application)])

    def key(self, key: Key) -> PortalKey:
        """Return what the portal knows about a key: an ApiKey, its name, a row of `keys()`, or an application."""
        return self._keys.find(key)

    def reveal_key(self, key: Key) -> ApiKey:
        """Return a key with its secret; the portal writes down that it was shown."""
        return self._keys.reveal(key)

    def rotate_key(self, key: Key) -> ApiKey:
        """Replace the secret of a key: the name and the limits stay, the old secret dies."""
        return self._keys.rotate(key)

    def update_key(self, key: Key, **limits: Any) -> PortalKey:
        """Change limits of a key, as `create_key` has them; None takes a limit away.

        Raises:
            UsageError: there is no such limit, or it is `budget_duration`, which cannot be taken away.
        """
        return self._keys.update(key, limits)

    def block_key(self, key: Key) -> PortalKey:
        """Refuse the calls of a key from now on, and keep it, so that what it spent stays its owner's.

        Callers meet `InvalidKey`; at LiteMaaS, which has no other way than a budget of nothing, `BudgetExceeded`.
        """
        return self._keys.block(key)

    def unblock_key(self, key: Key, max_budget: float | None = None) -> PortalKey:
        """Accept the calls of a key again.

        Args:
            key: which one.
            max_budget: in dollars; None leaves the budget as it is, and takes away one of nothing.
        """
        return self._keys.unblock(key, max_budget)

    def delete_key(self, key: Key) -> None:
        """Delete a key; one that is gone already is fine.

        LiteMaaS then files what it spent under `(deleted keys)`: block what is still to be paid for, or let it expire.
        """
        self._keys.delete(key)

    # Usage

    def budget(self) -> Budget:
        """Return the user's own cap and what they have spent."""
        return Budget.read(self._rest.call("GET", "/usage/budget"))

    def usage(self, since: date, until: date | None = None, models: Sequence[str] = ()) -> Usage:
        """Return the user's own usage; the portal may be five minutes behind.

        Args:
            since: the first day, UTC.
            until: the last day; None means today.
            models: only these; empty means all.

        Raises:
            UsageError: these are not days.
        """
        names = Names(self.models())
        asked: dict[str, Any] = span(since, until, datetime.now(UTC).date())
        if models:
            asked["modelIds"] = names.filters(models)
        return Usage.read(self._rest.call("POST", "/usage/analytics", json=asked), names, fresh=False)

    def hours(self, count: int = 24) -> Table[Hour]:
        """Return the user's own calls of the last hours, as `statistics.hours`."""
        return hours(self._rest, "/usage/hours", count)
