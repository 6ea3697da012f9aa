"""The gateway's admin calls over recorded answers, and its refusals as typed errors."""

import copy
import dataclasses
import hashlib
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from maas_lab import rest
from maas_lab.errors import (
    BadRequest,
    BudgetExceeded,
    GatewayError,
    GatewayUnreachable,
    InvalidKey,
    ModelNotAllowed,
    RateLimited,
    TookTooLong,
    UsageError,
)
from maas_lab.gateway import Gateway, refusal
from maas_lab.keys import ApiKey, key_hash
from maas_lab.refusals import OUTCOMES, outcome, unreachable
from tests import made_up

CAPTURES = Path(__file__).parent / "captures" / "litellm"
SECRET = "sk-abcdefghijklmnop-a1b2"
NOW = datetime.now(UTC)


def capture(name):
    return json.loads((CAPTURES / f"{name}.json").read_text())


def refused(name):
    """The typed error for a recorded refusal."""
    recorded = capture(name)
    return refusal(recorded["status"], recorded["response"], recorded.get("headers", {}))


def gateway(answer):
    """A gateway whose network is the function `answer`; it may return JSON instead of a response."""

    def handle(request):
        told = answer(request)
        return told if isinstance(told, httpx.Response) else httpx.Response(200, json=told)

    return Gateway("http://gateway.test/v1", "sk-master-0000000000", transport=httpx.MockTransport(handle))


def replay(name):
    recorded = capture(name)
    return lambda request: httpx.Response(recorded["status"], json=recorded["response"])


# ApiKey


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        "{}".format,
        "{:>30}".format,
        "{!r}".format,
        ascii,
        lambda key: "%s" % key,  # noqa: UP031
        lambda key: repr([key, {"key": key}]),
        lambda key: json.dumps(key, default=str),
        lambda key: repr(copy.deepcopy(key)),
        lambda key: repr(dataclasses.asdict(dataclasses.make_dataclass("Holder", ["key"])(key))),
        lambda key: str(UsageError(f"{key}").lines()),
    ],
)
def test_a_key_shows_at_most_four_characters(show):
    shown = show(ApiKey(SECRET, "my app"))
    assert SECRET not in shown
    assert "mnop" not in shown
    assert "a1b2" in shown


def test_a_key_gives_its_secret_only_when_asked():
    key = ApiKey(SECRET, "my app", ["granite"])
    assert (str(key), repr(key)) == ("sk-…a1b2", "ApiKey(sk-…a1b2, 'my app')")
    assert (key.reveal(), key.name, key.models) == (SECRET, "my app", ("granite",))
    assert not hasattr(key, "__dict__")
    assert str(ApiKey("sk-short")) == "sk-…"


@pytest.mark.parametrize("leak", [pickle.dumps, lambda key: key.__getstate__(), lambda key: key.__reduce__()])
def test_a_key_cannot_be_pickled(leak):
    with pytest.raises(UsageError, match="not written to a file"):
        leak(ApiKey(SECRET))


def test_keys_are_equal_by_secret():
    assert ApiKey(SECRET, "a") == ApiKey(SECRET, "b")
    assert ApiKey(SECRET) != ApiKey(SECRET + "x")
    assert ApiKey(SECRET) != SECRET
    assert len({ApiKey(SECRET), ApiKey(SECRET)}) == 1


def test_the_hash_is_the_one_in_spend_rows():
    # Master key and hash of a recorded stack.
    assert key_hash("sk-1234") == "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"
    assert key_hash(ApiKey("sk-1234")) == key_hash(key_hash("sk-1234"))
    with pytest.raises(UsageError, match="neither a key nor the hash"):
        key_hash("my app")


@pytest.mark.parametrize("wrong", ["", "sk-a b", "sk-a\n", 'sk-"', "sk-\\", "sk-…a1b2", None, 7])
def test_what_cannot_be_a_key_is_refused(wrong):
    with pytest.raises(UsageError):
        ApiKey(wrong)


