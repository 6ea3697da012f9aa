"""From usage to money: what adds up, what is refused, and what is told about every difference."""

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maas_lab import chargeback, plots, usage
from maas_lab.chargeback import PriceList
from maas_lab.chargeback.allocation import largest_remainder
from maas_lab.chargeback.prices import PUBLISHED
from maas_lab.errors import AccountingError, EnvironmentFault, LabError, MissingPrice, UsageError
from maas_lab.portal_usage import Names, Usage, UsageRow
from maas_lab.rows import CatalogModel

DAY = usage.day(date(2026, 11, 20))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=9)
CAPTURES = Path(__file__).parent / "captures" / "litemaas"
HOSTILE = "=cmd|'/c calc'!A1<script>alert(1)</script>\n**x** \u202e"


def row(id, application="Chat", *, team="Support", prompt=10, completion=5, cost=0.015, after=0.0, **more):
    """A row of the gateway: a call that was answered, unless told otherwise."""
    total = None if prompt is None else prompt + completion
    told = {
        "time": NOON + timedelta(seconds=after),
        "request_id": id,
        "application": application,
        "team": team,
        "user": "alice",
        "key": f"{application} key",
        "key_hash": "0" * 64,
        "model": "tiny",
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "cost": cost,
        "status": "success",
        "outcome": "answered",
        "latency_s": 1.0,
        "streamed": False,
    }
    return told | more


def refused(id, application="Chat", **more):
    return row(id, application, prompt=0, completion=0, cost=0.0, status="failure", outcome="rate limited", **more)


def rows(*told):
    frame = pd.DataFrame(list(told), columns=list(usage.empty_rows().columns))
    return frame.astype(usage.empty_rows().dtypes.to_dict())


def summary(*told, by=("team", "application", "model")):
    return usage.summary(rows(*told), by=by)


def bill(*told, **options):
    options = {"window": DAY, **options}
    return chargeback.invoice(summary(*told, by=options.pop("keep", ("team", "application", "model"))), **options)


# Prices

GOOD = [
    "item,unit,price,currency,valid_from,source,read_on,note",
    "tiny,1M prompt tokens,1000,USD,2026-11-01,we decided,2026-11-01,",
    'tiny,1M completion tokens,2000,USD,2026-11-01,we decided,2026-11-01,"a note, with a comma"',
    "tiny,1M prompt tokens,1500,USD,2026-11-15,we decided,2026-11-14,dearer",
]


@pytest.fixture
def listed(tmp_path):
    """Write lines into a file and read it."""

    def read(lines, encoding="utf-8"):
        file = tmp_path / "mine.csv"
        file.write_bytes("\n".join(lines).encode(encoding))
        return PriceList.read(file)

    return read


def test_the_newest_price_that_is_not_younger_than_the_day_counts(listed):
    prices = listed(GOOD)
    assert prices.price("tiny", "1M prompt tokens", date(2026, 11, 14)) == 1000
    assert prices.price("tiny", "1M prompt tokens", date(2026, 11, 15)) == 1500
    assert prices.price("tiny", "1M prompt tokens", datetime(2026, 11, 20, tzinfo=UTC)) == 1500
    assert prices.model("tiny", date(2026, 11, 20)) == chargeback.TokenPrice(Decimal("0.0015"), Decimal("0.002"))
    assert prices.find("tiny", "1M completion tokens", date(2026, 11, 20)).note == "a note, with a comma"
    assert repr(prices) == "PriceList(mine.csv: 3 prices in USD)"


def test_every_published_price_has_a_source_a_day_and_a_word_on_how_far_to_trust_it():
    prices = PriceList.read()
    assert len(prices) == 30
    assert all(row.source and row.read_on == date(2026, 11, 23) and "read" in row.note for row in prices.rows)
    assert list(prices.frame.columns) == GOOD[0].split(",")
    groq = prices.model("Llama-3.1-8B (Groq)", date(2026, 11, 28))
    assert (groq.prompt * 1_000_000, groq.completion * 1_000_000) == (Decimal("0.05"), Decimal("0.08"))
    assert "Llama-3.1-8B (Groq)" in prices._repr_html_()


def test_a_mark_of_excel_and_empty_lines_do_no_harm(listed):
    assert listed([GOOD[0], "", *GOOD[1:], ",,,,,,,", ""], "utf-8-sig").rows == listed(GOOD).rows


