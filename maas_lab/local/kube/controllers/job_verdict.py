"""Whether a Job is over, and why: the conditions that its status gets. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from maas_lab.local.kube.controllers import job_indexes, job_pods
from maas_lab.local.kube.controllers.common import condition, is_active, read_stamp, status
from maas_lab.local.kube.controllers.job_tally import Tally
from maas_lab.local.kube.store import Object

FAILING, SUCCEEDING = "FailureTarget", "SuccessCriteriaMet"
FINAL = {FAILING: "Failed", SUCCEEDING: "Complete"}


class Verdict(NamedTuple):
    """What becomes of a Job.

    Attributes:
        target: `FailureTarget` or `SuccessCriteriaMet`, which its pods' end makes `Failed` or `Complete`.
    """

    target: str
    reason: str
    message: str


REACHED = Verdict(SUCCEEDING, "CompletionsReached", "Reached expected number of succeeded pods")
LATE = Verdict(FAILING, "DeadlineExceeded", "Job was active longer than specified deadline")
TOO_OFTEN = Verdict(FAILING, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
INDEXES = Verdict(FAILING, "FailedIndexes", "Job has failed indexes")
TOO_MANY = Verdict(
    FAILING, "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
)


def is_finished(job: Object) -> bool:
    """Tell whether a Job is over and its pods have ended."""
    return finished_at(job) is not None


def finished_at(job: Object) -> datetime | None:
    """Return when a Job was over, None while it is not."""
    for type_ in FINAL.values():
        found = condition(status(job), type_)
        if found and found["status"] == "True":
            return read_stamp(found["lastTransitionTime"])
    return None


def decided(job: Object) -> Verdict | None:
    """Return what was decided about a Job before."""
    for type_ in FINAL:
        found = condition(status(job), type_)
        if found and found["status"] == "True":
            return Verdict(type_, found.get("reason", ""), found.get("message", ""))
    return None


def of(job: Object, found: list[Object], tally: Tally, at: datetime) -> Verdict | None:
    """Return what becomes of a Job; None while it goes on."""
    return decided(job) or _failure(job, found, tally, at) or _success(job, found, tally)


def left_s(job: Object, at: datetime) -> float | None:
    """Return how long a Job may still take; None where nothing limits it, or its time does not run."""
    limit_s, began = job["spec"].get("activeDeadlineSeconds"), status(job).get("startTime")
    if limit_s is None or not began or job["spec"].get("suspend"):
        return None
    return limit_s - (at - read_stamp(began)).total_seconds()


def _failure(job: Object, found: list[Object], tally: Tally, at: datetime) -> Verdict | None:
    spec = job["spec"]
    if tally.failed > spec["backoffLimit"] or _restarted_too_often(spec, found):
        return TOO_OFTEN
    if (left := left_s(job, at)) is not None and left <= 0:
        return LATE
    if not tally.given_up:
        return None
    most = spec.get("maxFailedIndexes")
    if most is not None and len(tally.given_up) > most:
        return TOO_MANY
    return INDEXES if len(tally.completed | tally.given_up) >= spec["completions"] else None


def _restarted_too_often(spec: Object, found: list[Object]) -> bool:
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    again = job_pods.restarts(found)
    return again > 0 if spec["backoffLimit"] == 0 else again >= spec["backoffLimit"]


def _success(job: Object, found: list[Object], tally: Tally) -> Verdict | None:
    completions = job["spec"].get("completions")
    if completions is None:
        return REACHED if tally.succeeded and not any(map(is_active, found)) else None
    if job_indexes.is_indexed(job):
        return REACHED if len(tally.completed) >= completions else None
    return REACHED if tally.succeeded >= completions else None
