"""A cohort graded one learner after another, and two at a time: how much faster, and whether the verdicts are equal."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from maas_lab.grading import pool, report
from maas_lab.local import runtime

ROOT = Path(__file__).parents[1]
LEARNERS, LESSONS = "MAAS_LAB_BENCH_LEARNERS", "MAAS_LAB_BENCH_LESSONS"
BOUND = 1.8
Table = tuple[str, list[str], list[list[str]]]


def measure() -> Table:
    """Grade 30 submissions of the whole course, or what the two variables say (`4` and `00_start,03_consumer`).

    Every other learner hands in the solutions, the others the notebooks as they got them.
    """
    known = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    learners = int(os.environ.get(LEARNERS, "30"))
    lessons = [one for one in os.environ.get(LESSONS, "").split(",") if one] or known
    with tempfile.TemporaryDirectory(prefix="maas-lab-bench-") as folder:
        installed = Path(os.environ.get("MAAS_LAB_RUNTIME") or f"{folder}/runtime")
        runtime.install(installed, lambda text, done, total: None, (*runtime.STACK, "quantised"))
        for number in range(learners):
            _hand_in(Path(folder) / "submissions" / f"learner-{number:02d}", lessons, solved=number % 2 == 0)
        alone, one = _graded(Path(folder), installed, 1)
        both, two = _graded(Path(folder), installed, 2)
    same = report.verdicts(one) == report.verdicts(two)
    rows = [
        ["one after another", f"{alone:.0f}", ""],
        ["two at a time", f"{both:.0f}", ""],
        ["times faster", f"{alone / both:.2f}", f"{BOUND:g}"],
        ["identical verdicts", "yes" if same else "NO", "yes"],
        ["exercises passed", f"{sum(each.passed for each in one)} and {sum(each.passed for each in two)}", "equal"],
        ["broken off", str(sum(bool(each.ended) for each in [*one, *two])), "0"],
    ]
    return f"Grading {learners} submissions of {', '.join(lessons)}", ["", "seconds", "bound"], rows


def _hand_in(folder: Path, lessons: list[str], *, solved: bool) -> None:
    folder.mkdir(parents=True)
    for lesson in lessons:
        shutil.copy(ROOT / ("solutions" if solved else "notebooks") / f"{lesson}.ipynb", folder)


def _graded(folder: Path, installed: Path, jobs: int) -> tuple[float, list[pool.Graded]]:
    began = time.perf_counter()
    plan = pool.Plan(folder / f"grades-{jobs}", jobs, runtime=installed)
    cohort = pool.grade(folder / "submissions", plan)
    return time.perf_counter() - began, cohort
