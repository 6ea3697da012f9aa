"""The portal's form and the usage board, clicked in code, over recorded answers of LiteMaaS 0.4.0."""

import html
import json
import re

import httpx
import nbformat
import pytest
from ipywidgets import Button, Widget
from nbconvert import HTMLExporter

import maas_lab
from maas_lab import errors, widgets
from maas_lab.amounts import dollars
from maas_lab.widgets import limits
from maas_lab.widgets.parts import table
from tests.test_portal import (
    GRANITE,
    LAB_KEY,
    LIMITS,
    REFRESH,
    SECRET,
    WORDLESS,
    OneKey,
    busy,
    capture,
    created,
    key_row,
    ok,
    page,
    portal,
    response,
)

WHO = {"GET /auth/me": "GET_auth_me_user", "GET /models": "GET_models"}
NEW = {
    **WHO,
    "GET /config": "GET_config_production",
    "GET /api-keys": page(),
    "POST /subscriptions": "POST_subscriptions_active",
    "POST /api-keys": lambda _: created(),
}
NO_HOURS = httpx.Response(404, json={"message": "Route GET:/api/v1/usage/hours not found", "error": "Not Found"})
OLD = {**WHO, "GET /config": "GET_config_production"}


def form(answers, **options):
    asked, recorded = portal(answers, **options)
    return widgets.portal_form(asked), recorded


def filled(shown, name="lab-app", budget="5", requests="8"):
    shown.name.value, shown.budget.value, shown.requests.value = name, budget, requests
    return shown


def seen(widget):
    """The text of a widget and all in it, as a person reads it."""
    parts = [seen(one) for one in getattr(widget, "children", ())]
    if widget.layout.display == "none":
        return ""
    told = [getattr(widget, name, "") or "" for name in ("description", "value")]
    text = re.sub(r"<style>.*?</style>|<[^>]+>", "", "\n".join(map(str, told)), flags=re.DOTALL)
    return "\n".join([html.unescape(text), *parts])


def every(kind, widget):
    found = [widget] if isinstance(widget, kind) else []
    return found + [one for child in getattr(widget, "children", ()) for one in every(kind, child)]


@pytest.fixture(autouse=True)
def _only_these_widgets():
    Widget.close_all()
    yield
    Widget.close_all()


# Creating


def two_lists():
    return NEW | {"GET /api-keys": [lambda _: ok(page()), lambda _: ok(page()), lambda _: response("GET_api_keys")]}


def test_the_form_says_who_is_logged_in_and_what_the_model_costs_in_words():
    told = seen(form(NEW)[0])
    assert "Logged in as alice (Alice), roles: user." in told
    assert "8,192 tokens, prompt and answer together" in told
    assert "$0.002 per 1,000 tokens of prompts, $0.006 per 1,000 tokens of answers" in told
    assert "open to everybody" in told


def test_the_form_only_reads_until_a_button_is_pressed():
    shown, recorded = form(NEW)
    assert sorted(one.url.path.rpartition("/")[2] for one in recorded.requests) == ["api-keys", "me", "models"]
    before = len(recorded.requests)
    widgets.PortalForm(shown.portal)
    filled(shown)
    assert len(recorded.requests) == before


def test_a_click_creates_an_application_whose_key_is_in_python_and_masked_on_the_screen():
    shown, recorded = form(two_lists())
    filled(shown).create.click()
    assert shown.error is None
    asked = recorded.asked("POST", "/api-keys")
    limited = {"maxBudget": 5, "rpmLimit": 8}
    assert asked == [{"modelIds": [GRANITE], "name": "lab-app", **limited, "metadata": {"application": "lab-app"}}]
    assert (shown.application.name, shown.key.reveal()) == ("lab-app", SECRET)
    assert shown.applications.application.info.id == LAB_KEY
    told = seen(shown)
    assert "Done: “lab-app” is an application now" in told
    assert "ApiKey(sk-…Zjbg, 'lab-app')" in told
    assert "Authorization: Bearer $MAAS_API_KEY" in told
    assert "http://127.0.0.1:14471/v1/chat/completions" in told


