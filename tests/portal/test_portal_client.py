"""The portal's client against a running portal: what consumers, administrators and auditors do, step by step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from maas_lab import wait
from maas_lab.client import classify, openai_client
from maas_lab.errors import (
    AlreadyExists,
    ApprovalNeeded,
    BudgetExceeded,
    InvalidKey,
    InvalidRequest,
    LoginFailed,
    ModelNotAllowed,
    NoSuchEntry,
    NotSubscribed,
    OverMaximum,
    RateLimited,
    RoleMissing,
    SessionExpired,
)
from maas_lab.portal import Portal

TODAY = datetime.now(UTC).date()
WEEK = TODAY - timedelta(days=6)


@pytest.fixture
def call(lab, tiny):
    """Call the model with a key; refusals are the lab's typed ones."""

    def ask(key, model: str = tiny) -> int:
        client = openai_client(f"{lab.gateway}/v1", key)
        messages = [{"role": "user", "content": "Hello"}]
        try:
            return client.chat.completions.create(model=model, messages=messages, max_tokens=4).usage.total_tokens
        except Exception as error:
            raise classify(error) from error

    return ask


def test_logging_in(user, lab):
    assert (user("alice").me.roles, user("dave").me.roles) == (("user",), ("user", "admin-readonly"))
    assert user("carol").me.is_admin
    with pytest.raises(LoginFailed, match="does not let `alice` in"):
        user("alice", "guess")
    with pytest.raises(LoginFailed, match="does not let `zoe` in"):
        user("zoe", "guess")
    with Portal(lab.url, "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", verify=lab.trust) as nobody, pytest.raises(SessionExpired):
        nobody.me  # noqa: B018


def test_an_application_from_the_catalogue_to_the_first_answer(user, lab, tiny, call):
    alice = user("alice")
    model = next(one for one in alice.models() if one.name == tiny)
    assert (model.input_cost, model.output_cost, model.context, model.restricted) == (0.001, 0.002, 512, False)
    assert alice.gateway_url() == lab.gateway
    limits = {"max_budget": 5, "budget_duration": "monthly", "rpm_limit": 100, "tpm_limit": 10_000}
    app = alice.create_application("My GenAI App", [tiny], duration="1d", **limits)
    assert call(app.key) > 4
    (found,) = alice.applications()
    assert found.name == "My GenAI App"
    shown = {name: getattr(found.info, name) for name in limits}
    assert (shown, found.models, found.info.active) == (limits, (tiny,), True)
    assert found.info.expires is not None
    assert alice.reveal_key("My GenAI App") == app.key
    # The call may be booked between the two looks.
    assert replace(alice.key(app.key), spend=0) == replace(found.info, spend=0)
    with pytest.raises(AlreadyExists):
        alice.create_application("My GenAI App", [tiny])
    assert alice.subscribe(tiny).active
    alice.delete_application("My GenAI App")
    assert alice.applications() == []


def test_a_rotated_key_is_another_one_and_the_old_one_is_dead(user, tiny, call):
    alice = user("alice")
    old = alice.create_application("rotated", [tiny], rpm_limit=50).key
    fresh = alice.rotate_key("rotated")
    assert call(fresh) > 4
    with pytest.raises(InvalidKey):
        call(old)
    (app,) = alice.applications()
    assert (app.name, app.info.rpm_limit, app.models) == ("rotated", 50, (tiny,))
    alice.delete_key(fresh)
    with pytest.raises(InvalidKey):
        call(fresh)


def test_limits_of_a_key_are_changed_and_enforced(user, tiny, call):
    alice = user("alice")
    key = alice.create_application("limited", [tiny], rpm_limit=1, max_budget=5).key
    call(key)
    with pytest.raises(RateLimited):
        call(key)
    row = alice.update_key(key, rpm_limit=100, budget_duration="weekly")
    assert (row.rpm_limit, row.max_budget, row.budget_duration) == (100, 5, "weekly")
    assert (row.application, row.models) == ("limited", (tiny,))
    row = alice.update_key(key, tpm_limit=9000, rpm_limit=None)
    assert (row.rpm_limit, row.tpm_limit, row.budget_duration) == (None, 9000, "weekly")
    call(key)


