"""Those who run the portal, at its pages: statistics, users and caps; an auditor sees them and changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from maas_lab import wait
from tests.browser import pages

ADMIN = "/api/v1/admin/usage"


@pytest.fixture
def span():
    """The days of which the statistics begin to tell."""
    today = datetime.now(UTC).date()
    return {"startDate": str(today - timedelta(days=6)), "endDate": str(today)}


@pytest.fixture
def used(lab, alice, make_key, carol, span):
    """Calls of alice's, booked: three that were answered and one that was refused."""
    key = make_key(alice, "billed", metadata={"application": "billed"})["key"]
    assert [lab.ask(key).status_code for _ in range(3)] == [200] * 3
    assert lab.ask(key, "no-such-model").status_code >= 400

    def booked():
        told = carol.post(f"{ADMIN}/by-key", json={**span, "limit": 200}).json()["data"]
        return sum(row["metrics"]["requests"] for row in told if row["application"] == "billed") >= 3

    wait.until(booked, what="booked calls", timeout=30)


def test_statistics_are_what_the_api_tells(page, at, used):
    at("carol", "statistics")
    answers = {}
    page.on("response", lambda one: answers.update({one.url.rpartition("/admin/usage/")[2]: one}))
    page.get_by_role("button", name="Refresh").click()
    expect(pages.said(page)).to_contain_text("The statistics are up to date.")
    # What this very page was told: calls of other tests may be booked at any moment.
    report, keys, hours = (answers[name].json() for name in ("analytics", "by-key", "hours?hours=24"))
    recent, whole = pages.tiles(page, "The last 24 hours"), pages.tiles(page, "By application and by model")
    assert pages.number(recent["Requests (hits)"]) == sum(row["requests"] + row["rejected"] for row in hours["data"])
    assert pages.number(recent["Tokens"]) == sum(row["tokens"] for row in hours["data"])
    assert pages.number(whole["Requests (hits)"]) == report["totalRequests"]
    assert pages.number(whole["Tokens"]) == report["totalTokens"]["total"]
    assert pages.number(whole["Cost"]) == pytest.approx(report["totalCost"]["total"], abs=1e-4)

    billed = page.get_by_role("table", name="Usage by application").get_by_role("row").filter(has_text="billed")
    told = pages.cells(billed)
    metrics = [row["metrics"] for row in keys["data"] if (row["application"], row["username"]) == ("billed", "alice")]
    assert told["User"] == "alice"
    assert pages.number(told["Requests (hits)"]) == sum(row["requests"] for row in metrics) >= 3
    assert pages.number(told["Of them refused"]) == sum(row["failedRequests"] for row in metrics)
    assert pages.number(told["Tokens"]) == sum(row["tokens"]["total"] for row in metrics) > 0
    assert pages.number(told["Cost"]) == pytest.approx(sum(row["cost"] for row in metrics), abs=1e-4)
    tiny = page.get_by_role("table", name="Usage by model").get_by_role("row").filter(has_text="tiny")
    (model,) = [row for row in report["topModels"] if row["modelId"] == "tiny"]
    assert pages.number(pages.cells(tiny.first)["Requests (hits)"]) == model["requests"]


def test_another_span_of_days_is_asked_for(page, at, used):
    at("carol", "statistics")
    page.get_by_label("Time").focus()
    with page.expect_request(lambda one: one.url.endswith("/admin/usage/analytics")) as sent:
        page.get_by_label("Time").select_option("today (UTC)")
    today = str(datetime.now(UTC).date())
    assert sent.value.post_data_json == {"startDate": today, "endDate": today}
    expect(page.get_by_label("Time")).to_be_focused()


def test_the_export_is_the_portals_file(page, at, used, carol, span):
    def export():
        return carol.post(f"{ADMIN}/export", json={**span, "format": "csv"}).text

    at("carol", "statistics")
    before = export()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export as CSV").click()
    assert saved.value.suggested_filename == f"usage-{span['startDate']}-{span['endDate']}.csv"
    told = saved.value.path().read_text()
    assert told in (before, export())  # a call of another test may have been booked meanwhile
    assert ",alice," in told
    expect(pages.said(page)).to_contain_text("one line per user")


def test_a_cap_stops_a_users_second_key_too(page, at, bob, make_key, lab):
    first = make_key(bob, "first")["key"]
    assert lab.ask(first).status_code == 200
    wait.until(lambda: bob.get("/api/v1/usage/budget").json()["currentSpend"], what="bob's spend", timeout=30)
    second = make_key(bob, "second")["key"]
    at("carol", "users")
    change = page.get_by_role("button", name="Change cap of bob")
    change.click()
    page.get_by_label("Budget in dollars").fill("0.0001")
    page.get_by_role("button", name="Set the cap").click()
    expect(pages.said(page)).to_contain_text("The cap of bob is set")
    expect(change).to_be_focused()
    assert pages.cells(pages.row(page, "bob"))["Cap"].startswith("$0.0001")
    refused = lab.ask(second)
    assert (refused.status_code, "udget" in refused.text) == (400, True), refused.text
    change.click()
    page.get_by_label("Budget in dollars").fill("100")
    page.get_by_role("button", name="Set the cap").click()
    expect(pages.row(page, "bob")).to_contain_text("$100.00")
    assert lab.ask(second).status_code == 200


