"""Read what a learner handed in, and put the workbook's own checks back into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

from maas_lab.grading.workbook import Check, Lesson

LARGEST = 20_000_000  # bytes of a notebook that is read
MOST_CELLS = 2_000  # the largest lesson has about a hundred, and a file of 20 MB could hold 200,000 empty ones


class Refused(Exception):
    """This file is not graded; its text says why, in words that hold no more than that."""


def read(path: Path) -> NotebookNode:
    """Return a notebook of this course's format, whatever format the file has.

    Raises:
        Refused: it is too large, no notebook, of a format that this course does not know, or for another language.
    """
    if path.stat().st_size > LARGEST:
        raise Refused(f"the file is larger than {LARGEST // 1_000_000} MB")
    try:
        told = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise Refused("the file is not a notebook: it holds no JSON") from None
    if not isinstance(told, dict) or not isinstance(told.get("nbformat"), int):
        raise Refused("the file is not a notebook: it names no format")
    if told["nbformat"] not in (3, 4):
        raise Refused(f"the notebook has format {told['nbformat']:d}, and only 3 and 4 can be read"[:200])
    if _cells(told) > MOST_CELLS:
        raise Refused(f"the notebook has more than {MOST_CELLS:,} cells")
    try:
        notebook = nbformat.reads(json.dumps(told), as_version=4)
        nbformat.validate(notebook)
    except Exception:  # whatever an odd file brings the library to
        raise Refused("the file is not a notebook: its content is not what the format allows") from None
    if (language := _language(notebook)) != "python":
        raise Refused(f"the notebook is for another kernel: {language}"[:200])
    return notebook


def _cells(told: dict[str, Any]) -> int:
    """Return how many cells a file has, of format 4 or of the sheets of format 3; odd ones are told of later."""
    sheets = told.get("worksheets")
    holders = [told, *(one for one in sheets if isinstance(one, dict))] if isinstance(sheets, list) else [told]
    return sum(len(one["cells"]) for one in holders if isinstance(one.get("cells"), list))


def _language(notebook: NotebookNode) -> str:
    """Return the language that the notebook says it is written in, as its kernel or as its editor tells."""
    kernel, info = (notebook.metadata.get(one) or {} for one in ("kernelspec", "language_info"))
    told = kernel.get("language") or info.get("name") or kernel.get("name") or "python"
    return "python" if str(told).lower().startswith(("python", "ipython")) else str(told)


def restored(notebook: NotebookNode, lesson: Lesson) -> tuple[NotebookNode, dict[str, str]]:
    """Return the learner's cells with the workbook's checks, and what had to be done for that.

    The learner's text stays, their outputs, tags and metadata do not. A check that they changed is replaced; one that
    they deleted is put back below the last cell that is still there of those above it.

    Args:
        notebook: what was handed in.
        lesson: the workbook's.

    Returns:
        The notebook, and by exercise what was done to its check.
    """
    checks = {check.cell.id: check for check in lesson.checks}
    known = {cell.id for cell in lesson.notebook.cells}
    there = {cell.get("id") for cell in notebook.cells}  # old formats have none
    same_text = {check.cell.source.strip(): check for check in lesson.checks if check.cell.id not in there}
    cells: list[NotebookNode] = []
    notes, seen = {}, set()
    for number, cell in enumerate(notebook.cells):
        check = checks.get(cell.get("id", "")) or same_text.get(cell.source.strip())
        if check and check.cell.id not in seen:
            seen.add(check.cell.id)
            if cell.cell_type != "code" or cell.source.strip() != check.cell.source.strip():
                notes[check.exercise] = "its check was changed; the workbook's own was run"
            cells.append(_fresh(check.cell, check.cell.id))
        else:
            own = cell.get("id", "") if cell.get("id", "") in known - checks.keys() - seen else f"learner-{number}"
            seen.add(own)
            cells.append(_fresh(cell, own))
    for check in lesson.checks:
        if check.cell.id not in seen:
            notes[check.exercise] = "its check was missing; the workbook's own was run"
            cells.insert(_place(check, cells), _fresh(check.cell, check.cell.id))
    return _notebook(cells, lesson), notes


def _fresh(cell: NotebookNode, name: str) -> NotebookNode:
    make: Any = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell}.get(cell.cell_type, v4.new_raw_cell)
    return make(cell.source, id=name)


def _place(check: Check, cells: list[NotebookNode]) -> int:
    """Return where a missing check belongs: below the nearest cell above it that is still there, else at the end."""
    where = {cell.id: index for index, cell in enumerate(cells)}
    return next((where[one] + 1 for one in check.above if one in where), len(cells))


def _notebook(cells: list[NotebookNode], lesson: Lesson) -> NotebookNode:
    metadata = {name: lesson.notebook.metadata[name] for name in ("kernelspec", "language_info")}
    return v4.new_notebook(cells=cells, metadata=metadata)
