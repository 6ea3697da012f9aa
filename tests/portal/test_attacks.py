"""What people try at a portal that they should not: each is refused, told clearly, written down, and leaks nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from maas_lab.errors import UsageError
from maas_lab.local.portal.configuration import Configuration

TODAY = datetime.now(UTC).date().isoformat()
SQL, HTML = "x'; drop table users; --", "<img src=x onerror=alert(1)>"


# Who asks


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def token(claims: dict, secret: str) -> str:
    """A session that is signed as the portal's are."""
    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def forged(lab, jwt_secret: str) -> dict[str, str]:
    """Sessions that are not the portal's, by what is wrong with them."""
    head, body, signature = lab.session("alice").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    richer = part(claims | {"roles": ["user", "admin"]})

    def signed(changes: dict, secret: str = jwt_secret) -> str:
        return token(claims | changes, secret)

    assert _get(lab, signed({})).status_code == 200  # so what is wrong with the others is what they say
    return {
        "another secret": signed({}, "0" * 48),
        "another body": f"{head}.{richer}.{signature}",
        "no signature": f"{part({'alg': 'none', 'typ': 'JWT'})}.{richer}.",
        "expired": signed({"iat": 1_700_000_000, "exp": 1_700_000_001}),
        "unknown user": signed({"userId": str(uuid.uuid4())}),
        "no user": signed({"userId": SQL}),
        "a number for a user": signed({"userId": 1}),
        "another audience": signed({"aud": "somebody"}),
        "endless": token({name: one for name, one in claims.items() if name != "exp"}, jwt_secret),
        "no token": "undefined",
        "a cluster's token": "sha256~abcdef",
        "a short admin key": "ltm_admin_",
        "an admin key without prefix": "without-prefix",
        "a guessed admin key": "ltm_admin_not-the-real-key",
    }


@pytest.mark.ours("signs with the portal's own secret")
def test_forged_and_expired_sessions(lab, tiny, jwt_secret, refusal, audited):
    for what, token in forged(lab, jwt_secret).items():
        with lab.http(Authorization=f"Bearer {token}") as http:
            for path in ("/api/v1/auth/me", "/api/v1/api-keys", "/api/v1/admin/users"):
                told = refusal(http.get(path), 401, "UNAUTHORIZED")
                assert told, what
            answer = http.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": "mine"})
            refusal(answer, 401, "UNAUTHORIZED")
            assert audited(answer)["username"] == "anonymous"
        assert token not in lab.logs()
    assert "expired" in refusal(_get(lab, forged(lab, jwt_secret)["expired"]), 401)


