"""A login at a cluster: what people copy is read, checked with one call, and stored nowhere."""

import json

import pytest
from ipywidgets import Widget
from ipywidgets.widgets import widget as widget_module

from maas_lab import logins, widgets
from maas_lab.errors import ClusterUnreachable, NotLoggedIn, UsageError
from maas_lab.logins import Login, read
from tests.test_cluster import WHO, ControlPlane

SECRET = "Qm3xT9vK2pLr8WzYb5NdHc7JgFs4AeUi"
TOKEN, SERVER = f"sha256~{SECRET}", "https://api.example.com:6443"
COPIED = f"oc login --token={TOKEN} --server={SERVER}"
CURL = f'curl -H "Authorization: Bearer {TOKEN}" "{SERVER}/apis/user.openshift.io/v1/users/~"'


@pytest.fixture(autouse=True)
def _nobody():
    yield
    logins.keep(None)
    Widget.close_all()


@pytest.mark.parametrize(
    "text",
    [
        COPIED,
        f"  {COPIED}\n",
        f"$ oc login --token {TOKEN} --server {SERVER}",
        f"oc login \\\n  --token={TOKEN} \\\n  --server={SERVER}/",
        f"oc login {SERVER} --token={TOKEN}",
        f'oc login "--token={TOKEN}" -s {SERVER} --insecure-skip-tls-verify=true',
        CURL,
    ],
)
def test_what_people_copy_is_read(text):
    found = read(text)
    assert (found.server, found.token.reveal()) == (SERVER, TOKEN)


def test_a_token_alone_needs_the_address():
    assert read(f" {TOKEN} ", f" {SERVER} ") == Login.of(SERVER, TOKEN)
    assert read(COPIED, "https://another:6443").server == SERVER  # the line is what was copied last
    with pytest.raises(UsageError, match="address of the cluster's API is missing"):
        read(TOKEN)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no token"),
        ("oc login", "there is no token"),
        (f"oc login -u alice -p {SECRET} {SERVER}", "there is no token"),
        (SERVER, "there is no token"),
        (f"oc login --server={SERVER} --token=", "there is no token"),
        (f"oc login '--token={TOKEN} --server={SERVER}", "not a login command"),
        (f"oc login '--token=a b' --server={SERVER}", "not a token"),
        (f"oc login --token={TOKEN} --server=api.example.com", "not the address"),
        (f"oc login --token={TOKEN} --server=http://api.example.com", "unencrypted"),
    ],
)
def test_what_is_no_login_is_refused_without_repeating_it(text, told):
    with pytest.raises(UsageError, match=told) as caught:
        read(text)
    assert SECRET not in "\n".join(caught.value.lines())
    assert "https://api.example.com:6443" in caught.value.hint


# The widget


@pytest.fixture
def plane():
    running = ControlPlane()
    running.on("POST", WHO, {"status": {"userInfo": {"username": "alice"}}})
    yield running
    running.close()


def pasted(form, text):
    """Do what a page does when somebody pastes a line and leaves the field."""
    form.command.set_state({"value": text})


def traces(text):
    """The parts of five characters of the secret that a text holds."""
    return [part for part in (SECRET[start : start + 5] for start in range(len(SECRET) - 4)) if part in text]


def test_a_pasted_line_logs_in_and_connect_takes_it(plane):
    form = widgets.cluster_login()
    assert form.log_out.disabled
    pasted(form, f"oc login --token={TOKEN} --server={plane.url}")
    assert form.command.value == ""
    assert plane.asked == []
    form.log_in.click()
    assert form.error is None
    assert f"You are alice at {plane.url}" in form.message.value
    assert logins.kept() == Login.of(plane.url, TOKEN)
    assert {headers["authorization"] for *_, headers in plane.asked} == {f"Bearer {TOKEN}"}
    form.log_out.click()
    assert logins.kept() is None
    assert form.log_out.disabled


def test_nothing_of_the_token_is_left_anywhere(plane, monkeypatch):
    """Neither in what a notebook saves, nor in what the kernel sends to its pages, nor in an object's text."""
    sent = []
    monkeypatch.setattr(Widget, "_send", lambda self, message, buffers=None: sent.append(message))
    assert widget_module.JUPYTER_WIDGETS_ECHO  # else the echo would not be tested
    form = widgets.cluster_login()
    pasted(form, f"oc login --token={TOKEN} --server={plane.url}")
    pasted(form, "")
    pasted(form, f"oc login --token={TOKEN} --server={plane.url}")
    form.log_in.click()
    assert form.error is None
    texts = [sent, Widget.get_manager_state(), form._repr_mimebundle_()]
    said = json.dumps(texts, default=str) + repr((form, vars(form), logins.kept(), vars(logins)))
    assert "You are alice" in said  # this does look at what is shown
    assert traces(said) == []


@pytest.mark.parametrize("refused", [True, False])
def test_a_token_that_opens_nothing_is_not_kept_and_not_shown(plane, refused):
    form = widgets.cluster_login()
    if refused:
        plane.refuse("GET", "/version", "unauthorized")
        plane.refuse("POST", WHO, "unauthorized")
    address = plane.url if refused else "https://127.0.0.1:1"
    pasted(form, f"oc login --token={TOKEN} --server={address}")
    form.log_in.click()
    assert isinstance(form.error, NotLoggedIn if refused else ClusterUnreachable)
    assert logins.kept() is None
    assert traces(repr(form.error.lines()) + form.message.value + repr(vars(form))) == []
    form.log_in.click()
    assert "there is no token" in form.error.what


def test_a_token_alone_with_its_address(plane):
    form = widgets.ClusterLogin()
    pasted(form, TOKEN)
    form.server.value = plane.url
    form.log_in.click()
    assert logins.kept().server == plane.url
