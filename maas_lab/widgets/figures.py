"""Figures and files inside of HTML: images with their alternative text, and links that save a file."""

from __future__ import annotations

import base64
from html import escape

from maas_lab.plots import DescribedFigure


def image(figure: DescribedFigure) -> str:
    """Return a figure as an HTML image; who cannot see it reads its description."""
    return f'<img src="{_data("image/png", figure._repr_png_())}" alt="{escape(figure.description)}">'


def download(text: str, filename: str, kind: str, content: bytes) -> str:
    """Return a link that saves a file; the file is in the link, so nothing is asked for it.

    Args:
        text: of the link.
        filename: under which it is saved.
        kind: its media type.
        content: the file.
    """
    return f'<a href="{_data(kind, content)}" download="{escape(filename)}">{escape(text)}</a>'


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
