"""The report that an accountant forwards: one file that holds everything and says what it does not know."""

import base64
import re
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from maas_lab import chargeback, outfile, plots, report, usage
from maas_lab.errors import UsageError
from maas_lab.tables import Table
from tests.test_chargeback import DAY, HOSTILE, LATER, MIXED, bill, calls, row, rows, summary

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Reads a page, and holds it to be well formed: every element is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.elements, self.words = text, [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@dataclass(frozen=True)
class Cap:
    """As maas_lab.caps has them."""

    kind: str
    name: str
    spend: float
    soft: float | None
    cap: float | None
    state: str
    secret: str = field(default="never shown", repr=False)


CAPS = Table(
    Cap, [Cap("application", "Chat", 1.5, None, 2.0, "warning"), Cap("user", HOSTILE, 0.0, None, None, "within")]
)
CALLS = pd.DataFrame({"outcome": ["answered", "rate limited"], "started_s": [0.0, 0.5], "seconds": [1.0, 0.1]})


def reconciled(*told, client=None):
    seen = calls(("Chat", "a", 15), ("Chat", "b", 40)) if client is None else client
    return chargeback.reconcile(seen, rows(*told), bill(*told), as_of=LATER)


def written(tmp_path, *told, **options):
    told = told or tuple(MIXED)
    given = {
        "title": "MaaS in November",
        "window": DAY,
        "summary": summary(*told, by=("hour", "application", "model")),
        "invoice": bill(*told, fixed=614),
    }
    return Page(report.write(tmp_path / "report.html", **given | options).read_text(encoding="utf-8"))


def whole(tmp_path):
    figures = [plots.calls_by_outcome(CALLS), plots.calls_by_outcome(CALLS.iloc[:1])]
    told = reconciled(*MIXED)
    return written(tmp_path, reconciliation=told, figures=figures, caps=CAPS, notes=["Ask <us>.", "A & B"])


def test_a_report_is_one_file_that_runs_nothing_and_loads_nothing(tmp_path):
    page = whole(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    assert page.text.startswith('<!doctype html>\n<html lang="en">')
    assert not {"script", "link", "iframe", "object", "a", "form", "base"} & {tag for tag, _ in page.elements}
    loads = [attrs[name] for _, attrs in page.elements for name in ("src", "href", "srcset") if name in attrs]
    assert all(one.startswith("data:image/png;base64,") for one in loads)
    told = re.sub(r"base64,[\w+/=]+", "", page.text)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", told)
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    policy = next(one["content"] for one in page.all("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; img-src data:")


def test_every_chart_is_in_it_with_its_words_and_its_size(tmp_path):
    images = whole(tmp_path).all("img")
    assert [one["alt"] for one in images] == [
        plots.calls_by_outcome(part).description for part in (CALLS, CALLS.iloc[:1])
    ]
    for one in images:
        png = base64.b64decode(one["src"].partition(",")[2])
        assert png.startswith(b"\x89PNG")
        assert one["alt"].encode() in png
        assert 1000 < int(one["width"]) < 4000
    assert plt.get_fignums() == []


def test_a_figure_without_words_is_refused(tmp_path):
    figure, _ = plt.subplots()
    plt.close(figure)
    with pytest.raises(UsageError, match="does not say in words"):
        written(tmp_path, figures=[figure])
    assert not list(tmp_path.iterdir())


def test_the_total_stands_on_top_and_every_table_has_caption_and_headers(tmp_path):
    page = whole(tmp_path)
    words = [word.strip() for word in page.words if word.strip()]
    begin = words.index("Total to pay")
    assert words[begin : begin + 10] == [
        *("Total to pay", "$615.08", "Hits", "4", "Rejected calls", "1"),
        *("Tokens", "155", "Applications", "2"),
    ]
    tables = page.text.split("<table>")[1:]
    assert len(tables) == 7
    assert all(one.startswith("<caption>") and 'scope="col"' in one and 'scope="row"' in one for one in tables)
    assert re.findall("<h2>(.*?)</h2>", page.text) == [
        *("Who pays what", "Charts", "Usage", "Reconciliation", "Caps"),
        *("What is measured, and what is not", "Notes"),
    ]
    assert "2026-11-20 00:00 UTC up to 2026-11-21 00:00 UTC (24 hours)" in words
    assert "$2.00" in words
    assert "never shown" not in page.text


def test_what_is_not_there_is_left_out_or_said(tmp_path):
    page = written(tmp_path)
    words = " ".join(page.words)
    assert "Not reconciled" in words
    assert "Charts" not in words
    assert "Caps" not in words
    empty = written(tmp_path, summary=summary(), invoice=bill(), notes=())
    assert "no calls were booked in this period" in " ".join(empty.words)
    assert "$0.00" in empty.words


def test_an_open_difference_is_told_on_the_first_page(tmp_path):
    told = reconciled(*MIXED, client=calls(("Chat", "a", 14), ("Chat", "b", 40)))
    words = " ".join(written(tmp_path, reconciliation=told).words)
    assert words.index("Not balanced") < words.index("To pay") < words.index("counted differently")


def test_hostile_names_are_text(tmp_path):
    told = [row("a", HOSTILE, team="<img src=x onerror=alert(1)>", model='"><script>')]
    page = written(tmp_path, *told, title=HOSTILE, caps=CAPS, notes=["<script>"], reconciliation=reconciled(*told))
    assert page.all("script") == page.all("img") == []
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert "\u202e" not in page.text


def test_long_tables_are_cut_and_say_so(tmp_path):
    told = [row(f"{n}", f"application {n:04}") for n in range(501)]
    page = written(tmp_path, *told)
    assert "To pay: the first 500 of 501 lines; the total is of all" in page.words
    assert "application 0499" in page.words
    assert "application 0500" not in page.words


def test_a_summary_of_hours_is_added_up_by_what_else_it_tells(tmp_path):
    told = [row("a"), row("b", after=3600)]
    page = written(tmp_path, *told)
    table = page.text[page.text.index("Usage as the gateway booked it</caption>") :]
    assert table.count('<th scope="row">Chat</th>') == 1
    hours = written(tmp_path, *told, summary=summary(*told, by="hour"))
    assert hours.text.count('<th scope="row">2026-11-20 1') == 2
    with pytest.raises(UsageError, match="by anything"):
        written(tmp_path, summary=summary(*told).drop(columns=["team", "application", "model"]))


def test_what_does_not_fit_together_is_refused(tmp_path):
    with pytest.raises(UsageError, match="another period"):
        written(tmp_path, window=usage.day(date(2026, 11, 21)))
    with pytest.raises(UsageError, match="one text"):
        written(tmp_path, notes="a note")
    with pytest.raises(UsageError, match="not a list of caps"):
        written(tmp_path, caps=["Chat"])


def test_a_file_is_replaced_whole_and_only_a_file(tmp_path):
    file = outfile.write(tmp_path / "report.html", b"old")
    assert file.stat().st_mode & 0o044
    whole(tmp_path)
    assert file.read_bytes().startswith(b"<!doctype")
    with pytest.raises(UsageError, match="is a folder"):
        outfile.write(tmp_path, b"")
    with pytest.raises(UsageError, match="there is no folder"):
        outfile.write(tmp_path / "nowhere" / "report.html", b"")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_what_cannot_be_written_is_told():
    with pytest.raises(UsageError, match="cannot be written") as error:
        outfile.write("/proc/report.html", b"new")
    assert error.value.hint
