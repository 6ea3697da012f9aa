"""The accountant's report in a real browser: accessible, narrow, printed."""

from __future__ import annotations

import re

import pytest

from maas_lab import plots, report
from tests.test_chargeback import DAY, HOSTILE, MIXED, bill, row, summary
from tests.test_report import CALLS, CAPS, reconciled


@pytest.fixture
def address(tmp_path):
    """A report with every part, and with a name that wants to break it."""
    told = [*MIXED, *(row(f"n{n}", f"application {n}") for n in range(40)), row("x", HOSTILE)]
    file = report.write(
        tmp_path / "report.html",
        title="Models-as-a-Service in November",
        window=DAY,
        summary=summary(*told, by=("application", "user", "model")),
        invoice=bill(*told, fixed=614),
        reconciliation=reconciled(*told),
        figures=[plots.calls_by_outcome(CALLS)],
        caps=CAPS,
        notes=["Sent to the heads of all teams."],
    )
    return file.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_accessible_on_a_screen(page, axe, address, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(address)
    assert axe(page) == []


def test_a_report_fits_a_telephone(page, axe, address):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert axe(page) == []


def test_a_report_is_printed_on_a4_in_dark_ink_whatever_the_screen(page, address):
    page.emulate_media(color_scheme="dark", media="print")
    page.goto(address)
    colours = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    assert colours == ["rgb(26, 35, 48)", "rgb(255, 255, 255)"]
    # What is wider than the sheet would be cut off: 210 mm less the margins.
    page.set_viewport_size({"width": round((210 - 32) / 25.4 * 96), "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert {(round(float(width)), round(float(height))) for width, height in sheets} == {(595, 842)}
    assert len(sheets) >= 3
