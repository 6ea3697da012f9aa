"""What people do at the portal, from login to invoice, against real database, gateway and model."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from maas_lab import wait

TODAY = datetime.now(UTC).date()
DAYS = {"startDate": (TODAY - timedelta(days=1)).isoformat(), "endDate": (TODAY + timedelta(days=1)).isoformat()}
PROVIDERS = ("hosted_vllm", "openai")  # ours, so that cached prompt tokens are billed, and LiteMaaS's


def test_everybody_logs_in_with_the_roles_of_their_groups(lab):
    roles = {"alice": ["user"], "carol": ["user", "admin"], "dave": ["user", "admin-readonly"]}
    for name, expected in roles.items():
        with lab.as_(name) as http:
            me = http.get("/api/v1/auth/me").json()
        assert (me["username"], me["roles"]) == (name, expected)
        assert me["name"]


def test_the_catalog_is_public_and_tells_prices(lab, tiny):
    with lab.http() as http:
        told = http.get("/api/v1/models").json()
        (model,) = [one for one in told["data"] if one["id"] == tiny]
        assert http.get(f"/api/v1/models/{tiny}").json()["id"] == tiny
        assert http.get("/api/v1/models?search=nothing").json()["data"] == []
        config = http.get("/api/v1/config").json()
    assert (model["inputCostPerToken"], model["outputCostPerToken"]) == (0.001, 0.002)
    assert (model["backendModelName"], model["maxTokens"]) == (lab.model.served, 512)
    assert model["provider"] in PROVIDERS
    assert model["restrictedAccess"] is False
    assert told["pagination"]["page"] == 1
    assert config["version"].startswith("0.4")
    assert config["litellmApiUrl"].rstrip("/") == lab.gateway


@pytest.mark.ours("LiteMaaS says that a price is per thousand tokens, and means one")
def test_the_catalog_says_what_a_price_is_for(lab, tiny):
    with lab.http() as http:
        told = http.get(f"/api/v1/models/{tiny}").json()["pricing"]
    assert told == {"input": 0.001, "output": 0.002, "unit": "per_token"}


def test_what_the_gateway_offers_comes_into_the_catalog(lab, tiny, carol, described):
    body = {"model_name": "elsewhere", "litellm_params": {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1"}}
    master = {"Authorization": f"Bearer {lab.gateway_key}"}
    made = carol.post(f"{lab.gateway}/model/new", json=body, headers=master).json()
    assert carol.post("/api/v1/models/sync", json={}).json()["success"]
    assert "elsewhere" in _offered(carol)
    carol.post(f"{lab.gateway}/model/delete", json={"id": made["model_id"]}, headers=master)
    assert carol.post("/api/v1/models/sync", json={}).json()["unavailableModels"] >= 1
    assert "elsewhere" not in _offered(carol)


def _offered(http) -> set[str]:
    return {one["id"] for one in http.get("/api/v1/models?limit=100").json()["data"] if one["isActive"]}


def test_an_administrator_changes_and_deletes_a_model(carol, described):
    assert carol.post("/api/v1/admin/models", json=described("brief")).status_code == 201
    assert carol.post("/api/v1/admin/models", json=described("brief")).status_code in (400, 409)
    dearer = described("brief", input_cost_per_token=0.5, restrictedAccess=True)
    assert carol.put("/api/v1/admin/models/brief", json=dearer).status_code == 200
    model = carol.get("/api/v1/models/brief").json()
    assert (model["inputCostPerToken"], model["restrictedAccess"]) == (0.5, True)
    assert carol.delete("/api/v1/admin/models/brief").status_code == 200
    assert "brief" not in _offered(carol)
    test = {key: described("x")[key] for key in ("api_base", "api_key", "backend_model_name")}
    assert carol.post("/api/v1/admin/models/test", json=test).json()["result"] == "model_found"
    other = test | {"backend_model_name": "other"}
    assert carol.post("/api/v1/admin/models/test", json=other).json()["result"] != "model_found"
    nobody = test | {"api_base": "http://127.0.0.1:9/v1"}
    assert carol.post("/api/v1/admin/models/test", json=nobody).json()["result"] != "model_found"


def test_a_key_from_subscription_to_spend(lab, alice, make_key, refusal, carol):
    told = refusal(alice.post("/api/v1/subscriptions", json={"modelId": "tiny"}), 409, "ALREADY_EXISTS")
    assert told == "Subscription with modelId 'tiny' already exists"
    before = alice.get("/api/v1/usage/budget").json()
    limits = {"maxBudget": 5, "tpmLimit": 100_000, "rpmLimit": 100, "budgetDuration": "monthly"}
    made = make_key(alice, **limits, metadata={"application": "My GenAI App"})
    assert made["key"].startswith(made["keyPrefix"])
    assert made["isActive"]
    used, cost = _asked(lab, made["key"])
    key = wait.until(lambda: _spent(alice), what="the key's spend", timeout=30)
    assert key["currentSpend"] == pytest.approx(cost)
    assert {name: key[name] for name in limits} == limits
    assert (key["metadata"], "key" in key) == ({"application": "My GenAI App"}, False)
    budget = alice.get("/api/v1/usage/budget").json()
    assert budget["maxBudget"] == 100
    assert budget["currentSpend"] == pytest.approx(before["currentSpend"] + cost)

    def told_by_day() -> dict | bool:  # the gateway writes a key's spend first, and then the day's
        carol.post("/api/v1/admin/usage/refresh-today", json={})
        told = alice.post("/api/v1/usage/analytics", json=DAYS).json()
        return told["totalTokens"]["total"] >= used["total_tokens"] and told

    own = wait.until(told_by_day, what="the day's usage", timeout=60, every=1)
    assert own["totalTokens"]["prompt"] + own["totalTokens"]["completion"] == own["totalTokens"]["total"]


def _asked(lab, key: str) -> tuple[dict, float]:
    """Call the model, and return what was used and what it costs."""
    answer = lab.ask(key)
    assert answer.status_code == 200, answer.text
    used = answer.json()["usage"]
    return used, 0.001 * used["prompt_tokens"] + 0.002 * used["completion_tokens"]


def _spent(http) -> dict | bool:
    """Return a user's only key when its spend is booked."""
    (key,) = http.get("/api/v1/api-keys").json()["data"]
    return key["currentSpend"] > 0 and key


