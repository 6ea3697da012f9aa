"""What is known of a run of lessons: each lesson's state, and each exercise's, read off the executed copy."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maas_lab import outline, runner
from maas_lab.errors import UsageError
from maas_lab.runner import Failure, Result

PASSED, FAILED, RUNNING, INTERRUPTED, NOT_RUN = "passed", "failed", "running", "interrupted", "not run"
NOT_REACHED = "not reached"


@dataclass(frozen=True)
class ExerciseRun:
    """An exercise in a run: `passed`, `failed` or `not reached`, and the seconds that its cells took."""

    name: str
    state: str
    seconds: float


@dataclass(frozen=True)
class LessonRun:
    """A lesson in a run.

    Attributes:
        name: of the lesson.
        state: `passed`, `failed`, `running`, `interrupted` or `not run`.
        seconds: that it took, with its kernel's start.
        cells_passed: code cells that passed.
        cells: code cells it has; 0 before it began.
        copy: the executed copy; None where there is none.
        failure: where and why it stopped.
        exercises: in their order; none before the lesson has ended.
    """

    name: str
    state: str = NOT_RUN
    seconds: float = 0.0
    cells_passed: int = 0
    cells: int = 0
    copy: Path | None = None
    failure: Failure | None = None
    exercises: tuple[ExerciseRun, ...] = ()

    @classmethod
    def of(cls, result: Result) -> LessonRun:
        """Return the lesson that has ended with a result."""
        state, copy = PASSED if result.ok else FAILED, result.output if result.output.exists() else None
        counts = (result.seconds, result.cells_run, result.cells_total)
        return cls(result.lesson, state, *counts, copy, result.failure, _exercises(result))


@dataclass(frozen=True)
class Run:
    """A run of lessons.

    Attributes:
        lessons: in their order.
        state: `complete`, `interrupted`, or `running`, which a run that was killed keeps for ever.
        began: when, UTC.
        seconds: so far.
    """

    lessons: Sequence[LessonRun]
    state: str
    began: datetime
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all lessons have passed."""
        return all(one.state == PASSED for one in self.lessons)


def _exercises(result: Result) -> tuple[ExerciseRun, ...]:
    with contextlib.suppress(UsageError):  # without a copy nobody knows more than the result
        cells = runner.read_notebook(result.output).cells
        told: dict[str, list[dict]] = {}
        for cell, owner in zip(cells, outline.owners(cells), strict=True):
            if owner and cell.cell_type == "code" and cell.source.strip():
                told.setdefault(owner, []).append(cell.metadata.get("papermill") or {})
        failed = result.failure.exercise if result.failure else None
        return tuple(ExerciseRun(name, _state(name == failed, cells), _seconds(cells)) for name, cells in told.items())
    return ()


def _state(is_failed: bool, cells: list[dict]) -> str:
    if is_failed:
        return FAILED
    # papermill says `pending` of what it has not executed, and `failed` of a cell that another exercise stopped.
    return PASSED if all(cell.get("status") == "completed" for cell in cells) else NOT_REACHED


def _seconds(cells: list[dict]) -> float:
    return sum(cell.get("duration") or 0.0 for cell in cells)
