"""Grade a cohort on this machine: one room for each learner, several at a time, and on from where it was stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from maas_lab import outfile
from maas_lab.errors import UsageError
from maas_lab.grading import keeping, submissions, verdicts, workbook, worker
from maas_lab.grading.execution import Bounds
from maas_lab.grading.room import Limits, Room
from maas_lab.grading.submissions import Submission
from maas_lab.grading.surroundings import PACKAGE, environment, is_apart, launch, shown
from maas_lab.grading.verdicts import RESULT, Graded
from maas_lab.grading.workbook import Lesson

LAB_BYTES, KERNEL_BYTES = 1_600_000_000, 300_000_000  # what one learner takes, with a lab and without
KILLED = 128  # exit codes from here on are signals
BROKEN = "the grader itself failed"


@dataclass(frozen=True)
class Plan:
    """How a cohort is graded.

    Attributes:
        out: folder for the reports and the executed copies.
        jobs: learners at a time; as many as there are cores, when 0.
        only: the learners that are meant; all when empty.
        lessons: folder of the workbook's notebooks.
        runtime: folder of the local lab's installation; None where no lesson needs a lab.
        limits: of one learner.
        bounds: of one notebook.
        tokens: of one learner.
    """

    out: Path
    jobs: int = 0
    only: Sequence[str] = ()
    lessons: Path = worker.NOTEBOOKS
    runtime: Path | None = None
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)
    tokens: int = worker.TOKENS


@dataclass(frozen=True)
class Told:
    """Something to know about the whole run."""

    text: str


@dataclass(frozen=True)
class Started:
    """A learner's notebooks begin to run."""

    learner: str


@dataclass(frozen=True)
class Done:
    """A learner is graded: `number` of `total`; `kept` where an earlier run has done it."""

    graded: Graded
    number: int
    total: int
    kept: bool


Event = Told | Started | Done
OnEvent = Callable[[Event], object]


