"""Sources become notebooks: blanks, refusals, what is built when, what `check` says, what nbval compares."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import get_sanitize_patterns

from maas_lab import lessons, sources
from maas_lab.blanks import Place, blank, refuse_markers
from maas_lab.errors import LessonError, UsageError

SANITIZE = Path(__file__).with_name("sanitize.cfg")
PLACE = Place("solutions/03_x.py", 10)
SOURCE = """\
# %% [markdown]
# # Consumer
# Prose.

# %% tags=["parameters"]
prompts: int = 2  # how many prompts to send

# %%
key = "a" * prompts  # SOLUTION

# %% tags=["solution"]
print("only here")

# %%
print(key)
"""
WIDGET = """
# %%
import ipywidgets
import sys
import time

print("first")
sys.stdout.flush()
time.sleep(0.05)
print("second")
ipywidgets.Text(value="secret")
"""
CHART = """
# %%
import base64
from IPython.display import Image

Image(data=base64.b64decode("cGljdHVyZQ=="), format="png")
"""


@pytest.fixture
def book(tmp_path):
    """A workbook of one small lesson, not built yet."""
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions/03_consumer.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The files of a workbook built once with a real kernel; copy before changing."""
    root = tmp_path_factory.mktemp("built")
    (root / "solutions").mkdir()
    (root / "solutions/03_consumer.py").write_text(SOURCE + WIDGET + CHART)
    lessons.build(root)
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def copy(built, tmp_path):
    """A workbook in step with its source."""
    for path, content in built.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


@pytest.fixture
def never_executed(monkeypatch):
    """Let no kernel start."""

    def refuse(*_):
        raise AssertionError("a solution was executed")

    monkeypatch.setattr(lessons, "_execute", refuse)


def read(path):
    return nbformat.read(path, as_version=4)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# -- blanks --


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("key = make(app)  # SOLUTION", "key = ...  # YOUR CODE"),
        ("key = make(app)  # noqa: F821  # SOLUTION", "key = ...  # YOUR CODE"),
        ("key: str = make(app)  # SOLUTION", "key: str = ...  # YOUR CODE"),
        ("key: str  # SOLUTION", "key: str = ...  # YOUR CODE"),
        ("total += 1  # SOLUTION", "total = ...  # YOUR CODE"),
        ("a, b = 1, 2  # SOLUTION", "a, b = ..., ...  # YOUR CODE"),
        ("a, (b, c) = x  # SOLUTION", "a, (b, c) = ..., (..., ...)  # YOUR CODE"),
        ("(a,) = x  # SOLUTION", "(a,) = ...,  # YOUR CODE"),
        ("a = b['é'] = x  # SOLUTION", "a = b['é'] = ...  # YOUR CODE"),
        ("app.key, é = x  # SOLUTION", "app.key, é = ..., ...  # YOUR CODE"),
        ("send(key)  # SOLUTION", "...  # YOUR CODE"),
        ("def f():\n    return 1  # SOLUTION", "def f():\n    ...  # YOUR CODE"),
        ("if x:\n    if y:\n        z = 1  # SOLUTION", "if x:\n    if y:\n        z = ...  # YOUR CODE"),
        ("if 'é': y = 1  # SOLUTION", "if 'é': y = ...  # YOUR CODE"),
        ("key = make(  # SOLUTION\n    app,\n)\nnext", "key = ...  # YOUR CODE\nnext"),
        ("key = make(\n    app,\n)  # SOLUTION\nnext", "key = ...  # YOUR CODE\nnext"),
        ("for i in x:\n    k = [  # SOLUTION\n        i,\n    ]", "for i in x:\n    k = ...  # YOUR CODE"),
        ("!curl x  # SOLUTION\ny = !ls", "...  # YOUR CODE\ny = !ls"),
        ("y = !ls  # SOLUTION", "y = ...  # YOUR CODE"),
        ("text = '''\n# not a SOLUTION'''", "text = '''\n# not a SOLUTION'''"),
        ("await answer()\nkey = 1  # SOLUTION", "await answer()\nkey = ...  # YOUR CODE"),
        ("x = 1  # the resolution", "x = 1  # the resolution"),
    ],
)
def test_a_marked_statement_becomes_a_blank(source, shown):
    assert blank(source, PLACE) == shown


