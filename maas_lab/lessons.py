"""Lessons: one source, two notebooks.

`solutions/NN_name.py` (jupytext py:percent) is the only file a person edits. `build` makes of it:

- the learner edition `notebooks/NN_name.ipynb`: blanks where `maas_lab.blanks` finds a marker, no outputs;
- the solution `solutions/NN_name.ipynb`: executed; nbval compares its outputs with what the lab shows;
- the solution's last chart as a picture, `solutions/NN_name.png`, for pages about the lesson.

`check` names every notebook that a build would change.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from maas_lab.blanks import Place
from maas_lab.errors import LessonError, UsageError
from maas_lab.runner import CELL_TIMEOUT, choose, read_notebook
from maas_lab.sources import METADATA, learner, read

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
UNCOMPARED = {WIDGET_VIEW, "image/png", "image/jpeg"}  # nbval skips these
UNCOMPARED_TAGS = {"nbval-ignore-output", "nbval-skip"}


@dataclass(frozen=True)
class Lesson:
    """One lesson of the workbook at `root`."""

    root: Path
    name: str

    @property
    def source(self) -> Path:
        """What a person edits."""
        return self.root / "solutions" / f"{self.name}.py"

    @property
    def solution(self) -> Path:
        """The executed notebook."""
        return self.root / "solutions" / f"{self.name}.ipynb"

    @property
    def picture(self) -> Path:
        """The solution's last chart, where it has one."""
        return self.root / "solutions" / f"{self.name}.png"

    @property
    def learner(self) -> Path:
        """The notebook with the blanks."""
        return self.root / "notebooks" / f"{self.name}.ipynb"


def build(
    root: Path,
    names: Sequence[str] = (),
    *,
    force: bool = False,
    on_execute: Callable[[str], object] = lambda name: None,
) -> list[Path]:
    """Write both notebooks of each lesson and return the files that changed.

    A solution is executed anew when its outputs came from other code; a change of prose keeps them.

    Args:
        root: the workbook's folder.
        names: lessons as in `runner.choose`; all when empty.
        force: execute every solution anew, because the package or the lab has changed.
        on_execute: called with a lesson's name before its solution is executed.

    Raises:
        UsageError: no lesson has such a name.
        LessonError: a source is wrong (nothing is written), or its code fails (its old solution stays).
    """
    lessons = [Lesson(root, name) for name in choose(names, _names(root))]
    sources = {lesson: read(lesson.source) for lesson in lessons}
    editions = {lesson.learner: _text(learner(*source)) for lesson, source in sources.items()}
    written = [path for path, content in editions.items() if _write(path, content)]
    for lesson, (notebook, places) in sources.items():
        if force or not _keep_outputs(_stored(lesson.solution), notebook):
            on_execute(lesson.name)
            _execute(notebook, places, lesson.solution.parent)
        notebook.metadata = nbformat.from_dict(_metadata(notebook))
        written += [lesson.solution] if _write(lesson.solution, _text(notebook)) else []
        if picture := _picture(notebook):
            written += [lesson.picture] if _write(lesson.picture, picture) else []
    return written


def check(root: Path) -> list[str]:
    """Return a sentence for each difference between notebooks and sources; none when they are in step."""
    names = _names(root)
    told = [] if names else ["solutions/ holds no lesson source (NN_name.py)"]
    for lesson in [Lesson(root, name) for name in names]:
        try:
            notebook, places = read(lesson.source)
            told += _learner_faults(lesson, learner(notebook, places)) + _solution_faults(lesson, notebook)
        except LessonError as error:
            told.append(f"{error.what}: {error.hint}")
    return told + _orphans(root, names)


def _picture(notebook: NotebookNode) -> bytes | None:
    charts = [
        output.data for cell in _code(notebook) for output in cell.outputs if "image/png" in output.get("data", {})
    ]
    return base64.b64decode(charts[-1]["image/png"]) if charts else None


def compared(cell: NotebookNode) -> bool:
    """Tell whether nbval has something to compare for this cell."""
    if UNCOMPARED_TAGS & set(cell.metadata.get("tags", [])) or cell.get("execution_count") is None:
        return False
    return any(set(output.get("data", {"text": ""})) - UNCOMPARED for output in cell.outputs)


def _names(root: Path) -> list[str]:
    return [file.stem for file in sorted((root / "solutions").glob("*.py"))]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _digest(notebook: NotebookNode) -> str:
    """Return the sha256 of the code; kept with the outputs, so that a search and replace is no run."""
    return hashlib.sha256(json.dumps([cell.source for cell in _code(notebook)]).encode()).hexdigest()


