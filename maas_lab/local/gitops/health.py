"""Say how an object is, by its own status: the rules that Argo CD has built in for the kinds of the local cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from maas_lab.local.kube.controllers.common import condition, is_ready, status
from maas_lab.local.kube.store import Object

HEALTHY, SUSPENDED, PROGRESSING, MISSING, DEGRADED, UNKNOWN = ORDER = (
    "Healthy",
    "Suspended",
    "Progressing",
    "Missing",
    "Degraded",
    "Unknown",
)  # each is worse than those before it
ROLLOUT = "Waiting for rollout to finish: "


class Health(NamedTuple):
    """How an object is, and why."""

    status: str
    message: str = ""

    def told(self) -> Object:
        """Return it as an Application's status has it."""
        return {"status": self.status, **({"message": self.message} if self.message else {})}


def of(obj: Object) -> Health | None:
    """Return how an object is; None for kinds that are neither well nor ill, such as ConfigMaps."""
    if obj["metadata"].get("deletionTimestamp"):
        return Health(PROGRESSING, "Pending deletion")
    rule = _RULES.get(obj["kind"])
    return rule(obj) if rule else None


def is_judged(kind: str) -> bool:
    """Tell whether objects of a kind have a health."""
    return kind in _RULES


def worst(found: list[str]) -> str:
    """Return the worst of several."""
    return max(found, key=ORDER.index, default=HEALTHY)


def _deployment(obj: Object) -> Health:
    told, metadata, spec = status(obj), obj["metadata"], obj["spec"]
    if spec.get("paused"):
        return Health(SUSPENDED, "Deployment is paused")
    if metadata.get("generation", 0) > told.get("observedGeneration", 0):
        return Health(PROGRESSING, f"{ROLLOUT}observed deployment generation less than desired generation")
    progress = condition(told, "Progressing")
    if progress and progress.get("reason") == "ProgressDeadlineExceeded":
        return Health(DEGRADED, f'Deployment "{metadata["name"]}" exceeded its progress deadline')
    wanted, updated = spec.get("replicas", 1), told.get("updatedReplicas", 0)
    replicas, available = told.get("replicas", 0), told.get("availableReplicas", 0)
    if updated < wanted:
        return Health(PROGRESSING, f"{ROLLOUT}{updated} out of {wanted} new replicas have been updated...")
    if replicas > updated:
        return Health(PROGRESSING, f"{ROLLOUT}{replicas - updated} old replicas are pending termination...")
    if available < updated:
        return Health(PROGRESSING, f"{ROLLOUT}{available} of {updated} updated replicas are available...")
    return Health(HEALTHY)


def _replica_set(obj: Object) -> Health:
    told = status(obj)
    if obj["metadata"].get("generation", 0) > told.get("observedGeneration", 0):
        return Health(PROGRESSING, f"{ROLLOUT}observed replica set generation less than desired generation")
    failure = condition(told, "ReplicaFailure")
    if failure and failure["status"] == "True":
        return Health(DEGRADED, failure.get("message", ""))
    wanted, available = obj["spec"].get("replicas", 1), told.get("availableReplicas", 0)
    if available < wanted:
        return Health(PROGRESSING, f"{ROLLOUT}{available} out of {wanted} new replicas are available...")
    return Health(HEALTHY)


def _stateful_set(obj: Object) -> Health:
    told, spec = status(obj), obj["spec"]
    seen = told.get("observedGeneration", 0)
    if not seen or obj["metadata"].get("generation", 0) > seen:
        return Health(PROGRESSING, "Waiting for statefulset spec update to be observed...")
    wanted, ready = spec.get("replicas", 1), told.get("readyReplicas", 0)
    if ready < wanted:
        return Health(PROGRESSING, f"Waiting for {wanted - ready} pods to be ready...")
    updated, strategy = told.get("updatedReplicas", 0), spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Health(HEALTHY, f"statefulset has {ready} ready pods")
    if partition := (strategy.get("rollingUpdate") or {}).get("partition", 0):
        if updated < wanted - partition:
            what = f"{updated} out of {wanted - partition} new pods have been updated..."
            return Health(PROGRESSING, f"Waiting for partitioned roll out to finish: {what}")
        return Health(HEALTHY, f"partitioned roll out complete: {updated} new pods have been updated...")
    revision = told.get("updateRevision", "")
    if revision != told.get("currentRevision", ""):
        what = f"{updated} pods at revision {revision}..."
        return Health(PROGRESSING, f"waiting for statefulset rolling update to complete {what}")
    what = f"{told.get('currentReplicas', 0)} pods at revision {told.get('currentRevision', '')}..."
    return Health(HEALTHY, f"statefulset rolling update complete {what}")


