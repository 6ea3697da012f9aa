"""What became of a cohort, for people and for programs: a page, CSV, JSON and JUnit, all in the learners' order.

Names, errors and hints in them come from learners' files: each format escapes them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from maas_lab import outfile, page
from maas_lab.chargeback import tables
from maas_lab.chargeback.tables import Column, Sheet
from maas_lab.grading.verdicts import FORMAT, MISSING, NOT_REACHED, REFUSED, Graded, Verdict
from maas_lab.results.junit import ERROR, FAILURE, SKIPPED, Case, Suite, junit

PASSED, OPEN, ABSENT = "✓", "✗", "·"
WORDS = {PASSED: "passed", OPEN: "not passed", ABSENT: "no notebook"}
TITLE = "Who passed which exercise"
_SAYS = (
    "An exercise is passed when the workbook's own check of it ran without an error, on a lab that this learner had "
    "for themselves. Checks that were changed or deleted were put back first.",
    "Code that runs in the same kernel as a check can deceive it. So this report finds honest mistakes; it is no "
    "supervision of an exam. Whether answers are alike is not looked at.",
    "The same notebooks give the same verdicts. Minutes differ from run to run, and so do numbers in causes, which "
    "are shown as “…”.",
)


def write(cohort: Sequence[Graded], out: Path) -> Path:
    """Write `index.html`, `results.csv`, `results.json` and `junit.xml`, and return the page.

    Args:
        cohort: in the learners' order.
        out: folder for them; exists.
    """
    outfile.write(out / "results.csv", csv(cohort).encode("utf-8-sig"))
    outfile.write(out / "results.json", as_json(cohort).encode())
    outfile.write(out / "junit.xml", junit("maas-lab grade", [_suite(one) for one in cohort]))
    return outfile.write(out / "index.html", html(cohort).encode())


def merged(cohort: Sequence[Graded], others: Sequence[Graded]) -> list[Graded]:
    """Return a cohort with others who were graded before, in the order of their names."""
    known = {one.learner for one in cohort}
    return sorted([*cohort, *(one for one in others if one.learner not in known)], key=lambda one: one.learner)


def csv(cohort: Sequence[Graded]) -> str:
    """Return one line for each learner and exercise; no spreadsheet takes a name for a formula."""
    names = ("learner", "lesson", "exercise", "passed", "state", "cause", "hint", "note", "lesson_minutes")
    rows = [
        (
            *(graded.learner, lesson.lesson, one.exercise, "yes" if one.passed else "no", lesson.state),
            *(one.cause, one.hint, one.note, round(lesson.seconds / 60, 2)),
        )
        for graded in cohort
        for lesson in graded.lessons
        for one in lesson.verdicts
    ]
    return tables.csv_text(names, rows)


def as_json(cohort: Sequence[Graded]) -> str:
    """Return everything as JSON."""
    told = {"format": f"{FORMAT} cohort", "learners": [asdict(one) for one in cohort]}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def verdicts(cohort: Sequence[Graded]) -> list[tuple]:
    """Return what is the same whenever the same notebooks are graded: everything but the time."""
    return [
        (graded.learner, graded.ended, lesson.lesson, lesson.state, lesson.cause, lesson.verdicts)
        for graded in cohort
        for lesson in graded.lessons
    ]


def causes(cohort: Sequence[Graded]) -> list[tuple[str, list[str], list[str]]]:
    """Return each cause of an error with the exercises and the learners that met it, the most frequent first."""
    exercises, learners = defaultdict(set), defaultdict(list)
    for graded in cohort:
        for lesson in graded.lessons:
            for one in lesson.verdicts:
                if one.cause and lesson.state != MISSING:
                    exercises[one.cause].add(one.exercise)
                    learners[one.cause] += [] if graded.learner in learners[one.cause] else [graded.learner]
    found = [(cause, sorted(exercises[cause]), learners[cause]) for cause in exercises]
    return sorted(found, key=lambda one: (-len(one[2]), one[1], one[0]))


def html(cohort: Sequence[Graded]) -> str:
    """Return the page: a learner x exercise matrix, how far each one came, and errors by their cause."""
    passed, most = sum(one.passed for one in cohort), sum(map(_handed_in, cohort))
    figures = {
        "Exercises passed, of those handed in": f"{passed:,} of {most:,}",
        "Learners": f"{len(cohort):,}",
        "Broken off": str(sum(bool(one.ended) for one in cohort) or ""),
    }
    main = [
        page.section(TITLE, _legend(cohort) + _matrix(cohort)),
        page.section("How far each one came", page.table(_progress(cohort))),
        page.section("What they met", page.table(_causes(cohort))),
        page.section("What was done to notebooks", page.table(_notes(cohort))),
        page.section("What this page says, and what it does not", page.paragraphs(_SAYS)),
    ]
    head = page.header("Grades of a cohort", "Implementing Models-as-a-Service, hands on", figures)
    return page.page("Grades of a cohort", head, main, "./lab grade")


def _handed_in(graded: Graded) -> int:
    """Return of how many exercises a learner handed in the notebook."""
    return sum(len(lesson.verdicts) for lesson in graded.lessons if lesson.state != MISSING)


def _collected(cohort: Sequence[Graded]) -> list[str]:
    """Return the lessons that somebody handed in; all where nobody handed in any."""
    lessons = {lesson.lesson: False for graded in cohort for lesson in graded.lessons}
    for graded in cohort:
        lessons |= {lesson.lesson: True for lesson in graded.lessons if lesson.state != MISSING}
    return [name for name, was in lessons.items() if was or not any(lessons.values())]


def _legend(cohort: Sequence[Graded]) -> str:
    left = sorted({lesson.lesson for graded in cohort for lesson in graded.lessons} - set(_collected(cohort)))
    told = [", ".join(f"{mark} {word}" for mark, word in WORDS.items()) + "."]
    return page.paragraphs([*told, *([f"Handed in by nobody, and left out: {', '.join(left)}."] if left else [])])


def _matrix(cohort: Sequence[Graded]) -> str:
    collected = _collected(cohort)
    shown = [[lesson for lesson in graded.lessons if lesson.lesson in collected] for graded in cohort]
    numbers = [one.exercise for lesson in shown[0] for one in lesson.verdicts] if cohort else []
    style = ' class="number" style="text-align: center; padding-inline: .2rem"'
    head = "".join(f'<th scope="col"{style}>{escape(one)}</th>' for one in ("passed", *numbers))
    rows = []
    for graded, lessons in zip(cohort, shown, strict=True):
        marks = [_mark(lesson.state, one) for lesson in lessons for one in lesson.verdicts]
        cells = [f"<td{style}>{graded.passed}</td>"]
        cells += [f'<td{style} title="{WORDS[mark]}">{mark}</td>' for mark in marks]
        rows.append(f'<tr><th scope="row">{escape(tables.clean(graded.learner))}</th>{"".join(cells)}</tr>')
    body = f'<thead><tr><th scope="col">learner</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
    caption = "<caption>Each learner's exercises; the number before the point is the lesson's</caption>"
    return f'<div class="wide" role="region" tabindex="0" aria-label="{TITLE}"><table>{caption}{body}</table></div>'


def _mark(state: str, verdict: Verdict) -> str:
    return PASSED if verdict.passed else ABSENT if state == MISSING else OPEN


def _progress(cohort: Sequence[Graded]) -> Sheet:
    columns = (
        Column("learner", "Learner"),
        Column("passed", "Passed", "count"),
        Column("most", "Handed in", "count"),
        Column("minutes", "Minutes", "count"),
        Column("first", "First exercise not passed"),
        Column("hint", "Its hint"),
        Column("ended", "Broken off, because"),
    )
    rows = []
    for one in cohort:
        begun = one.learner, one.passed, _handed_in(one), round(one.minutes, 1)
        first = (f"{one.first.exercise}: {_without(one.first)}", one.first.hint) if one.first else (None, None)
        rows.append((*begun, *first, one.ended))
    return Sheet("How many exercises each one passed, and what they met first", columns, tuple(rows))


def _without(verdict: Verdict) -> str:
    """Return the cause without the exercise's number, which stands beside it."""
    return verdict.cause.replace(f"Exercise {verdict.exercise}: ", "", 1)


