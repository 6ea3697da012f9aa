"""What an object uses, by the names under which quotas limit it. Pure.

Pods count with what they ask for until they have ended; `count/pods` counts all that there are. Claims count with their
storage. Everything else counts as one. Events are in no quota, as on a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.kinds import KINDS, Kind, of
from maas_lab.local.kube.quantities import Quantity, read
from maas_lab.local.kube.store import Object

Amounts = dict[str, Quantity]
POD, CLAIM, EVENT = (of("v1", kind) for kind in ("Pod", "PersistentVolumeClaim", "Event"))
ONE = read("1")
STORAGE = "requests.storage"
# What a pod's containers must all name where a quota limits it.
NAMED = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
# Kinds that are also counted under their plural alone.
_PLAIN = ("configmaps", "persistentvolumeclaims", "pods", "resourcequotas", "secrets", "services")
_REQUESTS, _LIMITS = "requests.", "limits."
_NATIVE = ("kubernetes.io", ".storageclass.storage.k8s.io")
_ENDED = ("Succeeded", "Failed")
_COUNTED = {f"count/{kind.resource}": kind for kind in KINDS if kind.namespaced and kind.stored and kind != EVENT}
WHOLE = frozenset((*_PLAIN, *_COUNTED))  # the names of what comes in whole numbers only


def kind_of(name: str) -> Kind | None:
    """Return the kind whose objects use what a quota limits under a name; None where nothing is counted so."""
    if name in _PLAIN:
        return _COUNTED[f"count/{name}"]
    if name == STORAGE:
        return CLAIM
    if name in NAMED or (name.startswith(_REQUESTS) and is_extended(name.removeprefix(_REQUESTS))):
        return POD
    return _COUNTED.get(name)


def is_extended(resource: str) -> bool:
    """Tell whether a resource is one that nodes offer besides their own, such as `nvidia.com/gpu`."""
    own = resource.startswith((_REQUESTS, _LIMITS, "count/"))
    return "/" in resource and not own and not any(f"{one}/" in resource for one in _NATIVE)


def is_counted(resource: str) -> bool:
    """Tell whether objects can be in a quota, by their `plural.group`."""
    return f"count/{resource}" in _COUNTED


def of_object(kind: Kind, obj: Object) -> Amounts:
    """Return what one object uses."""
    if not is_counted(kind.resource):
        return {}
    used = {f"count/{kind.resource}": ONE}
    if kind == POD:
        has_ended = (obj.get("status") or {}).get("phase") in _ENDED
        return used if has_ended else {**used, "pods": ONE, **_asked(obj["spec"])}
    if kind.resource in _PLAIN:
        used[kind.resource] = ONE
    if kind == CLAIM:
        size = ((obj["spec"].get("resources") or {}).get("requests") or {}).get("storage")
        used[STORAGE] = read(size) if size is not None else Quantity()
    return used


def added(every: Iterable[Amounts]) -> Amounts:
    """Add amounts up, name by name."""
    total: Amounts = {}
    for one in every:
        for name, amount in one.items():
            total[name] = total[name] + amount if name in total else amount
    return total


def growth(new: Amounts, old: Amounts) -> Amounts:
    """Return by how much more is used than before; what is used less, or as much, is left out."""
    more = {name: amount - old.get(name, Quantity()) for name, amount in new.items()}
    return {name: amount for name, amount in more.items() if amount.number > 0}


def unnamed(pod: Object, names: Iterable[str]) -> dict[str, list[str]]:
    """Return which containers of a pod do not say what they ask for, by name of what they must say, sorted."""
    containers = [*pod["spec"].get("containers", ()), *(pod["spec"].get("initContainers") or ())]
    found: dict[str, list[str]] = {}
    for name in sorted(set(names).intersection(NAMED)):
        if silent := sorted(one["name"] for one in containers if name not in _named(_of(one))):
            found[name] = silent
    return found


def _asked(spec: Object) -> Amounts:
    return _named({what: _together(spec, what) for what in ("requests", "limits")})


def _of(container: Object) -> dict[str, Amounts]:
    resources = container.get("resources") or {}
    return {what: _read(resources.get(what)) for what in ("requests", "limits")}


def _read(told: Object | None) -> Amounts:
    return {name: read(amount) for name, amount in (told or {}).items()}


def _named(asked: dict[str, Amounts]) -> Amounts:
    """Return requests and limits under the names of quotas."""
    found: Amounts = {}
    for name, amount in asked["requests"].items():
        if name in ("cpu", "memory"):
            found[name] = found[_REQUESTS + name] = amount
        elif is_extended(name):
            found[_REQUESTS + name] = amount
    limited = {_LIMITS + name: amount for name, amount in asked["limits"].items() if name in ("cpu", "memory")}
    return {**found, **limited}


def _together(spec: Object, what: str) -> Amounts:
    """Return what a pod's containers ask for at the same time at most.

    Those that only start it run one after the other, beside the lasting ones among them that have begun before.
    """
    always, begun, most = added(_of(one)[what] for one in spec.get("containers", ())), {}, {}
    for one in spec.get("initContainers") or ():
        own = _of(one)[what]
        if one.get("restartPolicy") == "Always":
            always, begun = added((always, own)), added((begun, own))
            most = _larger(most, begun)
        else:
            most = _larger(most, added((begun, own)))
    return _larger(always, most)


def _larger(first: Amounts, second: Amounts) -> Amounts:
    found = dict(first)
    for name, amount in second.items():
        if name not in found or amount.number > found[name].number:
            found[name] = amount
    return found
