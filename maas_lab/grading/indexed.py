"""Grade one learner in a pod of an indexed Job: `python -m maas_lab.grading.indexed SUBMISSION SCRATCH`.

What the image `grader` runs. SUBMISSION holds the parts of one learner's archive, SCRATCH is where it may write. The
results are lines of the log (`carried`). Exit code 0: graded, whatever the marks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from maas_lab import settings
from maas_lab.errors import LabError
from maas_lab.grading import carried, pool, telling
from maas_lab.grading.verdicts import RESULT

NOT_GRADED = 1  # exit code


def grade(submission: Path, scratch: Path, plan: pool.Plan) -> dict[str, bytes]:
    """Grade what an archive holds, and return the results by file; none where the grader itself failed.

    Args:
        submission: the folder with the archive's parts.
        scratch: where submission and results are laid out; exists.
        plan: how to grade; its folder of results is in `scratch`.

    Raises:
        LabError: hostile notebooks cannot be run here.
        ValueError: this is no submission.
    """
    cohort = scratch / "cohort"
    for name, content in carried.unpacked(carried.joined(submission)).items():
        place = cohort / name
        if not place.resolve().is_relative_to(cohort.resolve()):
            raise ValueError(f"{name} leads out of the submission")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    (graded,) = pool.grade(cohort, plan, lambda event: print(telling.line(event), flush=True))
    if telling.failures([graded]):
        return {}
    folder = plan.out / graded.learner
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.is_symlink()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade the submission that the arguments name, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m maas_lab.grading.indexed", description="Grade one learner.")
    parser.add_argument("submission", type=Path, help="folder with the parts of the learner's archive")
    parser.add_argument("scratch", type=Path, help="folder for everything that is written")
    given = parser.parse_args(arguments)
    plan = pool.Plan(given.scratch / "results", jobs=1, runtime=settings.load().runtime_folder)
    try:
        files = grade(given.submission, given.scratch, plan)
    except LabError as error:
        print("\n".join(error.lines()), flush=True)
        return NOT_GRADED
    if not files:
        return NOT_GRADED
    for line in carried.lines(carried.packed(carried.printable(files, RESULT))):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
