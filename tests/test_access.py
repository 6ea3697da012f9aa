"""What leads to what runs: addresses of Routes, values of Secrets, namespaces that no two users share."""

import base64
import re

import pytest

from maas_lab import access
from maas_lab.errors import NotFound, TookTooLong
from maas_lab.waiting import until_stuck


def route(admitted="True", host="web.apps.example.com", message="", **spec):
    told = {"type": "Admitted", "status": admitted, "message": message}
    ingress = [{"host": host, "conditions": [told]}] if admitted else []
    return {"metadata": {"name": "web"}, "spec": spec, "status": {"ingress": ingress}}


@pytest.mark.parametrize(
    ("spec", "url"),
    [
        ({}, "http://web.apps.example.com"),
        ({"tls": {"termination": "edge"}}, "https://web.apps.example.com"),
        ({"path": "/v2/"}, "http://web.apps.example.com/v2"),
    ],
)
def test_a_route_leads_to_the_host_under_which_it_was_admitted(spec, url):
    assert access.route_url(route(**spec)) == url


def test_the_first_router_that_admits_counts():
    one = route("False", "taken.example.com")
    one["status"]["ingress"] += route()["status"]["ingress"]
    assert access.route_url(one) == "http://web.apps.example.com"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (route(""), "no router has seen it"),
        ({"metadata": {"name": "web"}, "spec": {"host": "a.example.com"}}, "no router has seen it"),
        (route("False", message="route x already exposes it"), "route x already exposes it"),
    ],
)
def test_a_route_that_nobody_admitted_has_no_address(body, why):
    with pytest.raises(NotFound, match="the Route web has no address yet") as error:
        access.route_url(body)
    assert error.value.why == why


def test_a_value_of_a_secret_can_be_used_and_is_not_shown():
    value = "sk-" + "ab12" * 6
    body = {"metadata": {"name": "creds"}, "data": {"master-key": base64.b64encode(value.encode()).decode()}}
    key = access.secret(body, "master-key")
    assert key.reveal() == value
    assert repr(key) == "ApiKey(sk-…ab12, 'master-key of creds')"
    with pytest.raises(NotFound, match="has no key `masterkey`") as error:
        access.secret(body, "masterkey")
    assert error.value.hint == "it has: master-key"


def test_users_get_namespaces_of_their_own():
    accounts = [f"system:serviceaccount:{team}-science-team:workbench-one" for team in ("data", "other")]
    users = ["admin", "Admin", "alice", "alice@example.com", "alice.example.com", "system:admin", "日本", *accounts]
    names = [access.own_namespace("maas-lab-02", user) for user in users]
    assert names[0] == "maas-lab-02-admin"
    assert len(set(names)) == len(users)
    # With the name of a Route and a hyphen it is one part of a host.
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(f"litellm-{name}") < 63 for name in names)
    assert names == [access.own_namespace("maas-lab-02", user) for user in users]


def test_without_a_stuck_pod_the_wait_ends_and_says_for_what():
    with pytest.raises(TookTooLong, match="waited 0 s for a pod in mine that cannot get on"):
        until_stuck(list, "mine", 0)
