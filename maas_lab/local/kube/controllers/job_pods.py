"""The pods of a Job: how one is made, how each is doing, and which to make or take away next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from maas_lab.local.kube.controllers import job_indexes, pods
from maas_lab.local.kube.controllers.client import JOB
from maas_lab.local.kube.controllers.common import is_active, is_ended, read_stamp, status
from maas_lab.local.kube.jobs import INDEX_LABEL, PREFIX
from maas_lab.local.kube.store import Object

TRACKING = f"{PREFIX}job-tracking"  # the finalizer that keeps a pod until the Job has counted it
VARIABLE = "JOB_COMPLETION_INDEX"
FIRST_S, LONGEST_S = 10, 600  # of the pause after a failure, doubled by each further one
MOST_AT_ONCE = 500


def is_tracked(pod: Object) -> bool:
    """Tell whether a pod has still to be counted."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def has_succeeded(pod: Object) -> bool:
    """Tell whether a pod has done its work."""
    return status(pod).get("phase") == "Succeeded"


def has_failed(pod: Object) -> bool:
    """Tell whether a pod will not do its work any more: it failed, or is being deleted before its end."""
    return status(pod).get("phase") == "Failed" or (
        bool(pod["metadata"].get("deletionTimestamp")) and not has_succeeded(pod)
    )


def is_terminating(pod: Object) -> bool:
    """Tell whether a pod is being deleted and still there with its processes."""
    return bool(pod["metadata"].get("deletionTimestamp")) and not is_ended(pod)


def make(job: Object, index: int | None = None, failures: int = 0) -> Object:
    """Return a pod of a Job as it is created.

    Args:
        job: whose it is.
        index: of an Indexed Job.
        failures: pods of this index that have failed.
    """
    made = pods.from_template(JOB, job)
    metadata = made["metadata"]
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), TRACKING]
    if index is not None:
        _number(made, f"{job['metadata']['name']}-{index}", index)
    if job_indexes.has_limit(job):
        metadata["annotations"][job_indexes.FAILURES] = str(failures)
    return made


def _number(pod: Object, name: str, index: int) -> None:
    metadata, spec = pod["metadata"], pod["spec"]
    metadata["generateName"] = f"{name}-"
    for where in ("annotations", "labels"):
        metadata[where] = {**(metadata.get(where) or {}), INDEX_LABEL: str(index)}
    spec["hostname"] = name
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX_LABEL}']"}}
    for container in (*spec["containers"], *(spec.get("initContainers") or ())):
        had = container.get("env") or []
        if all(one["name"] != VARIABLE for one in had):
            container["env"] = [*had, {"name": VARIABLE, "valueFrom": source}]


def missing(job: Object, found: Iterable[Object], done: set[int], given_up: set[int]) -> list[int]:
    """Return the indexes that no pod works on and that are neither done nor given up, the lowest first."""
    taken = done | given_up | {job_indexes.of(pod, job) for pod in found if is_active(pod)}
    free = (number for number in range(job["spec"].get("completions", 0)) if number not in taken)
    return list(islice(free, MOST_AT_ONCE))


def wanted(job: Object, succeeded: int, given_up: int, active: int) -> int:
    """Return how many pods should be at work."""
    spec = job["spec"]
    if spec.get("suspend"):
        return 0
    if spec.get("completions") is None:  # a pod that succeeds says that there is nothing left to begin
        return min(active, spec["parallelism"]) if succeeded else spec["parallelism"]
    return max(0, min(spec["parallelism"], spec["completions"] - succeeded - given_up))


def surplus(job: Object, active: list[Object], number: int) -> list[Object]:
    """Return the pods that are missed least: those whose index another works on or nobody needs, then the youngest."""
    if not job_indexes.is_indexed(job):
        return pods.to_delete(active, number)
    needed: dict[int, Object] = {}
    useless = []
    for pod in sorted(active, key=lambda one: one["metadata"]["creationTimestamp"]):
        index = job_indexes.of(pod, job)
        if index is None or index in needed:
            useless.append(pod)
        else:
            needed[index] = pod
    return useless + pods.to_delete(list(needed.values()), number - len(useless))


def ended_at(pod: Object) -> datetime:
    """Return when a pod ended, or was told to."""
    times = [_finished(one) for one in status(pod).get("containerStatuses") or ()]
    metadata = pod["metadata"]
    told = [one for one in times if one] or [metadata.get("deletionTimestamp") or metadata["creationTimestamp"]]
    return max(map(read_stamp, told))


def _finished(container: Object) -> str:
    return ((container.get("state") or {}).get("terminated") or {}).get("finishedAt", "")


def pause_s(failures: int, last: datetime, at: datetime) -> float:
    """Return how long to wait after some failures in a row; not at all when enough time has passed."""
    if not failures:
        return 0.0
    delay_s = min(LONGEST_S, FIRST_S * 2 ** min(failures - 1, 10))
    return max(0.0, delay_s - (at - last).total_seconds())


def pause_of_job_s(found: Iterable[Object], at: datetime) -> float:
    """Return how long a Job waits with new pods: for the failures since its last success."""
    ended = sorted((pod for pod in found if is_ended(pod) or has_failed(pod)), key=ended_at, reverse=True)
    row = next((number for number, pod in enumerate(ended) if has_succeeded(pod)), len(ended))
    return pause_s(row, ended_at(ended[0]), at) if row else 0.0


def last_failure(job: Object, found: Iterable[Object], index: int) -> Object | None:
    """Return the pod of an index that failed last, None where none has."""
    mine = [pod for pod in found if has_failed(pod) and job_indexes.of(pod, job) == index]
    return max(mine, key=job_indexes.failures, default=None)


def restarts(found: Iterable[Object]) -> int:
    """Return how often containers of pods that are not over were started again."""
    told = [one for pod in found if not is_ended(pod) for one in status(pod).get("containerStatuses") or ()]
    return sum(one.get("restartCount", 0) for one in told)
