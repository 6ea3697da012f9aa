"""The portal's client over recorded answers of LiteMaaS 0.4.0: what a consumer does, and each quirk of the portal."""

import base64
import copy
import json
import pickle
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from maas_lab import portal_statistics
from maas_lab.errors import (
    AlreadyExists,
    ApprovalNeeded,
    InvalidRequest,
    LoginFailed,
    NoSuchEntry,
    NotSubscribed,
    OverMaximum,
    PortalBusy,
    PortalError,
    PortalUnreachable,
    RoleMissing,
    SessionExpired,
    UsageError,
)
from maas_lab.keys import ApiKey
from maas_lab.portal import Portal
from maas_lab.portal_refusals import portal_refusal
from tests.made_up import key as made_up_key

CAPTURES = Path(__file__).parent / "captures" / "litemaas"
URL = "http://portal.test"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiIxIn0.c2lnbmF0dXJl"
SECRET = f"{made_up_key('portal', begins='sk-LGEc-')}-Zjbg"  # it begins and ends as the recorded one does
GRANITE = "granite-3.1-8b-instruct"
LAB_KEY = "c11723ca-524f-46d7-b513-451792add3b9"
DAY = date(2026, 11, 22)


def capture(name):
    return json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))


def response(name):
    """A recorded answer as it came, status and all."""
    recorded = capture(name)
    body = recorded["response"]
    headers = {"location": recorded["location"]} if "location" in recorded else {}
    content = {"text": body} if isinstance(body, str) else {"json": body}
    return httpx.Response(recorded["status"], headers=headers, **content)


def page(*rows):
    """One page that holds all rows of a listing."""
    return {"data": list(rows), "pagination": {"page": 1, "limit": 100, "total": len(rows), "totalPages": 1}}


class Recorded:
    """Answers by method and path; asking for anything else is a failure of the test.

    An answer is the name of a capture, JSON, a response, a function of the request, or a list of those, used in turn.
    """

    def __init__(self, answers):
        self.answers, self.requests = answers, []

    def __call__(self, request):
        self.requests.append(request)
        path = request.url.path.removeprefix("/api/v1")
        answer = self.answers[f"{request.method} {path}"]
        if isinstance(answer, list) and answer and not isinstance(answer[0], dict):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, str):
            return response(answer)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def asked(self, method, ending=""):
        """The bodies of the requests so far of a method, whose paths end so."""
        found = [one for one in self.requests if one.method == method and one.url.path.endswith(ending)]
        return [json.loads(one.content) if one.content else None for one in found]


def portal(answers, token=TOKEN, **options):
    """A logged-in user's portal, and what it is asked."""
    recorded = Recorded(answers)
    return Portal(URL, token, transport=httpx.MockTransport(recorded), **options), recorded


def refused(name):
    recorded = capture(name)
    return portal_refusal(recorded["status"], recorded["response"], {})


# Who, and the catalogue


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("GET_auth_me_user", ("alice", False, False)),
        ("GET_auth_me_admin", ("carol", True, True)),
        ("GET_auth_me_admin_readonly", ("dave", False, True)),
    ],
)
def test_it_tells_who_is_logged_in(name, shown):
    me = portal({"GET /auth/me": name})[0].me
    assert (me.name, me.is_admin, me.sees_usage) == shown
    assert me.full_name == me.name.title()


def test_the_other_spelling_of_the_auditors_role_is_understood():
    told = capture("GET_auth_me_admin_readonly")["response"] | {"roles": ["user", "adminReadonly"]}
    assert portal({"GET /auth/me": told})[0].me.roles == ("user", "admin-readonly")


def test_prices_are_per_token_whatever_the_unit_says():
    model = portal({"GET /models": "GET_models"})[0].models()[0]
    assert capture("GET_models")["response"]["data"][0]["pricing"]["unit"] == "per_1k_tokens"
    assert (model.name, model.context) == (GRANITE, 8192)
    assert (model.input_cost, model.output_cost) == (2e-06, 6e-06)
    assert (model.served, model.restricted) == ("granite", False)


def test_decimals_may_come_as_text():
    row = capture("GET_models")["response"]["data"][0] | {"inputCostPerToken": "0.00200", "contextLength": "8192"}
    model = portal({"GET /models": page(row)})[0].models()[0]
    assert (model.input_cost, model.context) == (0.002, 8192)


def test_a_model_that_is_gone_is_not_offered():
    row = capture("GET_models")["response"]["data"][0] | {"isActive": False}
    assert portal({"GET /models": page(row)})[0].models() == []


def test_all_pages_are_read_though_rows_move_meanwhile():
    rows = [capture("GET_models")["response"]["data"][0] | {"id": f"model-{n}"} for n in range(3)]
    told = []

    def answer(request):
        told.append(int(request.url.params["page"]))
        # Between the first two reads a row moves to a page that was read already.
        shown = [rows[0:2], rows[0:1]] if len(told) <= 2 else [rows[0:2], rows[2:3]]
        pages = {"page": told[-1], "limit": 2, "total": 3, "totalPages": 2}
        return httpx.Response(200, json={"data": shown[told[-1] - 1], "pagination": pages})

    assert [one.name for one in portal({"GET /models": answer})[0].models()] == ["model-0", "model-1", "model-2"]
    assert told == [1, 2, 1, 2]


def test_a_listing_by_post_says_in_its_body_which_page_it_wants():
    rows = [capture("POST_admin_usage_by_user")["response"]["data"][0] | {"userId": f"user-{n}"} for n in range(3)]

    def answer(request):
        asked = json.loads(request.content)
        begin = (asked["page"] - 1) * 2
        pages = {"page": asked["page"], "limit": asked["limit"], "total": 3, "totalPages": 2}
        return httpx.Response(200, json={"data": rows[begin : begin + 2], "pagination": pages})

    found = portal(REFRESH | {"POST /admin/usage/by-user": answer})[0]
    assert len(found.statistics.by_user(date(2026, 11, 23))) == 3


def test_the_gateways_address_is_the_one_the_portal_shows():
    lab = portal({"GET /config": "GET_config_production"})[0]
    assert (lab.gateway_url(), lab.version()) == ("http://127.0.0.1:14471", "0.4.0")


# The token


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f" {TOKEN}\n",
        f"Bearer {TOKEN}",
        f"Authorization: bearer {TOKEN}",
        f"https://portal.test/auth/callback#token={TOKEN}&expires_in=86400",
        ApiKey(TOKEN),
    ],
)
def test_a_pasted_token_is_sent_and_never_shown(pasted):
    lab, recorded = portal({"GET /auth/me": "GET_auth_me_user"}, token=pasted)
    lab.me  # noqa: B018
    assert recorded.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN[:-4] not in repr(lab) + repr(lab.token) + str(lab.token) + repr(vars(lab))


