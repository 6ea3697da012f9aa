"""The summary of a run as one page to read and to print: nothing in it runs, nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from maas_lab import page as frame
from maas_lab.chargeback.tables import Column, Sheet
from maas_lab.results.documents import readable
from maas_lab.results.run import PASSED, LessonRun, Run
from maas_lab.runner import Failure

TITLE = "Run of the lessons"
_LESSONS = (
    Column("lesson", "Lesson"),
    Column("state", "Result"),
    Column("exercises", "Exercises passed"),
    Column("cells", "Cells passed"),
    Column("seconds", "Seconds", "count"),
    Column("stopped", "Stopped at"),
)
_EXERCISES = (
    Column("exercise", "Exercise"),
    Column("lesson", "Lesson"),
    Column("state", "Result"),
    Column("seconds", "Seconds", "count"),
)


def page(run: Run) -> str:
    """Return a run as a page that stands alone; it links to the executed copies beside it."""
    exercises = [one for lesson in run.lessons for one in lesson.exercises]
    passed = [one for one in run.lessons if one.state == PASSED]
    figures = {
        "Lessons passed": f"{len(passed)} of {len(run.lessons)}",
        "Exercises passed": f"{sum(one.state == PASSED for one in exercises)} of {len(exercises)}" if exercises else "",
        "Seconds": f"{run.seconds:,.0f}",
    }
    began = f"{run.began:%Y-%m-%d %H:%M} UTC"
    main = [
        frame.section("Result", _state(run) + frame.table(_lessons(run))),
        *(_failed(one, one.failure) for one in run.lessons if one.failure),
        frame.section("Exercises", frame.table(_exercises(run))) if exercises else "",
        frame.section("Executed copies", _copies(one for one in run.lessons if one.copy)),
    ]
    return frame.page(TITLE, frame.header(TITLE, f"Begun {began}, by ./lab run", figures), main, began)


def _state(run: Run) -> str:
    if run.state != "complete":
        words = "This run was interrupted" if run.state == "interrupted" else "This run goes on, or was killed"
        return frame.state(f"{words}: here is what is known so far.", good=False)
    if run.passed:
        return frame.state("All lessons passed.", good=True)
    failed = ", ".join(one.name for one in run.lessons if one.state != PASSED)
    return frame.state(f"Not passed: {failed}.", good=False)


def _lessons(run: Run) -> Sheet:
    rows = tuple(
        (
            one.name,
            one.state,
            f"{sum(each.state == PASSED for each in one.exercises)} of {len(one.exercises)}" if one.exercises else "",
            f"{one.cells_passed} of {one.cells}" if one.cells else "",
            round(one.seconds, 1),
            _place(one),
        )
        for one in run.lessons
    )
    return Sheet("All lessons of this run", _LESSONS, rows)


def _exercises(run: Run) -> Sheet:
    every = [(lesson, one) for lesson in run.lessons for one in lesson.exercises]
    rows = tuple((one.name, lesson.name, one.state, round(one.seconds, 1)) for lesson, one in every)
    return Sheet("All exercises, and how long their cells ran", _EXERCISES, rows)


def _place(one: LessonRun) -> str:
    return f"{one.failure.exercise or 'no exercise'}, cell {one.failure.cell}" if one.failure else ""


def _failed(one: LessonRun, failure: Failure) -> str:
    lines, hint = "\n".join(readable(failure.lines)), " ".join(readable([failure.hint]))
    is_new = hint and hint not in lines  # an error of the lab says it itself
    tried = f"<p><strong>Try:</strong> {escape(hint)}</p>" if is_new else ""
    return frame.section(f"{one.name}: {_place(one)}", f"<pre>{escape(lines)}</pre>{tried}")


def _copies(lessons: Iterable[LessonRun]) -> str:
    names = [one.copy.name for one in lessons if one.copy]
    # With `./` before it no name is taken for another kind of address.
    links = "".join(f'<li><a href="./{quote(name, safe="")}">{escape(name)}</a></li>' for name in names)
    return f"<ul>{links}</ul>" if links else frame.paragraphs(["There is none yet."])
