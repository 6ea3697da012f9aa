"""What learners may spend: a key at the gateway, and a cap on each user of the portal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from maas_lab import gateway_keys
from maas_lab.classroom.access import DAY_S
from maas_lab.classroom.keeping import Kept
from maas_lab.classroom.learners import Learner
from maas_lab.errors import UsageError
from maas_lab.gateway import Gateway
from maas_lab.keys import ApiKey
from maas_lab.platform import Platform
from maas_lab.portal import Portal
from maas_lab.portal_rows import User
from maas_lab.rows import KeyInfo

RPM = 120  # calls per minute of one learner's key: as many as the portal gives each of its users
NOTHING = 0.0


@dataclass(frozen=True)
class Terms:
    """What each learner may spend.

    Attributes:
        budget: dollars.
        days: after which keys and tokens end.
    """

    budget: float
    days: int

    @property
    def duration(self) -> str:
        """The days, as the gateway takes them."""
        return f"{self.days * DAY_S}s"


class Money:
    """Keys and caps of a class.

    Args:
        gateway: as its administrator.
        portal: as an administrator; None where the platform has none.
        model: which the keys open.
    """

    def __init__(self, gateway: Gateway, portal: Portal | None, model: str) -> None:
        self._gateway, self._portal, self._model = gateway, portal, model
        listed = gateway.keys()
        self._keys = {key.name: key for key in listed}
        self._users = self._known()

    def user(self, learner: Learner) -> User | None:
        """Return a learner's row at the portal; None before their first login."""
        return self._users.get(learner.login)

    def introduce(self, platform: Platform, kept: Kept, *, fresh: bool) -> None:
        """Make sure that the portal knows a learner whose password is known: it does from their first login on.

        Args:
            platform: whose portal it is.
            kept: what the learner was given.
            fresh: they begin anew: what an earlier learner of this name spent does not count.
        """
        learner = kept.learner
        if self._portal is None or kept.password is None:
            return
        if learner.login not in self._users:
            platform.login(learner.login, kept.password.reveal()).close()
            self._users = self._known()
        elif fresh:
            self._portal.admin.reset_spend(self._users[learner.login])

    def cap(self, learner: Learner, budget: float) -> bool:
        """Cap what a learner spends over all keys; return whether the portal knows them, and so could."""
        user = self.user(learner)
        if self._portal is None or user is None:
            return False
        if self._portal.admin.account(user).max_budget != budget:
            self._portal.admin.cap_user(user, max_budget=budget)
        return True

    def key(self, kept: Kept, terms: Terms, *, renew: bool) -> ApiKey:
        """Return a learner's key, made or changed where it must be.

        Raises:
            UsageError: somebody else's key has this name.
        """
        learner, known = kept.learner, self._keys.get(kept.learner.name)
        if known and known.application != learner.course:
            why = f"the key `{learner.name}` at the gateway is not of this class"
            raise UsageError(f"the name {learner.course} is taken", why, "choose another: --name NAME")
        if known and kept.key and kept.key.hash == known.hash and not renew:
            self._change(learner, known, terms)
            return kept.key
        if known:  # nobody has its secret, or it shall not open anything any more
            self._gateway.delete_key(known.hash)
        user = self.user(learner)
        return self._gateway.create_key(
            learner.name,
            models=[self._model],
            application=learner.course,
            team=learner.course,
            user=user.id if user else None,
            max_budget=terms.budget,
            duration=terms.duration,
            rpm_limit=RPM,
        )

    def end(self, kept: Kept) -> None:
        """Delete a learner's key; of a login that was made for the class all keys, and let it spend nothing more.

        People who have a login of their own keep what they made at the portal, and their cap.
        """
        user = self.user(kept.learner) if kept.password else None
        if user and self._portal:
            for key in self._portal.admin.keys(user):
                self._portal.admin.delete_key(user, key)
            self._portal.admin.cap_user(user, max_budget=NOTHING)
        if own := self.state(kept.learner):
            self._gateway.delete_key(own.hash)

    def state(self, learner: Learner) -> KeyInfo | None:
        """Return what the gateway knows about a learner's key; None where there is none."""
        known = self._keys.get(learner.name)
        return known if known and known.application == learner.course else None

    def _change(self, learner: Learner, known: KeyInfo, terms: Terms) -> None:
        """Change of a key what differs from what it is to be: its budget, its end once that is past, and its owner."""
        limits: dict[str, Any] = {}
        if known.max_budget != terms.budget:
            limits["max_budget"] = terms.budget
        if known.expires and known.expires <= datetime.now(UTC):
            limits["duration"] = terms.duration
        if limits:
            self._gateway.update_key(known.hash, **limits)
        if (user := self.user(learner)) and user.id != known.user:  # the portal did not know them when it was made
            gateway_keys.give(self._gateway.rest, known.hash, user.id)

    def _known(self) -> Mapping[str, User]:
        return {one.name: one for one in self._portal.admin.users()} if self._portal else {}