def test_a_blocked_key_answers_again_when_it_is_unblocked(user, tiny, call):
    alice = user("alice")
    key = alice.create_application("blocked", [tiny], max_budget=5).key
    call(key)
    assert alice.block_key(key).blocked
    with pytest.raises((InvalidKey, BudgetExceeded)):
        call(key)
    row = alice.unblock_key(key, 4)
    assert (row.blocked, row.max_budget) == (False, 4)
    call(key)


def test_keys_of_others_are_not_there(user, tiny):
    alice, bob = user("alice"), user("bob")
    row = alice.create_application("mine", [tiny]).info
    for touch in (bob.reveal_key, bob.rotate_key, bob.block_key):
        with pytest.raises(NoSuchEntry):
            touch(row)
    bob.delete_key(row)
    assert [app.name for app in alice.applications()] == ["mine"]


def test_a_restricted_model_waits_for_an_administrator(user, guarded, call):
    bob, carol = user("bob"), user("carol")
    with pytest.raises(ApprovalNeeded, match="is restricted"):
        bob.create_application("plans", [guarded])
    with pytest.raises(NotSubscribed):
        bob.create_key("plans", [guarded])
    (request,) = [one for one in carol.admin.requests() if (one.user, one.model) == ("bob", guarded)]
    carol.admin.deny(request, reason="say what for")
    with pytest.raises(ApprovalNeeded, match="was denied") as refusal:
        bob.create_application("plans", [guarded])
    assert refusal.value.why == "say what for"
    assert bob.request_review(guarded).status == "pending"
    carol.admin.approve(request, reason="fine")
    assert call(bob.create_application("plans", [guarded]).key, guarded) > 4
    bob.delete_application("plans")
    bob.unsubscribe(guarded)


def test_keys_stay_below_the_maximum(user, tiny):
    alice, carol = user("alice"), user("carol")
    before = carol.admin.key_rules()
    rules = carol.admin.set_key_maximums(max_budget=20, rpm_limit=60)
    try:
        assert rules.maximums["max_budget"] == 20
        with pytest.raises(OverMaximum) as refusal:
            alice.create_application("greedy", [tiny], max_budget=500)
        assert refusal.value.why == "maxBudget is at most 20, not 500"
        assert alice.applications() == []
        alice.create_key("modest", [tiny], max_budget=10)
        with pytest.raises(OverMaximum):
            alice.update_key("modest", max_budget=500)
    finally:
        after = carol.admin.set_key_maximums(**{"max_budget": None, "rpm_limit": None} | before.maximums)
    assert after.maximums == before.maximums


def test_nobody_has_more_than_ten_keys(user, tiny):
    alice = user("alice")
    for number in range(10):
        alice.create_key(f"key {number}", [tiny])
    with pytest.raises(OverMaximum):
        alice.create_key("one more", [tiny])


def test_a_cap_stops_all_keys_of_a_user(user, tiny, call):
    bob, carol = user("bob"), user("carol")
    first = bob.create_application("spender", [tiny]).key
    call(first)
    wait.until(lambda: bob.budget().spend > 0, what="the spend of the call", timeout=30, every=0.5)
    before = carol.admin.account("bob")
    try:
        account = carol.admin.cap_user("bob", max_budget=0.00001)
        assert account.max_budget == 0.00001
        assert (account.rpm_limit, account.tpm_limit) == (before.rpm_limit, before.tpm_limit)
        second = bob.create_application("second", [tiny]).key
        for key in (first, second):
            with pytest.raises(BudgetExceeded):
                call(key)
    finally:
        carol.admin.cap_user("bob", max_budget=before.max_budget)
    call(first)


