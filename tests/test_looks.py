"""One visual voice: colours come from one place, can be told apart and read, and each figure says itself in words."""

import ast
import inspect
import itertools
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from nbconvert import HTMLExporter

from maas_lab import palette, plots, settings
from maas_lab.errors import UsageError
from maas_lab.plots.figure import CATEGORIES, LOOKS, OTHERS, REJECTED, STYLE, drawing

PACKAGE = Path(plots.__file__).parents[1]
ROOT = PACKAGE.parent
SOLUTIONS = ROOT / "solutions"

# What is left of a colour without one kind of cone, for linear RGB: G. M. Machado, M. M. Oliveira, L. A. F. Fernandes,
# "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15 (6), 2009; severity 1.0.
VISIONS = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# sRGB (IEC 61966-2-1), linear, to XYZ with D65.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
NEIGHBOURS, ANY_TWO = 20, 12  # a difference of 2 is just seen; neighbours meet in a stack, and all have a pattern too


def linear(colour):
    values = np.array(mpl.colors.to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear RGB."""
    t = XYZ @ np.clip(rgb, 0, 1) / (XYZ @ np.ones(3))
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, vision="full"):
    """The CIE 1976 difference of two colours as an eye sees them."""
    seen = [lab(np.array(VISIONS[vision]) @ linear(colour)) for colour in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def contrast(one, other):
    """The contrast of two colours as WCAG 2 defines it."""
    low, high = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_measures_are_right():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)  # the grey that WCAG's examples end at
    assert distance("#000000", "#FFFFFF") == pytest.approx(100, abs=0.1)
    for matrix in VISIONS.values():
        assert np.sum(matrix, axis=1) == pytest.approx(1, abs=1e-5)  # greys stay grey
    # A red and a green that are famous for it: hardly to be told apart by deuteranopes only.
    assert distance("#B35B00", "#807000", "deuteranopia") < 15 < 30 < distance("#B35B00", "#807000")


@pytest.mark.parametrize("vision", VISIONS)
def test_categories_are_told_apart_with_every_kind_of_colour_vision(vision):
    colours = [look.color for look in (*CATEGORIES, OTHERS, REJECTED)]
    outcomes = [colour for colour, _, _ in LOOKS.values()]
    for row in (colours, outcomes):
        assert [pair for pair in itertools.pairwise(row) if distance(*pair, vision) < NEIGHBOURS] == []
    pairs = [*itertools.combinations(colours, 2), *itertools.combinations(outcomes, 2)]
    assert [pair for pair in pairs if distance(*pair, vision) < ANY_TWO] == []


def test_no_colour_stands_alone():
    assert len({look.hatch for look in CATEGORIES}) == len(CATEGORIES)
    assert len({marker for _, marker, _ in LOOKS.values()}) == len({hatch for _, _, hatch in LOOKS.values()}) == 6


def test_lines_of_diagrams_are_seen_on_every_ground():
    line = palette.TONES["edge"].light
    assert f'lineColor: "{line}"' in palette.mermaid()
    for ground in (palette.WHITE, "#111111", "#0D1117"):  # JupyterLab's dark theme, and GitHub's
        assert contrast(line, ground) >= 3


def test_what_a_figure_draws_and_says_is_seen_on_its_ground():
    for colour in (*palette.CATEGORIES, palette.RED, palette.GREY):
        assert contrast(colour, palette.WHITE) >= 3, colour
    assert contrast(palette.INK, palette.WHITE) >= 7
    assert contrast(palette.QUIET, palette.WHITE) >= 4.5


@pytest.mark.parametrize("screen", ["light", "dark"])
def test_what_pages_say_can_be_read_in_both_themes(screen):
    tone = {name: getattr(tone, screen) for name, tone in palette.TONES.items()}
    grounds = [tone[name] for name in ("page", "paper", "tint")]
    texts = [("ink", 7), *((name, 4.5) for name in ("quiet", "accent", "good", "warn", "bad"))]
    for name, least in [*texts, ("edge", 3), ("focus", 3), ("bar", 3)]:
        assert [ground for ground in grounds if contrast(tone[name], ground) < least] == [], name
    assert contrast(tone["accent-ink"], tone["accent"]) >= 4.5
    assert contrast(tone["bad"], tone["bad-tint"]) >= 4.5
    assert contrast(tone["ink"], tone["bad-tint"]) >= 7


# -- one place --

KNOWN = {
    colour.upper()
    for colour in (
        *palette.CATEGORIES,
        palette.RED,
        palette.GREY,
        palette.GRID,
        *itertools.chain(*palette.TONES.values()),
    )
}
HEX = re.compile(r"#[0-9A-Fa-f]{6}\b|#[0-9A-Fa-f]{3}\b")
NAMED = re.compile(r"""colou?rs?["']?\s*[:=]\s*["']?(white|black|gr[ae]y|red|green|blue|orange|C\d)\b""")
FALLBACK = re.compile(r"var\(--jp-[\w-]+, #[0-9A-Fa-f]{3,6}\)")  # JupyterLab's own, elsewhere something like it
PAGES = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".css", ".svg", ".html", ".js")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_colour_is_the_palettes(path):
    text = FALLBACK.sub("", path.read_text(encoding="utf-8"))
    found = HEX.findall(text) if path.suffix != ".js" else []
    if path.suffix == ".py":
        assert path.name == "palette.py" or found == [], "palette.py is the place for it"
        assert NAMED.findall(text) == []
    assert [one for one in found if one.upper() not in KNOWN] == []


def test_the_style_sheet_of_the_portal_names_tones_as_the_palette_does():
    text = (PACKAGE / "local/frontend/pages/static/style.css").read_text(encoding="utf-8")
    told = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);", text)
    assert len(told) > 10
    assert {name: tones for name, *tones in told} == {name: list(palette.TONES[name]) for name, *_ in told}
    assert set(re.findall(r"var\(--([\w-]+)\)", text)) == {name for name, *_ in told}