def region(body, indent=""):
    return f"{indent}### BEGIN SOLUTION\n{body}\n{indent}### END SOLUTION"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (region("a = 1\nb = 2"), "...  # YOUR CODE"),
        (region("key = make(\n    app,\n)"), "key = ...  # YOUR CODE"),
        (region("for i in x:\n    y = i"), "...  # YOUR CODE"),
        ("for i in x:\n" + region("    y = i\n    z = i", "    "), "for i in x:\n    ...  # YOUR CODE"),
        (
            region("a = 1  # SOLUTION\nb = 2") + "\nc = 3  # SOLUTION",
            "...  # YOUR CODE\nc = ...  # YOUR CODE",
        ),
        (region("!curl \\\n  x"), "...  # YOUR CODE"),
    ],
)
def test_a_region_becomes_one_blank(source, shown):
    assert blank(source, PLACE) == shown


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("x = 1\n" + region(region("a = 1")), 12, "inside another"),
        ("### BEGIN SOLUTION\na = 1", 10, "without an END"),
        ("a = 1\n### END SOLUTION", 11, "without a BEGIN"),
        ("f(\n    a=1,  # SOLUTION\n    b=2,\n)", 11, "first or last line of one statement"),
        ("for i in x:  # SOLUTION\n    pass", 10, "first or last line of one statement"),
        ("a = 1; b = 2  # SOLUTION", 10, "first or last line of one statement"),
        ("a = 1\n# SOLUTION\nb = 2", 11, "first or last line of one statement"),
        ("!curl \\\n  x  # SOLUTION", 11, "first or last line of one statement"),
        ("if x:\n" + region("    a = 1\nelse:") + "\n    b = 2", 11, "does not parse"),
        ("x = = 1", 10, "does not parse"),
        ("a = 1\nkey = 2  #SOLUTION", 11, "almost a marker"),
        ("key = 2  # solution", 10, "almost a marker"),
        ("key = 2  # SOLUTION: the key", 10, "almost a marker"),
        ("## BEGIN SOLUTION\na = 1\n## END SOLUTION", 10, "almost a marker"),
        ("### BEGIN SOLUTION a\na = 1", 10, "almost a marker"),
    ],
)
def test_a_wrong_marker_is_refused_with_its_line(source, line, what):
    with pytest.raises(LessonError) as raised:
        blank(source, PLACE)
    assert raised.value.what.startswith(f"solutions/03_x.py:{line}: ")
    assert what in raised.value.what
    assert raised.value.hint


@pytest.mark.parametrize("prose", ["text\nkey = 1  # SOLUTION", "text\n### BEGIN SOLUTION"])
def test_markdown_hides_nothing(prose):
    refuse_markers("## The SOLUTION\n### Solution", PLACE)
    with pytest.raises(LessonError, match=r"solutions/03_x\.py:11: .*Markdown"):
        refuse_markers(prose, PLACE)


# -- sources --


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("# %%\n\n# %%\nx = 1\n", ":1: a code cell is empty"),
        ('# %% tags=["solutions"]\nx = 1\n', ":2: the tag `solutions` hides nothing"),
        ("# ---\n# jupyter:\n#   kernelspec:\n#     name: x\n# ---\n\n# %%\nx = 1\n", " cannot be read"),
        ("# %%\nx = 1\n\n\n# %%\n\n\ny = 1\nz = 2  # SOLUTION of it\n", ":9: this is almost"),
        ("import this\n# %%\ny = = 1\n", ":3: the cell does not parse"),
        ("# %% [markdown]\n# a\n# ### END SOLUTION\n", ":3: a marker stands in a Markdown cell"),
    ],
)
def test_a_wrong_source_is_refused_with_its_line(book, never_executed, text, what):
    (book / "solutions/04_other.py").write_text(text)
    with pytest.raises(LessonError) as raised:
        lessons.build(book)
    assert f"solutions/04_other.py{what}" in raised.value.what
    assert not (book / "notebooks").exists(), "nothing is written while a source is wrong"
    assert any(what in fault for fault in lessons.check(book))