def test_a_session_that_nobody_gave(lab, tiny, refusal):
    head, body, signature = lab.session("alice").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "==")) | {"roles": ["user", "admin"]}
    none = part({"alg": "none", "typ": "JWT"})
    guessed = token(claims, "0" * 48)
    for one in (guessed, f"{head}.{part(claims)}.{signature}", f"{none}.{part(claims)}.", "undefined", "ltm_admin_x"):
        with lab.http(Authorization=f"Bearer {one}") as http:
            for path in ("auth/me", "api-keys", "admin/users"):
                refusal(http.get(f"/api/v1/{path}"), 401)
            refusal(http.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": "mine"}), 401)


def _get(lab, token: str) -> httpx.Response:
    with lab.http(Authorization=f"Bearer {token}") as http:
        return http.get("/api/v1/auth/me")


@pytest.mark.ours("LiteMaaS takes any caller that calls itself Mozilla for an administrator")
def test_a_browsers_name_opens_nothing(lab, refusal):
    """LiteMaaS 0.4.0 takes any caller that calls itself Mozilla, or comes from localhost:3000, for an administrator."""
    disguises = ({"User-Agent": "Mozilla/5.0"}, {"Origin": "http://localhost:3000"})
    for disguise in disguises:
        with lab.http(**disguise) as http:
            for path in ("subscriptions", "api-keys", "usage/budget"):
                refusal(http.get(f"/api/v1/{path}"), 401)
    with lab.http() as http:
        for path in ("/api/auth/dev-token", "/api/auth/mock-login", "/api/auth/mock-users", "/api/v1/auth/dev-token"):
            refusal(http.post(path, json={"username": "x", "roles": ["admin"]}), 404)


@pytest.mark.ours("LiteMaaS fails half-way when an admin key writes")
def test_what_an_administrators_key_may(lab, alice, admin_key, refusal):
    with lab.http(Authorization=f"Bearer {admin_key}") as http:
        assert http.get("/api/v1/admin/users").status_code == 200
        refusal(http.get("/api/v1/api-keys"), 403)
        me = alice.get("/api/v1/auth/me").json()["id"]
        body = {"modelIds": ["tiny"], "name": "orphan"}
        refusal(http.post(f"/api/v1/admin/users/{me}/api-keys", json=body), 403, "FORBIDDEN")


@pytest.mark.ours("changes the database")
def test_a_locked_user_is_out_at_once(lab, alice, refusal):
    lab.sql("update users set is_active = false where username = 'alice'")
    try:
        assert "locked" in refusal(alice.get("/api/v1/api-keys"), 403)
        with lab.http() as http:
            address = http.post("/api/auth/login").json()["authUrl"]
            assert "locked" in refusal(http.get(lab.authorize(address, "alice").headers["location"]), 403)
    finally:
        lab.sql("update users set is_active = true where username = 'alice'")


@pytest.mark.ours("changes the database")
def test_roles_are_the_databases_and_not_the_sessions(lab, carol, refusal):
    lab.sql("update users set roles = '{user}' where username = 'carol'")
    try:
        refusal(carol.get("/api/v1/admin/users"), 403)
    finally:
        lab.sql("update users set roles = '{user,admin}' where username = 'carol'")


# What belongs to others


def meddling(somebody, path):
    """Try all that can be done with a key that is somebody else's."""
    yield somebody.get(path)
    yield somebody.patch(path, json={"maxBudget": 1})
    yield somebody.post(f"{path}/reveal", json={})
    yield somebody.post(f"{path}/rotate", json={})
    yield somebody.delete(path)


def test_a_key_is_its_owners_alone(lab, alice, bob, make_key):
    key = make_key(alice)
    path = f"/api/v1/api-keys/{key['id']}"
    for answer in meddling(bob, path):
        assert answer.status_code >= 400
        assert key["key"] not in answer.text
    assert bob.get("/api/v1/api-keys").json()["data"] == []
    assert lab.ask(key["key"]).status_code == 200


def test_nobody_makes_themselves_an_administrator(alice, carol, tiny):
    mine = alice.get("/api/v1/auth/me").json()["id"]
    for more in ({"roles": ["admin"]}, {"isAdmin": True}, {"userId": carol.get("/api/v1/auth/me").json()["id"]}):
        alice.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": "mine", **more})
        alice.post("/api/v1/subscriptions", json={"modelId": tiny, **more})
    assert alice.get("/api/v1/auth/me").json()["roles"] == ["user"]
    assert carol.get(f"/api/v1/admin/users/{mine}/api-keys").json()["pagination"]["total"] <= 3
    asked = {
        ("GET", "users"): None,
        ("PATCH", f"users/{mine}/budget-limits"): {"maxBudget": 1e6},
        ("POST", "users/bulk-update-limits"): {"maxBudget": 1e6},
        ("POST", "subscriptions/approve"): {"subscriptionIds": [str(uuid.uuid4())]},
        ("PUT", "settings/api-key-defaults"): {"defaults": {}, "maximums": {}},
        ("DELETE", f"models/{tiny}"): None,
        ("POST", "usage/analytics"): {"startDate": TODAY, "endDate": TODAY},
    }
    for (method, path), body in asked.items():
        assert alice.request(method, f"/api/v1/admin/{path}", json=body).status_code == 403, path


@pytest.mark.ours("LiteMaaS shows no key of its own path; looks into the audit")
def test_another_users_things_are_not_there(lab, alice, bob, make_key, tiny, refusal, audited):
    key = make_key(alice)
    path = f"/api/v1/api-keys/{key['id']}"
    for answer in (*meddling(bob, path), bob.post(f"{path}/reset-spend", json={})):
        assert refusal(answer, 404, "NOT_FOUND") == "API key not found"
        assert key["key"] not in answer.text
    assert audited(bob.delete(path))["username"] == "bob"
    for name in ("nonsense", "%00", "1' or '1'='1", str(uuid.uuid4())):
        refusal(bob.get(f"/api/v1/api-keys/{name}"), 404)
    (subscription,) = [one for one in alice.get("/api/v1/subscriptions").json()["data"] if one["modelId"] == tiny]
    for method, more in (
        ("GET", ""),
        ("GET", "/quota"),
        ("PATCH", ""),
        ("POST", "/cancel"),
        ("POST", "/request-review"),
    ):
        path = f"/api/v1/subscriptions/{subscription['id']}{more}"
        refusal(bob.request(method, path, json={} if method != "GET" else None), 404)
    body = {"startDate": TODAY, "endDate": TODAY, "apiKeyIds": [key["id"]]}
    assert bob.post("/api/v1/usage/analytics", json=body).json()["totalRequests"] == 0
    assert lab.ask(key["key"]).status_code == 200


@pytest.mark.ours("LiteMaaS overlooks what it does not know; looks into the audit")
def test_no_role_comes_from_a_body(alice, bob, tiny, refusal, audited, lab):
    mine, theirs = (http.get("/api/v1/auth/me").json()["id"] for http in (alice, bob))
    bodies = [{"roles": ["admin"]}, {"userId": theirs}, {"isAdmin": True}, {"user_id": theirs}, {"__proto__": {}}]
    for more in bodies:
        answer = alice.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": "mine", **more})
        assert next(iter(more)) in refusal(answer, 400, "VALIDATION_ERROR")
        assert audited(answer)["status"] == 400
        refusal(alice.post("/api/v1/subscriptions", json={"modelId": tiny, **more}), 400)
    assert alice.get("/api/v1/auth/me").json()["roles"] == ["user"]
    admin_only = {
        ("GET", "users"): None,
        ("PATCH", f"users/{mine}/budget-limits"): {"maxBudget": 1e6},
        ("POST", f"users/{mine}/reset-spend"): {},
        ("POST", "users/bulk-update-limits"): {"maxBudget": 1e6},
        ("POST", f"users/{mine}/api-keys"): {"modelIds": [tiny], "name": "x"},
        ("POST", f"users/{mine}/subscriptions"): {"modelIds": [tiny]},
        ("POST", "subscriptions/approve"): {"subscriptionIds": [str(uuid.uuid4())]},
        ("PUT", "settings/api-key-defaults"): {"maximums": {}},
        ("POST", "models"): {},
        ("POST", "models/test"): {"api_base": lab.gateway, "backend_model_name": "x"},
        ("DELETE", f"models/{tiny}"): None,
        ("GET", "audit"): None,
        ("POST", "usage/analytics"): {"startDate": TODAY, "endDate": TODAY},
        ("POST", "usage/export"): {"startDate": TODAY, "endDate": TODAY},
    }
    for (method, path), body in admin_only.items():
        answer = alice.request(method, f"/api/v1/admin/{path}", json=body)
        assert refusal(answer, 403, "FORBIDDEN").startswith("Access denied. Required permission: ")
        assert audited(answer)["status"] == 403


def test_no_key_opens_what_its_owner_may_not(lab, alice, carol, tiny, guarded, refusal, make_key):
    def post(**more):
        return alice.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": "mine", **more})

    for models in (["not-a-model"], [guarded], [tiny, guarded]):
        told = refusal(post(modelIds=models), 400)
        assert models[-1] in told
    refusal(post(modelIds=[]), 400)
    made = make_key(alice)
    assert lab.ask(made["key"], guarded).status_code in (401, 403)
    assert alice.patch(f"/api/v1/api-keys/{made['id']}", json={"modelIds": [guarded]}).status_code == 400
    assert lab.ask(made["key"], guarded).status_code in (401, 403)


@pytest.mark.ours("looks into the audit")
def test_a_key_that_may_not_be_is_refused_and_written_down(alice, carol, tiny, guarded, make_key, refusal, audited):
    path, rules = "/api/v1/api-keys", "/api/v1/admin/settings/api-key-defaults"
    made = make_key(alice)
    assert carol.put(rules, json={"maximums": {"maxBudget": 20}}).status_code == 200
    try:
        for answer, told in (
            (alice.post(path, json={"modelIds": ["not-a-model"], "name": "x"}), "active subscriptions"),
            (alice.post(path, json={"modelIds": [guarded], "name": "x"}), "active subscriptions"),
            (alice.post(path, json={"modelIds": [tiny], "name": "x", "maxBudget": 21}), "21 exceeds maximum 20"),
            (alice.patch(f"{path}/{made['id']}", json={"maxBudget": 21}), "21 exceeds maximum 20"),
        ):
            assert told in refusal(answer, 400, "VALIDATION_ERROR")
            row = audited(answer)
            assert (row["username"], row["status"], row["code"]) == ("alice", 400, "VALIDATION_ERROR")
            assert told in row["message"]
    finally:
        carol.put(rules, json={})


@pytest.mark.ours("how LiteMaaS reads wrong values, and counts keys that are made at once, is its own")
def test_limits_of_keys_hold(alice, make_key, tiny, refusal):
    def post(**more):
        return alice.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": "mine", **more})

    refusal(post(modelIds=None), 400)
    make_key(alice)
    with ThreadPoolExecutor(12) as pool:
        codes = sorted(one.status_code for one in pool.map(lambda number: post(name=f"app {number}"), range(12)))
    assert codes == [201] * 9 + [400] * 3  # ten keys a user, however many ask at once
    assert "Maximum number" in refusal(post(), 400)
    for wrong in (
        *({"maxBudget": value} for value in (-1, "5", True, 1e300, [1])),
        *({"rpmLimit": value} for value in (0, -1, 1.5, "1", 10**30)),
        *({"budgetDuration": value} for value in ("never", "0d", 5, "1d; drop")),
        *({"metadata": value} for value in ({"a": {"b": 1}}, {"a": HTML}, {str(n): 1 for n in range(30)}, "x")),
        {"modelMaxBudget": {tiny: {"budgetLimit": 1, "timePeriod": "1d"}}},
        {"expiresAt": "soon"},
    ):
        refusal(post(**wrong), 400, "VALIDATION_ERROR")


# What is written


@pytest.mark.ours("LiteMaaS takes any name of up to 255 characters")
@pytest.mark.parametrize(
    "name", [SQL, HTML, "", " ", "a" * 256, "a\0b", "a\nb", "a‮b", "=1+1", "-x", 5, ["a"], {"a": 1}]
)
def test_names_that_are_none(lab, alice, carol, described, tiny, make_key, refusal, audited, name):
    key = make_key(alice)
    mine = f"/api/v1/admin/users/{alice.get('/api/v1/auth/me').json()['id']}"
    for answer in (
        alice.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": name}),
        alice.patch(f"/api/v1/api-keys/{key['id']}", json={"name": name}),
        alice.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": "x", "metadata": {"application": name}}),
        alice.post("/api/v1/subscriptions", json={"modelId": name}),
        alice.post("/api/v1/subscriptions", json={"modelId": tiny, "metadata": {"team": name}}),
        carol.post("/api/v1/admin/models", json=described("x") | {"model_name": name}),
        carol.post("/api/v1/admin/models", json=described("x") | {"backend_model_name": name}),
        carol.post(f"{mine}/api-keys", json={"modelIds": [tiny], "name": name}),
        carol.patch(f"{mine}/api-keys/{key['id']}", json={"name": name}),
        carol.post(f"{mine}/subscriptions", json={"modelIds": [name]}),
    ):
        if answer.status_code in (201, 409):
            assert name == 5  # a number is good metadata
            continue
        refusal(answer, 400, "VALIDATION_ERROR")
        assert audited(answer)["status"] == 400
        assert answer.headers["content-type"] == "application/json"
    assert int(lab.sql("select count(*) from users")) > 0


def test_names_that_people_have(alice, make_key):
    names = ("My GenAI App", "Übersetzer 2", "要約", "नमस्ते", "🚀 launch", "a/b (test) #1", "Anna's app!", "x" * 255)
    for name in names:
        made = make_key(alice, name, metadata={"application": name})
        assert (made["name"], made["metadata"]["application"]) == (name, name)
        alice.delete(f"/api/v1/api-keys/{made['id']}")


@pytest.mark.ours("LiteMaaS takes any text; knows other filters")
def test_sql_and_html_elsewhere(lab, alice, carol, tiny, refusal):
    for text in (SQL, HTML, "%", "_", "\\"):
        with lab.http() as http:
            assert http.get("/api/v1/models", params={"search": text}).json()["data"] == []
            assert http.get("/api/v1/models", params={"provider": text}).json()["data"] == []
        refusal(alice.get("/api/v1/api-keys", params={"limit": text}), 400)
        assert carol.get("/api/v1/admin/audit", params={"username": text}).json()["data"] == []
        for name in ("statuses", "modelIds"):
            assert carol.get("/api/v1/admin/subscriptions", params={name: text}).json()["data"] == []
        for name in ("userIds", "dateFrom", "page"):
            refusal(carol.get("/api/v1/admin/subscriptions", params={name: text}), 400)
        assert alice.get("/api/v1/subscriptions", params={"status": text}).json()["data"] == []
        refusal(carol.get(f"/api/v1/admin/users/{text}"), 404)
        body = {"startDate": text, "endDate": TODAY}
        refusal(alice.post("/api/v1/usage/analytics", json=body), 400)
    reason = {"subscriptionIds": [str(uuid.uuid4())], "reason": HTML}
    refusal(carol.post("/api/v1/admin/subscriptions/deny", json=reason), 400)
    for days in (("2026-01-01", "2025-01-01"), ("2020-01-01", "2026-01-01"), ("0001-01-01", "0001-01-02")):
        body = dict(zip(("startDate", "endDate"), days, strict=True))
        refusal(alice.post("/api/v1/usage/analytics", json=body), 400)
        refusal(carol.post("/api/v1/admin/usage/by-user", json=body), 400)


@pytest.mark.ours("how LiteMaaS words it is its own")
def test_bodies_that_are_none(alice, refusal):
    path, form = "/api/v1/api-keys", {"content-type": "application/json"}

    def post(content: bytes, headers: dict[str, str] = form) -> httpx.Response:
        return alice.post(path, content=content, headers=headers)

    for content in (b"{", b"[]", b'"x"', b"\xff", b"NaN", b'{"a": NaN}', b"[" * 5000, b'{"a":"\\ud800"}'):
        refusal(post(content), 400, "VALIDATION_ERROR")
    refusal(post(b" " * 70_000), 413)
    refusal(post(b'{"name": "x"}', {"content-type": "text/plain"}), 415)
    refusal(post(b"name=x", {"content-type": "application/x-www-form-urlencoded"}), 415)
    refusal(alice.put(path, json={}), 405, "METHOD_NOT_ALLOWED")
    refusal(alice.get("/api/v1/nowhere"), 404)
    refusal(alice.get("/"), 404)


# Login


def test_a_login_ends_once(lab, query_of):
    with lab.http() as http:
        back = lab.authorize(http.post("/api/auth/login").json()["authUrl"], "alice").headers["location"]
        assert "#token=" in http.get(back).headers["location"]
        other = query_of(http.post("/api/auth/login").json()["authUrl"])["state"]
        told = query_of(back)
        for wrong in (told, told | {"state": "x"}, {"code": "guessed", "state": other}, {"state": other}):
            answer = http.get("/api/auth/callback", params=wrong)
            assert "token=" not in answer.headers.get("location", "")


@pytest.mark.ours("LiteMaaS sends people back to its page; looks into logs")
def test_a_login_ends_once_and_where_it_began(lab, refusal, query_of, audited):
    with lab.http() as http:
        address = http.post("/api/auth/login").json()["authUrl"]
        back = lab.authorize(address, "alice").headers["location"]
        assert http.get(back).status_code == 302
        replayed = http.get(back)
        refusal(replayed, 401)
        assert audited(replayed)["code"] == "UNAUTHORIZED"
        state, code = (query_of(back)[name] for name in ("state", "code"))
        fresh = query_of(http.post("/api/auth/login").json()["authUrl"])["state"]
        changed = fresh[:-1] + ("0" if fresh[-1] != "0" else "1")
        for wrong in (
            {"code": code, "state": state},
            {"code": code},
            {"state": fresh},
            {"code": "guessed", "state": changed},
            {"code": code, "state": "x"},
            {"code": "guessed", "state": fresh},
            {"code": "guessed", "state": "1-2-b-3"},
            {"code": code, "state": fresh.replace("-p-", "-b-")},
            {"code": code, "state": "b"},
        ):
            refusal(http.get("/api/auth/callback", params=wrong), 401)
    assert code not in lab.logs()
    assert state not in lab.logs()


@pytest.mark.ours("LiteMaaS gives a login no cookie")
def test_a_login_in_a_browser_ends_in_that_browser(lab, refusal):
    browser = {"sec-fetch-site": "same-origin"}
    with lab.http(**browser) as mine, lab.http(**browser) as other:
        begun = mine.post("/api/auth/login")
        cookie = begun.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        back = lab.authorize(begun.json()["authUrl"], "alice").headers["location"]
        other.post("/api/auth/login")
        refusal(other.get(back), 401)
        refusal(other.get(back.replace("-b-", "-p-")), 401)
        assert mine.get(back).status_code == 302


@pytest.mark.ours("what LiteMaaS makes of forwarded addresses was not looked at")
def test_nobody_is_sent_elsewhere(lab, query_of, refusal):
    """Where people come back to is fixed; nothing in a request changes it, and tokens stay out of addresses."""
    evil = "https://evil.example/"
    with lab.http(**{"X-Forwarded-Host": "evil.example", "Referer": evil}) as http:
        for path in ("", f"?redirect_uri={evil}", f"?returnTo={evil}", f"?next={evil}"):
            address = http.post(f"/api/auth/login{path}", json={"redirect_uri": evil, "returnTo": evil}).json()[
                "authUrl"
            ]
            asked = query_of(address)
            assert asked["redirect_uri"] == f"{lab.url}/api/auth/callback"
            assert "evil" not in address
        back = lab.authorize(address, "alice").headers["location"]
        there = http.get(f"{back}&redirect_uri={evil}&next={evil}").headers["location"]
    assert re.fullmatch(r"/auth/callback#token=[\w.-]+&expires_in=86400", there)


@pytest.mark.ours("LiteMaaS counts no failed logins; looks into the audit")
def test_codes_cannot_be_tried_out(lab, refusal, audited):
    """After some failures nothing is told any more, and those who log in rightly do not notice."""
    lab.restart()  # refusals of strangers are counted, and written down up to a number
    with lab.http() as http:
        codes = [http.get("/api/auth/callback", params={"code": "x", "state": "y"}).status_code for _ in range(40)]
        assert codes[-1] == 429
        answer = http.get("/api/auth/callback", params={"code": "x", "state": "y"})
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert audited(answer)["code"] == "RATE_LIMITED"
        assert audited(http.get("/api/v1/api-keys"))["code"] == "UNAUTHORIZED"
    assert lab.login("bob")
    lab.restart()


@pytest.mark.ours("which pages LiteMaaS trusts is for its CORS_ORIGIN to say")
def test_other_pages_can_do_nothing(lab, refusal, alice, tiny, audited):
    key = {"modelIds": [tiny], "name": "mine"}
    pages = (
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:1", "sec-fetch-site": "same-site"},
        {"origin": "null"},
    )
    for page in pages:
        answer = alice.post("/api/v1/api-keys", json=key, headers=page)
        refusal(answer, 403, "FORBIDDEN")
        assert audited(answer)["code"] == "FORBIDDEN"
        with lab.http(**page) as http:
            refusal(http.post("/api/auth/login"), 403)
            assert "access-control-allow-origin" not in http.get("/api/v1/models").headers
            asked = http.options("/api/v1/api-keys", headers={"access-control-request-method": "POST"})
            assert "access-control-allow-origin" not in asked.headers
    for page in ({"origin": lab.url}, {"origin": "https://x.example", "sec-fetch-site": "same-origin"}):
        assert alice.post("/api/v1/api-keys", json=key, headers=page).status_code == 201
    friend = {"origin": "https://portal.example"}
    assert alice.get("/api/v1/models", headers=friend).headers["access-control-allow-origin"] == friend["origin"]
    with lab.http(**friend) as http:
        asked = http.options("/api/v1/api-keys", headers={"access-control-request-method": "POST"})
        assert asked.status_code == 204


@pytest.mark.ours("LiteMaaS leaves such headers to its frontend")
def test_answers_are_not_kept_and_not_run(lab, alice):
    for answer in (alice.get("/api/v1/api-keys"), alice.get("/nowhere"), alice.get("/api/v1/models?limit=x")):
        headers = answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


# What is kept and told


@pytest.mark.ours("looks into logs and database")
def test_nothing_secret_is_told(lab, alice, make_key, secrets_of_the_lab):
    key = make_key(alice)
    again = alice.post(f"/api/v1/api-keys/{key['id']}/reveal", json={}).json()["key"]
    fresh = alice.post(f"/api/v1/api-keys/{key['id']}/rotate", json={}).json()["key"]
    secrets = (key["key"], again, fresh, *lab.sessions.values(), *lab.passwords.values(), *secrets_of_the_lab)
    dump = lab.sql("select string_agg(k::text, '') from api_keys k") + lab.sql(
        "select string_agg(a::text, '') from audit_logs a"
    )
    postgres, process = lab.pods["postgres"].log.read_text(), lab.pods["portal"].process
    command = " ".join(process.cmdline())
    for one in secrets:
        assert one not in lab.logs()
        assert one not in dump
        assert one not in postgres
        assert one not in command
        assert one not in alice.get("/api/v1/api-keys").text
    assert {where.laddr.ip for where in process.net_connections("tcp") if where.status == "LISTEN"} == {"127.0.0.1"}


@pytest.mark.ours("LiteMaaS writes its audit in another form")
def test_everything_is_written_down(alice, carol, make_key, audited, dave):
    key = make_key(alice)
    answer = alice.patch(f"/api/v1/api-keys/{key['id']}", json={"maxBudget": 3})
    row = audited(answer)
    assert (row["username"], row["action"], row["status"]) == ("alice", "PATCH /api/v1/api-keys/{key}", 200)
    assert row["target"] == key["id"]
    for http in (alice, dave):
        refused = http.post("/api/v1/models/sync", json={})
        assert audited(refused)["code"] == "FORBIDDEN"
    seen = dave.get("/api/v1/admin/audit", params={"username": "alice", "status": 200}).json()
    assert {row["username"] for row in seen["data"]} == {"alice"}


@pytest.mark.ours("starts the portal anew")
def test_too_many_questions(lab, carol, refusal):
    """As LiteMaaS: ten statistics a minute and five exports, for each administrator."""
    lab.restart(ADMIN_ANALYTICS_RATE_LIMIT="2", ADMIN_EXPORT_RATE_LIMIT="1", RATE_LIMIT_MAX="30")
    try:
        body = {"startDate": TODAY, "endDate": TODAY}
        codes = [carol.post("/api/v1/admin/usage/analytics", json=body).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        told = carol.post("/api/v1/admin/usage/analytics", json=body)
        assert "Rate limit exceeded" in refusal(told, 429, "RATE_LIMITED")
        assert 1 <= int(told.headers["retry-after"]) <= 60
        assert [carol.post("/api/v1/admin/usage/export", json=body).status_code for _ in range(2)] == [200, 429]
        with lab.as_("dave") as dave:
            assert dave.post("/api/v1/admin/usage/analytics", json=body).status_code == 200
        codes = {carol.get("/api/v1/admin/users").status_code for _ in range(30)}
        assert codes == {200, 429}
    finally:
        lab.restart(ADMIN_ANALYTICS_RATE_LIMIT="1000", ADMIN_EXPORT_RATE_LIMIT="1000", RATE_LIMIT_MAX="0")


@pytest.mark.ours("reads the configuration")
@pytest.mark.parametrize("name", ["JWT_EXPIRES_IN", "RATE_LIMIT_TIME_WINDOW", "RATE_LIMIT_MAX"])
def test_a_variable_that_is_wrong_is_named(lab, name):
    with pytest.raises(UsageError, match=name) as refusal:
        Configuration.read(lab.pods["portal"].env | {name: "soon"})
    assert name in refusal.value.hint


@pytest.mark.ours("starts the portal anew")
def test_a_gateway_that_refuses_the_portal_is_no_fault_of_the_portals(lab, carol, refusal):
    right = lab.pods["portal"].env["LITELLM_MASTER_KEY"]
    lab.restart(LITELLM_MASTER_KEY="sk-not-the-master-key")
    try:
        assert refusal(carol.get("/api/v1/models/new"), 502) == "The gateway refused to list its models"
    finally:
        lab.restart(LITELLM_MASTER_KEY=right)
