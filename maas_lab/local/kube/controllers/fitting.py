"""Tell whether a pod fits on the node, and why not, in the words of the scheduler. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from maas_lab.local.kube import quantities
from maas_lab.local.kube.store import Object

Amounts = dict[str, Decimal]
AFFINITY = "node(s) didn't match Pod's node affinity/selector"
NEVER, NOT_NOW = "Preemption is not helpful for scheduling.", "No preemption victims found for incoming pod."
amount = lru_cache(4096)(quantities.value)


@dataclass(frozen=True)
class Misfit:
    """Why a pod does not fit on the node.

    Attributes:
        reasons: e.g. `Insufficient cpu`.
        for_good: it would not fit on the empty node either.
    """

    reasons: tuple[str, ...]
    for_good: bool = True

    @property
    def message(self) -> str:
        """Return the scheduler's sentence."""
        told = ", ".join(sorted(f"1 {reason}" for reason in self.reasons))
        helpless = NEVER if self.for_good else NOT_NOW
        return f"{_unavailable(told)}. no new claims to deallocate, preemption: {_unavailable(f'1 {helpless}')}"


def _unavailable(why: str) -> str:
    return f"0/1 nodes are available: {why}"


def not_ready_yet(why: str) -> str:
    """Return the scheduler's sentence for what keeps a pod from being placed at all, such as a volume."""
    return f"{_unavailable(why)}. not found"


def check(pod: Object, node: Object, others: Iterable[Object]) -> Misfit | None:
    """Return why a pod does not fit on a node that runs other pods, or None.

    As in the scheduler the first kind of obstacle is told, and all shortages together.
    """
    if node["spec"].get("unschedulable") and not _tolerates(pod, _UNSCHEDULABLE):
        return Misfit(("node(s) were unschedulable",))
    taints = [one for one in node["spec"].get("taints") or () if one.get("effect") in ("NoSchedule", "NoExecute")]
    if any(not _tolerates(pod, taint) for taint in taints):
        return Misfit(("node(s) had untolerated taint(s)",))
    if not _is_attracted(pod, node):
        return Misfit((AFFINITY,))
    return _shortage(pod, node, list(others))


_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _tolerates(pod: Object, taint: Object) -> bool:
    return any(_covers(one, taint) for one in pod["spec"].get("tolerations") or ())


def _covers(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")


def _is_attracted(pod: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_matches(term, node, labels) for term in required.get("nodeSelectorTerms") or ())


def _matches(term: Object, node: Object, labels: Object) -> bool:
    by_field = {"metadata.name": node["metadata"]["name"]}
    asked = [(one, labels) for one in term.get("matchExpressions") or ()]
    asked += [(one, by_field) for one in term.get("matchFields") or ()]
    return bool(asked) and all(_holds(one, values) for one, values in asked)


def _holds(one: Object, values: Object) -> bool:
    value, wanted = values.get(one["key"]), one.get("values") or ()
    match one["operator"]:
        case "In":
            return value in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _number(value) > _number(wanted[0])
        case "Lt":
            return _number(value) < _number(wanted[0])
    return value not in wanted


def _number(text: str | None) -> float:
    """Return a label's number; one that is none compares as false."""
    return int(text) if text and text.lstrip("-").isdigit() else math.nan


def _shortage(pod: Object, node: Object, others: list[Object]) -> Misfit | None:
    offered = {name: amount(value) for name, value in (node["status"].get("allocatable") or {}).items()}
    used: Amounts = {}
    for one in others:
        for name, value in requests(one["spec"]).items():
            used[name] = used.get(name, Decimal(0)) + value
    reasons, for_good = [], False
    if len(others) + 1 > offered.get("pods", 0):
        reasons.append("Too many pods")
    for name, value in requests(pod["spec"]).items():
        if value and value > offered.get(name, Decimal(0)) - used.get(name, Decimal(0)):
            reasons.append(f"Insufficient {name}")
            for_good = for_good or value > offered.get(name, Decimal(0))
    return Misfit(tuple(reasons), for_good) if reasons else None


def requests(spec: Object) -> Amounts:
    """Return what a pod asks for: its containers together, or its greediest start-up step if that is more."""
    always = [*spec.get("containers", ()), *(one for one in _starters(spec) if one.get("restartPolicy") == "Always")]
    total: Amounts = {}
    for container in always:
        for name, value in _asked(container):
            total[name] = total.get(name, Decimal(0)) + value
    for container in _starters(spec):
        if container.get("restartPolicy") != "Always":
            for name, value in _asked(container):
                total[name] = max(total.get(name, Decimal(0)), value)
    return total


def _starters(spec: Object) -> Iterable[Object]:
    return spec.get("initContainers") or ()


def _asked(container: Object) -> Iterator[tuple[str, Decimal]]:
    resources = container.get("resources") or {}
    for name, value in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}.items():
        yield name, amount(value)
