"""The portal's pages in a real Chromium, on the lab of tests/portal_lab.py.

What a test can ask for:
    site        the portal's first page, once on a laptop (`http://127.0.0.1:PORT/`), once in a workbench (behind a real
                Jupyter server with jupyter-server-proxy, `/notebook/team/wb/proxy/PORT/`): the test runs twice.
    laptop, workbench   one of the two.
    page        a Playwright page with cookies of its own. The test fails if, by its end, a page has written an error
                to the console, has thrown, has broken its Content-Security-Policy, has lost a request, or has asked
                for anything outside of this machine.
    log_in      `log_in(page, site, "alice")`: from the first page through the cluster's form and back. For another lab
                than tests/portal_lab.py's, give the password too.
    fill_in     `fill_in(page, "alice", password)`: only the form, with whatever name and password.
    expected    `with expected(page, "status of 401"):` a trouble of these words is meant to happen inside, and must.
    at          `at("alice", "usage")`: a view on a laptop, as somebody who has logged in (without the form).
    axe         `axe(page)`: what axe-core finds wrong with the page as it is now; compare it with [].
                `axe(page, {"include": [[".chart"]]})` looks at a part of it.
    lab, tiny, alice, bob, carol ...   from tests/portal_lab.py; `lab.passwords["alice"]`.

A browser belongs to a module, because Playwright keeps an event loop that tests elsewhere would stumble over.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from maas_lab import settings, wait
from tests.browser import pages

NAMES = ("chromium", "chromium-browser", "google-chrome")
BASE = "/notebook/team/wb"
PATIENCE_MS = 15_000


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    found = next(filter(None, map(shutil.which, NAMES)), "")
    if not found:
        told = "no Chromium is installed; on Debian and Ubuntu: apt-get install chromium"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=options)
        yield opened
        opened.close()


@pytest.fixture
def troubles() -> list[str]:
    """What has gone wrong in the test's pages so far."""
    return []


@pytest.fixture
def page(browser: Browser, troubles: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(PATIENCE_MS)
    context.on("page", lambda opened: _watch(opened, troubles))
    yield context.new_page()
    context.close()
    assert troubles == []


def _watch(page: Page, troubles: list[str]) -> None:
    page.on("console", lambda told: troubles.append(f"{told.text} ({_place(told)})") if told.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(f"thrown: {error}"))
    page.on("requestfailed", lambda one: None if _is_left(one) else troubles.append(f"lost: {one.url} {one.failure}"))
    page.on("request", lambda one: None if _is_here(one.url) else troubles.append(f"elsewhere: {one.url}"))


def _place(told: Any) -> str:
    return urlsplit(told.location.get("url", "")).path


def _is_left(request: Request) -> bool:
    """Tell whether a request was given up because its page was left."""
    return request.failure == "net::ERR_ABORTED"


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "file") or parts.hostname == "127.0.0.1"


@pytest.fixture
def expected(troubles: list[str]):
    """Expect a trouble of the page's inside of a block."""

    @contextlib.contextmanager
    def meant(page: Page, words: str) -> Iterator[None]:
        before = len(troubles)
        yield
        wait.until(lambda: page.evaluate("1") and len(troubles) > before, what=f"the trouble {words!r}", timeout=5)
        found = troubles[before:]
        assert all(words in one for one in found), found
        del troubles[before:]

    return meant


@pytest.fixture
def axe():
    """Let axe-core look at a page; return what it finds wrong, one line each."""

    def look(page: Page, context: dict[str, Any] | None = None) -> list[str]:
        found = Axe().run(page, context).response["violations"]
        return [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"]]

    return look


@pytest.fixture
def fill_in():
    """Send the cluster's form."""

    def send(page: Page, user: str, password: str) -> None:
        page.get_by_label("Name").fill(user)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()

    return send


@pytest.fixture
def log_in(fill_in: Any, request: pytest.FixtureRequest):
    """Log in from the portal's first page."""

    def do(page: Page, site: str, user: str, password: str = "") -> None:
        page.goto(site)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(re.compile("/oauth/authorize"))
        fill_in(page, user, password or request.getfixturevalue("lab").passwords[user])
        page.wait_for_url(re.compile(f"{re.escape(site)}(#.*)?$"))
        expect(page.get_by_role("button", name="Log out")).to_be_visible()

    return do


@pytest.fixture
def laptop(lab: Any) -> str:
    """The portal's first page on a laptop."""
    return lab.pages


@pytest.fixture
def at(page: Page, laptop: str, lab: Any):
    """Open a view of the portal on a laptop, as somebody who has logged in: `at("alice", "models")`."""
    return lambda user, view: pages.enter(page, laptop, lab.session(user), view)


@pytest.fixture
def workbench(lab: Any, proxied: Any) -> str:
    """The portal's first page as a workbench shows it."""
    return proxied(lab.pages)


@pytest.fixture
def proxied(jupyter: str, page: Page):
    """Find the address in a workbench of a page on this machine; the page's browser has logged in at Jupyter."""
    server, _, token = jupyter.partition("?token=")
    assert page.context.request.get(f"{server}lab/tree?token={token}").ok
    return lambda url: f"{server}proxy/{urlsplit(url).port}/"


@pytest.fixture(params=["laptop", "workbench"])
def site(request: pytest.FixtureRequest) -> str:
    """The portal's first page: on a laptop, and in a workbench."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Jupyter server with jupyter-server-proxy, under a path as a workbench's; its address with its token."""
    folder, token = tmp_path_factory.mktemp("jupyter"), secrets.token_hex(16)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    argv += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.base_url={BASE}/"]
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("RUNTIME", "CONFIG", "DATA")}
    env = settings.child_environment() | own | {"JUPYTER_TOKEN": token, "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, env=env, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}{BASE}/"

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        return httpx.get(f"{url}api", trust_env=False).is_success

    try:
        wait.until(answers, what="Jupyter", timeout=60, transient=(httpx.HTTPError,))
        yield f"{url}?token={token}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="session")
def jupyter_log(tmp_path_factory: pytest.TempPathFactory, jupyter: str) -> Path:
    """What the Jupyter server has written."""
    return next(tmp_path_factory.getbasetemp().glob("jupyter*/log"))
