"""`./lab run` on the real stack: every solution passes, beside nbval's run of it, and a failing lesson is named."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
SOLUTIONS = sorted(path.stem for path in (ROOT / "solutions").glob("*.py"))


def run(*arguments):
    argv = [sys.executable, "-m", "maas_lab", "run", *map(str, arguments)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def results(done):
    """What a run says of its lessons, without its progress: a failed test should show this, and it is cut when long."""
    return "\n".join(line for line in done.stdout.splitlines() if not re.match(r"\w+: cell \d+ of ", line))


def test_every_solution_passes_and_leaves_its_executed_copy(stack, tmp_path):
    """On the lab where nbval executes the same lessons: each passes twice, and finds what the first time has left."""
    done = run("--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), results(done)
    for lesson in SOLUTIONS:
        assert f"passed {lesson}: " in done.stdout
        cells = nbformat.read(tmp_path / f"{lesson}.ipynb", 4).cells
        assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    keys = stack.gateway.keys()
    names = [key.name for key in keys]
    left = [name for name in names if name.startswith("My GenAI App") or " 04" in name or "maas-lab-01" in name]
    assert left == [], "a lesson removes what it made"
    report = (ROOT / "solutions" / "report.html").read_text(encoding="utf-8")
    assert "Research agent 04" in report, "what lesson 04 leaves beside itself"
    assert not re.search(r"https?://|file:|/home/|/tmp/", report), "it stands alone"
    post_mortem = (ROOT / "solutions" / "post-mortem.md").read_text(encoding="utf-8")
    assert "6 of 6 tickets closed, 0 hints used" in post_mortem, "what lesson 06 leaves beside itself"
    namespaces = [one.name for one in stack.platform.cluster.list("Namespace")]
    assert [name for name in namespaces if name.startswith("maas-lab-")] == []


def test_a_parameter_reaches_the_lesson(stack, tmp_path):
    done = run("03", "-p", "burst", "3", "-p", "app_name", "another app", "--out", tmp_path)
    assert done.returncode == 0, results(done)
    shown = "".join(str(cell.get("outputs")) for cell in nbformat.read(tmp_path / "03_consumer.ipynb", 4).cells)
    assert "3 calls: 2 answered, 1 rate limited" in shown
    assert "'another app'" in shown


def test_a_parameter_that_no_lesson_has_is_refused_before_anything_runs(stack, tmp_path):
    done = run("-p", "bursts", "3", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no lesson here has a parameter `bursts`" in done.stderr
    assert "did you mean `burst`?" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_lesson_that_fails_exits_1_and_names_the_exercise(stack, tmp_path):
    done = run("notebooks/03_consumer.ipynb", "--out", tmp_path)
    assert done.returncode == 1
    assert "FAILED 03_consumer" in done.stdout
    assert "at Exercise 3.1, cell " in done.stdout
    assert "NotDoneYet: Exercise 3.1: `row` is still `...`" in done.stdout
    assert f"summary: {tmp_path / 'summary.html'}" in done.stdout
    [lesson] = json.loads((tmp_path / "summary.json").read_text())["lessons"]
    assert (lesson["state"], lesson["failure"]["exercise"]) == ("failed", "Exercise 3.1")
    assert [one["state"] for one in lesson["exercises"]] == [
        "failed",
        *["not reached"] * (len(lesson["exercises"]) - 1),
    ]
