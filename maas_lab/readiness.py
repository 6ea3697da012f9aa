"""Whether an object is ready, read off its status, as `kubectl rollout status` and `kubectl wait` judge it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from maas_lab.objects import condition, pod_reason

SERVING = "serving.kserve.io/inferenceservice"  # KServe labels the pods of a model server so


class State(NamedTuple):
    """Whether an object is ready, and how far it is in words."""

    ready: bool
    text: str


def state(body: Mapping[str, Any]) -> State:
    """Return how far an object is; kinds that do nothing by themselves are ready when they exist."""
    judge = _JUDGES.get(body.get("kind", ""))
    if judge is None:
        return State(True, "exists")
    if body["metadata"].get("deletionTimestamp"):
        return State(False, "is being deleted")
    return judge(body)


def pod_labels(body: Mapping[str, Any]) -> str | None:
    """Return the selector of the pods that belong to an object; None when it has none of its own."""
    if body.get("kind") == "InferenceService":
        return f"{SERVING}={body['metadata']['name']}"
    labels = ((body.get("spec") or {}).get("selector") or {}).get("matchLabels")
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) if labels else None


def complaints(body: Mapping[str, Any]) -> list[str]:
    """Return the conditions that are not met, in the words of the cluster."""
    found = []
    for one in (body.get("status") or {}).get("conditions") or []:
        # These are bad news when true: ReplicaFailure, NamespaceDeletion...Failure, NamespaceContentRemaining.
        bad = "True" if one.get("type", "").endswith(("Failure", "Remaining")) else "False"
        if one.get("status") == bad:
            words = ": ".join(filter(None, (one.get("reason"), one.get("message"))))
            found.append(f"{one['type']} is {one['status']}" + (f": {words}" if words else ""))
    return found


def _seen(body: Mapping[str, Any]) -> bool:
    """Return whether the controller has looked at the last change."""
    return (body.get("status") or {}).get("observedGeneration", 0) >= body["metadata"].get("generation", 0)


def _deployment(body: Mapping[str, Any]) -> State:
    status, wanted = body.get("status") or {}, body["spec"].get("replicas", 1)
    if not _seen(body):
        return State(False, "waits for its controller")
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return State(False, f"{updated} of {wanted} updated")
    if (old := status.get("replicas", 0) - updated) > 0:
        return State(False, f"{old} of the old version still there")
    return State(available >= wanted, f"{available} of {wanted} available")


def _stateful_set(body: Mapping[str, Any]) -> State:
    status, wanted = body.get("status") or {}, body["spec"].get("replicas", 1)
    if not _seen(body):
        return State(False, "waits for its controller")
    strategy = body["spec"].get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated = status.get("updatedReplicas", 0)
    if strategy.get("type") != "OnDelete" and updated < wanted - partition:
        return State(False, f"{updated} of {wanted - partition} updated")
    ready = status.get("readyReplicas", 0)
    return State(ready >= wanted, f"{ready} of {wanted} ready")


def _inference_service(body: Mapping[str, Any]) -> State:
    # Old releases of KServe do not say which generation they have seen.
    if "observedGeneration" in (body.get("status") or {}) and not _seen(body):
        return State(False, "waits for its controller")
    found = condition(body, "Ready") or {}
    if found.get("status") == "True":
        return State(True, "ready")
    return State(False, f"not ready: {found['reason']}" if found.get("reason") else "not ready")


def _pod(body: Mapping[str, Any]) -> State:
    phase = (body.get("status") or {}).get("phase", "Pending")
    if phase == "Succeeded":
        return State(True, "has run to its end")
    ready = (condition(body, "Ready") or {}).get("status") == "True"
    reason = pod_reason(body)[0]
    return State(ready, "ready" if ready else ", ".join(filter(None, (phase, reason))))


def _job(body: Mapping[str, Any]) -> State:
    status = body.get("status") or {}
    if (condition(body, "Complete") or {}).get("status") == "True":
        return State(True, "has run to its end")
    failed = condition(body, "Failed") or condition(body, "FailureTarget") or {}
    if failed.get("status") == "True":
        return State(False, ": ".join(filter(None, ("failed", failed.get("reason"), failed.get("message")))))
    return State(False, f"{status.get('succeeded', 0)} of {body['spec'].get('completions') or 1} have succeeded")


def _namespace(body: Mapping[str, Any]) -> State:
    phase = (body.get("status") or {}).get("phase", "")
    return State(phase == "Active", phase or "is being made")


_JUDGES = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "InferenceService": _inference_service,
    "Job": _job,
    "Pod": _pod,
    "Namespace": _namespace,
}