def changed(line, old, new):
    return [text.replace(old, new) if n == line else text for n, text in enumerate(GOOD)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([""], ["mine.csv holds no prices"]),
        (GOOD[:1], ["mine.csv holds no prices"]),
        (changed(0, ",note", ""), ["line 1", "no column `note`"]),
        (changed(0, "valid_from", "valid form"), ["line 1", "no column `valid_from`", "it has `valid form`"]),
        (changed(0, ",note", ",note,note"), ["line 1", "`note` is one too many"]),
        ([line.replace(",", ";") for line in GOOD], ["line 1", "semicolons"]),
        (changed(2, "2000", "20o0"), ["line 3", "`20o0` is not a number"]),
        (changed(2, "2000", '"0,05"'), ["line 3", "decimal comma", "write 0.05"]),
        (changed(2, "2000", "0,05"), ["line 3", "do not fit", "9 fields"]),
        (changed(2, "2000", "$2000"), ["line 3", "not a number", "without a currency's sign"]),
        (changed(2, "2000", "nan"), ["line 3", "not a number"]),
        (changed(2, "2000", "1e400"), ["line 3", "not a number"]),
        (changed(2, "2000", ""), ["line 3", "`price` is empty"]),
        (changed(2, "2000", "-2000"), ["line 3", "-2000 is negative"]),
        (changed(2, "2026-11-01,we", "1.11.2026,we"), ["line 3", "`valid_from` is `1.11.2026`", "2026-11-28"]),
        (changed(2, "2026-11-01,we", "2026-11-31,we"), ["line 3", "`valid_from` is `2026-11-31`", "not a day"]),
        (changed(2, "USD", "EUR"), ["line 3", "EUR", "line 2 has USD"]),
        (changed(2, "USD", "dollar"), ["line 3", "`dollar` is not a currency"]),
        (changed(2, "we decided", ""), ["line 3", "`source` is empty", "cannot be checked"]),
        (changed(2, "completion", "complettion"), ["line 3", "did you mean `1M completion tokens`?"]),
        ([*GOOD, GOOD[1]], ["line 5", "line 2 has the same"]),
        ([*GOOD, GOOD[1][:-3]], ["line 5", "do not fit"]),
        ([*GOOD, 'tiny,"1M'], ["line 5", "not CSV"]),
    ],
)
def test_a_mistake_in_a_price_list_is_told_with_its_line(listed, lines, words):
    with pytest.raises(AccountingError) as error:
        listed(lines)
    told = "\n".join(error.value.lines())
    assert [word for word in ["mine.csv", *words] if word not in told] == []
    assert error.value.hint


@pytest.mark.parametrize(("encoding", "line"), [("utf-16", 1), ("latin-1", 5)])
def test_a_list_in_another_encoding_is_told(listed, encoding, line):
    with pytest.raises(AccountingError, match=f"line {line}: this is not text in UTF-8"):
        listed([*GOOD, GOOD[1].replace("tiny", "größer")], encoding)


def test_a_list_that_is_not_there_is_told(tmp_path):
    with pytest.raises(AccountingError, match=r"mine\.csv cannot be read") as error:
        PriceList.read(tmp_path / "mine.csv")
    assert ".save(path)" in error.value.hint
    with pytest.raises(AccountingError, match="cannot be read"):
        PriceList.read(tmp_path)


def test_a_missing_price_says_which_and_the_line_to_add(listed):
    prices = listed(GOOD)
    with pytest.raises(
        MissingPrice, match=r"mine\.csv has no price of tinny \(1M prompt tokens\) on 2026-11-20"
    ) as error:
        prices.model("tinny", date(2026, 11, 20))
    assert error.value.why == "did you mean `tiny`?"
    line = error.value.hint.splitlines()[-1]
    assert line.startswith("tinny,1M prompt tokens,PRICE,USD,2026-11-20,SOURCE,")
    filled = line.replace("PRICE", "3").replace("SOURCE", "we decided")
    assert listed([*GOOD, filled]).price("tinny", "1M prompt tokens", date(2026, 11, 20)) == 3
    with pytest.raises(AccountingError, match="`PRICE` is not a number"):
        listed([*GOOD, line])
    with pytest.raises(MissingPrice) as error:
        prices.model("tiny", date(2026, 10, 31))
    assert error.value.why == "its first price is valid from 2026-11-01"
    with pytest.raises(UsageError, match="no unit `1M tokens`"):
        prices.price("tiny", "1M tokens", date(2026, 11, 20))


def test_a_copy_can_be_edited_and_is_never_written_over(tmp_path):
    file = PriceList.read().save(tmp_path / "mine.csv")
    assert file.read_text() == PUBLISHED.read_text()
    assert PriceList.read(file).rows == PriceList.read().rows
    with pytest.raises(UsageError, match="exists already"):
        PriceList.read().save(file)
    with pytest.raises(UsageError, match="is a folder"):
        PriceList.read().save(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        PriceList.read().save(tmp_path / "nowhere" / "mine.csv")
    assert [one.name for one in tmp_path.iterdir()] == ["mine.csv"]


def test_the_gateways_catalogue_is_a_price_list(tmp_path):
    model = CatalogModel("tiny", "1", "tiny", "http://x", 0.001, 2e-07)
    prices = PriceList.of([model, model])
    assert prices.model("tiny", date(2026, 11, 20)) == chargeback.TokenPrice(Decimal("0.001"), Decimal("2E-7"))
    assert PriceList.read(prices.save(tmp_path / "mine.csv")).model("tiny", date(2000, 1, 1)).prompt == Decimal("0.001")
    with pytest.raises(AccountingError, match="tiny has two prices"):
        PriceList.of([model, CatalogModel("tiny", "2", "tiny", "http://x", 0.002, 2e-07)])


def test_the_price_list_is_part_of_the_package():
    """Flit takes every file of the module's folder into the wheel that is not left out by name."""
    assert PUBLISHED.is_file()
    assert (PUBLISHED.parents[1] / "report.css").is_file()
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert 'name = "maas_lab"' in text
    assert "exclude" not in text.split("[tool.flit")[1].split("[tool.ruff]")[0]


# Allocation


@settings(deadline=None)
@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(sum))
def test_parts_add_up_and_none_is_off_by_a_cent(cents, weights):
    total = Decimal(cents) / 100
    parts = largest_remainder(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - total * weight / sum(weights)) < Decimal("0.01")
        assert weight or part == 0


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from(["tokens", "hits", "peak", "even"]))
def test_any_allocation_adds_up_whatever_the_order_of_rows(data, key):
    told = [
        row(str(n), data.draw(st.sampled_from("ABCD")), prompt=data.draw(st.integers(1, 999)), after=3600.0 * (n % 3))
        for n in range(data.draw(st.integers(1, 12)))
    ]
    frame = summary(*told, by=("application", "hour", "outcome"))
    total = data.draw(st.decimals(0, 10**6, places=2))
    found = chargeback.allocate(total, frame, key)
    assert sum(found["amount"]) == total
    assert found["share"].sum() == pytest.approx(1)
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(chargeback.allocate(total, shuffled, key), found)


