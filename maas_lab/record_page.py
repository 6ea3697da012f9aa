"""The completion record as one page to print: nothing in it runs, nothing is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maas_lab import page
from maas_lab.chargeback.tables import Column, Sheet

if TYPE_CHECKING:
    from maas_lab.record import Record

COURSE = "Implementing Models-as-a-Service"
_COLUMNS = (
    Column("exercise", "Exercise"),
    Column("about", "What the check looked at"),
    Column("passed", "Passed"),
    Column("hints", "Hints shown"),
    Column("where", "Lab"),
)
_SAYS = (
    "It says: on the lab named in each line, the check of that exercise looked at the running system and was content. "
    "The first time counts. A hint counts when it was shown, even if only to see what hints look like.",
    "It does not say who was at the keyboard, nor that no solution was run. This page is not signed. The file that "
    'lab.record().save("record.json") writes is signed with a key of this lab: record.verify("record.json"), run '
    "in the same lab's home, tells whether that file was changed since. Who works in that home could sign anything.",
    "Whoever needs a proof runs the learner's notebooks on a lab of their own.",
)


def page_of(record: Record) -> str:
    """Return a record as a page that stands alone."""
    whose = f"Completion record of {record.name}" if record.name else "Completion record"
    figures = {
        "Exercises passed": f"{len(record.passed)} of {len(record.lines)}",
        "Hints shown": str(record.hints),
        "Last passed": max((line.passed.partition(" ")[0] for line in record.lines if line.is_passed), default=""),
    }
    main = [
        page.section("What was done", _state(record) + page.table(_sheet(record))),
        page.section("What this page says, and what it does not", page.paragraphs(_SAYS)),
    ]
    header = page.header(whose, f"{COURSE}, hands on. Made {record.made}.", figures)
    return page.page(whose, header, main, record.made)


def _state(record: Record) -> str:
    if record.missing:
        return page.state(f"Not complete: {len(record.missing)} exercises are not passed yet.", good=False)
    return page.state("Complete: all exercises are passed.", good=True)


def _sheet(record: Record) -> Sheet:
    rows = tuple((line.exercise, line.about, line.passed, line.hints, line.where) for line in record.lines)
    return Sheet("All exercises of the course; the number before the point is the lesson's", _COLUMNS, rows)