def test_without_jupytext_the_error_says_what_to_install(book, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(LessonError) as raised:
        lessons.build(book)
    assert raised.value.hint == "python -m pip install -e '.[test]'"


def test_a_source_gives_the_same_notebook_whatever_jupytext_adds(book):
    notebook, places = sources.read(book / "solutions/03_consumer.py")
    assert [cell.id for cell in notebook.cells] == [f"03-consumer-{n:02d}" for n in range(5)]
    assert [place.start for place in places] == [2, 6, 9, 12, 15]
    assert notebook.metadata == sources.METADATA
    edit(book / "solutions/03_consumer.py", "\n\n# %%", "\n\n\n\n# %%")
    assert sources.read(book / "solutions/03_consumer.py")[0] == notebook


# -- build --


def test_the_learner_edition_has_blanks_and_no_outputs(copy):
    notebook = read(copy / "notebooks/03_consumer.ipynb")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code][:3] == [
        "prompts: int = 2  # how many prompts to send",
        "key = ...  # YOUR CODE",
        "print(key)",
    ]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert "solution" not in json.dumps(notebook).lower()
    assert notebook.metadata == sources.METADATA


def test_the_solution_is_executed_and_keeps_nothing_of_the_machine(copy):
    notebook = read(copy / "solutions/03_consumer.ipynb")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5, 6]
    assert code[3].outputs[0].text == "aa\n"
    assert [output.output_type for output in code[4].outputs] == ["stream", "execute_result"]
    assert code[4].outputs[0].text == "first\nsecond\n", "streams are joined, however they arrived"
    assert list(code[4].outputs[1].data) == ["text/plain"], "a widget's view is a random id"
    assert set(notebook.metadata) == {"kernelspec", "language_info", "maas_lab"}
    assert not any(set(cell.metadata) - {"tags"} for cell in notebook.cells)


def test_the_last_chart_lies_beside_the_solution_and_is_held_to_it(copy):
    picture = copy / "solutions/03_consumer.png"
    assert picture.read_bytes() == b"picture"
    picture.write_bytes(b"another")
    assert lessons.check(copy) == ["solutions/03_consumer.png is not the solution's last chart"]
    assert lessons.build(copy) == [picture]
    picture.unlink()
    assert lessons.check(copy) == ["solutions/03_consumer.png is not the solution's last chart"]


def test_a_second_execution_gives_the_same_bytes(copy):
    assert lessons.build(copy, force=True) == []


def test_what_is_in_step_is_not_built_again(copy, never_executed):
    assert lessons.build(copy) == []
    assert lessons.check(copy) == []


def test_a_change_of_prose_keeps_the_outputs(copy, never_executed):
    edit(copy / "solutions/03_consumer.py", "# Prose.", "# Better prose.")
    assert len(lessons.check(copy)) == 2
    assert lessons.build(copy, ["consumer"]) == [
        copy / "notebooks/03_consumer.ipynb",
        copy / "solutions/03_consumer.ipynb",
    ]
    assert lessons.check(copy) == []
    assert "aa\\n" in (copy / "solutions/03_consumer.ipynb").read_text()


@pytest.mark.parametrize(
    "files", [["solutions/03_consumer.py"], ["solutions/03_consumer.py", "solutions/03_consumer.ipynb"]]
)
def test_a_change_of_code_executes_again(copy, never_executed, files):
    for name in files:
        edit(copy / name, "print(key)", "print(len(key))")
    with pytest.raises(AssertionError, match="was executed"):
        lessons.build(copy)


def test_a_failing_solution_is_named_with_its_line_and_the_old_one_stays(copy):
    before = (copy / "solutions/03_consumer.ipynb").read_text()
    edit(copy / "solutions/03_consumer.py", "print(key)", "import os\nprint(os.getcwd())\n1 / 0")
    with pytest.raises(LessonError) as raised:
        lessons.build(copy)
    assert raised.value.what.startswith("solutions/03_consumer.py:15: ")
    assert raised.value.why == "ZeroDivisionError: division by zero"
    assert (copy / "solutions/03_consumer.ipynb").read_text() == before
    names = {path.name for path in (copy / "solutions").iterdir()}
    assert names == {"03_consumer.py", "03_consumer.ipynb", "03_consumer.png"}


def test_a_build_returns_what_it_wrote_and_tells_before_it_executes(book):
    begun = []
    assert lessons.build(book, on_execute=begun.append) == [
        book / "notebooks/03_consumer.ipynb",
        book / "solutions/03_consumer.ipynb",
    ]
    assert begun == ["03_consumer"]


def test_an_unknown_lesson_is_refused(book):
    with pytest.raises(UsageError) as raised:
        lessons.build(book, ["consumr"])
    assert "did you mean `03_consumer`?" in raised.value.hint


