"""The lab's users log in as on OpenShift; for the local server only."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

HOME = "http://127.0.0.1:9/callback"
QUERY = {"response_type": "code", "client_id": "portal", "redirect_uri": HOME, "state": "s", "scope": "user:info"}


@pytest.fixture
def users(local_home):
    return json.loads((local_home / "kube" / "users.json").read_text())


@pytest.fixture
def stranger(local_home, caller):
    """A client without the administrator's token."""
    return caller("")


def code(stranger, name, password, **change):
    answer = stranger.get("/oauth/authorize", params={**QUERY, **change}, auth=(name, password))
    return answer, dict(parse_qsl(urlsplit(answer.headers.get("location", "")).query))


def test_a_login_leads_to_a_token_of_the_user(stranger, users):
    answer, told = code(stranger, "alice", users["alice"]["password"])
    assert (answer.status_code, told["state"]) == (302, "s")
    assert answer.headers["location"].startswith(HOME)
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": HOME}
    token = stranger.post("/oauth/token", data=form).json()
    assert token["access_token"].startswith("sha256~")
    headers = {"authorization": f"Bearer {token['access_token']}"}
    user = stranger.get("/apis/user.openshift.io/v1/users/~", headers=headers).json()
    assert (user["kind"], user["metadata"]["name"], user["groups"][0]) == ("User", "alice", "litemaas-users")
    assert stranger.get("/api/v1/namespaces", headers=headers).status_code == 403
    assert stranger.post("/oauth/token", data=form).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("name", ["alice", "carol"])
def test_a_users_token_opens_nothing_of_the_administrator(stranger, users, name):
    _, told = code(stranger, name, users[name]["password"])
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": HOME}
    token = stranger.post("/oauth/token", data=form).json()["access_token"]
    headers, path = {"authorization": f"Bearer {token}"}, "/api/v1/namespaces/default/secrets"
    body = {"metadata": {"name": "mine"}}
    for answer in (
        stranger.get(path, headers=headers),
        stranger.post(path, headers=headers, json=body),
        stranger.delete("/api/v1/namespaces/default", headers=headers),
        stranger.get(f"{path}?watch=true", headers=headers),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
        assert f'User "{name}" cannot' in answer.json()["message"]
    forged = f"Bearer {token[:-4]}AAAA"
    assert stranger.get(path, headers={"authorization": forged}).status_code == 401


def test_a_wrong_password_is_asked_for_again(stranger):
    answer, _ = code(stranger, "alice", "wrong")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="openshift"')


def test_passwords_cannot_be_tried_out(stranger, users):
    codes = [code(stranger, "dave", f"guess {number}")[0].status_code for number in range(25)]
    assert codes == [401] * 20 + [429] * 5
    answer, told = code(stranger, "dave", users["dave"]["password"])
    assert (answer.status_code, answer.headers["retry-after"], told) == (429, "60", {})
    assert "too many wrong passwords" in answer.json()["error_description"]
    assert code(stranger, "alice", users["alice"]["password"])[0].status_code == 302


@pytest.mark.parametrize("redirect", ["https://example.com/", "http://127.0.0.1.example.com", "javascript:x", "", "//"])
def test_codes_go_nowhere_else(stranger, users, redirect):
    answer, told = code(stranger, "alice", users["alice"]["password"], redirect_uri=redirect)
    assert (answer.status_code, told) == (400, {})


def test_the_endpoints_are_told(stranger):
    told = stranger.get("/.well-known/oauth-authorization-server").json()
    assert told["token_endpoint"].endswith("/oauth/token")
