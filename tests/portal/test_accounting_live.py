"""The accountant's board against a running gateway and portal: numbers grow while calls run, and caps stop them."""

from __future__ import annotations

import base64
import json
import re
import tempfile
import threading
import uuid
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
from ipywidgets import HTML, Widget

from maas_lab import usage, wait, widgets
from maas_lab.gateway import Gateway
from maas_lab.widgets.accounting import GROUPS
from tests.made_up import PASSWORD
from tests.test_widgets import every, seen


@pytest.fixture(autouse=True)
def no_widgets_left():
    yield
    Widget.close_all()


@pytest.fixture
def gateway(lab):
    with Gateway(lab.gateway, lab.gateway_key, timeout=60) as found:
        yield found


@pytest.fixture
def source(gateway):
    return usage.GatewayUsage(gateway)


@pytest.fixture
def application(user, tiny):
    """Make an application of alice's: its name and its key."""

    def make(**limits):
        name = f"counted-{uuid.uuid4().hex[:6]}"
        return name, user("alice").create_application(name, [tiny], **limits).key

    return make


def hits(board, name):
    """What the board shows of an application: answered and rejected calls, tokens and cost."""
    rows = board.reading.summary
    rows = rows[rows["application"] == name]
    cost = sum(rows["cost"], Decimal(0))
    return int(rows["hits"].sum()), int(rows["rejected"].sum()), int(rows["total_tokens"].sum()), cost


def test_the_board_grows_while_calls_run(lab, user, source, application):
    name, key = application()
    board = widgets.usage_board(user("dave"), source, every=0.5)
    assert hits(board, name) == (0, 0, 0, 0)
    board.live.toggle.value = True
    answers = []

    def traffic():
        answers.extend(lab.ask(key.reveal()).json()["usage"]["total_tokens"] for _ in range(8))

    calls = threading.Thread(target=traffic)
    calls.start()
    seen_so_far = []

    def all_there():
        now = hits(board, name)
        if now not in seen_so_far:
            seen_so_far.append(now)
        return now[0] == 8

    wait.until(all_there, what="the calls on the board", timeout=60, every=0.1)
    calls.join(10)
    board.live.toggle.value = False
    assert board.live.error is None
    assert seen_so_far == sorted(seen_so_far)  # numbers only grow
    assert hits(board, name)[2] == sum(answers)
    assert name in seen(board)
    assert board.caps.set.disabled  # an auditor looks
    assert "takes the role admin" in seen(board.caps)
    board.group.value = "user"
    assert "alice" in seen(board)
    board.group.value = "outcome"
    assert "answered" in seen(board)


def test_a_closed_board_leaves_no_file(user, source):
    def open_files():
        return {one.path for one in psutil.Process().open_files()} | {one.fd for one in psutil.Process().open_files()}

    before, temporary = open_files(), set(Path(tempfile.gettempdir()).glob("maas-lab-board-*"))
    board = widgets.usage_board(user("dave"), source)
    board.refresh.click()
    assert board.error is None
    assert set(Path(tempfile.gettempdir()).glob("maas-lab-board-*")) <= temporary
    board.close()
    assert open_files() <= before


def test_an_administrator_caps_an_application_and_its_next_call_is_refused(lab, user, source, application):
    name, key = application(max_budget=5)
    tokens = lab.ask(key.reveal()).json()["usage"]["total_tokens"]
    board = widgets.usage_board(user("carol"), source)
    editor = board.caps
    editor.kind.value = "application"
    editor.chosen.value = next(value for label, value in editor.chosen.options if label == name)

    def spent():
        board.refresh.click()
        assert board.error is None
        return editor.current.spend > 0

    wait.until(spent, what="the call in the account", timeout=30, every=0.5)
    assert tokens > 0
    assert "within the cap" in seen(editor)
    editor.cap.value = "0.001"
    editor.set.click()
    assert board.error is None
    assert "the next call will be refused" in seen(editor)
    assert lab.ask(key.reveal()).status_code == 200
    editor.keep.click()
    assert "nothing was changed" in seen(editor)
    editor.cap.value = "0.001"
    editor.set.click()
    editor.confirm.click()
    assert board.error is None, board.error.lines()
    assert "cap reached: calls are refused" in seen(editor.message)
    assert editor.cap.value == ""
    assert lab.ask(key.reveal()).json()["error"]["type"] == "budget_exceeded"
    editor.cap.value = "5"
    editor.set.click()
    assert board.error is None
    assert lab.ask(key.reveal()).status_code == 200


def test_an_administrator_caps_a_key_and_a_user(lab, user, source, application):
    name, key = application()
    board = widgets.usage_board(user("carol"), source)
    editor = board.caps
    editor.kind.value = "key"
    editor.chosen.value = next(value for label, value in editor.chosen.options if label.startswith(name))
    editor.rpm.value = "1"
    editor.set.click()
    assert board.error is None, board.error.lines()
    assert [lab.ask(key.reveal()).status_code for _ in range(2)] == [200, 429]
    editor.kind.value = "user"
    editor.chosen.value = dict(editor.chosen.options)["alice"]
    before = user("carol").admin.account("alice").max_budget
    editor.cap.value = "90"
    editor.set.click()
    assert board.error is None, board.error.lines()
    assert user("carol").admin.account("alice").max_budget == 90
    user("carol").admin.cap_user("alice", max_budget=before)


@pytest.mark.ours("looks into the gateway's database")
def test_a_board_of_the_database_shows_the_same(lab, user, source, gateway, application):
    name, key = application()
    lab.ask(key.reveal())
    lab.ask("sk-nobody-has-this-key")
    address = f"postgresql://admin_1:{PASSWORD}@127.0.0.1:{lab.pods['postgres'].port}/litellm_db"
    boards = [
        widgets.usage_board(user("carol"), source),
        widgets.usage_board(user("carol"), usage.DatabaseUsage(address), gateway=gateway),
    ]

    def both_there():
        for one in boards:
            one.refresh.click()
            assert one.error is None
        return all(hits(one, name)[0] == 1 for one in boards)

    wait.until(both_there, what="the call on both boards", timeout=30, every=0.5)
    for group in GROUPS:
        for one in boards:
            one.group.value = group
            assert one.error is None
        assert boards[0]._table.value == boards[1]._table.value
        assert boards[0]._totals.value == boards[1]._totals.value
    assert [one.caps.set.disabled for one in boards] == [False, False]
    assert PASSWORD not in json.dumps(Widget.get_manager_state())


def test_the_invoice_of_the_board_adds_up_to_what_was_booked(lab, user, source, application):
    name, key = application()
    lab.ask(key.reveal())
    board = widgets.usage_board(user("dave"), source)

    def booked():
        board.refresh.click()
        return hits(board, name)[0] == 1

    wait.until(booked, what="the call on the board", timeout=30, every=0.5)
    board.invoice.make.click()
    assert board.error is None
    markup = "".join(one.value for one in every(HTML, board.invoice))
    csv = base64.b64decode(re.search(r'href="data:text/csv;base64,([^"]+)"', markup)[1]).decode()
    assert name in csv
    assert key.reveal()[-8:] not in csv
    assert key.hash[:12] not in csv
