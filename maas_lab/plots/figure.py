"""What all figures share: a figure that describes itself, looks that do not need colours, and how names are written."""

from __future__ import annotations

import base64
import io
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from maas_lab import amounts, palette, settings
from maas_lab.errors import UsageError

STYLE = Path(__file__).parents[1] / "lab.mplstyle"
TITLE = 8.5  # pixels of a bold letter of the title, on average; measured
LETTER = 6.4  # and of a letter of the labels on the left
NAME = 28  # characters of a name that leave room for the chart
BOX = {"facecolor": palette.WHITE, "edgecolor": "none", "pad": 1, "alpha": 0.8}  # so that a label on a line can be read
WHITE = palette.WHITE  # between the parts of a chart, and of its patterns

# A marker and a pattern each, so that the colour never stands alone.
LOOKS = {
    "answered": (palette.BLUE, "o", ""),
    "rate limited": (palette.ORANGE, "X", "///"),
    "budget exceeded": (palette.RED, "s", "xxx"),
    "refused": (palette.PURPLE, "D", "..."),
    "failed": (palette.INK, "^", "\\\\\\"),
    "unreachable": (palette.GREY, "v", "---"),
}


class Look(NamedTuple):
    """How a category of a chart looks."""

    color: str
    hatch: str

    @property
    def bar(self) -> dict[str, str]:
        """Return what matplotlib needs to draw bars that look so."""
        return {"color": self.color, "hatch": self.hatch, "edgecolor": WHITE}


# The last look is that of all others together.
_HATCHES = ("", "///", "...", "\\\\\\", "++", "oo", "--")
CATEGORIES = tuple(Look(*one) for one in zip(palette.CATEGORIES, _HATCHES, strict=True))
OTHERS = Look(palette.GREY, "xx")
REJECTED = Look(palette.RED, "xxx")


# Boards draw in threads of their own while cells run, and matplotlib's settings are one for all threads.
_ALONE = threading.RLock()


class DescribedFigure(Figure):
    """A figure that says in words what it shows, for those who cannot see it.

    Attributes:
        description: the words. They go into saved PNG files, and into notebooks as alternative text.
    """

    description = ""

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure, as matplotlib does, one figure at a time; a PNG file holds the description too."""
        kind = options.get("format") or Path(str(fname)).suffix.lstrip(".") or "png"
        if kind == "png":
            options["metadata"] = {"Description": self.description, **(options.get("metadata") or {})}
        with _ALONE:
            super().savefig(fname, **options)

    def to_html(self) -> str:
        """Return the figure as an HTML image; who cannot see it reads its description."""
        return _image(self._repr_png_(), self.description)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Mapping[str, str]]]:
        # Without data, IPython takes the PNG below; nbconvert reads its alternative text from here.
        metadata = {"image/png": {"alt": self.description}}
        if not settings.is_watched():
            return {}, metadata
        # JupyterLab has no alternative text for PNGs (jupyter/enhancement-proposals, issue 120), but for HTML.
        png = self._repr_png_()
        return {"text/html": _image(png, self.description), "image/png": base64.b64encode(png).decode()}, metadata

    def _repr_png_(self) -> bytes:
        # With matplotlib 3.8 IPython learns to draw figures only after the cell that made the first one.
        with io.BytesIO() as png:
            self.savefig(png, format="png", bbox_inches="tight")
            return png.getvalue()


def _image(png: bytes, words: str) -> str:
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<img src="{source}" alt="{escape(words)}">'


@contextmanager
def styled(figsize: tuple[float, float] | None = None) -> Iterator[DescribedFigure]:
    """Make a figure in the lab's style, of so many inches, whichever thread asks, one at a time.

    pyplot does not know the figure: what it knows, a notebook shows at the end of a cell, half drawn by another thread.
    """
    with _ALONE, style.context(STYLE):
        yield DescribedFigure(figsize, layout="constrained")


@contextmanager
def drawing(
    title: str, description: str, rows: int = 1, figsize: tuple[float, float] | None = None, **options: Any
) -> Iterator[tuple[DescribedFigure, list[Axes]]]:
    """Make a figure in the lab's style, with the title above its uppermost chart.

    Args:
        title: the finding.
        description: the same and more in words.
        rows: how many charts, one above the other.
        figsize: width and height in inches; None for the style's.
        options: as `Figure.subplots` takes them.

    Raises:
        UsageError: the description is empty.
    """
    if not description.strip():
        hint = "say the finding, and what is drawn, in one or two sentences"
        raise UsageError("a figure does not say in words what it shows", "some readers cannot see it", hint)
    with styled(figsize) as figure:
        charts = list(figure.subplots(rows, squeeze=False, **options)[:, 0])
        yield figure, charts
        _entitle(charts, title)
        figure.description = description


def _entitle(charts: Sequence[Axes], title: str) -> None:
    """Put the finding above the uppermost chart, on as many lines as it needs beside the labels on the left."""
    labels = [label.get_text() for chart in charts for label in chart.get_yticklabels()]
    left = 50 + LETTER * max(map(len, labels), default=0)
    width = charts[0].figure.get_figwidth() * charts[0].figure.dpi
    charts[0].set_title(textwrap.fill(shown(title, 300), max(30, int((width - left) / TITLE))))


def shown(name: object, most: int = NAME) -> str:
    """Return a name as a chart can show it: on one line, not too long, and of characters that the font has."""
    known, text = _characters(), flat(name)
    text = "".join(one if ord(one) in known else "\N{REPLACEMENT CHARACTER}" for one in text) or "(empty)"
    # A legend leaves out what begins with an underscore.
    text = f"\N{NO-BREAK SPACE}{text}" if text.startswith("_") else text
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def flat(name: object) -> str:
    """Return a name on one line, whole."""
    return " ".join(str(name).split())


@lru_cache(maxsize=1)
def _characters() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans")))
    return frozenset(font.get_charmap())


def count(number: int, one: str) -> str:
    """Return a number with its noun: `1 call`, `1,204 calls`."""
    return f"{number:,} {one if number == 1 else one + 's'}"


def dollars(amount: Any) -> str:
    """Return an amount of money as `amounts.dollars` writes it, but billions short, so that a chart has room for them.

    Args:
        amount: a number of dollars, or a Decimal.
    """
    value = float(amount)
    sign, size = "−" if value < 0 else "", abs(value)
    if size >= 1e15:
        return f"{sign}${size:.3e}"
    return f"{sign}${round(size / 1e9, 2):,g} billion" if size >= 1e9 else amounts.dollars(value)


def percent(share: float) -> str:
    """Return a share of 1 as a whole percentage that is 0 or 100 only when nothing or everything is meant."""
    rounded = round(100 * share)
    if rounded == 0 and share > 0:
        return "under 1 %"
    if rounded == 100 and share < 1:
        return "over 99 %"
    return f"{rounded} %"


def listed(parts: Sequence[str]) -> str:
    """Return texts as an enumeration: `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""


def finish(axes: Axes, grid: str = "y") -> None:
    """Draw the lines that values are read off, behind what is shown."""
    axes.grid(axis=grid)
    axes.set_axisbelow(True)


def legend(axes: Axes, **options: Any) -> None:
    """Put the legend beside the chart, where it covers nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, **options)


def say(axes: Axes, text: str) -> None:
    """Say in the middle of a chart why there is nothing to see."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=palette.QUIET)


def whole(axis: Axis, most: int = 6) -> None:
    """Label an axis of whole numbers that begins at zero."""
    axis.set_major_locator(MaxNLocator(nbins=most, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e6:,g} M" if value >= 1e7 else f"{value:,.0f}"))
