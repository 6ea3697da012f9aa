"""What a Deployment reports: its numbers, and the conditions Available and Progressing with the words of a real one."""

from __future__ import annotations

from datetime import datetime, timedelta

from maas_lab.local.kube.controllers.common import condition, read_stamp, status, with_condition, without_zeros
from maas_lab.local.kube.controllers.rollout import limits, wanted
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import stamp

NO_DEADLINE = 2**31 - 1
COMPLETE, TIMED_OUT, PAUSED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"


def numbers(deployment: Object, new: Object | None, everyone: list[Object]) -> Object:
    """Return the numbers of a Deployment's status, added up from its ReplicaSets."""
    total = {name: _total(everyone, name) for name in ("replicas", "readyReplicas", "availableReplicas")}
    told = {
        "observedGeneration": deployment["metadata"]["generation"],
        **total,
        "updatedReplicas": status(new).get("replicas", 0) if new else 0,
        "unavailableReplicas": max(0, sum(map(wanted, everyone)) - total["availableReplicas"]),
        "terminatingReplicas": _total(everyone, "terminatingReplicas"),
        "collisionCount": status(deployment).get("collisionCount"),
    }
    return without_zeros(told, "terminatingReplicas")


def _total(everyone: list[Object], name: str) -> int:
    return sum(status(one).get(name, 0) for one in everyone)


def put(told: Object, type_: str, value: str, reason: str, message: str, at: datetime) -> Object:
    """Return a status with a condition; one with the same status and reason stays untouched."""
    old = condition(told, type_)
    if old and (old["status"], old["reason"]) == (value, reason):
        return told
    return _fresh(told, {"type": type_, "status": value, "reason": reason, "message": message}, at)


def _fresh(told: Object, new: Object, at: datetime) -> Object:
    new = {**new, "lastUpdateTime": stamp(at), "lastTransitionTime": stamp(at)}
    return {**told, "conditions": with_condition(told.get("conditions") or (), new)}


def with_availability(deployment: Object, told: Object, at: datetime) -> Object:
    """Return a status that says whether enough pods are available."""
    allowed = limits(deployment)
    if told.get("availableReplicas", 0) >= allowed.replicas - allowed.unavailable:
        return put(told, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", at)
    message = "Deployment does not have minimum availability."
    return put(told, "Available", "False", "MinimumReplicasUnavailable", message, at)


def has_deadline(deployment: Object) -> bool:
    """Tell whether a Deployment must get on in time."""
    return deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE) != NO_DEADLINE


def with_progress(deployment: Object, told: Object, new: Object | None, at: datetime) -> Object:
    """Return a status that says how the rollout gets on."""
    current = condition(told, "Progressing")
    is_same_number = told.get("replicas", 0) == told.get("updatedReplicas", 0)
    if not has_deadline(deployment) or (is_same_number and current and current["reason"] == COMPLETE):
        return told
    name = deployment["metadata"]["name"]
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{name}"'
    if is_complete(deployment, told):
        return put(told, "Progressing", "True", COMPLETE, f"{subject} has successfully progressed.", at)
    if _gets_on(status(deployment), told):
        moved = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
        return _fresh(told, {**moved, "message": f"{subject} is progressing."}, at)
    if is_timed_out(deployment, told, at):
        return put(told, "Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing.", at)
    return told


def is_complete(deployment: Object, told: Object) -> bool:
    """Tell whether all pods are new and available, and no old ones are left."""
    replicas = deployment["spec"].get("replicas", 1)
    names = ("updatedReplicas", "replicas", "availableReplicas")
    is_seen = told.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return all(told.get(name, 0) == replicas for name in names) and is_seen


def _gets_on(before: Object, after: Object) -> bool:
    def old_pods(told: Object) -> int:
        return told.get("replicas", 0) - told.get("updatedReplicas", 0)

    names = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(after.get(name, 0) > before.get(name, 0) for name in names) or old_pods(after) < old_pods(before)


def is_timed_out(deployment: Object, told: Object, at: datetime) -> bool:
    """Tell whether a rollout has not moved within the deadline."""
    current = condition(told, "Progressing")
    if current is None or current["reason"] == COMPLETE:
        return False
    if current["reason"] == TIMED_OUT:
        return True
    return deadline(deployment, current) < at


def deadline(deployment: Object, current: Object) -> datetime:
    """Return until when a rollout must have moved."""
    return read_stamp(current["lastUpdateTime"]) + timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])


def seconds_to_deadline(deployment: Object, told: Object, at: datetime) -> float | None:
    """Return when to look again whether a rollout is stuck, None where it is not needed."""
    current = condition(told, "Progressing")
    if not has_deadline(deployment) or current is None or current["reason"] in (COMPLETE, TIMED_OUT, PAUSED):
        return None
    if is_complete(deployment, told) or deployment["spec"].get("paused"):
        return None
    return max(0.0, (deadline(deployment, current) - at).total_seconds()) + 1


def with_failure(told: Object, everyone: list[Object], at: datetime) -> Object:
    """Return a status that says why a ReplicaSet cannot create pods, as long as one cannot."""
    failed = next((found for one in everyone if (found := condition(status(one), "ReplicaFailure"))), None)
    if failed is None:
        kept = [one for one in told.get("conditions") or () if one["type"] != "ReplicaFailure"]
        return {**told, "conditions": kept}
    return put(told, "ReplicaFailure", failed["status"], failed["reason"], failed["message"], at)
