"""Usage as frames: windows, rows through the gateway's API, a kept fetch, and sums."""

import itertools
import json
import pickle
import random
import traceback
import zlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import httpx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maas_lab import bookings, progress, usage, usage_gateway
from maas_lab.errors import GatewayError, GatewayUnreachable, UsageError
from maas_lab.usage_frames import COLUMNS
from tests import made_up
from tests.spend_log import BEGUN, SpendLog, booked, key, rejected

CAPTURES = Path(__file__).parent / "captures/litellm"
WINDOW = usage.Window(BEGUN, BEGUN + timedelta(hours=1))


def ids(frame):
    return set(frame["request_id"])


def call(number):
    return f"call-{number}"


# Rows


def test_no_call_is_a_frame_with_all_columns_and_their_types():
    frame = usage.GatewayUsage(SpendLog().gateway).rows(WINDOW)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    pd.testing.assert_frame_equal(frame, usage.empty_rows())


def test_one_call_tells_who_called_what_and_when():
    lists = {"keys": [key(1, user_id="u1", team_id="t1")], "users": [{"user_id": "u1", "user_alias": "Alice"}]}
    log = SpendLog([booked(1, 2)], **lists, teams=[{"team_id": "t1", "team_alias": "Support"}])
    (row,) = usage.GatewayUsage(log.gateway).rows(WINDOW).to_dict("records")
    assert row == {
        "time": BEGUN + timedelta(seconds=2),
        "request_id": "call-1",
        "application": "app 1",
        "team": "Support",
        "user": "Alice",
        "key": "key 1",
        "key_hash": f"{1:064x}",
        "model": "granite",
        "prompt_tokens": 12,
        "completion_tokens": 6,
        "total_tokens": 18,
        "cost": 6e-06,
        "status": "success",
        "outcome": "answered",
        "latency_s": 0.041,
        "streamed": False,
    }


def test_recorded_rows_are_read():
    recorded = json.loads((CAPTURES / "GET_spend_logs_v2.json").read_text())["response"]["data"]
    frame = usage.GatewayUsage(SpendLog(recorded).gateway).rows(usage.day("2026-11-23"))
    assert list(frame["outcome"]) == ["answered", "budget exceeded", "budget exceeded"]
    assert list(frame["streamed"].astype(object)) == [False, pd.NA, pd.NA]
    assert list(frame["key"]) == ["budget-10356", usage.NO_KEY, usage.NO_KEY]


def test_keys_users_and_teams_that_nobody_knows_are_named_so_and_never_dropped():
    rows = [
        booked(1),
        booked(2, 1, api_key=f"{9:064x}", user="gone-user", team_id="gone-team"),
        booked(3, 2, api_key=""),
    ]
    frame = usage.GatewayUsage(SpendLog(rows).gateway).rows(WINDOW)
    unknown = [usage.UNLABELLED, usage.NO_TEAM, usage.NO_USER, usage.NO_KEY]
    assert frame[["application", "team", "user", "key"]].to_numpy().tolist() == [
        unknown,
        [usage.UNLABELLED, "gone-team", "gone-user", usage.NO_KEY],
        unknown,
    ]
    assert frame["key_hash"].iloc[2] == ""
    assert usage.summary(frame, ["key", "team"])["hits"].sum() == 3


def test_a_deleted_keys_calls_keep_its_labels_and_refusals_take_them_from_the_key():
    gone = key(1, id="gone", user_id="u1", metadata={"application": "shop", "team": "Sales"})
    log = SpendLog(
        [booked(1), rejected(2, 1)], deleted=[gone], users=[{"user_id": "u1", "user_email": "a@example.com"}]
    )
    frame = usage.GatewayUsage(log.gateway).rows(WINDOW)
    labels = frame[["application", "team", "user", "key"]].drop_duplicates().to_numpy().tolist()
    assert labels == [["shop", "Sales", "a@example.com", "key 1"]]
    assert list(frame["outcome"]) == ["answered", "budget exceeded"]


def test_a_litellm_team_wins_over_the_keys_metadata():
    named = key(1, metadata={"application": "shop", "team": "Sales"})
    gone = {"user_api_key_team_alias": "Former", "user_api_key_alias": "former name"}
    rows = [booked(1, team_id="t1"), booked(2, 1), booked(3, 2, metadata=gone, team_id="t2", api_key=f"{2:064x}")]
    log = SpendLog(rows, keys=[named], teams=[{"team_id": "t1", "team_alias": "Support"}])
    frame = usage.GatewayUsage(log.gateway).rows(WINDOW)
    labels = [["Support", "key 1"], ["Sales", "key 1"], ["Former", "former name"]]
    assert frame[["team", "key"]].to_numpy().tolist() == labels


