"""The accountant's board, clicked in code, over small frames and recorded answers of LiteMaaS 0.4.0."""

import base64
import html
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from ipywidgets import HTML, Button, Dropdown, Text, ToggleButton, Widget

from maas_lab import errors, plots, usage, wait, widgets
from maas_lab.widgets import numbers, windows
from maas_lab.widgets.accounting import GROUPS
from maas_lab.widgets.figures import download
from maas_lab.widgets.live import LiveRefresh
from tests.test_portal import portal
from tests.test_widgets import NASTY, every, seen

NOW = datetime.now(UTC)


def row(**given):
    told = {
        "time": NOW - timedelta(minutes=5),
        "request_id": "r1",
        "application": "Support",
        "team": "Care",
        "user": "alice",
        "key": "support",
        "key_hash": "0" * 64,
        "model": "tiny",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "cost": 0.1,
        "status": "success",
        "outcome": "answered",
        "latency_s": 0.5,
        "streamed": False,
    }
    return told | given


def refused(**given):
    none = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cost": 0.0}
    return row(**none, status="failure", outcome="rate limited", **given)


def frame(*rows):
    found = pd.DataFrame(list(rows), columns=list(usage.empty_rows().columns))
    return found.astype(usage.empty_rows().dtypes.to_dict())


TWO = (row(), row(request_id="r2", cost=0.2), refused(request_id="r3"), row(request_id="r4", application="Search"))


class Kept:
    """A source that holds rows, and counts who reads."""

    name = "a frame of this test"

    def __init__(self, *rows):
        self.rows, self.asked, self.reading, self.most, self.fail = list(rows), [], 0, 0, None
        self.gate = None

    def summary(self, window, by):
        self.reading += 1
        self.most = max(self.most, self.reading)
        try:
            self.asked.append((window, tuple(by)))
            if self.gate is not None:
                assert self.gate.acquire(timeout=60)
            if self.fail:
                raise self.fail
            found = frame(*self.rows)
            inside = (found["time"] >= window.since) & (found["time"] < window.until)
            return usage.summary(found[inside], by)
        finally:
            self.reading -= 1


def board(*rows, me="GET_auth_me_admin", answers=(), **options):
    """A board over rows, its source, and what the portal was asked."""
    source = Kept(*rows)
    asked, recorded = portal({"GET /auth/me": me} | dict(answers))
    return widgets.usage_board(asked, source, **options), source, recorded