@pytest.mark.ours("LiteMaaS counts prompts and answers twice, names models by their servers' names, counts no quotas")
def test_what_a_key_used_is_told_alike_everywhere(lab, alice, make_key, carol):
    key = make_key(alice, metadata={"application": "My GenAI App"})
    used, cost = _asked(lab, key["key"])
    only = DAYS | {"apiKeyIds": [key["id"]]}

    def booked() -> dict | bool:
        told = alice.post("/api/v1/usage/analytics", json=only).json()
        return told["totalRequests"] > 0 and told

    own = wait.until(booked, what="the day's usage", timeout=20)
    tokens = {name: used[f"{name}_tokens"] for name in ("total", "prompt", "completion")}
    assert (own["totalRequests"], own["totalTokens"]) == (1, tokens)
    assert own["totalCost"]["byModel"] == {"tiny": pytest.approx(cost)}
    whole = carol.post("/api/v1/admin/usage/analytics", json=only).json()
    assert whole["totalTokens"] == tokens
    assert whole["topMetrics"]["topApiKey"]["application"] == "My GenAI App"
    (subscription,) = [one for one in alice.get("/api/v1/subscriptions").json()["data"] if one["modelId"] == "tiny"]
    assert subscription["usedTokens"] >= used["total_tokens"]
    quota = alice.get(f"/api/v1/subscriptions/{subscription['id']}/quota").json()
    assert quota["tokens"]["used"] == subscription["usedTokens"]


def test_a_deleted_key_is_dead(lab, alice, make_key):
    made = make_key(alice, "short-lived")
    assert lab.ask(made["key"]).status_code == 200
    assert alice.delete(f"/api/v1/api-keys/{made['id']}").status_code == 200
    assert lab.ask(made["key"]).status_code == 401


@pytest.mark.ours("LiteMaaS files what a deleted key spent under an unknown user")
def test_spend_stays_with_its_owner_when_the_key_goes(lab, alice, make_key, carol):
    made = make_key(alice, "short-lived")
    total = lab.ask(made["key"]).json()["usage"]["total_tokens"]
    assert alice.delete(f"/api/v1/api-keys/{made['id']}").status_code == 200

    def rows() -> list:
        body = DAYS | {"apiKeyIds": [made["id"]]}
        return carol.post("/api/v1/admin/usage/by-user", json=body).json()["data"]

    (row,) = wait.until(rows, what="the deleted key's usage", timeout=20)
    assert (row["username"], row["metrics"]["tokens"]["total"]) == ("alice", total)


@pytest.mark.ours("LiteMaaS has no switch that blocks, and forgets the limits that a change leaves out")
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


def test_a_key_ends_when_it_was_told_to(lab, alice, make_key):
    soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made = make_key(alice, expiresAt=soon)
    assert lab.ask(made["key"]).status_code == 200
    wait.until(lambda: lab.ask(made["key"]).status_code in (400, 401), what="the key's end", timeout=90)