# Refusals

EXPECTED = {
    "POST_chat_bad_key": (InvalidKey, "the gateway does not know this key"),
    "POST_chat_blocked_key": (InvalidKey, "this key is blocked"),
    "POST_chat_expired_key": (InvalidKey, "this key has expired"),
    "POST_chat_budget_exceeded": (BudgetExceeded, "this key has spent its budget"),
    "POST_chat_budget_exceeded_1.106.2": (BudgetExceeded, "this key has spent its budget"),
    "POST_chat_user_budget_exceeded": (BudgetExceeded, "the user of this key has spent its budget"),
    "POST_chat_team_budget_exceeded": (BudgetExceeded, "the team of this key has spent its budget"),
    "POST_chat_model_not_allowed": (ModelNotAllowed, "this key does not open the model `phi-tiny`"),
    "POST_chat_model_not_allowed_1.106.2": (ModelNotAllowed, "this key does not open the model `phi-tiny`"),
    "POST_chat_unknown_model": (ModelNotAllowed, "this key does not open the model `nope`"),
    "POST_chat_invalid_model": (ModelNotAllowed, "the gateway has no model `nope`"),
    "POST_chat_model_gone": (ModelNotAllowed, "the gateway has no model `smollm2-135m-instruct-night`"),
    "POST_chat_upstream_key": (GatewayError, "the model server refuses the key that the gateway sends"),
    "POST_chat_rpm_exceeded": (RateLimited, "this key allows 3 requests per minute"),
    "POST_chat_rpm_exceeded_1.106.2": (RateLimited, "this key allows 3 requests per minute"),
    "POST_chat_tpm_exceeded": (RateLimited, "this key allows 5 tokens per minute"),
    "POST_chat_parallel_exceeded": (RateLimited, "this key allows 1 call at a time"),
    "POST_chat_prompt_too_long": (BadRequest, "the prompt is longer than the model's context"),
    "POST_chat_dead_server": (GatewayError, "the model server behind the gateway does not answer"),
    "POST_key_generate_enterprise_tags": (GatewayError, "this is a feature of LiteLLM Enterprise"),
    "POST_key_generate_not_admin": (InvalidKey, "this key may not manage the gateway"),
    "POST_key_generate_taken_name": (BadRequest, "the gateway does not understand this request"),
    "POST_key_generate_wrong_type": (BadRequest, "the gateway does not understand this request"),
    "POST_model_delete_gone": (BadRequest, "the gateway does not understand this request"),
    "POST_key_delete_gone": (InvalidKey, "the gateway does not know this key"),
    "GET_key_info_gone": (InvalidKey, "the gateway does not know this key"),
    "GET_unknown_path": (GatewayError, "the gateway has nothing at this address"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_refusal_becomes_its_error(name):
    error, recorded = refused(name), capture(name)
    assert (type(error), error.what) == EXPECTED[name]
    assert error.status == recorded["status"]
    assert error.hint


def test_every_recorded_refusal_is_expected():
    refusals = {path.stem for path in CAPTURES.glob("*.json") if capture(path.stem)["status"] >= 400}
    assert refusals == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_refusal_tells_no_ids_and_no_sums(name):
    error = refused(name)
    told = " ".join((error.what, error.why, error.hint))
    assert not set(told.split()) & {"1.2e-05", "8e-06", "0.039"}
    assert "sk-" not in told
    assert not any(len(word) >= 32 for word in told.split())


def test_a_rate_limit_tells_how_long_to_wait():
    error = refused("POST_chat_rpm_exceeded")
    assert (error.retry_after, error.hint) == (60, "wait 60 s, then call again")
    assert refused("POST_chat_parallel_exceeded").hint == "wait for an answer before you send the next call"


def test_a_model_refusal_names_what_the_key_opens():
    assert refused("POST_chat_model_not_allowed").why == "it opens: granite-3.1-8b-instruct"


def test_the_budget_comes_before_the_status():
    for status in (400, 401, 422, 429):
        body = {"error": {"message": "Budget has been exceeded!", "type": "budget_exceeded"}}
        assert type(refusal(status, body, {})) is BudgetExceeded


@pytest.mark.parametrize(
    ("owner", "what"),
    [("user: bob", "the user of this key is allowed 2 requests per minute"),
     ("team: 7", "the team of this key is allowed 2 requests per minute")],
)  # fmt: skip
def test_a_shared_limit_names_whose_it_is(owner, what):
    body = {"error": {"message": f"Rate limit exceeded for {owner}. Limit type: requests. Current limit: 2, "}}
    assert refusal(429, body, {"Rate_Limit_Type": "requests"}).what == what


def test_a_429_without_details_is_still_a_rate_limit():
    error = refusal(429, {"error": {"message": "slow down", "type": None}}, {})
    assert (type(error), error.what) == (RateLimited, "too many calls in this minute")


@pytest.mark.parametrize("body", ["<html>busy</html>", b"\xff", "", "[]", "{}", "null", '{"a": 1}'])
def test_an_answer_of_somebody_else_says_so(body):
    error = refusal(503, body, {"Content-Type": "text/html"})
    assert (type(error), error.status) == (GatewayError, 503)
    assert "HTTP 503" in error.what
    assert "not the gateway's" in error.what


def test_every_error_has_an_outcome():
    met = {outcome(refused(name)) for name in EXPECTED} | {outcome(unreachable("gone"))}
    assert met == set(OUTCOMES) - {"answered"}
    assert outcome(refused("POST_chat_dead_server")) == "failed"
    assert outcome(refused("POST_chat_model_not_allowed")) == "refused"


# The gateway


def test_importing_the_gateway_needs_only_httpx():
    code = "import sys, maas_lab.gateway; print(sorted({'pandas', 'openai', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_gateway_shows_its_address_and_no_secret():
    shown = repr(Gateway("http://user:secret@gateway.test:4000/v1/", "sk-master-0000000000"))
    assert shown == "Gateway(http://gateway.test:4000)"


@pytest.mark.parametrize("url", ["", "gateway", "ftp://gateway", "http://", "http://\n", None])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError):
        Gateway(url, "sk-master-0000000000")


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("https://host", False),
    ],
)
def test_only_loopback_goes_past_proxies(url, here):
    assert rest.is_loopback(url) is here


