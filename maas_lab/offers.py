"""What nodes offer, what pods ask for, and what is taken: as the cluster tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kubernetes.utils.quantity import parse_quantity

if TYPE_CHECKING:
    from maas_lab.cluster import Cluster

_ENDED = ("Succeeded", "Failed")
Pod = Mapping[str, Any]


@dataclass(frozen=True)
class Offer:
    """What nodes offer of a resource; None is what you may not look at.

    Attributes:
        resource: its name.
        offered: by all nodes together.
        taken: by pods that have a place, anybody's.
    """

    resource: str
    offered: int | None
    taken: int | None

    @property
    def free(self) -> int | None:
        """How many are left."""
        return None if self.offered is None or self.taken is None else self.offered - self.taken

    def __repr__(self) -> str:
        if self.free is None:
            return f"{self.resource}: you may not look at all nodes and pods; the scheduler will tell"
        return f"{self.resource}: {self.offered} offered, {self.taken} taken, {self.free} free"


def offer(cluster: Cluster, resource: str) -> Offer:
    """Ask the cluster how many of a resource its nodes offer, and how many are taken."""
    if not all(one.allowed for one in cluster.permissions(("list nodes", "list pods"), "*")):
        return Offer(resource, None, None)
    nodes, pods = cluster.list("Node"), cluster.list("Pod", "*")
    offered = sum(int((node["status"].get("allocatable") or {}).get(resource, 0)) for node in nodes)
    return Offer(resource, offered, int(sum(asked(pod, resource) for pod in pods if has_place(pod))))


def has_place(pod: Pod) -> bool:
    """Tell whether a pod holds what it asks for."""
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in _ENDED


def asked(pod: Pod, resource: str) -> Decimal | int:
    """Return how much of a resource the containers of a pod ask for."""
    wanted = [container.get("resources") or {} for container in pod["spec"].get("containers") or ()]
    named = [{**(one.get("limits") or {}), **(one.get("requests") or {})} for one in wanted]
    return sum(parse_quantity(one.get(resource, 0)) for one in named)
