"""Which exercise each cell of a lesson belongs to, read off the lesson's own headings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

EXERCISE = re.compile(r"Exercise \d+\.\d+")
_SECTION = re.compile(r"^##? .*|^#+ .*Exercise \d+\.\d+|\*\*Exercise \d+\.\d+", re.M)


def owners(cells: Iterable[NotebookNode]) -> list[str | None]:
    """Return for each cell the exercise whose text stands nearest above it, in its section; None outside exercises."""
    found: list[str | None] = []
    now = None
    for cell in cells:
        marks = _SECTION.findall(cell.source) if cell.cell_type == "markdown" else []
        if marks:
            named = EXERCISE.search(marks[-1])
            now = named[0] if named else None
        found.append(now)
    return found