@pytest.mark.parametrize(
    ("raised", "what"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "nothing answers at the gateway's address"),
        (httpx.RemoteProtocolError("Server disconnected"), "nothing answers at the gateway's address"),
        (httpx.ReadTimeout("timed out"), "the gateway did not answer in time"),
        (httpx.ConnectTimeout(""), "the gateway did not answer in time"),
    ],
)
def test_a_gateway_that_does_not_answer_is_unreachable(raised, what):
    def answer(request):
        raise raised

    with pytest.raises(GatewayUnreachable) as caught:
        gateway(answer).models()
    assert caught.value.what == what
    assert "./lab status" in caught.value.hint
    assert "Errno" not in caught.value.why


@pytest.mark.parametrize("status", [200, 302, 502])
def test_a_web_page_is_no_answer(status):
    page = httpx.Response(status, html="<html>log in</html>")
    with pytest.raises(GatewayError, match="web page"):
        gateway(lambda request: page).models()


def test_the_version_comes_from_the_probe_or_else_from_the_api_description():
    assert gateway(lambda request: {"litellm_version": "1.81.0"}).version() == "1.81.0"
    told = {"/health/readiness": {"status": "healthy"}, "/openapi.json": {"info": {"version": "1.106.2"}}}
    assert gateway(lambda request: told[request.url.path]).version() == "1.106.2"


