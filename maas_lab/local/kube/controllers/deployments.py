"""Deployment: a ReplicaSet for each template it ever had, and a rollout from the old ones to the new one."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers import deployment_status, owners, pods, revisions, rollout
from maas_lab.local.kube.controllers.client import DEPLOYMENT, POD, REPLICA_SET, Client
from maas_lab.local.kube.controllers.common import condition, is_ended, status
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.rollout import wanted
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import DELETED, Change, Key, Object


class Deployments:
    """Rolls out, scales, reports, and clears its history."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._events = Recorder(client, "deployment-controller", clock)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed Deployment, or that of a changed ReplicaSet; of pods only the end matters, for Recreate."""
        kind = change.key.resource
        if kind == DEPLOYMENT.resource and change.type != DELETED:
            yield change.key
        elif kind == REPLICA_SET.resource:
            yield from owners.affected(change, DEPLOYMENT)
            if change.type != DELETED:
                yield from owners.could_own(self._client, DEPLOYMENT, change)
        elif kind == POD.resource and (change.type == DELETED or is_ended(change.object)):
            yield from self._of_pod(change)

    def _of_pod(self, change: Change) -> Iterable[Key]:
        found = owners.controller_of(change.object)
        owner = self._client.get(REPLICA_SET, change.key.namespace, found["name"]) if found else None
        above = owners.controller_of(owner) if owner else None
        if above and above["kind"] == "Deployment":
            yield Key(DEPLOYMENT.resource, change.key.namespace, above["name"])

    def reconcile(self, key: Key) -> float | None:
        """Do the next step of a rollout, and report."""
        found = self._client.get(DEPLOYMENT, key.namespace, key.name)
        if found is None:
            return None
        return _Reconciliation(self._client, self._events, self._clock, found).run()


