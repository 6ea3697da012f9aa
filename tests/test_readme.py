"""What the pages for readers say is true: picture, table of lessons, links, commands, settings and examples."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import typer

from maas_lab import settings
from maas_lab.blanks import Place, blank
from maas_lab.cli import app
from maas_lab.messages import errors, of_script
from maas_lab.messages.page import search
from maas_lab.messages.source import Source
from maas_lab.sources import read
from tests.lessons.test_structure import beats, exercises, opening

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "TROUBLESHOOTING.md", "manifests/README.md"]
SOURCES = sorted((ROOT / "solutions").glob("*.py"))
HOSTS = {  # documentation, and examples of addresses
    *("jupytext.readthedocs.io", "kustomize.io", "api.example.com:6443", "host", "host:8080", "HOST:5432"),
    *("litemaas-namespace.apps.cluster", "granite-3-1-8b-instruct-predictor.maas-system.svc.cluster.local:8080"),
}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def section(title):
    """The text below a heading of the README, up to the next one of its size."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.M | re.S)[1]


def rows(text):
    """The rows of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {number - 1 for number, line in enumerate(lines) if re.fullmatch(r"[|-]+", line)}
    cells = [re.split(r"(?<!\\) ?\| ?", line.strip("|").strip()) for line in lines]
    return [row for number, row in enumerate(cells) if number not in heads and number - 1 not in heads]


def without_code(text):
    return re.sub(r"^```.*?^```|^    .*?$|`[^`\n]*`", "", text, flags=re.M | re.S)


def anchors(text) -> Iterator[str]:
    """The places in a page that GitHub gives names to."""
    for heading in re.findall(r"^#+ (.*)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# -- the first screen --


def test_the_picture_is_made_by_a_lesson_and_told_in_words():
    words, file = re.search(r"!\[([^\]]*)\]\(([^)]*)\)", README[: README.index("## ")]).groups()
    assert (ROOT / file).read_bytes().startswith(b"\x89PNG")
    assert (ROOT / file).with_suffix(".py") in SOURCES, "`./lab lessons build` makes it, and a test compares it"
    assert len(words) > 60


def test_the_first_screen_has_the_two_commands_and_three_ways_in():
    first = README[: README.index("**On this page:**")]
    assert len(first.splitlines()) < 40
    assert all(f"\n    {command} " in first for command in ("./lab up", "./lab test"))
    assert all(f"| **{way}" in first for way in ("on a laptop", "in an OpenShift AI workbench", "an instructor"))


def told_by(source):
    """What a lesson says of itself: its title, its minutes, and for how many seconds its cells run."""
    text = re.sub(r"\s*\n# ", " ", source.read_text(encoding="utf-8"))
    title, need = re.search(r"# (\d\d · .*?)(?= # | \*\*|$)", text, re.M)[1], text[text.index("**You need**") :]
    minutes = re.search(r"about (\d+) minutes\. That is an estimate for reading and solving", need)[1]
    seconds = re.search(r"themselves run for (?:about )?(\d+(?: to \d+)?) seconds \(measured 20\d\d-\d\d-\d\d", need)[1]
    return title.strip(), f"notebooks/{source.stem}.ipynb", minutes, f"{seconds} seconds"


def test_the_table_of_the_course_says_what_its_lessons_say():
    told = [(*re.fullmatch(r"\[(.*)\]\((.*)\)", row[0]).groups(), *row[2:]) for row in rows(section("The course"))]
    assert told == [told_by(source) for source in SOURCES]


# -- every page --


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(page)))
    for target in targets:
        if urlsplit(target).scheme:
            continue
        file, _, anchor = target.partition("#")
        found = (ROOT / page).parent / unquote(file) if file else ROOT / page
        assert found.exists(), target
        assert not anchor or anchor in set(anchors(found.read_text(encoding="utf-8"))), target


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_anchors_in_a_lesson_lead_to_its_headings(source):
    cells = nbformat.read(source.with_suffix(".ipynb"), 4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    headings = {heading.replace(" ", "-") for heading in re.findall(r"^#+ (.*)", prose, re.M)}
    assert set(map(unquote, re.findall(r"\]\(#([^)]+)\)", without_code(prose)))) <= headings


@pytest.mark.parametrize("page", PAGES)
def test_a_page_knows_no_machine_and_no_secret(page):
    text = text_of(page)
    assert not re.search(rf"(?<![\w.~-])/(home|root|tmp|Users|work)/|{re.escape(str(ROOT))}", text)
    assert {urlsplit(url).netloc.rpartition("@")[2] for url in re.findall(r"[a-z]+://[^\s)`'\",|]+", text)} <= {
        *HOSTS,
        "…",
    }
    assert not re.search(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}", text)


@pytest.mark.parametrize("page", PAGES)
def test_a_table_has_as_many_cells_in_each_row_and_what_is_folded_is_closed(page):
    text = text_of(page)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table[:200]
    assert text.count("<details>") == text.count("<summary>") == text.count("</details>")


def commands(text):
    """The words of each call of `./lab` that a page shows."""
    return [found.split() for found in re.findall(r"\./lab ((?:[a-z]+)(?: (?:[a-z]+|--?[a-z-]+))*)", text)]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_is_there(page):
    top = typer.main.get_command(app)
    for words in commands(text_of(page)):
        command = top.commands.get(words[0])
        assert command, words
        if hasattr(command, "commands") and len(words) > 1:
            command = command.commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, words


@pytest.mark.parametrize("page", PAGES)
def test_every_diagram_is_told_in_words(page):
    for diagram in re.findall(r"^```mermaid\n(.*?)^```", text_of(page), re.M | re.S):
        assert re.search(r"^  accTitle: \S", diagram, re.M)
        assert len(re.search(r"^  accDescr \{(.*?)\}", diagram, re.M | re.S)[1]) > 60


# -- settings, errors, words, examples --


def test_every_setting_is_told():
    source = (ROOT / "maas_lab" / "settings.py").read_text(encoding="utf-8")
    names = set(re.findall(r"MAAS_LAB_[A-Z]+", source)) - {settings.INSTALLER}  # the lab tells it to itself
    assert {name for name in names if name not in README + text_of("manifests/README.md")} == set()
    example = re.search(r"^    \[model\]\n.*?\n\n(?=\S)", README, re.M | re.S)[0]
    for kind in (settings.ModelSettings, settings.Prices):
        assert all(re.search(rf"^    {field.name} = ", example, re.M) for field in fields(kind))
    for price in fields(settings.Prices):
        assert f"    {price.name} = {price.default}\n" in example


def test_the_most_frequent_errors_are_in_the_words_of_the_lab():
    known = [*errors(Source()), *of_script()]
    shown = [row[0] for row in rows(section("When something goes wrong").partition("What is not the lab's own")[0])]
    assert len(shown) == 11
    assert [line for line in shown if f"| {line} |" not in text_of("TROUBLESHOOTING.md")] == []
    assert [line for line in shown if not search(line, known)] == []


def test_words_are_in_order_and_each_once():
    words = [row[0] for row in rows(section("Words"))]
    assert len(words) > 60
    assert words == sorted(set(words), key=str.casefold)
    assert all(row[1] for row in rows(section("Words")))


def test_the_example_of_a_lesson_can_be_built(tmp_path):
    begun, exercise, check = re.findall(r"^```python\n(.*?)^```", section("How to write a lesson"), re.M | re.S)
    file = tmp_path / "07_ask_twice.py"
    file.write_text(begun + exercise)
    notebook, _ = read(file)
    assert opening(notebook) == exercises(notebook) == []
    assert {fault for fault in beats(notebook) if "you " in fault} == set()
    assert blank(notebook.cells[4].source, Place(file.name, 1)) == "reply = ...  # YOUR CODE"
    assert told_by(file)[2:] == ("10", "5 seconds")
    [function] = ast.parse(check).body
    assert f"checks.{function.name}(" in exercise