def test_models_are_read_with_prices_as_numbers():
    models = gateway(replay("GET_model_info_all")).models()
    assert [(model.name, model.served) for model in models] == [
        ("granite-3.1-8b-instruct", "granite"),
        ("phi-tiny", "granite"),
    ]
    assert (models[1].input_cost, models[1].output_cost) == (1e-6, 2e-6)
    assert models[1].api_base == "http://127.0.0.1:18080/v1"


class Catalogue:
    """A model list that behaves as LiteLLM's does."""

    def __init__(self):
        self.rows, self.created, self.too_late = [], 0, False

    def __call__(self, request):
        body = json.loads(request.content or "{}")
        if request.url.path == "/model/info":
            return {"data": self.rows}
        if request.url.path == "/model/new":
            self.created += 1
            secret = body["litellm_params"].pop("api_key")
            assert secret not in json.dumps(body), "the model server's key must not be kept in the open"
            body["model_info"]["id"] = f"new-{self.created}"
            self.rows.append(body)
            return {"model_id": body["model_info"]["id"]}
        self.rows = [row for row in self.rows if row["model_info"]["id"] != body["id"]]
        return replay("POST_model_delete_gone")(request) if self.too_late else {"message": "deleted"}


TERMS = {
    "served": "org/m",
    "api_base": "http://m/v1",
    "api_key": "sk-server",
    "input_cost": 1.0,
    "output_cost": 2,
}


def test_registering_twice_leaves_one_row_and_the_same():
    catalogue = Catalogue()
    first, second = (gateway(catalogue).register_model("m", **TERMS) for _ in range(2))
    assert first == second
    assert (first.name, first.served, first.input_cost, first.output_cost) == ("m", "org/m", 1.0, 2.0)
    assert (len(catalogue.rows), catalogue.created) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"api_base": "http://n/v1"},
        {"api_key": "sk-other"},
        {"input_cost": 3},
        {"output_cost": 3},
        {"served": "n"},
    ],
)
def test_registering_with_other_values_replaces_the_row(change):
    catalogue = Catalogue()
    before = gateway(catalogue).register_model("m", **TERMS)
    after = gateway(catalogue).register_model("m", **TERMS | change)
    assert after.id != before.id
    assert [row["model_info"]["id"] for row in catalogue.rows] == [after.id]


def test_a_gateway_without_any_model_offers_none():
    """LiteLLM 1.81.0 answers so until the first model is registered, when no configuration file names one."""
    why = "LLM Model List not loaded in. Make sure you passed models in your config.yaml or on the LiteLLM Admin UI."
    told = {"error": {"message": why, "type": "internal_server_error", "param": "None", "code": "500"}}
    assert gateway(lambda request: httpx.Response(500, json=told)).models() == []
    with pytest.raises(GatewayError, match="failed"):
        gateway(lambda request: httpx.Response(500, json={"error": {"message": "other", "code": "500"}})).models()


def test_registering_keeps_other_models_and_removes_doubles():
    catalogue = Catalogue()
    lab = gateway(catalogue)
    lab.register_model("other", **TERMS)
    lab.register_model("m", **TERMS)
    catalogue.rows += [
        {**copy.deepcopy(catalogue.rows[1]), "model_info": {"id": "old"}},
        copy.deepcopy(catalogue.rows[1]),
    ]
    catalogue.rows[-1]["model_info"]["id"] = "zz-same-terms"
    assert lab.register_model("m", **TERMS).id == "new-2"
    assert [row["model_name"] for row in catalogue.rows] == ["other", "m"]


def test_deleting_a_model_tolerates_that_another_was_faster():
    catalogue = Catalogue()
    lab = gateway(catalogue)
    lab.register_model("m", **TERMS)
    catalogue.too_late = True
    lab.delete_model("m")
    lab.delete_model("m")
    assert catalogue.rows == []