def test_tokens_that_were_not_booked_are_missing_and_counted_as_unmetered():
    nothing = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}
    log = SpendLog([booked(1, **nothing), booked(2, 1), rejected(3, 2, **nothing)])
    frame = usage.GatewayUsage(log.gateway).rows(WINDOW)
    assert list(frame["total_tokens"].isna()) == [True, False, True]
    (total,) = usage.summary(frame, []).to_dict("records")
    assert (total["hits"], total["rejected"], total["unmetered"], total["total_tokens"]) == (2, 1, 1, 18)


@pytest.mark.parametrize(
    ("error", "code", "outcome"),
    [
        ("BudgetExceededError", "", "budget exceeded"),
        ("ProxyException", "429", "rate limited"),
        ("InternalServerError", "500", "failed"),
        ("AssertionError", "", "refused"),
    ],
)
def test_a_refusal_says_why(error, code, outcome):
    frame = usage.GatewayUsage(SpendLog([rejected(1, error=error, code=code)]).gateway).rows(WINDOW)
    assert list(frame["outcome"]) == [outcome]


@pytest.mark.parametrize(
    ("told", "streamed"),
    [
        ({"cache_hit": "False"}, True),
        ({"cache_hit": "None"}, False),
        ({"cache_hit": "True"}, pd.NA),
        ({"cache_hit": "False", "cache_key": "a-cache-is-on"}, pd.NA),
        ({"cache_hit": "False", "call_type": "aembedding"}, pd.NA),
        ({"cache_hit": "False", "status": "failure"}, pd.NA),
    ],
)
def test_a_stream_is_told_by_what_the_logger_was_handed(told, streamed):
    frame = usage.GatewayUsage(SpendLog([booked(1, **told)]).gateway).rows(WINDOW)
    assert list(frame["streamed"].astype(object)) == [streamed]


def test_the_windows_end_belongs_to_the_next_one():
    log = SpendLog([booked(1, 0), booked(2, 3599.999), booked(3, 3600), booked(4, -0.001)])
    source = usage.GatewayUsage(log.gateway)
    assert ids(source.rows(WINDOW)) == {"call-1", "call-2"}
    assert ids(source.rows(usage.Window(WINDOW.until, WINDOW.until + timedelta(hours=1)))) == {"call-3"}
    half = timedelta(milliseconds=500)
    assert ids(source.rows(usage.Window(WINDOW.since - half, WINDOW.until + half))) == {call(n) for n in (1, 2, 3, 4)}


def test_rows_from_the_future_are_in_a_running_window_only():
    ahead = (datetime.now(UTC) - BEGUN).total_seconds() + 600  # the gateway's clock is ten minutes ahead
    source = usage.GatewayUsage(SpendLog([booked(1, ahead), booked(2, ahead - 700)]).gateway)
    assert ids(source.rows(usage.last(1))) == {"call-1", "call-2"}
    now = datetime.now(UTC)
    assert ids(source.rows(usage.Window(now - timedelta(hours=1), now))) == {"call-2"}


# Complete, while others write


@pytest.mark.parametrize("count", [99, 100, 101, 150, 200, 1000])
def test_every_row_is_read_once(count, monkeypatch):
    monkeypatch.setattr(bookings, "LEAF", 300)
    random.seed(count)
    log = SpendLog([booked(n, random.randrange(0, 600_000) / 1000) for n in range(count)])
    frame = usage.GatewayUsage(log.gateway).rows(WINDOW)
    assert len(frame) == count
    assert ids(frame) == {call(n) for n in range(count)}
    assert frame["time"].is_monotonic_increasing


def test_a_second_with_more_rows_than_a_page_and_ties_is_read_completely():
    rows = [booked(n, 5 if n % 3 else 5.5) for n in range(350)]
    rows += [booked(1000 + n, n / 10) for n in range(200)]
    assert len(usage.GatewayUsage(SpendLog(rows).gateway).rows(WINDOW)) == 550


@pytest.mark.parametrize("second", [0, 3600])
def test_more_rows_than_a_page_at_the_very_edge_of_the_window_are_read(second):
    window = usage.Window(BEGUN, BEGUN + timedelta(hours=1, seconds=second and 1))
    log = SpendLog([booked(n, second) for n in range(250)])
    assert len(usage.GatewayUsage(log.gateway).rows(window)) == 250


