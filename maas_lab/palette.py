"""The lab's colours, in one place: those of figures, of diagrams and of pages.

Figures are paper: they bring a white ground along, in dark themes too, and so do the words of diagrams. Pages follow
the reader's theme, and have two tones for each purpose. Tests hold the contrasts, the distances for every kind of
colour vision, and the files that cannot import this one (`lab.mplstyle`, `style.css`, `icon.svg`).
"""

from __future__ import annotations

from typing import NamedTuple

WHITE = "#FFFFFF"
INK = "#1A2330"  # text, axes, and what is not a category
QUIET = "#4F5B6B"  # text of less weight
GRID = "#D9DEE5"

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), all but the first darkened until they have a contrast of 3
# on white, and two more: a violet, and a grey for what stands for nothing in particular.
BLUE, ORANGE, GREEN, SKY = "#0072B2", "#C48200", "#00664B", "#2B9CC8"
PURPLE, BROWN, VIOLET = "#8F4A80", "#5A2A00", "#35235E"
RED, GREY = "#A8420A", "#8C8C8C"
CATEGORIES = (BLUE, ORANGE, GREEN, SKY, PURPLE, BROWN, VIOLET)


class Tone(NamedTuple):
    """A colour of pages, on a light screen and on paper, and on a dark screen."""

    light: str
    dark: str


TONES = {
    "page": Tone("#F4F6F9", "#10151C"),
    "paper": Tone(WHITE, "#18202A"),
    "ink": Tone(INK, "#E8EDF3"),
    "quiet": Tone(QUIET, "#A9B5C3"),
    "line": Tone("#CFD6DF", "#354252"),
    "edge": Tone("#6B7785", "#8592A3"),  # around what can be filled in
    "tint": Tone("#E6F0F7", "#1D2B3F"),
    "accent": Tone("#005B8F", "#8FC7EC"),
    "accent-ink": Tone(WHITE, "#0C1622"),  # on the accent
    "good": Tone("#0F6537", "#74D19B"),
    "warn": Tone("#7A4B00", "#F0BD6A"),
    "bad": Tone("#A3161C", "#FF9D9D"),
    "bad-tint": Tone("#FDECEC", "#3A1D20"),
    "bar": Tone(BLUE, "#56B4E9"),
    "focus": Tone("#C25400", "#FFB066"),
}


def css() -> str:
    """Return the tones as custom properties, e.g. `var(--ink)`; dark only on a screen that asks for it."""
    light, dark = ("".join(f"--{name}:{tone[n]};" for name, tone in TONES.items()) for n in (0, 1))
    return (
        f":root{{color-scheme:light dark;{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )


def mermaid() -> str:
    """Return the theme of the diagrams as Mermaid's front matter, which stands before the diagram.

    It is for flowcharts, whose words all stand on a colour of their own; only the lines cross the reader's theme.
    """
    colours = {
        "background": WHITE,
        "primaryColor": TONES["tint"].light,
        "primaryBorderColor": BLUE,
        "primaryTextColor": INK,
        "secondaryColor": WHITE,  # behind the words on a line
        "secondaryTextColor": INK,
        "tertiaryColor": TONES["page"].light,
        "tertiaryBorderColor": TONES["edge"].light,
        "tertiaryTextColor": INK,
        "lineColor": TONES["edge"].light,
        "textColor": INK,
    }
    lines = [f'    {name}: "{colour}"' for name, colour in colours.items()]
    return "\n".join(["---", "config:", "  theme: base", "  themeVariables:", *lines, "---", ""])