def test_the_style_is_at_hand_by_its_name_and_has_the_palettes_colours():
    before = dict(plt.rcParams)
    with plt.style.context("maas_lab.lab"):
        by_name, cycle = dict(plt.rcParams), plt.rcParams["axes.prop_cycle"].by_key()["color"]
        ink, ground, grid = (plt.rcParams[name] for name in ("text.color", "figure.facecolor", "grid.color"))
        figure, axes = plt.subplots()
        (line,) = axes.plot([1, 2])
        plt.close(figure)
    assert dict(plt.rcParams) == before
    with plt.style.context(STYLE):
        assert dict(plt.rcParams) == by_name
    assert [to_hex(colour).upper() for colour in cycle] == list(palette.CATEGORIES)
    assert [to_hex(one).upper() for one in (ink, ground, grid)] == [palette.INK, palette.WHITE, palette.GRID]
    assert to_hex(line.get_color()).upper() == palette.BLUE


# -- in words --

PUBLIC = {name: getattr(plots, name) for name in plots.__all__ if inspect.isfunction(getattr(plots, name))}


def test_every_public_plot_is_made_where_a_description_is_asked_for():
    assert len(PUBLIC) >= 9
    for name, plot in PUBLIC.items():
        called = {
            node.func.id
            for node in ast.walk(ast.parse(inspect.getsource(plot)))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "drawing" in called, f"{name} is not made with `drawing`"
        assert inspect.signature(plot).return_annotation == "DescribedFigure", name
    makers = [path.name for path in (PACKAGE / "plots").glob("*.py") if "styled(" in path.read_text(encoding="utf-8")]
    assert makers == ["figure.py"]


@pytest.mark.parametrize("words", ["", " \n"])
def test_a_figure_without_words_is_refused(words):
    with pytest.raises(UsageError, match="does not say in words"), drawing("A finding", words):
        pass


def some_figure():
    calls = pd.DataFrame({"outcome": ["answered"], "started_s": [0.0], "seconds": [0.5]})
    return plots.calls_by_outcome(calls)


def test_who_watches_gets_alternative_text_and_a_stored_notebook_a_picture_with_its_words(monkeypatch):
    figure = some_figure()
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert not settings.is_watched()
    assert figure._repr_mimebundle_() == ({}, {"image/png": {"alt": figure.description}})
    monkeypatch.setenv("JPY_SESSION_NAME", "/notebooks/03_consumer.ipynb")
    figure.description = '5 < 6 & "more"'
    data, metadata = figure._repr_mimebundle_()
    assert metadata == {"image/png": {"alt": figure.description}}
    assert data["text/html"] == figure.to_html()
    assert data["text/html"].endswith('alt="5 &lt; 6 &amp; &quot;more&quot;">')
    assert data["image/png"] in data["text/html"]


ALT = re.compile(r'<img[^>]* alt="([^"]*)"')


def test_a_solution_exported_to_html_keeps_the_words():
    """Of nbconvert's templates only `classic` reads an image's `alt`; `lab` says that there is no description."""
    export = HTMLExporter(template_name="classic").from_filename
    shown = [words for path in sorted(SOLUTIONS.glob("*.ipynb")) for words in ALT.findall(export(str(path))[0])]
    assert len(shown) >= 7
    assert [words for words in shown if len(words) < 40 or "No description" in words] == []


def test_what_was_run_in_jupyterlab_keeps_the_words_in_every_export(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "/notebooks/03_consumer.ipynb")
    figure = some_figure()
    data, metadata = figure._repr_mimebundle_()
    shown = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("figure", outputs=[shown])])
    for template in ("lab", "classic"):
        page, _ = HTMLExporter(template_name=template).from_notebook_node(book)
        assert ALT.findall(page) == [figure.description]


def test_an_image_of_the_readme_has_words():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"!\[\s*\]\(\S+", text) == []
    assert [tag for tag in re.findall(r"<img\b[^>]*>", text) if not re.search(r'\balt="[^"]+"', tag)] == []
    for diagram in re.findall(r"^```mermaid\n(.*?)^```", text, re.M | re.S):
        assert diagram.startswith("flowchart "), "without a theme: GitHub takes the reader's"
        assert re.search(r"^ *accTitle: *\S", diagram, re.M)
        assert re.search(r"^ *accDescr *[:{]", diagram, re.M)
