"""The folder of results: what an earlier run left in it, and how each learner's place is made ready."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from maas_lab.grading import verdicts
from maas_lab.grading.submissions import Submission
from maas_lab.grading.verdicts import RESULT, Graded, LessonResult
from maas_lab.grading.workbook import Lesson


def kept(out: Path, one: Submission, key: str, lessons: Sequence[Lesson]) -> Graded | None:
    """Return what an earlier run of the same workbook has found of the same notebooks."""
    if one.problem:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(text := (out / one.learner / RESULT).read_text(encoding="utf-8"))
        if told["key"] == key:
            return verdicts.read(text, Graded(one.learner, key, told["ended"]), lessons)
    return None


def emptied(folder: Path, copies: Sequence[str]) -> Path:
    """Make a learner's folder of results, without those of an earlier run."""
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(exist_ok=True)
    for name in (RESULT, *copies):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return folder


def as_handed_in(graded: Graded, one: Submission, lessons: Sequence[Lesson]) -> Graded:
    """Return the results, those of notebooks that no worker was given as they must be, whatever a notebook wrote."""

    def told(lesson: Lesson, result: LessonResult) -> LessonResult:
        if lesson.name in one.refused:
            return verdicts.unmarked(lesson, verdicts.REFUSED, one.refused[lesson.name])
        return result if lesson.name in one.files else verdicts.unmarked(lesson, verdicts.MISSING, verdicts.MISSING)

    return replace(graded, lessons=tuple(map(told, lessons, graded.lessons)))


def unexecuted(graded: Graded, one: Submission, lessons: Sequence[Lesson]) -> Graded:
    """Return the results of a submission of which nothing was executed; `graded` says why."""
    return as_handed_in(verdicts.read("", graded, lessons), one, lessons)
