"""The database and the gateway's API lead to the same frames, whatever stands in LiteLLM's tables."""

import random
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pandas as pd
import psycopg
import pytest
from psycopg.types.json import Jsonb

from maas_lab import usage
from tests import made_up
from tests.spend_log import BEGUN, SpendLog, booked, key, stamp

WINDOW = usage.Window(BEGUN, BEGUN + timedelta(hours=3))
KEYS = [f"{number:064x}" for number in range(1, 7)]


@pytest.fixture
def database(fresh_database, runtime):
    """An empty database with LiteLLM's tables."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        for file in sorted(runtime.migrations.glob("*/migration.sql")):
            connection.execute(file.read_text())
        yield connection, usage.DatabaseUsage(fresh_database)


def insert(connection, table, row):
    columns = ", ".join(f'"{name}"' for name in row)
    values = [Jsonb(one) if isinstance(one, dict | list) else one for one in row.values()]
    connection.execute(f'insert into "{table}" ({columns}) values ({", ".join(["%s"] * len(row))})', values)


def fill(connection, log):
    """Write what the gateway would tell into its tables."""
    for row in log.rows:
        times = {name: datetime.fromisoformat(row[name]).replace(tzinfo=None) for name in ("startTime", "endTime")}
        insert(connection, "LiteLLM_SpendLogs", row | times)
    for table, name in (("LiteLLM_VerificationToken", "keys"), ("LiteLLM_DeletedVerificationToken", "deleted")):
        for row in log.lists.get(name, []):
            insert(connection, table, row | {"created_at": row["created_at"] and row["created_at"].rstrip("Z")})
    for row in log.lists.get("users", []):
        insert(connection, "LiteLLM_UserTable", row)
    for row in log.lists.get("teams", []):
        insert(connection, "LiteLLM_TeamTable", row)


def lists():
    labels = [{"application": "shop", "team": "Sales"}, {}, {"application": "", "team": "Sales"}, {"application": 7}]
    keys = [key(number + 1, metadata=one) for number, one in enumerate(labels)]
    keys[0] |= {"user_id": "u1", "team_id": "t2"}
    keys[1] |= {"user_id": "gone", "team_id": "gone", "key_alias": None}
    later = stamp(BEGUN + timedelta(days=1))
    deleted = [
        key(5, id="first", metadata={"application": "first life"}),
        key(5, id="second", metadata={"application": "second life"}, created_at=later),
        key(5, id="third", metadata={"application": "nobody knows when"}, created_at=None),
        key(1, id="former", metadata={"application": "former"}, created_at=later),
    ]
    users = [("u1", "Ada", None), ("u2", "", "b@example.com"), ("u3", None, None)]
    teams = [("t1", "Support"), ("t2", "Care"), ("t3", None)]
    return {
        "keys": keys,
        "deleted": deleted,
        "users": [dict(zip(("user_id", "user_alias", "user_email"), one, strict=True)) for one in users],
        "teams": [dict(zip(("team_id", "team_alias"), one, strict=True)) for one in teams],
    }


def any_row(number, chance):
    """A row of whatever kind; the columns that LiteLLM lets be empty are, sometimes."""
    codes = [{"error_code": code} for code in ("429", "503", "400", 429, None)]
    error = chance.choice([None, {}, {"error_class": "BudgetExceededError"}, *codes])
    told = {"user_api_key_alias": chance.choice([None, "", "booked name"]), "error_information": error}
    told["user_api_key_team_alias"] = chance.choice([None, "", "booked team"])
    return booked(
        number,
        chance.randrange(-600_000, 11_400_000) / 1000,
        api_key=chance.choice([*KEYS, "", made_up.key("other", "gsk_")]),
        spend=chance.choice([0.0, 6e-06, 0.1, -0.25, 1e-12, 123456.789, 1e22, chance.random(), chance.random() / 1e9]),
        total_tokens=chance.choice([0, 18, 2**31 - 1]),
        status=chance.choice(["success", "success", "failure", None, ""]),
        model_group=chance.choice(["granite", "", None]),
        model=chance.choice(["hosted_vllm/granite", "openai/hosted_vllm/x", "granite, \"8b\"\n", ""]),
        user=chance.choice(["u1", "u2", "u3", "gone", "", None]),
        team_id=chance.choice(["t1", "t2", "t3", "gone", "", None]),
        cache_hit=chance.choice(["None", "False", "True", None]),
        cache_key=chance.choice(["Cache OFF", "on", None]),
        call_type=chance.choice(["acompletion", "atext_completion", "aembedding", ""]),
        metadata=chance.choice([told, told, told, {}, None]),
    )  # fmt: skip


def test_whatever_is_booked_both_ways_show_the_same(database):
    connection, source = database
    chance = random.Random(5)
    log = SpendLog([any_row(number, chance) for number in range(600)], **lists())
    fill(connection, log)
    rows = usage.GatewayUsage(log.gateway).rows(WINDOW)
    assert 500 < len(rows) < 600, "some lie outside"
    pd.testing.assert_frame_equal(source.rows(WINDOW), rows)
    for count in range(len(usage.DIMENSIONS) + 1):
        for by in combinations(usage.DIMENSIONS, count):
            pd.testing.assert_frame_equal(source.summary(WINDOW, by), usage.summary(rows, by))
    assert {"Ada", "b@example.com", "u3", "gone", usage.NO_USER} <= set(rows["user"])
    assert {"Support", "Care", "t3", "gone", "Sales", "booked team", usage.NO_TEAM} <= set(rows["team"])
    assert {"shop", "second life", usage.UNLABELLED} == set(rows["application"])
    assert {"key 1", "key 5", "booked name", usage.NO_KEY} <= set(rows["key"])
    assert made_up.key("other", "gsk_") not in rows.to_csv()


def test_the_future_is_in_a_running_window_only(database):
    connection, source = database
    ahead = (datetime.now(UTC) - BEGUN).total_seconds() + 600
    log = SpendLog([booked(1, ahead), booked(2, ahead - 700)])
    fill(connection, log)
    for window, count in ((usage.last(1), 2), (usage.Window(usage.last(1).since, datetime.now(UTC)), 1)):
        pd.testing.assert_frame_equal(source.rows(window), usage.GatewayUsage(log.gateway).rows(window))
        assert source.summary(window, [])["hits"].sum() == count


def test_the_right_to_read_five_tables_is_needed_and_enough(database):
    connection, source = database
    connection.execute("revoke all on all tables in schema public from current_user")
    with pytest.raises(usage.DatabaseError, match="refuses to be read") as caught:
        source.rows(WINDOW)
    assert "GRANT SELECT" in caught.value.hint
    tables = ("SpendLogs", "VerificationToken", "DeletedVerificationToken", "UserTable", "TeamTable")
    named = ", ".join(f'"LiteLLM_{one}"' for one in tables)
    connection.execute(f"grant select on {named} to current_user")
    assert source.rows(WINDOW).empty
    assert list(source.summary(WINDOW, [])["hits"]) == [0]
