"""Who has got a place on the nodes, who waits for one, and what is reserved: as the cluster tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kubernetes.utils.quantity import parse_quantity

from maas_lab import wait
from maas_lab.errors import ClusterUnreachable, NotAllowed, TookTooLong, UsageError
from maas_lab.hoarding.servers import server_name
from maas_lab.objects import condition, pod_reason
from maas_lab.readiness import SERVING

if TYPE_CHECKING:
    from maas_lab.cluster import Cluster
    from maas_lab.lab import Lab

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


@dataclass(frozen=True)
class Crowd:
    """Who has got a place.

    Attributes:
        running: developers whose model serves.
        waiting: those whose pod has no place.
        pods: the pod's name, by developer.
    """

    running: tuple[str, ...]
    waiting: tuple[str, ...]
    pods: Mapping[str, str]

    def __repr__(self) -> str:
        return f"{len(self.running)} run, {len(self.waiting)} wait for a place"


@dataclass(frozen=True)
class Reserved:
    """What pods ask for, and what those of them hold that have a place: nobody else can have that.

    Attributes:
        copies: pods that have a place.
        asked_slots: slots that all pods together ask for.
        held_slots: slots of those that have a place.
        asked_memory: bytes, likewise.
        held_memory: bytes, likewise.
    """

    copies: int
    asked_slots: int
    held_slots: int
    asked_memory: int
    held_memory: int


def offer(cluster: Cluster, resource: str) -> Offer:
    """Ask the cluster how many of a resource its nodes offer, and how many are taken."""
    try:
        nodes, pods = cluster.list("Node"), cluster.list("Pod", "*")
    except NotAllowed:
        return Offer(resource, None, None)
    offered = sum(int((node["status"].get("allocatable") or {}).get(resource, 0)) for node in nodes)
    return Offer(resource, offered, int(sum(asked(pod, resource) for pod in pods if has_place(pod))))


def reserved(cluster: Cluster, namespace: str, resource: str, model: str | None = None) -> Reserved:
    """Add up what the pods of a namespace ask for.

    Args:
        cluster: where.
        namespace: of the pods.
        resource: what stands for a GPU.
        model: only the pods of this InferenceService.
    """
    pods = cluster.list("Pod", namespace, selector=f"{SERVING}={model}" if model else SERVING)
    there = [one for one in pods if not one["metadata"].get("deletionTimestamp")]
    placed = [one for one in there if has_place(one)]
    sums = [sum(asked(pod, name) for pod in some) for name in (resource, "memory") for some in (there, placed)]
    return Reserved(len(placed), *map(int, sums))


def settle(lab: Lab, namespace: str, names: Iterable[str], patience: float = 600) -> Crowd:
    """Wait until each developer's model serves or has no place, and return who has got one.

    Args:
        lab: the lab.
        namespace: where they have deployed.
        names: the developers.
        patience: seconds to wait.

    Raises:
        TookTooLong: somebody's pod neither serves nor waits for a place, or nobody has got one.
        UsageError: everybody has got one.
    """
    servers = {server_name(lab.model, name): name for name in names}
    latest: dict[str, str] = {}

    def settled() -> Crowd | None:
        found = [(servers.get(pod["metadata"]["labels"].get(SERVING)), pod) for pod in _pods(lab, namespace)]
        pods = {name: pod for name, pod in found if name}
        latest.update({name: _state(pods.get(name)) for name in servers.values()})
        running, waiting = (tuple(one for one in latest if latest[one] == what) for what in ("ready", "no place"))
        done = running and len(running) + len(waiting) == len(latest)
        return Crowd(running, waiting, {name: pod["metadata"]["name"] for name, pod in pods.items()}) if done else None

    try:
        crowd = wait.until(settled, what="places", timeout=patience, every=0.5, transient=(ClusterUnreachable,))
    except TookTooLong:
        raise _unsettled(lab, latest, patience) from None
    if not crowd.waiting:
        hint = f"this cluster has room: run the lesson with more `people` than {len(crowd.running)}"
        raise UsageError("everybody has got a place, so there is nothing to find out", hint=hint)
    return crowd


def _pods(lab: Lab, namespace: str) -> list[Pod]:
    return lab.cluster.list("Pod", namespace, selector=SERVING)


def _state(pod: Pod | None) -> str:
    if pod is None:
        return "no pod yet"
    if (condition(pod, "Ready") or {}).get("status") == "True":
        return "ready"
    placed = condition(pod, "PodScheduled") or {}
    return "no place" if placed.get("reason") == "Unschedulable" else pod_reason(pod)[0] or "starts"


def _unsettled(lab: Lab, latest: Mapping[str, str], patience: float) -> TookTooLong:
    if set(latest.values()) == {"no place"}:
        why = f"others hold what there is. {offer(lab.cluster, lab.gpu_resource)}"
        hint = "wait until another run of this lesson ends, or free a slot; then run this cell again"
        return TookTooLong(f"nobody has got a place within {patience:g} s", why, hint)
    why = ", ".join(f"{name}: {state}" for name, state in latest.items())
    hint = "lab.cluster.events(namespace) says what holds them; `patience` gives them more time"
    return TookTooLong(f"waited {patience:g} s for the models of all developers", why, hint)


def has_place(pod: Pod) -> bool:
    """Tell whether a pod holds what it asks for."""
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in _ENDED


def asked(pod: Pod, resource: str) -> Decimal | int:
    """Return how much of a resource the containers of a pod ask for."""
    wanted = [container.get("resources") or {} for container in pod["spec"].get("containers") or ()]
    named = [{**(one.get("limits") or {}), **(one.get("requests") or {})} for one in wanted]
    return sum(parse_quantity(one.get(resource, 0)) for one in named)
