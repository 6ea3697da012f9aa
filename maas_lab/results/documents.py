"""A run for programs: as JSON, and as JUnit's suites and cases."""

from __future__ import annotations

import re
from typing import Any

from maas_lab.errors import NotDoneYet, NotQuite
from maas_lab.refusals import SECRETS
from maas_lab.results.junit import ERROR, FAILURE, SKIPPED, Case, Suite
from maas_lab.results.junit import PASSED as GREEN
from maas_lab.results.run import FAILED, INTERRUPTED, NOT_REACHED, PASSED, LessonRun, Run
from maas_lab.runner import Failure

FORMAT, VERSION = "maas-lab-run", 1
ELSEWHERE = "cells outside exercises"
_SECRET = re.compile(SECRETS)
_REFUSED = {NotDoneYet.__name__, NotQuite.__name__}


def readable(lines: list[str]) -> list[str]:
    """Return lines that a lesson's error has, without keys and tokens, and without what is not seen."""
    seen = "\n".join(lines).expandtabs(4)
    shown = "".join(one if one == "\n" or one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in seen)
    return _SECRET.sub("…", shown).split("\n")


def as_json(run: Run) -> dict[str, Any]:
    """Return a run as JSON's values.

    `format` and `version` say how to read it: fields may be added, and a change of meaning is another version.
    `copy` is a file's name beside the summary, times are UTC, durations seconds.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "state": run.state,
        "passed": run.passed,
        "began": run.began.isoformat(timespec="seconds"),
        "seconds": round(run.seconds, 3),
        "lessons": [_lesson(one) for one in run.lessons],
    }


def _lesson(one: LessonRun) -> dict[str, Any]:
    return {
        "lesson": one.name,
        "state": one.state,
        "seconds": round(one.seconds, 3),
        "cells_passed": one.cells_passed,
        "cells": one.cells,
        "copy": one.copy.name if one.copy else None,
        "failure": _failure(one.failure) if one.failure else None,
        "exercises": [
            {"exercise": each.name, "state": each.state, "seconds": round(each.seconds, 3)} for each in one.exercises
        ],
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "exercise": failure.exercise,
        "cell": failure.cell,
        "error": failure.error,
        "lines": readable(failure.lines),
        "hint": "\n".join(readable([failure.hint])),
    }


def as_suites(run: Run) -> list[Suite]:
    """Return a run as JUnit's suites, one a lesson: a case for each exercise, and one for all other cells.

    A failure is in exactly one case. An answer that a check refuses is a failure, all else an error.
    """
    return [Suite(one.name, _cases(one), one.seconds, run.began) for one in run.lessons]


def _cases(one: LessonRun) -> list[Case]:
    if one.state in (PASSED, FAILED):
        known = {each.name for each in one.exercises}
        cases = [_case(each.name, each.state, each.seconds, one.failure) for each in one.exercises]
        is_elsewhere = one.failure is not None and one.failure.exercise not in known
        rest = max(0.0, one.seconds - sum(each.seconds for each in one.exercises))
        return [*cases, _case(ELSEWHERE, FAILED if is_elsewhere else PASSED, rest, one.failure)]
    if one.state == INTERRUPTED:
        stopped = f"stopped after {one.cells_passed} of {one.cells} cells"
        return [Case(ELSEWHERE, ERROR, one.seconds, INTERRUPTED, stopped)]
    return [Case(ELSEWHERE, SKIPPED, message=one.state)]


def _case(name: str, state: str, seconds: float, failure: Failure | None) -> Case:
    if state == NOT_REACHED:
        return Case(name, SKIPPED, message="the lesson stopped before it")
    if state == PASSED or failure is None:
        return Case(name, GREEN, seconds)
    lines = readable(failure.lines)
    outcome = FAILURE if failure.error in _REFUSED else ERROR
    return Case(name, outcome, seconds, failure.error, lines[0], "\n".join([f"cell {failure.cell}", *lines]))
