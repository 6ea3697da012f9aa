"""The editor of caps, clicked in code, over a gateway's lists and a portal that answer as LiteLLM and LiteMaaS do."""

import json
from hashlib import sha256

import httpx
import pytest
from ipywidgets import Button, Dropdown, Text, ToggleButton, Widget

from maas_lab import errors, widgets
from maas_lab.gateway import Gateway
from tests.made_up import MASTER_KEY
from tests.test_portal import LAB_KEY, key_row, page, portal
from tests.test_widgets import NASTY, every, seen
from tests.test_widgets_accounting import Kept, lines, row

ALICE = "68a98fc1-1b92-4fca-9667-16a5e59edb63"


class Platform:
    """A gateway and a portal that know one application of alice's, with one key, and a key made at the gateway itself.

    Attributes:
        key: the gateway's row of the application's key.
        writes: what the portal was told to change: path and body.
        refuse: an answer of the portal to every change; None means that it does as it is told.
    """

    def __init__(self, name="Support"):
        self.key = gateway_key(f"{name}_{LAB_KEY[:8]}", 1.5, 10.0, ALICE, {"application": name, "soft_budget": 2.0})
        self.keys = [self.key, gateway_key("by hand", 0.0, None, None, {})]
        self.user = {"user_id": ALICE, "user_alias": "alice", "spend": 1.5, "max_budget": 100.0}
        self.name, self.writes, self.refuse, self.down = name, [], None, False

    def gateway(self):
        return Gateway("http://gateway.test", MASTER_KEY, transport=httpx.MockTransport(self._lists))

    def _lists(self, request):
        if self.down:
            return httpx.Response(500, json={"error": {"message": "no database", "type": "x", "code": "500"}})
        if request.url.path == "/user/list":
            return httpx.Response(200, json={"users": [self.user], "total": 1, "total_pages": 1})
        rows = [] if request.url.params.get("status") == "deleted" else self.keys
        return httpx.Response(200, json={"keys": rows, "total_count": len(rows), "total_pages": 1})

    def answers(self):
        here = f"/admin/users/{ALICE}"
        return {
            "GET /admin/users": {"users": [{"userId": ALICE, "username": "alice", "email": "a@x.test"}], "total": 1},
            f"GET {here}": {"id": ALICE, "username": "alice", "maxBudget": 1, "roles": []},
            f"GET {here}/api-keys": lambda _: page(self._portal_key()),
            f"PATCH {here}/api-keys/{LAB_KEY}": self._change,
            f"PATCH {here}/budget-limits": self._change,
            "POST /admin/usage/refresh-today": {},
            "POST /admin/usage/analytics": {"topApiKeys": []},
        }

    def _portal_key(self):
        told = {"metadata": {"application": self.name}, "maxBudget": self.key["max_budget"]}
        return key_row("lab-app", name=self.name, currentSpend=self.key["spend"], **told)

    def _change(self, request):
        self.writes.append((request.url.path.rpartition("/")[2], json.loads(request.content)))
        if self.refuse:
            return self.refuse
        to = self.user if request.url.path.endswith("budget-limits") else self.key
        to["max_budget"] = self.writes[-1][1].get("maxBudget", to["max_budget"])
        return httpx.Response(200, json={})


def gateway_key(name, spend, cap, user, metadata):
    row = {
        "token": sha256(name.encode()).hexdigest(),
        "key_alias": name,
        "spend": spend,
        "max_budget": cap,
        "user_id": user,
    }
    return row | {"metadata": metadata, "created_at": "2026-11-28T00:00:00Z"}


def board(platform, me="GET_auth_me_admin", **options):
    asked, recorded = portal({"GET /auth/me": me} | platform.answers())
    shown = widgets.usage_board(asked, Kept(row()), **({"gateway": platform.gateway()} | options))
    return shown, recorded


@pytest.fixture
def platform():
    yield Platform()
    Widget.close_all()


def limits_of(platform):
    """The last change at the portal, without what it has to be told anew."""
    return platform.writes[-1][1]


def test_a_cap_is_shown_with_what_is_spent_of_it(platform):
    editor = board(platform)[0].caps
    assert (editor.kind.value, editor.chosen.value) == ("application", "Support")
    want = ["$1.50", "$2.00", "$10.00", "within the cap: calls are answered"]
    assert lines(editor, "Cap of application “Support”") == [want]
    editor.kind.value = "user"
    assert lines(editor, "Cap of user “alice”")[0][2:] == ["$100.00", "within the cap: calls are answered"]
    editor.kind.value = "key"
    assert [label for label, _ in editor.chosen.options] == [f"Support_{LAB_KEY[:8]}", "by hand"]
    editor.chosen.value = "by hand"
    assert lines(editor, "Cap of key “by hand”") == [["$0.00", "none", "none", "there is no cap"]]


