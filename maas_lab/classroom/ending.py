"""Look at classes, and end them: logins, keys, rights and namespaces; what was booked stays booked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maas_lab.applications import HOME
from maas_lab.classroom import keeping
from maas_lab.classroom.accounts import FACT, Accounts
from maas_lab.classroom.keeping import Kept
from maas_lab.classroom.learners import COURSE, LEARNER, Learner, in_order, must_be_course
from maas_lab.classroom.making import opened_portal
from maas_lab.classroom.money import Money
from maas_lab.classroom.rooms import QUOTA_KIND, RBAC, REQUESTER
from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound
from maas_lab.platform import Platform
from maas_lab.tables import Table


@dataclass(frozen=True)
class Row:
    """One learner of a class.

    Attributes:
        learner: their name in it.
        login: their name at the portal.
        namespace: their own.
        spent: dollars, with the key of the class; some seconds behind the calls.
        budget: dollars; empty where they have no key.
        ends: the day on which the key does.
    """

    learner: str
    login: str
    namespace: str
    spent: float
    budget: float | str
    ends: str


def overview(cluster: Cluster, platform: Platform, course: str = "") -> Table[Row]:
    """Return the learners of a class; of all classes, when it is left out."""
    with platform.gateway() as gateway:
        money = Money(gateway, None, platform.model)
        return Table(Row, [_row(one, money) for one in members(cluster, course)])


def members(cluster: Cluster, course: str = "") -> list[Learner]:
    """Return the learners of a class, or of all, as the labels of their namespaces tell."""
    selector = f"{COURSE}={course},{LEARNER}" if course else f"{COURSE},{LEARNER}"
    return in_order(cluster.list("Namespace", selector=selector))


def end(cluster: Cluster, platform: Platform, course: str, timeout: float = 300) -> list[Learner]:
    """End a class; return who was in it.

    Their namespaces go last: they tell who is in the class, should this be interrupted.

    Args:
        cluster: as the class's instructor.
        platform: of the class.
        course: its name.
        timeout: seconds to wait until the namespaces are gone.

    Raises:
        NotFound: there is no such class.
    """
    must_be_course(course)
    found = members(cluster, course)
    if not found:
        raise NotFound(f"there is no class `{course}`", hint="./lab class list")
    kept = [keeping.read(cluster, one) for one in found]
    _log_out(cluster, platform, kept)
    cluster.delete(_objects(cluster, platform.namespace, course))
    with platform.gateway() as gateway, opened_portal(platform) as portal:
        money = Money(gateway, portal, platform.model)
        for one in kept:
            money.end(one)
    cluster.delete(_others(cluster, found), timeout=timeout)
    cluster.delete(_projects(cluster, course))  # after the Applications in those: Argo CD ends none without its project
    cluster.delete([f"namespace/{one.namespace}" for one in found], timeout=timeout)
    return found


def _log_out(cluster: Cluster, platform: Platform, kept: Sequence[Kept]) -> None:
    """Take the logins away that the class has made."""
    made = {one.learner.login: one.password for one in kept if one.password}
    if made and FACT in platform.facts:
        Accounts(cluster, platform.facts[FACT]).remove(made)


def _objects(cluster: Cluster, platform: str, course: str) -> list[Any]:
    """Return what a class has outside its learners' namespaces."""
    selector, version = f"{COURSE}={course}", f"{RBAC}/v1"
    found: list[Any] = [
        *cluster.list("RoleBinding", platform, selector=selector, api_version=version),
        *cluster.list("ClusterRoleBinding", selector=selector, api_version=version),
    ]
    kind, version = QUOTA_KIND
    try:
        return [*found, *cluster.list(kind, selector=selector, api_version=version)]
    except NotFound:  # no such kind: only OpenShift and the local cluster have it
        return found


def _projects(cluster: Cluster, course: str) -> list[Any]:
    """Return the projects by which the learners' platforms follow Git."""
    try:
        return cluster.list("AppProject", HOME, selector=f"{COURSE}={course}")
    except NotFound:  # no such kind: there is no Argo CD
        return []


def _others(cluster: Cluster, found: Sequence[Learner]) -> list[str]:
    """Return the namespaces that the learners have made: by their lessons' names, or because they asked for them."""
    users = {who for one in found for who in (one.user, one.login)}
    named = {place for one in found for place in one.lesson_namespaces}
    return [
        f"namespace/{one.name}"
        for one in cluster.list("Namespace")
        if one.name in named or (one["metadata"].get("annotations") or {}).get(REQUESTER) in users
    ]


def _row(learner: Learner, money: Money) -> Row:
    key = money.state(learner)
    budget = "" if key is None or key.max_budget is None else key.max_budget
    ends = f"{key.expires:%Y-%m-%d}" if key and key.expires else ""
    return Row(learner.name, learner.login, learner.namespace, round(key.spend, 4) if key else 0.0, budget, ends)