def test_each_key_shares_by_what_it_says():
    busy = [row(f"b{n}", "Batch", prompt=90, completion=10) for n in range(3)]
    steady = [row(f"s{n}", "Steady", prompt=90, completion=10, after=3600.0 * n) for n in range(3)]
    frame = summary(*busy, *steady, row("c", "Chat", prompt=100, completion=100), by=("application", "hour"))
    shares = {
        key: chargeback.allocate(800, frame, key).set_index("application")["amount"].to_dict()
        for key in ("tokens", "hits", "peak", "even")
    }
    assert shares["tokens"] == {"Batch": 300, "Chat": 200, "Steady": 300}
    assert shares["hits"] == {"Batch": Decimal("342.86"), "Chat": Decimal("114.28"), "Steady": Decimal("342.86")}
    assert shares["peak"] == {"Batch": 400, "Chat": Decimal("266.67"), "Steady": Decimal("133.33")}
    assert sum(shares["even"].values()) == 800


def test_who_has_no_name_gets_a_share_and_stands_last():
    frame = summary(row("a", "Chat"), row("b", usage.UNLABELLED), row("c", "zebra"), by="application")
    found = chargeback.allocate("1.00", frame)
    assert found["application"].to_list() == ["Chat", "zebra", usage.UNLABELLED]
    assert found["amount"].to_list() == [Decimal("0.34"), Decimal("0.33"), Decimal("0.33")]
    missing = frame.assign(application=["Chat", None, "zebra"])
    assert chargeback.allocate(1, missing)["application"].to_list()[-1] == usage.UNLABELLED


@pytest.mark.parametrize(
    ("total", "told", "key", "words"),
    [
        (-1, [row("a")], "tokens", "a refund is no cost"),
        (float("nan"), [row("a")], "tokens", "not a number"),
        ("twelve", [row("a")], "tokens", "not a number"),
        (1e30, [row("a")], "tokens", "cannot be right"),
        (1, [], "tokens", "nobody to share"),
        (1, [refused("a")], "tokens", 'key="even"'),
        (1, [refused("a")], "hits", 'key="even"'),
        (1, [refused("a")], "peak", 'key="even"'),
        (1, [row("a")], "beauty", "tokens, hits, peak, even"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(total, told, key, words):
    with pytest.raises(LabError) as error:
        chargeback.allocate(total, summary(*told, by=("application", "hour")), key)
    assert words in "\n".join(error.value.lines())


def test_a_summary_without_what_is_needed_says_how_to_make_it():
    with pytest.raises(UsageError, match="no column `hour`") as error:
        chargeback.allocate(1, summary(row("a")), "peak", by="application")
    assert error.value.hint == "make it with usage.summary(rows, by=('application', 'hour'))"
    with pytest.raises(UsageError, match="each once"):
        chargeback.allocate(1, summary(row("a")), by=())


def test_nothing_to_pay_is_shared_by_nobody_and_by_all():
    assert chargeback.allocate(0, summary(by=("application",))).empty
    for told in ([row("a")], [refused("a")]):
        assert chargeback.allocate(0, summary(*told))["amount"].to_list() == [0]


# Invoice

MIXED = [
    row("a", "Chat", cost=0.015),
    row("b", "Chat", prompt=20, completion=20, cost=0.06),
    refused("c", "Chat", model="tinny"),
    row("d", "Batch", team="Research", prompt=100, completion=0, cost=1.005),
    row("e", usage.UNLABELLED, team=usage.NO_TEAM, prompt=None, completion=None, cost=0.001),
]


def test_an_invoice_holds_everything_and_its_total_is_the_sum_of_its_lines():
    found = bill(*MIXED, fixed="100", allocation="hits")
    lines = found.totals.set_index("application")
    assert found.totals["team"].to_list() == ["Research", "Support", usage.NO_TEAM]
    assert lines["usage"].to_dict() == {"Batch": Decimal("1.00"), "Chat": Decimal("0.08"), usage.UNLABELLED: 0}
    assert lines["platform"].to_dict() == {"Batch": 25, "Chat": 50, usage.UNLABELLED: 25}
    assert lines["rejected"].to_dict() == {"Batch": 0, "Chat": 1, usage.UNLABELLED: 0}
    assert lines["unmetered"].to_dict() == {"Batch": 0, "Chat": 0, usage.UNLABELLED: 1}
    assert found.total == sum(found.totals["total"]) == Decimal("101.08")
    assert found.lines["hits"].sum() + found.lines["rejected"].sum() == len(MIXED)
    rejected = found.lines[found.lines["model"] == "tinny"].iloc[0]
    assert (rejected["hits"], rejected["rejected"], rejected["amount"]) == (0, 1, 0)
    assert repr(found) == "Invoice(Chargeback: 3 lines, $101.08)"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 1000), min_size=1, max_size=40))
