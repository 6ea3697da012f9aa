"""A cohort of two, graded by the command: each on a lab of their own."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from maas_lab.grading.room import UIDS

ROOT = Path(__file__).parents[1]


@pytest.mark.xdist_group("lessons")
def test_two_learners_are_graded_each_on_a_lab_of_their_own(runtime, tmp_path):
    for learner, edition in (("alice", "solutions"), ("bob", "notebooks")):
        (tmp_path / "submissions" / learner).mkdir(parents=True)
        shutil.copy(ROOT / edition / "00_start.ipynb", tmp_path / "submissions" / learner)
    argv = ["grade", str(tmp_path / "submissions"), "--out", str(tmp_path / "grades"), "-j", "2"]
    env = os.environ | {"MAAS_LAB_HOME": str(tmp_path / "home"), "MAAS_LAB_RUNTIME": str(runtime.folder)}
    done = subprocess.run(
        [sys.executable, "-m", "maas_lab", *argv], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Graded 2 of 2 learners: {tmp_path / 'grades' / 'index.html'}" in done.stdout
    with (tmp_path / "grades" / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        told = [
            (row["learner"], row["passed"], row["cause"]) for row in csv.DictReader(file) if row["state"] == "graded"
        ]
    assert told == [
        ("alice", "yes", ""),
        ("alice", "yes", ""),
        ("bob", "no", "NotDoneYet: Exercise 0.1: `pods` is still `...`"),
        ("bob", "no", "NotDoneYet: Exercise 0.2: `cluster` is still `...`"),
    ]
    assert not (tmp_path / "home" / "kubeconfig").exists(), "the instructor's own lab was not needed"
    assert [one for one in psutil.process_iter() if one.uids().real >= UIDS] == []
