"""What people do at the portal, from login to invoice, against real database, gateway and model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maas_lab import wait

TODAY = datetime.now(UTC).date()
DAYS = {"startDate": (TODAY - timedelta(days=1)).isoformat(), "endDate": (TODAY + timedelta(days=1)).isoformat()}


def test_everybody_logs_in_with_the_roles_of_their_groups(lab):
    roles = {"alice": ["user"], "carol": ["user", "admin"], "dave": ["user", "admin-readonly"]}
    for name, expected in roles.items():
        with lab.as_(name) as http:
            me = http.get("/api/v1/auth/me").json()
        assert (me["username"], me["email"], me["roles"]) == (name, name, expected)
        assert me["name"].lower().startswith(name)


def test_the_catalog_is_public_and_tells_prices(lab, tiny):
    with lab.http() as http:
        told = http.get("/api/v1/models").json()
        (model,) = [one for one in told["data"] if one["id"] == tiny]
        assert http.get(f"/api/v1/models/{tiny}").json() == model
        assert http.get("/api/v1/models?search=nothing").json()["data"] == []
        config = http.get("/api/v1/config").json()
    assert model["pricing"] == {"input": 0.001, "output": 0.002, "unit": "per_token"}
    assert (model["provider"], model["backendModelName"], model["maxTokens"]) == ("openai", "tiny", 512)
    assert model["restrictedAccess"] is False
    assert told["pagination"]["page"] == 1
    assert (config["version"], config["litellmApiUrl"]) == ("0.4.0", lab.gateway)


def test_what_the_gateway_offers_comes_into_the_catalog(lab, tiny, carol, described):
    body = {"model_name": "elsewhere", "litellm_params": {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1"}}
    master = {"Authorization": f"Bearer {lab.pods['litellm'].env['LITELLM_MASTER_KEY']}"}
    made = carol.post(f"{lab.gateway}/model/new", json=body, headers=master).json()
    told = carol.post("/api/v1/models/sync", json={}).json()
    assert (told["success"], told["newModels"]) == (True, 1)
    assert carol.get("/api/v1/models/elsewhere").status_code == 200
    carol.post(f"{lab.gateway}/model/delete", json={"id": made["model_id"]}, headers=master)
    assert carol.post("/api/v1/models/sync", json={}).json()["unavailableModels"] == 1
    assert carol.get("/api/v1/models/elsewhere").status_code == 404


def test_an_administrator_changes_and_deletes_a_model(lab, carol, described, refusal):
    assert carol.post("/api/v1/admin/models", json=described("brief")).status_code == 201
    assert "already exists" in refusal(carol.post("/api/v1/admin/models", json=described("brief")), 409)
    dearer = described("brief", input_cost_per_token=0.5, restrictedAccess=True)
    assert carol.put("/api/v1/admin/models/brief", json=dearer).status_code == 200
    model = carol.get("/api/v1/models/brief").json()
    assert (model["inputCostPerToken"], model["restrictedAccess"]) == (0.5, True)
    assert carol.delete("/api/v1/admin/models/brief").status_code == 200
    assert carol.get("/api/v1/models/brief").status_code == 404
    test = {key: described("x")[key] for key in ("api_base", "api_key", "backend_model_name")}
    assert carol.post("/api/v1/admin/models/test", json=test).json()["result"] == "model_found"
    other = test | {"backend_model_name": "other"}
    assert carol.post("/api/v1/admin/models/test", json=other).json()["result"] == "model_not_found"
    nobody = test | {"api_base": "http://127.0.0.1:9/v1"}
    assert carol.post("/api/v1/admin/models/test", json=nobody).json()["result"] == "connection_failed"


def test_a_key_from_subscription_to_spend(lab, alice, make_key, refusal, carol):
    told = refusal(alice.post("/api/v1/subscriptions", json={"modelId": "tiny"}), 409, "ALREADY_EXISTS")
    assert told == "Subscription with modelId 'tiny' already exists"
    before = alice.get("/api/v1/usage/budget").json()
    limits = {"maxBudget": 5, "tpmLimit": 100_000, "rpmLimit": 100, "budgetDuration": "monthly"}
    made = make_key(alice, **limits, metadata={"application": "My GenAI App"})
    assert made["key"].startswith(made["keyPrefix"])
    assert made["isActive"]
    answer = lab.ask(made["key"])
    assert answer.status_code == 200, answer.text
    used = answer.json()["usage"]
    cost = 0.001 * used["prompt_tokens"] + 0.002 * used["completion_tokens"]

    def booked() -> bool:
        (key,) = alice.get("/api/v1/api-keys").json()["data"]
        return key["currentSpend"] > 0 and key

    key = wait.until(booked, what="the key's spend", timeout=20)
    assert key["currentSpend"] == pytest.approx(cost)
    assert {name: key[name] for name in limits} == limits
    assert (key["metadata"], "key" in key) == ({"application": "My GenAI App"}, False)
    budget = alice.get("/api/v1/usage/budget").json()
    assert budget["maxBudget"] == 100
    assert budget["currentSpend"] == pytest.approx(before["currentSpend"] + cost)

    def told_by_day() -> dict | bool:  # the gateway writes a key's spend first, and then the day's
        told = alice.post("/api/v1/usage/analytics", json=DAYS | {"apiKeyIds": [key["id"]]}).json()
        return told["totalRequests"] > 0 and told

    own = wait.until(told_by_day, what="the day's usage", timeout=20)
    tokens = {name: used[f"{name}_tokens"] for name in ("total", "prompt", "completion")}
    assert (own["totalRequests"], own["totalTokens"]) == (1, tokens)
    assert own["totalCost"]["byModel"] == {"tiny": pytest.approx(cost)}
    whole = carol.post("/api/v1/admin/usage/analytics", json=DAYS | {"apiKeyIds": [key["id"]]}).json()
    assert whole["totalTokens"] == tokens  # the real LiteMaaS counts prompts and answers twice here
    assert whole["topMetrics"]["topApiKey"]["application"] == "My GenAI App"
    (subscription,) = [one for one in alice.get("/api/v1/subscriptions").json()["data"] if one["modelId"] == "tiny"]
    assert subscription["usedTokens"] >= used["total_tokens"]
    quota = alice.get(f"/api/v1/subscriptions/{subscription['id']}/quota").json()
    assert quota["tokens"]["used"] == subscription["usedTokens"]


def test_spend_stays_with_its_owner_when_the_key_goes(lab, alice, make_key, carol):
    made = make_key(alice, "short-lived")
    total = lab.ask(made["key"]).json()["usage"]["total_tokens"]
    assert alice.delete(f"/api/v1/api-keys/{made['id']}").status_code == 200
    assert lab.ask(made["key"]).status_code == 401

    def rows() -> list:
        body = DAYS | {"apiKeyIds": [made["id"]]}
        return carol.post("/api/v1/admin/usage/by-user", json=body).json()["data"]

    (row,) = wait.until(rows, what="the deleted key's usage", timeout=20)
    assert (row["username"], row["metrics"]["tokens"]["total"]) == ("alice", total)


def test_reveal_rotate_block_and_change(lab, alice, make_key):
    made = make_key(alice, rpmLimit=50, maxBudget=5, budgetDuration="30d", modelRpmLimit={"tiny": 40})
    path = f"/api/v1/api-keys/{made['id']}"
    told = alice.post(f"{path}/reveal", json={}).json()
    assert (told["key"], told["keyType"]) == (made["key"], "litellm")
    changed = alice.patch(path, json={"maxBudget": 1, "name": "renamed"}).json()
    assert (changed["maxBudget"], changed["rpmLimit"], changed["budgetDuration"]) == (1, 50, "30d")
    assert (changed["name"], changed["models"], changed["modelRpmLimit"]) == ("renamed", ["tiny"], {"tiny": 40})
    assert alice.patch(path, json={"isActive": False}).json()["status"] == "blocked"
    assert lab.ask(made["key"]).status_code == 401
    assert alice.patch(path, json={"isActive": True}).json()["isActive"]
    assert lab.ask(made["key"]).status_code == 200
    fresh = alice.post(f"{path}/rotate", json={}).json()
    assert fresh["key"] != made["key"]
    assert lab.ask(made["key"]).status_code == 401
    assert lab.ask(fresh["key"]).status_code == 200
    for name in ("id", "name", "models", "maxBudget", "rpmLimit", "budgetDuration", "modelRpmLimit"):
        assert fresh[name] == changed[name]
    assert alice.post(f"{path}/reveal", json={}).json()["key"] == fresh["key"]
    assert alice.get("/api/v1/api-keys/stats").json()["active"] == 1
    gone = alice.patch(path, json={"maxBudget": None}).json()
    assert (gone["maxBudget"], gone["rpmLimit"]) == (None, 50)


def test_a_key_ends_when_it_was_told_to(alice, make_key, refusal):
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    made = make_key(alice, expiresAt=soon)

    def ended() -> bool:
        return alice.get(f"/api/v1/api-keys/{made['id']}").json()["status"] == "expired"

    wait.until(ended, what="the key's end", timeout=10)
    past = {"modelIds": ["tiny"], "name": "late", "expiresAt": "2020-01-01T00:00:00Z"}
    assert "future" in refusal(alice.post("/api/v1/api-keys", json=past), 400)


def test_a_restricted_model_needs_approval(lab, alice, carol, guarded, refusal):
    made = alice.post("/api/v1/subscriptions", json={"modelId": guarded}).json()
    assert made["status"] == "pending"
    body = {"modelIds": [guarded], "name": "secret plan"}
    told = refusal(alice.post("/api/v1/api-keys", json=body), 400, "VALIDATION_ERROR")
    assert told == f"You do not have active subscriptions for the following models: {guarded}"
    (waiting,) = carol.get("/api/v1/admin/subscriptions?status=pending").json()["data"]
    assert (waiting["id"], waiting["username"]) == (made["id"], "alice")
    decided = {"subscriptionIds": [made["id"]], "reason": "not now"}
    assert carol.post("/api/v1/admin/subscriptions/deny", json=decided).json() == {
        "successful": 1,
        "failed": 0,
        "errors": [],
    }
    told = alice.get(f"/api/v1/subscriptions/{made['id']}").json()
    assert (told["status"], told["statusReason"]) == ("denied", "not now")
    assert alice.post(f"/api/v1/subscriptions/{made['id']}/request-review").json()["status"] == "pending"
    carol.post(
        "/api/v1/admin/subscriptions/approve", json={"subscriptionIds": [made["id"], "nonsense"], "reason": "ok"}
    )
    assert carol.get("/api/v1/admin/subscriptions/stats").json()["pending"] == 0
    key = alice.post("/api/v1/api-keys", json=body).json()
    assert lab.ask(key["key"], guarded).status_code == 200
    carol.post(f"/api/v1/admin/subscriptions/{made['id']}/revert", json={})
    assert lab.ask(key["key"], guarded).status_code == 401
    told = alice.patch(f"/api/v1/api-keys/{key['id']}", json={"isActive": True})
    assert "active subscriptions" in refusal(told, 400)
    assert alice.post(f"/api/v1/subscriptions/{made['id']}/cancel").json()["status"] == "cancelled"


def test_a_cancelled_subscription_closes_its_model_and_no_other(lab, bob, carol, described, tiny):
    assert carol.post("/api/v1/admin/models", json=described("second")).status_code == 201
    try:
        made = bob.post("/api/v1/subscriptions", json={"modelId": "second"}).json()
        key = bob.post("/api/v1/api-keys", json={"modelIds": [tiny, "second"], "name": "both"}).json()["key"]
        assert [lab.ask(key, one).status_code for one in (tiny, "second")] == [200, 200]
        bob.post(f"/api/v1/subscriptions/{made['id']}/cancel")
        assert [lab.ask(key, one).status_code for one in (tiny, "second")] == [200, 401]
        assert bob.post("/api/v1/subscriptions", json={"modelId": "second"}).status_code == 201
    finally:
        carol.delete("/api/v1/admin/models/second")


def test_a_second_key_does_not_beat_a_users_cap(lab, bob, carol, make_key):
    user = bob.get("/api/v1/auth/me").json()["id"]
    path = f"/api/v1/admin/users/{user}"
    first = make_key(bob, "first")
    assert lab.ask(first["key"]).status_code == 200
    wait.until(lambda: bob.get("/api/v1/usage/budget").json()["currentSpend"] > 0, what="bob's spend", timeout=20)
    told = carol.patch(f"{path}/budget-limits", json={"maxBudget": 0.00001}).json()
    assert told["maxBudget"] == 0.00001  # two decimals are not enough for a token
    try:
        for key in (first["key"], make_key(bob, "second")["key"]):
            answer = lab.ask(key)
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "budget_exceeded")
    finally:
        carol.patch(f"{path}/budget-limits", json={"maxBudget": 100, "tpmLimit": 100_000, "rpmLimit": 120})
    assert lab.ask(first["key"]).status_code == 200
    detail = carol.get(path).json()
    assert (detail["username"], detail["maxBudget"], detail["syncStatus"]) == ("bob", 100, "synced")
    assert detail["activeApiKeysCount"] == 2


def test_key_limits_are_enforced_and_reset(lab, alice, make_key, carol, refusal):
    made = make_key(alice, maxBudget=0.0001)
    assert lab.ask(made["key"]).status_code == 200

    def refused() -> bool:
        return lab.ask(made["key"]).status_code == 400

    wait.until(refused, what="the budget's end", timeout=20)
    path = f"/api/v1/api-keys/{made['id']}"
    assert "users:write" in refusal(alice.post(f"{path}/reset-spend", json={}), 403)
    me = alice.get("/api/v1/auth/me").json()["id"]
    assert carol.post(f"/api/v1/admin/users/{me}/api-keys/{made['id']}/reset-spend", json={}).status_code == 200
    slow = make_key(alice, "slow", rpmLimit=1)
    # LiteLLM counts in a memory of 200 places: after a whole course has called, it forgets counters for a minute.
    wait.until(lambda: lab.ask(slow["key"]).status_code == 429, what="the limit of requests", timeout=90)


def test_defaults_and_maximums_of_keys(alice, carol, make_key, refusal):
    path = "/api/v1/admin/settings/api-key-defaults"
    chosen = {
        "defaults": {"maxBudget": 10, "tpmLimit": 1000, "rpmLimit": 20, "budgetDuration": "monthly"},
        "maximums": {"maxBudget": 20, "tpmLimit": 5000, "rpmLimit": 60, "expirationDays": 30},
    }
    assert carol.put(path, json=chosen).status_code == 200
    try:
        made = make_key(alice)
        assert (made["maxBudget"], made["rpmLimit"], made["budgetDuration"]) == (10, 20, "monthly")
        assert made["expiresAt"] is not None
        over = {"modelIds": ["tiny"], "name": "too-big", "maxBudget": 500}
        told = refusal(alice.post("/api/v1/api-keys", json=over), 400, "VALIDATION_ERROR")
        assert told == "Quota limits exceeded: maxBudget: 500 exceeds maximum 20"
        for change in ({"maxBudget": 500}, {"maxBudget": None}, {"expiresAt": None}, {"rpmLimit": 61}):
            answer = alice.patch(f"/api/v1/api-keys/{made['id']}", json=change)
            assert "exceeds maximum" in refusal(answer, 400)
        never = over | {"maxBudget": None}
        assert "no limit exceeds" in refusal(alice.post("/api/v1/api-keys", json=never), 400)
    finally:
        assert carol.put(path, json={"defaults": {}, "maximums": {}}).json() == {"defaults": {}, "maximums": {}}


def test_an_administrator_keeps_the_keys_of_others(lab, alice, carol, make_key, refusal):
    me = alice.get("/api/v1/auth/me").json()["id"]
    path = f"/api/v1/admin/users/{me}/api-keys"
    made = carol.post(path, json={"modelIds": ["tiny"], "name": "given"}).json()
    assert lab.ask(made["key"]).status_code == 200
    assert carol.patch(f"{path}/{made['id']}", json={"isActive": False}).json()["blockedBy"] == "carol"
    told = refusal(alice.patch(f"/api/v1/api-keys/{made['id']}", json={"isActive": True}), 403)
    assert told == "This key was blocked by carol"
    fresh = alice.post(f"/api/v1/api-keys/{made['id']}/rotate", json={}).json()
    assert (fresh["isActive"], lab.ask(fresh["key"]).status_code) == (False, 401)  # no way round a block
    assert carol.delete(f"{path}/{made['id']}").status_code == 200
    assert carol.get(path).json()["data"] == []


def test_the_auditor_sees_all_and_changes_nothing(lab, alice, dave, make_key, refusal):
    me = alice.get("/api/v1/auth/me").json()["id"]
    for path in ("admin/users", "users", f"admin/users/{me}", f"admin/users/{me}/api-keys", "admin/subscriptions"):
        assert dave.get(f"/api/v1/{path}").status_code == 200, path
    for path in ("analytics", "by-user", "by-model", "by-provider", "by-key", "refresh-today", "export"):
        body = {} if path == "refresh-today" else DAYS
        assert dave.post(f"/api/v1/admin/usage/{path}", json=body).status_code == 200, path
    told = refusal(dave.patch(f"/api/v1/admin/users/{me}/budget-limits", json={"maxBudget": 1}), 403, "FORBIDDEN")
    assert told == "Access denied. Required permission: users:write"
    assert "models:write" in refusal(dave.post("/api/v1/models/sync", json={}), 403)


def test_the_tables_agree_with_each_other_and_with_the_gateway(lab, alice, carol, make_key):
    made = make_key(alice, "counted")
    answers = [lab.ask(made["key"]) for _ in range(3)]
    assert lab.ask(made["key"], "mistyped").status_code == 401
    total = sum(one.json()["usage"]["total_tokens"] for one in answers)
    only = DAYS | {"apiKeyIds": [made["id"]]}

    def whole() -> dict | bool:
        told = carol.post("/api/v1/admin/usage/analytics", json=only).json()
        return told["successfulRequests"] == 3 and told["failedRequests"] == 1 and told

    told = wait.until(whole, what="all calls to be booked", timeout=20)
    assert (told["totalRequests"], told["successRate"], told["totalTokens"]["total"]) == (4, 75.0, total)
    assert [one["modelId"] for one in told["topModels"]] == ["tiny"]  # a mistyped name is no model
    tables = {
        name: carol.post(f"/api/v1/admin/usage/by-{name}", json=only).json()["data"]
        for name in ("user", "model", "provider", "key")
    }
    for rows in tables.values():
        assert sum(row["metrics"]["tokens"]["total"] for row in rows) == total
        assert sum(row["metrics"]["cost"] for row in rows) == pytest.approx(told["totalCost"]["total"])
    assert tables["provider"][0]["provider"] == "openai"
    assert tables["user"][0]["metrics"]["apiKeys"][0]["keyName"] == "counted"
    named = carol.post("/api/v1/admin/usage/by-model", json=only | {"modelIds": ["openai/tiny"]}).json()
    assert named["data"] == tables["model"]

    def agreed() -> bool:
        """The gateway writes calls and days one after the other."""
        spent = pytest.approx(float(lab.sql('select sum(spend) from "LiteLLM_SpendLogs"', "litellm_db")))
        everything = carol.post("/api/v1/admin/usage/analytics", json=DAYS).json()
        return everything["totalCost"]["total"] == spent and sum(row["cost"] for row in hours()) == spent

    def hours() -> list[dict]:
        return carol.get("/api/v1/admin/usage/hours").json()["data"]

    wait.until(agreed, what="portal and gateway to agree", timeout=20)
    own = alice.get("/api/v1/usage/hours").json()["data"]
    assert 0 < sum(row["requests"] for row in own) <= sum(row["requests"] for row in hours())
    names = [one["username"] for one in carol.get("/api/v1/admin/usage/filter-options").json()["users"]]
    assert "alice" in names


def test_exports(alice, carol):
    told = carol.post("/api/v1/admin/usage/export", json=DAYS | {"format": "csv"})
    assert told.headers["content-type"].startswith("text/csv")
    header, *rows = told.text.split("\n")
    assert header.startswith("User ID,Username,Email,Total Requests,Total Tokens,Prompt Tokens,Completion Tokens,Total")
    assert any(row.split(",")[1] == "alice" for row in rows)
    assert {
        row["username"]
        for row in carol.post("/api/v1/admin/usage/export", json=DAYS | {"format": "json"}).json()["data"]
    }


def test_all_users_are_capped_at_once(lab, alice, carol):
    told = carol.post("/api/v1/admin/users/bulk-update-limits", json={"maxBudget": 75}).json()
    assert told["successCount"] == told["totalUsers"] > 1
    assert alice.get("/api/v1/usage/budget").json()["maxBudget"] == 75
    carol.post("/api/v1/admin/users/bulk-update-limits", json={"maxBudget": 100})
    me = alice.get("/api/v1/auth/me").json()["id"]
    assert carol.post(f"/api/v1/admin/users/{me}/reset-spend", json={}).json()["currentSpend"] == 0
    given = carol.post(f"/api/v1/admin/users/{me}/subscriptions", json={"modelIds": ["tiny"]}).json()
    assert (given["successful"], given["failed"]) == (0, 1)