@pytest.mark.parametrize("pasted", ["", "two words", "https://portal.test/auth/callback#error=denied"])
def test_what_is_no_token_is_refused(pasted):
    with pytest.raises(UsageError) as refusal:
        portal({}, token=pasted)
    assert "Portal(url, token)" in refusal.value.hint


def test_it_does_not_pose_as_a_browser_which_litemaas_lets_in_as_an_administrator():
    let_in = lambda request: "GET_subscriptions_browser_ua_bypass_200" if _is_browser(request) else NOBODY  # noqa: E731
    lab, recorded = portal({"GET /subscriptions": let_in})
    with pytest.raises(SessionExpired):
        lab.subscriptions()
    assert recorded.requests[0].headers["user-agent"] == "maas-lab"


NOBODY = "GET_subscriptions_unauthenticated_401"


def _is_browser(request):
    return "Mozilla" in request.headers["user-agent"] or "localhost:3000" in request.headers.get("origin", "")


@pytest.mark.parametrize("url", ["portal", "ftp://portal", "", None, "https://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError, match="not the address of a portal"):
        Portal(url, TOKEN)


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/api/v1", f"{URL}/api/", "http://me:secret@portal.test"])
def test_an_address_may_be_written_in_several_ways(url):
    assert repr(Portal(url, TOKEN)) == "Portal(http://portal.test)"


# Subscriptions


def test_a_second_subscription_is_the_first_one():
    mine = capture("POST_subscriptions_active")["response"]
    answers = {"POST /subscriptions": "POST_subscriptions_duplicate_409", "GET /subscriptions": page(mine)}
    one = portal(answers)[0].subscribe(GRANITE)
    assert (one.model, one.status, one.active) == (GRANITE, "active", True)


def test_quotas_of_a_subscription_are_not_shown_because_nothing_counts_against_them():
    quota = capture("GET_subscription_quota_never_used")["response"]
    assert quota["requests"]["used"] == 0  # after real traffic
    one = portal({"POST /subscriptions": "POST_subscriptions_active"})[0].subscribe(GRANITE)
    assert not any("quota" in name or "used" in name for name in vars(one))


def test_giving_up_a_subscription_that_is_not_there_is_fine():
    mine = capture("POST_subscriptions_active")["response"]
    cancel = f"POST /subscriptions/{mine['id']}/cancel"
    lab, recorded = portal({"GET /subscriptions": page(mine), cancel: mine | {"status": "cancelled"}})
    lab.unsubscribe("another")
    assert recorded.asked("POST") == []
    lab.unsubscribe(GRANITE)
    assert recorded.asked("POST", "/cancel") == [{}]


def test_a_denied_subscription_can_be_looked_at_again():
    denied = capture("POST_subscriptions_restricted_pending")["response"] | {"status": "denied"}
    again = denied | {"status": "pending"}
    review = f"POST /subscriptions/{denied['id']}/request-review"
    answers = {"GET /subscriptions": [lambda _: ok(page(denied)), lambda _: ok(page(again))], review: again}
    assert portal(answers)[0].request_review("granite-restricted").status == "pending"


def ok(told, status=200):
    return httpx.Response(status, json=told)


# Applications and keys


def key_row(name, /, **more):
    rows = {row["name"]: row for row in capture("GET_api_keys")["response"]["data"]}
    return rows[name] | more


def created():
    """A recorded creation, with a secret that a key can have."""
    return ok(capture("POST_api_keys_created")["response"] | {"key": SECRET}, 201)


def test_an_application_is_a_subscription_to_each_model_and_one_named_key():
    lab, recorded = portal(
        {
            "GET /api-keys": [lambda _: ok(page()), lambda _: response("GET_api_keys")],
            "POST /subscriptions": "POST_subscriptions_active",
            "POST /api-keys": lambda _: created(),
        }
    )
    limits = {"max_budget": 5, "budget_duration": "monthly", "rpm_limit": 8, "tpm_limit": 100_000}
    app = lab.create_application("lab-app", [GRANITE], **limits)
    # Exactly the recorded request.
    assert recorded.asked("POST", "/api-keys") == [capture("POST_api_keys_created")["request"]["body"]]
    assert recorded.asked("POST", "/subscriptions") == [{"modelId": GRANITE}]
    assert (app.name, app.models, app.info.id) == ("lab-app", (GRANITE,), LAB_KEY)
    assert (app.info.max_budget, app.info.rpm_limit, app.info.spend) == (5, 8, 0.00048)
    assert app.key.reveal() == SECRET


@pytest.mark.parametrize(
    "show", [str, repr, lambda app: json.dumps(vars(app), default=str), lambda app: repr(vars(app))]
)
def test_an_application_shows_no_key(show):
    lab, _ = portal(
        {
            "GET /api-keys": [lambda _: ok(page()), lambda _: response("GET_api_keys")],
            "POST /subscriptions": "POST_subscriptions_active",
            "POST /api-keys": lambda _: created(),
        }
    )
    app = lab.create_application("lab-app", [GRANITE])
    assert "not-a-real" not in show(app)
    assert "not-a-real" not in show(copy.deepcopy(app))
    with pytest.raises(UsageError, match="not written to a file"):
        pickle.dumps(app)


def test_a_second_application_of_a_name_is_refused():
    lab, recorded = portal({"GET /api-keys": "GET_api_keys"})
    with pytest.raises(AlreadyExists, match="`lab-app` already"):
        lab.create_application("lab-app", [GRANITE])
    assert recorded.asked("POST") == []


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        ("pending", ApprovalNeeded, "is restricted"),
        ("denied", ApprovalNeeded, "was denied"),
        ("suspended", NotSubscribed, "is suspended"),
    ],
)
def test_an_application_waits_for_approval(status, kind, told):
    pending = capture("POST_subscriptions_restricted_pending")["response"] | {"status": status}
    lab, recorded = portal({"GET /api-keys": page(), "POST /subscriptions": lambda _: ok(pending, 201)})
    with pytest.raises(kind, match=told) as refusal:
        lab.create_application("secret plans", ["granite-restricted"])
    assert refusal.value.hint
    assert recorded.asked("POST", "/api-keys") == []


def test_applications_are_the_keys_that_say_so():
    lab, _ = portal({"GET /api-keys": "GET_api_keys"})
    assert repr(lab.applications()) == "NAME      MODELS\nlab-app   granite-3.1-8b-instruct"
    every = lab.keys()
    assert [key.name for key in every] == ["mb", "capped", "lab-app"]
    assert [key.name for key in lab.keys("lab-app")] == ["lab-app"]
    assert every[2].created_at == datetime(2026, 11, 23, 14, 55, 17, 367000, UTC)


