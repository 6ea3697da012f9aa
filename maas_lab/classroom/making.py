"""Make a class: what is there stays, what is missing is made; an interrupted run goes on where it stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maas_lab import applications
from maas_lab.classroom import access, keeping, rooms
from maas_lab.classroom.accounts import FACT, Accounts, new_password
from maas_lab.classroom.keeping import Kept
from maas_lab.classroom.learners import ACCOUNT, COURSE, Learner
from maas_lab.classroom.money import Money, Terms
from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound, UsageError
from maas_lab.platform import Platform
from maas_lab.portal import Portal

ROLES = "rbac"  # the folder of manifests/ with the roles of learners and accountants


@dataclass(frozen=True)
class Wishes:
    """What a class is to be like.

    Attributes:
        terms: what each learner may spend, and for how long.
        accountants: whether they may read what accountants do, and so everybody's numbers.
        renew: whether passwords, keys and tokens that are there are replaced.
    """

    terms: Terms
    accountants: bool = False
    renew: bool = False


@dataclass(frozen=True)
class Made:
    """What became of a class.

    Attributes:
        kept: what each learner was given.
        unknown: logins that the portal does not know yet, so that no cap holds them there.
        limited: whether the cluster limits what a learner's namespaces hold.
        follows: whether it has Argo CD, so that their platforms can follow Git.
    """

    kept: list[Kept]
    unknown: list[str]
    limited: bool
    follows: bool


class Making:
    """Makes one class.

    Args:
        cluster: as somebody who may make namespaces and give rights.
        platform: of the class.
        manifests: the folder of all manifests.
        wishes: what it is to be like.
    """

    def __init__(self, cluster: Cluster, platform: Platform, manifests: Path, wishes: Wishes) -> None:
        self._cluster, self._platform, self._wishes = cluster, platform, wishes
        self._manifests = manifests

    def make(self, learners: Sequence[Learner], report: Callable[[str], object] = lambda text: None) -> Made:
        """Make what is missing for each learner, and return what they were given.

        Args:
            learners: of one class.
            report: called with each learner's name.

        Raises:
            UsageError: a name belongs to somebody else.
            ClusterError: the instructor lacks a right.
        """
        self._cluster.apply(self._manifests / ROLES, force=True)
        before = [self._room(one) for one in learners]
        after = [self._password(one) for one in before]
        self._log_in(before, after)
        unknown = []
        with self._platform.gateway() as gateway, opened_portal(self._platform) as portal:
            money = Money(gateway, portal, self._platform.model)
            for number, (old, new) in enumerate(zip(before, after, strict=True)):
                money.introduce(self._platform, new, fresh=old.key is None)
                if portal and not money.cap(new.learner, self._wishes.terms.budget):
                    unknown.append(new.learner.login)
                after[number] = self._opened(new, money)
                report(new.learner.name)
        return Made(after, unknown, self._limit(learners), self._admit(learners))

    def _room(self, learner: Learner) -> Kept:
        """Make a learner's namespace, account and rights; return what was kept for them there."""
        cluster, platform = self._cluster, self._platform.namespace
        must_be_free(cluster, learner)
        if self._wishes.renew:
            self._end_token(learner)
        cluster.apply(rooms.home(learner))
        cluster.apply(rooms.rights(learner, platform, accountant=self._wishes.accountants))
        if not self._wishes.accountants:
            cluster.delete(rooms.accountants(learner, platform))
        return keeping.read(cluster, learner)

    def _end_token(self, learner: Learner) -> None:
        """End a learner's token with its account; it is forgotten first, so that no run hands out a dead one."""
        kept = keeping.read(self._cluster, learner)
        if kept.token:
            keeping.write(self._cluster, replace(kept, token=None, ends=None))
        self._cluster.delete(f"serviceaccount/{ACCOUNT}", learner.namespace)

    def _password(self, before: Kept) -> Kept:
        """Return what was kept with a password, where the cluster's login takes ours."""
        if FACT not in self._platform.facts or before.learner.login != before.learner.name:
            return before
        if before.password and not self._wishes.renew:
            return before
        return replace(before, password=new_password())

    def _log_in(self, before: Sequence[Kept], after: Sequence[Kept]) -> None:
        """Let the learners in at the cluster's login.

        A password is kept before it opens anything: so after an interruption the name in the file is known as ours.
        """
        if not (wanted := {one.learner.login: one.password for one in after if one.password}):
            return
        accounts = Accounts(self._cluster, self._platform.facts[FACT])
        old = {one.learner.login: one.password for one in before if one.password}
        accounts.must_be_free(wanted, old)
        for was, one in zip(before, after, strict=True):
            if one != was:
                keeping.write(self._cluster, one)
        accounts.add(wanted, old)

    def _opened(self, kept: Kept, money: Money) -> Kept:
        """Return what was kept with key and token; each is kept as soon as it is there: it is shown only once."""
        key = money.key(kept, self._wishes.terms, renew=self._wishes.renew)
        if key != kept.key:
            kept = replace(kept, key=key)
            keeping.write(self._cluster, kept)
        if self._wishes.renew or not kept.has_token:
            token, ends = access.new_token(self._cluster, kept.learner, self._wishes.terms.days)
            kept = replace(kept, token=token, ends=ends)
            keeping.write(self._cluster, kept)
        return kept

    def _limit(self, learners: Sequence[Learner]) -> bool:
        """Limit what each learner's namespaces hold together; return whether the cluster can."""
        try:
            gpu = self._platform.gpu_resource
            self._cluster.apply([quota for one in learners for quota in rooms.quotas(one, gpu)])
        except NotFound:  # no such kind: only OpenShift and the local cluster have it
            return False
        return True

    def _admit(self, learners: Sequence[Learner]) -> bool:
        """Let each learner's platform follow Git in its own namespace; return whether the cluster has Argo CD."""
        places = [(place, one.labels) for one in learners for place in one.followed_namespaces]
        projects = [applications.own_project(self._manifests, place, labels) for place, labels in places]
        try:
            self._cluster.apply(projects, force=True)
        except NotFound:  # no such kind, or not the namespace
            return False
        return True


def must_be_free(cluster: Cluster, learner: Learner) -> None:
    """Refuse a namespace that is there and not this learner's.

    Raises:
        UsageError: it is not of this class, or of somebody else in it.
    """
    try:
        found = cluster.get("Namespace", learner.namespace)
    except NotFound:
        return
    if (found["metadata"].get("labels") or {}).get(COURSE) != learner.course:
        why = f"the namespace {learner.namespace} is there, and not of this class"
        raise UsageError(f"the name {learner.course} is taken", why, "choose another: --name NAME")
    if (login := Learner.of(found).login) != learner.login:
        why = "what was given to one person must not become another's"
        hint = "keep the lines of --users in their order, and add new people at its end"
        raise UsageError(f"{learner.name} is {login} already, not {learner.login}", why, hint)


def opened_portal(platform: Platform) -> contextlib.AbstractContextManager[Portal | None]:
    """Return the portal as an administrator, who is logged out at the end; None where the platform has none."""
    return platform.login("accountant") if platform.has_portal else contextlib.nullcontext()
