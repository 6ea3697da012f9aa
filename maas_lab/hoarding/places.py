"""Who has got a place on the nodes, who waits for one, and what is reserved: as the cluster tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maas_lab import wait
from maas_lab.errors import ClusterUnreachable, TookTooLong, UsageError
from maas_lab.hoarding.servers import server_name
from maas_lab.objects import condition, pod_reason
from maas_lab.offers import asked, has_place, offer
from maas_lab.readiness import SERVING

if TYPE_CHECKING:
    from maas_lab.cluster import Cluster
    from maas_lab.lab import Lab

Pod = Mapping[str, Any]


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