def test_rounding_is_stated_so_that_nothing_gets_lost(costs):
    told = [row(str(n), "ABC"[n % 3], cost=cost) for n, cost in enumerate(costs)]
    found = bill(*told)
    exact = sum(Fraction(usage.money(cost)) for cost in costs)
    assert sum(map(Fraction, found.lines["exact"])) == exact
    assert Fraction(found.total) - Fraction(found.rounding) == exact
    assert abs(found.rounding) <= Decimal("0.005") * len(found.lines)


def test_halves_are_rounded_to_even():
    found = bill(row("a", "A", cost=0.005), row("b", "B", cost=0.015), row("c", "C", cost=0.025))
    assert found.lines["amount"].to_list() == [Decimal("0.00"), Decimal("0.02"), Decimal("0.02")]


def test_tokens_are_priced_again_by_a_list_and_refused_calls_need_no_price(listed):
    prices = listed(GOOD)
    found = bill(*MIXED, prices=prices)
    lines = found.lines.set_index(["application", "model"])["exact"]
    assert lines["Chat", "tiny"] == 30 * Decimal("0.0015") + 25 * Decimal("0.002")
    assert lines["Chat", "tinny"] == 0
    assert "price list: mine.csv" in found.markdown()
    assert "| tiny | 1M prompt tokens | 1500.00 | 2026-11-15 | we decided | dearer |" in found.markdown()
    assert "<caption>Prices</caption>" in found.html()
    assert "<caption>Prices</caption>" not in bill(*MIXED).html()
    assert "1 call was answered without a token count, with nothing to be billed by" in found.markdown()


def test_a_price_that_changes_inside_of_the_period_needs_hours(listed):
    prices, month = listed(GOOD), usage.month(2026, 11)
    early = datetime(2026, 11, 14, 23, 59, tzinfo=UTC)
    told = [row("a", prompt=10, completion=0, time=early), row("b", prompt=10, completion=0)]
    with pytest.raises(UsageError, match="changes on 2026-11-15, inside of the period") as error:
        bill(*told, prices=prices, window=month)
    assert '"hour"' in error.value.hint
    hours = ("hour", "team", "application", "model")
    assert bill(*told, prices=prices, window=month, keep=hours).lines["exact"].to_list() == [Decimal("0.025")]
    # In Berlin the new day has begun an hour before.
    berlin = usage.month(2026, 11, tz="Europe/Berlin")
    assert bill(*told, prices=prices, window=berlin, keep=hours).lines["exact"].to_list() == [Decimal("0.030")]


def test_a_missing_price_is_no_silent_zero(listed):
    with pytest.raises(MissingPrice, match="no price of another"):
        bill(row("a", model="another"), prices=listed(GOOD))


def test_no_calls_are_an_invoice_of_nothing_that_says_so():
    found = bill()
    assert found.total == 0
    assert "no calls were booked in this period" in found.markdown()
    assert found.csv().count("\r\n") == 1
    with pytest.raises(AccountingError, match="nobody to share"):
        bill(fixed=614)


def test_negative_costs_are_credits_and_impossible_ones_are_refused():
    found = bill(row("a", cost=-2.5), row("b", "Batch", cost=1))
    assert found.total == Decimal("-1.50")
    assert "negative lines: 1" in found.markdown()
    assert "-\\$2.50" in found.markdown()
    with pytest.raises(AccountingError, match=r"a cost is 1E\+30") as error:
        bill(row("a", cost=1e30))
    assert "cannot be right" in error.value.why
    broken = summary(row("a")).assign(total_tokens=-1)
    with pytest.raises(AccountingError, match="`total_tokens` of the summary is negative"):
        chargeback.invoice(broken, window=DAY)
    with pytest.raises(AccountingError, match="a cost is NaN"):
        chargeback.invoice(summary(row("a")).assign(cost=[Decimal("NaN")]), window=DAY)


def test_tiny_amounts_are_never_shown_as_nothing():
    text = bill(row("a", cost=0.0000001)).markdown()
    assert "\\$0.00 (0.0000001)" in text
    assert "the exact usage is \\$0.0000001, so rounding has taken away \\$0.0000001" in text


def test_the_period_is_told_with_its_zone_and_daylight_saving():
    march = usage.month(2026, 3, tz="Europe/Berlin")
    found = bill(window=march)
    assert "Period: 2026-03-01 00:00 CET up to 2026-04-01 00:00 CEST" in found.markdown()
    assert "31 days" in found._repr_html_()
    assert "23 hours" in bill(window=usage.day(date(2026, 3, 29), tz="Europe/Berlin"))._repr_html_()
    assert "24 hours" in bill(window=usage.last(24))._repr_html_()
    assert "11 minutes" in bill(window=usage.Window(NOON, NOON + timedelta(minutes=11, seconds=3)))._repr_html_()
    assert "1 minute, " in bill(window=usage.Window(NOON, NOON + timedelta(seconds=70)))._repr_html_()


def test_usage_of_another_period_is_refused():
    with pytest.raises(UsageError, match="outside of the invoice's period"):
        bill(row("a"), window=usage.day(date(2026, 11, 21)), keep=("hour", "team", "application", "model"))
    with pytest.raises(UsageError, match="is not a window"):
        bill(row("a"), window=(NOON, LATER))


