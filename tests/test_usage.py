"""Usage as frames: windows, rows through the gateway's API, and sums."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from maas_lab import bookings, usage
from maas_lab.errors import GatewayError
from maas_lab.usage_frames import COLUMNS
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