@pytest.mark.ours("LiteMaaS shows no key of its own path, and goes on calling an expired key active")
def test_an_expired_key_says_so(alice, make_key, refusal):
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
    asked = {"statuses": ["pending"], "modelIds": [guarded], "userIds": [made["userId"]]}
    (waiting,) = carol.get("/api/v1/admin/subscriptions", params=asked).json()["data"]
    assert (waiting["id"], waiting["user"]["username"]) == (made["id"], "alice")
    assert (waiting["model"]["id"], waiting["model"]["restrictedAccess"]) == (guarded, True)
    for name, other in (("statuses", "active"), ("modelIds", "tiny"), ("userIds", str(uuid.uuid4()))):
        assert carol.get("/api/v1/admin/subscriptions", params=asked | {name: [other]}).json()["data"] == []
    assert carol.get("/api/v1/admin/subscriptions/stats").json()["pendingCount"] >= 1
    assert _decided(carol, "deny", made["id"]) == {"successful": 1, "failed": 0, "errors": []}
    told = alice.get(f"/api/v1/subscriptions/{made['id']}").json()
    assert told["status"] == "denied"
    assert alice.post(f"/api/v1/subscriptions/{made['id']}/request-review", json={}).json()["status"] == "pending"
    unknown = str(uuid.uuid4())
    told = _decided(carol, "approve", made["id"], unknown)
    assert (told["successful"], told["failed"]) == (1, 1)
    assert told["errors"] == [{"subscription": unknown, "error": "Subscription not found"}]
    key = alice.post("/api/v1/api-keys", json=body).json()
    assert lab.ask(key["key"], guarded).status_code == 200
    _decided(carol, "deny", made["id"])
    assert lab.ask(key["key"], guarded).status_code in (401, 403)
    refusal(carol.post("/api/v1/admin/subscriptions/deny", json={"subscriptionIds": [made["id"]]}), 400)


def _decided(http, verb: str, *ids: str) -> dict:
    return http.post(f"/api/v1/admin/subscriptions/{verb}", json={"subscriptionIds": ids, "reason": "because"}).json()


@pytest.mark.ours("at LiteMaaS a decision that is reverted leaves keys open, and cancelling makes a denial undone")
def test_a_decision_that_is_changed(lab, bob, carol, guarded, refusal):
    made = bob.post("/api/v1/subscriptions", json={"modelId": guarded}).json()
    _decided(carol, "approve", made["id"])
    key = bob.post("/api/v1/api-keys", json={"modelIds": [guarded], "name": "plan"}).json()
    assert lab.ask(key["key"], guarded).status_code == 200
    path = f"/api/v1/admin/subscriptions/{made['id']}"
    told = carol.post(f"{path}/revert", json={"newStatus": "pending"}).json()
    assert (told["status"], told["user"]["username"]) == ("pending", "bob")
    assert lab.ask(key["key"], guarded).status_code == 401
    assert "same status" in refusal(carol.post(f"{path}/revert", json={"newStatus": "pending"}), 400)
    told = bob.patch(f"/api/v1/api-keys/{key['id']}", json={"isActive": True})
    assert "active subscriptions" in refusal(told, 400)
    own = f"/api/v1/subscriptions/{made['id']}"
    _decided(carol, "deny", made["id"])
    assert bob.get(own).json()["statusReason"] == "because"
    assert "denied" in refusal(bob.post(f"{own}/cancel"), 400)
    assert bob.post(f"{own}/request-review").json()["status"] == "pending"
    assert bob.post(f"{own}/request-review").json()["status"] == "pending"
    assert bob.post(f"{own}/cancel").json()["status"] == "inactive"
    assert "already inactive" in refusal(bob.post(f"{own}/cancel"), 400)
    assert "inactive" in refusal(bob.post(f"{own}/request-review"), 400)
    assert carol.delete(path).json() == {"success": True}
    refusal(bob.get(own), 404)


def test_a_cancelled_subscription_closes_its_model_and_no_other(lab, bob, offer, tiny):
    with offer("second"):
        made = bob.post("/api/v1/subscriptions", json={"modelId": "second"}).json()
        key = bob.post("/api/v1/api-keys", json={"modelIds": [tiny, "second"], "name": "both"}).json()["key"]
        assert [lab.ask(key, one).status_code for one in (tiny, "second")] == [200, 200]
        assert bob.post(f"/api/v1/subscriptions/{made['id']}/cancel").json()["status"] == "inactive"
        assert lab.ask(key, tiny).status_code == 200
        assert lab.ask(key, "second").status_code in (401, 403)
        assert made["id"] not in {one["id"] for one in bob.get("/api/v1/subscriptions").json()["data"]}
        assert bob.post("/api/v1/subscriptions", json={"modelId": "second"}).json()["status"] == "active"


