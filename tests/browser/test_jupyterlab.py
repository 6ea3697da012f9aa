"""The form and the boards in a real JupyterLab: people fill in, click, save; the file holds no key."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import ssl
import string
import subprocess
import uuid
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import nbformat
import pytest
from playwright.sync_api import expect

from maas_lab import wait, widgets
from maas_lab.portal import Portal
from tests.browser.conftest import BASE
from tests.test_cluster import WHO, ControlPlane

ROOT = Path(__file__).parents[2]
NAME = "portal.ipynb"
MANAGER = "@jupyter-widgets/jupyterlab-manager:plugin"
THEMES = "@jupyterlab/apputils-extension:themes"
OURS = re.compile("widget-|maas-lab|told|MAAS_API_KEY|<t[hd]")
LOG_IN = """
import json, ssl, sys
from pathlib import Path
given = json.loads(Path({given!r}).read_text())
sys.path.insert(0, given["root"])
from maas_lab import widgets
from maas_lab.portal import Portal
trust = ssl.create_default_context(cafile=given["trust"])
portal = Portal.login(given["url"], given["user"], given["password"], verify=trust)
"""

BOARD = """
from maas_lab import usage
from maas_lab.gateway import Gateway
source = usage.GatewayUsage(Gateway(given["gateway"], given["gateway_key"]))
board = widgets.usage_board(portal, source, every=0.5)
board
"""
# A cell that is busy until the test has seen enough.
TRAFFIC = """
import time
from maas_lab import ask, openai_client
board.live.toggle.value = True
client, end = openai_client(given["gateway"] + "/v1", given["key"]), time.monotonic() + 60
while not Path(given["enough"]).exists() and time.monotonic() < end:
    ask(client, "Hello", model=given["model"], max_tokens=2)
    time.sleep(0.5)
