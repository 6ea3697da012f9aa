"""Job: pods that run to their end, as often as it says; what has ended is counted, what fails is tried again."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers import common, job_indexes, job_pods, job_tally, job_verdict, owners, pods
from maas_lab.local.kube.controllers.client import JOB, POD, Client
from maas_lab.local.kube.controllers.common import condition, is_active, is_ready, status, with_condition
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.job_tally import Tally
from maas_lab.local.kube.controllers.job_verdict import Verdict
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import DELETED, Change, Key, Object
from maas_lab.local.kube.texts import stamp


class Jobs:
    """Creates, counts and takes away the pods of Jobs."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._events = Recorder(client, "job-controller", clock)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed Job, or the Job of a changed pod."""
        if change.key.resource == JOB.resource:
            if change.type != DELETED:
                yield change.key
        elif change.key.resource == POD.resource:
            yield from owners.affected(change, JOB)
            if change.type != DELETED:
                yield from owners.could_own(self._client, JOB, change)

    def reconcile(self, key: Key) -> float | None:
        """Count what has ended, do the next step, and report."""
        job = self._client.get(JOB, key.namespace, key.name)
        if job is None or job_verdict.is_finished(job):
            return None
        job = self._begun(job)
        found = owners.claim(self._client, JOB, job, POD)
        tally = job_tally.take(job, found, is_over=job_verdict.decided(job) is not None)
        verdict = job_verdict.of(job, found, tally, self._clock())
        if verdict and tally.held:
            tally = job_tally.take(job, found, is_over=True)
        job, found = self._count(job, found, tally)
        pause_s, failed = self._manage(job, found, tally, verdict)
        found = [pod for pod in self._client.list(POD, key.namespace) if owners.is_owned(pod, job)]
        self._report(job, found, tally, verdict)
        if failed:
            raise failed
        due = [pause_s, None if verdict else job_verdict.left_s(job, self._clock())]
        return min((max(0.0, one) for one in due if one is not None), default=None)

    def _begun(self, job: Object) -> Object:
        """Say in the status that a Job has begun, is suspended, or goes on."""
        told, at = status(job), stamp(self._clock())
        had = condition(told, "Suspended")
        was, is_ = bool(had and had["status"] == "True"), bool(job["spec"].get("suspend"))
        if is_ and not was:
            new = _condition("Suspended", "JobSuspended", "Job suspended", at)
            self._events.normal(job, "Suspended", "Job suspended")
        elif was and not is_:
            new = {**_condition("Suspended", "JobResumed", "Job resumed", at), "status": "False"}
            self._events.normal(job, "Resumed", "Job resumed")
            told = {**told, "startTime": at}
        elif not is_ and not told.get("startTime"):
            return self._client.update_status(JOB, job, {**told, "startTime": at})
        else:
            return job
        conditions = with_condition(told.get("conditions") or (), new)
        return self._client.update_status(JOB, job, {**told, "conditions": conditions})

    def _count(self, job: Object, found: list[Object], tally: Tally) -> tuple[Object, list[Object]]:
        """Note the pods that have ended, and let them go; return the Job and its pods as they are then."""
        if not tally.noted:
            return job, found
        told = {**status(job), "uncountedTerminatedPods": job_tally.uncounted(tally, job)}
        job = self._client.update_status(JOB, job, {**told, **_indexes(job, tally)})
        noted = {pod["metadata"]["uid"] for pod in tally.noted}
        kept = [self._release(pod) if pod["metadata"]["uid"] in noted else pod for pod in found]
        return self._client.update_status(JOB, job, {**status(job), **_counts(tally)}), kept

    def _release(self, pod: Object) -> Object:
        """Take away the finalizer of a pod that is counted, or need not be."""
        return release(self._client, pod)

    def _manage(
        self, job: Object, found: list[Object], tally: Tally, verdict: Verdict | None
    ) -> tuple[float | None, ApiError | None]:
        """Bring the number of pods to what is wanted; return when to go on, and why this failed."""
        if job["metadata"].get("deletionTimestamp"):
            return None, None
        active = [pod for pod in found if is_active(pod)]
        try:
            if verdict:
                for pod in active:
                    self._delete(job, pod, is_counted=verdict.target == job_verdict.FAILING)
                return None, None
            return self._match(job, found, active, tally), None
        except ApiError as error:
            return None, error

    def _match(self, job: Object, found: list[Object], active: list[Object], tally: Tally) -> float | None:
        number = job_pods.wanted(job, tally.succeeded, len(tally.given_up), len(active)) - len(active)
        if number < 0:
            for pod in job_pods.surplus(job, active, -number):
                self._delete(job, pod, is_counted=False)
        if number <= 0:
            return None
        if job_indexes.has_limit(job):
            return self._create_each(job, found, tally, number)
        pause_s = job_pods.pause_of_job_s(found, self._clock())
        if pause_s > 0:
            return pause_s
        indexes = job_pods.missing(job, found, tally.completed, set()) if job_indexes.is_indexed(job) else None
        for index in (indexes if indexes is not None else [None] * job_pods.MOST_AT_ONCE)[:number]:
            self._create(job, job_pods.make(job, index))
        return None

    def _create_each(self, job: Object, found: list[Object], tally: Tally, number: int) -> float | None:
        """Create pods for indexes, each of which waits for its own failures only."""
        pauses = []
        for index in job_pods.missing(job, found, tally.completed, tally.given_up):
            last = job_pods.last_failure(job, tally.held, index)
            failures = job_indexes.failures(last) + 1 if last else 0
            pause_s = job_pods.pause_s(failures, job_pods.ended_at(last), self._clock()) if last else 0.0
            if pause_s > 0:
                pauses.append(pause_s)
            elif number > 0:
                self._create(job, job_pods.make(job, index, failures))
                number -= 1
        return min(pauses, default=None)

    def _create(self, job: Object, pod: Object) -> None:
        try:
            made = self._client.create(POD, pod)
        except ApiError as error:
            if not pods.is_ending(error):
                self._events.warning(job, "FailedCreate", f"Error creating: {error}")
            raise
        self._events.normal(job, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    def _delete(self, job: Object, pod: Object, *, is_counted: bool) -> None:
        """Delete a pod; one that a failing Job takes along counts as failed."""
        if not is_counted:
            pod = self._release(pod)
        self._client.delete(POD, pod)
        self._events.normal(job, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _report(self, job: Object, found: list[Object], tally: Tally, verdict: Verdict | None) -> None:
        active = [pod for pod in found if is_active(pod)]
        terminating = sum(map(job_pods.is_terminating, found))
        at = stamp(self._clock())
        told = {
            **{name: value for name, value in status(job).items() if name not in ("active", "failed", "succeeded")},
            **_counts(tally),
            **_indexes(job, tally),
            "active": len(active),
            "ready": sum(map(is_ready, active)),
            "terminating": terminating,
        }
        is_over = not (active or terminating or any(map(job_pods.is_tracked, found)))
        told["conditions"] = self._conditions(job, verdict, at, is_over=is_over)
        if verdict and verdict.target == job_verdict.SUCCEEDING and is_over:
            told["completionTime"] = at
        self._client.update_status(JOB, job, common.without_zeros(told, "ready", "terminating", KEPT))
        if verdict and is_over:
            self._tell(job, verdict)

    def _conditions(self, job: Object, verdict: Verdict | None, at: str, *, is_over: bool) -> list[Object]:
        conditions = status(job).get("conditions") or []
        for type_ in (verdict.target, job_verdict.FINAL[verdict.target])[: 2 if is_over else 1] if verdict else ():
            conditions = with_condition(conditions, _condition(type_, verdict.reason, verdict.message, at))
        return conditions

    def _tell(self, job: Object, verdict: Verdict) -> None:
        if verdict.target == job_verdict.SUCCEEDING:
            self._events.normal(job, "Completed", "Job completed")
        else:
            self._events.warning(job, verdict.reason, verdict.message)


KEPT = "uncountedTerminatedPods"


def release(client: Client, pod: Object) -> Object:
    """Take away the finalizer by which a Job keeps a pod, and return the pod."""
    left = [one for one in pod["metadata"].get("finalizers") or () if one != job_pods.TRACKING]
    metadata = {name: value for name, value in pod["metadata"].items() if name != "finalizers"}
    return client.update(POD, {**pod, "metadata": {**metadata, "finalizers": left} if left else metadata})


def _counts(tally: Tally) -> Object:
    return {"succeeded": tally.succeeded, "failed": tally.failed, KEPT: {}}


def _indexes(job: Object, tally: Tally) -> Object:
    if not job_indexes.is_indexed(job):
        return {}
    told = {"completedIndexes": job_indexes.written(tally.completed)}
    if job_indexes.has_limit(job):
        told["failedIndexes"] = job_indexes.written(tally.given_up)
    return {**told, "succeeded": len(tally.completed)}


def _condition(type_: str, reason: str, message: str, at: str) -> Object:
    when = dict.fromkeys(("lastProbeTime", "lastTransitionTime"), at)
    return {"type": type_, "status": "True", **when, "reason": reason, "message": message}
