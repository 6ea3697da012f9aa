"""The form and the board against a running portal, in this process and in the kernel of a saved notebook."""

from __future__ import annotations

import json
import uuid

import nbformat
import pytest
from ipywidgets import Widget
from nbclient import NotebookClient

from maas_lab import errors, wait, widgets

CELLS = [
    """
import json, ssl
from pathlib import Path
from maas_lab import openai_client, widgets
from maas_lab.portal import Portal

given = json.loads(Path({given!r}).read_text())
trust = ssl.create_default_context(cafile=given["trust"])
portal = Portal.login(given["url"], given["user"], given["password"], verify=trust)
form = widgets.portal_form(portal)
form
""",
    """
form.model.value, form.name.value = given["model"], given["application"]
form.budget.value, form.requests.value = "5", "60"
form.create.click()
first = form.key
form.applications.rotate.click()
first != form.key, form.error
""",
    """
messages = [{"role": "user", "content": "Hello"}]
client = openai_client(f"{portal.gateway_url()}/v1", form.key)
client.chat.completions.create(model=form.model.value, messages=messages, max_tokens=4).usage.total_tokens > 0
""",
    "form.key, form.application",
    "form",
    "widgets.usage_board(portal)",
]


@pytest.fixture(autouse=True)
def no_widgets_left():
    yield
    Widget.close_all()


def form_of(portal, model):
    form = widgets.portal_form(portal)
    form.model.value = model
    return form


def create(form, name, budget="5", requests="60"):
    form.name.value, form.budget.value, form.requests.value = name, budget, requests
    form.create.click()
    assert form.error is None
    return form


def parts(secret, size=5):
    """All runs of characters of a key that are longer than what may be shown."""
    return {secret[start : start + size] for start in range(len("sk-"), len(secret) - size + 1)}


def test_from_the_form_to_an_answer_and_on_to_a_dead_key(lab, user, tiny):
    portal = user("alice")
    form = create(form_of(portal, tiny), "My GenAI App")
    assert lab.ask(form.key.reveal()).status_code == 200
    (row,) = portal.applications()
    assert (row.name, row.info.max_budget, row.info.rpm_limit) == ("My GenAI App", 5, 60)
    listed, old = form.applications, form.key
    listed.rotate.click()
    assert lab.ask(old.reveal()).status_code == 401
    assert lab.ask(form.key.reveal()).status_code == 200
    listed.block.click()
    assert lab.ask(form.key.reveal()).status_code in (400, 401, 422)  # LiteMaaS has no other block than an empty budget
    listed.block.click()
    assert lab.ask(form.key.reveal()).status_code == 200
    dead = form.key
    listed.revoke.click()
    listed.confirm.click()
    assert form.error is None
    assert lab.ask(dead.reveal()).status_code == 401
    assert (form.key, portal.applications()) == (None, [])


def test_refusals_of_a_portal_are_shown(user, tiny, guarded):
    carol, form = user("carol"), form_of(user("bob"), tiny)
    before = carol.admin.key_rules().maximums
    carol.admin.set_key_maximums(max_budget=20)
    try:
        form.name.value, form.budget.value = "greedy", "500"
        form.create.click()
    finally:
        carol.admin.set_key_maximums(**{"max_budget": None} | before)
    assert isinstance(form.error, errors.OverMaximum)
    assert "maxBudget is at most 20, not 500" in form.message.value
    form.model.value, form.budget.value = guarded, ""
    form.create.click()
    assert isinstance(form.error, errors.ApprovalNeeded)
    form.model.value = tiny
    create(form, "greedy")
    form.create.click()
    assert isinstance(form.error, errors.AlreadyExists)
    form.portal.delete_application("greedy")
    form.portal.unsubscribe(guarded)


@pytest.mark.ours("LiteMaaS knows no hours, and no statistics by key")
def test_the_board_counts_what_was_called(lab, user, tiny):
    alice, auditor = user("alice"), user("dave")
    name = f"counted-{uuid.uuid4().hex[:6]}"
    form = create(form_of(alice, tiny), name)
    boards = [widgets.usage_board(alice), widgets.usage_board(auditor)]
    answers = [lab.ask(form.key.reveal()).json()["usage"] for _ in range(3)]
    tokens = sum(one["total_tokens"] for one in answers)
    cost = sum(0.001 * one["prompt_tokens"] + 0.002 * one["completion_tokens"] for one in answers)
    for board in boards:

        def counted(board=board):
            board.refresh.click()
            assert board.error is None
            rows = [row for row in board.summary.usage.applications if row.name == name and row.requests == 3]
            return rows and rows[0]

        row = wait.until(counted, what="the calls on the board", timeout=30, every=0.5)
        assert (row.id, row.tokens.total, row.cost) == ("alice", tokens, pytest.approx(cost))
        assert board.summary.span == "the last 24 hours"
        assert sum(line[1] for line in board.summary.models) == board.summary.requests >= 3
        assert board.summary.tokens >= tokens


@pytest.fixture
def notebook(lab, tiny, tmp_path):
    """Execute and save a notebook of the form, widget state and all, as JupyterLab does; return its text."""

    def run(**given):
        place = tmp_path / "given.json"
        place.touch(mode=0o600)
        told = {
            "url": lab.url,
            "model": tiny,
            "password": lab.passwords[given["user"]],
            "trust": str(lab.authority),
        }
        place.write_text(json.dumps(told | given))
        cells = [nbformat.v4.new_code_cell(cell.strip().replace("{given!r}", repr(str(place)))) for cell in CELLS]
        book = nbformat.v4.new_notebook(cells=cells)
        NotebookClient(book, timeout=120, store_widget_state=True).execute()
        nbformat.write(book, tmp_path / "saved.ipynb")
        return (tmp_path / "saved.ipynb").read_text(encoding="utf-8")

    return run


def test_a_saved_notebook_holds_no_key(lab, user, notebook):
    portal = user("alice")
    text = notebook(user="alice", application="My GenAI App")
    secret = portal.reveal_key("My GenAI App").reveal()
    assert secret[-4:] in text  # widget state is saved, and looked at
    assert "jupyter.widget-state+json" in text
    assert [part for part in parts(secret) if part in text] == []
    assert portal.token.reveal() not in text
    assert lab.passwords["alice"] not in text
    assert "eyJ" not in text


def test_a_saved_notebook_tells_in_text_how_to_do_it_in_code(user, notebook):
    user("bob")
    texts = [
        output["data"]["text/plain"]
        for cell in nbformat.reads(notebook(user="bob", application="app"), as_version=4).cells
        for output in cell.outputs
    ]
    assert texts[0] == texts[4] == widgets.PortalForm.TEXT
    assert texts[5] == widgets.UsageBoard.TEXT
    assert texts[1:3] == ["(True, None)", "True"]