"""


@pytest.fixture
def page(browser):
    """A page of JupyterLab, which gives up requests when it is left; nothing but this machine is asked."""
    context, elsewhere = browser.new_context(), []
    context.set_default_timeout(15_000)
    here = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:")
    context.on("request", lambda one: None if here.match(one.url) else elsewhere.append(one.url))
    yield context.new_page()
    context.close()
    assert elsewhere == []


@pytest.fixture
def consumer(lab, tiny):
    """The learner, outside of the notebook, to look at what became of it."""
    trust = ssl.create_default_context(cafile=lab.home / "kube/ca.crt")
    with Portal.login(lab.url, "alice", lab.passwords["alice"], verify=trust, timeout=60) as portal:
        yield portal
        for application in portal.applications():
            portal.delete_key(application)


class JupyterLab:
    """A JupyterLab, as its REST API and its page have it."""

    def __init__(self, address, page, folder):
        self.server, _, self.token = address.partition("?token=")
        self.page, self.folder = page, folder

    def put(self, path, body):
        headers = {"Authorization": f"token {self.token}"}
        assert httpx.put(self.server + path, json=body, headers=headers, trust_env=False).is_success

    def open(self, cells, prose=()):
        """Open a notebook of prose and code, and run all of it."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(cell) for cell in prose])
        book.cells += [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        self.put(f"api/contents/{NAME}", {"type": "notebook", "format": "json", "content": book})
        # JupyterLab saves no state of widgets unless told to.
        self.put(f"lab/api/settings/{quote(MANAGER)}", {"raw": json.dumps({"saveState": True})})
        self.page.goto(f"{self.server}lab/tree/{NAME}?token={self.token}&reset")
        # What is run before the kernel is there, is not run.
        expect(self.page.get_by_role("button", name=re.compile(r"\| Idle"))).to_be_visible(timeout=60_000)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def theme(self, name):
        """Show what the notebook has saved in another theme."""
        self.put(f"lab/api/settings/{quote(THEMES)}", {"raw": json.dumps({"theme": name})})
        self.page.reload()

    def saved(self):
        """Save the notebook, and return the text of its file."""
        file, before = self.folder / NAME, (self.folder / NAME).stat().st_mtime_ns

        def written():
            return file.stat().st_mtime_ns > before and json.dumps(json.loads(file.read_bytes()), ensure_ascii=False)

        self.page.keyboard.press("Control+s")
        # Until it is all there, it is no JSON.
        return wait.until(written, what="JupyterLab to save", timeout=20, transient=(ValueError,))


@pytest.fixture
def jupyterlab(jupyter, page, tmp_path_factory):
    """A JupyterLab in the page."""
    return JupyterLab(jupyter, page, next(tmp_path_factory.getbasetemp().glob("jupyter*/log")).parent)


@pytest.fixture
def log_in_cell(lab, tmp_path):
    """The code that logs a user in."""

    def cell(user, **more):
        place = tmp_path / f"{user}.json"
        place.touch(mode=0o600)
        told = {"url": lab.url, "user": user, "password": lab.passwords[user], "root": str(ROOT)}
        admins = {"gateway": lab.gateway, "gateway_key": lab.gateway_key}
        place.write_text(json.dumps(told | admins | more | {"trust": str(lab.home / "kube/ca.crt")}))
        return LOG_IN.replace("{given!r}", repr(str(place)))

    return cell


def test_a_learner_creates_an_application_and_saves_no_key(jupyterlab, page, consumer, tiny, lab, log_in_cell):
    cells = [log_in_cell("alice"), "form = widgets.portal_form(portal)\nform", "widgets.usage_board(portal)"]
    jupyterlab.open(cells)
    form = page.locator(".maas-lab").first
    expect(form.get_by_text("Logged in as alice")).to_be_visible(timeout=60_000)
    form.get_by_label("Model:").select_option(tiny)
    form.get_by_label("Application name:").fill("My GenAI App")
    form.get_by_label("Budget in dollars:").fill("much")
    form.get_by_role("button", name="Create application").click()
    expect(form.get_by_role("alert")).to_contain_text("`much` is not a budget")
    assert form.get_by_label("Application name:").input_value() == "My GenAI App"
    form.get_by_label("Budget in dollars:").fill("5")
    form.get_by_role("button", name="Create application").click()
    expect(form.get_by_role("status")).to_contain_text("Done: “My GenAI App” is an application now")
    key = consumer.reveal_key("My GenAI App")
    expect(form).to_contain_text(repr(key))
    expect(page.locator(".maas-lab").nth(1)).to_contain_text("Your usage")
    secret, text = key.reveal(), jupyterlab.saved()
    assert secret[-4:] in text  # the state of widgets is saved
    windows = {secret[start : start + 5] for start in range(len("sk-"), len(secret) - 4)}
    assert [part for part in windows if part in text] == []
    assert consumer.token.reveal() not in text
    book = nbformat.reads(text, as_version=4)
    texts = [output["data"]["text/plain"] for cell in book.cells[1:] for output in cell.outputs]
    assert texts == [widgets.PortalForm.TEXT, widgets.UsageBoard.TEXT]
    assert lab.ask(secret).status_code == 200


@pytest.fixture
def application(consumer, tiny):
    """An application of alice's, with its key."""
    return consumer.create_application(f"counted-{uuid.uuid4().hex[:6]}", [tiny], max_budget=5)


def test_an_accountant_looks_goes_live_caps_and_saves_the_invoice(
    jupyterlab, page, application, lab, log_in_cell, tmp_path
):
    name, key, enough = application.name, application.key.reveal(), tmp_path / "enough"
    given = {"key": key, "model": application.models[0], "enough": str(enough)}
    jupyterlab.open([log_in_cell("carol", **given), BOARD, TRAFFIC])
    board = page.locator(".maas-lab").first
    expect(board.get_by_text("Usage of everybody")).to_be_visible(timeout=60_000)
    row = board.get_by_role("table", name="By application").get_by_role("row").filter(has_text=name)

    # Live: the numbers grow while a cell is busy.
    expect(row).to_be_visible(timeout=30_000)
    before = _hits(row)
    wait.until(lambda: _hits(row) > before, what="new calls on the board", timeout=30)
    expect(page.get_by_role("button", name=re.compile(r"\| Busy"))).to_be_visible()
    enough.touch()

    # Whoever types goes on typing.
    expect(page.get_by_role("button", name=re.compile(r"\| Idle"))).to_be_visible()
    board.get_by_role("button", name="Refresh", exact=True).click()
    expect(board.get_by_text("the numbers were read again")).to_be_visible()
    board.get_by_label("Name:").select_option(name)
    field, before = board.get_by_label("New cap in dollars:"), _hits(row)
    field.press_sequentially("0.00")
    assert lab.ask(key).status_code == 200
    wait.until(lambda: _hits(row) > before, what="another call on the board", timeout=30)
    expect(field).to_be_focused()
    page.keyboard.type("1")
    expect(field).to_have_value("0.001")
    board.get_by_role("button", name="Live refresh").click()
    expect(board.get_by_text("live refresh is off")).to_be_visible()
    board.get_by_label("Group by:").select_option("user")
    expect(board.get_by_role("table", name="By user").get_by_role("row").filter(has_text="alice")).to_be_visible()

    # The cap: below what is spent it is set only after a question.
    board.get_by_role("button", name="Set cap").click()
    expect(board.get_by_role("alert")).to_contain_text("the next call will be refused")
    board.get_by_role("button", name="Set it all the same").click()
    expect(board.get_by_text("cap reached: calls are refused").last).to_be_visible()
    assert lab.ask(key).json()["error"]["type"] == "budget_exceeded"

    board.get_by_role("button", name="Make the invoice").click()
    with page.expect_download() as found:
        board.get_by_role("link", name="CSV").click()
    assert re.fullmatch(r"invoice_\w+\.csv", found.value.suggested_filename)
    assert name in Path(found.value.path()).read_text(encoding="utf-8")
    text = jupyterlab.saved()
    windows = {key[start : start + 5] for start in range(len("sk-"), len(key) - 4)}
    assert [part for part in windows if part in _without_files(text)] == []
    assert lab.gateway_key not in text
    (output,) = nbformat.reads(text, as_version=4).cells[1].outputs
    assert output["data"]["text/plain"] == widgets.AccountingBoard.TEXT


def _hits(row):
    return int(row.get_by_role("cell").nth(1).inner_text())


def _without_files(text):
    """A notebook's text without the images and files in it, whose encoded bytes may hold any five characters."""
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)