def lines(shown, caption):
    """The rows of a table of a widget as lists of texts, without its head."""
    markup = "\n".join(one.value for one in every(HTML, shown))
    body = re.search(rf"<caption>{re.escape(caption)}</caption>.*?<tbody>(.*?)</tbody>", markup, re.DOTALL)[1]
    return [
        [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", one)] for one in body.split("</tr>")[:-1]
    ]


def links(shown):
    """The files behind the links of a widget, by their names."""
    found = re.findall(
        r'href="data:([^;]+);base64,([^"]+)" download="([^"]+)"', "".join(w.value for w in every(HTML, shown))
    )
    return {name: (kind, base64.b64decode(content)) for kind, content, name in found}


@pytest.fixture(autouse=True)
def _no_widget_and_no_thread_is_left():
    Widget.close_all()
    yield
    Widget.close_all()
    wait.until(lambda: not threads(), what="the threads of the boards to end", timeout=60)


def threads():
    return [one for one in threading.enumerate() if one.name == "usage board"]


# Numbers


def test_the_board_shows_everybodys_calls_of_the_last_day_by_application():
    shown, source, _ = board(*TWO)
    told = seen(shown)
    assert "Usage of everybody" in told
    assert "Logged in as carol, roles: user, admin." in told or "roles: admin" in told
    assert "read at" in told
    assert "from a frame of this test" in told
    assert lines(shown, "By application") == [
        ["Support", "2", "1", "20", "40", "60", "$0.30"],
        ["Search", "1", "0", "10", "20", "30", "$0.10"],
    ]
    assert re.search(r"Hits \(answered calls\)3Rejected calls1Total tokens90Cost\$0\.40", told)
    assert [by for _, by in source.asked] == [("application", "team", "model"), ("hour", "outcome", "application")]
    (asked,) = {window for window, _ in source.asked}
    assert asked.until - asked.since == timedelta(hours=24)


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_adds_up_to_the_totals(group):
    rows = [row(request_id=f"r{n}", key=f"key {n}", cost=0.1 * n, time=NOW - timedelta(hours=n)) for n in range(5)]
    shown, _, _ = board(*rows, refused(request_id="x", user=usage.NO_USER, model="nope"))
    shown.group.value = group
    assert shown.error is None
    found = lines(shown, f"By {group}")
    assert sum(int(cells[1]) for cells in found) == 5
    assert sum(int(cells[2]) for cells in found) == 1
    assert sum(Decimal(cells[6].strip("$")) for cells in found) == Decimal("1.0")


def test_a_long_table_ends_with_all_others_together():
    rows = [row(request_id=f"r{n}", application=f"app {n:02}", cost=0.01 * (n + 1)) for n in range(30)]
    shown, _, _ = board(*rows)
    found = lines(shown, "By application")
    assert len(found) == numbers.MOST + 1
    assert found[0][0] == "app 29"
    assert found[-1][:2] == ["(6 more)", "6"]
    assert sum(int(cells[1]) for cells in found) == 30


def test_hours_are_shown_in_the_chosen_zone_with_summer_time_told_apart():
    summer = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    found = usage.summary(frame(*(row(request_id=str(n), time=time) for n, time in enumerate(summer))), ["hour"])
    told = numbers.by_table(found, "hour", ZoneInfo("Europe/Berlin"))
    assert re.findall(r"2026-10-25 02:00 \w+", told) == ["2026-10-25 02:00 CET", "2026-10-25 02:00 CEST"]


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("choice", list(windows.WINDOWS))
def test_every_span_of_time_holds_this_moment_or_ends_with_it(choice, tz):
    zone = ZoneInfo(tz)
    found, now = windows.window(choice, zone), datetime.now(UTC)
    assert found.since < now
    assert found.until >= now - timedelta(seconds=5)
    assert windows.span(found, zone).endswith(f" {tz}")
    if choice == "today":
        assert found.since.astimezone(zone).hour == 0


def test_another_time_is_another_read():
    old = row(request_id="old", time=NOW - timedelta(days=3))
    shown, source, _ = board(*TWO, old)
    shown.time.value = "the last 7 days"
    assert shown.error is None
    assert shown.reading.summary["hits"].sum() == 4
    assert source.asked[-1][0].until - source.asked[-1][0].since == timedelta(days=7)
    shown.time.value = "the last hour"
    assert shown.reading.summary["hits"].sum() == 3


@pytest.mark.parametrize("tz", ["Nowhere/City", "", "../etc/passwd", 7, None])
def test_a_time_zone_that_does_not_exist_is_refused(tz):
    with pytest.raises(errors.UsageError, match="there is no time zone"):
        board(tz=tz)


def test_no_calls_are_noughts_and_charts_that_say_so():
    shown, _, _ = board()
    told = seen(shown)
    assert "Hits (answered calls)0" in told
    assert "No calls in this time." in told
    assert len(images(shown)) == 3


def test_calls_without_tokens_are_told():
    none = {"prompt_tokens": pd.NA, "completion_tokens": pd.NA, "total_tokens": pd.NA, "cost": 0.0}
    assert "Not metered: 1 answered call was booked without tokens." in seen(
        board(row(), row(request_id="s", **none))[0]
    )


def images(shown):
    return re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)">', shown._charts.value)


def test_charts_have_words_for_those_who_cannot_see_them():
    found = images(board(*TWO)[0])
    assert len(found) == 3
    for data, words in found:
        assert base64.b64decode(data).startswith(b"\x89PNG")
        assert len(words.split()) >= 3


def test_what_did_not_change_is_not_drawn_again(monkeypatch):
    shown, source, _ = board(row(application="Only here"))
    drawn, real = [], plots.tokens_by
    monkeypatch.setattr(plots, "tokens_by", lambda *given, **more: drawn.append(given) or real(*given, **more))
    shown.refresh.click()
    shown.group.value = "user"
    shown.group.value = "application"
    assert shown.error is None
    assert len(drawn) == 1  # by user
    before = shown._charts.value
    source.rows[0] |= {"cost": 0.11}
    shown.refresh.click()
    assert shown._charts.value != before
    assert len(drawn) == 2


def test_a_refresh_reads_again_and_one_that_fails_keeps_the_numbers_and_says_why():
    shown, source, _ = board(*TWO)
    source.rows.append(row(request_id="new"))
    shown.refresh.click()
    assert shown.reading.summary["hits"].sum() == 4
    source.fail = errors.GatewayUnreachable("nothing answers", "it does not run", "./lab up")
    before = seen(shown)
    for act in (shown.refresh.click, lambda: setattr(shown.time, "value", "today")):
        act()
        assert shown.error is source.fail
        assert "try: ./lab up" in seen(shown.message)
        assert 'role="alert"' in shown.message.value
        assert shown.reading.summary["hits"].sum() == 4
        assert shown.refresh.disabled is False
    assert "Support" in before


# Who may see it