def _metadata(notebook: NotebookNode) -> dict[str, Any]:
    return {**METADATA, "maas_lab": {"source": _digest(notebook)}}


def _keep_outputs(stored: NotebookNode | None, notebook: NotebookNode) -> bool:
    """Copy the stored outputs into `notebook` if they came from the same code, and tell whether they did."""
    if stored is None or stored.metadata != _metadata(notebook):
        return False
    old, new = _code(stored), _code(notebook)
    if len(old) != len(new) or any(cell.execution_count is None for cell in old):
        return False
    for before, after in zip(old, new, strict=True):
        after.outputs, after.execution_count = before.outputs, before.execution_count
    return True


def _execute(notebook: NotebookNode, places: list[Place], folder: Path) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    from maas_lab.engine import OPTIONS, KernelHere

    begun: list[int] = []
    options = {**OPTIONS, "kernel_manager_class": KernelHere, "timeout": CELL_TIMEOUT}
    client = NotebookClient(notebook, on_cell_start=lambda cell_index, **_: begun.append(cell_index), **options)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            client.execute(cwd=str(folder.absolute()), stderr=nowhere)
    except (CellExecutionError, CellTimeoutError, RuntimeError) as error:  # RuntimeError: the kernel died
        told = isinstance(error, CellExecutionError)
        why = f"{error.ename}: {error.evalue}" if told else str(error).split("\n")[0]
        place, hint = places[begun[-1] if begun else 0], "mend it, or see whether the lab runs: ./lab up"
        raise place.error(1, "the solution fails in this cell", hint, why) from error
    for output in [output for cell in _code(notebook) for output in cell.outputs]:
        output.get("data", {}).pop(WIDGET_VIEW, None)  # a random id of a model that is not stored


def _learner_faults(lesson: Lesson, wanted: NotebookNode) -> list[str]:
    name = f"notebooks/{lesson.learner.name}"
    if not lesson.learner.exists():
        return [f"{name} is missing"]
    if lesson.learner.read_bytes() == _text(wanted):
        return []
    return [f"{name} is not what its source gives, {_first_difference(_stored(lesson.learner), wanted)}"]


def _solution_faults(lesson: Lesson, wanted: NotebookNode) -> list[str]:
    name, stored = f"solutions/{lesson.solution.name}", _stored(lesson.solution)
    if not lesson.solution.exists():
        return [f"{name} is missing"]
    if stored is None or _shape(stored) != _shape(wanted):
        return [f"{name} is not what its source gives, {_first_difference(stored, wanted)}"]
    faults = [f"{name} was never executed in cell {c.id}" for c in _code(stored) if c.execution_count is None]
    if stored.metadata.get("maas_lab") != _metadata(wanted)["maas_lab"]:
        faults.append(f"{name} holds outputs of other code than its cells show")
    elif stored.metadata != _metadata(wanted):
        faults.append(f"{name} was saved by another program than the builder")
    if not any(map(compared, _code(stored))):
        faults.append(f"{name} has no output that a test could compare")
    if (_picture(stored) or b"") != (lesson.picture.read_bytes() if lesson.picture.exists() else b""):
        faults.append(f"solutions/{lesson.picture.name} is not the solution's last chart")
    return faults


def _shape(notebook: NotebookNode) -> list[tuple[Any, ...]]:
    return [(cell.get("id"), cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def _first_difference(stored: NotebookNode | None, wanted: NotebookNode) -> str:
    if stored is None:
        return "it cannot even be read"
    for old, new in zip(_shape(stored), _shape(wanted), strict=False):
        if old != new:
            return f"first in cell {new[0]}"
    return "in its number of cells, its outputs or its metadata"


def _orphans(root: Path, names: Sequence[str]) -> list[str]:
    patterns = ("notebooks/*.ipynb", "solutions/*.ipynb", "solutions/*.png")
    found = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return [f"{path.relative_to(root)} has no source, remove it" for path in found if path.stem not in names]


def _text(notebook: NotebookNode) -> bytes:
    nbformat.validate(notebook)
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def _write(path: Path, content: bytes) -> bool:
    """Write a file in one step if it differs, and tell whether it did."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _stored(path: Path) -> NotebookNode | None:
    """Return a notebook as it lies on disk; None where there is none that can be read."""
    try:
        return read_notebook(path)
    except UsageError:
        return None
