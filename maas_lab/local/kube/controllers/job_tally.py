"""What a Job has counted: pods that have ended, and which are to be counted now. Pure.

A pod is counted once, though the controller may be ended between any two of its writes: its uid is noted in the
status, then its finalizer goes, and only then does the number grow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maas_lab.local.kube.controllers import job_indexes, job_pods
from maas_lab.local.kube.controllers.common import is_active, status
from maas_lab.local.kube.store import Object


@dataclass
class Tally:
    """The count of a Job.

    Attributes:
        succeeded: pods that did their work and are counted; of an Indexed Job its completed indexes.
        failed: pods that did not.
        completed: indexes that are done.
        given_up: indexes of which too many pods have failed.
        noted: pods whose end is noted and whose finalizer may go.
        held: failed pods that keep their finalizer until another pod of their index carries the number of failures on.
    """

    succeeded: int = 0
    failed: int = 0
    completed: set[int] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)
    noted: list[Object] = field(default_factory=list)
    held: list[Object] = field(default_factory=list)


def take(job: Object, found: list[Object], *, is_over: bool) -> Tally:
    """Return the count with everything that has ended by now.

    Args:
        job: with the status that it had.
        found: its pods.
        is_over: what becomes of the Job is decided, and no further pods are made.
    """
    told, below = status(job), job["spec"].get("completions", 0)
    uncounted = told.get("uncountedTerminatedPods") or {}
    tracked = [pod for pod in found if job_pods.is_tracked(pod)]
    good = [pod for pod in tracked if job_pods.has_succeeded(pod)]
    bad = [pod for pod in tracked if job_pods.has_failed(pod)]
    known = {uid for which in ("succeeded", "failed") for uid in uncounted.get(which) or ()}
    tally = Tally(failed=told.get("failed", 0) + len(uncounted.get("failed") or ()))
    if job_indexes.is_indexed(job):
        tally.completed = job_indexes.read(told.get("completedIndexes", ""), below)
        tally.completed |= {index for pod in good if (index := job_indexes.of(pod, job)) is not None}
        tally.succeeded = len(tally.completed)
    else:
        tally.succeeded = told.get("succeeded", 0) + len(uncounted.get("succeeded") or ())
        tally.succeeded += sum(pod["metadata"]["uid"] not in known for pod in good)
    if job_indexes.has_limit(job):
        tally.given_up = job_indexes.read(told.get("failedIndexes", ""), below) | _given_up(job, bad)
        tally.given_up -= tally.completed
        tally.held = [] if is_over else _held(job, found, bad, tally)
    counted = [pod for pod in bad if pod not in tally.held]
    tally.failed += sum(pod["metadata"]["uid"] not in known for pod in counted)
    tally.noted = [*good, *counted]
    return tally


def _given_up(job: Object, bad: list[Object]) -> set[int]:
    limit = job["spec"]["backoffLimitPerIndex"]
    ended = {job_indexes.of(pod, job) for pod in bad if job_indexes.failures(pod) >= limit}
    return {index for index in ended if index is not None}


def _held(job: Object, found: list[Object], bad: list[Object], tally: Tally) -> list[Object]:
    """Return of each index that waits for its next pod the one that failed last."""
    at_work = {job_indexes.of(pod, job) for pod in found if is_active(pod)}
    waiting = {job_indexes.of(pod, job) for pod in bad} - at_work - tally.completed - tally.given_up - {None}
    return [job_pods.last_failure(job, bad, index) for index in waiting]


def uncounted(tally: Tally, job: Object) -> Object:
    """Return the uids that the status notes before finalizers go; indexes that are completed note themselves."""
    good = [pod for pod in tally.noted if job_pods.has_succeeded(pod) and not job_indexes.is_indexed(job)]
    bad = [pod for pod in tally.noted if not job_pods.has_succeeded(pod)]
    told = {"succeeded": [one["metadata"]["uid"] for one in good], "failed": [one["metadata"]["uid"] for one in bad]}
    return {name: sorted(uids) for name, uids in told.items() if uids}