def test_deleting_an_application_deletes_its_key():
    lab, recorded = portal({"GET /api-keys": "GET_api_keys", f"DELETE /api-keys/{LAB_KEY}": "DELETE_api_key"})
    lab.delete_application("lab-app")
    assert len(recorded.asked("DELETE")) == 1
    lab.delete_application("another")
    assert len(recorded.asked("DELETE")) == 1


def test_a_budget_of_one_model_is_not_shown_because_the_gateway_never_got_it():
    assert capture("GET_api_keys")["response"]["data"][0]["modelMaxBudget"]
    assert portal({"GET /api-keys": "GET_api_keys"})[0].key("mb").max_budget is None


def test_one_key_is_found_in_the_list_because_its_own_path_always_fails():
    answers = {"GET /api-keys": "GET_api_keys", f"GET /api-keys/{LAB_KEY}": "GET_api_key_by_id_500"}
    lab, _ = portal(answers)
    row = lab.key("lab-app")
    assert row.id == LAB_KEY
    for other in (LAB_KEY, row, lab.applications()[0], ApiKey(SECRET, "lab-app"), ApiKey(SECRET)):
        assert lab.key(other) == row
    assert refused("GET_api_key_by_id_500").what == "the portal failed (HTTP 500)"


@pytest.mark.parametrize("key", ["nobody", ApiKey("sk-0000-not-a-real-key"), "00000000-0000-0000-0000-000000000009"])
def test_a_key_of_somebody_else_is_not_found(key):
    with pytest.raises(NoSuchEntry) as refusal:
        portal({"GET /api-keys": "GET_api_keys"})[0].reveal_key(key)
    assert "not-a-real" not in str(refusal.value)


def test_two_keys_of_one_name_must_be_told_apart():
    twins = page(key_row("capped"), key_row("mb", name="capped"))
    lab, _ = portal({"GET /api-keys": twins})
    with pytest.raises(UsageError, match="2 keys are called `capped`"):
        lab.delete_key("capped")
    # A dead one of the same name is no obstacle.
    dead = page(key_row("capped"), key_row("mb", name="capped", isActive=False))
    assert portal({"GET /api-keys": dead})[0].key("capped").id == key_row("capped")["id"]


def test_a_key_can_be_shown_again_and_rotated():
    fresh = {"id": LAB_KEY, "key": made_up_key("rotated"), "rotatedAt": "2026-11-23T15:00:00.000Z"}
    lab, recorded = portal(
        {
            "GET /api-keys": "GET_api_keys",
            f"POST /api-keys/{LAB_KEY}/reveal": "POST_api_key_reveal",
            f"POST /api-keys/{LAB_KEY}/rotate": fresh,
        }
    )
    shown = lab.reveal_key("lab-app")
    assert (shown.reveal(), shown.name, shown.models) == ("sk-..._lYA", "lab-app", (GRANITE,))
    assert lab.rotate_key("lab-app").reveal() == fresh["key"]
    assert recorded.asked("POST") == [{}, {}]


def test_a_change_of_one_limit_keeps_the_others_which_litemaas_would_forget():
    before, after = page(key_row("lab-app")), page(key_row("lab-app", maxBudget=1))
    lab, recorded = portal(
        {
            "GET /api-keys": [lambda _: ok(before), lambda _: ok(after)],
            f"PATCH /api-keys/{LAB_KEY}": "PATCH_api_key",
        }
    )
    row = lab.update_key("lab-app", max_budget=1)
    kept = {"budgetDuration": "monthly", "rpmLimit": 8, "tpmLimit": 100_000}
    assert recorded.asked("PATCH") == [{"maxBudget": 1, **kept}]
    # The recorded answer of PATCH says that the key opens no model.
    assert capture("PATCH_api_key")["response"]["models"] == []
    assert (row.max_budget, row.rpm_limit, row.models) == (1, 8, (GRANITE,))


def test_a_limit_is_taken_away_by_saying_so():
    lab, recorded = portal({"GET /api-keys": "GET_api_keys", f"PATCH /api-keys/{LAB_KEY}": "PATCH_api_key"})
    lab.update_key("lab-app", rpm_limit=None)
    assert recorded.asked("PATCH")[0]["rpmLimit"] is None
    # LiteLLM keeps a budget_duration whatever is asked of it; that must not pass for done.
    with pytest.raises(UsageError, match="can only be changed"):
        lab.update_key("lab-app", budget_duration=None)
    with pytest.raises(UsageError, match="no limit `colour`"):
        lab.update_key("lab-app", colour="red")


class OneKey:
    """A portal with one key, that does what a PATCH of these fields says, and refuses or overlooks the others."""

    def __init__(self, *fields, refuses=False):
        self.row, self.fields, self.refuses = key_row("lab-app"), fields, refuses
        self.answers = {"GET /api-keys": lambda _: ok(page(self.row)), f"PATCH /api-keys/{LAB_KEY}": self.patch}

    def patch(self, request):
        told = json.loads(request.content)
        if self.refuses and not set(told) <= set(self.fields):
            return ok({"error": {"code": "VALIDATION_ERROR", "message": "no such field"}}, 400)
        # What is left out is forgotten, as LiteMaaS does.
        self.row = {name: one for name, one in self.row.items() if name not in self.fields}
        self.row |= {name: one for name, one in told.items() if name in self.fields and one is not None}
        if "isActive" in self.fields:
            self.row["status"] = "active" if self.row.setdefault("isActive", True) else "blocked"
        return ok({"id": LAB_KEY, "models": []})


LIMITS = ("maxBudget", "budgetDuration", "rpmLimit", "tpmLimit")


@pytest.mark.parametrize("refuses", [False, True])
def test_litemaas_blocks_a_key_by_a_budget_of_nothing(refuses):
    lab, _ = portal(OneKey(*LIMITS, refuses=refuses).answers)
    row = lab.block_key("lab-app")
    assert (row.blocked, row.max_budget, row.rpm_limit, row.active) == (True, 0, 8, True)
    row = lab.unblock_key("lab-app", 3)
    assert (row.blocked, row.max_budget, row.rpm_limit) == (False, 3, 8)
    lab.block_key("lab-app")
    assert lab.unblock_key("lab-app").max_budget is None


def test_a_portal_with_a_switch_keeps_the_budget_of_a_blocked_key():
    lab, _ = portal(OneKey(*LIMITS, "isActive").answers)
    row = lab.block_key("lab-app")
    assert (row.blocked, row.max_budget, row.rpm_limit, row.active) == (True, 5, 8, False)
    with pytest.raises(AlreadyExists):
        lab.create_application("lab-app", [GRANITE])
    row = lab.unblock_key("lab-app")
    assert (row.blocked, row.max_budget, row.active) == (False, 5, True)