class _Reconciliation:
    """One look at one Deployment; what is written is read again, so that each step sees the one before."""

    def __init__(self, client: Client, events: Recorder, clock: Clock, deployment: Object) -> None:
        self._client, self._events, self._now = client, events, clock()
        self._deployment = deployment
        sets = owners.claim(client, DEPLOYMENT, deployment, REPLICA_SET)
        self._new, self._old = revisions.split(deployment, sets)

    def run(self) -> float | None:
        if self._deployment["metadata"].get("deletionTimestamp"):
            return self._report()
        self._note_pause()
        if self._deployment["spec"].get("paused") or rollout.is_scaling(self._deployment, self._everyone()):
            self._scale()
            return self._report()
        if self._deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate()
        else:
            self._roll()
        return self._report(progress=True)

    def _everyone(self) -> list[Object]:
        return [*self._old, self._new] if self._new else list(self._old)

    def _note_pause(self) -> None:
        """Say in the condition Progressing that the clock stands still, or goes on."""
        told = status(self._deployment)
        current, paused = condition(told, "Progressing"), self._deployment["spec"].get("paused")
        reason = current["reason"] if current else ""
        if not deployment_status.has_deadline(self._deployment) or reason == deployment_status.TIMED_OUT:
            return
        if paused and reason != deployment_status.PAUSED:
            self._progressing("Unknown", deployment_status.PAUSED, "Deployment is paused")
        elif not paused and reason == deployment_status.PAUSED:
            self._progressing("Unknown", "DeploymentResumed", "Deployment is resumed")

    def _progressing(self, value: str, reason: str, message: str) -> None:
        told = status(self._deployment)
        told = deployment_status.put(told, "Progressing", value, reason, message, self._now)
        self._deployment = self._client.update_status(DEPLOYMENT, self._deployment, told)

    def _scale(self) -> None:
        """Give the ReplicaSets their part of a changed size; nothing new is rolled out meanwhile."""
        plan = rollout.scaled(self._deployment, self._new, self._everyone())
        for one in self._everyone():
            self._resize(one, plan.get(one["metadata"]["name"], wanted(one)))

    def _roll(self) -> None:
        new = self._ensure_new()
        size = rollout.next_new(self._deployment, new, self._everyone())
        if size != wanted(new):
            self._resize(new, size)
            return
        plan = rollout.next_old(self._deployment, new, [one for one in self._old if wanted(one)])
        for one in list(self._old):
            if one["metadata"]["name"] in plan:
                self._resize(one, plan[one["metadata"]["name"]])
        self._clear_history()

    def _recreate(self) -> None:
        """Let all old pods end before the first new one begins."""
        active = [one for one in self._old if wanted(one)]
        for one in active:
            self._resize(one, 0)
        if active or self._old_pods_run():
            return
        new = self._ensure_new()
        self._resize(new, self._deployment["spec"].get("replicas", 1))
        self._clear_history()

    def _old_pods_run(self) -> bool:
        there = self._client.list(POD, self._deployment["metadata"]["namespace"])
        return any(owners.is_owned(pod, one) and not is_ended(pod) for one in self._old for pod in there)

    def _ensure_new(self) -> Object:
        """Return the ReplicaSet of the present template, created or brought up to date."""
        number = revisions.next_revision(self._old)
        found = self._new or self._create_new(number)
        annotations = revisions.annotated(self._deployment, found, number)
        spec = {name: value for name, value in found["spec"].items() if name != "minReadySeconds"}
        if seconds := self._deployment["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = seconds
        wanted_state = {**found, "spec": spec, "metadata": {**found["metadata"], "annotations": annotations}}
        self._new = self._client.update(REPLICA_SET, wanted_state) if wanted_state != found else found
        self._note_revision(str(revisions.revision(self._new)))
        if condition(status(self._deployment), "Progressing") is None and deployment_status.has_deadline(
            self._deployment
        ):
            self._progressing("True", "FoundNewReplicaSet", f'Found new replica set "{self._new["metadata"]["name"]}"')
        return self._new

    def _create_new(self, number: int) -> Object:
        size = rollout.next_new(self._deployment, None, self._old)
        planned = revisions.new_replica_set(self._deployment, number, size)
        name = planned["metadata"]["name"]
        try:
            made = self._client.create(REPLICA_SET, planned)
        except ApiError as error:
            self._not_created(name, error)
            raise
        if size:
            self._events.normal(self._deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        if deployment_status.has_deadline(self._deployment):
            self._progressing("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        return made

    def _not_created(self, name: str, error: ApiError) -> None:
        """Try another name after a collision; tell any other reason."""
        if error.status.get("reason") == "AlreadyExists":
            told = {**status(self._deployment)}
            told["collisionCount"] = (told.get("collisionCount") or 0) + 1
            self._client.update_status(DEPLOYMENT, self._deployment, told)
            return
        if not pods.is_ending(error):
            message = f'Failed to create new replica set "{name}": {error}'
            self._events.warning(self._deployment, "ReplicaSetCreateError", message)
            self._progressing("False", "ReplicaSetCreateError", message)

    def _note_revision(self, number: str) -> None:
        annotations = self._deployment["metadata"].get("annotations") or {}
        if annotations.get(revisions.REVISION) != number:
            annotations = {**annotations, revisions.REVISION: number}
            metadata = {**self._deployment["metadata"], "annotations": annotations}
            self._deployment = self._client.update(DEPLOYMENT, {**self._deployment, "metadata": metadata})

    def _resize(self, replica_set: Object, size: int) -> None:
        """Set the size of a ReplicaSet and note for which size of the Deployment it is."""
        had = replica_set["metadata"].get("annotations") or {}
        annotations = {**had, **revisions.sized(self._deployment)} if size or wanted(replica_set) else had
        if size == wanted(replica_set) and annotations == had:
            return
        metadata = {**replica_set["metadata"], "annotations": annotations}
        spec = {**replica_set["spec"], "replicas": size}
        kept = self._client.update(REPLICA_SET, {**replica_set, "metadata": metadata, "spec": spec})
        self._old = [kept if one is replica_set else one for one in self._old]
        self._new = kept if self._new is replica_set else self._new
        if size != wanted(replica_set):
            way = "up" if size > wanted(replica_set) else "down"
            message = f"Scaled {way} replica set {metadata['name']} from {wanted(replica_set)} to {size}"
            self._events.normal(self._deployment, "ScalingReplicaSet", message)

    def _clear_history(self) -> None:
        if deployment_status.is_complete(self._deployment, status(self._deployment)):
            for one in revisions.beyond_limit(self._deployment, self._old):
                self._client.delete(REPLICA_SET, one)

    def _report(self, *, progress: bool = False) -> float | None:
        told = deployment_status.numbers(self._deployment, self._new, self._everyone())
        told["conditions"] = list(status(self._deployment).get("conditions") or ())
        told = deployment_status.with_availability(self._deployment, told, self._now)
        if progress:
            told = deployment_status.with_progress(self._deployment, told, self._new, self._now)
        told = deployment_status.with_failure(told, self._everyone(), self._now)
        self._deployment = self._client.update_status(DEPLOYMENT, self._deployment, told)
        return deployment_status.seconds_to_deadline(self._deployment, told, self._now)