def test_usage_is_seen_by_those_who_may(user, tiny, call):
    alice, carol, dave = user("alice"), user("carol"), user("dave")
    app = alice.create_application("metered", [tiny])
    tokens = sum(call(app.key) for _ in range(3))

    def booked() -> bool:
        carol.statistics.refresh()
        return alice.key("metered").spend > 0 and alice.usage(TODAY).requests >= 3

    wait.until(booked, what="the usage of the calls", timeout=30, every=0.5)
    own = alice.usage(WEEK, models=[tiny])
    assert own.models[0].name == tiny
    assert own.tokens.total >= tokens
    assert own.tokens.prompt + own.tokens.completion == own.tokens.total
    seen = dave.statistics.usage(WEEK, users=["alice"])
    assert seen.requests == alice.usage(WEEK).requests
    assert {row.name for row in dave.statistics.by_user(WEEK)} >= {"alice"}
    assert tiny in {row.name for row in dave.statistics.by_model(WEEK)}
    header, *lines = dave.statistics.export(WEEK).splitlines()
    assert header.startswith("User ID,Username,Email,Total Requests")
    assert any(",alice," in line for line in lines)
    with pytest.raises(RoleMissing):
        alice.statistics.usage(WEEK)
    with pytest.raises(RoleMissing):
        dave.admin.cap_user("alice", max_budget=1)
    with pytest.raises(RoleMissing):
        alice.admin.users()


def test_models_come_and_go(user, lab):
    carol = user("carol")
    model = {"served": lab.model.served, "api_base": lab.model.base, "api_key": lab.model.key or "none"}
    carol.admin.register_model("passing", **model, input_cost=0.5, output_cost=1, context=512, restricted=True)
    try:
        with pytest.raises(AlreadyExists):
            carol.admin.register_model("passing", **model, input_cost=0.5, output_cost=1, context=512)
        assert next(one for one in carol.models() if one.name == "passing").restricted
        carol.admin.sync_models()
    finally:
        carol.admin.delete_model("passing")
    assert "passing" not in {one.name for one in carol.models()}


@pytest.mark.parametrize("span", ["1d", "daily", "30d"])
def test_a_budget_lasts_as_long_as_was_said(user, tiny, span):
    alice = user("alice")
    key = alice.create_key("spanned", [tiny], max_budget=5, budget_duration=span)
    assert alice.key(key).budget_duration == span
    assert alice.update_key(key, max_budget=4).budget_duration == span


def test_a_subscription_that_is_given_up_opens_nothing(user, offer, tiny, call):
    bob = user("bob")
    with offer("fleeting"):
        both = bob.create_application("both", [tiny, "fleeting"]).key
        only = bob.create_application("only", ["fleeting"]).key
        assert min(call(both, tiny), call(both, "fleeting"), call(only, "fleeting")) > 4
        bob.unsubscribe("fleeting")
        for key in (both, only):
            with pytest.raises((InvalidKey, ModelNotAllowed)):
                call(key, "fleeting")
        assert call(both, tiny) > 4
        assert "fleeting" not in {one.model for one in bob.subscriptions() if one.active}
        assert bob.subscribe("fleeting").active


def test_an_administrator_subscribes_a_user(user, guarded):
    bob, carol = user("bob"), user("carol")
    carol.admin.subscribe("bob", guarded)
    carol.admin.subscribe("bob", guarded)
    try:
        assert next(one for one in bob.subscriptions() if one.model == guarded).active
        bob.create_key("given", [guarded])
    finally:
        bob.delete_key("given")
        bob.unsubscribe(guarded)


@pytest.mark.parametrize("name", ["'; drop table users; --", "<script>alert(1)</script>", "Ünïcode 7", "x" * 300])
def test_a_name_is_kept_as_it_is_or_refused(user, tiny, name):
    alice = user("alice")
    try:
        assert alice.create_application(name, [tiny]).info.application == name
    except InvalidRequest as error:
        told = error.what
    else:
        told = "`name` is kept"
    assert "`name` is" in told
    assert {app.name for app in alice.applications()} <= {name}


def test_a_model_that_is_not_there(user):
    with pytest.raises(NoSuchEntry):
        user("alice").create_application("unknown", ["no-such-model"])
