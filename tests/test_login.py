"""`lab.login()`: each persona's way into the portal of the running stack, and the link for a browser."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import httpx
import pytest

from maas_lab import connect
from maas_lab.errors import LoginFailed, NotFound, RoleMissing
from maas_lab.links import Link
from maas_lab.platform import Platform
from maas_lab.settings import NAMESPACE


@pytest.fixture
def lab(stack):
    with contextlib.closing(connect()) as found:
        yield found


@pytest.mark.parametrize(
    ("persona", "user", "roles"),
    [
        ("consumer", "alice", {"user"}),
        ("accountant", "carol", {"user", "admin"}),
        ("colleague", "bob", {"user"}),
        ("dave", "dave", {"user", "admin-readonly"}),
    ],
)
def test_each_persona_logs_in_with_what_the_platform_knows(lab, persona, user, roles):
    with lab.login(persona) as portal:
        assert (portal.me.name, set(portal.me.roles)) == (user, roles)
        assert portal.url == lab.portal_url
        assert portal.gateway_url() == lab.gateway.url


def test_the_portal_offers_the_model_with_context_price_and_description(lab):
    with lab.login() as portal:
        model = next(one for one in portal.models() if one.name == lab.model)
    assert (model.context, model.input_cost, model.output_cost) == (2048, 0.001, 0.002)
    assert model.description


def test_a_wrong_password_is_not_replaced_by_the_known_one(lab):
    with pytest.raises(LoginFailed, match="does not let `alice` in") as caught:
        lab.login("consumer", "wrong")
    assert "./lab password alice" in caught.value.hint


def test_a_consumer_is_no_administrator(lab):
    with lab.login() as portal, pytest.raises(RoleMissing):
        portal.admin.users()


def test_somebody_the_platform_does_not_know_is_told_every_way_in(lab):
    with pytest.raises(LoginFailed, match="cannot log in as erin") as caught:
        lab.login("erin")
    assert "MAAS_LAB_TOKEN_ERIN" in caught.value.hint
    assert lab.portal_url in caught.value.hint


def test_without_lab_users_a_token_of_the_environment_is_taken(lab, monkeypatch):
    with lab.login() as portal:
        monkeypatch.setenv("MAAS_LAB_TOKEN_LEARNER", f"Bearer {portal.token.reveal()}")
    with lab.login("learner") as portal:
        assert portal.me.name == "alice"


def test_a_platform_without_lab_users_says_what_to_do(stack):
    """As on OpenShift, unless the provider has made a Secret with users."""
    platform = Platform(stack.platform.cluster, NAMESPACE)
    del platform.facts["portal-users-secret"]
    with pytest.raises(LoginFailed, match="cannot log in as consumer") as caught:
        platform.login("consumer")
    assert "MAAS_LAB_TOKEN_CONSUMER" in caught.value.hint


def test_a_platform_without_a_portal_says_so(stack):
    platform = Platform(stack.platform.cluster, NAMESPACE)
    del platform.facts["portal-route"]
    with pytest.raises(NotFound, match="has no portal"):
        platform.login("consumer")


def test_the_password_command_opens_the_portals_login(stack):
    argv = [sys.executable, "-m", "maas_lab", "password"]
    done = subprocess.run([*argv, "bob"], capture_output=True, text=True, check=True)
    with stack.platform.login("bob", done.stdout.strip()) as portal:
        assert portal.me.name == "bob"
    done = subprocess.run([*argv, "erin"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there are: alice, bob, carol, dave" in done.stderr


def test_the_link_leads_to_the_page(lab):
    link = lab.portal_page
    assert repr(link) == f"Open the portal: {lab.portal_url}/"
    assert f'href="{lab.portal_url}/"' in link._repr_html_()
    answer = httpx.get(link.url, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_in_a_workbench_the_link_goes_through_its_proxy(monkeypatch):
    monkeypatch.setenv("NB_PREFIX", "/notebook/team/bench")
    assert Link("http://127.0.0.1:4000", "Open").url == "/notebook/team/bench/proxy/4000/"
    assert Link("https://portal.example.com", "Open").url == "https://portal.example.com/"
