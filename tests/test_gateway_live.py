"""The real gateway: keys, limits, budgets, spend and traffic, on a lab that others use too."""

import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from maas_lab import gateway_keys, wait
from maas_lab.client import Curl, ask, ask_many, expect
from maas_lab.errors import BadRequest, BudgetExceeded, InvalidKey, ModelNotAllowed, RateLimited, UsageError
from maas_lab.gateway import Gateway
from maas_lab.keys import ApiKey

PREFIX = "test-gateway-live"


@pytest.fixture
def call(stack, client):
    """Ask the model a few tokens with a key."""
    return lambda key, **options: ask(client(key), "Say hi.", **{"model": stack.model, "max_tokens": 4} | options)


def test_the_gateway_is_the_release_that_litemaas_deploys(stack):
    assert stack.gateway.version() == "1.81.0"


def test_a_key_is_created_listed_limited_blocked_and_deleted(stack, mint, call):
    gateway = stack.gateway
    key = mint(application="My GenAI App", rpm_limit=100, max_budget=5, duration="1h")
    info = gateway.key_info(key)
    assert (info.name, info.hash, info.application) == (key.name, key.hash, "My GenAI App")
    assert (info.models, info.rpm_limit, info.max_budget, info.blocked) == ((stack.model,), 100, 5, False)
    assert timedelta(minutes=55) < info.expires - datetime.now(UTC) <= timedelta(hours=1, minutes=1)
    assert info in gateway.keys("My GenAI App")
    list_keys = gateway.keys
    assert key.hash in {other.hash for other in list_keys()}
    assert gateway.available_models(key) == [stack.model]

    changed = gateway.update_key(key, rpm_limit=None, tpm_limit=5000, max_budget=None, duration=None)
    assert (changed.rpm_limit, changed.tpm_limit, changed.max_budget, changed.expires) == (
        None,
        5000,
        None,
        None,
    )
    assert call(key).completion_tokens == 4

    gateway.block_key(key)
    with expect(InvalidKey) as caught:
        call(key)
    assert caught.error.what == "this key is blocked"
    assert gateway.key_info(key).blocked
    gateway.unblock_key(key.hash)
    assert call(key).completion_tokens == 4

    gateway.delete_key(key, "0" * 64)
    gateway.delete_key(key)
    with expect(InvalidKey):
        call(key)
    with expect(InvalidKey):
        gateway.key_info(key)


def test_a_name_is_given_only_once(stack, mint):
    key = mint()
    with pytest.raises(UsageError, match="exists already"):
        stack.gateway.create_key(key.name, models=[stack.model])


def test_rotating_a_key_kills_the_old_one_and_keeps_name_limits_and_spend(stack, mint, call):
    old = mint(application="rotated", rpm_limit=50, max_budget=5, duration="1h")
    assert call(old).total_tokens
    before = wait.until(
        lambda: (info := stack.gateway.key_info(old)).spend and info, what="the spend of the key", timeout=30
    )
    fresh = stack.gateway.rotate_key(old)
    after = stack.gateway.key_info(fresh)
    stack.gateway.delete_key(fresh)
    assert fresh != old
    assert (after.name, after.application, after.models) == (before.name, "rotated", before.models)
    assert (after.rpm_limit, after.max_budget, after.spend) == (50, 5, before.spend)
    assert abs(after.expires - before.expires) < timedelta(minutes=1)
    with expect(InvalidKey):
        call(old)


def test_a_rotated_key_works(stack, mint, call):
    fresh = stack.gateway.rotate_key(mint())
    try:
        assert call(fresh).completion_tokens == 4
    finally:
        stack.gateway.delete_key(fresh)


def test_a_wrong_key_and_a_forbidden_model_are_told_apart(stack, mint, call):
    with expect(InvalidKey) as caught:
        call(ApiKey("sk-nobody-has-this-key"))
    assert caught.error.what == "the gateway does not know this key"
    with expect(ModelNotAllowed) as caught:
        call(mint(), model="no-such-model")
    assert stack.model in caught.error.why
    with Gateway(stack.url, mint()) as not_admin, expect(InvalidKey) as caught:
        not_admin.create_key("mine", models=[])
    assert caught.error.what == "this key may not manage the gateway"


def test_a_prompt_that_is_too_long_is_a_bad_request(stack, mint, client):
    with expect(BadRequest) as caught:
        ask(client(mint()), "word " * 20000, model=stack.model, max_tokens=4)
    assert caught.error.what == "the prompt is longer than the model's context"


def test_exactly_as_many_calls_as_the_limit_allows_get_through(stack, mint, client):
    key = mint(rpm_limit=3)
    calls = ask_many(client(key), ["Say hi."] * 8, model=stack.model, concurrency=4, max_tokens=2)
    assert calls.counts() == {"answered": 3, "rate limited": 5}
    refused = calls.frame[calls.frame["outcome"] == "rate limited"]
    assert set(refused["text"]) == {"this key allows 3 requests per minute"}
    assert set(refused["status"]) == {429}
    with expect(RateLimited) as caught:
        ask(client(key), "Say hi.", model=stack.model)
    assert caught.error.retry_after == 60