def test_a_consumer_is_refused_and_told_what_to_do():
    with pytest.raises(errors.RoleMissing) as caught:
        board(me="GET_auth_me_user")
    assert "widgets.usage_board(portal) for your own usage" in caught.value.hint


def test_without_a_source_there_are_no_options():
    with pytest.raises(errors.UsageError, match="without `usage` the board has no tz"):
        widgets.usage_board(portal({})[0], tz="UTC")


def test_the_source_is_enough_where_the_portal_knows_no_hours():
    _, _, recorded = board(*TWO)
    assert {one.url.path for one in recorded.requests} == {"/api/v1/auth/me"}


# Live


def live(*rows, **options):
    shown, source, _ = board(*rows, every=0.01, **options)
    source.asked.clear()
    return shown, source


def until(check, what="the board"):
    # A board rests three times as long as it has read, and under load it draws for seconds.
    return wait.until(check, what=what, timeout=60, every=0.01)


def reading():
    """A board with live refresh on, whose first read is on its way until its gate lets it through."""
    shown, source = live(*TWO)
    source.gate = threading.Semaphore(0)
    shown.live.toggle.value = True
    until(lambda: source.reading)
    return shown, source


def test_live_refresh_shows_new_calls_until_it_is_switched_off():
    shown, source = live(*TWO)
    assert not threads()
    shown.live.toggle.value = True
    assert "live refresh is on" in seen(shown.live)
    until(lambda: shown.live.reads >= 2)
    source.rows.append(row(request_id="new", application="New one"))
    until(lambda: "New one" in seen(shown))
    assert "Live: read at" in seen(shown.live)
    shown.live.toggle.value = False
    assert "live refresh is off" in seen(shown.live)
    until(lambda: not threads())
    source.rows.append(row(request_id="late", application="Too late"))
    assert "Too late" not in seen(shown)
    assert source.most == 1


def test_reads_never_overlap_whoever_asks():
    shown, source = reading()
    shown.live.toggle.value = False
    shown.live.toggle.value = True  # while the first thread still reads
    click = threading.Thread(target=shown.refresh.click)
    click.start()
    source.gate.release(100)
    click.join(60)
    until(lambda: shown.live.reads)
    assert source.most == 1


def test_what_was_read_for_another_choice_is_not_shown():
    shown, source = reading()
    click = threading.Thread(target=lambda: setattr(shown.group, "value", "model"))
    click.start()
    until(lambda: shown.group.value == "model")
    source.gate.release(4)
    click.join(60)
    assert shown.reading.asked == ("the last 24 hours", "model")
    assert "By model" in seen(shown)
    source.gate.release(1000)


def test_a_read_on_its_way_is_not_shown_after_the_end():
    shown, source = reading()
    source.rows.append(row(request_id="late", application="Too late"))
    shown.live.toggle.value = False
    source.gate.release(1000)
    until(lambda: not threads())
    assert "Too late" not in seen(shown)
    assert "live refresh is off" in seen(shown.live)


def test_a_read_that_fails_keeps_the_numbers_and_the_next_one_heals_it():
    shown, source = live(*TWO)
    shown.live.toggle.value = True
    until(lambda: shown.live.reads)
    source.fail = errors.RateLimited("too many", "slow down", "wait", status=429)
    until(lambda: shown.live.error)
    told = seen(shown.live)
    assert "RateLimited: too many" in told
    assert "the numbers shown are those of" in told
    assert "the next try is in" in told
    assert "Support" in seen(shown)
    assert shown.live.toggle.value is True
    source.fail = None
    until(lambda: shown.live.error is None)
    assert "the numbers can be read again" in seen(shown.live)


def pauses(*ends, every=4.0):
    """How long a live refresh waits after each of these reads: an error, or None for one that works."""
    left = list(ends)

    def read():
        if error := left.pop(0):
            raise error
        return lambda: None

    one = LiveRefresh(read, every=every)
    ticker = Still()
    return [one._tick(ticker) for _ in ends]


class Still:
    stopped = False


def test_failures_make_it_slower_up_to_two_minutes_and_a_server_is_given_the_time_it_asks_for():
    down = errors.GatewayUnreachable("nothing answers")
    assert pauses(None, down, down, down, down, down, down, None, down) == [4, 8, 16, 32, 64, 120, 120, 4, 8]
    assert pauses(errors.RateLimited("too many", status=429, retry_after=60.0)) == [60]
    assert pauses(errors.PortalBusy("too many", status=429, retry_after=300.0)) == [300]


