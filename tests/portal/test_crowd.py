"""A whole course at once: everybody logs in, makes an application, calls the model, and each call is booked once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from maas_lab import wait

CALLS = 5


@pytest.fixture(scope="module")
def tokens(lab, tiny, before) -> Iterator[dict[str, int]]:
    """What each learner's calls have used, as the gateway told them."""
    keys = {}

    def learn(name: str) -> tuple[str, int]:
        with lab.as_(name) as http:
            made = http.post("/api/v1/subscriptions", json={"modelId": tiny})
            assert made.status_code in (201, 409), made.text
            application = {"modelIds": [tiny], "name": f"app of {name}", "metadata": {"application": name}}
            key = http.post("/api/v1/api-keys", json=application)
            assert key.status_code == 201, key.text
            keys[name] = key.json()["id"]
            answers = [lab.ask(key.json()["key"], tokens=2) for _ in range(CALLS)]
            assert [one.status_code for one in answers] == [200] * CALLS, answers[-1].text
            return name, sum(one.json()["usage"]["total_tokens"] for one in answers)

    assert lab.learners
    with ThreadPoolExecutor(len(lab.learners)) as pool:
        yield dict(pool.map(learn, lab.learners))
    for name, key in keys.items():
        with lab.as_(name) as http:
            http.delete(f"/api/v1/api-keys/{key}")


def test_every_call_of_a_course_is_booked(before, tokens, carol):
    found = wait.until(lambda: _booked(carol, before, len(tokens)), what="every call to be booked", timeout=60, every=1)
    assert {name: one[0] for name, one in found.items()} == dict.fromkeys(tokens, CALLS)
    assert {name: one[1] for name, one in found.items()} == tokens


@pytest.fixture(scope="module")
def before(lab) -> dict[str, tuple[int, int]]:
    """What was booked before: the course may have been here already."""
    with lab.as_("carol") as http:
        return _usage(http)


def _booked(http, before: dict, learners: int) -> dict | bool:
    """Return the requests and tokens that have come since, by learner, when they are all there."""
    new = {
        name: (requests - before.get(name, (0, 0))[0], tokens - before.get(name, (0, 0))[1])
        for name, (requests, tokens) in _usage(http).items()
    }
    return sum(one[0] for one in new.values()) >= CALLS * learners and new


def _usage(http) -> dict[str, tuple[int, int]]:
    http.post("/api/v1/admin/usage/refresh-today", json={})
    today = datetime.now(UTC).date()
    span = {"startDate": (today - timedelta(days=1)).isoformat(), "endDate": today.isoformat(), "limit": 200}
    rows = http.post("/api/v1/admin/usage/by-user", json=span).json()["data"]
    learners = [row for row in rows if row["username"].startswith("learner")]
    return {row["username"]: (row["metrics"]["requests"], row["metrics"]["tokens"]["total"]) for row in learners}


@pytest.mark.ours("looks into the gateway's database")
def test_no_call_of_a_course_is_written_twice(lab, tokens, carol):
    ids = ",".join(f"'{one}'" for one in _ids(carol, tokens))
    rows = f'from "LiteLLM_SpendLogs" where "user" = any(array[{ids}])'
    every = CALLS * len(tokens)

    def written() -> bool:  # the gateway writes days first, and then calls
        return int(lab.sql(f"select count(*) {rows}", "litellm_db")) >= every

    wait.until(written, what="every call's row", timeout=30)
    assert lab.sql(f"select count(*), count(distinct request_id) {rows}", "litellm_db") == f"{every}|{every}"


def _ids(carol, names: dict[str, int]) -> list[str]:
    users = carol.get("/api/v1/admin/users").json()["users"]
    return [one["userId"] for one in users if one["username"] in names]
