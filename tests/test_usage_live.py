"""Usage on the running stack: through the gateway and from its database, the same, while others call."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import combinations

import httpx
import pandas as pd
import pytest

from maas_lab import usage, wait
from maas_lab.errors import NotFound
from maas_lab.usage_database import DatabaseError
from maas_lab.windows import Window
from tests import made_up

BOOKED_S = 40  # LiteLLM books at most half a minute after a call's end


@pytest.fixture
def lab(connected):
    return connected


class Traffic:
    """Calls of one test, and the ids under which they must be booked."""

    def __init__(self, lab):
        self.lab, self.tag, self.made, self.answered, self.calls = lab, uuid.uuid4().hex[:8], [], [], 0
        self.since = datetime.now(UTC) - timedelta(seconds=2)
        self.http = httpx.Client(base_url=lab.url, timeout=120, trust_env=False)

    @property
    def window(self):
        return Window(self.since, datetime.now(UTC), running=True)

    def key(self, name, **given):
        made = self.lab.gateway.create_key(f"{name} {self.tag}", models=[self.lab.model], **given)
        self.made.append(made)
        return made

    def call(self, secret, **body):
        told = {"model": self.lab.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, **body}
        answer = self.http.post("/chat/completions", json=told, headers={"Authorization": f"Bearer {secret}"})
        self.calls += 1
        if answer.is_success:
            self.answered.append(_id(answer))
        return answer

    def booked(self):
        """Return the rows of these calls, when all are booked."""

        def all_of_them():
            rows = self.lab.usage.rows(self.window)
            return [rows] if len(rows) >= self.calls and set(self.answered) <= set(rows["request_id"]) else []

        return wait.until(all_of_them, what="every call to be booked", timeout=BOOKED_S, every=1)[0]

    def end(self):
        self.http.close()
        self.lab.gateway.delete_key(*self.made)


def _id(answer):
    return json.loads(answer.text.removeprefix("data: ").splitlines()[0])["id"]


@pytest.fixture
def traffic(lab):
    made = Traffic(lab)
    yield made
    made.end()


@pytest.fixture
def colleagues(traffic):
    """Make a user and a team at the gateway; both are deleted at the end."""
    post = lambda path, body: traffic.lab.gateway.rest.call("POST", path, json=body)  # noqa: E731
    user = post("/user/new", {"user_id": f"u {traffic.tag}", "user_alias": "Ada", "auto_create_key": False})["user_id"]
    team = post("/team/new", {"team_alias": f"Support {traffic.tag}"})["team_id"]
    yield user, team
    post("/team/delete", {"team_ids": [team]})
    post("/user/delete", {"user_ids": [user]})


def test_the_database_shows_what_the_gateway_shows(lab, traffic, colleagues):
    user, team = colleagues
    key = traffic.key("plain", application="Shop", team="Sales", user=user)
    secret = key.reveal()
    assert traffic.call(secret).is_success
    assert traffic.call(secret, stream=True).is_success
    assert traffic.call(secret, stream=True, stream_options={"include_usage": True}).is_success
    assert traffic.call(secret, model="no-such-model").status_code == 401
    poor = traffic.key("poor", max_budget=1e-9)
    traffic.call(poor.reveal())
    assert wait.until(lambda: traffic.call(poor.reveal()).status_code != 200, what="the budget", timeout=30)
    slow = traffic.key("slow", rpm_limit=1)
    assert [traffic.call(slow.reveal()).status_code for _ in range(2)][1] == 429
    teamed = lab.gateway.rest.call("POST", "/key/generate", json={"key_alias": f"t {traffic.tag}", "team_id": team})
    assert traffic.call(teamed["key"]).is_success
    lab.gateway.delete_key(teamed["token"], key)
    sent = made_up.key("other", "gsk_")
    for unknown in (made_up.key(traffic.tag), sent):
        assert traffic.call(unknown).status_code == 401
    traffic.booked()

    window, database = Window(traffic.since, datetime.now(UTC)), lab.usage_database()
    rows = lab.usage.rows(window)
    pd.testing.assert_frame_equal(database.rows(window), rows)
    for count in range(len(usage.DIMENSIONS) + 1):
        for by in combinations(usage.DIMENSIONS, count):
            pd.testing.assert_frame_equal(database.summary(window, by), usage.summary(rows, by))

    ours = rows[rows["key_hash"] == key.hash]
    assert set(map(tuple, ours[["application", "team", "user", "key"]].to_numpy())) == {
        ("Shop", "Sales", "Ada", f"plain {traffic.tag}")
    }
    assert list(ours["outcome"]) == ["answered"] * 3 + ["refused"]
    assert list(ours["streamed"].astype(object)) == [False, True, True, pd.NA]
    assert set(rows["outcome"]) >= {"answered", "budget exceeded", "rate limited", "refused"}
    (team_row,) = rows[rows["key_hash"] == teamed["token"]].to_dict("records")
    assert team_row["team"] == f"Support {traffic.tag}"
    assert usage.NO_KEY in set(rows["key"])
    assert sent not in rows.to_csv()


def test_no_row_is_lost_or_doubled_while_others_call(lab, traffic, tmp_path):
    """Read again and again through both sources and a file while calls are booked; in the end every call is there."""
    secret, seen, database = traffic.key("busy").reveal(), set(), lab.usage_database()
    until = time.monotonic() + 15

    def work(_):
        while time.monotonic() < until:
            # Refused ones are cheap, so there are many.
            traffic.call(secret, model=lab.model if traffic.calls % 20 == 0 else "no-such-model")

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, number) for number in range(4)]
        while not all(one.done() for one in working):
            for rows in (lab.usage.rows(traffic.window, keep=tmp_path / "rows"), database.rows(traffic.window)):
                assert rows["request_id"].is_unique
                assert seen <= set(rows["request_id"]), "what was booked once is in every later answer"
                seen = set(rows["request_id"])
    for one in working:
        one.result()
    rows = traffic.booked()
    ours = rows[rows["key"] == f"busy {traffic.tag}"]
    assert len(ours) == traffic.calls > 100
    assert set(traffic.answered) == set(ours[ours["outcome"] == "answered"]["request_id"])
    window = Window(traffic.since, datetime.now(UTC))
    pd.testing.assert_frame_equal(lab.usage.rows(window, keep=tmp_path / "rows"), database.rows(window))


def test_the_last_hours_and_an_empty_day_are_the_same_from_both(lab):
    empty, database = usage.day("2020-01-01", "Asia/Kolkata"), lab.usage_database()
    for by in ([], ["hour", "key"], list(usage.DIMENSIONS)):
        pd.testing.assert_frame_equal(database.summary(empty, by), lab.usage.summary(empty, by))
    pd.testing.assert_frame_equal(database.rows(empty), usage.empty_rows())
    assert list(database.summary(empty, [])["hits"]) == [0]


def test_the_database_is_only_read(lab):
    database = lab.usage_database()
    with pytest.raises(DatabaseError, match="refused"), database._cursor() as cursor:
        cursor.execute('delete from "LiteLLM_SpendLogs"')


def test_what_is_wrong_with_a_database_is_said_without_its_password(lab, stack):
    url = stack.platform.database_url().reveal()
    password = url.split(":")[2].split("@")[0]
    window = usage.last(1)
    for wrong, what in (
        (url.replace("litellm_db", "litemaas_db"), "not the database of a LiteLLM gateway"),
        (url.replace("litellm_db", "no_such_db"), "cannot be read"),
        (url.replace(password, "wrong"), "cannot be read"),
    ):
        with pytest.raises(DatabaseError, match=what) as caught:
            usage.DatabaseUsage(wrong).rows(window)
        assert caught.value.hint
        assert password not in "".join(caught.value.lines())
        assert caught.value.__cause__ is None
    with pytest.raises(DatabaseError, match="cannot be read") as caught:
        lab.usage_database("127.0.0.1", 1).summary(window)
    assert "port-forward" in caught.value.hint
    assert password not in repr(lab.usage_database())


def test_a_platform_that_does_not_name_its_database_says_whom_to_ask(lab):
    lab._platform.facts = {name: one for name, one in lab._platform.facts.items() if "database" not in name}
    with pytest.raises(NotFound, match="where its database is") as caught:
        lab.usage_database()
    assert "lab.usage" in caught.value.hint
    with suppress(NotFound):
        lab.usage.rows(usage.last(1))