def test_only_what_was_changed_is_sent_and_a_refusal_stays_in_the_dialog(page, at, bob, expected):
    at("carol", "users")
    page.get_by_role("button", name="Change cap of bob").click()
    page.get_by_label("Requests per minute").fill("60")
    with page.expect_request(lambda one: one.method == "PATCH") as sent:
        page.get_by_role("button", name="Set the cap").click()
    assert sent.value.post_data_json == {"rpmLimit": 60}
    expect(pages.row(page, "bob")).to_contain_text("60")
    page.get_by_role("button", name="Change cap of bob").click()
    page.get_by_label("Budget in dollars").fill("2000000000000")
    page.get_by_label("Requests per minute").fill("120")
    with expected(page, "status of 400"):
        page.get_by_role("button", name="Set the cap").click()
        expect(page.get_by_role("dialog")).to_contain_text("maxBudget must be a number of 0 or more")
    page.get_by_label("Budget in dollars").fill("100")
    page.get_by_role("button", name="Set the cap").click()
    expect(pages.said(page)).to_contain_text("The cap of bob is set")


def test_users_are_found_by_name(page, at, lab):
    for name in ("alice", "bob"):
        lab.session(name)
    at("carol", "users")
    page.get_by_label("Name contains").fill("bo")
    page.keyboard.press("Enter")
    expect(pages.row(page, "alice")).to_have_count(0)
    expect(pages.row(page, "bob")).to_be_visible()
    page.get_by_label("Name contains").fill("nobody")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("Nobody of that name has logged in so far.")).to_be_visible()


def test_an_auditor_sees_everything_and_changes_nothing(page, at, lab, guarded):
    with lab.as_("learner00") as learner:
        assert learner.post("/api/v1/subscriptions", json={"modelId": guarded}).status_code in (201, 409)
    at("dave", "statistics")
    expect(page.get_by_role("heading", name="By application and by model")).to_be_visible()
    at("dave", "users")
    expect(page.get_by_text("change nothing")).to_be_visible()
    expect(pages.row(page, "learner00")).to_be_visible()
    assert page.get_by_role("main").get_by_role("button").all_inner_texts() == ["Find"]
    at("dave", "approvals")
    expect(page.get_by_text("change nothing")).to_be_visible()
    expect(pages.row(page, "learner00")).to_contain_text(guarded)
    assert page.get_by_role("main").get_by_role("button").count() == 0


def test_a_consumer_gets_to_none_of_it(page, at, alice):
    at("alice", "users")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    links = page.get_by_role("navigation").get_by_role("link").all_inner_texts()
    assert links == ["Models", "Applications", "Usage"]


def refuse(page, path, status, body, headers=None):
    """Let the portal answer as LiteMaaS does where it differs."""
    answer = {"status": status, "content_type": "application/json", "body": json.dumps(body), "headers": headers or {}}
    page.route(f"**/api/v1{path}**", lambda route: route.fulfill(**answer))


def test_without_hours_and_applications_there_are_days_and_users(page, at, used, expected):
    """LiteMaaS has neither path."""
    gone = {"error": {"code": "NOT_FOUND", "message": "Route not found"}}
    for path in ("/admin/usage/hours", "/admin/usage/by-key", "/usage/hours"):
        refuse(page, path, 404, gone)
    with expected(page, "status of 404"):
        at("carol", "statistics")
        expect(page.get_by_role("img", name="Requests (hits) by day")).to_be_visible()
        expect(page.get_by_role("table", name="Usage by user")).to_contain_text("alice")
    with expected(page, "status of 404"):
        at("alice", "usage")
        expect(page.get_by_role("img", name="Requests (hits) by day")).to_be_visible()


def test_too_many_requests_say_how_long_to_wait(page, at, used, expected):
    at("carol", "statistics")
    # As LiteMaaS says it, without a word.
    refuse(page, "/admin/usage/analytics", 429, {"error": "[object Object]"}, {"retry-after": "42"})
    with expected(page, "status of 429"):
        page.get_by_role("button", name="Refresh").click()
        expect(pages.complained(page)).to_contain_text("Wait 42 seconds, then try again.")
    assert "object" not in pages.complained(page).inner_text()
    expect(page.get_by_role("table", name="Usage by application")).to_contain_text("billed")
    page.unroute_all()
    page.get_by_role("button", name="Refresh").click()
    expect(pages.said(page)).to_contain_text("up to date")
