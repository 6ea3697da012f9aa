"""What is left of Jobs: pods that nobody will count any more, and Jobs that have been over for long enough."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers import job_pods, job_verdict, jobs, owners
from maas_lab.local.kube.controllers.client import JOB, POD, Client
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.store import DELETED, Change, Key


class LeftPods:
    """Lets pods go that a Job keeps which is gone, over, or theirs no more."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed pod that a Job keeps."""
        if change.key.resource == POD.resource and change.type != DELETED and job_pods.is_tracked(change.object):
            yield change.key

    def reconcile(self, key: Key) -> None:
        """Let one pod go, if nobody will count it."""
        pod = self._client.get(POD, key.namespace, key.name)
        if pod is None or not job_pods.is_tracked(pod):
            return
        owner = owners.controller_of(pod)
        job = self._client.get(JOB, key.namespace, owner["name"]) if owner else None
        if job is None or job["metadata"]["uid"] != owner["uid"] or job_verdict.is_finished(job):
            jobs.release(self._client, pod)


class Finished:
    """Deletes Jobs `ttlSecondsAfterFinished` seconds after they were over."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed Job."""
        if change.key.resource == JOB.resource and change.type != DELETED:
            yield change.key

    def reconcile(self, key: Key) -> float | None:
        """Delete one Job if its time is up, else return how long it has left."""
        job = self._client.get(JOB, key.namespace, key.name)
        stays_s = job["spec"].get("ttlSecondsAfterFinished") if job else None
        over = job_verdict.finished_at(job) if job else None
        if stays_s is None or over is None or job["metadata"].get("deletionTimestamp"):
            return None
        left_s = stays_s - (self._clock() - over).total_seconds()
        if left_s > 0:
            return left_s
        self._client.delete(JOB, job, "Foreground")
        return None