@pytest.mark.ours("nothing in LiteMaaS ends a subscription that has expired")
def test_an_expired_subscription_closes_its_model(lab, bob, offer, tiny, refusal):
    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    with offer("brief-offer"):
        made = bob.post("/api/v1/subscriptions", json={"modelId": "brief-offer", "expiresAt": soon}).json()
        key = bob.post("/api/v1/api-keys", json={"modelIds": [tiny, "brief-offer"], "name": "both"}).json()["key"]
        assert lab.ask(key, "brief-offer").status_code == 200
        wait.until(lambda: lab.ask(key, "brief-offer").status_code == 401, what="the subscription's end", timeout=30)
        assert lab.ask(key, tiny).status_code == 200
        assert bob.get(f"/api/v1/subscriptions/{made['id']}").json()["status"] == "expired"
        again = bob.post("/api/v1/api-keys", json={"modelIds": ["brief-offer"], "name": "again"})
        assert "active subscriptions" in refusal(again, 400)
        again = bob.post("/api/v1/subscriptions", json={"modelId": "brief-offer"}).json()
        assert (again["id"], again["status"], again["expiresAt"]) == (made["id"], "active", None)


def test_a_second_key_does_not_beat_a_users_cap(lab, bob, carol, make_key):
    user = bob.get("/api/v1/auth/me").json()["id"]
    path = f"/api/v1/admin/users/{user}"
    first = make_key(bob, "first")
    assert lab.ask(first["key"]).status_code == 200
    wait.until(lambda: bob.get("/api/v1/usage/budget").json()["currentSpend"] > 0, what="bob's spend", timeout=20)
    assert carol.patch(f"{path}/budget-limits", json={"maxBudget": 0.00001}).status_code == 200
    try:
        for key in (first["key"], make_key(bob, "second")["key"]):
            answer = lab.ask(key)
            assert answer.status_code in (400, 422)
            assert answer.json()["error"]["type"] == "budget_exceeded"
    finally:
        carol.patch(f"{path}/budget-limits", json={"maxBudget": 100, "tpmLimit": 100_000, "rpmLimit": 120})
    assert lab.ask(first["key"]).status_code == 200
    detail = carol.get(path).json()
    assert (detail["username"], detail["maxBudget"], detail["activeApiKeysCount"]) == ("bob", 100, 2)


@pytest.mark.ours("LiteMaaS shows two decimals of a cap")
def test_a_cap_is_shown_as_it_is(bob, carol, refusal):
    path = f"/api/v1/admin/users/{bob.get('/api/v1/auth/me').json()['id']}"
    try:
        for span in ("daily", "1d"):
            body = {"maxBudget": 0.00001, "budgetDuration": span}
            for told in (carol.patch(f"{path}/budget-limits", json=body).json(), carol.get(path).json()):
                assert (told["maxBudget"], told["budgetDuration"]) == (0.00001, span)
        never = carol.patch(f"{path}/budget-limits", json={"maxBudget": None})
        assert "can be changed, not taken away" in refusal(never, 400)
    finally:
        carol.patch(f"{path}/budget-limits", json={"maxBudget": 100})


def test_key_limits_are_enforced(lab, alice, make_key):
    made = make_key(alice, maxBudget=0.0001)
    assert lab.ask(made["key"]).status_code == 200

    def refused() -> bool:
        return lab.ask(made["key"]).status_code in (400, 422)

    wait.until(refused, what="the budget's end", timeout=20)
    slow = make_key(alice, "slow", rpmLimit=1)
    # LiteLLM counts in a memory of 200 places: after a whole course has called, it forgets counters for a minute.
    wait.until(lambda: lab.ask(slow["key"]).status_code == 429, what="the limit of requests", timeout=90)


@pytest.mark.ours("who may reset what is not known of LiteMaaS")
def test_only_an_administrator_resets_a_keys_spend(alice, make_key, carol, refusal):
    made = make_key(alice)
    assert "users:write" in refusal(alice.post(f"/api/v1/api-keys/{made['id']}/reset-spend", json={}), 403)
    me = alice.get("/api/v1/auth/me").json()["id"]
    assert carol.post(f"/api/v1/admin/users/{me}/api-keys/{made['id']}/reset-spend", json={}).status_code == 200