def test_a_notebook_shows_the_same_for_any_running_window():
    first, second = (usage.Window(NOON + n * timedelta(days=1), LATER + n * timedelta(days=1)) for n in range(2))
    assert bill(*MIXED, window=first)._repr_html_() == bill(*MIXED, window=second)._repr_html_()


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def test_hostile_names_are_text_in_every_format(tmp_path):
    found = bill(row("a", HOSTILE, team="@SUM(A1)|x", model="-1+1"), title="<b>Bill</b> | `x`")
    page = Page(found.html())
    assert {tag for tag, _ in page.tags} <= {"section", "h2", "p", "strong", "table", "caption", "thead", "tbody"} | {
        *("tfoot", "tr", "th", "td", "dl", "dt", "dd")
    }
    assert any("<script>" in word for word in page.words)
    assert "\u202e" not in found.html() + found.markdown() + found.csv()
    line = next(line for line in found.markdown().splitlines() if "calc" in line)
    assert line.replace("\\|", "").count("|") == 7
    assert "\\<script\\>" in line
    assert "\\*\\*x" in line
    record = next(csv.DictReader(io.StringIO(found.csv())))
    assert record["application"].startswith("'=cmd|")
    assert record["team"] == "'@SUM(A1)|x"
    assert record["model"] == "'-1+1"
    assert Decimal(record["amount"]) == found.total


def test_amounts_of_the_csv_add_up_to_the_total():
    found = bill(*MIXED, fixed=614)
    records = list(csv.DictReader(io.StringIO(found.csv())))
    assert sum(Decimal(one["amount"]) for one in records) == found.total
    assert [one["kind"] for one in records] == ["usage"] * 4 + ["platform"] * 3
    assert records[0]["since"] == "2026-11-20T00:00:00+00:00"


