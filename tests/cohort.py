"""A small workbook and what learners hand in for it: two lessons, which need no lab, so that grading takes seconds."""

import json
import shutil
from pathlib import Path

import nbformat
import psutil
from nbformat import v4

from maas_lab.grading.room import UIDS

CHECK = """
class checks:
    class NotQuite(Exception):
        def _render_traceback_(self):
            return [f"NotQuite: {self}", "  try: think of the question"]

    @staticmethod
    def answered(answer, wanted):
        if answer != wanted:
            raise checks.NotQuite("Exercise N: it is " + repr(answer))

checks.answered(answer, 42)
"""
LESSONS = ("90_first", "91_second")
ROOT = Path(__file__).parents[1]
# What two learners come to who hand in lesson 00, wherever they are graded: exercise, passed, cause, hint.
COURSE = {
    "alice": [("0.1", True, "", ""), ("0.2", True, "", "")],
    "bob": [
        ("0.1", False, "NotQuite: Exercise 0.1: `pods` is …", "a Python list tells its length: len(...)"),
        (
            *("0.2", False, "NotDoneYet: Exercise 0.2: `cluster` is still `...`"),
            "`lab` prints gateway and model, and `lab.cluster` prints the address of the cluster's API",
        ),
    ],
}


def course_in(folder):
    """What they hand in: the solution, and a notebook with a wrong answer and a blank."""
    for learner, edition in (("alice", "solutions"), ("bob", "notebooks")):
        (folder / learner).mkdir(parents=True)
        shutil.copy(ROOT / edition / "00_start.ipynb", folder / learner)
    file = folder / "bob" / "00_start.ipynb"
    notebook = nbformat.read(file, as_version=4)
    (blank,) = [cell for cell in notebook.cells if cell.source.startswith("pods = ...")]
    blank.source = "pods = 99"
    nbformat.write(notebook, file)
    return folder


def lesson(name, first="answer = ...", second="answer = ..."):
    """A notebook of two exercises, with these cells as answers."""
    number = int(name[:2])
    cells = [v4.new_markdown_cell(f"# {number} · A lesson")]
    for count, answer in ((1, first), (2, second)):
        check = CHECK.replace("Exercise N", f"Exercise {number}.{count}")
        cells += [v4.new_markdown_cell(f"**Exercise {number}.{count}** Answer.")]
        cells += [v4.new_code_cell(answer), v4.new_code_cell(check)]
    for index, cell in enumerate(cells):
        cell.id = f"{name.replace('_', '-')}-{index:02d}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def write(folder, notebooks):
    """Put notebooks, or texts, into a folder by their names."""
    folder.mkdir(parents=True)
    for name, notebook in notebooks.items():
        text = notebook if isinstance(notebook, str) else nbformat.writes(notebook)
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")
    return folder


def workbook_in(folder):
    """A workbook of the two lessons."""
    return write(folder, {name: lesson(name) for name in LESSONS})


def outputs(path):
    """All that an executed copy shows."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "".join("".join(out.get("text", "")) for cell in cells for out in cell.get("outputs", []))


def left_behind():
    """The processes of rooms that have ended; those of other tests' rooms may still run, each has its own account."""
    found = [(one, one.uids().real) for one in psutil.process_iter()]
    return [one for one, uid in found if uid >= UIDS and not psutil.pid_exists(uid - UIDS)]