def test_what_a_notebook_saves_holds_four_characters_of_the_key_at_most():
    shown, _ = form(two_lists())
    filled(shown).create.click()
    saved = json.dumps([Widget.get_manager_state(), shown._repr_mimebundle_()], ensure_ascii=False)
    assert "Zjbg" in saved  # this does look where the key is shown
    parts = [SECRET[start : start + 8] for start in range(len(SECRET) - 7)]
    assert [part for part in parts if part in saved] == []
    assert shown.portal.token.reveal() not in saved


def test_the_python_snippet_runs_against_the_address_of_the_portal():
    shown, _ = form(two_lists())
    filled(shown).create.click()

    text = html.unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", shown._result.value, re.DOTALL)[1])
    compile(text, "snippet", "exec")
    assert 'base_url="http://127.0.0.1:14471/v1"' in text
    assert 'os.environ["MAAS_API_KEY"]' in text


def test_a_second_click_makes_no_second_key():
    shown, recorded = form(two_lists())
    filled(shown).create.click()
    shown.create.click()
    assert len(recorded.asked("POST", "/api-keys")) == 1
    assert isinstance(shown.error, errors.AlreadyExists)
    assert shown.key.reveal() == SECRET


# Errors


def test_a_refusal_is_shown_with_why_and_what_to_try_and_what_was_typed_stays():
    shown, _ = form(NEW | {"POST /api-keys": "POST_api_keys_over_maximum_400"})
    filled(shown, budget="500").create.click()
    assert isinstance(shown.error, errors.OverMaximum)
    assert 'role="alert"' in shown.message.value
    told = seen(shown.message)
    for line in shown.error.lines():
        assert line in told
    assert "why: " in told
    assert "try: " in told
    assert (shown.name.value, shown.budget.value, shown.requests.value) == ("lab-app", "500", "8")
    assert (shown.application, shown.key) == (None, None)
    assert shown.create.disabled is False


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("name", "  ", "the application has no name"),
        *(("budget", typed, "is not a budget") for typed in ("0", "-1", "nan", "inf", "much", "1,5", "1e999")),
        *(("requests", typed, "is not a number of requests") for typed in ("0", "-3", "1.5", "many")),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(field, typed, told):
    shown, recorded = form(NEW)
    getattr(filled(shown), field).value = typed
    before = len(recorded.requests)
    shown.create.click()
    assert isinstance(shown.error, errors.UsageError)
    assert told in seen(shown.message)
    assert len(recorded.requests) == before
    assert getattr(shown, field).value == typed


def test_empty_limits_are_none():
    assert (limits.budget(" "), limits.per_minute("")) == (None, None)
    assert (limits.budget("$2.50"), limits.per_minute(" 60 ")) == (2.5, 60)


def test_buttons_are_disabled_while_something_is_asked():
    during = []

    def answer(request):
        during.append([one.disabled for one in every(Button, shown)] + [shown.message.value])
        return created()

    shown, _ = form(two_lists() | {"POST /api-keys": answer})
    filled(shown).create.click()
    (states,) = during
    assert set(states[:-1]) == {True}
    assert "Creating the application" in states[-1]
    assert shown.create.disabled is False


def test_a_bug_is_not_swallowed(caplog):
    def broken(request):
        raise ZeroDivisionError("a bug")

    shown, _ = form(NEW | {"POST /api-keys": broken})
    filled(shown).create.click()  # outside of IPython, ipywidgets logs what a callback raises
    assert "ZeroDivisionError: a bug" in caplog.text
    assert "ZeroDivisionError" in seen(shown.message)
    assert shown.create.disabled is False


def test_a_portal_that_refuses_at_once_is_an_error_of_the_cell():
    with pytest.raises(errors.SessionExpired):
        form(NEW | {"GET /auth/me": httpx.Response(401, json={"error": {"code": "UNAUTHORIZED", "message": "no"}})})


def test_a_failing_list_does_not_hide_the_key_that_was_made():
    lists = [lambda _: ok(page()), lambda _: ok(page()), lambda _: response("GET_api_keys"), lambda _: busy()]
    shown, _ = form(NEW | {"GET /api-keys": lists}, patience=0)
    filled(shown).create.click()
    assert isinstance(shown.error, errors.PortalBusy)
    assert shown.key.reveal() == SECRET
    assert "sk-…Zjbg" in seen(shown)


