"""StatefulSet: pods with lasting names and volumes of their own, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from maas_lab.local.kube.controllers import common, members, owners
from maas_lab.local.kube.controllers.client import CLAIM, POD, STATEFUL_SET, Client
from maas_lab.local.kube.controllers.common import is_ended, is_ready, seconds_to_available, status
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import DELETED, Change, Key, Object


class StatefulSets:
    """Creates, replaces and deletes the members of a set in the order of their numbers."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._events = Recorder(client, "statefulset-controller", clock)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed set, or the set of a changed pod."""
        if change.key.resource == STATEFUL_SET.resource:
            if change.type != DELETED:
                yield change.key
        elif change.key.resource == POD.resource:
            yield from owners.affected(change, STATEFUL_SET)

    def reconcile(self, key: Key) -> float | None:
        """Do the next step of a set, and report."""
        stateful_set = self._client.get(STATEFUL_SET, key.namespace, key.name)
        if stateful_set is None:
            return None
        if not stateful_set["metadata"].get("deletionTimestamp"):
            self._manage(stateful_set, self._members(stateful_set))
        found = self._members(stateful_set)
        self._client.update_status(STATEFUL_SET, stateful_set, _told(stateful_set, found, self._clock()))
        left = [self._waits_s(stateful_set, pod) for pod in found.values() if is_ready(pod)]
        return min((one for one in left if one > 0), default=None)

    def _members(self, stateful_set: Object) -> dict[int, Object]:
        """Return the pods of a set by number."""
        pods = owners.claim(self._client, STATEFUL_SET, stateful_set, POD)
        numbered = ((members.number(stateful_set, pod), pod) for pod in pods)
        return dict(sorted((number, pod) for number, pod in numbered if number is not None))

    def _waits_s(self, stateful_set: Object, pod: Object) -> float:
        return seconds_to_available(pod, stateful_set["spec"].get("minReadySeconds", 0), self._clock())

    def _manage(self, stateful_set: Object, found: dict[int, Object]) -> None:
        """Do one step in order: fill gaps upwards, take away downwards, then bring old members up to date downwards."""
        numbers = members.numbers(stateful_set)
        ordered = stateful_set["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        for number in numbers:
            if not self._ensure(stateful_set, number, found.get(number)) and ordered:
                return
        surplus = [pod for number, pod in reversed(found.items()) if number not in numbers]
        for pod in surplus:
            self._take_away(stateful_set, pod)
            if ordered:
                return
        if not surplus and stateful_set["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace_old(stateful_set, found)

    def _ensure(self, stateful_set: Object, number: int, pod: Object | None) -> bool:
        """See to one member, and tell whether it is there and available."""
        if pod is None:
            self._create(stateful_set, number)
            return False
        if is_ended(pod) and not pod["metadata"].get("deletionTimestamp"):
            message = f"StatefulSet {_path(stateful_set)} is recreating failed Pod {pod['metadata']['name']}"
            self._events.warning(stateful_set, "RecreatingFailedPod", message)
            self._take_away(stateful_set, pod)
            return False
        if status(pod).get("phase") == "Pending":
            self._create_claims(stateful_set, number)  # they may have been deleted meanwhile
        return not pod["metadata"].get("deletionTimestamp") and self._waits_s(stateful_set, pod) == 0

    def _create(self, stateful_set: Object, number: int) -> None:
        what = f"Pod {members.name(stateful_set, number)} in StatefulSet {stateful_set['metadata']['name']}"
        try:
            self._create_claims(stateful_set, number)
        except ApiError as error:
            self._refused(stateful_set, what, error)
            raise
        self._attempt(stateful_set, POD, members.pod(stateful_set, number), what, "successful")

    def _create_claims(self, stateful_set: Object, number: int) -> None:
        """Create what a member lacks of its claims.

        Raises:
            ApiError: one is not allowed, or is still being deleted.
        """
        pod, name = members.name(stateful_set, number), stateful_set["metadata"]["name"]
        for claim in members.claims(stateful_set, number):
            metadata = claim["metadata"]
            known = self._client.get(CLAIM, metadata["namespace"], metadata["name"])
            if known is None:
                what = f"Claim {metadata['name']} Pod {pod} in StatefulSet {name}"
                self._attempt(stateful_set, CLAIM, claim, what, "success")
            elif known["metadata"].get("deletionTimestamp"):
                raise ApiError(409, "Conflict", f"pvc {metadata['name']} is being deleted", {})

    def _attempt(self, stateful_set: Object, kind: object, obj: Object, what: str, done: str) -> None:
        try:
            self._client.create(kind, obj)
        except ApiError as error:
            self._refused(stateful_set, what, error)
            raise
        self._events.normal(stateful_set, "SuccessfulCreate", f"Create {what} {done}")

    def _refused(self, stateful_set: Object, what: str, why: ApiError) -> None:
        self._events.warning(stateful_set, "FailedCreate", f"Create {what} failed error: {why}")

    def _take_away(self, stateful_set: Object, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            return
        self._client.delete(POD, pod)
        name = stateful_set["metadata"]["name"]
        message = f"Delete Pod {pod['metadata']['name']} in StatefulSet {name} successful"
        self._events.normal(stateful_set, "SuccessfulDelete", message)

    def _replace_old(self, stateful_set: Object, found: dict[int, Object]) -> None:
        """Take away the highest member with an old template, if all above it are available."""
        rolling = stateful_set["spec"]["updateStrategy"].get("rollingUpdate") or {}
        revision = members.revision(stateful_set)
        for number, pod in reversed(found.items()):
            if number < rolling.get("partition", 0):
                return
            if members.revision_of(pod) != revision:
                self._take_away(stateful_set, pod)
                return
            if self._waits_s(stateful_set, pod) > 0:
                return


def _path(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def _told(stateful_set: Object, found: dict[int, Object], at: datetime) -> Object:
    before, update = status(stateful_set), members.revision(stateful_set)
    min_ready_s = stateful_set["spec"].get("minReadySeconds", 0)
    staying = [pod for pod in found.values() if not pod["metadata"].get("deletionTimestamp")]
    current = before.get("currentRevision") or update
    updated = sum(members.revision_of(pod) == update for pod in staying)
    ready = sum(map(is_ready, staying))
    if updated == ready == len(found) == stateful_set["spec"].get("replicas", 1):
        current = update
    told = {
        "observedGeneration": stateful_set["metadata"]["generation"],
        "replicas": len(found),
        "readyReplicas": ready,
        "currentReplicas": sum(members.revision_of(pod) == current for pod in staying),
        "updatedReplicas": updated,
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": 0,
        "availableReplicas": sum(seconds_to_available(pod, min_ready_s, at) == 0 for pod in staying),
    }
    return common.without_zeros(told, "replicas", "collisionCount", "availableReplicas")
