"""The accountant at a million spend rows: the database read directly, beside the gateway's own API.

The rows are generated: real rows of this LiteLLM, one answered and one refused, are multiplied with other keys, times,
tokens and costs, so their metadata is as large as in reality. Each figure is that of a fresh Python process, which says
itself how long it took after its imports, and how large it became.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.measures import completion, platform
from maas_lab import wait
from maas_lab.errors import GatewayError
from maas_lab.gateway import Gateway
from maas_lab.local import LocalCluster
from maas_lab.platform import Platform

ROOT = Path(__file__).parents[1]
ROWS, DAYS, KEYS, DELETED, APPLICATIONS, TEAMS, USERS = 1_000_000, 30, 200, 20, 20, 6, 50
PATIENCE_S = 120
Table = tuple[str, list[str], list[list[str]]]
TITLE = f"usage: {ROWS:,} GENERATED spend rows over {DAYS} days, {APPLICATIONS} applications, {KEYS} keys"

MAKE_KEYS = """
insert into "LiteLLM_UserTable" (user_id, user_alias)
    select 'generated-user-' || n, 'Generated user ' || n from generate_series(0, %(users)s - 1) n;
create temporary table made as select n,
    encode(sha256(('generated' || n)::bytea), 'hex') as token, 'generated key ' || n as alias,
    'generated-user-' || (n %% %(users)s) as "user",
    jsonb_build_object('application', 'generated app ' || (n %% %(applications)s),
        'team', 'generated team ' || (n %% %(teams)s)) as metadata
    from generate_series(0, %(keys)s - 1) n;
insert into "LiteLLM_VerificationToken" (token, key_alias, user_id, metadata, created_at)
    select token, alias, "user", metadata, now() from made where n >= %(deleted)s;
insert into "LiteLLM_DeletedVerificationToken" (id, token, key_alias, user_id, metadata, created_at, deleted_at)
    select 'generated-' || n, token, alias, "user", metadata, now(), now() from made where n < %(deleted)s;
"""
MAKE_ROWS = """
with real as (select * from "LiteLLM_SpendLogs" where request_id = any(%(real)s)),
drawn as (select n, random() < 0.03 as is_refused, floor(random() * %(keys)s)::int as key,
    (5 + random() * 400)::int as prompt, (1 + random() * 300)::int as answer, floor(random() * 3)::int as model,
    -- Nobody works at night: the hour is drawn from a bell around noon.
    date_trunc('day', now() at time zone 'utc') - floor(random() * %(days)s) * interval '1 day'
        + ((random() + random() + random()) * 8 * 3600000)::int * interval '1 ms' as at
    from generate_series(1, %(rows)s) n offset 0)
insert into "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, total_tokens, prompt_tokens, completion_tokens,
    "startTime", "endTime", "completionStartTime", model, model_id, model_group, custom_llm_provider, api_base, "user",
    metadata, cache_hit, cache_key, request_tags, team_id, end_user, session_id, status)
select 'chatcmpl-generated-' || md5(drawn.n::text), r.call_type, made.token,
    case when is_refused then 0 else prompt * 2e-7 + answer * 6e-7 end,
    case when is_refused then 0 else prompt + answer end, case when is_refused then 0 else prompt end,
    case when is_refused then 0 else answer end, at, at + answer * interval '9 ms', at + answer * interval '9 ms',
    case when is_refused then 'generated-model-' || drawn.model else r.model end, r.model_id,
    case when is_refused then '' else 'generated-model-' || drawn.model end, r.custom_llm_provider, r.api_base,
    case when is_refused then '' else made."user" end,
    r.metadata || jsonb_build_object('user_api_key', made.token, 'user_api_key_alias', made.alias),
    r.cache_hit, r.cache_key, r.request_tags, '', '', md5(random()::text), r.status
from drawn join made on made.n = drawn.key join real as r on (r.status = 'failure') = drawn.is_refused
"""

# What the gateway adds up by itself as calls are booked; /user/daily/activity/aggregated reads it.
MAKE_DAYS = """
insert into "LiteLLM_DailyUserSpend" (id, user_id, date, api_key, model, model_group, custom_llm_provider, endpoint,
    prompt_tokens, completion_tokens, spend, api_requests, successful_requests, failed_requests, updated_at)
select gen_random_uuid()::text, "user", to_char("startTime", 'YYYY-MM-DD'), api_key, model, model_group,
    custom_llm_provider, '/chat/completions', sum(prompt_tokens), sum(completion_tokens), sum(spend), count(*),
    count(*) filter (where status = 'success'), count(*) filter (where status = 'failure'), now()