def test_deleting_a_key_twice_is_fine():
    gone = httpx.Response(404, json={"error": {"code": "NOT_FOUND", "message": "API key not found"}})
    lab, recorded = portal({"GET /api-keys": "GET_api_keys", f"DELETE /api-keys/{LAB_KEY}": lambda _: gone})
    lab.delete_key("lab-app")
    lab.delete_key("another")
    assert len(recorded.asked("DELETE")) == 1


def test_a_key_that_lives_for_a_while_ends_then():
    lab, recorded = portal({"POST /api-keys": lambda _: created()})
    lab.create_key("short", [GRANITE], duration="2h")
    ends = datetime.fromisoformat(recorded.asked("POST")[0]["expiresAt"])
    assert 7190 < (ends - datetime.now(UTC)).total_seconds() <= 7200
    assert "metadata" not in recorded.asked("POST")[0]
    with pytest.raises(UsageError, match="is not a duration"):
        lab.create_key("short", [GRANITE], duration="soon")
    with pytest.raises(UsageError, match="list of names"):
        lab.create_key("short", GRANITE)


@pytest.mark.parametrize("name", ["'; drop table users; --", "<script>alert(1)</script>", "Ünïcode ☃", "x" * 300])
def test_a_name_is_passed_on_as_it_is(name):
    lab, recorded = portal({"POST /api-keys": lambda _: created()})
    assert lab.create_key(name, [GRANITE]).name == name
    assert recorded.asked("POST")[0]["name"] == name


# Usage


def test_a_users_own_usage_adds_up():
    lab, recorded = portal({"GET /models": "GET_models", "POST /usage/analytics": "POST_usage_analytics_user"})
    usage = lab.usage(DAY, date(2026, 11, 23))
    assert recorded.asked("POST") == [{"startDate": "2026-11-22", "endDate": "2026-11-23"}]
    assert (usage.tokens.total, usage.tokens.prompt, usage.tokens.completion) == (180, 120, 60)
    assert usage.cost == pytest.approx(0.0006)
    assert (usage.since, usage.until, usage.fresh) == (DAY, date(2026, 11, 23), False)


def test_refused_calls_are_told_from_answered_ones():
    lab, _ = portal({"GET /models": "GET_models", "POST /usage/analytics": "POST_usage_analytics_user"})
    usage = lab.usage(DAY)
    assert (usage.requests, usage.answered) == (17, 10)
    # A mistyped model is a row as any other, but for the mark.
    assert [(row.name, row.requests, row.known) for row in usage.models] == [(GRANITE, 16, True), ("nope", 1, False)]


def test_usage_of_a_model_is_asked_for_under_the_name_it_is_filed_under():
    lab, recorded = portal({"GET /models": "GET_models", "POST /usage/analytics": "POST_usage_analytics_user"})
    lab.usage(DAY, models=[GRANITE])
    assert recorded.asked("POST")[0]["modelIds"] == [GRANITE, "openai/granite"]


def test_two_models_of_one_server_cannot_be_told_apart_in_usage():
    row = capture("GET_models")["response"]["data"][0]
    both = page(row, row | {"id": "granite-cheap"})
    lab, _ = portal({"GET /models": both, "POST /usage/analytics": "POST_usage_analytics_user"})
    assert [(one.name, one.known) for one in lab.usage(DAY).models] == [("openai/granite", True), ("nope", False)]


def test_a_cap_and_the_spend_under_it():
    budget = portal({"GET /usage/budget": "GET_usage_budget"})[0].budget()
    assert (budget.max_budget, budget.spend) == (100, pytest.approx(0.0006))


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ((datetime(2026, 11, 22, 8, tzinfo=UTC),), "whole days"),
        (("2026-11-22",), "whole days"),
        ((date(2026, 11, 23), DAY), "after the last"),
    ],
)
def test_the_portal_counts_whole_days(days, told):
    with pytest.raises(UsageError, match=told) as refusal:
        portal({"GET /models": "GET_models"})[0].usage(*days)
    assert refusal.value.hint


# Refusals


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("GET_subscriptions_unauthenticated_401", SessionExpired, "does not know this token"),
        ("GET_admin_users_bad_admin_key_401", SessionExpired, "does not know this token"),
        ("POST_admin_usage_analytics_as_user_403", RoleMissing, "does not allow"),
        ("POST_models_sync_as_user_403", RoleMissing, "does not allow"),
        ("POST_api_keys_not_subscribed_400", NotSubscribed, "subscription to `not-a-model`"),
        ("POST_api_keys_over_maximum_400", OverMaximum, "above the portal's maximum"),
        ("POST_subscriptions_duplicate_409", AlreadyExists, "there already"),
        ("POST_admin_usage_rebuild_cache_500", PortalError, "HTTP 500"),
        ("POST_api_keys_browser_ua_500", PortalError, "HTTP 500"),
        ("POST_admin_user_api_key_with_admin_key_500", PortalError, "HTTP 500"),
    ],
)
def test_recorded_refusals_have_kinds(name, kind, told):
    error = refused(name)
    assert type(error) is kind
    assert told in error.what
    assert error.hint
    assert error.status == capture(name)["status"]
    assert "[object" not in "".join(error.lines())
    assert "stack" not in "".join(error.lines())


def test_a_refusal_says_what_was_too_much():
    assert refused("POST_api_keys_over_maximum_400").why == "maxBudget is at most 20, not 500"
    assert "Required permission: models:write" in refused("POST_models_sync_as_user_403").why
    assert refused("POST_api_keys_not_subscribed_400").hint == "portal.subscribe('not-a-model')"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"statusCode": 400, "error": "Bad Request", "message": "body/name must NOT be longer"}, InvalidRequest),
        (422, {"error": {"code": "VALIDATION_ERROR", "message": "no", "details": {"field": "name"}}}, InvalidRequest),
        (400, {"error": {"code": "VALIDATION_ERROR", "message": "Maximum of 10 active API keys"}}, OverMaximum),
        (403, {"error": {"code": "FORBIDDEN", "message": "API key is inactive"}}, RoleMissing),
        (400, {"error": {"code": "ALREADY_EXISTS", "message": "there"}}, AlreadyExists),
        (404, {"error": {"code": "NOT_FOUND", "message": "Endpoint not available"}}, NoSuchEntry),
        (403, {"error": {"code": "X", "message": "no active subscription to it"}}, NotSubscribed),
        (429, {"error": "[object Object]"}, PortalBusy),
        (429, "", PortalBusy),
        (500, {"error": "Date range too large", "details": None}, PortalError),
        (503, "<html>Application is not available</html>", PortalUnreachable),
        (404, "<html>no route</html>", PortalError),
        (500, "[]", PortalError),
        (500, "", PortalError),
    ],
)
def test_other_refusals_have_kinds(status, body, kind):
    error = portal_refusal(status, json.dumps(body) if isinstance(body, dict) else body, {"Content-Type": "text/html"})
    assert type(error) is kind
    assert error.hint