def test_a_spent_budget_stops_the_next_call(mint, call):
    key = mint(max_budget=1e-9)
    call(key)

    def refused():
        with suppress(BudgetExceeded):
            call(key, max_tokens=1)
            return False
        return True

    # The counter runs beside the calls: the first one after the line may still slip through.
    wait.until(refused, what="the budget to be seen as spent", timeout=20)
    with expect(BudgetExceeded) as caught:
        call(key)
    assert caught.error.what == "this key has spent its budget"


def test_a_cap_at_what_is_spent_stops_the_next_call(stack, mint, call):
    """Also where the gateway tells more than is booked: it rounds to 16 digits what it tells, and not its sums."""
    gateway, first = stack.gateway, mint()
    call(first)
    cost = wait.until(lambda: gateway.key_info(first).spend, what="the call to be booked", timeout=30)
    amounts = [n / 1000 for n in range(1000, 9000)]
    before = next(amount for amount in amounts if float(f"{amount + cost:.15e}") > amount + cost)
    key = gateway_keys.twin(gateway._rest, {**gateway._info(first), "spend": before})
    try:
        call(key)
        wait.until(lambda: gateway.key_info(key).spend > before, what="the call to be booked", timeout=30)
        gateway.update_key(key, max_budget=gateway.key_info(key).spend)
        with expect(BudgetExceeded):
            call(key)
    finally:
        gateway.delete_key(key)


def test_a_call_is_found_as_a_spend_row_by_its_id(stack, mint):
    key = mint(application="booked")
    price = next(model for model in stack.gateway.models() if model.name == stack.model)
    answer = Curl(stack.url, key, "Say hi.", model=stack.model, max_tokens=4).run()
    row = stack.gateway.spend_row(answer["id"], timeout=30)
    usage = answer["usage"]
    assert (row.prompt_tokens, row.completion_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    expected = row.prompt_tokens * price.input_cost + row.completion_tokens * price.output_cost
    assert row.cost == pytest.approx(expected)
    assert (row.model, row.outcome, row.status) == (stack.model, "answered", "success")
    assert (row.key_name, row.key_hash, row.application) == (key.name, key.hash, "booked")
    assert row.latency_s > 0


def test_what_the_client_counts_is_what_the_gateway_books(stack, mint, client):
    key, begun = mint(rpm_limit=4), datetime.now(UTC) - timedelta(minutes=1)
    calls = ask_many(client(key), [f"Say {n}." for n in range(6)], model=stack.model, concurrency=3, max_tokens=3)
    streamed = mint()
    reply = ask(client(streamed), "Say hi.", model=stack.model, max_tokens=4, stream=True)
    assert reply.first_token_s <= reply.seconds

    def booked():
        rows = stack.gateway.spend_rows(begun, key=key)
        return len(rows) >= 6 and rows

    rows = wait.until(booked, what="all six rows", timeout=30, every=0.5)
    assert {row.request_id for row in rows} == set(calls.frame["request_id"])
    assert sorted(row.outcome for row in rows) == sorted(calls.frame["outcome"])
    assert sum(row.total_tokens for row in rows) == calls.tokens()
    assert stack.gateway.spend_row(reply.id, timeout=30).total_tokens == reply.total_tokens
    assert [row.time for row in rows] == sorted(row.time for row in rows)
    assert stack.gateway.spend_rows(begun - timedelta(hours=1), begun, key=key) == []


def test_the_rows_of_a_deleted_key_keep_name_and_application(stack, mint, call):
    key = mint(application="gone")
    reply = call(key)
    stack.gateway.delete_key(key)
    row = stack.gateway.spend_row(reply.id, timeout=30)
    assert (row.key_name, row.application) == (key.name, "gone")


def test_a_model_is_registered_once_and_replaced_when_it_changes(stack, mint):
    gateway = stack.gateway
    name = f"{PREFIX}-{uuid.uuid4().hex[:8]}"
    terms = {
        "served": "m",
        "api_base": "http://127.0.0.1:9/v1",
        "api_key": "sk-server-1",
        "input_cost": 1,
        "output_cost": 2,
    }
    others = [model for model in gateway.models() if not model.name.startswith(PREFIX)]
    try:
        first = gateway.register_model(name, **terms)
        assert gateway.register_model(name, **terms) == first
        changed = gateway.register_model(name, **terms | {"api_key": "sk-server-2", "input_cost": 3})
        assert (changed.input_cost, changed.id == first.id) == (3.0, False)
        assert [model for model in gateway.models() if model.name == name] == [changed]
    finally:
        gateway.delete_model(name)
    gateway.delete_model(name)
    assert [model for model in gateway.models() if not model.name.startswith(PREFIX)] == others