from "LiteLLM_SpendLogs" where request_id like 'chatcmpl-generated-%' group by 2, 3, 4, 5, 6, 7
"""

# The same rows, all on the last day.
ONE_DAY = """
update "LiteLLM_SpendLogs" set "startTime" = last.day + ("startTime" - date_trunc('day', "startTime"))
from (select date_trunc('day', max("startTime")) as day from "LiteLLM_SpendLogs") as last where "startTime" < last.day
"""

BEGIN = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from maas_lab import chargeback, usage
from maas_lab.cluster import Cluster
from maas_lab.platform import Platform
platform = Platform(Cluster(Path(sys.argv[1])), "maas-system")
database = usage.DatabaseUsage(platform.database_url().reveal())
window = usage.Window(datetime.fromisoformat(sys.argv[2]) - timedelta(days=float(sys.argv[3])),
                      datetime.fromisoformat(sys.argv[2]))
began = time.perf_counter()
"""
END = """
seconds = time.perf_counter() - began
# Not `ru_maxrss`, which a process inherits from the one that started it.
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1000
print(json.dumps({"seconds": seconds, "peak": peak, "rows": int(rows)}))
"""
BOARD = """
board = database.summary(window, by=["hour", "application", "model"])
hits = board.groupby("hour")["hits"].sum()
table = board.groupby(["application", "model"], as_index=False)[["hits", "rejected", "total_tokens", "cost"]].sum()
rows = board["hits"].sum() + board["rejected"].sum()
"""
MONTH = """
found = database.summary(window, by=["hour", "team", "application", "model"])
days = found.assign(day=found["hour"].dt.date).drop(columns="hour")
daily = days.groupby(["day", "team", "application", "model"], as_index=False).sum()
invoice = chargeback.invoice(found, window=window, by=("team", "application"))
assert invoice.markdown() and invoice.total == sum(invoice.lines["amount"])
rows = daily["hits"].sum() + daily["rejected"].sum()
"""
EVERY_ROW = "rows = len(database.rows(window))\n"
GATEWAY = """
source = usage.GatewayUsage(platform.gateway())
board = source.summary(window, by=["hour", "application", "model"])
rows = board["hits"].sum() + board["rejected"].sum()
"""


class Rows(list[list[str]]):
    """The rows of the table; each is told at once, because the whole takes minutes."""

    def tell(
        self, name: str, rows: int | None = None, value: str = "", peak: float | None = None, target: str = ""
    ) -> None:
        """Add a row."""
        counts = ["" if rows is None else f"{rows:,}", value, "" if peak is None else f"{peak:.0f}"]
        self.append([name, *counts, target])
        print("  ".join(self[-1]), file=sys.stderr)


def measure(cluster: LocalCluster) -> Table:
    """Fill the stack's own database, and read it both ways."""
    rows = Rows()
    with platform(cluster) as found, _patient(found) as gateway:
        real = _real_rows(cluster, gateway)
        with psycopg.connect(found.database_url().reveal(), autocommit=True) as connection:
            made, size = _fill(connection, real)
            end = connection.execute('select max("startTime") from "LiteLLM_SpendLogs"').fetchone()[0]
            until = end.replace(tzinfo=UTC) + timedelta(seconds=1)
            rows.tell(f"(making the rows: {made:.0f} s; the table is {size / 1e9:.1f} GB)")
            _compare(rows, cluster, until)
            _daily(rows, gateway, until)
            _pages(rows, gateway, until)
            connection.execute(ONE_DAY)
            connection.execute('vacuum analyze "LiteLLM_SpendLogs"')
            _fresh(rows, cluster, f"24 h board where all {ROWS:,} rows are of one day", BOARD, until, 1)
    return TITLE, ["", "rows", "seconds", "peak MB", "target"], rows


@contextlib.contextmanager
def _patient(found: Platform) -> Iterator[Gateway]:
    """Yield the gateway with time for whatever it takes."""
    facts = found.facts
    key = found.cluster.secret(facts["gateway-secret"], facts["gateway-secret-key"], found.namespace)
    with Gateway(found.cluster.route_url(facts["gateway-route"], found.namespace), key, timeout=PATIENCE_S) as gateway:
        yield gateway