def test_a_model_of_the_configuration_file_cannot_be_deleted_in_silence():
    def answer(request):
        return replay("GET_model_info_all" if request.method == "GET" else "POST_model_delete_gone")(request)

    with pytest.raises(BadRequest):
        gateway(answer).delete_model("phi-tiny")


def test_creating_a_key_sends_what_was_given_and_returns_the_secret():
    sent = []

    def answer(request):
        sent.append(json.loads(request.content))
        return {"key": SECRET, "token": key_hash(SECRET)}

    key = gateway(answer).create_key("my app", models=["granite"], rpm_limit=3, max_budget=0.5)
    assert (key.reveal(), key.name, key.models) == (SECRET, "my app", ("granite",))
    expected = {"key_alias": "my app", "models": ["granite"], "metadata": {"application": "my app"}}
    routes = ["llm_api_routes", "/model/info"]  # it calls, and no more
    assert sent == [expected | {"rpm_limit": 3, "max_budget": 0.5, "allowed_routes": routes}]


def test_a_taken_name_says_what_to_do():
    with pytest.raises(UsageError, match="`my app` exists already") as caught:
        gateway(replay("POST_key_generate_taken_name")).create_key("my app", models=[])
    assert "choose another name" in caught.value.hint


def test_key_info_is_asked_by_hash_so_that_no_secret_is_in_an_address():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return capture("GET_key_info")["response"]

    info = gateway(answer).key_info(SECRET)
    assert asked == [f"http://gateway.test/key/info?key={key_hash(SECRET)}"]
    assert (info.name, info.hash, info.application) == ("lab-10356", key_hash(SECRET), "curl lab")
    assert (info.spend, info.max_budget, info.rpm_limit, info.blocked, info.expires) == (
        1.2e-05,
        1.0,
        100,
        False,
        None,
    )
    assert info.created_at == datetime(2026, 11, 23, 14, 54, 58, 462000, tzinfo=UTC)


def test_an_unknown_limit_is_refused_before_the_gateway_is_asked():
    with pytest.raises(UsageError, match="no limit `rpm`"):
        gateway(lambda request: pytest.fail("was asked")).update_key(SECRET, rpm=3)


@pytest.mark.parametrize(("cap", "kept"), [(1.2e-05, 1.2e-05 * (1 - 1e-14)), (1.3e-05, 1.3e-05), (5, 5), (None, None)])
def test_a_cap_at_what_is_spent_is_set_a_hair_below_it(cap, kept):
    asked = []

    def answer(request):
        asked.append(json.loads(request.content) if request.content else {})
        return replay("GET_key_info")(request)

    gateway(answer).update_key(SECRET, max_budget=cap)
    assert [body["max_budget"] for body in asked if body] == [kept]


def test_deleting_keys_tolerates_only_that_they_are_gone():
    gateway(replay("POST_key_delete_gone")).delete_key(SECRET)
    with pytest.raises(InvalidKey):
        gateway(replay("POST_chat_bad_key")).delete_key(SECRET)
    with pytest.raises(GatewayError):
        gateway(replay("GET_unknown_path")).delete_key(SECRET)
    gateway(lambda request: pytest.fail("was asked")).delete_key()