def grade(folder: Path, plan: Plan, on_event: OnEvent = lambda event: None) -> list[Graded]:
    """Grade what was handed in, and return it in the order of the learners' names.

    Args:
        folder: one folder for each learner, with notebooks named as the lessons.
        plan: how.
        on_event: called as it goes on, by several threads but never by two at once.

    Raises:
        UsageError: there are no submissions, or no such learner.
        EnvironmentFault: hostile notebooks cannot be run here.
    """
    lessons, found = read(folder, plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    return _Run(lessons, plan, on_event).grade(found)


def read(folder: Path, plan: Plan) -> tuple[list[Lesson], list[Submission]]:
    """Return the workbook's lessons and what was handed in for them; nothing is executed or written.

    Raises:
        UsageError: there are no submissions, no such learner, or the results would lie among them.
    """
    lessons = workbook.load(plan.lessons)
    found = submissions.find(folder, lessons, plan.only)
    if plan.out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the results would lie among the submissions in {folder}", hint="--out ANOTHER_FOLDER")
    return lessons, found


def graded_before(folder: Path, plan: Plan) -> list[Graded]:
    """Return, in the order of their names, the learners who are graded already, also those that `plan` does not mean.

    Args:
        folder: one folder for each learner.
        plan: how they are graded.
    """
    lessons, found = read(folder, replace(plan, only=()))
    version = workbook.version(lessons, PACKAGE)
    told = (keeping.kept(plan.out, one, f"{one.digest}-{version}", lessons) for one in found)
    return [one for one in told if one]


class _Run:
    def __init__(self, lessons: list[Lesson], plan: Plan, on_event: OnEvent) -> None:
        self._lessons, self._plan, self._tell = lessons, plan, on_event
        self._version = workbook.version(lessons, PACKAGE)
        self._lock, self._running, self._stopped = threading.Lock(), set(), False
        self._shown = [str(one) for one in shown(plan.lessons, plan.runtime)]
        self._apart = True

    def grade(self, found: list[Submission]) -> list[Graded]:
        # By folder: names that cannot be shown may look alike.
        done = {one.folder: kept for one in found if (kept := self._kept(one))}
        for number, graded in enumerate(done.values(), 1):
            self._tell(Done(graded, number, len(found), kept=True))
        left = [one for one in found if one.folder not in done]
        if left:
            self._apart = is_apart(lambda text: self._tell(Told(text)))
            self._grade(left, done, len(found))
        return [done[one.folder] for one in found]

    def _grade(self, left: list[Submission], done: dict[Path, Graded], total: int) -> None:
        with ThreadPoolExecutor(self._jobs(len(left))) as threads:
            try:
                tasks = {threads.submit(self._graded, one): one.folder for one in left}
                for task in as_completed(tasks):
                    done[tasks[task]] = graded = task.result()
                    with self._lock:
                        self._tell(Done(graded, len(done), total, kept=False))
            except BaseException:  # Ctrl-C: what is done stays done
                self._stop()
                threads.shutdown(cancel_futures=True)
                raise

    def _jobs(self, learners: int) -> int:
        """Return how many learners fit at a time, and say so where that is less than was asked for."""
        asked = min(self._plan.jobs or os.cpu_count() or 1, learners)
        each = LAB_BYTES if any(lesson.needs_lab for lesson in self._lessons) else KERNEL_BYTES
        free = psutil.virtual_memory().available
        fitting = max(1, free // each)
        if fitting < asked:
            self._tell(Told(f"{asked} at a time need {asked * each / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"))
        jobs = min(asked, fitting)
        self._tell(Told(f"Learners to grade: {learners}, at a time: {jobs}"))
        return jobs

    def _key(self, one: Submission) -> str:
        return f"{one.digest}-{self._version}"

    def _kept(self, one: Submission) -> Graded | None:
        return keeping.kept(self._plan.out, one, self._key(one), self._lessons)

    def _graded(self, one: Submission) -> Graded:
        empty = Graded(one.learner, self._key(one))
        if one.problem:
            return keeping.unexecuted(replace(empty, ended=one.problem), one, self._lessons)
        with self._lock:
            self._tell(Started(one.learner))
        out = keeping.emptied(self._plan.out / one.learner, [f"{lesson.name}.ipynb" for lesson in self._lessons])
        ended, failed = self._run(one, out)
        if failed:
            return keeping.unexecuted(replace(empty, key="", ended=f"{BROKEN}: {failed}"), one, self._lessons)
        text = (out / RESULT).read_text(encoding="utf-8", errors="replace") if (out / RESULT).exists() else ""
        found = verdicts.read(text, replace(empty, ended=ended), self._lessons)
        graded = keeping.as_handed_in(found, one, self._lessons)
        outfile.write(out / RESULT, graded.text().encode())
        return graded

    def _run(self, one: Submission, out: Path) -> tuple[str, str]:
        """Run a room; returns why it was ended, and what of the grader failed."""
        code, stdout, stderr = self._started(self._room(one, out).text())
        if code:
            return "", (stderr.strip().splitlines() or [f"exit code {code}"])[-1]
        told = json.loads(stdout)
        if 0 < told["code"] < KILLED and not (out / RESULT).exists():  # before a notebook ran, so it is not theirs
            return "", _words(told["log"])
        return told["ended"] or ("their notebooks ended the grader's process" if told["code"] else ""), ""

    def _room(self, one: Submission, out: Path) -> Room:
        plan, results = self._plan, "{scratch}/results"
        bounds = {
            "--cell-seconds": plan.bounds.cell_s,
            "--notebook-seconds": plan.bounds.notebook_s,
            "--memory": plan.bounds.memory,
            "--tokens": plan.tokens,
        }
        options = [part for name, value in bounds.items() for part in (name, str(value))]
        argv = [sys.executable, "-m", "maas_lab.grading.worker", "{scratch}/submission", results]
        return Room(
            [*argv, "--lessons", str(plan.lessons.resolve()), *options, "--leave-lab"],
            environment(plan.runtime),
            self._shown,
            {f"submission/{path.name}": str(path) for path in one.files.values()},
            str(out),
            [RESULT, *(path.name for path in one.files.values())],
            plan.limits,
            self._apart,
        )

    def _started(self, text: str) -> tuple[int, str, str]:
        with self._lock:
            if self._stopped:
                return 1, "", "stopped"
            process = launch()
            self._running.add(process)
        stdout, stderr = process.communicate(text)
        with self._lock:
            self._running.discard(process)
        return process.returncode, stdout, stderr

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)


def _words(log: str) -> str:
    """Return what a program said at its end: the error of the lab, or the last line of a traceback."""
    lines = [" ".join(line.split()) for line in log.strip().splitlines()]
    return lines[-1] if "Traceback (most recent call last):" in lines else " ".join(lines[-5:])
