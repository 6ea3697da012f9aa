"""What the command tells of a cohort: a line as each learner is done, and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maas_lab.chargeback.tables import clean
from maas_lab.grading.pool import BROKEN, Done, Event, Started
from maas_lab.grading.verdicts import Graded


def line(event: Event) -> str:
    """Return the line of an event."""
    if isinstance(event, Started):
        return f"{clean(event.learner)}: begins"
    if not isinstance(event, Done):
        return event.text
    graded = event.graded
    told = (
        f"[{event.number}/{event.total}] {clean(graded.learner)}: {graded.passed} of {len(graded.verdicts)} exercises"
    )
    told += " (graded before)" if event.kept else f" in {graded.minutes:.1f} minutes"
    return told + (f"; broken off: {clean(graded.ended)}" if graded.ended else "")


def summary(cohort: Sequence[Graded], page: Path) -> str:
    """Return the last lines: how many were graded, what failed, and where the report is."""
    failed = failures(cohort)
    lines = [f"Graded {len(cohort) - len(failed)} of {len(cohort)} learners: {page}"]
    lines += [f"not graded: {clean(one.learner)}: {clean(one.ended)}" for one in failed]
    return "\n".join([*lines, *(["Run the same command again: it grades those that are left."] if failed else [])])


def interrupted(cohort: Sequence[Graded], page: Path) -> str:
    """Return the last line of a run that was stopped: who is graded, and how it goes on."""
    return f"Graded so far: {len(cohort)} learners: {page}\nRun the same command again: it grades those that are left."


def failures(cohort: Sequence[Graded]) -> list[Graded]:
    """Return the learners who were not graded because the grader itself failed."""
    return [one for one in cohort if one.ended.startswith(BROKEN)]
