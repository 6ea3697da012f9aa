"""Turn a code cell of a lesson's source into the cell a learner opens: markers become blanks.

    key = portal.create_key(app)  # SOLUTION    becomes   key = ...  # YOUR CODE
    any other statement  # SOLUTION             becomes   ...  # YOUR CODE
    ### BEGIN SOLUTION ... ### END SOLUTION     becomes   ...  # YOUR CODE

A region that holds one assignment and nothing else becomes `name = ...`. `# SOLUTION` belongs to a whole
statement and ends its first or last line. A blank runs, so that the check speaks first, not Python.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager

from maas_lab.errors import LessonError

HINT = "write `# SOLUTION` after a statement, or `### BEGIN SOLUTION` and `### END SOLUTION` around lines"
PAIR = "pair every `### BEGIN SOLUTION` with one `### END SOLUTION` in the same cell"
YOURS = "  # YOUR CODE"

_MARK = re.compile(r"(?<!#)# SOLUTION\s*$")
_EDGE = re.compile(r"\s*### (BEGIN|END) SOLUTION\s*$")
_NEAR = re.compile(r"#+\s*((begin|end)\s+)?solution[\s:.]*$|(?-i:#+\s*((BEGIN|END)\s+)?SOLUTION\b)", re.I)

Edit = tuple[int, int, str]  # first line, last line, what the learner sees instead


@dataclass(frozen=True)
class Place:
    """Where a cell starts in its source, for messages."""

    file: str
    start: int

    def error(self, line: int, what: str, hint: str, why: str = "") -> LessonError:
        """Return the error for a line of the cell, counted from 1."""
        return LessonError(f"{self.file}:{self.start + line - 1}: {what}", why, hint)


@dataclass(frozen=True)
class _Cell:
    """A code cell, parsed: the lines as written, the code as Python sees it, and its statements."""

    place: Place
    lines: list[str]
    code: str
    statements: list[ast.stmt]


def blank(source: str, place: Place) -> str:
    """Return a code cell with blanks for what its markers hide.

    Raises:
        LessonError: a marker is misplaced or misspelt, or the code does not parse with or without solutions.
    """
    cell = _cell(source, place)
    lines = list(cell.lines)
    for first, last, text in sorted(_edits(cell), reverse=True):
        lines[first - 1 : last] = [text]
        what = "without this solution the code does not parse"
        _parse("\n".join(lines), place, first, what, "mark whole statements, and all that belong together")
    return "\n".join(lines)


def refuse_markers(prose: str, place: Place) -> None:
    """Refuse markers in a Markdown cell, where they hide nothing.

    Raises:
        LessonError: there is one.
    """
    for number, line in enumerate(prose.split("\n"), 1):
        if _MARK.search(line) or _EDGE.match(line):
            hint = "tag the cell `solution` to leave it out"
            raise place.error(number, "a marker stands in a Markdown cell", hint)


def _cell(source: str, place: Place) -> _Cell:
    lines = source.split("\n")
    code, tree = _parse(source, place, 1, "the cell does not parse", "correct the code")
    aligned = code.count("\n") == len(lines)  # a magic over several lines becomes one, then no number fits
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)] if aligned else []
    return _Cell(place, lines, code, statements)


def _parse(source: str, place: Place, line: int, what: str, hint: str) -> tuple[str, ast.Module]:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        code = TransformerManager().transform_cell(source)  # magics and `!` become Python
        return code, compile(code, place.file, "exec", flags)
    except SyntaxError as error:
        raise place.error(line, what, hint, f"{error.msg}: {(error.text or '').strip()}") from error


def _edits(cell: _Cell) -> list[Edit]:
    edits = [_region(cell, first, last) for first, last in _regions(cell)]
    hidden = {number for first, last, _ in edits for number in range(first, last + 1)}
    for number, line in enumerate(cell.lines, 1):
        if number not in hidden and _MARK.search(line):
            edits.append(_marked(cell, number))
        elif number not in hidden and _NEAR.search(line):
            raise cell.place.error(number, "this is almost a marker, and would show the solution", HINT)
    return edits


def _regions(cell: _Cell) -> list[tuple[int, int]]:
    found, begin = [], 0
    for number, line in enumerate(cell.lines, 1):
        edge = _EDGE.match(line)
        if edge and (edge[1] == "BEGIN") == bool(begin):
            what = "BEGIN SOLUTION inside another one" if begin else "END SOLUTION without a BEGIN"
            raise cell.place.error(number, what, PAIR)
        if edge and begin:
            found.append((begin, number))
        begin = (0 if begin else number) if edge else begin
    if begin:
        raise cell.place.error(begin, "BEGIN SOLUTION without an END", PAIR)
    return found


def _region(cell: _Cell, first: int, last: int) -> Edit:
    inside = [node for node in cell.statements if first < node.lineno and (node.end_lineno or 0) < last]
    nested = {child for node in inside for child in ast.walk(node) if child is not node}
    outer = [node for node in inside if node not in nested]
    line = cell.lines[first - 1]
    indent = line[: len(line) - len(line.lstrip())]
    return first, last, indent + _hidden(outer[0] if len(outer) == 1 else None, cell.code)


def _marked(cell: _Cell, number: int) -> Edit:
    simple = [node for node in cell.statements if not hasattr(node, "body") and not hasattr(node, "cases")]
    touching = [node for node in simple if node.lineno <= number <= (node.end_lineno or 0)]
    if len(touching) != 1 or number not in (touching[0].lineno, touching[0].end_lineno):
        what = "this marker does not end the first or last line of one statement"
        why = "a block's header, an inner line and a magic of several lines have no blank"
        raise cell.place.error(number, what, HINT, why)
    node = touching[0]
    before = cell.lines[node.lineno - 1].encode()[: node.col_offset].decode()  # ast counts bytes
    return node.lineno, node.end_lineno or number, before + _hidden(node, cell.code)


def _hidden(node: ast.stmt | None, code: str) -> str:
    """Return what the learner sees in place of a statement."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]  # `x += ...` would stop with a TypeError, so an augmented one becomes plain
    names = [str(ast.get_source_segment(code, target)) for target in targets]
    if isinstance(node, ast.AnnAssign):
        names = [f"{names[0]}: {ast.get_source_segment(code, node.annotation)}"]
    return " = ".join([*names, _hole(targets)]) + YOURS


def _hole(targets: list[ast.expr]) -> str:
    """Return one `...` for each name to unpack: `a, b = ...` alone would stop with a TypeError."""
    for target in targets:
        if isinstance(target, ast.Tuple | ast.List):
            holes = [f"({hole})" if "," in hole else hole for hole in (_hole([part]) for part in target.elts)]
            return ", ".join(holes) + ("," if len(holes) == 1 else "")
    return "..."