def test_no_secret_and_no_id_is_repeated():
    told = f"key {SECRET} of e39cdcd6-cad7-4e5e-9b06-854e9a30d434, token {TOKEN}, ltm_admin_abc123\nstack"
    lines = "".join(portal_refusal(500, {"error": {"message": told}}, {}).lines())
    assert not any(part in lines for part in (SECRET[8:], "e39cdcd6", TOKEN[10:], "abc123", "stack"))


@pytest.mark.parametrize("status", [200, 302, 404])
def test_a_web_page_is_not_the_portals_answer(status):
    html = httpx.Response(status, html="<title>a page</title>")
    with pytest.raises(PortalError, match="is a web page"):
        portal({"GET /models": lambda _: html})[0].models()


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "nothing answers"),
        (httpx.ReadTimeout("too slow"), "did not answer in time"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self signed"), "nothing answers"),
    ],
)
def test_a_portal_that_does_not_answer(raised, told):
    def answer(request):
        raise raised

    with pytest.raises(PortalUnreachable, match=told) as refusal:
        portal({"GET /models": answer})[0].models()
    assert refusal.value.hint


# Too many calls


def busy(**headers):
    return httpx.Response(429, json={"error": "[object Object]"}, headers=headers)


def test_it_waits_when_there_were_too_many_calls():
    answers = [lambda _: busy(**{"retry-after": "0.3"}), lambda _: busy(), lambda _: response("GET_config_production")]
    lab, recorded = portal({"GET /config": answers})
    assert lab.version() == "0.4.0"
    assert len(recorded.requests) == 3


@pytest.mark.parametrize("headers", [{"retry-after": "60"}, {}])
def test_it_does_not_wait_longer_than_asked_to(headers):
    lab, recorded = portal({"GET /config": lambda _: busy(**headers)}, patience=0.5)
    with pytest.raises(PortalBusy) as refusal:
        lab.version()
    assert len(recorded.requests) == 1
    assert refusal.value.retry_after == (60 if headers else None)


# Logging in


ASKED = "http://127.0.0.1:14472"
STATE = "60bec0b21132091cdfb388697fc6e7bdfe3e6bb3061b305f444b097e6a92fecd"
ENDED = f"/auth/callback#token={TOKEN}&expires_in=86400"


class Web:
    """The portal at one address and the cluster's OAuth server at another, as recorded, or with other answers."""

    def __init__(self, **other):
        self.other, self.requests = other, []

    def __call__(self, request):
        self.requests.append(request)
        name = request.url.path.rpartition("/")[2]
        if name in self.other:
            return self.other[name](request)
        return getattr(self, name)(request)

    def login(self, request):
        assert request.headers["origin"] == URL  # the portal makes the address to come back to of it
        return response("POST_auth_login")

    def authorize(self, request):
        assert request.headers["x-csrf-token"]
        if request.headers.get("authorization") != "Basic " + base64.b64encode(b"alice:pass:wort").decode():
            return httpx.Response(401, headers={"www-authenticate": 'Basic realm="openshift"'})
        return response("oauth_GET_authorize_302")

    def callback(self, request):
        assert request.url.params["state"] == STATE
        return httpx.Response(302, headers={"location": ENDED})


def log_in(web, user="alice", password="pass:wort", **options):
    return Portal.login(URL, user, password, transport=httpx.MockTransport(web), **options)


def test_logging_in_goes_the_way_a_browser_goes():
    web = Web()
    lab = log_in(web)
    assert lab.token.reveal() == TOKEN
    steps = [(str(one.url).partition("?")[0], "authorization" in one.headers) for one in web.requests]
    assert steps == [
        (f"{URL}/api/auth/login", False),
        (f"{ASKED}/oauth/authorize", False),
        (f"{ASKED}/oauth/authorize", True),
        (f"{URL}/api/auth/callback", False),
    ]
    assert web.requests[3].url.params["code"] == "30f45f8f8f426cea"
    assert capture("GET_auth_callback_302")["location"] == ENDED.replace(TOKEN, "<JWT>")


def test_the_password_goes_to_the_oauth_server_alone():
    web = Web()
    log_in(web)
    secret = base64.b64encode(b"alice:pass:wort").decode()
    told = [one for one in web.requests if secret in f"{one.headers.multi_items()} {one.url} {one.content}"]
    assert [one.url.host for one in told] == ["127.0.0.1"]


def moved(location, status=302):
    return lambda request: httpx.Response(status, headers={"location": location})


CODE = f"{URL}/api/auth/callback?code=30f45f8f8f426cea"


@pytest.mark.parametrize(
    ("other", "told", "try_this"),
    [
        ({"authorize": moved(f"{ASKED}/login?then=there")}, "by name and password", "Portal(url, token)"),
        ({"authorize": lambda _: httpx.Response(200, html="<form>")}, "by name and password", "Portal(url, token)"),
        ({"authorize": lambda _: httpx.Response(400, json={})}, "by name and password", "Portal(url, token)"),
        ({"authorize": moved(f"{CODE}&state=another")}, "not for this login", "log in again"),
        ({"authorize": moved(f"{URL}/api/auth/callback?state={STATE}")}, "not for this login", "log in again"),
        ({"authorize": moved(f"{CODE}&error=access_denied&state={STATE}")}, "refused the login", "Portal(url, token)"),
        ({"callback": lambda _: httpx.Response(400, json={"error": {"message": "state"}})}, "did not finish", "again"),
        ({"callback": lambda _: httpx.Response(401, json={"error": {"message": "state"}})}, "did not finish", "again"),
        ({"callback": moved("/auth/callback#error=denied")}, "without a token", "Portal(url, token)"),
        ({"callback": moved("/auth/callback")}, "without a token", "Portal(url, token)"),
        ({"login": lambda _: httpx.Response(200, html="<p>")}, "does not say where", "./lab status"),
        ({"login": lambda _: httpx.Response(200, json={})}, "does not say where", "./lab status"),
        ({"login": lambda _: ok({"authUrl": "http://elsewhere.test/oauth/authorize"})}, "unencrypted", "tell"),
    ],
)
def test_a_login_that_does_not_work_says_why(other, told, try_this):
    web = Web(**other)
    with pytest.raises(LoginFailed, match=told) as refusal:
        log_in(web)
    assert try_this in refusal.value.hint
    assert "wort" not in "".join(refusal.value.lines())
    assert "elsewhere.test" not in {one.url.host for one in web.requests}