# -- check --


LEARNER, SOLUTION = "notebooks/03_consumer.ipynb", "solutions/03_consumer.ipynb"


VERSION = ('"name": "python"', '"name": "python", "version": "3.12"')


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (LEARNER, "print(key)", "print(1)", "is not what its source gives, first in cell 03-consumer-04"),
        (
            LEARNER,
            *VERSION,
            "is not what its source gives, in its number of cells, its outputs or its metadata",
        ),
        (LEARNER, '"nbformat"', "<<<<<<<", "is not what its source gives, it cannot even be read"),
        (SOLUTION, "print(key)", "print(1)", "is not what its source gives, first in cell 03-consumer-04"),
        (
            SOLUTION,
            '"execution_count": 4',
            '"execution_count": null',
            "was never executed in cell 03-consumer-04",
        ),
        (SOLUTION, '"source": "', '"source": "0', "holds outputs of other code than its cells show"),
        (SOLUTION, *VERSION, "was saved by another program than the builder"),
        (SOLUTION, '"nbformat"', "<<<<<<<", "is not what its source gives, it cannot even be read"),
    ],
)
def test_check_names_what_differs(copy, name, old, new, fault):
    edit(copy / name, old, new)
    assert lessons.check(copy) == [f"{name} {fault}"]


def test_check_names_what_is_missing_and_what_has_no_source(copy):
    (copy / LEARNER).rename(copy / "notebooks/09_old.ipynb")
    (copy / SOLUTION).rename(copy / "solutions/09_old.ipynb")
    assert lessons.check(copy) == [
        f"{LEARNER} is missing",
        f"{SOLUTION} is missing",
        "notebooks/09_old.ipynb has no source, remove it",
        "solutions/09_old.ipynb has no source, remove it",
    ]


def test_check_of_an_empty_workbook_is_not_in_step(tmp_path):
    assert lessons.check(tmp_path) == ["solutions/ holds no lesson source (NN_name.py)"]


@pytest.mark.parametrize("source", ["# %%\nx = 1\n", '# %% tags=["nbval-ignore-output"]\nprint(1)\n'])
def test_check_names_a_solution_that_compares_nothing(tmp_path, source):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions/03_x.py").write_text(source)
    lessons.build(tmp_path)
    assert lessons.check(tmp_path) == ["solutions/03_x.ipynb has no output that a test could compare"]


# -- nbval --


def test_nbval_passes_what_was_built_and_fails_what_changed_since(copy):
    (copy / "solutions/04_changed.ipynb").write_text((copy / SOLUTION).read_text().replace('"aa\\n"', '"other\\n"'))
    options = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}", "--noconftest", "-q"]
    argv = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "-p",
        "no:cacheprovider",
        f"--rootdir={copy}",
        "solutions",
    ]
    told = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False).stdout
    assert "1 failed, 11 passed" in told, told
    assert "04_changed.ipynb::Cell 3" in told


def sanitized(text):
    for regex, replace in get_sanitize_patterns(SANITIZE.read_text()):
        text = re.sub(regex, replace, text)
    return text


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("sk-abcdefghijklmnop_-9", "sk-KEY"),
        ("sk-…ab12 and sk-...ab12", "sk-KEY and sk-KEY"),
        ("0b8d5e0a-1c2d-4e5f-8a9b-0123456789ab", "UUID"),
        ("2026-11-24T02:10:00.123Z, 2026-11-24 02:10", "TIME, TIME"),
        ("http://127.0.0.1:41234/v1 localhost:8080", "http://HOST/v1 HOST"),
        ("vllm-granite-7d9f8b6c5d-x2x4z Running 12 s", "vllm-granite-POD Running DURATION"),
        ("350 ms, 1.25s", "DURATION, DURATION"),
        ("chatcmpl-9aB-7", "chatcmpl-ID"),
        ("<object at 0x7f00deadbeef>", "<object at 0xADDR>"),
        ("granite-3.1-8b-instruct: 3 pods, 42 tokens", "granite-3.1-8b-instruct: 3 pods, 42 tokens"),
        ("task-management-of-twenty-people", "task-management-of-twenty-people"),
    ],
)
def test_what_changes_between_runs_is_replaced_and_nothing_else(text, compared):
    assert sanitized(text) == compared
