"""A whole course at once: everybody logs in, makes an application, calls the model, and each call is booked once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from maas_lab import wait

CALLS = 5


def test_fifty_learners_at_once(lab, tiny, crowd, carol):
    def learn(name: str) -> tuple[str, int]:
        with lab.as_(name) as http:
            made = http.post("/api/v1/subscriptions", json={"modelId": tiny})
            assert made.status_code == 201, made.text
            application = {"modelIds": [tiny], "name": f"app of {name}", "metadata": {"application": name}}
            key = http.post("/api/v1/api-keys", json=application)
            assert key.status_code == 201, key.text
            answers = [lab.ask(key.json()["key"], tokens=2) for _ in range(CALLS)]
            assert [one.status_code for one in answers] == [200] * CALLS, answers[-1].text
            return name, sum(one.json()["usage"]["total_tokens"] for one in answers)

    with ThreadPoolExecutor(len(crowd)) as pool:
        tokens = dict(pool.map(learn, crowd))
    today = datetime.now(UTC).date()
    span = {"startDate": (today - timedelta(days=1)).isoformat(), "endDate": today.isoformat(), "limit": 200}

    def booked() -> dict | bool:
        rows = carol.post("/api/v1/admin/usage/by-user", json=span).json()["data"]
        found = {row["username"]: row["metrics"] for row in rows if row["username"] in crowd}
        return sum(one["requests"] for one in found.values()) >= CALLS * len(crowd) and found

    found = wait.until(booked, what="every call to be booked", timeout=30)
    assert {name: one["requests"] for name, one in found.items()} == dict.fromkeys(crowd, CALLS)
    assert {name: one["tokens"]["total"] for name, one in found.items()} == tokens
    ids = ",".join(f"'{one}'" for one in _ids(carol, crowd))
    rows = f'from "LiteLLM_SpendLogs" where "user" = any(array[{ids}])'
    every = CALLS * len(crowd)

    def written() -> bool:  # the gateway writes days first, and then calls
        return int(lab.sql(f"select count(*) {rows}", "litellm_db")) >= every

    wait.until(written, what="every call's row", timeout=30)
    assert lab.sql(f"select count(*), count(distinct request_id) {rows}", "litellm_db") == f"{every}|{every}"


def _ids(carol, crowd: list[str]) -> list[str]:
    users = carol.get("/api/v1/admin/users").json()["users"]
    return [one["userId"] for one in users if one["username"] in crowd]