def test_a_wrong_password_is_refused():
    with pytest.raises(LoginFailed, match="does not let `alice` in") as refusal:
        log_in(Web(), password="guess-0815")
    assert "guess-0815" not in "".join(refusal.value.lines())


def test_a_code_goes_to_the_portal_whatever_the_oauth_server_says():
    web = Web(authorize=moved(f"https://elsewhere.test/api/auth/callback?code=30f45f8f8f426cea&state={STATE}"))
    assert log_in(web).token.reveal() == TOKEN
    assert {one.url.host for one in web.requests} == {"portal.test", "127.0.0.1"}


def test_an_oauth_server_that_does_not_answer_is_not_the_portal():
    def down(request):
        raise httpx.ConnectError("[Errno 111] Connection refused")

    with pytest.raises(PortalUnreachable, match="OAuth server"):
        log_in(Web(authorize=down))
    with pytest.raises(PortalUnreachable, match="the portal's address"):
        log_in(Web(login=down))


def test_a_login_does_not_wait_for_a_limit_on_logins():
    web = Web(login=lambda _: busy(**{"retry-after": "1"}))
    with pytest.raises(PortalBusy):
        log_in(web)
    assert len(web.requests) == 1


# Administrators


ALICE = "48db5987-42a5-49c1-a452-65121244a6cd"
USERS = {"GET /admin/users": "GET_admin_users_admin_key_200"}
ACCOUNT = {f"GET /admin/users/{ALICE}": "GET_admin_user_detail"}


def test_users_are_people_not_the_portals_own_user():
    lab, _ = portal(USERS)
    assert [user.name for user in lab.admin.users()] == ["alice", "bob", "carol", "dave"]


def test_an_account_is_found_by_name_and_its_times_are_read():
    account = portal(USERS | ACCOUNT)[0].admin.account("alice")
    assert (account.max_budget, account.rpm_limit, account.tpm_limit) == (100, 120, 100_000)
    assert (account.spend, account.keys, account.user.roles) == (0.00158, 1, ("user",))
    # JavaScript's way to print a time.
    assert account.last_login == datetime(2026, 11, 23, 14, 39, 16, tzinfo=UTC)


def test_a_user_who_never_logged_in_is_not_there():
    with pytest.raises(NoSuchEntry, match="no user `zoe`") as refusal:
        portal(USERS)[0].admin.account("zoe")
    assert refusal.value.hint == "portal.admin.users() shows them"


def test_a_cap_is_what_was_asked_for_though_the_portal_shows_two_decimals():
    path = f"/admin/users/{ALICE}/budget-limits"
    shown = capture("PATCH_admin_user_budget_limits")
    detail = capture("GET_admin_user_detail")["response"] | {"maxBudget": shown["response"]["maxBudget"]}
    answers = USERS | {f"GET /admin/users/{ALICE}": detail, f"PATCH {path}": "PATCH_admin_user_budget_limits"}
    lab, recorded = portal(answers)
    account = lab.admin.cap_user("alice", max_budget=0.00001)
    assert recorded.asked("PATCH") == [shown["request"]["body"]]
    assert (shown["response"]["maxBudget"], account.max_budget) == (0, 0.00001)
    assert account.tpm_limit == 100_000
    with pytest.raises(UsageError, match="`max_budget` can be changed, not taken away"):
        lab.admin.cap_user("alice", max_budget=None)
    with pytest.raises(UsageError, match="no limit `money`"):
        lab.admin.cap_user("alice", money=3)


def test_everybody_is_capped_at_once():
    lab, recorded = portal({"POST /admin/users/bulk-update-limits": "POST_admin_bulk_limits"})
    assert lab.admin.cap_everyone(max_budget=75) == 2
    assert recorded.asked("POST") == [{"maxBudget": 75}]
    failed = capture("POST_admin_bulk_limits")["response"] | {"failedCount": 1, "errors": [{"error": "no row"}]}
    with pytest.raises(PortalError, match="1 of 2 users") as refusal:
        portal({"POST /admin/users/bulk-update-limits": failed})[0].admin.cap_everyone(max_budget=75)
    assert refusal.value.why == "no row"


def test_a_users_keys_and_spend_are_an_administrators_too():
    key = key_row("lab-app")
    told = {"id": ALICE, "currentSpend": 0, "resetAt": "2026-11-23T15:00:00.000Z"}
    lab, recorded = portal(
        USERS
        | {
            f"GET /admin/users/{ALICE}/api-keys": page(key),
            f"DELETE /admin/users/{ALICE}/api-keys/{LAB_KEY}": {"success": True},
            f"POST /admin/users/{ALICE}/reset-spend": told,
        }
    )
    (row,) = lab.admin.keys("alice")
    assert row.application == "lab-app"
    lab.admin.delete_key("alice", row)
    assert len(recorded.asked("DELETE")) == 1
    assert lab.admin.reset_spend("alice") == 0


KEYS = f"GET /admin/users/{ALICE}/api-keys"
NO_KEYS = {
    f"GET /admin/users/{one['userId']}/api-keys": page()
    for one in capture("GET_admin_users_admin_key_200")["response"]["users"]
}
ANALYTICS = {
    "POST /admin/usage/refresh-today": "POST_admin_usage_refresh_today",
    "POST /admin/usage/analytics": "POST_admin_usage_analytics_double_counted",
}


def capped(*rows):
    """A portal whose alice has these keys, as an administrator sees them."""
    changed = {f"PATCH /admin/users/{ALICE}/api-keys/{row['id']}": "PATCH_api_key" for row in rows}
    return portal(USERS | NO_KEYS | ANALYTICS | {KEYS: page(*rows)} | changed)


def admins_row(name, number=1, **more):
    """A key as LiteMaaS tells administrators of it: without metadata."""
    told = {name: value for name, value in key_row("lab-app").items() if name != "metadata"}
    return told | {"id": LAB_KEY[:-1] + str(number), "name": name, **more}


def test_an_administrator_changes_a_limit_of_a_key_and_keeps_the_others():
    row = admins_row("lab-app", modelRpmLimit={GRANITE: 3})
    lab, recorded = capped(row)
    lab.admin.cap_key("alice", "lab-app", max_budget=2, soft_budget=1.5)
    (asked,) = recorded.asked("PATCH")
    kept = {name: row[name] for name in ("budgetDuration", "tpmLimit", "rpmLimit", "modelRpmLimit")}
    assert asked == kept | {"maxBudget": 2, "softBudget": 1.5}
    with pytest.raises(UsageError, match="budget_duration"):
        lab.admin.cap_key("alice", "lab-app", budget_duration=None)
    with pytest.raises(UsageError, match="no limit `money`"):
        lab.admin.cap_key("alice", "lab-app", money=1)
    with pytest.raises(NoSuchEntry, match="no key `other`"):
        lab.admin.cap_key("alice", "other", max_budget=2)
    with pytest.raises(NoSuchEntry, match="2 keys are called `twin`"):
        capped(admins_row("twin", 1), admins_row("twin", 2))[0].admin.cap_key("alice", "twin", max_budget=2)