def pages(rows, names, request):
    """One page of a listing, cut as LiteLLM cuts it."""
    page, size = int(request.url.params["page"]), int(request.url.params[names["size"]])
    if names is SPEND:
        ends = (datetime.fromisoformat(f"{request.url.params[name]}+00:00") for name in ("start_date", "end_date"))
        first, last = ends
        rows = [row for row in rows if first <= datetime.fromisoformat(row["startTime"]) <= last]
    shown = rows[(page - 1) * size : page * size]
    return {names["rows"]: shown, names["total"]: len(rows), "total_pages": -(-len(rows) // size)}


KEYS = {"rows": "keys", "total": "total_count", "size": "size"}
SPEND = {"rows": "data", "total": "total", "size": "page_size"}


def key_row(n, **more):
    created = (NOW - timedelta(minutes=n)).isoformat()
    named = {
        "id": f"row {n}",
        "token": f"{n:064x}",
        "key_alias": f"key {n}",
        "metadata": {"application": f"app {n % 2}"},
    }
    return named | {"created_at": created, **more}


def spend_row(n, **more):
    time = (NOW - timedelta(seconds=n)).isoformat()
    return {
        "request_id": f"call-{n}",
        "api_key": f"{1:064x}",
        "startTime": time,
        "endTime": time,
        "spend": 0.5,
        **more,
    }


def test_all_keys_are_listed_however_many_pages():
    rows = [key_row(n) for n in range(205)]
    list_keys = gateway(lambda request: pages(rows, KEYS, request)).keys
    assert [key.name for key in list_keys()] == [f"key {n}" for n in range(205)]
    assert len(list_keys("app 1")) == 102


def test_rows_of_one_second_that_tie_are_read_again():
    time, reads = NOW.replace(microsecond=0).isoformat(), []
    rows = [spend_row(n, startTime=time, endTime=time) for n in range(150)]

    def answer(request):
        if request.url.path == "/key/list":
            return pages([], KEYS, request)
        told = pages(rows, SPEND, request)
        reads.append(request.url.params["page_size"])
        if reads[-1] == "100" and request.url.params["page"] == "2":
            told["data"] = [*rows[99:100], *told["data"][1:]]  # a tie in the order: one row twice, one never
        return told

    found = gateway(answer).spend_rows(NOW - timedelta(hours=1))
    assert {row.request_id for row in found} == {f"call-{n}" for n in range(150)}
    assert len(found) == 150
    assert {"100", "97"} <= set(reads)


def test_a_listing_that_never_gets_complete_is_an_error(monkeypatch):
    answers = {"data": [], "total": 1, "total_pages": 0}
    until = rest.wait.until  # one module for all
    monkeypatch.setattr(rest.wait, "until", lambda check, **options: until(check, **options | {"timeout": 0.2}))
    with pytest.raises(TookTooLong):
        gateway(lambda request: answers).spend_rows(NOW)


def test_spend_rows_keep_to_their_span_and_ask_for_whole_seconds():
    rows, asked = [spend_row(n) for n in range(10)], []

    def answer(request):
        if request.url.path == "/key/list":
            return pages([], KEYS, request)
        asked.append(request.url.params)
        return pages(rows, SPEND, request)

    east = NOW.astimezone().replace(microsecond=NOW.microsecond)
    found = gateway(answer).spend_rows(east - timedelta(seconds=5), east - timedelta(seconds=2), key=SECRET)
    assert [row.request_id for row in found] == ["call-5", "call-4", "call-3", "call-2"]
    assert asked[0]["start_date"] == (NOW - timedelta(seconds=5)).strftime("%Y-%m-%d %H:%M:%S")
    assert asked[0]["api_key"] == key_hash(SECRET)


def test_times_without_a_zone_are_refused():
    with pytest.raises(UsageError, match="no time zone"):
        gateway(lambda request: {}).spend_rows(datetime(2026, 1, 1))


def test_recorded_spend_rows_are_typed():
    def answer(request):
        if request.url.path == "/key/list":
            return pages([], KEYS, request)
        # The capture was shortened by hand, the first of each kind on top: put in the gateway's order again.
        rows = capture("GET_spend_logs_v2")["response"]["data"]
        return pages(sorted(rows, key=lambda row: row["startTime"], reverse=True), SPEND, request)

    rows = {row.status: row for row in gateway(answer).spend_rows(datetime(2026, 11, 23, tzinfo=UTC), NOW)}
    good = rows["success"]
    assert (good.model, good.prompt_tokens, good.completion_tokens, good.total_tokens) == (
        "granite-3.1-8b-instruct", 12, 6, 18,
    )  # fmt: skip
    assert (good.cost, good.outcome, good.key_name, good.user) == (6e-06, "answered", "budget-10356", None)
    assert good.time == datetime(2026, 11, 23, 14, 54, 59, 917000, tzinfo=UTC)
    assert good.latency_s == pytest.approx(0.041)
    assert rows["failure"].total_tokens == 0
    assert rows["failure"].model


def test_refused_calls_get_name_and_application_from_the_keys_deleted_ones_too():
    error = {"error_information": {"error_class": "BudgetExceededError", "error_code": ""}}
    rows = [spend_row(n, api_key=f"{n:064x}", status="failure", metadata=error) for n in (1, 2, 3)]

    def answer(request):
        if request.url.path != "/key/list":
            return pages(rows, SPEND, request)
        return pages([key_row(2 if "status" in request.url.params else 1)], KEYS, request)

    found = gateway(answer).spend_rows(NOW - timedelta(hours=1))
    assert [(row.key_name, row.application, row.outcome) for row in found] == [
        ("", None, "budget exceeded"),
        ("key 2", "app 0", "budget exceeded"),
        ("key 1", "app 1", "budget exceeded"),
    ]


def test_a_key_that_was_deleted_twice_is_listed_and_its_latest_life_counts():
    gone = [key_row(1, id=f"life {n}", metadata={"application": f"life {n}"}) for n in (1, 2)]
    gone[1]["created_at"] = NOW.isoformat()

    def answer(request):
        if request.url.path != "/key/list":
            return pages([spend_row(0)], SPEND, request)
        return pages(gone if "status" in request.url.params else [], KEYS, request)

    (found,) = gateway(answer).spend_rows(NOW - timedelta(hours=1))
    assert found.application == "life 2"


def test_what_is_not_a_gateways_key_is_told_by_its_hash_as_it_may_open_something_else():
    sent = made_up.key("other", "gsk_")

    def answer(request):
        return (
            pages([], KEYS, request)
            if "key" in request.url.path
            else pages([spend_row(0, api_key=sent)], SPEND, request)
        )

    (found,) = gateway(answer).spend_rows(NOW - timedelta(hours=1))
    assert found.key_hash == hashlib.sha256(sent.encode()).hexdigest()
    assert sent not in repr(found)


def test_a_spend_row_is_awaited():
    asked = []

    def answer(request):
        if request.url.path == "/key/list":
            return pages([], KEYS, request)
        asked.append(request.url.params["request_id"])
        return pages([spend_row(7)] if len(asked) > 1 else [], SPEND, request)

    assert gateway(answer).spend_row("call-7").cost == 0.5
    assert asked == ["call-7", "call-7"]
    with pytest.raises(TookTooLong, match="spend row"):
        gateway(lambda request: pages([], SPEND, request)).spend_row("call-8", timeout=0.1)


def test_rotating_a_key_keeps_everything_but_the_secret():
    sent = []
    old = capture("GET_key_info")["response"]["info"] | {
        "blocked": True,
        "expires": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }

    def answer(request):
        sent.append((request.url.path, json.loads(request.content or "{}")))
        return {"info": old, "key": SECRET}

    fresh = gateway(answer).rotate_key("sk-old-0000000000")
    assert (fresh.name, fresh.reveal()) == ("lab-10356", SECRET)
    assert [path for path, _ in sent] == ["/key/info", "/key/generate", "/key/delete", "/key/update"]
    made = sent[1][1]
    for name in (
        "models",
        "max_budget",
        "budget_duration",
        "rpm_limit",
        "user_id",
        "metadata",
        "spend",
        "blocked",
    ):
        assert made[name] == old[name], name
    assert 3500 < int(made["duration"].removesuffix("s")) <= 3600
    assert made["key_alias"].startswith("lab-10356 (rotating ")
    assert sent[2][1] == {"keys": [key_hash("sk-old-0000000000")]}
    assert sent[3][1] == {"key": key_hash(SECRET), "key_alias": "lab-10356"}