# What lessons show without asking anybody: a chart, a table of ours, one of pandas, a link and an error.
SHOWN = """
import sys
sys.path.insert(0, {root!r})
import pandas as pd
from maas_lab import errors, expect, plots
from maas_lab.links import Link
from maas_lab.tables import PodRow, Table
calls = pd.DataFrame({"outcome": ["answered", "refused"], "started_s": [0.0, 0.5], "seconds": [0.5, 0.1]})
display(calls, Table(PodRow, [PodRow("gateway-0", "0/1", "Pending", 0, "Unschedulable")]))
display(Link("http://127.0.0.1:1/", "the portal's pages"))
with expect(errors.UsageError):
    raise errors.UsageError("a budget of `much`", "it is no number", "write 5")
plots.calls_by_outcome(calls)
"""


def test_a_chart_is_told_in_words_and_diagrams_and_tables_are_read_in_light_and_dark(jupyterlab, page, axe):
    texts = [*map(_prose, sorted((ROOT / "solutions").glob("*.ipynb"))), (ROOT / "README.md").read_text("utf-8")]
    diagrams = [block for text in texts for block in re.findall(r"^```mermaid\n.*?^```", text, re.M | re.S)]
    titles = [re.search(r"accTitle: *(.*)", block)[1] for block in diagrams]
    jupyterlab.open([SHOWN.replace("{root!r}", repr(str(ROOT)))], prose=["\n\n".join(diagrams)])
    chart = page.locator(".jp-OutputArea-output img")
    expect(chart).to_have_attribute("alt", re.compile("1 of 2 calls answered, 1 refused. Bars over"), timeout=60_000)
    jupyterlab.saved()
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        jupyterlab.theme(theme)
        drawn = page.locator(".jp-MarkdownOutput img")
        expect(drawn).to_have_count(len(titles), timeout=60_000)
        assert [one.get_attribute("alt") for one in drawn.all()] == titles
        expect(page.get_by_text("write 5")).to_be_visible()
        found = axe(page, {"include": [[".jp-OutputArea-output"], [".jp-MarkdownOutput"]]})
        assert [one for one in found if "empty-table-header" not in one] == []  # the corner of pandas' tables


def _prose(path):
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


# JupyterLab lays itself out some time after its window has changed.
LAID_OUT = "() => document.querySelector('#jp-main-content-panel').getBoundingClientRect().right === innerWidth"
WIDTHS = (1080, 1360)  # the file browser takes 300 of them


def test_form_and_board_are_accessible_and_fit_in_light_and_dark(jupyterlab, page, consumer, tiny, log_in_cell, axe):
    jupyterlab.open([log_in_cell("alice"), "form = widgets.portal_form(portal)\nform", "widgets.usage_board(portal)"])
    form = page.locator(".maas-lab").first
    form.get_by_label("Model:").select_option(tiny)
    form.get_by_label("Application name:").fill("My GenAI App " + "x" * 60)
    form.get_by_role("button", name="Create application").click()
    expect(form.get_by_role("status")).to_contain_text("Done")
    form.get_by_role("button", name="Revoke…").click()
    expect(form.get_by_role("button", name="Revoke for good")).to_be_visible()
    _is_accessible_and_fits(jupyterlab, page, axe, "Your usage")


def test_the_accountants_board_is_accessible_and_fits(jupyterlab, page, application, lab, log_in_cell, axe):
    assert lab.ask(application.key.reveal()).status_code == 200
    jupyterlab.open([log_in_cell("carol"), BOARD])
    board = page.locator(".maas-lab").first
    expect(board.get_by_text("Usage of everybody")).to_be_visible(timeout=60_000)
    board.get_by_role("button", name="Make the invoice").click()
    expect(board.get_by_role("link", name="CSV")).to_be_visible()
    board.get_by_label("Name:").select_option(application.name)
    board.get_by_label("New cap in dollars:").fill("much")
    board.get_by_role("button", name="Set cap").click()
    expect(board.get_by_role("alert")).to_contain_text("`much` is not a budget")
    _is_accessible_and_fits(jupyterlab, page, axe, "Usage of everybody")


