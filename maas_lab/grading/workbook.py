"""The lessons as the workbook has them: their exercises, and the cells that check them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from maas_lab.errors import UsageError

CHECK = re.compile(r"^\s*checks\.\w+\(", re.M)
EXERCISE = re.compile(r"\*\*Exercise (\d+\.\d+)")
PROSE = {".md", ".pyc"}
# What no notebook's lab or check imports or applies: a test holds that. A new look of the report costs nobody's grades.
BESIDE = {
    *(f"maas_lab/{name}.py" for name in ("__main__", "cli", "cli_classroom", "cli_preflight", "console", "jupyter")),
    *(f"maas_lab/{name}" for name in ("classroom", "jupyter_config", "messages")),
    *(f"maas_lab/grading/{name}.py" for name in ("carried", "cohort_jobs", "indexed", "on_cluster")),
    *("maas_lab/grading/report.py", "maas_lab/grading/telling.py", "manifests/grading"),
}
NEEDS_LAB = re.compile(r"\bconnect\(")


@dataclass(frozen=True)
class Check:
    """A cell that checks an exercise.

    Attributes:
        exercise: its number, e.g. `3.2`.
        cell: as the workbook has it.
        above: the ids of the cells above it, the nearest one first.
    """

    exercise: str
    cell: NotebookNode
    above: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """A lesson of the workbook: its name, e.g. `03_consumer`, and its notebook as learners get it."""

    name: str
    notebook: NotebookNode

    @cached_property
    def checks(self) -> list[Check]:
        """The cells that check something, in order."""
        found, exercise, ids = [], "", []
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown" and (told := EXERCISE.findall(cell.source)):
                exercise = told[-1]
            if exercise and cell.cell_type == "code" and CHECK.search(cell.source):
                found.append(Check(exercise, cell, tuple(reversed(ids))))
            ids.append(cell.id)
        return found

    @cached_property
    def exercises(self) -> list[str]:
        """The numbers of its exercises, in order."""
        return list(dict.fromkeys(check.exercise for check in self.checks))

    @property
    def needs_lab(self) -> bool:
        """Whether a cell connects to a lab."""
        return any(cell.cell_type == "code" and NEEDS_LAB.search(cell.source) for cell in self.notebook.cells)


def load(folder: Path) -> list[Lesson]:
    """Return the lessons of a folder of notebooks, in order of their names.

    Raises:
        UsageError: it holds none.
    """
    lessons = [Lesson(path.stem, nbformat.read(path, as_version=4)) for path in sorted(folder.glob("*.ipynb"))]
    if not lessons:
        raise UsageError(f"there are no lessons in {folder}", hint="./lab lessons build")
    return lessons


def version(lessons: list[Lesson], package: Path) -> str:
    """Return what tells this workbook from every other one: its lessons, and the files that can change a verdict.

    Those are all of the package, which holds checks and local cluster, and of the manifests that it applies, but for
    what runs beside a grader only. What is installed is not looked at: pods may have another Python.

    Args:
        lessons: of the workbook.
        package: the folder of this package, beside that of the manifests.
    """
    told = hashlib.sha256()
    for lesson in lessons:
        told.update(f"{lesson.name} {nbformat.writes(lesson.notebook)}".encode())
    for path in deciding(package):
        told.update(f"{path.relative_to(package.parent)} ".encode() + path.read_bytes())
    return told.hexdigest()


def deciding(package: Path) -> list[Path]:
    """Return the files of the package and the manifests that can change a verdict, in order."""
    found = []
    for folder in (package, package.parent / "manifests"):
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(package.parent)
            if path.is_file() and path.suffix not in PROSE and not any(map(_is_left_out, [inner, *inner.parents])):
                found.append(path)
    return found


def _is_left_out(path: Path) -> bool:
    return (path.name.startswith((".", "__pycache__")) and path != Path()) or str(path) in BESIDE