def _pod(obj: Object) -> Health:
    told = status(obj)
    states = [*(told.get("initContainerStatuses") or []), *(told.get("containerStatuses") or [])]
    phase, always = told.get("phase"), obj["spec"].get("restartPolicy", "Always") == "Always"
    waiting = [(one.get("state") or {}).get("waiting") or {} for one in states]
    failing = [one for one in waiting if _is_failure(one.get("reason", ""))]
    if always and failing:
        return Health(DEGRADED, ", ".join(filter(None, (one.get("message", "") for one in failing))))
    if phase == "Succeeded":
        return Health(HEALTHY, told.get("message", ""))
    if phase == "Failed":
        return Health(DEGRADED, told.get("message", ""))
    if phase != "Running":
        return Health(PROGRESSING if phase == "Pending" else UNKNOWN, told.get("message", ""))
    if not always:
        return Health(PROGRESSING, told.get("message", ""))
    if is_ready(obj):
        return Health(HEALTHY, told.get("message", ""))
    ended = any((one.get("lastState") or {}).get("terminated") for one in states)
    return Health(DEGRADED if ended else PROGRESSING, told.get("message", ""))


def _is_failure(reason: str) -> bool:
    return reason.startswith("Err") or reason.endswith(("Error", "BackOff"))


def _job(obj: Object) -> Health:
    for type_, how in (("Failed", DEGRADED), ("Complete", HEALTHY), ("Suspended", SUSPENDED)):
        found = condition(status(obj), type_)
        if found and found["status"] == "True":
            return Health(how, found.get("message", ""))
    return Health(PROGRESSING)


def _claim(obj: Object) -> Health:
    found = {"Bound": HEALTHY, "Pending": PROGRESSING, "Lost": DEGRADED}
    return Health(found.get(status(obj).get("phase", ""), UNKNOWN))


def _service(obj: Object) -> Health:
    waits = obj["spec"].get("type") == "LoadBalancer" and not (status(obj).get("loadBalancer") or {}).get("ingress")
    return Health(PROGRESSING if waits else HEALTHY)


def _route(obj: Object) -> Health:
    found = [condition(one, "Admitted") for one in status(obj).get("ingress") or ()]
    states = [one["status"] if one else "Unknown" for one in found]
    if "False" in states:
        return Health(DEGRADED, "Route is degraded")
    if states and set(states) == {"True"}:
        return Health(HEALTHY, "Route is healthy")
    return Health(PROGRESSING, "Route is still getting admitted")


def _inference_service(obj: Object) -> Health:
    told = status(obj)
    conditions = told.get("conditions") or []
    state = (told.get("modelStatus") or {}).get("transitionStatus", "UpToDate")
    if not conditions or obj["metadata"].get("generation", 0) > told.get("observedGeneration", 1 << 60):
        return Health(PROGRESSING, "Waiting for InferenceService to report status...")
    wrong = [one for one in conditions if one["status"] != ("False" if one["type"] == "Stopped" else "True")]
    if state == "UpToDate" and not wrong:
        return Health(HEALTHY, "InferenceService is healthy.")
    names = ("type", "status", "reason", "message")
    told_of = "; ".join(" | ".join(one[name] for name in names if one.get(name)) for one in wrong)
    message = "; ".join(filter(None, (f"transitionStatus | {state}" if state != "UpToDate" else "", told_of)))
    waits = state == "InProgress" or any(one["status"] == "Unknown" for one in wrong)  # codespell:ignore
    return Health(PROGRESSING if waits else DEGRADED, message)


_RULES: dict[str, Callable[[Object], Health]] = {
    "Deployment": _deployment,
    "InferenceService": _inference_service,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "Route": _route,
    "Service": _service,
    "StatefulSet": _stateful_set,
}
