"""The scheduler: gives each new pod to the one node as long as it fits there, and says why where it does not."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers import fitting
from maas_lab.local.kube.controllers.client import CLAIM, NODE, POD, Client
from maas_lab.local.kube.controllers.common import condition, is_ended, status, with_condition
from maas_lab.local.kube.controllers.events import SchedulerRecorder
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.store import ADDED, DELETED, Change, Key, Object
from maas_lab.local.kube.texts import stamp

NAME = "default-scheduler"
ALL = Key(POD.resource, "", "")  # every pod that waits for a place


class Scheduler:
    """Binds pods; what a bound pod becomes is the kubelet's business."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._events = SchedulerRecorder(client, NAME, clock)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a new pod; all that wait where something may have become free."""
        kind, before, now = change.key.resource, change.before, change.object
        if kind == POD.resource:
            if _waits(now) and change.type != DELETED and (before is None or before["spec"] != now["spec"]):
                yield change.key
            elif _holds_place(before or now) and (change.type == DELETED or not _holds_place(now)):
                yield ALL
        elif kind == CLAIM.resource or (kind == NODE.resource and (change.type == ADDED or _differs(before, now))):
            yield ALL

    def reconcile(self, key: Key) -> float | None:
        """Place one pod, or all that wait."""
        if key == ALL:
            waiting = [pod for pod in self._client.list(POD) if _waits(pod)]
            for pod in sorted(waiting, key=lambda one: one["metadata"]["creationTimestamp"]):
                self._place(pod)
        elif (pod := self._client.get(POD, key.namespace, key.name)) and _waits(pod):
            self._place(pod)
        return None

    def _place(self, pod: Object) -> None:
        node, why = self._choose(pod)
        if node is None:
            self._refuse(pod, why)
            return
        placed = {"lastProbeTime": None, "lastTransitionTime": stamp(self._clock()), "status": "True"}
        name, namespace = node["metadata"]["name"], pod["metadata"]["namespace"]
        self._client.bind(pod, name, {"type": "PodScheduled", **placed})
        message = f"Successfully assigned {namespace}/{pod['metadata']['name']} to {name}"
        self._events.told(pod, "Normal", "Scheduled", "Binding", message)

    def _choose(self, pod: Object) -> tuple[Object | None, str]:
        nodes = self._client.list(NODE)
        if not nodes:
            return None, "no nodes available to schedule pods"
        if obstacle := self._claim_obstacle(pod):
            return None, fitting.not_ready_yet(obstacle)
        others = [one for one in self._client.list(POD) if _holds_place(one)]
        misfit = fitting.check(pod, nodes[0], others)
        return (None, misfit.message) if misfit else (nodes[0], "")

    def _claim_obstacle(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes") or ():
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            claim = self._client.get(CLAIM, pod["metadata"]["namespace"], name) if name else None
            if name and claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if claim and claim["metadata"].get("deletionTimestamp"):
                return f'persistentvolumeclaim "{name}" is being deleted'
            if claim and status(claim).get("phase") != "Bound":
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def _refuse(self, pod: Object, why: str) -> None:
        """Say why a pod has no place; a reason that was told before is not told again."""
        old = condition(status(pod), "PodScheduled")
        if old and old["status"] == "False" and old.get("message") == why:
            return
        told = {
            "type": "PodScheduled",
            "observedGeneration": pod["metadata"].get("generation", 1),
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": stamp(self._clock()),
            "reason": "Unschedulable",
            "message": why,
        }
        conditions = with_condition(status(pod).get("conditions") or (), told)
        self._events.told(pod, "Warning", "FailedScheduling", "Scheduling", why)
        self._client.update_status(POD, pod, {**status(pod), "conditions": conditions})


def _waits(pod: Object) -> bool:
    metadata, spec = pod["metadata"], pod["spec"]
    is_ours = spec.get("schedulerName", NAME) == NAME
    gated = spec.get("schedulingGates")
    return is_ours and not (spec.get("nodeName") or metadata.get("deletionTimestamp") or gated or is_ended(pod))


def _holds_place(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName")) and not is_ended(pod)


def _differs(before: Object | None, now: Object) -> bool:
    """Tell whether a node has changed in what matters here; heartbeats do not."""
    if before is None:
        return True
    return (before.get("spec"), before["metadata"].get("labels"), status(before).get("allocatable")) != (
        now.get("spec"),
        now["metadata"].get("labels"),
        status(now).get("allocatable"),
    )
