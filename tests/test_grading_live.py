"""A cohort of two, graded by the command: each on a lab of their own."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cohort import COURSE, course_in, left_behind

ROOT = Path(__file__).parents[1]


@pytest.mark.xdist_group("lessons")
def test_two_learners_are_graded_each_on_a_lab_of_their_own(runtime, tmp_path):
    course_in(tmp_path / "submissions")
    argv = ["grade", str(tmp_path / "submissions"), "--out", str(tmp_path / "grades"), "-j", "2"]
    env = os.environ | {"MAAS_LAB_HOME": str(tmp_path / "home"), "MAAS_LAB_RUNTIME": str(runtime.folder)}
    done = subprocess.run(
        [sys.executable, "-m", "maas_lab", *argv], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Graded 2 of 2 learners: {tmp_path / 'grades' / 'index.html'}" in done.stdout
    with (tmp_path / "grades" / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "graded"]
    for learner, verdicts in COURSE.items():
        told = [row for row in rows if row["learner"] == learner]
        found = [(row["exercise"], row["passed"] == "yes", row["cause"], row["hint"]) for row in told]
        assert found == verdicts
    assert not (tmp_path / "home" / "kubeconfig").exists(), "the instructor's own lab was not needed"
    assert left_behind() == []
