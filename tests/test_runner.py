"""Lessons run by papermill: results, parameters, refusals, and failures a learner can act on."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from maas_lab import runner
from maas_lab.errors import UsageError
from maas_lab.runner import CellDone, LessonDone, LessonStarted

ROOT = Path(__file__).parents[1]
PARAMETERS = """\
prompts: int = 2  # how many prompts to send
rate: float = 0.5  # prompts a second
loud: bool = False  # shout
title: str = "app"  # shown in the portal
models: list[str] = []  # models to call"""


def code(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


def prose(text):
    return nbformat.v4.new_markdown_cell(text)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Return a function that writes notebooks, and let their kernels import the package."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "in").mkdir()

    def write(name, *cells):
        path = tmp_path / "in" / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
        return path

    return write


@pytest.fixture
def refused(book, tmp_path):
    """Return a function that runs a lesson with parameters, expects a refusal, and returns it."""
    path = book("03_x", code(PARAMETERS, "parameters"), code("from pathlib import Path; Path('ran').touch()"))

    def run(parameters, notebooks=(path,), out=tmp_path / "out"):
        with pytest.raises(UsageError) as raised:
            runner.run(notebooks, out, parameters)
        assert not (path.parent / "ran").exists(), "a cell ran before the refusal"
        return raised.value

    return run


def outputs(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


# -- what a run does --


def test_each_lesson_gets_a_result_and_an_executed_copy_and_a_failure_stops_no_other(book, tmp_path):
    good = book("01_good", prose("# One"), code("import os; print(os.getcwd())"), code(""), code("1"))
    bad = book("02_bad", code("1"), code("1 / 0"), code("print('never')"))
    last = book("03_last", prose("# No code"))
    before = [path.read_bytes() for path in (good, bad, last)]
    seen = []
    results = runner.run([good, bad, last], tmp_path / "out", on_event=seen.append)

    assert [(r.lesson, r.ok, r.cells_run, r.cells_total) for r in results] == [
        ("01_good", True, 2, 2),
        ("02_bad", False, 1, 3),
        ("03_last", True, 0, 0),
    ]
    assert results[1].failure == runner.Failure(2, "ZeroDivisionError", ["ZeroDivisionError: division by zero"])
    assert [path.read_bytes() for path in (good, bad, last)] == before
    assert [result.output for result in results] == [tmp_path / "out" / path.name for path in (good, bad, last)]
    assert outputs(results[0].output)[0] == f"{tmp_path / 'in'}\n", "a lesson runs in its own folder"
    assert "An Exception was encountered" in results[1].output.read_text()
    assert results[2].output.exists()

    done = [event for event in seen if isinstance(event, CellDone)]
    assert [(e.lesson, e.index, e.cells) for e in done] == [
        ("01_good", 0, 2),
        ("01_good", 1, 2),
        ("02_bad", 0, 3),
    ]
    assert [event for event in seen if event not in done] == [
        LessonStarted("01_good", 2),
        LessonDone(results[0]),
        LessonStarted("02_bad", 3),
        LessonDone(results[1]),
        LessonStarted("03_last", 0),
        LessonDone(results[2]),
    ]
    assert all(sum(e.seconds for e in done if e.lesson == r.lesson) <= r.seconds for r in results)


def test_a_copy_keeps_no_widget_state_neither_new_nor_old(book, tmp_path):
    path = book("03_x", code("import ipywidgets\nipywidgets.Text(value='sk-' + 'very' * 5 + 'secret')"))
    notebook = nbformat.read(path, as_version=4)
    state = {"state": {"1": {"state": {"value": "sk-oldsecret"}}}, "version_major": 2, "version_minor": 0}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    nbformat.write(notebook, path)
    [result] = runner.run([path], tmp_path / "out")
    assert result.ok
    made = nbformat.read(result.output, as_version=4)
    assert "widgets" not in made.metadata
    assert "sk-oldsecret" not in result.output.read_text()
    assert made.metadata.papermill["input_path"] == "03_x.ipynb"


def test_a_kernel_of_any_name_is_this_interpreter_and_any_path_will_do(book, tmp_path, monkeypatch):
    registered = tmp_path / "jupyter/kernels/python3"
    registered.mkdir(parents=True)
    spec = {
        "argv": ["false", "{connection_file}"],
        "display_name": "Of another interpreter",
        "language": "python",
    }
    (registered / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    path = book("03_{x}", code("import sys; print(sys.executable)"))
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["kernelspec"] = {"display_name": "Rust", "language": "rust", "name": "rust-of-someone"}
    nbformat.write(notebook, path)
    [result] = runner.run([path], tmp_path / "out {braces} {}")
    assert result.ok
    assert outputs(result.output) == [f"{sys.executable}\n"]


# -- parameters --


def test_parameters_arrive_with_their_type_in_the_lessons_that_know_them(book, tmp_path):
    first = book("01_all", code(PARAMETERS, "parameters"), code("print([prompts, rate, loud, title])"))
    second = book("02_one", code("prompts: str = 'a'  # a text here", "parameters"), code("print([prompts])"))
    third = book("03_none", code("print('no parameters')"))
    given = {"prompts": "7", "rate": "1e-1", "loud": "Yes", "title": 'it\'s "mine"\nü'}
    results = runner.run([first, second, third], tmp_path / "out", given)
    assert all(result.ok for result in results)
    assert [result.cells_run for result in results] == [3, 3, 1]
    assert outputs(results[0].output)[-1] == f"{[7, 0.1, True, given['title']]}\n"
    assert outputs(results[1].output)[-1] == "['7']\n"


@pytest.mark.parametrize(("given", "printed"), [({"prompts": 3, "loud": True, "rate": 2}, "[3, 2.0, True, 'app']\n")])
def test_parameters_may_be_values_already(book, tmp_path, given, printed):
    path = book("01_all", code(PARAMETERS, "parameters"), code("print([prompts, rate, loud, title])"))
    [result] = runner.run([path], tmp_path / "out", given)
    assert outputs(result.output)[-1] == printed


def test_an_unknown_parameter_is_refused_with_the_known_ones(refused, tmp_path):
    error = refused({"title": "x", "promptz": "3"})
    assert error.what == "no lesson here has a parameter `promptz`"
    assert error.hint.startswith("did you mean `prompts`? known: prompts (int): how many prompts to send; rate (float)")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("prompts", "3.5", "a whole number"),
        ("prompts", "three", "a whole number"),
        ("prompts", True, "a whole number"),
        ("rate", "fast", "a number"),
        ("rate", "nan", "a number"),
        ("loud", "maybe", "true or false"),
        ("loud", "2", "true or false"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(refused, name, value, wanted):
    error = refused({name: value})
    assert error.what == f"`{name}` takes {wanted}, not {value!r}"
    assert error.why
    assert error.hint.startswith(f"-p {name} ")


def test_a_parameter_of_another_type_cannot_be_set(refused):
    assert "declared as list[str]" in refused({"models": "a"}).why


BROKEN = b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}'


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"nbformat": 4}', BROKEN, b"# %%", b"\xff\xfe"])
def test_what_is_no_notebook_is_refused(refused, tmp_path, content, capfd):
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    error = refused({}, [path])
    assert error.what == f"{path} is not a notebook"
    assert error.why
    assert capfd.readouterr() == ("", "")


def test_a_missing_notebook_a_copy_over_its_notebook_and_two_of_one_name_are_refused(refused, book, tmp_path):
    path = book("04_y", code("1"))
    assert "there is no notebook" in refused({}, [tmp_path / "none.ipynb"]).what
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert "would replace" in refused({}, [path], tmp_path / "link").what
    (tmp_path / path.name).write_bytes(path.read_bytes())
    assert "two notebooks are called 04_y.ipynb" in refused({}, [path, tmp_path / path.name]).what


# -- failures --

CHECK = """\
from maas_lab.errors import NotDoneYet
raise NotDoneYet('Exercise 3.2: `key` is still `...`', 'why', 'do\\nthis')"""


def test_a_check_that_stops_names_its_exercise_and_its_hint(book, tmp_path):
    path = book("03_x", prose("**Exercise 3.1** a"), code("1"), prose("**Exercise 3.2** b"), code("2"), code(CHECK))
    [result] = runner.run([path], tmp_path / "out")
    lines = ["NotDoneYet: Exercise 3.2: `key` is still `...`", "  why: why", "  try: do", "       this"]
    assert result.failure == runner.Failure(3, "NotDoneYet", lines, "do\nthis", "Exercise 3.2")


@pytest.mark.parametrize(
    ("texts", "exercise"),
    [
        (["## Do\n**Exercise 3.1** Mint.", "prose"], "Exercise 3.1"),
        (["**Exercise 3.1** a", "### Exercise 3.2\nb"], "Exercise 3.2"),
        (["**Exercise 3.1** a, **Exercise 3.2** b"], "Exercise 3.2"),
        (["**Exercise 3.1** a", "## Clean up"], None),
        (["**Exercise 3.1** a\n## Clean up\nafter Exercise 3.1"], None),
        (["as in Exercise 3.1"], None),
    ],
)
def test_another_error_belongs_to_the_exercise_above_it(texts, exercise):
    from maas_lab.engine import Stop

    stop = Stop([*map(prose, texts), code("x")], "NameError", "name 'x'", ["-----", "Traceback\nNameError: name 'x'"])
    failure = runner._failure(stop)
    assert (failure.exercise, failure.lines, failure.cell) == (exercise, ["NameError: name 'x'"], 1)


def test_dead_kernels_endless_cells_and_exits_fail_and_the_next_lesson_runs(book, tmp_path):
    ends = {
        "01_exit": ("import os; os._exit(3)", "DeadKernel", "the kernel ended with exit code 3"),
        "02_kill": ("import os; os.kill(os.getpid(), 9)", "DeadKernel", "the kernel was killed by SIGKILL"),
        "03_endless": ("while True: pass", "CellTimeout", "the cell did not end within 4 s"),
        "04_deaf": (
            "while True:\n    try:\n        while True: pass\n    except BaseException: continue",
            "CellTimeout",
            "the cell did not end within 4 s",
        ),
        "05_sysexit": ("raise SystemExit", "SystemExit", ""),
        "06_allowed": ("1 / 0", "ZeroDivisionError", "division by zero"),
        "07_good": ("print('fine')", "", ""),
    }
    tags = {"06_allowed": ["raises-exception"]}
    paths = [
        book(name, code("1"), prose("**Exercise 1.1** x"), code(cell, *tags.get(name, [])), code("3"))
        for name, (cell, _, _) in ends.items()
    ]
    results = runner.run(paths, tmp_path / "out", cell_timeout=4)
    assert [result.ok for result in results] == [False] * 6 + [True]
    for result, (_, error, evalue) in zip(results[:-1], ends.values(), strict=False):
        assert (result.failure.error, result.failure.lines) == (error, [f"{error}: {evalue}"])
        assert (result.failure.cell, result.failure.exercise) == (2, "Exercise 1.1")
        assert error == "ZeroDivisionError" or result.failure.hint
        assert error in result.output.read_text()
    assert [result.cells_run for result in results] == [1, 1, 1, 1, 1, 2, 3]


def test_a_kernel_that_does_not_start_is_a_failure(book, tmp_path):
    path = book("03_x", prose("# X"), code("1"))
    (path.parent / "ipykernel_launcher.py").write_text("raise SystemExit(5)")
    [result] = runner.run([path], tmp_path / "out")
    assert result.failure.error == "DeadKernel"
    assert "does not start" in result.failure.lines[0]
    assert (result.cells_run, result.failure.cell) == (0, 1)
    assert result.output.exists()


SCRIPT = """
import sys
from pathlib import Path
from maas_lab import runner
from maas_lab.errors import UsageError

folder = Path(sys.argv[1])
try:
    runner.run([folder / "broken.ipynb"], folder / "out")
except UsageError:
    results = runner.run(sorted(folder.glob("in/*.ipynb")), folder / "out", {"a": 2}, cell_timeout=1)
sys.exit(sum(not result.ok for result in results))
"""


def test_a_run_prints_nothing_whatever_happens(book, tmp_path):
    """In a process of its own: pytest takes the log records that would otherwise end up on stderr."""
    book(
        "01_x",
        code("a: int = 1  # a\nb = c = 1", "parameters"),
        code("import os; os.write(2, b'raw'); os._exit(3)"),
    )
    book("02_x", code("import sys; print('x', file=sys.stderr)"), code("while True: pass"))
    (tmp_path / "broken.ipynb").write_bytes(BROKEN)
    argv = [sys.executable, "-W", "default", "-c", SCRIPT, str(tmp_path)]
    told = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (told.stdout, told.stderr, told.returncode) == ("", "", 2)


# -- names --


@pytest.fixture
def workbook(tmp_path):
    (tmp_path / "solutions").mkdir()
    for name in ("03_consumer", "00_start", "04_accountant"):
        (tmp_path / f"solutions/{name}.ipynb").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], ["00_start", "03_consumer", "04_accountant"]),
        (["03"], ["03_consumer"]),
        (["3", "0"], ["03_consumer", "00_start"]),
        (["accountant", "03_consumer", "04"], ["04_accountant", "03_consumer"]),
        (["Consumer"], ["03_consumer"]),
    ],
)
def test_a_lesson_is_found_by_number_name_or_both(workbook, given, found):
    assert runner.solutions_for(workbook, given) == [workbook / f"solutions/{name}.ipynb" for name in found]


def test_a_lesson_is_found_by_path(workbook, tmp_path):
    other = tmp_path / "mine.ipynb"
    other.touch()
    source = str(workbook / "solutions/03_consumer.py")
    assert runner.solutions_for(workbook, [str(other), source]) == [
        other,
        workbook / "solutions/03_consumer.ipynb",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("acountant", "did you mean `04_accountant`? lessons: 00_start, 03_consumer, 04_accountant"),
        ("7", "lessons: 00_start, 03_consumer, 04_accountant"),
        ("none.ipynb", "lessons: 00_start, 03_consumer, 04_accountant"),
    ],
)
def test_an_unknown_lesson_is_refused_with_the_known_ones(workbook, name, hint):
    with pytest.raises(UsageError) as raised:
        runner.solutions_for(workbook, [name])
    assert name in raised.value.what
    assert raised.value.hint == hint


def test_a_workbook_without_solutions_says_how_to_build_them(tmp_path):
    with pytest.raises(UsageError) as raised:
        runner.solutions_for(tmp_path)
    assert raised.value.hint == "./lab lessons build"
