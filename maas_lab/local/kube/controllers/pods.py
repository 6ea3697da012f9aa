"""Make pods from templates, and choose which of several goes first."""

from __future__ import annotations

import copy

from maas_lab.local.kube.controllers import owners
from maas_lab.local.kube.controllers.common import condition, is_ready, status
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import Object

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
COST = "controller.kubernetes.io/pod-deletion-cost"


def from_template(kind: Kind, owner: Object) -> Object:
    """Return a pod as an owner's template describes it, owned, with a name that the API completes."""
    template = copy.deepcopy(owner["spec"]["template"])
    given = template.get("metadata") or {}
    metadata = {name: given[name] for name in ("labels", "annotations", "finalizers") if given.get(name)}
    metadata["generateName"] = f"{owner['metadata']['name']}-"
    metadata["namespace"] = owner["metadata"]["namespace"]
    metadata["ownerReferences"] = [owners.reference(kind, owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def to_delete(pods: list[Object], number: int) -> list[Object]:
    """Return the pods that are missed least: not placed, not running, not ready, restarted often, young."""
    return _ranked(pods)[:number] if number > 0 else []


def _ranked(pods: list[Object]) -> list[Object]:
    youngest_first = sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"], reverse=True)
    latest_ready_first = sorted(youngest_first, key=_ready_since, reverse=True)
    return sorted(latest_ready_first, key=_rank)


def _rank(pod: Object) -> tuple:
    cost = (pod["metadata"].get("annotations") or {}).get(COST, "0")
    restarts = sum(one.get("restartCount", 0) for one in status(pod).get("containerStatuses") or ())
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get(status(pod).get("phase", ""), 1),
        is_ready(pod),
        int(cost) if cost.lstrip("-").isdigit() else 0,
        -restarts,
    )


def _ready_since(pod: Object) -> str:
    return (condition(status(pod), "Ready") or {}).get("lastTransitionTime") or ""


def is_ending(error: ApiError) -> bool:
    """Tell whether a creation failed because the namespace is being deleted: nothing to tell anybody."""
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