def test_defaults_and_maximums_of_keys(alice, carol, make_key, refusal):
    path = "/api/v1/admin/settings/api-key-defaults"
    chosen = {
        "defaults": {"maxBudget": 10, "tpmLimit": 1000, "rpmLimit": 20, "budgetDuration": "monthly"},
        "maximums": {"maxBudget": 20, "tpmLimit": 5000, "rpmLimit": 60, "expirationDays": 30},
    }
    assert carol.put(path, json=chosen).status_code == 200
    try:
        made = make_key(alice, maxBudget=10, rpmLimit=20, tpmLimit=1000)
        over = {"modelIds": ["tiny"], "name": "too-big", "maxBudget": 500}
        told = refusal(alice.post("/api/v1/api-keys", json=over), 400, "VALIDATION_ERROR")
        assert told == "Quota limits exceeded: maxBudget: 500 exceeds maximum 20"
        told = refusal(alice.patch(f"/api/v1/api-keys/{made['id']}", json={"maxBudget": 500}), 400)
        assert "exceeds maximum" in told
    finally:
        assert carol.put(path, json={"defaults": {}, "maximums": {}}).is_success


@pytest.mark.ours("whether LiteMaaS fills defaults in, and what it takes for no limit, is not known")
def test_no_limit_is_above_every_maximum(alice, carol, make_key, refusal):
    path = "/api/v1/admin/settings/api-key-defaults"
    chosen = {
        "defaults": {"maxBudget": 10, "tpmLimit": 1000, "rpmLimit": 20, "budgetDuration": "monthly"},
        "maximums": {"maxBudget": 20, "tpmLimit": 5000, "rpmLimit": 60, "expirationDays": 30},
    }
    assert carol.put(path, json=chosen).json() == chosen
    try:
        made = make_key(alice)
        assert (made["maxBudget"], made["rpmLimit"], made["budgetDuration"]) == (10, 20, "monthly")
        assert made["expiresAt"] is not None
        over = {"modelIds": ["tiny"], "name": "too-big", "maxBudget": 500}
        for change in ({"maxBudget": 500}, {"maxBudget": None}, {"expiresAt": None}, {"rpmLimit": 61}):
            answer = alice.patch(f"/api/v1/api-keys/{made['id']}", json=change)
            assert "exceeds maximum" in refusal(answer, 400)
        never = over | {"maxBudget": None}
        assert "no limit exceeds" in refusal(alice.post("/api/v1/api-keys", json=never), 400)
    finally:
        assert carol.put(path, json={"defaults": {}, "maximums": {}}).json() == {"defaults": {}, "maximums": {}}


@pytest.mark.ours("LiteMaaS blocks no keys")
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
    for path in ("analytics", "by-user", "by-model", "by-provider", "refresh-today", "export"):
        body = {} if path == "refresh-today" else DAYS
        assert dave.post(f"/api/v1/admin/usage/{path}", json=body).status_code == 200, path
    refusal(dave.patch(f"/api/v1/admin/users/{me}/budget-limits", json={"maxBudget": 1}), 403)
    refusal(dave.post("/api/v1/models/sync", json={}), 403)


@pytest.mark.ours("LiteMaaS counts rejected calls, makes models of mistyped names, knows no hours and no keys")
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
    assert tables["provider"][0]["provider"] in PROVIDERS
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


def test_an_administrator_gives_subscriptions(alice, bob, carol, guarded, refusal):
    me = bob.get("/api/v1/auth/me").json()["id"]
    path = f"/api/v1/admin/users/{me}/subscriptions"
    mine = [one for one in bob.get("/api/v1/subscriptions").json()["data"] if one["modelId"] == guarded]
    for one in mine:
        carol.request("DELETE", f"/api/v1/admin/subscriptions/{one['id']}", json={})
    first = carol.post(path, json={"modelIds": ["tiny", guarded]}).json()
    assert first["alreadyActive"] == ["tiny"]
    (made,) = first["created"] + first["activated"]  # one that was given up is taken up again
    assert made["modelId"] == guarded
    assert carol.post(path, json={"modelIds": [guarded]}).json()["alreadyActive"] == [guarded]
    assert bob.post(f"/api/v1/subscriptions/{made['subscriptionId']}/cancel").is_success
    (again,) = carol.post(path, json={"modelIds": [guarded]}).json()["activated"]
    assert again == {"modelId": guarded, "subscriptionId": made["subscriptionId"], "previousStatus": "inactive"}
    bob.post(f"/api/v1/subscriptions/{made['subscriptionId']}/cancel")
    told = refusal(carol.post(path, json={"modelIds": ["no-such-model"]}), 400)
    assert told == "The following model IDs do not exist: no-such-model"
