"""How many learners' platforms find a place on a cluster's nodes. Pure arithmetic, as a scheduler adds up requests.

It knows requests of CPU, memory, GPUs and pods, cordoned nodes and taints. Node selectors, affinity, volumes and what
pods ask for in init containers it does not know, so a scheduler may place less than this says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from maas_lab.offers import asked, has_place

Body = Mapping[str, Any]
Amounts = dict[str, Decimal]
BASICS = ("cpu", "memory", "pods")


@dataclass(frozen=True)
class Need:
    """What one pod asks for.

    Attributes:
        amounts: by resource; one of `pods`.
        tolerations: of taints.
    """

    amounts: Amounts
    tolerations: Sequence[Body] = ()


@dataclass(frozen=True)
class Fit:
    """How many find a place.

    Attributes:
        learners: whose pods all have one.
        lacking: what the next one's pod lacks on every node; empty when all have a place.
    """

    learners: int
    lacking: tuple[str, ...] = ()


def needs(objects: Iterable[Body], gpu: str) -> list[Need]:
    """Return what the pods of rendered manifests ask for, one by one.

    Args:
        objects: Deployments, StatefulSets, InferenceServices and their ServingRuntimes; others have no pods.
        gpu: the resource that stands for a GPU.
    """
    objects = list(objects)
    runtimes = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "ServingRuntime"}
    found: list[Need] = []
    for one in objects:
        spec = one.get("spec") or {}
        if one["kind"] in ("Deployment", "StatefulSet"):
            found += [_need(spec["template"]["spec"], gpu)] * spec.get("replicas", 1)
        elif one["kind"] == "InferenceService":
            predictor = spec["predictor"]
            found += [_need(_served(predictor, runtimes), gpu)] * predictor.get("minReplicas", 1)
    return found


def _served(predictor: Body, runtimes: Mapping[str, Body]) -> Body:
    """Return the pod that KServe makes: the model's own resources come before those of its runtime."""
    model = predictor.get("model") or {}
    recipe = runtimes.get(model.get("runtime", ""), {})
    own = [{"resources": model["resources"]}] if model.get("resources") else recipe.get("containers", ())[:1]
    tolerations = predictor.get("tolerations") or recipe.get("tolerations") or ()
    return {"containers": [*own, *recipe.get("containers", ())[1:]], "tolerations": tolerations}


def _need(pod: Body, gpu: str) -> Need:
    amounts = {name: Decimal(asked({"spec": pod}, name)) for name in ("cpu", "memory", gpu)}
    return Need(amounts | {"pods": Decimal(1)}, pod.get("tolerations") or ())


def total(wanted: Iterable[Need]) -> Amounts:
    """Add up what pods ask for."""
    sums: Amounts = {}
    for one in wanted:
        for name, amount in one.amounts.items():
            sums[name] = sums.get(name, Decimal(0)) + amount
    return sums


def fit(nodes: Iterable[Body], pods: Iterable[Body], wanted: Sequence[Need], learners: int, gpu: str) -> Fit:
    """Place learners' pods on nodes, the largest first, each where it leaves least behind.

    Args:
        nodes: as the cluster lists them.
        pods: all of the cluster's, which hold what they ask for.
        wanted: of one learner.
        learners: how many.
        gpu: the resource that stands for a GPU.
    """
    usable = [node for node in nodes if not (node.get("spec") or {}).get("unschedulable")]
    held: dict[str, list[Body]] = {}
    for pod in pods:
        if has_place(pod):
            held.setdefault(pod["spec"]["nodeName"], []).append(pod)
    rooms = [(node, _free(node, held.get(node["metadata"]["name"], []), gpu)) for node in usable]
    ordered = sorted(wanted, key=lambda one: (one.amounts[gpu], one.amounts["memory"]), reverse=True)
    for number in range(learners):
        for one in ordered:
            if not _placed(one, rooms):
                return Fit(number, _lacking(one, rooms))
    return Fit(learners)


def _free(node: Body, pods: Sequence[Body], gpu: str) -> Amounts:
    offered = (node.get("status") or {}).get("allocatable") or {}
    left = {name: parse_quantity(offered.get(name, 0)) for name in (*BASICS, gpu)}
    taken = {name: sum(Decimal(asked(pod, name)) for pod in pods) for name in ("cpu", "memory", gpu)}
    taken["pods"] = Decimal(len(pods))
    return {name: left[name] - taken[name] for name in left}


def _placed(one: Need, rooms: Sequence[tuple[Body, Amounts]]) -> bool:
    fitting = [free for node, free in rooms if _tolerates(one, node) and not _short(one, free)]
    if not fitting:
        return False
    best = min(fitting, key=lambda free: free["memory"])
    for name, amount in one.amounts.items():
        best[name] -= amount
    return True


def _short(one: Need, free: Amounts) -> list[str]:
    return [name for name, amount in one.amounts.items() if amount > free[name]]


def _lacking(one: Need, rooms: Sequence[tuple[Body, Amounts]]) -> tuple[str, ...]:
    """Return what lacks on the node that lacks the fewest things; a taint where nothing else does."""
    short = [_short(one, free) for node, free in rooms if _tolerates(one, node)]
    return tuple(min(short, key=len)) if short else ("a node without a taint",)


def _tolerates(one: Need, node: Body) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    hard = [taint for taint in taints if taint.get("effect") in ("NoSchedule", "NoExecute")]
    return all(any(_covers(each, taint) for each in one.tolerations) for taint in hard)


def _covers(toleration: Body, taint: Body) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")