def test_a_row_that_is_booked_between_count_and_page_pushes_none_out():
    """The hole that counting has: the count says 100, the page holds 100, and one of the old rows is not on it."""
    log, late = SpendLog([booked(n, n) for n in range(100)]), iter(range(1000, 1003))

    def write(log):
        if (number := next(late, None)) is not None:
            log.rows.append(booked(number, 500 + number))

    log.between = write
    found = usage.GatewayUsage(log.gateway).rows(WINDOW, show=False)
    assert {call(n) for n in range(100)} <= ids(found)
    assert {call(n) for n in range(100)} <= {row.request_id for row in _spend_rows(write)}


def _spend_rows(write):
    log = SpendLog([booked(n, n) for n in range(100)])
    log.between = write
    return log.gateway.spend_rows(WINDOW.since, WINDOW.until)


@pytest.mark.parametrize("where", ["between", "after"])
@pytest.mark.parametrize("seed", range(5))
def test_rows_that_are_booked_anywhere_while_it_reads_lose_and_double_none(where, seed, monkeypatch):
    monkeypatch.setattr(bookings, "LEAF", 400)
    choose = random.Random(seed)
    log = SpendLog([booked(n, choose.randrange(0, 100_000) / 1000) for n in range(1500)])
    setattr(log, where, lambda log: log.rows.append(booked(len(log.rows), choose.randrange(0, 100_000) / 1000)))
    frame = usage.GatewayUsage(log.gateway).rows(WINDOW)
    assert {call(n) for n in range(1500)} <= ids(frame)
    assert len(frame) == len(ids(frame))


def test_a_gateway_whose_rows_come_in_another_order_is_refused_not_misread():
    log = SpendLog([booked(n, n) for n in range(150)])
    page = log.page
    log.page = lambda params: page(params) | {"data": page(params)["data"][::-1]}
    with pytest.raises(GatewayError, match="cannot be read completely"):
        usage.GatewayUsage(log.gateway).rows(WINDOW)


def test_a_call_on_a_whole_second_is_in_its_place_although_its_time_is_written_without_a_fraction():
    log = SpendLog([booked(1, 0.5), booked(2, 1), booked(3, 1.5)])
    assert [row["startTime"][17:] for row in log.rows] == ["00.500000Z", "01Z", "01.500000Z"]
    assert list(usage.GatewayUsage(log.gateway).rows(WINDOW)["request_id"]) == ["call-1", "call-2", "call-3"]


# A fetch that is kept


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows"


def test_an_interrupted_fetch_goes_on_where_it_was(path, monkeypatch):
    monkeypatch.setattr(bookings, "LEAF", 100)
    log = SpendLog([booked(n, 3.5 * n) for n in range(1000)])
    source = usage.GatewayUsage(log.gateway)
    log.after = lambda log: _interrupt(len(log.asked) > 30)
    with pytest.raises(KeyboardInterrupt):
        source.rows(WINDOW, keep=path)
    asked, log.after = len(log.asked), lambda log: None
    frame = source.rows(WINDOW, keep=path)
    assert ids(frame) == {call(n) for n in range(1000)}
    first, last = (min(one["start_date"] for one in part) for part in (log.asked[:asked], log.asked[asked + 1 :]))
    assert first < last, "what was finished is not asked for again"
    asked = len(log.asked)
    pd.testing.assert_frame_equal(source.rows(WINDOW, keep=path), frame)
    assert len(log.asked) == asked + 2, "only the count, and whether the gateway still has the latest row"


def _interrupt(now):
    if now:
        raise KeyboardInterrupt


def test_a_gateway_that_is_lost_leaves_what_was_finished(path, monkeypatch):
    monkeypatch.setattr(bookings, "LEAF", 100)
    log = SpendLog([booked(n, 3.5 * n) for n in range(500)])
    gateway = log.gateway

    def lost(log):
        raise httpx.ConnectError("lost")

    log.after = lambda log: lost(log) if len(log.asked) > 12 else None
    with pytest.raises(GatewayUnreachable):
        usage.GatewayUsage(gateway).rows(WINDOW, keep=path)
    assert path.read_text().count("call-") > 50
    log.after = lambda log: None
    assert len(usage.GatewayUsage(gateway).rows(WINDOW, keep=path)) == 500