def test_an_expired_key_is_no_twin_of_a_live_one():
    lab, recorded = capped(admins_row("twin", 1), admins_row("twin", 2, expiresAt="2026-01-01T00:00:00.000Z"))
    assert lab.admin.cap_key("alice", "twin", max_budget=2).id.endswith("1")
    lab.admin.cap_application("twin", max_budget=2)
    assert {request.url.path[-1] for request in recorded.requests if request.method == "PATCH"} == {"1"}


def test_an_applications_cap_is_divided_among_its_keys_once():
    rows = [admins_row("chat", number, currentSpend=spend, maxBudget=None) for number, spend in ((1, 3.0), (2, 1.0))]
    lab, recorded = capped(*rows, admins_row("other", 3))
    cap = lab.admin.cap_application("chat", max_budget=10, soft_budget=8, rpm_limit=7)
    assert (cap.kind, cap.name, cap.spend, cap.soft, cap.cap, cap.state) == ("application", "chat", 4, 8, 10, "within")
    asked = {(body["maxBudget"], body["softBudget"], body["rpmLimit"]) for body in recorded.asked("PATCH")}
    assert asked == {(6, 5, 3), (4, 3, 4)}
    parts = [
        row | {"maxBudget": most, "softBudget": soft} for row, most, soft in zip(rows, (6, 4), (5, 3), strict=True)
    ]
    again, quiet = capped(*parts)
    again.admin.cap_application("chat", max_budget=10, soft_budget=8)
    assert quiet.asked("PATCH") == []
    lower, stopped = capped(*rows)
    assert lower.admin.cap_application("chat", max_budget=2).state == "reached"
    assert {body["maxBudget"] for body in stopped.asked("PATCH")} == {1.5, 0.5}


@pytest.mark.parametrize(("most", "soft"), [(-1, None), (float("nan"), None), (1, 2), ("5", None), (1, -1)])
def test_what_is_no_cap_is_refused_before_the_portal_is_asked(most, soft):
    lab, recorded = portal({})
    with pytest.raises(UsageError, match="this is no cap"):
        lab.admin.cap_application("chat", max_budget=most, soft_budget=soft)
    assert recorded.requests == []


def test_an_application_that_is_not_there_has_no_cap():
    with pytest.raises(NoSuchEntry, match="no application `chat`"):
        capped(admins_row("dead", isActive=False))[0].admin.cap_application("chat", max_budget=1)


def test_a_team_is_written_into_the_keys_metadata():
    keys = {"POST /api-keys": "POST_api_keys_created", "GET /api-keys": "GET_api_keys"}
    lab, recorded = portal(keys)
    lab.create_key("lab-app", [GRANITE], application="lab-app", team="Support")
    assert recorded.asked("POST")[0]["metadata"] == {"application": "lab-app", "team": "Support"}
    row = key_row("lab-app") | {"metadata": {"application": "lab-app", "team": "Support"}}
    lab, _ = portal({"GET /api-keys": page(row)})
    assert (lab.key("lab-app").team, lab.applications()[0].team) == ("Support", "Support")


def test_a_change_of_one_rule_keeps_the_others():
    path = "/admin/settings/api-key-defaults"
    rules = capture("PUT_admin_api_key_defaults")["response"]
    lab, recorded = portal({f"GET {path}": rules, f"PUT {path}": "PUT_admin_api_key_defaults"})
    assert lab.admin.set_key_maximums(max_budget=50, expiration_days=30).maximums["rpm_limit"] == 60
    asked = recorded.asked("PUT")[0]
    assert asked["maximums"] == {"maxBudget": 50, "tpmLimit": 5000, "rpmLimit": 60, "expirationDays": 30}
    assert asked["defaults"] == rules["defaults"]
    lab.admin.set_key_defaults(rpm_limit=None)
    assert "rpmLimit" not in recorded.asked("PUT")[1]["defaults"]
    assert lab.admin.key_rules().defaults["budget_duration"] == "monthly"
    with pytest.raises(UsageError, match="no limit `budget_duration`"):
        lab.admin.set_key_maximums(budget_duration="1d")


def waiting():
    told = capture("POST_subscriptions_restricted_pending")["response"]
    return told | {"user": {"id": ALICE, "username": "alice", "email": "alice"}}


def test_a_request_is_approved():
    approve = "POST /admin/subscriptions/approve"
    lab, recorded = portal({"GET /admin/subscriptions": page(waiting()), approve: "POST_admin_subscriptions_approve"})
    requests = lab.admin.requests()
    assert repr(requests).splitlines()[1].split() == ["granite-restricted", "pending", "alice"]
    assert recorded.requests[0].url.params["statuses"] == "pending"
    lab.admin.approve(*requests, reason="lab")
    assert recorded.asked("POST") == [capture("POST_admin_subscriptions_approve")["request"]["body"]]
    lab.admin.approve()
    assert len(recorded.asked("POST")) == 1


def test_only_what_waits_is_listed_whatever_the_portal_filters():
    other = waiting() | {"id": LAB_KEY, "status": "active"}
    lab, _ = portal({"GET /admin/subscriptions": page(waiting(), other)})
    assert [one.status for one in lab.admin.requests()] == ["pending"]
    assert [one.status for one in lab.admin.requests("active")] == ["active"]


def test_a_decision_that_failed_is_not_silent():
    failed = {"successful": 0, "failed": 1, "errors": [{"subscription": "x", "error": "not pending"}]}
    lab, _ = portal({"GET /admin/subscriptions": page(waiting()), "POST /admin/subscriptions/deny": failed})
    with pytest.raises(PortalError, match="1 subscriptions are as they were") as refusal:
        lab.admin.deny(*lab.admin.requests(), reason="no")
    assert refusal.value.why == "not pending"


def test_a_user_is_subscribed_without_asking():
    done = {"created": [], "activated": [], "alreadyActive": []}
    lab, recorded = portal(USERS | {f"POST /admin/users/{ALICE}/subscriptions": done})
    lab.admin.subscribe("alice", GRANITE)
    assert recorded.asked("POST") == [{"modelIds": [GRANITE]}]


def test_a_restricted_model_is_registered_and_deleted():
    answers = {
        "POST /admin/models": "POST_admin_models_restricted",
        "DELETE /admin/models/granite-restricted": httpx.Response(204),
        "POST /models/sync": "POST_models_sync",
    }
    lab, recorded = portal(answers)
    asked = capture("POST_admin_models_restricted")["request"]["body"]
    lab.admin.register_model(
        "granite-restricted",
        served=GRANITE,
        api_base="http://127.0.0.1:9/v1",
        api_key="none",
        input_cost=1e-06,
        output_cost=2e-06,
        context=4096,
        description="needs approval",
        restricted=True,
        rpm_limit=10,
        tpm_limit=1000,
    )
    lab.admin.sync_models()
    lab.admin.delete_model("granite-restricted")
    assert recorded.asked("POST") == [asked, {}]