def test_a_portal_without_models_offers_no_button():
    shown, _ = form(NEW | {"GET /models": page()})
    assert shown.create.disabled
    assert "The portal offers no model." in seen(shown)


def test_a_restricted_model_says_so_before_and_after():
    row = capture("GET_models")["response"]["data"][0] | {"restrictedAccess": True}
    pending = lambda _: ok(capture("POST_subscriptions_restricted_pending")["response"], 201)  # noqa: E731
    shown, _ = form(NEW | {"GET /models": page(row), "POST /subscriptions": pending})
    assert "an administrator approves each subscription" in seen(shown)
    assert "(needs approval)" in shown.model.options[0][0]
    filled(shown).create.click()
    assert isinstance(shown.error, errors.ApprovalNeeded)


NASTY = "<img src=x onerror=alert(1)>"


def test_names_are_text_not_markup():
    model = capture("GET_models")["response"]["data"][0] | {"description": NASTY, "id": NASTY}
    key = key_row("lab-app", name=NASTY, metadata={"application": NASTY}, models=[NASTY])
    user = capture("GET_auth_me_user")["response"] | {"username": NASTY, "name": NASTY}
    answers = NEW | {"GET /models": page(model), "GET /api-keys": page(key), "GET /auth/me": user}
    shown, _ = form(answers)
    shown.applications.revoke.click()
    filled(shown, name=NASTY).create.click()
    shown.budget.value = NASTY
    shown.create.click()
    assert isinstance(shown.error, errors.UsageError)
    markup = [one.value for one in every(widgets.parts.HTML, shown)]
    assert any("&lt;img" in one for one in markup)
    assert [one for one in markup if "<img" in one] == []


# What becomes of applications


def test_a_key_is_blocked_and_unblocked():
    shown, _ = form(OLD | OneKey(*LIMITS, "isActive").answers)
    listed = shown.applications
    assert "lab-app" in seen(listed)
    assert "$5.00" in seen(listed)
    listed.block.click()
    assert (listed.application.info.blocked, listed.block.description) == (True, "Unblock")
    assert "Calls of “lab-app” are refused from now on." in seen(listed)
    listed.block.click()
    assert (listed.application.info.blocked, listed.block.description) == (False, "Block")
    assert "are answered again" in seen(listed)
    assert shown.error is None


def test_a_rotated_key_takes_the_place_of_the_old_one():
    rotated = {f"POST /api-keys/{LAB_KEY}/rotate": {"key": SECRET}}
    shown, recorded = form(OLD | {"GET /api-keys": page(key_row("lab-app"))} | rotated)
    assert shown.key is None
    shown.applications.rotate.click()
    assert (shown.application.name, shown.key.reveal()) == ("lab-app", SECRET)
    assert "sk-…Zjbg" in seen(shown)
    assert len(recorded.asked("POST")) == 1


def test_revoking_asks_first():
    key = [page(key_row("lab-app"))]
    answers = {"GET /api-keys": lambda _: ok(key[-1]), f"DELETE /api-keys/{LAB_KEY}": lambda _: delete()}

    def delete():
        key.append(page())
        return httpx.Response(204)

    rotated = {f"POST /api-keys/{LAB_KEY}/rotate": {"key": SECRET}}
    shown, recorded = form(OLD | answers | rotated)
    shown.applications.rotate.click()
    shown.applications.revoke.click()
    assert "Revoke “lab-app”?" in seen(shown)
    shown.applications.keep.click()
    assert "Revoke “lab-app”?" not in seen(shown)
    shown.applications.revoke.click()
    assert recorded.asked("DELETE") == []
    shown.applications.confirm.click()
    assert recorded.asked("DELETE") == [None]
    assert (shown.application, shown.key, shown.error) == (None, None, None)
    assert "sk-…Zjbg" not in seen(shown)
    assert "“lab-app” is revoked." in seen(shown)
    assert shown.applications.rotate.disabled


def test_without_applications_there_is_nothing_to_rotate():
    shown, _ = form(NEW)
    listed = shown.applications
    assert [one.disabled for one in (listed.rotate, listed.block, listed.revoke)] == [True] * 3
    assert listed.refresh.disabled is False


