"""The arithmetic of caps, and what is read off the gateway's lists."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maas_lab import caps
from maas_lab.cap_shares import CENT, Cap, shares, state_of, whole_shares
from maas_lab.errors import GatewayError, UsageError
from maas_lab.gateway import Gateway
from maas_lab.overshoot import Overshoot, overshoot
from maas_lab.rows import KeyInfo, SpendRow
from tests.made_up import MASTER_KEY

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DOLLARS = st.floats(0, 1e6, allow_nan=False)


# The arithmetic


@pytest.mark.parametrize(
    ("spend", "soft", "cap", "state"),
    [
        (0, None, None, "within"),
        (1e9, None, None, "within"),
        (0.79, None, 1, "within"),
        (0.8, None, 1, "warning"),
        (0.8, 0.9, 1, "within"),
        (0.9, 0.9, 1, "warning"),
        (1, 0.9, 1, "reached"),
        (5, 2, None, "warning"),
        (0, None, 0, "reached"),
    ],
)
def test_a_soft_cap_warns_before_the_hard_one_stops(spend, soft, cap, state):
    assert state_of(spend, soft, cap) == state


@given(DOLLARS, st.lists(DOLLARS, min_size=1, max_size=10))
def test_all_keys_together_may_spend_the_cap_and_no_more(total, spends):
    parts = shares(total, spends)
    unspent = sum(part == CENT for part, spend in zip(parts, spends, strict=True) if spend == 0)
    assert sum(parts) <= (total + CENT * unspent) * (1 + 1e-9) + 1e-9
    if total >= sum(spends) > 0:
        assert sum(parts) == pytest.approx(total)
        assert all(part >= spend for part, spend in zip(parts, spends, strict=True))
    elif total < sum(spends):  # nothing is left: every key that has spent something is stopped
        assert all(part <= spend for part, spend in zip(parts, spends, strict=True) if spend)
    assert shares(total, spends) == parts


@given(st.integers(1, 10_000), st.integers(1, 20))
def test_rates_are_divided_and_no_key_is_left_without(total, count):
    parts = whole_shares(total, count)
    assert (len(parts), min(parts) >= 1) == (count, True)
    assert sum(parts) == max(total, count)


# What the gateway tells


def key_row(name, spend=0.0, cap=None, *, made=0, gone=None, **more):
    """A row of `/key/list`; times in minutes after noon."""
    at = {"created_at": made} | ({"deleted_at": gone} if gone is not None else {})
    times = {field: (NOON + timedelta(minutes=minutes)).isoformat() for field, minutes in at.items()}
    row = {
        "id": f"{name} {made}",
        "token": f"{abs(hash((name, made))):064x}"[:64],
        "key_alias": name,
        "spend": spend,
        "max_budget": cap,
    }
    return row | times | {"metadata": {"application": "chat", **more.pop("metadata", {})}} | more


@pytest.fixture
def told():
    """Return `caps.state` of a gateway with these keys, deleted keys and users, by kind and name."""

    def state(*live, deleted=(), users=()):
        def answer(request):
            rows = deleted if request.url.params.get("status") == "deleted" else live
            if request.url.path == "/user/list":
                return httpx.Response(200, json={"users": list(users), "total": len(users), "total_pages": 1})
            return httpx.Response(200, json={"keys": list(rows), "total_count": len(rows), "total_pages": 1})

        with Gateway("http://gateway.test", MASTER_KEY, transport=httpx.MockTransport(answer)) as gateway:
            return {(row.kind, row.name): row for row in caps.state(gateway)}

    return state


def test_keys_users_and_applications_in_one_table(told):
    rows = told(
        key_row("a", 1.0, 2.0, metadata={"soft_budget": 1.0}),
        key_row("b", 0.3, 1.0, metadata={"soft_budget": 0.5}),
        key_row("other", 7.0, metadata={"application": None}),
        users=[{"user_id": "u1", "user_alias": "alice", "spend": 9.5, "max_budget": 10}],
    )
    assert list(rows) == [("key", "a"), ("key", "b"), ("key", "other"), ("user", "alice"), ("application", "chat")]
    assert rows["key", "a"] == Cap("key", "a", 1.0, 1.0, 2.0, "warning")
    assert rows["key", "other"].state == "within"
    assert rows["user", "alice"] == Cap("user", "alice", 9.5, None, 10.0, "warning")
    assert rows["application", "chat"] == Cap("application", "chat", 1.3, 1.5, 3.0, "within")


def test_an_application_is_capped_only_when_all_its_keys_are(told):
    assert told(key_row("a", 1, 2), key_row("b", 1))["application", "chat"].cap is None
    blocked = told(key_row("a", 1, 2), key_row("b", 0.5, blocked=True))["application", "chat"]
    assert (blocked.cap, blocked.spend) == (2.5, 1.5)


def test_what_a_deleted_key_has_spent_still_counts_and_a_rotated_one_counts_once(told):
    deleted = key_row("gone", 2.0, made=0, gone=5)
    assert told(key_row("a", 1, 2, made=9), deleted=[deleted])["application", "chat"].spend == 3.0
    # A rotation makes the new key first, with the old one's spend and name.
    rotated = [key_row("a", 1.0, made=0, gone=6), key_row("a", 1.5, made=5, gone=9)]
    assert told(key_row("a", 2.0, 4.0, made=8), deleted=rotated)["application", "chat"].spend == 2.0
    # A key that was deleted and made anew starts at nothing.
    remade = told(key_row("a", 1.0, 4.0, made=7), deleted=[key_row("a", 2.0, made=0, gone=6)])
    assert (remade["application", "chat"].spend, remade["application", "chat"].cap) == (3.0, 6.0)


def test_an_expired_key_is_not_listed_and_counts_as_gone(told):
    rows = told(key_row("a", 1, 2), key_row("old", 4.0, expires="2026-01-01T00:00:00Z"))
    assert ("key", "old") not in rows
    assert rows["application", "chat"] == Cap("application", "chat", 5.0, None, 6.0, "warning")


@pytest.mark.parametrize("soft", ["soon", None, True, [1]])
def test_what_anybody_wrote_into_metadata_breaks_nothing(told, soft):
    assert told(key_row("a", 1, 2, metadata={"soft_budget": soft}))["key", "a"].soft is None


# Who pays


def test_the_team_of_a_key_is_litellms_or_what_its_maker_says():
    row = key_row("a", metadata={"team": "Support"})
    assert KeyInfo.read(row, "0" * 64).team == "Support"
    assert KeyInfo.read(row | {"team_id": "t1"}, "0" * 64).team == "t1"
    assert KeyInfo.read(row | {"metadata": None}, "0" * 64).team is None


def test_the_team_of_a_call_is_its_keys():
    owner = KeyInfo.read(key_row("a", metadata={"team": "Support"}), "0" * 64)
    call = {"request_id": "1", "api_key": owner.hash, "startTime": "2026-11-28T12:00:00Z"}
    call |= {"endTime": "2026-11-28T12:00:01Z"}
    assert SpendRow.read(call, {owner.hash: owner}).team == "Support"
    named = call | {"team_id": "t1", "metadata": {"user_api_key_team_alias": "Platform"}}
    assert SpendRow.read(named, {owner.hash: owner}).team == "Platform"
    assert SpendRow.read(call | {"team_id": "t1"}, {owner.hash: owner}).team == "t1"
    assert SpendRow.read(call, {}).team is None


# Limits that the gateway overlooks


@pytest.fixture
def updated():
    """Change limits of a key with such a row; return what the gateway was sent."""

    def update(row, **limits):
        sent = []

        def answer(request):
            if request.method == "POST":
                sent.append(request.read())
            return httpx.Response(200, json={"info": row})

        with Gateway("http://gateway.test", MASTER_KEY, transport=httpx.MockTransport(answer)) as gateway:
            gateway.update_key("0" * 64, **limits)
        return httpx.Response(200, content=sent[0]).json()

    return update


def test_a_renewal_of_a_budget_cannot_be_taken_away(updated):
    with pytest.raises(UsageError, match="not taken away"):
        updated(key_row("a", budget_duration="30d"), budget_duration=None)
    assert updated(key_row("a", budget_duration="30d"), budget_duration="1d")["budget_duration"] == "1d"
    assert updated(key_row("a"), budget_duration=None)["budget_duration"] is None


def test_a_soft_budget_is_kept_beside_the_keys_other_labels(updated):
    row = key_row("a", metadata={"team": "Support", "soft_budget": 3})
    kept = {"application": "chat", "team": "Support"}
    assert updated(row, soft_budget=2) == {"key": "0" * 64, "metadata": kept | {"soft_budget": 2}}
    assert updated(row, soft_budget=None)["metadata"] == kept


# What is served after a cap was reached


def calls(*ends, cost=0.25, began=0.0):
    """Answered calls that end at such seconds, each begun at the same moment or at its own."""
    starts = began if isinstance(began, list) else [began] * len(ends)
    rows = [
        {"caller": n, "started_s": start, "ended_s": end, "outcome": "answered", "total_tokens": 10, "cost": cost}
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    return pd.DataFrame(rows).assign(request_id=[f"id-{n}" for n in range(len(rows))])


def test_calls_that_end_after_the_one_that_reaches_the_cap_are_served_after_it():
    found = Overshoot.of(calls(1, 2, 3, 4, began=[0, 0, 0, 2.5]), cap=0.5)
    assert (found.reached, found.answered, found.calls, found.tokens) == (True, 4, 2, 20)
    assert (found.on_their_way, found.dollars, found.spent) == (1, 0.5, 1.0)


def test_what_the_reaching_call_costs_beyond_the_cap_is_beyond_it():
    found = Overshoot.of(calls(1, 2), cap=0.3)
    assert (found.calls, found.tokens, found.dollars) == (0, 0, 0.2)


def test_what_was_spent_before_counts():
    assert Overshoot.of(calls(1, 2, 3), cap=1.0, spent=0.5).calls == 1


@pytest.mark.parametrize("count", [0, 3])
def test_a_cap_that_is_not_reached(count):
    found = Overshoot.of(calls(*range(count)) if count else calls(1).head(0), cap=0.751)
    assert (found.reached, found.calls, found.dollars, found.answered) == (False, 0, 0.0, count)


def test_the_dust_of_adding_doubles_is_no_difference():
    found = Overshoot.of(calls(1, 2, 3, cost=0.1), cap=0.3)
    assert (found.reached, found.calls, found.dollars) == (True, 0, 0.0)


def test_refused_calls_cost_nothing_and_are_counted_apart():
    frame = calls(1, 2, 3, 4)
    frame.loc[2:, ["outcome", "cost", "total_tokens"]] = ["budget exceeded", 0.0, 0]
    found = Overshoot.of(frame, cap=0.5)
    assert (found.answered, found.refused, found.calls) == (2, 2, 0)


def test_rows_of_the_gateway_say_the_same_in_any_order():
    frame = calls(1, 2, 3, 4, began=[0, 0, 0, 2.5])
    begun = pd.to_datetime(NOON) + pd.to_timedelta(frame["started_s"], unit="s")
    rows = frame.drop(columns=["caller", "started_s", "ended_s"])
    rows = rows.assign(time=begun, latency_s=frame["ended_s"] - frame["started_s"])
    assert Overshoot.of(rows.sample(frac=1, random_state=1), cap=0.5) == Overshoot.of(frame, cap=0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 20))
def test_what_is_beyond_is_the_spend_less_the_cap(costs, cap):
    found = Overshoot.of(calls(*range(len(costs))).assign(cost=costs), cap=cap)
    assert found.dollars == pytest.approx(max(0.0, sum(costs) - cap), abs=1e-9)
    assert found.calls <= len(costs) - 1


@pytest.mark.parametrize("wrong", [{"callers": 0, "calls": 1}, {"callers": 1, "calls": 0}])
def test_nobody_calling_measures_nothing(wrong):
    with pytest.raises(UsageError, match="from 1 on"):
        overshoot(None, model="m", cap=1, **wrong)


def test_an_answer_without_usage_is_told_as_such():
    answer = SimpleNamespace(
        headers={"x-litellm-response-cost": "0.1"}, parse=lambda: SimpleNamespace(id="1", usage=None)
    )
    create = SimpleNamespace(create=lambda **asked: answer)
    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(with_raw_response=create)))
    with pytest.raises(GatewayError, match="no usage"):
        overshoot([client], model="tiny", callers=1, calls=1, cap=1)