def _causes(cohort: Sequence[Graded]) -> Sheet:
    columns = (
        Column("cause", "Error"),
        Column("count", "Learners", "count"),
        Column("exercises", "Exercises"),
        Column("names", "Who"),
    )
    rows = [(cause, len(names), ", ".join(numbers), ", ".join(names)) for cause, numbers, names in causes(cohort)]
    return Sheet("Errors by their cause, the most frequent first", columns, tuple(rows))


def _notes(cohort: Sequence[Graded]) -> Sheet:
    columns = (Column("learner", "Learner"), Column("where", "Where"), Column("note", "What"))
    rows = [
        (graded.learner, *told)
        for graded in cohort
        for lesson in graded.lessons
        for told in (
            *([(lesson.lesson, lesson.cause)] if lesson.state == REFUSED else []),
            *((f"Exercise {one.exercise}", one.note) for one in lesson.verdicts if one.note),
        )
    ]
    return Sheet("Notebooks that could not be read, and checks that were put back", columns, tuple(rows))


def _suite(graded: Graded) -> Suite:
    cases = [_case(lesson.state, one) for lesson in graded.lessons for one in lesson.verdicts]
    return Suite(graded.learner, cases, sum(lesson.seconds for lesson in graded.lessons))


def _case(state: str, one: Verdict) -> Case:
    name = f"Exercise {one.exercise}"
    if one.passed:
        return Case(name)
    if state == MISSING:
        return Case(name, SKIPPED, message=MISSING)
    outcome = ERROR if state in (REFUSED, NOT_REACHED) else FAILURE
    text = "\n".join(line for line in (one.cause, one.hint, one.note) if line)
    return Case(name, outcome, kind=one.cause.partition(":")[0], message=one.cause, text=text)
