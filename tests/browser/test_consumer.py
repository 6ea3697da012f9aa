"""A consumer at the portal's pages: from the login to a key that works, and what becomes of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from maas_lab import settings, wait
from tests.browser import pages


def run(argv, key, **options):
    env = settings.child_environment() | {"MAAS_API_KEY": key}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_catalogue_is_there_before_anybody_has_logged_in(page, site, tiny, guarded):
    page.goto(site)
    cards = page.get_by_role("listitem")
    expect(cards.filter(has_text=tiny)).to_contain_text("$2.00 per 1,000 tokens")  # 0.002 per token
    expect(cards.filter(has_text=tiny)).to_contain_text("512 tokens")
    expect(cards.filter(has_text=guarded)).to_contain_text("Restricted: an administrator approves each subscription")
    assert page.get_by_role("navigation").count() == 0


def test_from_the_login_to_a_copied_key_that_works(page, site, alice, log_in, lab):
    log_in(page, site, "alice")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_focused()
    page.get_by_role("link", name="Create application with tiny").click()
    pages.create(page, "My GenAI App")
    expect(page.get_by_role("heading", name="“My GenAI App” is ready")).to_be_focused()
    expect(pages.said(page)).to_contain_text("Copy its API key now")
    key = pages.copied(page, "API key")
    assert lab.ask(key).status_code == 200
    assert json.loads(run(["bash", "-c", pages.copied(page, "curl call")], key))["choices"][0]["message"]["content"]
    assert run([sys.executable, "-c", pages.copied(page, "Python call")], key).strip()
    page.get_by_role("link", name="My applications").click()
    told = pages.cells(pages.row(page, "My GenAI App"))
    assert (told["State"], told["API key"]) == ("Active", f"{key[:7]}…")


def test_the_line_that_sets_the_variable_keeps_the_key_out_of_the_command(page, alice, at, lab):
    at("alice", "create?model=tiny")
    pages.create(page, "chat-bot")
    key = pages.copied(page, "API key")
    line = pages.copied(page, "line that sets the variable")
    assert run(["bash", "-c", f'{line}; printf %s "$MAAS_API_KEY"'], "old", input=f"{key}\n") == key
    calls = [pages.copied(page, name) for name in ("curl call", "Python call")]
    assert not any(key in one for one in (line, *calls))


def test_a_key_is_gone_when_its_view_is_left(page, alice, at):
    at("alice", "create")
    pages.create(page, "chat-bot")
    key = pages.copied(page, "API key")
    assert page.get_by_text(key).count() == 1
    page.get_by_role("link", name="Usage", exact=True).click()
    pages.settled(page)
    assert key not in page.content()
    page.go_back()
    pages.settled(page)
    assert key not in page.content()
    assert key not in page.evaluate("JSON.stringify([sessionStorage, localStorage, location.href, history.state])")


def test_a_key_can_be_shown_again_and_is_gone_with_its_dialog(page, alice, at, make_key):
    key = make_key(alice, "chat-bot")["key"]
    at("alice", "applications")
    page.get_by_role("button", name="Show key chat-bot").click()
    assert pages.copied(page, "API key") == key
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert key not in page.content()
    expect(page.get_by_role("button", name="Show key chat-bot")).to_be_focused()


def test_a_double_click_creates_one_application(page, alice, at):
    at("alice", "create")
    page.get_by_label("Name").fill("once")
    page.get_by_role("checkbox", name="tiny").check()
    page.get_by_role("button", name="Create application").dblclick()
    expect(page.get_by_role("heading", name="“once” is ready")).to_be_visible()
    assert [key["name"] for key in alice.get("/api/v1/api-keys").json()["data"]] == ["once"]


def test_limits_and_an_end_are_those_that_were_asked_for(page, alice, at):
    at("alice", "create")
    for name, value in (("Budget in dollars", "2.5"), ("Requests per minute", "7"), ("Tokens per minute", "900")):
        page.get_by_label(name).fill(value)
    page.get_by_label("The budget begins anew").select_option("every month")
    page.get_by_label("The key expires").select_option("in 7 days")
    pages.create(page, "limited")
    expect(page.get_by_role("heading", name="“limited” is ready")).to_be_visible()
    (key,) = alice.get("/api/v1/api-keys").json()["data"]
    limits = [key[name] for name in ("maxBudget", "budgetDuration", "rpmLimit", "tpmLimit")]
    assert limits == [2.5, "monthly", 7, 900]
    assert key["metadata"] == {"application": "limited"}
    page.get_by_role("link", name="My applications").click()
    told = pages.cells(pages.row(page, "limited"))
    assert told["Spent"].split("\n") == ["$0.00", "of $2.50, renewed monthly"]
    assert told["Limits"].split("\n") == ["7 requests/min", "900 tokens/min"]
    assert told["Expires"] != "never"


def test_rotating_blocking_and_revoking_count_at_the_gateway(page, alice, at, make_key, lab):
    old = make_key(alice, "chat-bot")["key"]
    at("alice", "applications")
    page.get_by_role("button", name="Rotate chat-bot").click()
    page.get_by_role("button", name="Rotate", exact=True).click()
    expect(page.get_by_role("dialog", name="New API key")).to_be_visible()
    new = pages.copied(page, "API key")
    page.get_by_role("button", name="Close").click()
    assert [lab.ask(key).status_code for key in (old, new)] == [401, 200]

    page.get_by_role("button", name="Block chat-bot").click()
    expect(pages.said(page)).to_contain_text("is blocked")
    expect(page.get_by_role("button", name="Unblock chat-bot")).to_be_focused()
    assert pages.cells(pages.row(page, "chat-bot"))["State"].startswith("Blocked")
    assert lab.ask(new).status_code == 401
    page.get_by_role("button", name="Unblock chat-bot").click()
    expect(pages.said(page)).to_contain_text("may call again")
    assert lab.ask(new).status_code == 200

    page.get_by_role("button", name="Revoke chat-bot").click()
    expect(page.get_by_role("dialog")).to_contain_text("dies at once")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    assert lab.ask(new).status_code == 200
    page.get_by_role("button", name="Revoke chat-bot").click()
    page.get_by_role("button", name="Revoke for good").click()
    expect(pages.said(page)).to_contain_text("is revoked")
    expect(page.get_by_text("You have no application yet.")).to_be_visible()
    assert lab.ask(new).status_code == 401


def test_a_restricted_model_waits_for_approval(page, at, guarded, lab):
    at("erin", "create")
    pages.create(page, "secret things", guarded)
    expect(page.get_by_role("heading", name="Not created yet")).to_be_focused()
    expect(page.get_by_role("main")).to_contain_text("guarded waits for an administrator’s approval")
    page.get_by_role("link", name="To the models").click()
    expect(page.get_by_role("listitem").filter(has_text="guarded")).to_contain_text("Waits for an administrator")

    at("carol", "approvals")
    page.get_by_role("button", name="Deny erin, guarded").click()
    page.get_by_label("Reason").fill("not before Monday")
    page.get_by_role("button", name="Deny", exact=True).click()
    expect(pages.said(page)).to_contain_text("denied for erin")
    at("erin", "models")
    expect(page.get_by_text("Denied: not before Monday")).to_be_visible()
    page.get_by_role("button", name="Ask again for guarded").click()
    expect(pages.said(page)).to_contain_text("looks at guarded again")

    at("carol", "approvals")
    page.get_by_role("button", name="Approve erin, guarded").click()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(pages.said(page)).to_contain_text("guarded is approved for erin.")
    expect(pages.row(page, "erin")).to_have_count(0)
    at("erin", "create")
    pages.create(page, "secret things", guarded)
    assert lab.ask(pages.copied(page, "API key"), guarded).status_code == 200
    at("erin", "applications")
    page.get_by_role("button", name="Revoke secret things").click()
    page.get_by_role("button", name="Revoke for good").click()
    expect(pages.said(page)).to_contain_text("is revoked")


def test_usage_is_what_the_portal_counts(page, at, tiny, make_key, lab):
    with lab.as_("frank") as learner:
        assert learner.post("/api/v1/subscriptions", json={"modelId": tiny}).status_code == 201
        key = make_key(learner)["key"]
        assert [lab.ask(key).status_code for _ in range(3)] == [200] * 3

        def told(path):
            return learner.get(f"/api/v1/usage/{path}").json()

        wait.until(lambda: sum(row["requests"] for row in told("hours")["data"]) == 3, what="booked calls", timeout=30)
        hours = told("hours")["data"]
        spend = pytest.approx(sum(row["cost"] for row in hours))
        wait.until(lambda: told("budget")["currentSpend"] == spend, what="the user's spend", timeout=30)
        budget = told("budget")
    at("frank", "usage")
    recent, cap = pages.tiles(page, "The last 24 hours"), pages.tiles(page, "Your cap")
    hits = sum(row["requests"] + row["rejected"] for row in hours)
    assert pages.number(recent["Requests (hits)"]) == hits
    assert pages.number(recent["Tokens"]) == sum(row["tokens"] for row in hours)
    assert pages.number(recent["Cost"]) == pytest.approx(sum(row["cost"] for row in hours), abs=1e-4)
    assert pages.number(cap["Cap"]) == budget["maxBudget"]
    assert pages.number(cap["Left"]) == pytest.approx(budget["maxBudget"] - budget["currentSpend"], abs=1e-4)
    chart = page.get_by_role("img", name=re.compile("by hour"))
    for measure in ("Tokens", "Cost", "Requests (hits)"):
        page.get_by_role("radio", name=measure).check()
        expect(chart).to_have_accessible_name(re.compile(f"^{re.escape(measure)} by hour"))
    page.get_by_text("The chart as a table").click()
    column = page.get_by_role("table", name="Usage by hour").locator("td[data-title^=Requests]")
    assert sum(map(pages.number, column.all_inner_texts())) == hits


def test_a_refusal_is_told_and_the_form_keeps_what_was_written(page, alice, at, expected, lab):
    at("alice", "create")
    with expected(page, "status of 400"):
        pages.create(page, "<img src=x onerror=alert(1)>")
        expect(pages.complained(page)).to_contain_text("name must not hold control characters, < or >.")
    assert page.get_by_label("Name").input_value() == "<img src=x onerror=alert(1)>"
    assert alice.get("/api/v1/api-keys").json()["data"] == []
    pages.create(page, "twin")
    expect(page.get_by_role("heading", name="“twin” is ready")).to_be_visible()
    pages.go(page, page.url.partition("#")[0], "models")
    pages.go(page, page.url.partition("#")[0], "create")
    pages.create(page, "twin")
    expect(pages.complained(page)).to_contain_text("You have an application “twin” already.")


def test_no_model_chosen_is_told_before_anything_is_asked(page, tiny, guarded, at):
    at("alice", "create")
    page.get_by_label("Name").fill("nothing")
    page.get_by_role("button", name="Create application").click()
    expect(pages.complained(page)).to_contain_text("No model is chosen.")
    expect(page.get_by_role("checkbox").first).to_be_focused()


def test_html_in_names_is_shown_as_text(page, alice, at, make_key, lab):
    make_key(alice, "harmless")
    evil = "<img src=x onerror=alert(1)>"
    told = json.dumps({"application": evil})
    lab.sql(f"update api_keys set name = '{evil}', metadata = '{told}' where name = 'harmless'")
    at("alice", "applications")
    expect(page.get_by_role("rowheader", name=evil)).to_be_visible()
    page.get_by_role("button", name=f"Revoke {evil}").click()
    expect(page.get_by_role("heading", name=f"Revoke “{evil}” for good?")).to_be_visible()
    lab.sql(f"update users set full_name = '{evil}' where username = 'alice'")
    at("carol", "users")
    expect(pages.row(page, "alice")).to_contain_text(evil)
    assert page.locator("img[src=x]").count() == 0
    lab.login("alice")  # which writes the name anew


def test_a_session_that_is_over_is_told_and_the_next_login_comes_back(page, laptop, at, lab, fill_in, expected):
    at("alice", "applications")
    page.evaluate("sessionStorage.setItem(`maas-portal ${location.pathname}`, 'forged.forged.forged')")
    with expected(page, "status of 401"):
        page.get_by_role("link", name="Usage", exact=True).click()
        expect(page.get_by_role("alert").filter(has_text="Your session is over.")).to_be_visible()
        page.wait_for_load_state("networkidle")  # the view asks for three things at once
    page.get_by_role("button", name="Log in").click()
    fill_in(page, "alice", lab.passwords["alice"])
    expect(page.get_by_role("heading", name="Usage", level=1)).to_be_visible()


def test_a_portal_that_does_not_answer_is_told_and_can_be_tried_again(page, at, expected, tiny):
    at("alice", "models")
    page.route("**/api/v1/api-keys**", lambda route: route.abort())
    with expected(page, "api-keys"):
        page.get_by_role("link", name="Applications", exact=True).click()
        expect(page.get_by_role("alert").filter(has_text="The portal does not answer.")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("You have no application yet.")).to_be_visible()


def test_without_permission_to_copy_the_key_is_selected(page, alice, at, lab):
    at("alice", "create")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new DOMException('not here')); }")
    pages.create(page, "chat-bot")
    page.get_by_role("button", name="Copy the API key").click()
    expect(page.get_by_role("status").filter(has_text="press Ctrl+C")).to_be_visible()
    assert lab.ask(page.evaluate("getSelection().toString()").strip()).status_code == 200
