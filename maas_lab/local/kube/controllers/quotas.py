"""Quotas: their status says what is allowed, and how much of it is used."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers.client import NAMESPACE, Client
from maas_lab.local.kube.quantities import Quantity
from maas_lab.local.kube.quota import limits, usage
from maas_lab.local.kube.quota.limits import CLUSTER_QUOTA, RESOURCE_QUOTA, Limit
from maas_lab.local.kube.store import DELETED, MODIFIED, Change, Key, Object, Store


class _Reports:
    """Reports usage in the status of quotas.

    Args:
        client: reads and writes objects.
        store: where they are counted.
    """

    def __init__(self, client: Client, store: Store) -> None:
        self._client, self._store = client, store


class ResourceQuotas(_Reports):
    """Reports what a namespace uses."""

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed quota, and those that limit what a namespace uses otherwise than before."""
        if change.key.resource == RESOURCE_QUOTA.resource and change.type != DELETED:
            yield change.key
        if _changes_usage(change):
            for quota in self._client.list(RESOURCE_QUOTA, change.key.namespace):
                yield Key(RESOURCE_QUOTA.resource, change.key.namespace, quota["metadata"]["name"])

    def reconcile(self, key: Key) -> float | None:
        """Report one quota."""
        quota = self._client.get(RESOURCE_QUOTA, key.namespace, key.name)
        if quota is not None:
            told = limits.of_quota(quota)
            used = limits.used(self._store, told.hard, key.namespace)
            self._client.update_status(RESOURCE_QUOTA, quota, _status(told, used))
        return None


class ClusterResourceQuotas(_Reports):
    """Reports what several namespaces use together, and each of them."""

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed quota, and those whose namespaces change or use otherwise than before."""
        if change.key.resource == CLUSTER_QUOTA.resource and change.type != DELETED:
            yield change.key
        states: list[Object | None] = []
        if change.key.resource == NAMESPACE.resource:
            states = [change.before, change.object]
        elif _changes_usage(change):
            states = [self._client.get(NAMESPACE, "", change.key.namespace)]
        for quota in self._client.list(CLUSTER_QUOTA) if any(states) else ():
            if any(limits.covers(quota, one) for one in states if one):
                yield Key(CLUSTER_QUOTA.resource, "", quota["metadata"]["name"])

    def reconcile(self, key: Key) -> float | None:
        """Report one quota."""
        quota = self._client.get(CLUSTER_QUOTA, "", key.name)
        if quota is None:
            return None
        told = limits.of_cluster_quota(quota, self._store)
        each = {place: limits.used(self._store, told.hard, place) for place in told.places}
        nothing = dict.fromkeys(told.hard, Quantity())
        status = {
            "total": _status(told, usage.added((nothing, *each.values()))),
            "namespaces": [{"namespace": place, "status": _status(told, one)} for place, one in each.items()],
        }
        self._client.update_status(CLUSTER_QUOTA, quota, status)
        return None


def _changes_usage(change: Change) -> bool:
    """Tell whether a change makes its namespace use more or less."""
    if change.type != MODIFIED or not change.before:
        return usage.is_counted(change.key.resource)
    kind = usage.kind_of(f"count/{change.key.resource}")
    return kind is not None and usage.of_object(kind, change.before) != usage.of_object(kind, change.object)


def _status(limit: Limit, used: usage.Amounts) -> Object:
    return {"hard": limits.written(limit.hard), "used": limits.written(used)}
