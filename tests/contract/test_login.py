"""The lab's users log in as on OpenShift; for the local server only."""

import base64
import hashlib
import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

HOME = "http://127.0.0.1:9/callback"
QUERY = {"response_type": "code", "client_id": "portal", "redirect_uri": HOME, "state": "s", "scope": "user:info"}


BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-site": "same-origin"}
HOSTILE = """'"><script>alert(1)</script>"""


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


ELSEWHERE = [
    *(
        "https://example.com/",
        "http://127.0.0.1.example.com",
        "javascript:x",
        "",
        "//",
        "http://127.0.0.1@example.com/",
    ),
    *("http://example.com\\@127.0.0.1/", "http://127.0.0.1\\@example.com/", "http://127.0.0.1/#x", "http://[::1%25x]/"),
    *("http://127.0.0.1:99999/", "http://127.0.0.1/\r\nx: y", "http://127.0.0.1 .example.com/", "http://u@127.0.0.1/"),
    *(
        "//127.0.0.1/",
        "http:///127.0.0.1/",
        "http://127.0.0.1;script-src *",
        "HTTP://127.0.0.1/",
        "http://127.0.0.1:/é",
    ),
]


@pytest.mark.parametrize("redirect", ELSEWHERE)
def test_codes_go_nowhere_else(stranger, users, redirect):
    answer, told = code(stranger, "alice", users["alice"]["password"], redirect_uri=redirect)
    assert (answer.status_code, told) == (400, {})
    page = stranger.get("/oauth/authorize", params={**QUERY, "redirect_uri": redirect}, headers=BROWSER)
    assert (page.status_code, "<form" in page.text) == (400, False)
    assert stranger.post("/oauth/authorize", params={**QUERY, "redirect_uri": redirect}).status_code == 400


def test_the_endpoints_are_told(stranger):
    told = stranger.get("/.well-known/oauth-authorization-server").json()
    assert told["token_endpoint"].endswith("/oauth/token")


def form(stranger, **change):
    """Open the form as a browser does; return it and its hidden field."""
    page = stranger.get("/oauth/authorize", params={**QUERY, **change}, headers=BROWSER)
    return page, re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def send(stranger, name, password, field, headers=BROWSER, **change):
    fields = {"name": name, "password": password, "csrf": field}
    return stranger.post("/oauth/authorize", params={**QUERY, **change}, data=fields, headers=headers)


def test_people_log_in_by_a_form(stranger, users):
    page, field = form(stranger, redirect_uri="http://127.0.0.1:9/callback?a=1")
    assert page.status_code == 200
    cookie = page.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=Strict" in cookie, "path" in cookie.lower()) == (True, True, False)
    answer = send(stranger, "alice", users["alice"]["password"], field, redirect_uri="http://127.0.0.1:9/callback?a=1")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("http://127.0.0.1:9/callback?a=1&code=")
    told = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    grant = {"grant_type": "authorization_code", "code": told["code"], "client_id": "portal"}
    assert (told["state"], "access_token" in stranger.post("/oauth/token", data=grant).json()) == ("s", True)


