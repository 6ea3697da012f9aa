"""The portal's pages for whoever uses them: by keyboard, by screen reader, on a telephone, over a slow line."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from playwright.sync_api import expect

from maas_lab.local.frontend.app import PAGES
from tests.browser import pages

STATIC = PAGES / "static"
MODULES = sorted(path for path in STATIC.rglob("*.js"))
VIEWS = {
    "alice": ["models", "create", "applications", "usage", "nowhere"],
    "carol": ["statistics", "users", "approvals"],
    "dave": ["statistics", "users", "approvals"],
}
LARGEST = 80_000  # bytes of scripts and style: a page is there at once, behind two proxies too


@pytest.fixture
def furnished(lab, alice, guarded, make_key):
    """Something to be seen in every view."""
    key = make_key(alice, "a name that is as long as anybody may reasonably want it to be", rpmLimit=9)
    assert lab.ask(key["key"]).status_code == 200
    with lab.as_("learner01") as learner:
        assert learner.post("/api/v1/subscriptions", json={"modelId": guarded}).status_code in (201, 409)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible(page, at, axe, furnished, scheme):
    page.emulate_media(color_scheme=scheme)
    found = {}
    for user, views in VIEWS.items():
        at(user, views[0])
        for view in views:
            pages.go(page, page.url.partition("#")[0], view)
            found[user, view] = axe(page)
    assert {place: one for place, one in found.items() if one} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_comes_after_a_click_is_accessible(page, at, axe, furnished, expected, scheme):
    page.emulate_media(color_scheme=scheme)
    at("alice", "create?model=tiny")
    page.get_by_label("Budget in dollars").fill("1000000000000000")
    with expected(page, "status of 400"):
        pages.create(page, "first")
        expect(pages.complained(page)).to_be_visible()
    assert axe(page) == []
    page.get_by_label("Budget in dollars").fill("")
    pages.create(page, "first")
    assert pages.copied(page, "API key")
    assert axe(page) == []
    pages.go(page, page.url.partition("#")[0], "applications")
    for what in ("Show key", "Rotate", "Revoke"):
        page.get_by_role("button", name=f"{what} first").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert axe(page) == []
        page.keyboard.press("Escape")


def test_every_view_fits_a_telephone(page, at, furnished):
    page.set_viewport_size({"width": 360, "height": 740})
    wide = {}
    for user, views in VIEWS.items():
        at(user, views[0])
        for view in views:
            pages.go(page, page.url.partition("#")[0], view)
            wide[user, view] = page.evaluate("document.documentElement.scrollWidth")
    assert {place: width for place, width in wide.items() if width > 360} == {}


def test_an_application_is_created_without_a_mouse(page, laptop, alice, lab, fill_in):
    page.goto(laptop)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()

    def tab_to(words: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if re.search(
                words, page.evaluate("(({ textContent, name }) => textContent || name)(document.activeElement)")
            ):
                return
        raise AssertionError(f"no key press leads to {words}")

    tab_to("Log in")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(lab.passwords["alice"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_focused()
    pages.settled(page)
    tab_to("Create application with tiny")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Create application", level=1)).to_be_focused()
    pages.settled(page)
    tab_to("^name$")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“by keyboard” is ready")).to_be_focused()
    tab_to("Copy the API key")
    page.keyboard.press("Space")
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    assert lab.ask(page.evaluate("navigator.clipboard.readText()")).status_code == 200


def test_the_focus_is_to_be_seen_and_the_content_can_be_skipped_to(page, at, tiny):
    at("alice", "models")
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_focused()
    assert page.url.endswith("#/models")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_each_file_is_asked_for_once_and_at_once(page, laptop, tiny):
    asked = Counter()
    page.on("request", lambda one: asked.update([one.url.removeprefix(laptop)]))
    page.goto(laptop)
    pages.settled(page)
    files = {name: number for name, number in asked.items() if name.endswith((".js", ".css"))}
    assert files == dict.fromkeys(files, 1)
    served = {f"static/{path.relative_to(STATIC).as_posix()}" for path in MODULES} - {"static/callback.js"}
    assert {name for name in files if name.endswith(".js")} == served
    named = set(re.findall(r'(?:href|src)="(static/[^"]+\.js)"', (PAGES / "index.html").read_text()))
    assert named == served


def test_scripts_and_style_are_small():
    assert sum(path.stat().st_size for path in [*MODULES, STATIC / "style.css"]) < LARGEST


def test_no_script_writes_html_or_style():
    """Text goes into a page as text; the Content-Security-Policy forbids the rest, and would be heard only in use."""
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\.style\b|style=")
    told = [path.name for path in [*MODULES, *PAGES.glob("*.html")] if forbidden.search(path.read_text())]
    assert told == []