def test_the_chosen_application_stays_chosen_after_a_refresh():
    other = key_row("lab-app", id="68a98fc1-1b92-4fca-9667-16a5e59edb63", name="b", metadata={"application": "b"})
    shown, _ = form(OLD | {"GET /api-keys": page(key_row("lab-app"), other)})
    shown.applications.chosen.value = other["id"]
    shown.applications.refresh.click()
    assert shown.applications.application.name == "b"


# Text forms and labels


@pytest.mark.parametrize("kind", [widgets.PortalForm, widgets.UsageBoard])
def test_the_text_is_the_same_in_every_run_and_says_how_to_do_it_in_code(kind):
    asked, _ = portal(two_lists())
    shown = kind(asked)
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown) == kind.TEXT
    assert "application/vnd.jupyter.widget-view+json" in bundle
    calls = re.findall(r"portal\.(\w+(?:\.\w+)?)\(", repr(shown))
    assert len(calls) >= 3
    for call in calls:
        place = asked
        for name in call.split("."):
            place = getattr(place, name)
        assert callable(place)


def test_a_page_made_of_a_notebook_without_widgets_shows_the_text():
    output = nbformat.v4.new_output("display_data", data=widgets.PortalForm(portal({})[0])._repr_mimebundle_())
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("form", outputs=[output])])
    assert "portal.create_application(" in HTMLExporter().from_notebook_node(book)[0]


def test_the_text_does_not_change_with_what_was_done():
    shown, _ = form(two_lists())
    before = repr(shown)
    filled(shown).create.click()
    assert repr(shown) == before


def test_every_field_has_a_label_and_every_button_a_sentence():
    shown, _ = form(NEW)
    fields = [shown.name, shown.model, shown.budget, shown.requests, shown.applications.chosen]
    assert all(one.description for one in fields)
    buttons = every(Button, shown)
    assert len(buttons) == 7
    assert all(one.description and len(one.tooltip.split()) > 3 for one in buttons)


def test_a_table_has_a_caption_and_column_heads():
    told = table("Costs & more", ("What", ">Cost"), [("<b>", "$1.00")], "none")
    assert "<caption>Costs &amp; more</caption>" in told
    assert '<th scope="col">What</th><th class="number" scope="col">Cost</th>' in told
    assert "&lt;b&gt;" in told


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0.00"),
        (0.1, "$0.10"),
        (0.0012, "$0.0012"),
        (0.002, "$0.002"),
        (1e-06, "$0.000001"),
        (0.123456, "$0.1235"),
        (0.99999, "$1.00"),
        (12.5, "$12.50"),
        (1234.567, "$1,234.57"),
    ],
)
def test_money_is_never_rounded_to_nothing(amount, shown):
    assert dollars(amount) == shown


# The board


def board(me, answers, **options):
    asked, recorded = portal({"GET /auth/me": me} | answers, **options)
    return widgets.usage_board(asked), recorded


HOURS = {
    "since": "2026-11-22T15:00:00.000Z",
    "data": [
        {"hour": "2026-11-23T13:00:00.000Z", "model": GRANITE, "requests": 5, "rejected": 2, "tokens": 90, "cost": 0.5},
        {
            "hour": "2026-11-23T14:00:00.000Z",
            "model": GRANITE,
            "requests": 1,
            "rejected": 0,
            "tokens": 10,
            "cost": 0.25,
        },
        {"hour": "2026-11-23T14:00:00.000Z", "model": "nope", "requests": 0, "rejected": 1, "tokens": None, "cost": 0},
    ],
}
KEYS = [
    {"application": "app <1>", "username": "alice", "requests": 4, "tokens": 60, "cost": 0.5, "keyName": "a"},
    {"application": "app <1>", "username": "alice", "requests": 3, "tokens": 40, "cost": 0.25, "keyName": "a"},
    {"application": "app <1>", "username": "bob", "requests": 1, "tokens": 0, "cost": 0, "keyName": "b"},
    {"application": "", "username": "Unknown User", "requests": 1, "tokens": 0, "cost": 0, "keyName": "Unknown key"},
]
ANALYTICS = capture("POST_admin_usage_analytics_double_counted")["response"]
EVERYBODY = REFRESH | {
    "POST /admin/usage/analytics": ANALYTICS | {"topApiKeys": KEYS},
    "GET /admin/usage/hours": HOURS,
}


