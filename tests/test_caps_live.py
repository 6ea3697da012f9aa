"""Caps at the real gateway: who is stopped, how much is served after that, and what a higher cap does."""

import uuid

import pytest

from maas_lab import caps, wait
from maas_lab.client import ask, expect
from maas_lab.errors import BudgetExceeded, RateLimited, UsageError
from maas_lab.keys import ApiKey

PREFIX = "test-caps"


@pytest.fixture
def call(stack, client):
    """Ask the model a few tokens with a key."""
    return lambda key, prompt="Say hi.": ask(client(key), prompt, model=stack.model, max_tokens=4)


@pytest.fixture
def answered(stack, mint, call):
    """What the call of these tests costs, whether or not its prompt is in the model server's cache."""
    return stack.gateway.spend_row(call(mint(), "Say hello.").id).cost


def state(stack, kind, name):
    return next(row for row in caps.state(stack.gateway) if (row.kind, row.name) == (kind, name))


@pytest.mark.parametrize("callers", [1, 4])
def test_what_is_served_after_a_cap_is_what_was_on_its_way(stack, mint, client, answered, callers):
    cap = 2.5 * answered
    key = mint(max_budget=cap)
    found = caps.overshoot(
        client(key), model=stack.model, callers=callers, calls=24, cap=cap, prompt="Say hello.", max_tokens=4
    )
    assert found.reached
    assert found.answered + found.refused <= 24
    assert found.refused == callers
    # One call more may be let in before its forerunner's cost is added.
    assert found.on_their_way <= found.calls <= 2 * callers
    assert found.dollars == pytest.approx(found.spent - cap)
    ids = set(found.frame.loc[found.frame["outcome"] == "answered", "request_id"])
    rows = {one: stack.gateway.spend_row(one) for one in ids}
    booked = sum(row.cost for row in rows.values())
    assert booked == pytest.approx(found.spent)
    assert {row.key_hash for row in rows.values()} == {key.hash}
    wait.until(
        lambda: stack.gateway.key_info(key).spend == pytest.approx(found.spent), what="the key's spend", timeout=30
    )
    assert state(stack, "key", key.name).state == "reached"
    with expect(BudgetExceeded):
        ask(client(key), "Say hello.", model=stack.model)


def test_a_soft_cap_warns_and_stops_nobody(stack, mint, call):
    key = mint(soft_budget=0.001, application=f"{PREFIX}-soft", max_budget=50)
    assert state(stack, "key", key.name).state == "within"
    call(key)
    wait.until(lambda: state(stack, "key", key.name).state == "warning", what="the warning", timeout=30, every=0.5)
    call(key)
    changed = stack.gateway.update_key(key, soft_budget=40)
    assert (changed.soft_budget, changed.application) == (40, f"{PREFIX}-soft")
    assert state(stack, "key", key.name).state == "within"
    assert stack.gateway.update_key(key, soft_budget=None).soft_budget is None


def test_a_higher_cap_lets_calls_through_at_once(stack, mint, call):
    key = mint(max_budget=1e-6)
    call(key)
    wait.until(lambda: refused(call, key), what="the cap to be reached", timeout=20)
    stack.gateway.update_key(key, max_budget=50)
    assert call(key).completion_tokens == 4


def refused(call, key):
    try:
        call(key)
    except BudgetExceeded:
        return True
    return False


def test_a_rate_refuses_for_a_minute_and_a_budget_for_good(mint, call):
    slow, poor = mint(rpm_limit=1, max_budget=50), mint(max_budget=1e-6)
    call(slow)
    call(poor)
    with expect(RateLimited) as caught:
        call(slow)
    assert caught.error.retry_after == 60
    wait.until(lambda: refused(call, poor), what="the cap to be reached", timeout=20)
    with expect(BudgetExceeded) as caught:
        call(poor)
    assert caught.error.retry_after is None


def test_the_renewal_of_a_budget_is_not_taken_away_in_silence(stack, mint):
    key = mint(max_budget=5)
    stack.gateway.update_key(key, budget_duration="30d")
    with pytest.raises(UsageError, match="not taken away"):
        stack.gateway.update_key(key, budget_duration=None)
    # What this refuses is what LiteLLM overlooks: it answers 200, and goes on renewing.
    stack.gateway._rest.call("POST", "/key/update", json={"key": key.hash, "budget_duration": None})
    assert stack.gateway.key_info(key).budget_duration == "30d"


def test_a_key_in_a_team_is_not_stopped_by_its_users_cap(stack, mint, call):
    """Why an application's cap is none of LiteLLM's teams."""
    rest, name = stack.gateway._rest, f"{PREFIX}-{uuid.uuid4().hex[:8]}"
    body = {"user_id": name, "max_budget": 1e-6, "auto_create_key": False}
    rest.call("POST", "/user/new", json=body)
    team = rest.call("POST", "/team/new", json={"team_alias": name})["team_id"]
    try:
        alone = mint(user=name)
        asked = {"key_alias": f"{name}-member", "user_id": name, "team_id": team, "models": [stack.model]}
        member = ApiKey(rest.call("POST", "/key/generate", json=asked)["key"])
        call(alone)
        wait.until(lambda: refused(call, alone), what="the user's cap to be reached", timeout=20)
        assert call(member).completion_tokens == 4
        assert stack.gateway.key_info(member).team == team
        assert next(user for user in stack.gateway.users() if user.id == name).max_budget == 1e-6
        stack.gateway.delete_key(alone, member)
    finally:
        rest.call("POST", "/team/delete", json={"team_ids": [team]})
        rest.call("POST", "/user/delete", json={"user_ids": [name]})


def test_a_cached_prompt_costs_what_a_fresh_one_does(stack, mint, call):
    key, prompt = mint(), f"{uuid.uuid4().hex} " + "Tell me of the sea. " * 8
    first, second = (stack.gateway.spend_row(call(key, prompt).id) for _ in range(2))
    assert first.prompt_tokens == second.prompt_tokens > 50
    price = next(model for model in stack.gateway.models() if model.name == stack.model)
    for row in (first, second):
        told = row.prompt_tokens * price.input_cost + row.completion_tokens * price.output_cost
        assert row.cost == pytest.approx(told)


def test_the_rows_of_a_deleted_key_keep_application_team_and_name(stack, mint, call):
    name, application = f"{PREFIX}-{uuid.uuid4().hex[:8]}", f"{PREFIX}-gone"
    booked = []
    for team in ("Support", "Sales"):  # the same name twice, one after the other
        key = stack.gateway.create_key(name, models=[stack.model], application=application, team=team)
        booked.append(call(key).id)
        stack.gateway.spend_row(booked[-1])
        stack.gateway.delete_key(key)
    rows = [stack.gateway.spend_row(one) for one in booked]
    assert [(row.key_name, row.application, row.team) for row in rows] == [
        (name, application, "Support"),
        (name, application, "Sales"),
    ]


def test_a_rotated_key_keeps_its_team_and_its_soft_cap(stack, mint):
    fresh = stack.gateway.rotate_key(mint(team="Support", soft_budget=3))
    try:
        info = stack.gateway.key_info(fresh)
        assert (info.team, info.soft_budget) == ("Support", 3)
    finally:
        stack.gateway.delete_key(fresh)