def _is_accessible_and_fits(jupyterlab, page, axe, title):
    """Look at what the notebook has saved, with both themes and in both widths; it is there when its title is."""
    jupyterlab.saved()
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        jupyterlab.theme(theme)
        expect(page.get_by_text(title)).to_be_visible(timeout=60_000)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function(LAID_OUT)
            assert overflowing(page) == []
        assert [one for one in axe(page) if OURS.search(one)] == []


def overflowing(page):
    """What of the panels is wider than its place; code, what is typed, and tables as wide as their numbers scroll."""
    script = """() => [...document.querySelectorAll('.maas-lab, .maas-lab *')]
        .filter((one) => !one.closest('pre, input, select, .maas-lab-scrolls') && one.clientWidth > 0)
        .filter((one) => one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.className || one.tagName)"""
    return page.evaluate(script)


# In a workbench: a link fetches the lessons, a cell's link leads to the portal, a pasted token is saved nowhere.

WORKBENCH = """
import os, sys
sys.path.insert(0, {root!r})
os.environ["NB_PREFIX"] = {base!r}
from maas_lab import record, widgets
from maas_lab.links import Link
record.today("Ada").save("record.html")
display(widgets.cluster_login(), Link({portal!r}, "Open the portal"))
"""


@pytest.fixture
def repository(tmp_path):
    """A Git repository with the lessons, as an instructor has it somewhere."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "work" / "notebooks", ignore=shutil.ignore_patterns(".*"))
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for argv in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-qm", "Lessons"]):
        subprocess.run(["git", *argv], cwd=tmp_path / "work", check=True)
    subprocess.run(["git", "clone", "-q", "--bare", "work", "course.git"], cwd=tmp_path, check=True)
    return (tmp_path / "course.git").as_uri()


@pytest.fixture
def api():
    """A Kubernetes API that lets everybody in."""
    running = ControlPlane()
    running.on("POST", WHO, {"status": {"userInfo": {"username": "alice"}}})
    yield running
    running.close()


def test_one_click_fetches_the_lessons(jupyterlab, page, repository):
    (link,) = re.findall(r"^    WORKBENCH/(git-pull\?\S+)$", (ROOT / "README.md").read_text("utf-8"), re.M)
    server, lesson = jupyterlab.server, "maas-lab/notebooks/00_start.ipynb"
    assert page.context.request.get(f"{server}lab/tree?token={jupyterlab.token}").ok
    page.goto(server + link.replace("REPOSITORY", quote(repository, safe="")))
    page.wait_for_url(f"{server}lab/tree/{lesson}")
    expect(page.get_by_role("heading", name="00 · Find out where you are")).to_be_visible(timeout=60_000)
    assert (jupyterlab.folder / lesson).read_bytes() == (ROOT / "notebooks/00_start.ipynb").read_bytes()


def test_a_workbench_leads_to_the_portal_and_to_pages_and_saves_no_token(jupyterlab, page, lab, api):
    # Of all letters: of the hexadecimal ones a notebook's ids have runs of five by chance.
    secret = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(64))
    given = {"root": str(ROOT), "base": BASE, "portal": lab.pages}
    cell = WORKBENCH
    for name, value in given.items():
        cell = cell.replace(f"{{{name}!r}}", repr(value))
    jupyterlab.open([cell])
    form = page.locator(".maas-lab").first
    field = form.get_by_label("Login command:")
    field.fill(f"oc login --token=sha256~{secret} --server={api.url}", timeout=60_000)
    assert field.get_attribute("type") == "password"
    form.get_by_role("button", name="Log in").click()
    expect(form.get_by_role("status")).to_contain_text(f"You are alice at {api.url}")
    expect(field).to_have_value("")
    text = jupyterlab.saved()
    assert "You are alice" in text  # the state of widgets is saved
    assert [part for part in (secret[n : n + 5] for n in range(len(secret) - 4)) if part in text] == []

    link = page.get_by_role("link", name="Open the portal")
    with page.expect_popup() as opened:
        link.click()
    assert opened.value.url == f"{jupyterlab.server}proxy/{urlsplit(lab.pages).port}/"
    expect(opened.value.get_by_role("button", name="Log in")).to_be_visible()
    page.goto(f"{jupyterlab.server}lab/tree/record.html?reset")
    shown = page.frame_locator(".jp-HTMLViewer iframe")
    expect(shown.get_by_role("heading", name="Completion record of Ada")).to_be_visible(timeout=60_000)