def test_an_administrators_key_only_reads_because_what_it_makes_has_no_owner():
    assert capture("POST_admin_user_api_key_with_admin_key_500")["status"] == 500  # and the key lives
    lab, recorded = portal(USERS, token="ltm_admin_not-a-real-key")
    assert len(lab.admin.users()) == 4
    with pytest.raises(UsageError, match="only reads"):
        lab.create_key("x", [GRANITE])
    with pytest.raises(UsageError, match="only reads"):
        lab.admin.cap_user("alice", max_budget=1)
    assert {one.method for one in recorded.requests} == {"GET"}


# Statistics


REFRESH = {"GET /models": "GET_models", "POST /admin/usage/refresh-today": "POST_admin_usage_refresh_today"}
WORDLESS = "POST_admin_usage_analytics_as_user_403"


def test_statistics_look_at_today_again_first():
    lab, recorded = portal(REFRESH | {"POST /admin/usage/analytics": "POST_admin_usage_analytics_double_counted"})
    usage = lab.statistics.usage(DAY)
    assert [one.url.path.rpartition("/")[2] for one in recorded.requests] == ["models", "refresh-today", "analytics"]
    assert usage.fresh
    assert (usage.requests, usage.answered) == (17, 10)


def test_statistics_wait_until_the_gateway_has_added_up_its_day(monkeypatch):
    monkeypatch.setattr(portal_statistics, "LOOK_S", 0)
    told = capture("POST_admin_usage_analytics_double_counted")["response"]
    answers = [lambda _: ok(told | {"totalRequests": 16}), lambda _: ok(told)]
    lab, recorded = portal(REFRESH | {"POST /admin/usage/analytics": answers})
    assert lab.statistics.usage(DAY, calls=17).requests == 17
    assert len(recorded.asked("POST")) == 4, "two looks, each after the portal was told to look again"


def test_tokens_that_do_not_add_up_are_not_passed_on():
    lab, _ = portal(REFRESH | {"POST /admin/usage/analytics": "POST_admin_usage_analytics_double_counted"})
    usage = lab.statistics.usage(DAY)
    assert usage.raw["totalTokens"] == {"total": 180, "prompt": 240, "completion": 120}
    assert (usage.tokens.total, usage.tokens.prompt, usage.tokens.completion) == (180, None, None)
    assert (usage.models[0].tokens.total, usage.models[0].tokens.prompt) == (180, None)
    assert usage.users[0].tokens.prompt == 120  # by user the portal counts right
    assert usage.days[0].tokens.prompt is None
    assert usage.cost == pytest.approx(0.0006)


def test_an_auditor_who_may_not_refresh_sees_what_there_is():
    refused_refresh = {"POST /admin/usage/refresh-today": WORDLESS}
    analytics = {"POST /admin/usage/analytics": "POST_admin_usage_analytics_as_admin_readonly"}
    usage = portal(REFRESH | refused_refresh | analytics)[0].statistics.usage(DAY)
    assert not usage.fresh
    # Keys were deleted: their calls have no owner any more, and only some tokens are counted twice.
    assert [(row.name, row.known, row.requests) for row in usage.users] == [
        ("(deleted keys)", False, 10),
        ("alice", True, 1),
    ]
    assert usage.tokens.prompt is None


def test_a_user_does_not_see_the_usage_of_others():
    lab, _ = portal(REFRESH | {"POST /admin/usage/refresh-today": WORDLESS, "POST /admin/usage/analytics": WORDLESS})
    with pytest.raises(RoleMissing) as refusal:
        lab.statistics.usage(DAY)
    assert refusal.value.hint.startswith("`portal.me`")


def test_too_many_looks_are_not_zeros():
    lab, _ = portal(REFRESH | {"POST /admin/usage/analytics": lambda _: busy()}, patience=0)
    with pytest.raises(PortalBusy):
        lab.statistics.usage(DAY)


def test_usage_by_user_and_by_model():
    by_user, by_model = "POST /admin/usage/by-user", "POST /admin/usage/by-model"
    answers = {by_user: "POST_admin_usage_by_user_after_key_delete", by_model: "POST_admin_usage_by_model"}
    lab, recorded = portal(REFRESH | answers)
    users = lab.statistics.by_user(DAY, date(2026, 11, 23))
    assert [(row.name, row.known, row.requests) for row in users] == [
        ("(deleted keys)", False, 14),
        ("user@example.com", True, 6),
    ]
    models = lab.statistics.by_model(DAY, date(2026, 11, 23))
    assert [(row.name, row.known, row.tokens.prompt) for row in models] == [(GRANITE, True, None), ("nope", False, 0)]
    assert recorded.requests[-1].url.params["limit"] == "200"
    days = {"startDate": "2026-11-22", "endDate": "2026-11-23"}
    assert recorded.asked("POST", "by-model") == [days | {"page": 1, "limit": 200}]


def test_before_keys_are_deleted_their_owner_pays():
    lab, _ = portal(REFRESH | {"POST /admin/usage/by-user": "POST_admin_usage_by_user"})
    (row,) = lab.statistics.by_user(DAY)
    assert (row.name, row.known, row.requests, row.tokens.prompt) == ("user@example.com", True, 17, 120)


def test_statistics_are_filtered():
    lab, recorded = portal(USERS | REFRESH | {"POST /admin/usage/analytics": "POST_usage_analytics_user"})
    lab.statistics.usage(DAY, date(2026, 11, 23), users=["alice"], models=[GRANITE], keys=["lab-app_1"])
    asked = recorded.asked("POST", "analytics")[0]
    assert asked["userIds"] == [ALICE]
    assert asked["modelIds"] == [GRANITE, "openai/granite"]
    assert asked["apiKeyIds"] == ["lab-app_1"]
    with pytest.raises(UsageError, match="no filter `team`"):
        lab.statistics.usage(DAY, team=["a"])


def test_usage_is_exported_as_a_text():
    lab, recorded = portal(REFRESH | {"POST /admin/usage/export": "POST_admin_usage_export_csv"})
    lines = lab.statistics.export(DAY, date(2026, 11, 23)).splitlines()
    assert lines[0].startswith("User ID,Username,Email,Total Requests")
    assert lines[1].endswith(",17,180,120,60,0.0006")
    assert recorded.asked("POST", "export") == [capture("POST_admin_usage_export_csv")["request"]["body"]]