def test_the_board_of_an_administrator_shows_everybodys_last_24_hours():
    shown, recorded = board("GET_auth_me_admin", EVERYBODY)
    found = shown.summary
    assert (found.requests, found.refused, found.tokens, found.cost) == (9, 3, 100, 0.75)
    assert found.models == ((GRANITE, 8, 100, 0.75), ("nope", 1, 0, 0.0))
    rows = [(row.name, row.id, row.requests, row.tokens.total, row.cost) for row in found.usage.applications]
    assert rows[:2] == [("app <1>", "alice", 7, 100, 0.75), ("app <1>", "bob", 1, 0, 0)]
    assert [row.name for row in found.usage.applications][2:] == ["(no application)"]
    told = seen(shown)
    assert "Usage of everybody: the last 24 hours" in told
    assert "Requests (hits), 3 of them refused9" in told
    assert "app <1>alice7100$0.75" in told
    assert "By user (whole days, 2026-11-22 to 2026-11-23 UTC)" in told
    assert {one.url.params.get("hours") for one in recorded.requests if one.url.path.endswith("hours")} == {"24"}


def test_litemaas_counts_days_and_the_board_says_so():
    answers = REFRESH | {
        "POST /admin/usage/analytics": "POST_admin_usage_analytics_double_counted",
        "GET /admin/usage/hours": NO_HOURS,
    }
    shown, _ = board("GET_auth_me_admin", answers)
    found = shown.summary
    assert (found.requests, found.refused, found.tokens) == (17, 7, 180)
    assert found.usage.applications is None
    told = seen(shown)
    assert "Usage of everybody: whole days, 2026-11-22 to 2026-11-23 UTC" in told
    assert "This portal does not tell usage by application." in told
    assert "24 hours" not in told


def test_a_consumer_sees_their_own_usage():
    answers = {
        "GET /models": "GET_models",
        "POST /usage/analytics": "POST_usage_analytics_user",
        "GET /usage/hours": HOURS,
    }
    shown, recorded = board("GET_auth_me_user", answers)
    told = seen(shown)
    assert "Your usage: the last 24 hours" in told
    assert "By user" not in told
    assert not any("/admin/" in one.url.path for one in recorded.requests)


def test_an_auditor_who_may_not_refresh_is_told_that_days_may_be_stale():
    answers = EVERYBODY | {"POST /admin/usage/refresh-today": WORDLESS}
    assert "may be five minutes behind" in seen(board("GET_auth_me_admin_readonly", answers)[0])
    assert "may be five minutes behind" not in seen(board("GET_auth_me_admin", EVERYBODY)[0])


def test_a_refresh_that_fails_keeps_the_numbers_and_says_why():
    analytics = [lambda _: ok(ANALYTICS), lambda _: busy()]
    shown, _ = board("GET_auth_me_admin", EVERYBODY | {"POST /admin/usage/analytics": analytics}, patience=0)
    before = shown.summary
    shown.refresh.click()
    assert isinstance(shown.error, errors.PortalBusy)
    assert shown.summary is before
    assert 'role="alert"' in shown.message.value
    assert shown.refresh.disabled is False


def test_a_refresh_reads_again():
    later = HOURS | {"data": HOURS["data"][:1]}
    answers = EVERYBODY | {"GET /admin/usage/hours": [lambda _: ok(HOURS), lambda _: ok(later)]}
    shown, _ = board("GET_auth_me_admin", answers)
    shown.refresh.click()
    assert shown.error is None
    assert shown.summary.requests == 7
    assert "read at" in seen(shown.message)


def test_no_calls_at_all_is_nought_not_nothing():
    empty = ANALYTICS | {"totalRequests": 0, "topModels": [], "topUsers": [], "topApiKeys": []}
    answers = EVERYBODY | {
        "POST /admin/usage/analytics": empty,
        "GET /admin/usage/hours": HOURS | {"data": []},
    }
    shown, _ = board("GET_auth_me_admin", answers)
    assert (shown.summary.requests, shown.summary.cost) == (0, 0)
    assert seen(shown).count("No calls.") == 3


def test_the_widgets_are_public():
    assert maas_lab.widgets.portal_form is widgets.portal_form
