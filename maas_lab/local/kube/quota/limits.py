"""Which quotas hold a namespace, what they allow, and how much of it is used."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from maas_lab.local.kube.controllers.common import selects
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.quantities import Quantity, read
from maas_lab.local.kube.quota import usage
from maas_lab.local.kube.quota.usage import Amounts
from maas_lab.local.kube.store import DELETED, Change, Object, Store

RESOURCE_QUOTA = of("v1", "ResourceQuota")
CLUSTER_QUOTA = of("quota.openshift.io/v1", "ClusterResourceQuota")
NAMESPACE = of("v1", "Namespace")


@dataclass(frozen=True)
class Limit:
    """What one quota allows.

    Attributes:
        name: of the quota.
        hard: the most of each resource.
        places: the namespaces that share it.
    """

    name: str
    hard: Amounts
    places: tuple[str, ...]


def of_quota(quota: Object) -> Limit:
    """Return the limit of a ResourceQuota."""
    return Limit(quota["metadata"]["name"], _hard(quota["spec"]), (quota["metadata"]["namespace"],))


def of_cluster_quota(quota: Object, store: Store) -> Limit:
    """Return the limit of a ClusterResourceQuota."""
    places = tuple(key.name for key, namespace, _ in store.list(NAMESPACE) if covers(quota, namespace))
    return Limit(quota["metadata"]["name"], _hard(quota["spec"]["quota"]), places)


def covers(quota: Object, namespace: Object) -> bool:
    """Tell whether a ClusterResourceQuota holds a namespace: annotations and labels must both fit."""
    selector, metadata = quota["spec"]["selector"], namespace["metadata"]
    wanted, labels = selector.get("annotations") or {}, selector.get("labels")
    if not wanted.items() <= (metadata.get("annotations") or {}).items():
        return False
    return labels is None or selects(labels, metadata.get("labels") or {})


def holding(store: Store, namespace: str) -> list[Limit]:
    """Return the limits of a namespace: its own, then those that it shares."""
    own = [of_quota(quota) for _, quota, _ in store.list(RESOURCE_QUOTA, namespace)]
    wide = [quota for _, quota, _ in store.list(CLUSTER_QUOTA)]
    place = store.get(NAMESPACE, "", namespace) if wide else None
    return own + [of_cluster_quota(quota, store) for quota in wide if place and covers(quota, place)]


def frees(change: Change) -> bool:
    """Tell whether a change of a quota's status, or its end, leaves more to others than before."""
    if change.key.resource not in (RESOURCE_QUOTA.resource, CLUSTER_QUOTA.resource) or not change.before:
        return False
    before, now = _left(change.before), _left(change.object)
    return change.type == DELETED or any(name not in now or now[name] > left for name, left in before.items())


def _left(quota: Object) -> dict[str, Decimal]:
    status = quota.get("status") or {}
    told = status.get("total", status)
    used = told.get("used") or {}
    return {name: read(most).number - read(used.get(name, 0)).number for name, most in (told.get("hard") or {}).items()}


def used(store: Store, hard: Amounts, namespace: str) -> Amounts:
    """Return how much of each resource that is limited a namespace uses now."""
    kinds = {kind.resource: kind for name in hard if (kind := usage.kind_of(name))}
    objects = ((kind, obj) for kind in kinds.values() for _, obj, _ in store.list(kind, namespace))
    total = usage.added(usage.of_object(kind, obj) for kind, obj in objects)
    return {name: total.get(name, Quantity()) for name in hard}


def written(amounts: Amounts) -> dict[str, str]:
    """Return amounts as a status holds them."""
    return {name: str(amount) for name, amount in sorted(amounts.items())}


def _hard(spec: Object) -> Amounts:
    return {name: read(amount) for name, amount in (spec.get("hard") or {}).items()}
