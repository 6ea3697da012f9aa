"""A lesson's source as a notebook: with its solutions, and as the learner opens it.

The same source gives the same notebook on every machine: ids count cells, and no metadata names a version.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from maas_lab import palette
from maas_lab.blanks import Place, blank, refuse_markers
from maas_lab.errors import LessonError

_DIAGRAM = re.compile(r"(?<=^```mermaid\n)", re.M)
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},  # without a version: it would change with every builder's Python
}


def read(source: Path) -> tuple[NotebookNode, list[Place]]:
    """Read a source as a notebook without outputs, and tell where each of its cells starts.

    Raises:
        LessonError: jupytext is missing or cannot read the file, a code cell is empty, or a tag is almost
            `solution`.
    """
    file, text = f"{source.parent.name}/{source.name}", source.read_text(encoding="utf-8")
    notebook = _parsed(file, text.lstrip())
    notebook.metadata, notebook.nbformat, notebook.nbformat_minor = nbformat.from_dict(METADATA), 4, 5
    places = _places(file, text, len(notebook.cells))
    stem = re.sub(r"[^A-Za-z0-9]", "-", source.stem)
    for number, (cell, place) in enumerate(zip(notebook.cells, places, strict=True)):
        cell.id, cell.source = f"{stem}-{number:02d}", cell.source.strip("\n")
        if cell.cell_type == "markdown":
            cell.source = _DIAGRAM.sub(palette.mermaid(), cell.source)
        for name in [name for name in cell.metadata if name.startswith("lines_to_") or name == "cell_marker"]:
            del cell.metadata[name]
        _refuse(cell, place)
    return notebook, places


def _parsed(file: str, text: str) -> NotebookNode:
    try:
        import jupytext
    except ImportError as error:
        hint = "python -m pip install -e '.[test]'"
        raise LessonError("lessons are read with jupytext", "it is not installed here", hint) from error
    try:
        return jupytext.reads(text, fmt="py:percent")
    except Exception as error:  # jupytext lets through whatever its YAML and JSON readers raise
        hint = "compare its header and its `# %%` lines with those of another lesson"
        raise LessonError(f"{file} cannot be read", f"{type(error).__name__}: {error}", hint) from error


def _places(file: str, text: str, cells: int) -> list[Place]:
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines, 1) if re.match(r"# %%(\s|$)", line)]
    starts = [0] * (cells - len(starts)) + starts  # text before the first `# %%` is a cell of its own
    places = []
    for start in starts:
        first = next((number for number, line in enumerate(lines, 1) if number > start and line.strip()), start)
        places.append(Place(file, start if first in starts else first))
    return places


def _refuse(cell: NotebookNode, place: Place) -> None:
    if cell.cell_type == "code" and not cell.source.strip():
        raise place.error(1, "a code cell is empty", "fill it or remove it")
    for tag in cell.metadata.get("tags", []):
        if "solution" in tag.lower() and tag != "solution":
            raise place.error(1, f"the tag `{tag}` hides nothing", "write `solution`")


def learner(notebook: NotebookNode, places: list[Place]) -> NotebookNode:
    """Return the notebook as the learner opens it; `notebook` keeps its solutions.

    Raises:
        LessonError: a marker is misplaced or misspelt, or a cell does not parse.
    """
    cells = []
    for cell, place in zip(notebook.cells, places, strict=True):
        if "solution" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "code":
            cell = {**cell, "source": blank(cell.source, place)}
        else:
            refuse_markers(cell.source, place)
        cells.append(cell)
    return nbformat.from_dict({**notebook, "cells": cells})
