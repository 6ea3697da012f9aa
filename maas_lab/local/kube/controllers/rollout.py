"""The arithmetic of a rolling update: how many pods each ReplicaSet of a Deployment may have next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from maas_lab.local.kube.controllers.common import share, status
from maas_lab.local.kube.store import Object

DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"


@dataclass(frozen=True)
class Limits:
    """What a Deployment allows during an update.

    Attributes:
        replicas: pods that are wanted.
        surge: pods beyond that.
        unavailable: pods below that which may be missing.
    """

    replicas: int
    surge: int
    unavailable: int


def limits(deployment: Object) -> Limits:
    """Return a Deployment's limits; of a surge and an unavailability of zero the latter becomes one."""
    replicas = deployment["spec"].get("replicas", 1)
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate":
        return Limits(replicas, 0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas))


def wanted(replica_set: Object) -> int:
    """Return how many pods a ReplicaSet is asked for."""
    return replica_set["spec"].get("replicas", 0)


def available(replica_set: Object) -> int:
    """Return how many pods of a ReplicaSet are available."""
    return status(replica_set).get("availableReplicas", 0)


def next_new(deployment: Object, new: Object | None, everyone: list[Object]) -> int:
    """Return how many pods the new ReplicaSet may have now."""
    allowed = limits(deployment)
    has = wanted(new) if new else 0
    if deployment["spec"]["strategy"]["type"] != "RollingUpdate" or has >= allowed.replicas:
        return allowed.replicas
    room = allowed.replicas + allowed.surge - sum(map(wanted, everyone))
    return has + min(max(0, room), allowed.replicas - has)


def next_old(deployment: Object, new: Object, old: list[Object]) -> dict[str, int]:
    """Return how many pods old ReplicaSets may have now, by name; those that do not work go first."""
    allowed = limits(deployment)
    least = allowed.replicas - allowed.unavailable
    spare = sum(map(wanted, [new, *old])) - least - max(0, wanted(new) - available(new))
    if spare <= 0:
        return {}
    plan = {one["metadata"]["name"]: wanted(one) for one in old}
    by_age = sorted(old, key=lambda one: one["metadata"]["creationTimestamp"])
    for one in by_age:
        broken = min(spare, max(0, wanted(one) - available(one)))
        plan[one["metadata"]["name"]] -= broken
        spare -= broken
    working = sum(map(available, [new, *old])) - least
    spare = min(spare, working)
    for one in by_age:
        fewer = min(max(0, spare), plan[one["metadata"]["name"]])
        plan[one["metadata"]["name"]] -= fewer
        spare -= fewer
    return {one["metadata"]["name"]: plan[one["metadata"]["name"]] for one in old if _differs(one, plan)}


def _differs(one: Object, plan: dict[str, int]) -> bool:
    return plan[one["metadata"]["name"]] != wanted(one)


def is_scaling(deployment: Object, everyone: list[Object]) -> bool:
    """Tell whether the number of pods that are wanted has changed since the ReplicaSets were last set."""
    asked = str(deployment["spec"].get("replicas", 1))
    annotations = [one["metadata"].get("annotations") or {} for one in everyone if wanted(one) > 0]
    return any(one.get(DESIRED, asked) != asked for one in annotations)


@dataclass
class _Shares:
    left: int
    plan: dict[str, int] = field(default_factory=dict)


def scaled(deployment: Object, new: Object | None, everyone: list[Object]) -> dict[str, int]:
    """Return how many pods each ReplicaSet has after a change of the Deployment's size, by name.

    With one active ReplicaSet, all go there; in the middle of a rolling update each keeps its proportion.
    """
    active = [one for one in everyone if wanted(one) > 0]
    total = deployment["spec"].get("replicas", 1)
    if len(active) <= 1:
        target = active[0] if active else new or _latest(everyone)
        return {target["metadata"]["name"]: total} if target else {}
    if new and wanted(new) == available(new) == total:
        return {one["metadata"]["name"]: 0 for one in active if one is not new}
    if deployment["spec"]["strategy"]["type"] != "RollingUpdate":
        return {}
    return _proportional(deployment, active)


def _latest(everyone: list[Object]) -> Object | None:
    return max(everyone, key=lambda one: one["metadata"]["creationTimestamp"], default=None)


def _proportional(deployment: Object, active: list[Object]) -> dict[str, int]:
    allowed = limits(deployment)
    most = allowed.replicas + allowed.surge if allowed.replicas else 0
    shares = _Shares(most - sum(map(wanted, active)))
    growing = shares.left > 0
    by_size = sorted(active, key=lambda one: (wanted(one), one["metadata"]["creationTimestamp"]), reverse=True)
    for one in by_size:
        before = int((one["metadata"].get("annotations") or {}).get(MOST) or allowed.replicas) or 1
        change = round(wanted(one) * most / before) - wanted(one)
        change = min(max(change, 0), shares.left) if growing else max(min(change, 0), shares.left)
        shares.plan[one["metadata"]["name"]] = wanted(one) + change
        shares.left -= change
    first = by_size[0]["metadata"]["name"]
    shares.plan[first] = max(0, shares.plan[first] + shares.left)
    return shares.plan
