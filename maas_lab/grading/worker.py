"""Grade one learner, with the rights of this process: `python -m maas_lab.grading.worker SUBMISSION OUT`.

It grades against the chosen cluster, as `connect()` finds it: the one that settings name, else that of the pod, else
a local lab that it starts. That one it stops at its end, also when SIGTERM or Ctrl-C end it. A pool runs one worker in
each room. OUT gets `result.json`, complete after each lesson, and an executed copy of each notebook. Exit code 0:
graded, whatever the marks.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maas_lab import outfile
from maas_lab.errors import LabError
from maas_lab.grading import execution, submitted, verdicts, workbook
from maas_lab.grading.execution import Bounds
from maas_lab.grading.verdicts import Graded, LessonResult
from maas_lab.grading.workbook import Lesson

if TYPE_CHECKING:
    from maas_lab.metrics import Scrape

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TOKENS = 1_000_000
NO_LAB, SIGNALLED = 3, 128  # exit codes; the number of the signal is added
ENDING = (signal.SIGTERM, signal.SIGINT)


class Meter:
    """Counts the tokens of the model that lessons call, from `connect` on; a server that starts anew counts on.

    Args:
        most: tokens after which no more cells are executed.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lab, self._lock = most, None, threading.Lock()
        self._used, self._last = 0.0, None

    def connect(self) -> None:
        """Find the lab, or start it; one that a notebook has broken is mended.

        Raises:
            LabError: there is none, and none can be started.
        """
        from maas_lab import connect  # what a notebook without a lab need not wait for

        with self._lock:
            if self._lab:
                self._lab.close()
            self._lab = connect()
        self.spent()

    def spent(self) -> str:
        """Return why no more tokens are to be used; empty while there are some left. Any thread may ask."""
        with self._lock:
            with contextlib.suppress(LabError):  # the notebook may be repairing what cannot be reached
                self._look()
            return f"more than {self._most} tokens were used" if self._used > self._most else ""

    def _look(self) -> None:
        if self._lab is None:
            return
        with self._lab.engine() as engine:
            seen = engine.scrape()
        if self._last:  # what the server had counted before is not this learner's
            self._used += _tokens(seen) - (0 if seen.restarted(self._last) else _tokens(self._last))
        self._last = seen


def _tokens(seen: Scrape) -> float:
    return (seen.prompt_tokens or 0) + (seen.completion_tokens or 0)


def grade(submission: Path, out: Path, lessons: Sequence[Lesson], bounds: Bounds, tokens: int) -> Graded:
    """Grade the notebooks of a folder, and write what they came to after each.

    Args:
        submission: the learner's folder.
        out: for the executed copies and the result; exists.
        lessons: the workbook's.
        bounds: of one notebook.
        tokens: that all notebooks may use together.

    Raises:
        LabError: there is no lab, so nobody could be graded.
    """
    meter, done = Meter(tokens), []
    for lesson in lessons:
        done.append(_graded(submission / f"{lesson.name}.ipynb", out, lesson, bounds, meter))
        graded = Graded(submission.name, "", "", tuple(done))
        outfile.write(out / verdicts.RESULT, graded.text().encode())
    return graded


def _graded(file: Path, out: Path, lesson: Lesson, bounds: Bounds, meter: Meter) -> LessonResult:
    if not file.is_file():
        return verdicts.unmarked(lesson, verdicts.MISSING, verdicts.MISSING)
    try:
        notebook, notes = submitted.restored(submitted.read(file), lesson)
    except submitted.Refused as refused:
        return verdicts.unmarked(lesson, verdicts.REFUSED, str(refused))
    if lesson.needs_lab:
        meter.connect()
    begun = time.monotonic()
    outcomes = execution.execute(notebook, out / file.name, bounds, meter.spent)
    found = verdicts.judge(lesson, [cell.id for cell in notebook.cells], outcomes, notes)
    return LessonResult(lesson.name, verdicts.GRADED, "", round(time.monotonic() - begun, 1), found)


@contextlib.contextmanager
def _ended_well() -> Iterator[None]:
    """Let signals end the block as an error does, and stop the local lab after it that this process has started."""
    from maas_lab import connecting  # what a worker in a room need not wait for

    for number in ENDING:
        signal.signal(number, lambda number, _: sys.exit(SIGNALLED + number))
    with connecting.stopped_again():
        try:
            yield
        finally:
            for number in ENDING:
                signal.signal(number, signal.SIG_IGN)  # a second one would leave half of the lab running


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade the submission that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m maas_lab.grading.worker", description="Grade one learner.")
    parser.add_argument("submission", type=Path, help="the learner's folder of notebooks")
    parser.add_argument("out", type=Path, help="folder for result.json and the executed copies; made if missing")
    parser.add_argument("--lessons", type=Path, default=NOTEBOOKS, help="the workbook's notebooks")
    parser.add_argument("--cell-seconds", type=float, default=Bounds.cell_s, help="of one cell")
    parser.add_argument("--notebook-seconds", type=float, default=Bounds.notebook_s, help="of one notebook")
    parser.add_argument("--memory", type=int, default=Bounds.memory, help="bytes of one kernel's data")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of all notebooks together")
    parser.add_argument("--leave-lab", action="store_true", help="leave a lab that it starts to who ends the room")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    bounds = Bounds(given.cell_seconds, given.notebook_seconds, given.memory)
    try:
        with contextlib.nullcontext() if given.leave_lab else _ended_well():
            grade(given.submission, given.out, workbook.load(given.lessons), bounds, given.tokens)
    except LabError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return NO_LAB
    return 0


if __name__ == "__main__":
    sys.exit(main())
