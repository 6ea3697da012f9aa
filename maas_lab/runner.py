"""Run lessons: executed copies in a folder, one result each; parameters are checked before anything runs.

This module is light to import; papermill is loaded by the first run.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maas_lab.errors import LabError, UsageError
from maas_lab.outline import EXERCISE, owners
from maas_lab.parameters import Declared, refuse_unknown, values

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from maas_lab.engine import Stop

CELL_TIMEOUT = 300  # seconds
HINTS = {
    "CellTimeout": "look in the executed copy for a wait that never ends",
    "DeadKernel": "the cell ended its own kernel, or the system did: SIGKILL often means that memory ran out",
    "SystemExit": "a lesson runs to its end: remove the call that exits",
}


@dataclass(frozen=True)
class Failure:
    """Where and why a lesson stopped.

    Attributes:
        cell: number of the code cell, the `n` of `In [n]` in the executed copy.
        error: name of the exception; "CellTimeout" for an endless cell, "DeadKernel" for a kernel that died.
        lines: what a learner reads.
        hint: what to try, "" when nobody said.
        exercise: "Exercise 3.2"; None outside exercises.
    """

    cell: int
    error: str
    lines: list[str]
    hint: str = ""
    exercise: str | None = None


@dataclass(frozen=True)
class Result:
    """What became of one lesson: `seconds` with the kernel's start, `cells_run` code cells that passed."""

    lesson: str
    output: Path
    seconds: float
    cells_run: int
    cells_total: int
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """Whether every cell passed."""
        return self.failure is None


@dataclass(frozen=True)
class LessonStarted:
    """A lesson begins; `cells` is the number of its code cells."""

    lesson: str
    cells: int


@dataclass(frozen=True)
class CellDone:
    """A code cell has passed; `index` counts code cells from 0."""

    lesson: str
    index: int
    cells: int
    seconds: float


@dataclass(frozen=True)
class LessonDone:
    """A lesson has ended, well or not."""

    result: Result


Event = LessonStarted | CellDone | LessonDone
OnEvent = Callable[[Event], object]


@dataclass(frozen=True)
class _Plan:
    source: Path
    output: Path
    notebook: NotebookNode
    declared: Declared


def run(
    notebooks: Sequence[Path],
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    on_event: OnEvent = lambda event: None,
    *,
    cell_timeout: int = CELL_TIMEOUT,
) -> list[Result]:
    """Execute notebooks one after the other; one that fails does not keep the others from running.

    Args:
        notebooks: what to run, each in its own folder; they stay as they are.
        out: folder for the executed copies.
        parameters: values by name, as text or as values; each lesson takes those it declares.
        on_event: called as lessons and cells go by.
        cell_timeout: seconds after which a cell counts as endless.

    Raises:
        UsageError: before anything runs: a file is no notebook, a copy would replace its notebook or another
            copy, no lesson declares a parameter, or a value is not of the declared type.
    """
    plans = [_plan(Path(path), Path(out)) for path in notebooks]
    _refuse_clashes(plans)
    refuse_unknown(parameters or {}, [plan.declared for plan in plans])
    chosen = [values(parameters or {}, plan.declared) for plan in plans]
    Path(out).mkdir(parents=True, exist_ok=True)
    return [_run(plan, own, on_event, cell_timeout) for plan, own in zip(plans, chosen, strict=True)]


def solutions_for(root: Path, lessons: Iterable[str] = ()) -> list[Path]:
    """Return the solution notebooks that `lessons` mean; all when empty.

    Args:
        root: the workbook's folder.
        lessons: names as in `choose`, or paths: a notebook's stands for itself, a source's for its solution.

    Raises:
        UsageError: no lesson has such a name, or no file lies there.
    """
    known = [path.stem for path in sorted((root / "solutions").glob("*.ipynb"))]
    if not known:
        raise UsageError(f"there are no lessons in {root / 'solutions'}", hint="./lab lessons build")
    return list(dict.fromkeys(_solution(root, name, known) for name in list(lessons) or known))


