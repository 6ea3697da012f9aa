"""People log in and out with a browser, on a laptop and in a workbench."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import expect


def open_form(page, site):
    page.goto(site)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_from_the_first_page_through_the_clusters_form_and_back(page, site, log_in):
    log_in(page, site, "alice")
    expect(page.locator("body")).to_contain_text("alice")
    assert "token" not in page.url
    cookies = [one for one in page.context.cookies() if one["name"] in ("litemaas_login", "cluster_login")]
    root = urlsplit(site).path
    paths = {one["name"]: one["path"] for one in cookies}
    assert paths == {"litemaas_login": f"{root}api/auth", "cluster_login": f"{root}oauth"}
    assert all(one["httpOnly"] for one in cookies)


def test_a_wrong_password_is_told_and_can_be_mended(page, site, lab, fill_in, expected):
    open_form(page, site)
    with expected(page, "status of 401"):
        fill_in(page, "bob", "wrong")
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    assert page.get_by_label("Name").input_value() == "bob"
    expect(page.get_by_label("Password")).to_be_focused()
    assert page.get_by_label("Password").input_value() == ""
    page.get_by_label("Password").fill(lab.passwords["bob"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_the_form_needs_no_mouse(page, laptop, lab):
    open_form(page, laptop)
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(lab.passwords["alice"])
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Log in")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_logging_out_ends_what_the_browser_knows(page, site, log_in):
    log_in(page, site, "alice")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert "eyJ" not in page.evaluate("JSON.stringify([sessionStorage, localStorage])")
    page.reload()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_an_answer_of_the_login_is_good_once(page, site, log_in, expected):
    seen = []
    page.on("request", lambda one: seen.append(one.url))
    log_in(page, site, "alice")
    (callback,) = [one for one in seen if "/api/auth/callback?" in one]
    with expected(page, "status of 401"):
        page.goto(callback)
    assert "begin again" in page.inner_text("body")


def test_the_answer_to_anothers_login_is_not_taken(page, browser, laptop, log_in, lab, fill_in, expected):
    """Somebody sends you the end of their own login, so that you work in their account."""
    attacker = browser.new_context()
    theirs = attacker.new_page()
    open_form(theirs, laptop)
    theirs.route(re.compile("/api/auth/callback"), lambda route: route.abort())
    with theirs.expect_request(re.compile("/api/auth/callback")) as sent:
        fill_in(theirs, "bob", lab.passwords["bob"])
    with expected(page, "status of 401"):
        page.goto(sent.value.url)
    assert "begin again" in page.inner_text("body")
    attacker.close()


def test_the_form_is_not_taken_from_another_page(page, laptop, lab, expected):
    open_form(page, laptop)
    page.context.clear_cookies(name="cluster_login")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill(lab.passwords["alice"])
    with expected(page, "status of 403"):
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("another page")


def test_two_tabs_can_log_in_at_once(page, laptop, lab, fill_in):
    open_form(page, laptop)
    second = page.context.new_page()
    open_form(second, laptop)
    for one in (page, second):
        fill_in(one, "alice", lab.passwords["alice"])
        expect(one.get_by_role("button", name="Log out")).to_be_visible()


def test_the_clusters_own_address_has_the_form_too(browser, laptop, lab, fill_in):
    """As on OpenShift, whose login is at another host: the form leads back to the portal's."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(laptop)
    told = page.evaluate("fetch('api/auth/login', {method: 'POST'}).then((one) => one.json())")
    page.goto(told["authUrl"])
    fill_in(page, "alice", lab.passwords["alice"])
    page.wait_for_url(re.compile(r"/auth/callback|/$|#/"))
    assert urlsplit(page.url).netloc == urlsplit(lab.url).netloc
    context.close()


def test_first_page_and_form_are_accessible(page, site, axe, fill_in, expected):
    page.goto(site)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert axe(page) == []
    with expected(page, "status of 401"):
        fill_in(page, "nobody", "wrong")
        expect(page.get_by_role("alert")).to_be_visible()
    assert axe(page) == []


def test_the_form_fits_a_narrow_screen(page, laptop):
    page.set_viewport_size({"width": 320, "height": 640})
    open_form(page, laptop)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_no_log_holds_a_session(page, workbench, log_in, lab, jupyter_log):
    log_in(page, workbench, "alice")
    for log in (jupyter_log, lab.pods["frontend"].log, lab.pods["portal"].log, lab.home / "kube.log"):
        told = log.read_text()
        assert "eyJ" not in told
        assert lab.passwords["alice"] not in told
