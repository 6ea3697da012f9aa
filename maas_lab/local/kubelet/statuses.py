"""Tell how a pod is, from how its containers are, as a kubelet does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from maas_lab.local.kube.controllers.common import condition, dated
from maas_lab.local.kube.store import Object
from maas_lab.local.supervisor import State
from maas_lab.settings import LOOPBACK

OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


def container(spec: Object, state: Object, last: Object | None, id_: str, restarts: int, process: State) -> Object:
    """Return the status of one container.

    Args:
        spec: from the pod's spec.
        state: `waiting`, `running` or `terminated`.
        last: how the instance before ended, None if there was none.
        id_: of the present or last instance; empty before the first.
        restarts: how often it has been restarted.
        process: of the present instance.
    """
    told: dict[str, Any] = {
        "name": spec["name"],
        "state": state,
        "lastState": {"terminated": last} if last else {},
        "ready": process.ready,
        "started": process.started,
        "restartCount": restarts,
        "image": spec["image"],
        "imageID": f"catalogue://{spec['image']}" if id_ else "",
    }
    if id_:
        told["containerID"] = id_
    if mounts := [_mount(one) for one in spec.get("volumeMounts") or ()]:
        told["volumeMounts"] = mounts
    return told


def pod(obj: Object, containers: Sequence[Object], at: str, *, mounted: bool, over: bool = False) -> Object:
    """Return the status of a pod.

    Args:
        obj: the pod as it is stored.
        containers: the statuses of its containers.
        at: the time, as objects carry it.
        mounted: its volumes are there.
        over: nothing of it will run again.
    """
    old = obj.get("status") or {}
    phase = _phase(obj["spec"].get("restartPolicy", "Always"), containers, over=over)
    new = [
        dated({**one, "lastTransitionTime": at}, old) for one in _conditions(obj, containers, phase, mounted=mounted)
    ]
    others = [one for one in old.get("conditions") or () if one["type"] not in OURS]
    addresses = {"podIP": LOOPBACK, "podIPs": [{"ip": LOOPBACK}]} if mounted else {}
    return {
        **old,
        "phase": phase,
        "conditions": [*new, *others],
        "hostIP": LOOPBACK,
        "hostIPs": [{"ip": LOOPBACK}],
        **addresses,
        "startTime": old.get("startTime") or at,
        "containerStatuses": sorted(containers, key=lambda one: one["name"]),
    }


def _mount(one: Object) -> Object:
    told = {"name": one["name"], "mountPath": one["mountPath"]}
    return {**told, "readOnly": True, "recursiveReadOnly": "Disabled"} if one.get("readOnly") else told


def _phase(policy: str, containers: Sequence[Object], *, over: bool) -> str:
    ended = [one["state"].get("terminated") or one["lastState"].get("terminated") for one in containers]
    running = [bool(one["state"].get("running")) for one in containers]
    if any(not is_running and end is None for is_running, end in zip(running, ended, strict=True)):
        return "Pending"
    if any(running) or (policy == "Always" and not over):
        return "Running"
    if all(end["exitCode"] == 0 for end in ended):
        return "Succeeded"
    return "Failed" if policy == "Never" or over else "Running"


def _conditions(obj: Object, containers: Sequence[Object], phase: str, *, mounted: bool) -> Iterator[Object]:
    unready = [one["name"] for one in containers if not one["ready"]]
    why: tuple[str, ...] = ()
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    if ended:
        why = (ended,)
    elif unready:
        why = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    closed = why or _closed_gates(obj)
    yield _condition("PodReadyToStartContainers", mounted and not ended)
    yield _condition("Initialized", True, "PodCompleted" if phase == "Succeeded" else "")
    yield _condition("Ready", not closed, *closed)
    yield _condition("ContainersReady", not why, *why)


def _closed_gates(obj: Object) -> tuple[str, ...]:
    told = []
    for gate in obj["spec"].get("readinessGates") or ():
        type_ = gate["conditionType"]
        found = condition(obj.get("status") or {}, type_)
        if found is None:
            told.append(f'corresponding condition of pod readiness gate "{type_}" does not exist.')
        elif found["status"] != "True":
            told.append(f'the status of pod readiness gate "{type_}" is not "True", but {found["status"]}')
    return ("ReadinessGatesNotReady", ", ".join(told)) if told else ()


def _condition(type_: str, is_true: bool, reason: str = "", message: str = "") -> Object:
    told: dict[str, Any] = {"type": type_, "status": "True" if is_true else "False", "lastProbeTime": None}
    return {**told, **({"reason": reason} if reason else {}), **({"message": message} if message else {})}
