"""What holds for every lesson, seen from its files alone; each rule is shown to fail where it is broken."""

import ast
import copy
import json
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

import maas_lab
from maas_lab import lessons, palette

ROOT = Path(__file__).parents[2]
SOLUTIONS = [path.with_suffix(".ipynb") for path in sorted((ROOT / "solutions").glob("*.py"))]
LEARNERS = [ROOT / "notebooks" / path.name for path in SOLUTIONS]

NBVAL_SKIPS = {"image/png", "image/jpeg", "application/vnd.jupyter.widget-view+json"}
IGNORED = "nbval-ignore-output"
IGNORED_SHARE = 0.25
BANNED_TAGS = {"raises-exception", "nbval-raises-exception", "nbval-skip"}
BANNED_CODE = {
    "a trailing semicolon": re.compile(r";\s*(#.*)?\Z"),
    "an installation": re.compile(r"^\s*[!%]\s*(pip|conda|uv)\b", re.M),
    "a shell cell": re.compile(r"^%%(bash|sh|script)\b", re.M),
    "the import path": re.compile(r"\bsys\.path\b"),
    "a comment that tells nbval what to skip": re.compile(r"^\s*#+\s*(NBVAL|PYTEST_VALIDATE)_\w+", re.M),
}
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~+-])/(home|root|tmp|Users|private|usr|opt|srv)/|\b[A-Z]:\\|file://")
RAW_KEY = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}")
PARAMETER = re.compile(r"\w+: (int|float|bool|str) = [^#=]+  # \S.*")
EXERCISE = re.compile(r"\*\*Exercise (\d+\.\d+)\*\*")
BEATS = ["you will do", "you will learn", "you need", "discuss", "clean.up", "under the hood", "on your own"]


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose_of(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def tags_of(cell):
    return set(cell.metadata.get("tags", []))


def texts_of(cell):
    """The code of a cell and the text of its outputs, without pictures."""
    yield cell.source
    for output in cell.outputs:
        data = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
        yield output.get("text", "") + json.dumps(data)


# -- the rules: each returns what it has to complain about --


def is_compared(cell):
    """Whether nbval compares an output of this cell; it never does where the count is missing."""
    if cell.execution_count is None or IGNORED in tags_of(cell):
        return False
    return any(output.output_type == "stream" or set(output.data) - NBVAL_SKIPS for output in cell.outputs)


def vacuous(notebook):
    """Cells that were not executed, and sections whose code shows nothing that nbval compares."""
    found = [f"{cell.id} was not executed" for cell in code_of(notebook) if cell.execution_count is None]
    sections = {}
    for cell in notebook.cells:
        headings = re.findall(r"^## .*", cell.source, re.M) if cell.cell_type == "markdown" else []
        if headings:
            section = sections.setdefault(f"{cell.id}: {headings[-1]}", [])
        elif cell.cell_type == "code" and sections:
            section.append(cell)
    for name, cells in sections.items():
        if cells and not any(map(is_compared, cells)):
            found.append(f"nothing is compared in {name}")
    return found if sections else [*found, "there is no section"]


def ignored(notebook):
    """More cells without comparison than a lesson may have."""
    cells = code_of(notebook)
    share = sum(IGNORED in tags_of(cell) for cell in cells) / len(cells)
    return [f"{share:.0%} of the code cells are ignored"] if share > IGNORED_SHARE else []


def banned(notebook):
    """Tags and code that a lesson must not use."""
    found = [f"{cell.id} has the tag {tag}" for cell in notebook.cells for tag in tags_of(cell) & BANNED_TAGS]
    for cell in code_of(notebook):
        found += [f"{cell.id} has {what}" for what, regex in BANNED_CODE.items() if regex.search(cell.source)]
        found += [f"{cell.id} has an absolute path" for text in texts_of(cell) if ABSOLUTE_PATH.search(text)]
    return found


def imports(notebook):
    """Imports of what is not public."""
    found = []
    for cell in code_of(notebook):
        for node in ast.walk(ast.parse(TransformerManager().transform_cell(cell.source))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            found += [f"{cell.id} imports {name}" for name in names if not is_public(name)]
    return found


def is_public(name):
    parts = name.split(".")
    if parts[0] == "maas_lab" and len(parts) == 2 and parts[1] not in maas_lab.__all__:
        return False
    return parts[:2] != ["maas_lab", "local"] and not any(part.startswith("_") for part in parts)


def stored(notebook):
    """What an execution must not leave in a file."""
    found = ["widget state"] if "widgets" in notebook.metadata else []
    for cell in code_of(notebook):
        found += [f"{cell.id} stores stderr" for output in cell.outputs if output.get("name") == "stderr"]
        found += [f"{cell.id} stores an error" for output in cell.outputs if output.output_type == "error"]
        found += [f"{cell.id} stores {name}" for name in cell.metadata if name != "tags"]
    return found


def opening(notebook):
    """A title, the parameters, the connection."""
    code = [*code_of(notebook), *[nbformat.v4.new_code_cell("")] * 2]
    found = [] if notebook.cells[0].source.startswith("# ") else ["the lesson does not open with a title"]
    if "parameters" not in tags_of(code[0]):
        found.append("the first code cell is not tagged `parameters`")
    lines = code[0].source.splitlines()
    found += [f"parameter without type or comment: {line}" for line in lines if not PARAMETER.fullmatch(line)]
    if not code[1].source.startswith("from maas_lab import"):
        found.append("the second code cell does not start with `from maas_lab import`")
    return found


def beats(notebook):
    """Parts of a lesson that are missing or out of order."""
    prose, found, places = prose_of(notebook), [], []
    for beat in BEATS:
        mark = re.search(rf"^(#+ .*|\W*\*\*[^*\n]*){beat}", prose, re.M | re.I)
        found += [] if mark else [f"there is no {beat!r}"]
        places += [mark.start()] if mark else []
    return found + ([] if places == sorted(places) else ["the parts are out of order"])


def exercises(notebook):
    """Exercises that are missing, misnumbered, or without a check of their own."""
    number, open_ones, numbers, found = int(code_of(notebook)[0].id[:2]), [], [], []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for exercise in EXERCISE.findall(cell.source):
                found += [f"Exercise {name} has no check" for name in open_ones]
                open_ones = [exercise]
                numbers.append(exercise)
        elif re.search(r"^\s*checks\.\w+\(", cell.source, re.M):
            open_ones = []
    found += [f"Exercise {name} has no check" for name in open_ones]
    wanted = [f"{number}.{n}" for n in range(1, len(numbers) + 1)]
    return found + ([] if numbers and numbers == wanted else [f"exercises are {numbers}, not {wanted or 'some'}"])


def links(notebook, folder):
    """Relative links and pictures that lead nowhere."""
    prose = re.sub(r"^```.*?^```", "", prose_of(notebook), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)\s]+)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)
    local = [unquote(target.partition("#")[0]) for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:|#", target)]
    return [f"{target} leads nowhere" for target in local if target[:1] == "/" or not (folder / target).exists()]


DIAGRAM = re.compile(r"^ *```mermaid\n(.*?)^ *```", re.M | re.S)


def diagrams(notebook):
    """Diagrams that are not told to those who cannot see them, or that do not look as the lab's."""
    found = []
    for number, text in enumerate(DIAGRAM.findall(prose_of(notebook)), 1):
        found += [] if re.search(r"^ *accTitle: *\S", text, re.M) else [f"diagram {number} has no accTitle"]
        told = re.search(r"^ *accDescr *(:|\{)\s*[^\s}]", text, re.M)
        found += [] if told else [f"diagram {number} has no accDescr"]
        own = text.removeprefix(palette.mermaid())
        if own == text or re.search(r"%%\{|^config:", own, re.M):
            found.append(f"diagram {number} has a theme of its own")
        elif not own.startswith("flowchart "):
            found.append(f"diagram {number} is no flowchart, and the theme is for those")
    return found


def described(notebook):
    """Pictures among the outputs that nobody is told about."""
    found = []
    for cell in code_of(notebook):
        for output in cell.outputs:
            kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
            words = [output.metadata.get(kind, {}).get("alt", "") for kind in kinds]
            found += [f"{cell.id} shows a picture without words" for one in words if not one.strip()]
            found += [f"{cell.id} has an image without alt" for one in images(output) if not one.strip()]
    return found + [f"an image in the prose has no alt: {one}" for one in BARE_IMAGE.findall(prose_of(notebook))]


BARE_IMAGE = re.compile(r"!\[\s*\]\([^)\s]+")


def images(output):
    """The alternative texts of the images in an output's HTML."""
    tags = re.findall(r"<img\b[^>]*>", output.get("data", {}).get("text/html", ""))
    return [(re.findall(r'\balt="([^"]*)"', tag) or [""])[0] for tag in tags]


ALWAYS = [banned, imports, stored, opening, beats, exercises, diagrams, described]


# -- the lessons of this repository --


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_lessons_and_their_notebooks_are_in_step_with_their_sources():
    assert SOLUTIONS
    assert lessons.check(ROOT) == []


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", [vacuous, ignored, *ALWAYS], ids=lambda rule: rule.__name__)
def test_a_solution_keeps_the_rules(path, rule):
    assert rule(read(path)) == []


@pytest.mark.parametrize("path", LEARNERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", ALWAYS, ids=lambda rule: rule.__name__)
def test_a_learner_edition_keeps_the_rules(path, rule):
    assert rule(read(path)) == []


@pytest.mark.parametrize("path", [*SOLUTIONS, *LEARNERS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_links_lead_somewhere_and_no_file_holds_a_key(path):
    assert links(read(path), path.parent) == []
    assert not RAW_KEY.search(path.read_text(encoding="utf-8")), "a raw key"
    assert not RAW_KEY.search(path.with_suffix(".py").read_text(encoding="utf-8") if path in SOLUTIONS else "")


# -- the rules themselves --

LESSON = [
    "# 3 · Consumer\n**You will do** a\n\n**You will learn** b\n\n**You need** ten minutes",
    ("prompts: int = 3  # how many", []),
    ("from maas_lab import checks, connect\nconnect()", ["a lab"]),
    "## Mint a key\n**Exercise 3.1** Mint.\n[](https://x.de) [](#t) ![A b](a%20b.png)\n"
    f"```mermaid\n{palette.mermaid()}flowchart LR\n  accTitle: A\n  accDescr: B\n  a[x](y)\n```",
    ("key = ...  # YOUR CODE", []),
    ("checks.key_minted(key)", ["done"]),
    "## Discuss\nWhy?\n## Clean up",
    ("print('gone')", ["gone"]),
    "## Under the hood\n\n## On your own",
]


@pytest.fixture
def lesson():
    """A lesson that keeps every rule."""
    notebook = nbformat.v4.new_notebook()
    for number, part in enumerate(LESSON):
        if isinstance(part, str):
            cell = nbformat.v4.new_markdown_cell(part)
        else:
            shown = [nbformat.v4.new_output("stream", text=text) for text in part[1]]
            cell = nbformat.v4.new_code_cell(part[0], outputs=shown, execution_count=number)
        cell.id = f"03-consumer-{number:02d}"
        notebook.cells.append(cell)
    notebook.cells[1].metadata["tags"] = ["parameters"]
    return notebook


@pytest.mark.parametrize("rule", [vacuous, ignored, *ALWAYS], ids=lambda rule: rule.__name__)
def test_a_good_lesson_keeps_every_rule(lesson, rule):
    assert rule(lesson) == []


def test_a_stripped_lesson_is_vacuous(lesson):
    stripped = copy.deepcopy(lesson)
    for cell in code_of(stripped):
        cell.outputs, cell.execution_count = [], None
    assert len([fault for fault in vacuous(stripped) if "was not executed" in fault]) == 5
    assert len([fault for fault in vacuous(stripped) if "nothing is compared" in fault]) == 2
    for cell in code_of(lesson):
        cell.outputs = []
    assert vacuous(lesson) == [
        "nothing is compared in 03-consumer-03: ## Mint a key",
        "nothing is compared in 03-consumer-06: ## Clean up",
    ]


@pytest.mark.parametrize("kind", sorted(NBVAL_SKIPS))
def test_a_section_that_shows_only_what_nbval_skips_is_vacuous(lesson, kind):
    lesson.cells[5].outputs = [nbformat.v4.new_output("display_data", data={kind: "x"})]
    assert vacuous(lesson) == ["nothing is compared in 03-consumer-03: ## Mint a key"]
    lesson.cells[5].outputs[0].data["text/plain"] = "a figure"
    assert vacuous(lesson) == []
    lesson.cells[5].metadata["tags"] = [IGNORED]
    assert vacuous(lesson) == ["nothing is compared in 03-consumer-03: ## Mint a key"]


def test_two_ignored_cells_of_five_are_too_many(lesson):
    lesson.cells[4].metadata["tags"] = [IGNORED]
    assert ignored(lesson) == []
    lesson.cells[5].metadata["tags"] = [IGNORED]
    assert ignored(lesson) == ["40% of the code cells are ignored"]


@pytest.mark.parametrize(
    ("rule", "cell", "source"),
    [
        *[(banned, 4, source) for source in ("key;", "key;  # shown", "!pip install x", "%pip install x")],
        *[(banned, 4, source) for source in ("%%bash\nls", "import sys\nsys.path.append('x')")],
        *[(banned, 4, source) for source in ("# NBVAL_IGNORE_OUTPUT\nkey", "open('/home/a/b')", "'file:///x'")],
        (imports, 4, "from maas_lab._rest import get"),
        (imports, 4, "from maas_lab.rest import _get"),
        (imports, 4, "if True:\n    from maas_lab import local"),
        (imports, 4, "import maas_lab.local.stack"),
        (imports, 4, "from maas_lab import nothing_public"),
        (opening, 0, "Consumer"),
        (opening, 1, "prompts: int = 3"),
        (opening, 1, "prompts = 3  # how many"),
        (opening, 1, "prompts: list = [3]  # how many"),
        (opening, 2, "import maas_lab"),
        (beats, 0, "# T\n**You will learn** b **You will do** a\n**You need** c"),
        (beats, 0, "# T\n**You will learn** b\n\n**You will do** a\n\n**You need** c"),
        (beats, 6, "## On"),
        (beats, 8, "Under the hood, on your own"),
        (described, 3, "![](a.png)"),
        (diagrams, 3, "```mermaid\nflowchart LR\n  accTitle: A\n  accDescr: B\n```"),
        *[
            (diagrams, 3, f"```mermaid\n{palette.mermaid()}{own}flowchart LR\n{told}```")
            for own, told in [
                ("", "  accTitle: A\n"),
                ("", "  accDescr: B\n"),
                ("", "  accTitle:\n  accDescr: B\n"),
                ("", "  accTitle: A\n  accDescr {\n  }\n"),
                ("%%{init: {'theme': 'dark'}}%%\n", "  accTitle: A\n  accDescr: B\n"),
                ("sequenceDiagram\n", "  accTitle: A\n  accDescr: B\n"),
            ]
        ],
        (exercises, 3, "## No exercise"),
        (exercises, 3, "**Exercise 3.1** a **Exercise 3.2** b"),
        (exercises, 3, "**Exercise 3.2** a"),
        (exercises, 3, "**Exercise 4.1** a"),
        (exercises, 5, "print('checks.key_minted(key)')"),
    ],
)
def test_a_lesson_that_breaks_a_rule_is_found(lesson, rule, cell, source):
    lesson.cells[cell].source = source
    assert rule(lesson) != []


def test_what_an_execution_left_behind_is_found(lesson):
    lesson.metadata["widgets"] = {}
    lesson.cells[2].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="warning"))
    lesson.cells[4].outputs.append(nbformat.v4.new_output("error", ename="E", evalue="e", traceback=[]))
    lesson.cells[5].metadata["execution"] = {"iopub.status.busy": "2026"}
    assert len(stored(lesson)) == 4
    lesson.cells[5].outputs[0].text = "wrote /root/.maas-lab/report.html"
    assert banned(lesson) == ["03-consumer-05 has an absolute path"]
    for tag in BANNED_TAGS:
        lesson.cells[5].metadata["tags"] = [tag]
        assert f"03-consumer-05 has the tag {tag}" in banned(lesson)


def test_a_picture_without_words_is_found(lesson):
    shown = nbformat.v4.new_output("display_data", data={"image/png": "x"}, metadata={"image/png": {"alt": "A b"}})
    lesson.cells[4].outputs.append(shown)
    assert described(lesson) == []
    shown.metadata["image/png"]["alt"] = " "
    assert described(lesson) == ["03-consumer-04 shows a picture without words"]
    shown.metadata = {}
    shown.data["text/html"] = '<p><img src="data:,"></p><img src="data:," alt="A b">'
    assert described(lesson) == [
        "03-consumer-04 shows a picture without words",
        "03-consumer-04 has an image without alt",
    ]


def test_a_link_that_leads_nowhere_and_a_raw_key_are_found(lesson, tmp_path):
    assert links(lesson, tmp_path) == ["a b.png leads nowhere"]
    (tmp_path / "a b.png").touch()
    assert links(lesson, tmp_path) == []
    assert RAW_KEY.search(json.dumps({"key": "sk-" + "a1_-" * 4}))
    assert not RAW_KEY.search("task-management-of-many-people sk-…ab12")


def test_the_stored_rollout_lost_no_call():
    """A rebuild stores whatever was measured, and from then on every better run would count as wrong."""
    cells = nbformat.read(ROOT / "solutions" / "02_provider.ipynb", 4).cells
    told = [output.text for cell in cells for output in cell.get("outputs", ()) if "calls that failed:" in str(output)]
    assert len(told) == 1
    assert told[0].endswith("calls that failed: 0\n")