def test_a_slow_read_is_not_repeated_at_once():
    def read():
        assert threading.Event().wait(0.2) is False
        return lambda: None

    assert LiveRefresh(read, every=0.1)._tick(Still()) >= 0.6


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_switches_it_off_and_is_not_swallowed():
    shown, source = live(*TWO)
    source.fail = ZeroDivisionError("a bug")
    shown.live.toggle.value = True
    until(lambda: not threads())
    assert "ZeroDivisionError in the notebook's code" in seen(shown.live)
    assert shown.live.toggle.value is False


def test_it_ends_by_itself():
    one = LiveRefresh(lambda: lambda: None, every=0.01, lasting=0.0)
    one.toggle.value = True
    until(lambda: not threads())
    assert "live refresh ended by itself" in seen(one)
    assert one.toggle.value is False


@pytest.mark.parametrize("close", [lambda shown: shown.close(), lambda shown: Widget.close_all()], ids=["board", "all"])
def test_a_board_that_is_closed_reads_no_more(close):
    shown, _ = live(*TWO)
    shown.live.toggle.value = True
    until(lambda: shown.live.reads)
    close(shown)
    until(lambda: not threads())


def test_a_refresh_touches_no_field():
    shown, source = live(*TWO)
    changes = []
    for one in every((Dropdown, Text, ToggleButton, Button), shown):
        one.observe(changes.append)
    shown.live.toggle.value = True
    source.rows.append(row(request_id="new", application="New one"))
    until(lambda: "New one" in seen(shown))
    shown.live.toggle.value = False
    assert {change["owner"] for change in changes} == {shown.live.toggle}


# The invoice


def test_the_invoice_is_of_the_numbers_that_are_shown():
    shown, source, _ = board(*TWO)
    source.rows.append(row(request_id="later"))
    assert links(shown) == {}
    shown.invoice.make.click()
    assert shown.error is None
    files = links(shown)
    assert sorted(name.rpartition(".")[2] for name in files) == ["csv", "html", "xlsx"]
    assert all(re.fullmatch(r"invoice_\d{8}T\d{4}Z_\d{8}T\d{4}Z\.\w+", name) for name in files)
    kinds = {name.rpartition(".")[2]: file for name, file in files.items()}
    assert kinds["csv"][0] == "text/csv"
    text = kinds["csv"][1].decode()
    assert "Support" in text
    assert "Search" in text
    assert kinds["html"][1].decode().lstrip().lower().startswith(("<!doctype", "<html"))
    assert kinds["xlsx"][1][:2] == b"PK"
    assert shown.invoice.invoice.total == Decimal("0.40")
    assert "$0.40" in seen(shown.invoice)


def test_the_invoice_goes_when_another_time_is_chosen():
    shown, _, _ = board(*TWO)
    shown.invoice.make.click()
    shown.time.value = "today"
    assert links(shown) == {}
    assert shown.invoice.invoice is None


def test_no_file_of_the_invoice_holds_a_hash_of_a_key():
    shown, _, _ = board(*TWO)
    shown.invoice.make.click()
    assert [name for name, (_, content) in links(shown).items() if b"0" * 12 in content] == []


def test_a_link_holds_its_file():
    made = download("CSV", 'a "b".csv', "text/csv", b"1,2\n")
    assert made == '<a href="data:text/csv;base64,MSwyCg==" download="a &quot;b&quot;.csv">CSV</a>'


# Text forms, labels, markup


def test_the_text_is_the_same_in_every_run_and_says_how_to_do_it_in_code():
    shown, _, _ = board(*TWO)
    before = repr(shown)
    shown.group.value = "user"
    assert shown._repr_mimebundle_()["text/plain"] == repr(shown) == before == widgets.AccountingBoard.TEXT
    for call in re.findall(r"portal\.admin\.(\w+)\(", before):
        assert callable(getattr(shown.portal.admin, call))


@pytest.mark.parametrize("group", ["application", "team", "key", "model"])
def test_names_are_text_not_markup(group):
    shown, _, _ = board(row(**{group: NASTY}), row(request_id="r2"))
    shown.group.value = group
    shown.invoice.make.click()
    assert shown.error is None
    markup = [one.value for one in every(HTML, shown)]
    assert any("&lt;img" in one for one in markup)
    assert [one for one in markup if "<img src=x" in one] == []
    assert NASTY not in "".join(content.decode() for kind, content in links(shown).values() if kind == "text/html")


def test_what_a_notebook_saves_holds_no_hash_and_no_token():
    shown, _, _ = board(*TWO)
    shown.group.value = "key"
    saved = json.dumps([Widget.get_manager_state(), shown._repr_mimebundle_()], ensure_ascii=False)
    assert "By key" in saved
    assert "0" * 12 not in re.sub(r"base64,[^\"]+", "", saved)
    assert shown.portal.token.reveal() not in saved