@pytest.mark.parametrize(
    "headers", [{}, {"accept": "application/json"}, {"accept": "text/html", "x-csrf-token": "1"}], ids=str
)
def test_programs_are_challenged(stranger, headers):
    answer = stranger.get("/oauth/authorize", params=QUERY, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="openshift"')


def test_the_form_shows_nothing_unescaped_and_runs_nothing(stranger):
    page, field = form(stranger, client_id=HOSTILE, state=HOSTILE)
    wrong = send(stranger, HOSTILE, HOSTILE, field, client_id=HOSTILE)
    assert wrong.status_code == 401
    for one in (page, wrong):
        assert "<script" not in one.text
        assert "&lt;script&gt;alert(1)" in one.text
        policy = one.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert policy.endswith("form-action 'self' http://127.0.0.1:9")
        assert (one.headers["cache-control"], one.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert len(form(stranger, client_id="x" * 5000)[0].text) < 5000


def test_the_form_is_taken_from_its_own_page_only(stranger, users):
    _, field = form(stranger)
    for other in (field[:-1] + "!", "", "x" * 43):
        assert send(stranger, "alice", users["alice"]["password"], other).status_code == 403
    for site in ("cross-site", "same-site", "none"):
        elsewhere = {**BROWSER, "sec-fetch-site": site}
        assert send(stranger, "alice", users["alice"]["password"], field, elsewhere).status_code == 403
    stranger.cookies.clear()
    assert send(stranger, "alice", users["alice"]["password"], field).status_code == 403
    empty = {**BROWSER, "cookie": "cluster_login="}
    assert send(stranger, "alice", users["alice"]["password"], "", empty).status_code == 403


def test_passwords_cannot_be_tried_out_at_the_form_either(stranger, users):
    _, field = form(stranger)
    codes = [send(stranger, "bob", f"guess {number}", field).status_code for number in range(22)]
    assert codes == [401] * 20 + [429] * 2
    answer = send(stranger, "bob", users["bob"]["password"], field)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert "Too many wrong passwords" in answer.text
    assert users["bob"]["password"] not in answer.text
    assert code(stranger, "bob", users["bob"]["password"])[0].status_code == 429


def test_a_form_without_end_is_not_read(stranger):
    _, field = form(stranger)
    assert send(stranger, "alice", "x" * (4 * 1024 * 1024), field).status_code == 413


# More users, as OpenShift's HTPasswd identity provider has them: a file in a Secret.


def hashed(password):
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


@pytest.fixture
def htpasswd(api):
    """Write the file; it is gone at the end."""
    namespaces, secrets = "/api/v1/namespaces", "/api/v1/namespaces/openshift-config/secrets"
    api.post(namespaces, json={"metadata": {"name": "openshift-config"}})

    def write(*lines):
        api.delete(f"{secrets}/htpass-secret")
        encoded = base64.b64encode("\n".join(lines).encode()).decode()
        made = api.post(secrets, json={"metadata": {"name": "htpass-secret"}, "data": {"htpasswd": encoded}})
        assert made.status_code == 201, made.text

    yield write
    api.delete(f"{secrets}/htpass-secret")


def test_users_of_an_htpasswd_file_log_in_as_long_as_they_are_in_it(stranger, htpasswd):
    assert code(stranger, "erin", "secret")[0].status_code == 401
    htpasswd("# ours", f"erin:{hashed('secret')}", "")
    _, told = code(stranger, "erin", "secret")
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": HOME}
    token = stranger.post("/oauth/token", data=form).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    user = stranger.get("/apis/user.openshift.io/v1/users/~", headers=headers).json()
    assert (user["metadata"]["name"], [one for one in user["groups"] if "litemaas" in one]) == ("erin", [])
    assert [code(stranger, "erin", one)[0].status_code for one in ("", "Secret", hashed("secret"))] == [401] * 3
    htpasswd(f"frank:{hashed('secret')}")
    assert [code(stranger, one, "secret")[0].status_code for one in ("erin", "frank")] == [401, 302]


def test_an_htpasswd_file_opens_nothing_else(stranger, htpasswd, users):
    """Neither the lab's own users, nor what is in no format that is understood."""
    bcrypt = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"  # of "secret"
    htpasswd(f"carol:{hashed('secret')}", f"gina:{bcrypt}", "henry:secret", ":", f":{hashed('')}", "ida")
    for name in ("carol", "gina", "henry", "ida", ""):
        assert code(stranger, name, "secret")[0].status_code == 401, name
    assert code(stranger, "gina", bcrypt)[0].status_code == 401
    assert code(stranger, "carol", users["carol"]["password"])[0].status_code == 302


def test_passwords_of_an_htpasswd_file_cannot_be_tried_out(stranger, htpasswd):
    htpasswd(f"judy:{hashed('secret')}")
    assert [code(stranger, "judy", f"guess {number}")[0].status_code for number in range(21)] == [401] * 20 + [429]
    assert code(stranger, "judy", "secret")[0].status_code == 429