def test_a_workbook_holds_numbers_and_no_formulas(tmp_path):
    import openpyxl

    found = bill(*MIXED, row("x", HOSTILE), fixed=614)
    book = openpyxl.load_workbook(found.xlsx(tmp_path / "bill.xlsx"))
    assert book.sheetnames == ["To pay", "Usage by model", "About"]
    cells = [cell for page in book for line in page.iter_rows() for cell in line if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    page = book["To pay"]
    labels = [cell.value for cell in page[1]]
    total = labels.index("Total (USD)")
    assert Decimal(str(page.cell(page.max_row, total + 1).value)) == found.total
    assert sum(Decimal(str(page.cell(n, total + 1).value)) for n in range(2, page.max_row)) == found.total
    exact = [cell.value for cell in book["Usage by model"][1]].index("Exact")
    assert Decimal(str(book["Usage by model"].cell(2, exact + 1).value)) == Decimal("1.005")
    with pytest.raises(UsageError, match="is a folder"):
        found.xlsx(tmp_path)


def test_without_openpyxl_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(EnvironmentFault, match="openpyxl") as error:
        bill(row("a")).xlsx(tmp_path / "bill.xlsx")
    assert "-m pip install openpyxl" in error.value.hint
    assert not list(tmp_path.iterdir())


# Reconciliation


def calls(*told):
    """Calls as clients saw them: `(application, id, tokens)` and what differs."""
    lines = []
    for n, (application, id, tokens, *more) in enumerate(told):
        line = {"application": application, "request_id": id, "outcome": "answered", "total_tokens": tokens}
        lines.append(line | {"started_s": float(n), "seconds": 1.0} | (more[0] if more else {}))
    frame = pd.DataFrame(
        lines, columns=["application", "request_id", "outcome", "total_tokens", "started_s", "seconds"]
    )
    return frame.astype({"total_tokens": "Int64", "started_s": float, "seconds": float})


def reconciled(client, *booked, as_of=LATER, of=None, **options):
    found = chargeback.reconcile(client, rows(*booked), bill(*(booked if of is None else of), **options), as_of=as_of)
    table, causes = found.table, found.differences.groupby("application")["tokens"].sum()
    assert (table["invoiced_tokens"] - table["client_tokens"] == table["difference"]).all()
    # Whatever differs is told, to the token.
    assert table.set_index("application")["difference"].to_dict() == {
        name: int(causes.get(name, 0)) for name in table["application"]
    }
    return found


def told(found):
    frame = found.differences
    return {(one.application, one.cause): (one.calls, one.tokens) for one in frame.itertuples()}


def test_equal_accounts_are_balanced():
    found = reconciled(calls(("Chat", "a", 15), ("Batch", "b", 15)), row("a"), row("b", "Batch"))
    assert found.balanced
    assert found.differences.empty
    assert found.table.to_dict("list") == {
        "application": ["Batch", "Chat"],
        "client_tokens": [15, 15],
        "booked_tokens": [15, 15],
        "invoiced_tokens": [15, 15],
        "difference": [0, 0],
    }
    assert repr(found) == "Reconciliation(balanced: 2 applications, 0 differences, all explained)"
    assert found.money["explanation"].to_list() == ["rounded to cents, line by line"] * 2


NO = {"outcome": "rate limited"}
CASES = {
    "rejected": (
        calls(("Chat", "a", 15), ("Chat", "b", 0, NO), ("Chat", "", 0, {"outcome": "unreachable"})),
        [row("a"), refused("b")],
        {("Chat", "rejected"): (2, 0)},
    ),
    "a wrong key": (
        calls(("Chat", "a", 15), ("Chat", "b", 0, {"outcome": "refused"})),
        [row("a"), refused("b", usage.UNLABELLED, key=usage.NO_KEY)],
        {("Chat", "rejected"): (1, 0)},
    ),
    "refusals that told no id": (
        calls(
            ("Chat", "a", 15),
            *[("Chat", "", 0, {"outcome": "refused"})] * 2,
            ("Batch", "", 0, {"outcome": "unreachable"}),
        ),
        [row("a"), refused("b"), refused("c", usage.UNLABELLED, key=usage.NO_KEY), refused("d", "Batch")],
        {("Chat", "rejected"): (2, 0), ("Batch", "rejected"): (1, 0), ("Batch", "not reported"): (1, 0)},
    ),
    "answer lost": (
        calls(("Chat", "a", 0, {"outcome": "failed"})),
        [row("a")],
        {("Chat", "answer lost"): (1, 15)},
    ),
    "stream without usage": (
        calls(("Chat", "a", 15)),
        [row("a", prompt=12, completion=6, streamed=True)],
        {("Chat", "stream without usage"): (1, 3)},
    ),
    "stream that the client could not count": (
        calls(("Chat", "a", None)),
        [row("a", streamed=True)],
        {("Chat", "stream without usage"): (1, 15)},
    ),
    "stream of which neither is sure": (
        calls(("Chat", "a", None)),
        [row("a", streamed=None)],
        {("Chat", "stream without usage"): (1, 15)},
    ),
    "no token count": (
        calls(("Chat", "a", 15), ("Chat", "b", None)),
        [row("a", prompt=None, completion=None), row("b", prompt=0, completion=0)],
        {("Chat", "no token count"): (2, -15)},
    ),
    "key deleted": (
        calls(("Chat", "a", 15)),
        [row("a", usage.UNLABELLED, key=usage.NO_KEY)],
        {("Chat", "key deleted"): (1, -15), (usage.UNLABELLED, "key deleted"): (1, 15)},
    ),
    "key without label": (
        calls(("Chat", "a", 15)),
        [row("a", usage.UNLABELLED)],
        {("Chat", "key without label"): (1, -15), (usage.UNLABELLED, "key without label"): (1, 15)},
    ),
    "another key": (
        calls(("Chat", "a", 15), ("Batch", "b", 15)),
        [row("a", "Batch"), row("b", "Batch")],
        {("Chat", "another key"): (1, -15), ("Batch", "another key"): (1, 15)},
    ),
    "another key and a stream": (
        calls(("Chat", "a", 15)),
        [row("a", "Batch", prompt=20, streamed=True)],
        {
            ("Chat", "another key"): (1, -15),
            ("Batch", "another key"): (1, 15),
            ("Batch", "stream without usage"): (1, 10),
        },
    ),
    "reported twice": (
        calls(("Chat", "a", 15), ("Chat", "a", 15)),
        [row("a")],
        {("Chat", "reported twice"): (1, -15)},
    ),
    "booked twice": (
        calls(("Chat", "a", 15)),
        [row("a"), row("a")],
        {("Chat", "booked twice"): (1, 15)},
    ),
    "not reported": (
        calls(("Chat", "a", 15)),
        [row("a"), row("b"), refused("c")],
        {("Chat", "not reported"): (2, 15)},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_difference_is_explained_by_what_the_data_shows(case):
    client, booked, causes = CASES[case]
    found = reconciled(client, *booked)
    assert told(found) == causes
    assert found.balanced
    assert found.differences["explanation"].str.len().min() > 20


def test_the_other_side_of_a_stray_call_is_named():
    found = reconciled(calls(("Chat", "a", 15)), row("a", "Batch"))
    assert [text.partition(" (")[2] for text in found.differences["explanation"]] == [
        "booked here for calls of Chat)",
        "booked there: Batch)",
    ]


def test_a_call_that_has_just_ended_is_in_flight_and_later_it_is_missing():
    client = calls(("Chat", "a", 15), ("Chat", "b", 7))
    soon = reconciled(client, row("a"), as_of=NOON + timedelta(seconds=20))
    assert told(soon) == {("Chat", "in flight"): (1, -7)}
    assert soon.balanced
    late = reconciled(client, row("a"), as_of=NOON + timedelta(seconds=63))
    assert told(late) == {("Chat", "not booked"): (1, -7)}
    assert not late.balanced
    assert late.unexplained["cause"].to_list() == ["not booked"]
    assert repr(late) == "Reconciliation(NOT balanced: 1 applications, 1 differences, 1 unexplained)"
    nobody = reconciled(client)
    assert told(nobody) == {("Chat", "not booked"): (2, -22)}


def test_calls_without_an_id_are_never_paired():
    found = reconciled(calls(("Chat", "a", 15), ("Chat", "", 15)), row("a"), row(""), row(""), as_of=NOON)
    assert told(found) == {("Chat", "not reported"): (2, 30), ("Chat", "in flight"): (1, -15)}


def test_each_run_of_a_client_has_its_own_clock():
    client = pd.concat([calls(("Chat", "a", 15), ("Chat", "b", 7)), calls(("Chat", "c", 15), ("Chat", "d", 7))])
    booked = [row("a"), row("c", after=3600)]
    found = reconciled(client, *booked, as_of=NOON + timedelta(seconds=3610))
    assert told(found) == {("Chat", "in flight"): (1, -7), ("Chat", "not booked"): (1, -7)}


def test_calls_outside_of_the_period_are_told_from_both_sides():
    yesterday = NOON - timedelta(days=1)
    client = calls(("Chat", "a", 15), ("Chat", "b", 15), ("Chat", "c", 9))
    booked = [row("a"), row("b", time=yesterday)]
    found = reconciled(client, *booked, of=booked[:1])
    assert told(found) == {("Chat", "outside the period"): (2, -24)}
    assert found.balanced


def test_a_running_window_has_no_end_yet():
    running = usage.Window(NOON - timedelta(hours=24), NOON, running=True)
    found = reconciled(calls(("Chat", "a", 15)), row("a", after=2), window=running)
    assert found.balanced
    assert found.differences.empty


def test_what_nobody_can_explain_stays_unexplained():
    counted = reconciled(calls(("Chat", "a", 14)), row("a"))
    assert told(counted) == {("Chat", "counted differently"): (1, 1)}
    assert not counted.balanced
    other = reconciled(calls(("Chat", "a", 15)), row("a"), of=[row("a"), row("b", prompt=1)])
    assert told(other) == {("Chat", "other rows"): (1, 6)}
    assert not other.balanced
    assert "NO" in other._repr_html_()


def test_money_is_compared_to_the_last_digit(listed):
    client = calls(("Chat", "a", 15))
    dearer = reconciled(client, row("a"), of=[row("a", cost=0.016)])
    assert not dearer.balanced
    assert dearer.differences.empty
    assert repr(dearer).endswith("0 unexplained, and money does not agree)")
    assert dearer.money.iloc[0].to_dict() == {
        "application": "Chat",
        "booked": Decimal("0.015"),
        "invoiced": Decimal("0.02"),
        "difference": Decimal("0.005"),
        "explanation": "the invoice was made of other rows than these; make both of the same",
        "explained": False,
    }
    again = reconciled(client, row("a"), prices=listed(GOOD))
    assert again.balanced
    assert again.money["explanation"].to_list() == ["priced again, price list: mine.csv"]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_accounts_are_explained_to_the_token(data):
    """Whatever happened to calls on their way, differences add up."""
    booked, seen = [], []
    for n in range(data.draw(st.integers(0, 12))):
        application = data.draw(st.sampled_from(["A", "B", usage.UNLABELLED]))
        many = {"prompt": data.draw(st.integers(0, 50)), "streamed": data.draw(st.sampled_from([True, False, None]))}
        if data.draw(st.booleans()):
            booked += [row(str(n), application, **many)] * data.draw(st.integers(1, 2))
        if data.draw(st.booleans()):
            outcome = data.draw(st.sampled_from(["answered", "failed"]))
            tokens = data.draw(st.sampled_from([None, 0, 5, 30]))
            seen.append((data.draw(st.sampled_from("AB")), str(n), tokens, {"outcome": outcome}))
    reconciled(calls(*seen), *booked, of=booked[: data.draw(st.integers(0, 24))])


def test_what_is_no_account_is_refused():
    client, booked = calls(("Chat", "a", 15)), rows(row("a"))
    with pytest.raises(UsageError, match="no column `application`") as error:
        chargeback.reconcile(client.drop(columns="application"), booked, bill(row("a")))
    assert "calls.frame.assign(application=" in error.value.hint
    with pytest.raises(UsageError, match="no column `streamed`"):
        chargeback.reconcile(client, booked.drop(columns="streamed"), bill(row("a")))
    with pytest.raises(UsageError, match="not split by application"):
        chargeback.reconcile(client, booked, bill(row("a"), by="team"))
    with pytest.raises(UsageError, match="no time zone"):
        chargeback.reconcile(client, booked, bill(row("a")), as_of=datetime(2026, 11, 20))


def test_hostile_names_do_no_harm_in_a_reconciliation():
    html = reconciled(calls((HOSTILE, "a", 15)), row("a", "Batch"))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


# The portal's statistics


def capture(name):
    return json.loads((CAPTURES / f"{name}.json").read_text())["response"]


def litemaas():
    """Rows as the gateway must have had them under LiteMaaS's capture: 17 calls, 10 of them answered."""
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    one = {"prompt": 12, "completion": 6, "cost": 0.00006, "time": at}
    return rows(*(row(str(n), **one) for n in range(10)), *(refused(f"r{n}", time=at) for n in range(7)))


def test_doubled_tokens_show_as_a_ratio_and_nobody_is_accused():
    portal = Usage.read(capture("POST_admin_usage_analytics_double_counted"), Names([]), fresh=True)
    found = chargeback.compare_statistics(portal, litemaas()).set_index("measure")
    assert found["ratio"].to_dict() == {
        "requests": 1.0,
        "hits": 1.0,
        "total_tokens": 1.0,
        "prompt_tokens": 2.0,
        "completion_tokens": 2.0,
        "cost": 1.0,
    }
    assert found.loc["prompt_tokens"].to_dict() == {"portal": 240.0, "gateway": 120.0, "ratio": 2.0}


def test_only_rows_of_the_portals_days_are_compared():
    portal = Usage.read(capture("POST_admin_usage_analytics_double_counted"), Names([]), fresh=True)
    found = chargeback.compare_statistics(portal, rows(row("a"))).set_index("measure")
    assert found["gateway"].to_dict() == dict.fromkeys(found.index, 0.0)
    assert (found["ratio"] == float("inf")).all()
    with pytest.raises(UsageError, match="not a portal's statistics"):
        chargeback.compare_statistics(portal.raw, litemaas())


def test_after_a_key_was_deleted_its_spend_is_nobodys_at_the_portal():
    told = capture("POST_admin_usage_by_user_after_key_delete")["data"]
    portal = [UsageRow.of_user(one) for one in told]
    owner = "a6e512fa-112c-449b-94cd-a58e8ce4e092"
    booked = rows(*(row(str(n), user=owner, prompt=12, completion=6, cost=0.00006) for n in range(10)))
    found = chargeback.compare_users(portal, booked).set_index("user")
    assert found.loc["(deleted keys)", ["portal_tokens", "gateway_tokens"]].to_list() == [144, 0]
    assert found.loc["user@example.com", ["portal_tokens", "gateway_tokens", "ratio"]].to_list() == [36, 180, 0.2]
    assert found["portal_tokens"].sum() == found["gateway_tokens"].sum()
    assert found["portal_cost"].sum() == pytest.approx(found["gateway_cost"].sum())
    by_name = chargeback.compare_users(portal, booked.assign(user="user@example.com")).set_index("user")
    assert by_name.loc["user@example.com", "gateway_tokens"] == 180


# Break-even


def test_the_published_bill_needs_billions_of_tokens_a_month():
    found = chargeback.break_even(on=date(2026, 11, 28))
    needed = found.set_index(["own", "hosted"])["tokens_per_month"] / 1e9
    gpu, all_of_it = "granite-3-2-8b on one L40S (GPU only)", "granite-3-2-8b on one L40S (with overhead)"
    assert needed[gpu, "GPT-4o-mini"] == pytest.approx(1.64, abs=0.005)
    assert needed[gpu, "Llama-3.1-8B (Groq)"] == pytest.approx(9.4, abs=0.05)
    assert needed[all_of_it, "GPT-4o-mini"] == pytest.approx(8.8, abs=0.05)
    assert needed[all_of_it, "Llama-3.1-8B (Groq)"] == pytest.approx(51, abs=0.5)
    rows = found.set_index(["own", "hosted"])
    cheapest = rows.loc[(gpu, "Llama-3.1-8B (Groq)")]
    assert not cheapest["reachable"]
    assert cheapest["utilisation"] == pytest.approx(9.446 / 3.587, abs=0.01)
    assert cheapest["months"] == pytest.approx(9446.15 / 45, abs=0.1)
    assert cheapest["price_per_million"] == Decimal("0.065")
    assert rows.loc[(gpu, "GPT-4o-mini"), "reachable"]


def test_the_verdict_is_honest_and_follows_the_numbers():
    words = chargeback.verdict(chargeback.break_even(on=date(2026, 11, 28)))
    assert "9.4 billion tokens a month" in words
    assert "one server that is never idle serves 3.6 billion" in words
    assert "cannot win" in words
    assert "privacy" in words
    cheap = chargeback.break_even({"an old machine": 10}, on=date(2026, 11, 28))
    assert "4% of what one such server can serve" in chargeback.verdict(cheap)
    assert chargeback.verdict(cheap.iloc[:0]) == "Nothing was compared."


def test_what_makes_no_sense_is_refused():
    for options in ({"throughput": 0}, {"volume": -1}, {"prompt_share": 1.5}):
        with pytest.raises(UsageError):
            chargeback.break_even(on=date(2026, 11, 28), **options)
    with pytest.raises(MissingPrice, match=r"Llama-3\.1-8B"):
        chargeback.break_even({"a server": 1}, on=date(2020, 1, 1))
    with pytest.raises(AccountingError, match="the cost of a server"):
        chargeback.break_even({"a server": float("inf")}, on=date(2026, 11, 28))


def test_sharing_is_cheaper_from_a_number_of_developers_on():
    day = date(2026, 11, 28)
    found = chargeback.hoarded_and_shared(on=day).set_index("label")
    assert found["cost"].to_dict() == {
        "7 developers, a GPU each": 7 * 576,
        "one shared GPU": 576,
        "one shared GPU, with all overhead": Decimal("3110.40"),
    }
    assert found["kind"].to_list() == ["hoarded", "shared", "shared"]
    assert found["source"].to_list()[-1] == "alloclabs, 2026-02-01; overhead x5.4"
    assert plots.hoarded_and_shared(found.reset_index()).description
    turn = chargeback.developers_at_break_even()
    hoarded = [chargeback.hoarded_and_shared(count, on=day)["cost"].to_list() for count in (turn - 1, turn)]
    assert [costs[0] > costs[2] for costs in hoarded] == [False, True]
    assert turn == 6
    for options in ({"shared_gpus": 0}, {"overhead": 0.5}, {"developers": 0}):
        with pytest.raises(UsageError, match="no platform"):
            chargeback.hoarded_and_shared(on=day, **options)
    with pytest.raises(MissingPrice, match="NVIDIA L40S"):
        chargeback.hoarded_and_shared(gpu="NVIDIA L40S", on=day)


def test_chargeback_and_reports_never_load_the_network():
    loaded = "{'httpx', 'openai', 'kubernetes', 'psycopg', 'openpyxl'} & set(sys.modules)"
    code = f"import sys, maas_lab.chargeback, maas_lab.report; print(sorted({loaded}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