def test_what_is_not_settled_is_read_again_and_what_is_settled_is_kept(path):
    log = SpendLog([booked(1, 0), booked(2, 3000)])
    log.clock = lambda: BEGUN + timedelta(minutes=55)  # the gateway's; by this machine's all of it is long ago
    source = usage.GatewayUsage(log.gateway)
    assert ids(source.rows(WINDOW, keep=path)) == {"call-1", "call-2"}
    log.rows += [booked(3, 3010), booked(4, 10)]  # one is booked late; the other later than can be
    assert ids(source.rows(WINDOW, keep=path)) == {"call-1", "call-2", "call-3"}
    assert ids(source.rows(WINDOW)) == {"call-1", "call-2", "call-3", "call-4"}


def test_a_file_serves_any_window_and_labels_are_those_of_today(path):
    log = SpendLog([booked(n, 60 * n) for n in range(60)])
    source = usage.GatewayUsage(log.gateway)
    part = usage.Window(BEGUN + timedelta(minutes=20), BEGUN + timedelta(minutes=30))
    assert len(source.rows(part, keep=path)) == 10
    log.lists = {"keys": [key(1)]}
    whole = source.rows(WINDOW, keep=path)
    assert len(whole) == 60
    assert set(whole["application"]) == {"app 1"}
    pd.testing.assert_frame_equal(source.rows(part, keep=path), source.rows(part))


def test_the_file_is_its_owners_and_holds_neither_prompts_nor_secrets(path):
    sent = made_up.key("other", "gsk_")
    told = {"messages": {"content": "a prompt"}, "response": {"content": "an answer"}, "api_base": "http://model.test"}
    log = SpendLog([booked(1, **told, api_key=sent)])
    usage.GatewayUsage(log.gateway).rows(WINDOW, keep=path)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert "call-1" in text
    assert not any(one in text for one in (sent, made_up.MASTER_KEY, "a prompt", "an answer", "model.test"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda text: text.replace("call-1", "call-9"), "damaged"),
        (lambda text: text.replace("[", "{", 1), "damaged"),
        (lambda text: text + "more\n", "damaged"),
        (lambda text: text.replace("gateway.test", "other.test", 1), "another gateway"),
        (lambda text: "date,cost\n", "does not hold spend rows"),
        (lambda text: "no line end", "does not hold spend rows"),
        (
            lambda text: text.replace("call-", "gone-").replace(text.splitlines()[1][:8], _sum(text)),
            "not this gateway's",
        ),
    ],
)
def test_a_damaged_or_foreign_file_is_an_error_and_stays_as_it_is(path, change, what):
    source = usage.GatewayUsage(SpendLog([booked(1)]).gateway)
    source.rows(WINDOW, keep=path)
    path.write_text(change(path.read_text()))
    before = path.read_bytes()
    with pytest.raises(UsageError, match=what) as caught:
        source.rows(WINDOW, keep=path)
    assert str(path) in caught.value.why
    assert caught.value.hint
    assert path.read_bytes() == before


