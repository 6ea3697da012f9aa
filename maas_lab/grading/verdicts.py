"""What a learner's submission came to: a verdict for each exercise; written by a worker, read as untrusted input."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from maas_lab.errors import LabError
from maas_lab.grading.execution import NOT_RUN, Outcome
from maas_lab.grading.workbook import Lesson
from maas_lab.refusals import SECRETS

FORMAT = "maas-lab grade 1"
RESULT = "result.json"
GRADED, MISSING, REFUSED, NOT_REACHED = "graded", "not handed in", "refused", "not reached"
LONGEST = 500  # characters of a text that is kept
LARGEST = 2_000_000  # characters of a result: some fifty times what that of the whole course takes
_SECRET = re.compile(SECRETS)
VARIES = re.compile(r"(Exercise \d+\.\d+)|(?<!\w)(?:0x[0-9a-f]+|\d[\d.,:]*)")


@dataclass(frozen=True)
class Verdict:
    """Whether an exercise was passed.

    Attributes:
        exercise: its number, e.g. `3.2`.
        passed: its check ran without an error.
        cause: what its check said, or the first error in its part of the notebook; what may vary is `…`.
        hint: the first one that the check gave.
        note: what was done to its check.
    """

    exercise: str
    passed: bool = False
    cause: str = ""
    hint: str = ""
    note: str = ""


@dataclass(frozen=True)
class LessonResult:
    """What became of one notebook: its state, why it is not `graded`, the seconds it took, and its exercises."""

    lesson: str
    state: str
    cause: str = ""
    seconds: float = 0.0
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Graded:
    """What became of one learner's submission.

    Attributes:
        learner: the name of their folder.
        key: tells this submission, graded with this workbook, from every other one.
        ended: why grading them was broken off; empty where it came to its end.
        lessons: all lessons of the workbook, in order.
    """

    learner: str
    key: str
    ended: str = ""
    lessons: tuple[LessonResult, ...] = field(default=())

    @property
    def verdicts(self) -> list[Verdict]:
        """All exercises, in order."""
        return [verdict for lesson in self.lessons for verdict in lesson.verdicts]

    @property
    def passed(self) -> int:
        """How many exercises were passed."""
        return sum(verdict.passed for verdict in self.verdicts)

    @property
    def first(self) -> Verdict | None:
        """The first exercise that was not passed although its lesson was handed in."""
        graded = [one for lesson in self.lessons if lesson.state != MISSING for one in lesson.verdicts]
        return next((one for one in graded if not one.passed), None)

    @property
    def minutes(self) -> float:
        """The minutes that their notebooks ran for."""
        return sum(lesson.seconds for lesson in self.lessons) / 60

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def unmarked(lesson: Lesson, state: str, cause: str) -> LessonResult:
    """Return the result of a lesson that was not executed."""
    return LessonResult(lesson.name, state, cause, 0.0, tuple(Verdict(one, cause=cause) for one in lesson.exercises))


def judge(lesson: Lesson, order: Sequence[str], outcomes: Mapping[str, Outcome], notes: Mapping[str, str]) -> tuple:
    """Return the verdicts of a notebook that was executed.

    Args:
        lesson: the workbook's.
        order: the ids of the notebook's cells.
        outcomes: of its code cells.
        notes: what was done to checks, by exercise.
    """
    checks = {check.cell.id: check.exercise for check in lesson.checks}
    passed, first, since = dict.fromkeys(lesson.exercises, True), {}, []
    for name in order:
        outcome = outcomes.get(name)
        since += [outcome] if outcome and outcome.error else []
        if exercise := checks.get(name):
            passed[exercise] &= outcome is not None and not outcome.error
            if not passed[exercise]:
                first.setdefault(exercise, _telling(since))
            since = []
    return tuple(_verdict(one, passed[one], first.get(one), notes.get(one, "")) for one in lesson.exercises)


def read(text: str, graded: Graded, lessons: Sequence[Lesson]) -> Graded:
    """Return what a worker wrote, as far as it is what it has to be: a notebook ran beside it, and may have written it.

    Args:
        text: of the file; empty where there is none.
        graded: what is known besides: learner, key and why it was ended.
        lessons: the workbook's.
    """
    try:
        if len(text) > LARGEST:
            raise ValueError("too large")
        told = json.loads(text) if text else {}
        by_name = {one["lesson"]: one for one in told.get("lessons", [])}
        found = tuple(_lesson(lesson, by_name.get(lesson.name), graded.ended) for lesson in lessons)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return read("", Graded(graded.learner, graded.key, graded.ended or "its result cannot be read"), lessons)
    return Graded(graded.learner, graded.key, graded.ended, found)


def _lesson(lesson: Lesson, told: Any, ended: str) -> LessonResult:
    if told is None:
        return unmarked(lesson, NOT_REACHED, ended or NOT_REACHED)
    verdicts = {one["exercise"]: one for one in told["verdicts"]}
    state = told["state"] if told["state"] in (GRADED, MISSING, REFUSED) else NOT_REACHED
    seconds = float(told["seconds"])
    return LessonResult(
        lesson.name,
        state,
        _short(told["cause"]),
        min(max(seconds, 0.0), 1e6) if math.isfinite(seconds) else 0.0,
        tuple(_known(one, verdicts[one]) for one in lesson.exercises),
    )


def _known(exercise: str, told: Any) -> Verdict:
    return Verdict(exercise, told["passed"] is True, *(_short(told[name]) for name in ("cause", "hint", "note")))


def _short(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError("no text")
    seen = _SECRET.sub("…", text.encode(errors="replace").decode())  # half a surrogate pair cannot be written
    return seen[:LONGEST]


def _telling(errors: Sequence[Outcome]) -> Outcome:
    """Return what the check said, where it gave a hint; else the first error of the exercise's part."""
    if errors and LabError.hint_of(errors[-1].said):
        return errors[-1]
    return errors[0] if errors else Outcome(NOT_RUN, NOT_REACHED)


def _verdict(exercise: str, passed: bool, outcome: Outcome | None, note: str) -> Verdict:
    if passed or outcome is None:
        return Verdict(exercise, passed, note=note)
    line = outcome.said.strip().split("\n")[0].removesuffix(":") or outcome.error
    cause = VARIES.sub(lambda found: found[1] or "…", line)
    return Verdict(exercise, False, _short(cause), _short(LabError.hint_of(outcome.said)), note)
