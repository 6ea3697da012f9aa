"""The frame of the pages that people print and forward: nothing in them runs, nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from maas_lab import palette
from maas_lab.chargeback import tables
from maas_lab.chargeback.tables import Sheet

_STYLE = Path(__file__).with_name("report.css")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_MOST_ROWS = 500  # of a table; an invoice of thousands of lines is for a spreadsheet


def page(title: str, header: str, main: Iterable[str], when: str) -> str:
    """Return a whole page.

    Args:
        title: of the page, plain text.
        header: HTML above the sections, of `header`.
        main: sections; empty ones are left out.
        when: plain text for the end, behind the title.
    """
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(tables.clean(title))}</title>",
        f"<style>\n{palette.css()}{_STYLE.read_text(encoding='utf-8')}</style>",
    ]
    lines = "\n".join(head)
    end = f"<footer>{escape(tables.clean(title))} · {escape(when)}</footer>"
    body = "\n".join([header, "<main>", *filter(None, main), "</main>", end])
    return f'<!doctype html>\n<html lang="en">\n<head>\n{lines}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def header(title: str, below: str, figures: Mapping[str, str]) -> str:
    """Return the head of a page: its title, a line below it, and what is to be seen first, the first one largest.

    Args:
        title: plain text.
        below: plain text.
        figures: by what they are; empty ones are left out.
    """
    kinds = [' class="total"', *[""] * len(figures)]
    large = "".join(
        f"<div{kind}><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for kind, (name, value) in zip(kinds, figures.items(), strict=False)
        if value
    )
    top = f"<h1>{escape(tables.clean(title))}</h1><p>{escape(below)}</p>"
    return f'<header>{top}<dl class="figures">{large}</dl></header>'


def section(heading: str, content: str) -> str:
    """Return a section: a heading, plain text, and HTML below it."""
    return f"<section><h2>{escape(heading)}</h2>\n{content}</section>"


def paragraphs(texts: Sequence[str]) -> str:
    """Return plain texts as paragraphs."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def state(text: str, *, good: bool) -> str:
    """Return a line that says how things are; what is not good is told by its frame, too."""
    return f'<p class="state{"" if good else " open"}">{escape(text)}</p>'


def table(sheet: Sheet) -> str:
    """Return a table; of a very long one its beginning, which says so."""
    left = len(sheet.rows) - _MOST_ROWS
    if left > 0:
        caption = f"{sheet.caption}: the first {_MOST_ROWS:,} of {len(sheet.rows):,} lines; the total is of all"
        sheet = Sheet(caption, sheet.columns, sheet.rows[:_MOST_ROWS], sheet.foot, sheet.currency)
    told = escape(tables.clean(sheet.caption))
    if not sheet.rows:
        return f"<p>{told}: nothing.</p>"
    # What may scroll sideways on a small screen must be reachable by keyboard.
    return f'<div class="wide" role="region" tabindex="0" aria-label="{told}">{tables.html(sheet)}</div>'