@pytest.mark.parametrize(
    ("spend", "soft", "state"),
    [
        (1.5, 2.0, "within the cap: calls are answered"),
        (2.0, 2.0, "warning, soft cap passed: calls are still answered"),
        (8.5, None, "warning, 80% of the cap is spent: calls are still answered"),
        (10.0, 2.0, "cap reached: calls are refused"),
    ],
)
def test_the_state_of_a_cap_is_told_in_words(platform, spend, soft, state):
    platform.key |= {"spend": spend, "metadata": {"application": "Support", "soft_budget": soft}}
    editor = board(platform)[0].caps
    assert lines(editor, "Cap of application “Support”")[0][3] == state
    told = seen(editor)
    assert ("No cap is reached, or nearly." in told) == (spend == 1.5)
    if spend > 1.5:
        named = {cells[0]: cells[3] for cells in lines(editor, "Reached, or nearly")}
        assert named == {"application Support": state, f"key Support_{LAB_KEY[:8]}": state}


def test_the_worst_caps_are_told_first_and_the_rest_counted(platform):
    platform.keys = [gateway_key(f"key {n:02}", n, 12.5 if n > 12 else 14.0, None, {}) for n in range(15)]
    found = lines(board(platform)[0].caps, "Reached, or nearly")
    assert [cells[0] for cells in found] == ["key key 14", "key key 13", "key key 12"]
    assert [cells[3].partition(":")[0] for cells in found[:2]] == ["cap reached"] * 2
    platform.keys = [gateway_key(f"key {n:02}", 5.0 + n, 1.0, None, {}) for n in range(15)]
    found = lines(board(platform)[0].caps, "Reached, or nearly")
    assert len(found) == 11
    assert found[-1] == ["(5 more)", "", "", ""]


def test_setting_a_cap_is_one_change_and_told_in_words(platform):
    shown, _ = board(platform)
    shown.caps.cap.value = " $3.50 "
    shown.caps.set.click()
    assert shown.error is None
    assert limits_of(platform)["maxBudget"] == 3.5
    assert len(platform.writes) == 1
    told = "Done: application “Support”: $1.50 of $3.50 is spent; within the cap: calls are answered"
    assert told in seen(shown.caps.message)
    assert shown.caps.cap.value == ""
    assert lines(shown.caps, "Cap of application “Support”")[0][2] == "$3.50"


def test_a_cap_of_a_user_and_of_a_key_with_their_other_limits(platform):
    shown, _ = board(platform)
    editor = shown.caps
    editor.kind.value = "user"
    editor.cap.value, editor.rpm.value, editor.tpm.value = "50", "60", "5000"
    editor.set.click()
    assert shown.error is None
    assert platform.writes == [("budget-limits", {"maxBudget": 50, "rpmLimit": 60, "tpmLimit": 5000})]
    editor.kind.value = "key"
    editor.soft.value = "4"
    editor.set.click()
    assert shown.error is None
    assert limits_of(platform)["softBudget"] == 4


def test_a_user_has_no_soft_cap(platform):
    shown, _ = board(platform)
    editor = shown.caps
    editor.soft.value = "much"
    editor.kind.value = "user"
    assert editor.soft.layout.display == "none"
    editor.cap.value = "50"
    editor.set.click()
    assert limits_of(platform) == {"maxBudget": 50}
    editor.kind.value = "key"
    assert editor.soft.layout.display is None


def test_a_cap_below_what_is_spent_is_set_only_after_a_question(platform):
    shown, _ = board(platform)
    editor = shown.caps
    editor.cap.value = "1.50"
    editor.set.click()
    assert platform.writes == []
    question = "$1.50 is spent already, and the new cap is $1.50: the next call will be refused. Set it?"
    assert question in seen(editor)
    editor.keep.click()
    assert question not in seen(editor)
    assert platform.writes == []
    assert editor.cap.value == "1.50"
    editor.set.click()
    editor.cap.value = "1"
    assert question not in seen(editor)  # it was about another number
    editor.set.click()
    editor.confirm.click()
    assert limits_of(platform)["maxBudget"] == 1
    assert "$1.50 of $1.00 is spent; cap reached: calls are refused" in seen(editor.message)


