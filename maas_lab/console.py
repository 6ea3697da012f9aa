"""What the command prints: tables, progress and plain sentences, by rich."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from maas_lab.bundle import Bundle
from maas_lab.local.packages import Report
from maas_lab.runner import CellDone, Event, LessonDone, LessonStarted, Result
from maas_lab.tables import Finding

if TYPE_CHECKING:
    from maas_lab.preflight import Report as Preflight  # what it takes to look is not needed to print

out = Console(highlight=False)
LEFT = re.compile(r", \d+ MB left of it$")


def say(text: str) -> None:
    """Print a sentence as it is."""
    out.print(text, markup=False, soft_wrap=True)


@contextlib.contextmanager
def progress() -> Iterator[Report]:
    """Show what an installation or a start is doing: a bar in a terminal, changed lines elsewhere."""
    if not out.is_terminal:
        yield _lines()
        return
    columns = (
        TimeElapsedColumn(),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=out, transient=True) as bar:
        bar.add_task("looking at what is there", total=None)

        def report(text: str, done: int, total: int) -> None:
            step = bar.tasks[0]
            if step.total != (total or None):  # a task keeps its total, and its clock stands when it is full
                bar.remove_task(step.id)
                bar.add_task(text, total=total or None)
            bar.update(bar.tasks[0].id, description=text, completed=done)

        yield report


def _lines() -> Report:
    last = [""]

    def report(text: str, done: int, total: int) -> None:
        step = LEFT.sub("", text)  # otherwise one line for each megabyte
        if step != last[0]:
            last[0] = step
            say(f"[{done}/{total}] {step}" if total else step)

    return report


def wheelhouse(bundle: Bundle) -> None:
    """Print what a finished wheelhouse is good for, and what to do with it."""
    told = bundle.read()
    size = sum(path.stat().st_size for path in bundle.files())
    say(f"{len(told['files'])} files, {size / 1e6:.0f} MB, in {bundle.folder}")
    where = f"Python {told['python']} on {told['platform']}, glibc {told['glibc']} or newer"
    say(f"For this version of the lab with {where}.")
    say("Copy it and this repository to the other machine, and there: ./lab up --wheelhouse DIR")


def status(seen: dict[str, Any]) -> None:
    """Print the stack's state and a table of its processes."""
    say(f"The lab is {seen['phase']}." + "".join(f"\n{name}: {url}" for name, url in seen["endpoints"].items()))
    if not seen["workloads"]:
        return
    table = Table("name", "pod", "ready", "pid", "restarts", "age", "memory", "reason", box=None, header_style="bold")
    for row in seen["workloads"]:
        age = f"{row['age_s']:.0f} s" if row["age_s"] else ""
        memory = f"{row['rss_bytes'] / 1e6:.0f} MB" if row["rss_bytes"] else ""
        table.add_row(
            row["name"],
            row["pod"],
            "yes" if row["ready"] else "no",
            str(row["pid"] or ""),
            str(row["restarts"]),
            age,
            memory,
            row["reason"],
        )
    out.print(table)


def findings(found: Iterable[Finding]) -> bool:
    """Print each finding with what to do, and return whether all is well."""
    well = True
    for finding in found:
        well &= finding.ok
        say(f"{'ok  ' if finding.ok else 'FAIL'} {finding.topic:8} {finding.seen}")
        if not finding.ok:
            say(f"     try: {finding.hint}")
    return well


def rows(report: Preflight) -> None:
    """Print a table of what was looked at before class, and below it the commands that mend what is not well."""
    table = Table("area", "what", "", Column("found", overflow="fold"), box=None, header_style="bold")
    for row in report.rows:
        style = {"ok": "green", "warn": "yellow", "fail": "bold red"}[row.state]
        state = {"ok": "ok", "warn": "warn", "fail": "FAIL"}[row.state]
        table.add_row(Text(row.area), Text(row.what), Text(state, style), Text(row.found))
    out.print(table)
    for row in report.rows:
        if row.mend:
            lines = "\n".join(f"    {line}" for line in row.mend.splitlines())
            say(f"\n{row.area}, {row.what}: {'warning' if row.state == 'warn' else 'mend it'}\n{lines}")
    verdict = "not ready" if report.is_red else "ready"
    say(f"\nThe room is {verdict} for {report.learners} learner{'s'[: report.learners > 1]}: {report.total:.1f} s.")


@contextlib.contextmanager
def lesson_progress() -> Iterator[Callable[[Event], None]]:
    """Show each lesson's cells as they are done."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
        disable=not out.is_terminal,
    ) as bar:
        tasks = {}

        def on_event(event: Event) -> None:
            match event:
                case LessonStarted(lesson, cells):
                    tasks[lesson] = bar.add_task(lesson, total=cells)
                case CellDone(lesson, index, cells, seconds):
                    bar.update(tasks[lesson], completed=index + 1)
                    if not out.is_terminal:
                        say(f"{lesson}: cell {index + 1} of {cells}, {seconds:.1f} s")
                case LessonDone(result):
                    bar.stop_task(tasks[result.lesson])

        yield on_event


def results(done: list[Result]) -> None:
    """Print one line a lesson, and for a failure the exercise and what to do."""
    for result in done:
        word = "passed" if result.ok else "FAILED"
        cells = f"{result.cells_run} of {result.cells_total} cells in {result.seconds:.1f} s"
        say(f"{word} {result.lesson}: {cells}, copy: {result.output}")
        if result.failure:
            say(
                "\n".join(
                    f"  {line}"
                    for line in (
                        f"at {result.failure.exercise or 'no exercise'}, cell {result.failure.cell}",
                        *result.failure.lines,
                    )
                )
            )
