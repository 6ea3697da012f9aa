"""Keep the summary of a run beside its executed copies while it goes on, and to its end, however it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from maas_lab import outfile
from maas_lab.results.documents import as_json, as_suites
from maas_lab.results.junit import junit
from maas_lab.results.run import INTERRUPTED, RUNNING, LessonRun, Run
from maas_lab.results.summary import page
from maas_lab.runner import CellDone, Event, LessonDone, LessonStarted, OnEvent

PAGE, JSON, JUNIT = "summary.html", "summary.json", "junit.xml"


class Recorder:
    """Write `summary.html`, `summary.json` and `junit.xml` at each lesson's begin and end, and at the run's end.

    Nothing is written before the first lesson begins.

    Args:
        out: the folder of the executed copies; it has to be there when the first lesson begins.
        lessons: the names of all that are to run, in their order.
        say: told at the end where the summary is.
    """

    def __init__(self, out: Path, lessons: Sequence[str], say: Callable[[str], object] = lambda text: None) -> None:
        self._out, self._say = Path(out), say
        self._lessons = {name: LessonRun(name) for name in lessons}
        self._began, self._since, self._has_begun = datetime.now(UTC), time.monotonic(), False

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if not self._has_begun:
            return
        for name, lesson in self._lessons.items():
            if lesson.state == RUNNING:
                self._lessons[name] = replace(lesson, state=INTERRUPTED)
        self._write("interrupted" if kind else "complete")
        self._say(f"summary: {self._out / PAGE}, and for programs {JSON} and {JUNIT} beside it")

    def then(self, show: OnEvent) -> OnEvent:
        """Return what takes a run's events: it notes them, and passes them on."""

        def on_event(event: Event) -> None:
            self._note(event)
            show(event)

        return on_event

    def _note(self, event: Event) -> None:
        match event:
            case LessonStarted(lesson, cells):
                self._lessons[lesson] = LessonRun(lesson, RUNNING, cells=cells)
            case CellDone(lesson, index, _, seconds):
                known = self._lessons[lesson]
                self._lessons[lesson] = replace(known, cells_passed=index + 1, seconds=known.seconds + seconds)
                return
            case LessonDone(result):
                self._lessons[result.lesson] = LessonRun.of(result)
        self._has_begun = True
        self._write("running")

    def _write(self, state: str) -> None:
        run = Run(tuple(self._lessons.values()), state, self._began, time.monotonic() - self._since)
        outfile.write(self._out / JSON, (json.dumps(as_json(run), indent=1, ensure_ascii=False) + "\n").encode())
        outfile.write(self._out / JUNIT, junit("maas-lab run", as_suites(run)))
        outfile.write(self._out / PAGE, page(run).encode())