def test_what_was_spent_since_the_board_was_read_counts(platform):
    shown, _ = board(platform)
    platform.key["spend"] = 5.0
    shown.caps.cap.value = "4"
    shown.caps.set.click()
    assert platform.writes == []
    assert "$5.00 is spent already" in seen(shown.caps)


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        *(("cap", typed, "is not a budget") for typed in ("0", "-1", "nan", "inf", "much", "1,5", "1e999", NASTY)),
        ("soft", "-1", "is not a budget"),
        ("rpm", "1.5", "is not a number of requests"),
        ("tpm", "0", "is not a number of tokens"),
        ("soft", "10", "the soft cap $10.00 is not below the cap $10.00"),
        ("cap", " ", "there is no new cap"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_changed(platform, field, typed, told):
    shown, recorded = board(platform)
    getattr(shown.caps, field).value = typed
    before = len(recorded.requests)
    shown.caps.set.click()
    assert isinstance(shown.error, errors.UsageError)
    assert told in seen(shown.caps.message)
    assert len(recorded.requests) == before
    assert getattr(shown.caps, field).value == typed
    assert shown.caps.set.disabled is False
    assert "<img" not in shown.caps.message.value


def test_a_rate_of_an_application_without_a_cap_needs_one(platform):
    platform.key["max_budget"] = None
    shown, _ = board(platform)
    shown.caps.rpm.value = "60"
    shown.caps.set.click()
    assert isinstance(shown.error, errors.UsageError)
    assert "an application's limits need a cap" in seen(shown.caps.message)


def test_a_refusal_of_the_portal_is_shown_and_nothing_typed_is_lost(platform):
    shown, _ = board(platform)
    platform.refuse = httpx.Response(403, json={"error": {"code": "FORBIDDEN", "message": "no", "statusCode": 403}})
    shown.caps.cap.value = "3"
    shown.caps.set.click()
    assert isinstance(shown.error, errors.RoleMissing)
    assert 'role="alert"' in shown.caps.message.value
    assert shown.caps.cap.value == "3"
    assert shown.caps.set.disabled is False


def test_a_gateway_that_does_not_answer_changes_nothing(platform):
    shown, _ = board(platform)
    platform.down = True
    shown.caps.cap.value = "3"
    shown.caps.set.click()
    assert isinstance(shown.error, errors.GatewayError)
    assert platform.writes == []
    assert lines(shown.caps, "Cap of application “Support”")[0][2] == "$10.00"


def test_what_was_deleted_meanwhile_is_told(platform):
    shown, _ = board(platform)
    platform.keys.remove(platform.key)
    shown.caps.cap.value = "3"
    for _ in range(2):  # the first click learns it, the second knows it
        shown.caps.set.click()
        assert isinstance(shown.error, errors.NoSuchEntry)
        assert "there is no application “Support” any more" in seen(shown.caps.message)
        assert "press Refresh" in seen(shown.caps.message)
    shown.refresh.click()
    assert shown.caps.chosen.value is None
    assert shown.caps.set.disabled


def test_a_key_that_the_portal_does_not_know_is_told(platform):
    shown, _ = board(platform)
    shown.caps.kind.value = "key"
    shown.caps.chosen.value = "by hand"
    shown.caps.cap.value = "3"
    shown.caps.set.click()
    assert isinstance(shown.error, errors.NoSuchEntry)
    assert "lab.gateway.update_key" in seen(shown.caps.message)


def test_an_auditor_sees_caps_and_why_they_cannot_be_changed(platform):
    shown, _ = board(platform, me="GET_auth_me_admin_readonly")
    assert "You may look at caps; to change one takes the role admin." in seen(shown.caps)
    assert lines(shown.caps, "Cap of application “Support”")[0][2] == "$10.00"
    assert [one.disabled for one in (*shown.caps.buttons, *shown.caps.fields.values())] == [True] * 7
    shown.refresh.click()
    shown.caps.kind.value = "user"
    assert [one.disabled for one in (*shown.caps.buttons, *shown.caps.fields.values())] == [True] * 7
    assert shown.caps.kind.disabled is False


def test_without_a_gateway_only_the_reason_is_shown(platform):
    shown, _ = board(platform, gateway=None)
    told = seen(shown.caps)
    assert "Caps are not shown: this source knows no gateway" in told
    assert "Reached, or nearly" not in told
    assert every(Button, shown.caps) == []


def test_every_field_has_a_label_and_every_button_a_sentence(platform):
    shown, _ = board(platform)
    fields = every((Dropdown, Text), shown)
    assert len(fields) == 8
    assert all(one.description.endswith(":") for one in fields)
    buttons = every((Button, ToggleButton), shown)
    assert len(buttons) == 6
    assert all(one.description and len(one.tooltip.split()) > 3 for one in buttons)


def test_names_are_text_not_markup():
    shown, _ = board(Platform(NASTY))
    assert shown.caps.chosen.value == NASTY
    shown.caps.cap.value = "1"
    shown.caps.set.click()
    shown.caps.confirm.click()
    assert shown.error is None
    markup = [one.value for one in every(widgets.parts.HTML, shown.caps)]
    assert any("&lt;img" in one for one in markup)
    assert [one for one in markup if "<img" in one] == []
    Widget.close_all()


def test_a_live_refresh_leaves_the_fields_and_the_question_alone(platform):
    shown, _ = board(platform)
    editor = shown.caps
    editor.cap.value = "1"
    editor.set.click()
    platform.key["spend"] = 1.75
    shown._read()()  # what the thread does
    assert lines(editor, "Cap of application “Support”")[0][0] == "$1.75"
    assert "Set it?" in seen(editor)
    assert editor.cap.value == "1"