def choose(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return the lessons that `names` mean ("03", "3", "consumer", "03_consumer"); all when empty.

    Raises:
        UsageError: no lesson has such a name.
    """
    return list(dict.fromkeys(_named(name, known) for name in names)) or list(known)


def _solution(root: Path, name: str, known: Sequence[str]) -> Path:
    path = Path(name)
    if path.suffix not in (".ipynb", ".py"):
        return root / "solutions" / f"{_named(name, known)}.ipynb"
    path = path.with_suffix(".ipynb")
    if not path.exists():
        raise UsageError(f"there is no notebook {path}", hint=f"lessons: {', '.join(known)}")
    return path


def _named(name: str, known: Sequence[str]) -> str:
    titles = {}
    for lesson in known:
        number, _, title = lesson.partition("_")
        if name.lower() in (lesson, title) or (name.isdigit() and name.lstrip("0") == number.lstrip("0")):
            return lesson
        titles |= {lesson: lesson, title: lesson}
    close = difflib.get_close_matches(name.lower(), titles, 1)
    meant = f"did you mean `{titles[close[0]]}`? " if close else ""
    raise UsageError(f"there is no lesson `{name}`", hint=f"{meant}lessons: {', '.join(known)}")


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of any version as one of today's.

    Raises:
        UsageError: there is no such file, or it is not a notebook.
    """
    import nbformat

    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError as error:
        raise UsageError(f"there is no notebook {path}", hint="give the path of a notebook") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, nbformat.ValidationError) as error:
        why = str(error).split("\n")[0] or type(error).__name__
        raise UsageError(f"{path} is not a notebook", why, "open it in JupyterLab and save it again") from error
    return notebook


def _plan(source: Path, out: Path) -> _Plan:
    from maas_lab import engine

    notebook = read_notebook(source)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return _Plan(source.absolute(), out.absolute() / source.name, notebook, engine.declared(notebook))


def _refuse_clashes(plans: Sequence[_Plan]) -> None:
    seen: dict[Path, Path] = {}
    for plan in plans:
        if plan.output.resolve() == plan.source.resolve():
            raise UsageError(f"the executed copy would replace {plan.source}", hint="choose another folder")
        if plan.output in seen:
            why = f"{seen[plan.output]} and {plan.source}"
            raise UsageError(f"two notebooks are called {plan.source.name}", why, "run them into two folders")
        seen[plan.output] = plan.source


def _run(plan: _Plan, own: Mapping[str, Any], on_event: OnEvent, cell_timeout: int) -> Result:
    from maas_lab import engine

    lesson = plan.source.stem
    cells = sum(map(engine.is_code, plan.notebook.cells)) + bool(own)  # papermill adds a cell that sets them
    passed: list[float] = []

    def on_cell(seconds: float) -> None:
        passed.append(seconds)
        on_event(CellDone(lesson, len(passed) - 1, cells, seconds))

    on_event(LessonStarted(lesson, cells))
    begun = time.monotonic()
    options = {"source": plan.source, "on_cell": on_cell, "cell_timeout": cell_timeout}
    stop = engine.execute(plan.notebook, plan.output, own, **options)
    seconds = time.monotonic() - begun
    result = Result(lesson, plan.output, seconds, len(passed), cells, _failure(stop) if stop else None)
    on_event(LessonDone(result))
    return result


def _failure(stop: Stop) -> Failure:
    text = "\n".join(stop.traceback)
    if not text.startswith(f"{stop.ename}:"):  # a LabError renders itself; of forty lines of traceback one counts
        text = f"{stop.ename}: {stop.evalue}"
    hint = LabError.hint_of(text) or HINTS.get(stop.ename, "")
    named = EXERCISE.search(text)
    exercise = named[0] if named else owners(stop.cells)[-1]
    number = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in stop.cells)
    return Failure(number, stop.ename, text.split("\n"), hint, exercise)