def _fresh(
    rows: Rows, cluster: LocalCluster, name: str, text: str, until: datetime, days: float, target: str = ""
) -> tuple[float, int]:
    """Run a text in a fresh process, and return the seconds it took and the rows it counted."""
    argv = [sys.executable, "-c", BEGIN + text + END, str(cluster.kubeconfig), until.isoformat(), str(days)]
    told = json.loads(subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    rows.tell(name, told["rows"], f"{told['seconds']:.2f}", told["peak"], target)
    return told["seconds"], told["rows"]


def _compare(rows: Rows, cluster: LocalCluster, until: datetime) -> None:
    fresh = partial(_fresh, rows, cluster)
    direct, _ = fresh("24 h board from the database", BOARD, until, 1, "2 s, 300 MB")
    fresh(f"the same board over all {DAYS} days", BOARD, until, DAYS)
    fresh("month report: team x application x model x day, and the invoice", MONTH, until, DAYS, "10 s")
    fresh("every row of 24 h from the database", EVERY_ROW, until, 1)
    every, count = fresh(f"every row of {DAYS} days from the database", EVERY_ROW, until, DAYS)
    through, read = fresh("24 h board through the gateway's API", GATEWAY, until, 1)
    rows.tell("ratio of the two 24 h boards", value=f"{through / direct:.0f} : 1")
    whole = through / read * count
    rows.tell(f"all {DAYS} days through the gateway, EXTRAPOLATED", count, f"{whole:.0f}")
    rows.tell("ratio to every row from the database", value=f"{whole / every:.0f} : 1")


def _daily(rows: Rows, gateway: Gateway, until: datetime) -> None:
    """Time the gateway's own sums: whole days in UTC, by model and key, without hours and applications."""
    span = {"start_date": f"{until - timedelta(days=DAYS):%Y-%m-%d}", "end_date": f"{until:%Y-%m-%d}"}
    found, seconds = _timed(gateway, "/user/daily/activity/aggregated", span)
    calls = sum(day["metrics"]["api_requests"] for day in found["results"]) if found else None
    rows.tell("the gateway's sums of the month, by day only", calls, seconds)


def _pages(rows: Rows, gateway: Gateway, until: datetime) -> None:
    """Time single pages of the endpoint over the whole month, as a reader has them who pages by offset."""
    span = {"start_date": "2020-01-01 00:00:00", "end_date": f"{until:%Y-%m-%d %H:%M:%S}", "page_size": 100}
    for name, page in (("first", 1), ("in the middle", ROWS // 200), ("last", ROWS // 100)):
        _, seconds = _timed(gateway, "/spend/logs/v2", {**span, "page": page})
        rows.tell(f"one page of the month by offset, {name}", 100, seconds)


def _timed(gateway: Gateway, path: str, params: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    began = time.perf_counter()
    try:
        found = gateway.rest.call("GET", path, params=params)
    except GatewayError as error:
        return None, f"none: {error.what}"
    return found, f"{time.perf_counter() - began:.2f}"


def _fill(connection: psycopg.Connection, real: list[str]) -> tuple[float, int]:
    """Make keys and rows, and return the seconds that took and the size of the table in bytes."""
    began = time.perf_counter()
    counts = {"keys": KEYS, "deleted": DELETED, "applications": APPLICATIONS, "teams": TEAMS, "users": USERS}
    connection.execute("set synchronous_commit = off")
    with psycopg.ClientCursor(connection) as cursor:  # several statements at once
        cursor.execute(MAKE_KEYS, counts)
    connection.execute(MAKE_ROWS, {"real": real, "keys": KEYS, "days": DAYS, "rows": ROWS})
    connection.execute(MAKE_DAYS)
    connection.execute('vacuum analyze "LiteLLM_SpendLogs"')
    size = connection.execute("select pg_total_relation_size('\"LiteLLM_SpendLogs\"')").fetchone()[0]
    return time.perf_counter() - began, size


def _real_rows(cluster: LocalCluster, gateway: Gateway) -> list[str]:
    """Make an answered and a refused call, and return the ids of their rows."""
    key, model = gateway.create_key("benchmark usage", models=[]), cluster.status()["model"]
    completion(gateway.url, key.reveal(), model)
    poor = gateway.create_key("benchmark usage, poor", models=[model], max_budget=1e-9)

    def booked() -> list[str]:
        with contextlib.suppress(httpx.HTTPStatusError):  # once the first call is booked, the budget refuses
            completion(gateway.url, poor.reveal(), model)
        rows = gateway.spend_rows(datetime.now(UTC) - timedelta(hours=1))
        kinds = {row.outcome: row.request_id for row in rows}
        return [kinds["answered"], kinds["budget exceeded"]] if {"answered", "budget exceeded"} <= set(kinds) else []

    return wait.until(booked, what="an answered and a refused call to be booked", timeout=60, every=2)
