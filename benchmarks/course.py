"""The whole course, as an instructor runs it: every lesson in every way, and how long each check takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from maas_lab import record, runner
from maas_lab.local import LocalCluster

ROOT = Path(__file__).parents[1]
BOUND_MINUTES, CHECK_BOUND_S = 10, 2.0
Table = tuple[str, list[str], list[list[str]]]

# What a kernel runs before the lesson: lessons stay as they are, and each call of a check leaves a line in a file.
STARTUP = """
def install():
    import functools, json, time
    from maas_lab import checks

    def timed(name, check):
        @functools.wraps(check)
        def run(*arguments, **options):
            began = time.perf_counter()
            try:
                return check(*arguments, **options)
            finally:
                with open({log!r}, "a", encoding="utf-8") as file:
                    file.write(json.dumps([name, time.perf_counter() - began]) + "\\n")
        return run

    for name in checks.__all__:
        setattr(checks, name, timed(name, getattr(checks, name)))

install()
del install
"""


def measure(cluster: LocalCluster) -> Table:
    """Run all solutions through nbval and papermill, and all learner editions through papermill.

    A learner edition stops at its first blank, by design: that is its whole run, and its time is the time until then.
    What a learner's own finished notebook takes is what the solution takes.
    """
    with tempfile.TemporaryDirectory(prefix="maas-lab-bench-") as folder, _kernels_that_time_checks(folder) as log:
        nbval = _nbval()
        solutions = _papermill("solutions", Path(folder))
        learners = _papermill("notebooks", Path(folder))
        times = _times(log)
    rows = [["all solutions, nbval", f"{nbval:.0f}", ""]]
    rows += [[f"{name}, papermill", f"{took:.0f}", ""] for name, took in solutions.items()]
    rows += [[f"{name}, learner edition until its first blank", f"{took:.0f}", ""] for name, took in learners.items()]
    whole = nbval + sum(solutions.values()) + sum(learners.values())
    rows.append(["all of it", f"{whole:.0f} ({whole / 60:.1f} minutes)", f"{60 * BOUND_MINUTES}"])
    told = [(exercise, f"{len(seen)} calls", max(seen)) for exercise, seen in times.items()]
    rows += [[f"check {one}, slowest of {calls}", f"{most:.2f}", f"{CHECK_BOUND_S:g}"] for one, calls, most in told]
    late = [one for one, _, most in told if most > CHECK_BOUND_S]
    rows.append(["checks over their bound", ", ".join(late) or "none", "none"])
    return "The course: every lesson in every way, on one lab", ["", "seconds", "bound"], rows


@contextmanager
def _kernels_that_time_checks(folder: str) -> Iterator[Path]:
    """Let every kernel that is started in the block run STARTUP first; yields the file of the times."""
    log = Path(folder) / "checks.jsonl"
    startup = Path(folder) / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "checks.py").write_text(STARTUP.format(log=str(log)), encoding="utf-8")
    with mock.patch.dict(os.environ, IPYTHONDIR=str(startup.parents[1])):
        yield log


def _nbval() -> float:
    """Return the seconds in which pytest compares all solutions with what this lab shows."""
    # Without the tests' conftest, which would start a lab of its own.
    argv = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-q", "solutions"]
    began = time.perf_counter()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"nbval is not content:\n{done.stdout[-4000:]}")
    return time.perf_counter() - began


def _papermill(folder: str, out: Path) -> dict[str, float]:
    """Return the seconds of each lesson of a folder, with the start of its kernel."""
    results = runner.run(sorted((ROOT / folder).glob("*.ipynb")), out / folder)
    for one in results:
        wanted = None if folder == "solutions" else "NotDoneYet"
        if (one.failure and one.failure.error) != wanted:
            raise RuntimeError(f"{folder}/{one.lesson}: {one.failure or 'it ran to its end'}")
    return {one.lesson: one.seconds for one in results}


def _times(log: Path) -> dict[str, list[float]]:
    """Return the seconds of all calls of each check, by the exercise it checks."""
    found = defaultdict(list)
    for name, took in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
        found[name].append(took)
    known = record.checks_by_exercise()
    if missing := [number for number, name in known.items() if name not in found]:
        raise RuntimeError(f"no lesson called the checks of {', '.join(missing)}")
    return {f"{number} {name}": found[name] for number, name in known.items()}
