"""ReplicaSet: as many pods as it says, made from its template."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from maas_lab.local.kube.controllers import common, owners, pods
from maas_lab.local.kube.controllers.client import POD, REPLICA_SET, Client
from maas_lab.local.kube.controllers.common import is_active, is_ready, seconds_to_available
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import DELETED, Change, Key, Object
from maas_lab.local.kube.texts import stamp

MOST_AT_ONCE = 500


class ReplicaSets:
    """Creates and deletes pods until there are as many as wanted."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._events = Recorder(client, "replicaset-controller", clock)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed set, or the set of a changed pod."""
        if change.key.resource == REPLICA_SET.resource:
            if change.type != DELETED:
                yield change.key
        elif change.key.resource == POD.resource:
            yield from owners.affected(change, REPLICA_SET)
            if change.type != DELETED:
                yield from owners.could_own(self._client, REPLICA_SET, change)

    def reconcile(self, key: Key) -> float | None:
        """Create or delete pods, and report."""
        replica_set = self._client.get(REPLICA_SET, key.namespace, key.name)
        if replica_set is None:
            return None
        found = owners.claim(self._client, REPLICA_SET, replica_set, POD)
        failed = None
        if not replica_set["metadata"].get("deletionTimestamp"):
            failed = self._manage(replica_set, [pod for pod in found if is_active(pod)])
        found = [pod for pod in self._client.list(POD, key.namespace) if owners.is_owned(pod, replica_set)]
        self._client.update_status(REPLICA_SET, replica_set, self._status(replica_set, found, failed))
        if failed:
            raise failed
        return self._next_look_s(replica_set, found)

    def _manage(self, replica_set: Object, active: list[Object]) -> ApiError | None:
        """Bring the number of pods to what is wanted; return why this failed."""
        missing = replica_set["spec"].get("replicas", 1) - len(active)
        try:
            for _ in range(min(missing, MOST_AT_ONCE)):
                self._create(replica_set)
            for pod in pods.to_delete(active, -missing):
                self._delete(replica_set, pod)
        except ApiError as error:
            return error
        return None

    def _create(self, replica_set: Object) -> None:
        pod = pods.from_template(REPLICA_SET, replica_set)
        try:
            made = self._client.create(POD, pod)
        except ApiError as error:
            if not pods.is_ending(error):
                self._events.warning(replica_set, "FailedCreate", f"Error creating: {error}")
            raise
        self._events.normal(replica_set, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    def _delete(self, replica_set: Object, pod: Object) -> None:
        self._client.delete(POD, pod)
        self._events.normal(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _status(self, replica_set: Object, found: list[Object], failed: ApiError | None) -> Object:
        at, min_ready_s = self._clock(), replica_set["spec"].get("minReadySeconds", 0)
        active = [pod for pod in found if is_active(pod)]
        labels = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
        told = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(
                labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active
            ),
            "readyReplicas": sum(map(is_ready, active)),
            "availableReplicas": sum(seconds_to_available(pod, min_ready_s, at) == 0 for pod in active),
            "terminatingReplicas": sum("deletionTimestamp" in pod["metadata"] for pod in found),
            "observedGeneration": replica_set["metadata"]["generation"],
            "conditions": _conditions(replica_set, failed, at),
        }
        return common.without_zeros(told, "replicas", "terminatingReplicas")

    def _next_look_s(self, replica_set: Object, found: list[Object]) -> float | None:
        min_ready_s = replica_set["spec"].get("minReadySeconds", 0)
        left = [seconds_to_available(pod, min_ready_s, self._clock()) for pod in found if is_ready(pod)]
        return min((one for one in left if one > 0), default=None)


def _conditions(replica_set: Object, failed: ApiError | None, at: datetime) -> list[Object]:
    had = common.status(replica_set).get("conditions") or []
    if failed is None:
        return [one for one in had if one["type"] != "ReplicaFailure"]
    if common.condition({"conditions": had}, "ReplicaFailure"):
        return had  # every attempt names another pod: to report it would be a change, which leads to the next attempt
    told = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": str(failed)}
    return common.with_condition(had, {**told, "lastTransitionTime": stamp(at)})