def _sum(text):
    """The checksum of the second line when other calls stand in it."""
    told = text.replace("call-", "gone-").splitlines()[1].partition(" ")[2]
    return f"{zlib.crc32(told.encode()):08x}"


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_what_an_interruption_left_of_a_line_is_fetched_again(path, cut):
    source = usage.GatewayUsage(SpendLog([booked(n) for n in range(3)]).gateway)
    source.rows(WINDOW, keep=path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert len(source.rows(WINDOW, keep=path)) == 3
    assert len(source.rows(WINDOW, keep=path)) == 3


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    source = usage.GatewayUsage(SpendLog().gateway)
    for path in (tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(UsageError, match="cannot be opened"):
            source.rows(WINDOW, keep=path)


# Progress


def test_a_long_fetch_shows_a_bar_in_a_notebook_and_nothing_elsewhere(monkeypatch, capsys):
    shown = []
    log = SpendLog([booked(n, n / 10) for n in range(300)])
    usage.GatewayUsage(log.gateway).rows(WINDOW)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(usage_gateway, "LEAF", 200)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    usage.GatewayUsage(log.gateway).rows(WINDOW)
    (bar,) = shown
    assert (repr(bar), bar.value, bar.max, bar.description) == ("Progress(spend rows)", 300, 300, "300 of 300")
    usage.GatewayUsage(log.gateway).rows(WINDOW, show=False)
    assert len(shown) == 1


# Sums

frames = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["a", "b", "c"]),
        st.floats(allow_nan=False, allow_infinity=False),
        st.one_of(st.none(), st.integers(0, 2**31 - 1)),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(frames)
def test_sums_are_exact_and_lose_no_row(calls):
    rows = [
        (booked if answered else rejected)(number, 1800 * half, model_group=model, spend=cost, total_tokens=tokens)
        for number, (half, model, cost, tokens, answered) in enumerate(calls)
    ]
    day = usage.day("2026-11-23")
    frame = usage.GatewayUsage(SpendLog(rows).gateway).rows(day)
    for by in ([], ["model"], ["hour", "outcome"], list(usage.DIMENSIONS)):
        found = usage.summary(frame, by)
        assert found["hits"].sum() + found["rejected"].sum() == len(calls)
        assert found["total_tokens"].sum() == sum(tokens or 0 for *_, tokens, _ in calls)
        # Fractions: another exact arithmetic, without digits.
        exact = sum(Fraction(usage.money(cost)) for _, _, cost, *_ in calls)
        assert sum(map(Fraction, found["cost"])) == exact
        assert found["unmetered"].sum() == sum(answered and not tokens for *_, tokens, answered in calls)


def test_a_summary_is_added_up_further_exactly():
    rows = [booked(n, 600 * n, spend=0.1 * n, model_group="ab"[n % 2]) for n in range(10)]
    frame = usage.GatewayUsage(SpendLog(rows).gateway).rows(usage.day("2026-11-23"))
    for by in ([], ["model"], ["model", "hour"]):
        pd.testing.assert_frame_equal(
            usage.regroup(usage.summary(frame, usage.DIMENSIONS), by), usage.summary(frame, by)
        )
    with pytest.raises(UsageError, match="cannot be added up so"):
        usage.regroup(usage.summary(frame, "model"), "team")


def test_hours_are_those_of_utc_and_money_keeps_its_cents():
    rows = [booked(1, -1, spend=0.1), booked(2, 0, spend=0.2), booked(3, 3599, spend=0.1)]
    found = usage.summary(usage.GatewayUsage(SpendLog(rows).gateway).rows(usage.day("2026-11-23")), "hour")
    assert list(found["hour"]) == [BEGUN - timedelta(hours=1), BEGUN]
    assert list(found["cost"]) == [Decimal("0.1"), Decimal("0.3")]
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {
        "hour": "datetime64[us, UTC]",
        **dict.fromkeys(
            ("hits", "rejected", "prompt_tokens", "completion_tokens", "total_tokens", "unmetered"), "int64"
        ),
        "cost": "object",
    }


def test_negative_and_huge_costs_add_up_like_any_others():
    rows = [booked(1, spend=-0.5), booked(2, spend=1e22), booked(3, spend=1e-15), booked(4, spend=-1e22)]
    (total,) = usage.summary(usage.GatewayUsage(SpendLog(rows).gateway).rows(WINDOW), [])["cost"]
    assert total == Decimal("-0.5") + Decimal("1e-15")


@pytest.mark.parametrize(
    ("told", "amount"),
    [(0.1, "0.1"), (6e-06, "0.000006"), ("1.10", "1.10"), (3, "3"), (0.1 + 0.2, "0.3"), (-2.5, "-2.5")],
)
def test_money_is_what_was_meant(told, amount):
    assert usage.money(told) == Decimal(amount)


@pytest.mark.parametrize("told", ["ten", None, [], "1,50"])
def test_what_is_no_money_is_an_error(told):
    with pytest.raises(UsageError, match="not an amount"):
        usage.money(told)


@pytest.mark.parametrize(("by", "what"), [(["week"], "'week'"), ("cost", "'cost'"), (["user", "user"], "twice")])
def test_unknown_dimensions_are_an_error(by, what):
    with pytest.raises(UsageError, match=what):
        usage.summary(usage.empty_rows(), by)


def test_something_else_than_rows_is_an_error():
    with pytest.raises(UsageError, match="not rows of calls"):
        usage.summary(pd.DataFrame({"outcome": []}))


# Windows


@pytest.mark.parametrize(
    ("when", "tz", "since", "hours"),
    [
        (date(2026, 11, 28), "UTC", "2026-11-28T00:00", 24),
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00", 23),
        ("2026-10-25", "Europe/Berlin", "2026-10-24T22:00", 25),
        ("2026-11-28", "Asia/Kolkata", "2026-11-27T18:30", 24),
        ("2026-10-04", "Australia/Lord_Howe", "2026-10-03T13:30", 23.5),
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00", 23),  # this day had no midnight
        ("2026-11-01", "America/Havana", "2026-11-01T04:00", 25),  # this one had two
        ("2026-11-28", timezone(timedelta(hours=-5)), "2026-11-28T05:00", 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(when, tz, since, hours):
    window = usage.day(when, tz)
    assert (window.since.isoformat()[:16], window.hours, window.running) == (since, hours, False)
    assert window.since.tzinfo is window.until.tzinfo is UTC
    assert (window.until - window.since) / timedelta(hours=1) == hours


def test_days_follow_each_other_without_a_gap_and_make_up_the_month():
    days = [usage.day(date(2026, 10, number), "Europe/Berlin") for number in range(1, 32)]
    assert all(one.until == next_.since for one, next_ in itertools.pairwise(days))
    month = usage.month(2026, 10, "Europe/Berlin")
    assert (month.since, month.until) == (days[0].since, days[-1].until)
    assert usage.month(2026, 12).until == usage.month(2027, 1).since
    assert (repr(days[0]), repr(month)) == ("Window(2026-10-01 (Europe/Berlin))", "Window(2026-10 (Europe/Berlin))")


def test_the_last_hours_end_now_and_are_told_the_same_in_every_run():
    window = usage.last(24)
    assert abs(window.until - datetime.now(UTC)) < timedelta(seconds=5)
    assert (window.hours, window.running, repr(window)) == (24, True, "Window(the last 24 h)")
    assert usage.last(0.5).hours == 0.5


NAIVE = datetime(2026, 11, 28)
AWARE = NAIVE.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: usage.Window(NAIVE, AWARE), "no time zone"),
        (lambda: usage.Window(AWARE, NAIVE), "no time zone"),
        (lambda: usage.Window("2026-11-28", AWARE), "not a time"),
        (lambda: usage.Window(AWARE, AWARE), "ends after it begins"),
        (lambda: usage.Window(AWARE, AWARE - timedelta(hours=1)), "ends after it begins"),
        (lambda: usage.day("2026-11-28", "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
        (lambda: usage.day("2026-11-28", "../etc/passwd"), "no time zone"),
        (lambda: usage.day("2026-11-28", ""), "no time zone"),
        (lambda: usage.day("2026-11-28", None), "no time zone"),
        (lambda: usage.day("28.11.2026"), "not a date"),
        (lambda: usage.day(20261128), "not a date"),
        (lambda: usage.day(AWARE), "a moment, not a day"),
        (lambda: usage.day("2011-12-30", "Pacific/Apia"), "there was no 2011-12-30"),
        (lambda: usage.day(date.max), "end of the calendar"),
        (lambda: usage.day(date.min, "Asia/Tokyo"), "too far away"),
        (lambda: usage.month(9999, 12), "end of the calendar"),
        (lambda: usage.month(2026, 13), "no month 13"),
        (lambda: usage.month(2026, "November"), "no month 'November'"),
        (lambda: usage.last(0), "no window of 0 hours"),
        (lambda: usage.last(-1), "no window of -1 hours"),
        (lambda: usage.last(1e9), "no window of 1e"),
        (lambda: usage.last(float("nan")), "not a number of hours"),
        (lambda: usage.last("24"), "not a number of hours"),
    ],
)
def test_what_is_no_window_is_an_error_that_says_what_to_give(make, what):
    with pytest.raises(UsageError, match=what) as caught:
        make()
    assert caught.value.hint


# The address of a database


@pytest.mark.parametrize(
    "url",
    ["", None, "http://host/db", "postgresql://host", "postgresql://u:hidden@host/db?nothing=1", "hidden@host",
     "postgresql://u:hidden@[host/db", "user=u password=hidden"],
)  # fmt: skip
def test_what_is_no_address_of_a_database_is_an_error_that_keeps_the_password(url):
    with pytest.raises(UsageError, match="not the address") as caught:
        usage.DatabaseUsage(url)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.hint


def test_an_address_as_litellm_has_it_is_taken_and_never_shown():
    source = usage.DatabaseUsage("postgresql://u:hidden@host/db?connection_limit=5&pool_timeout=1&schema=mine")
    assert repr(source) == "DatabaseUsage(db at host:5432)"
    assert "hidden" not in repr(vars(source))
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        pickle.dumps(source)
