"""The query engine: Prisma's protocol over a real PostgreSQL, and the truth about a database that is gone."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from maas_lab import wait

PRISMA = Path(__file__).parents[1] / "maas_lab" / "local" / "prisma"
SCHEMA = Path(__file__).with_name("engine_schema.prisma")
TABLES = """
create type "Colour" as enum ('red', 'blue');
create table "Thing" (id serial primary key, name text unique not null, note jsonb, tags text[],
    big bigint, price decimal(65,30), seen timestamp(3), data bytea, colour "Colour");
create table "Part" (id serial primary key, detail jsonb not null default '{}',
    "thingId" int not null references "Thing");
"""


class Engine:
    """A running query engine, spoken to as prisma-client-py does."""

    def __init__(self, runtime, url: str, **env: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "PRISMA_DML_PATH": str(SCHEMA),
            "PRISMA_WASM_NODE_MODULES": str(runtime.node_modules),
        } | env
        self.argv = [str(runtime.node), str(PRISMA / "query-engine"), "-p", str(self.port), "--enable-raw-queries"]
        self.process = subprocess.Popen(
            self.argv, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=20)
        wait.until(self.status, what="the engine to listen", timeout=20, transient=(httpx.ConnectError,))

    def status(self) -> int:
        return self.http.get("/status").status_code

    def until_status(self, wanted: int) -> None:
        wait.until(lambda: self.status() == wanted, what=f"status {wanted}", timeout=20)

    def post(self, path: str, content: object, transaction: str | None = None) -> dict:
        headers = {"X-transaction-id": transaction} if transaction else {}
        answer = self.http.post(path, content=json.dumps(content), headers=headers)
        assert answer.status_code == 200
        return answer.json()

    def graphql(self, text: str, transaction: str | None = None) -> dict:
        return self.post("/", {"query": text, "variables": {}}, transaction)

    def ask(self, text: str, transaction: str | None = None):
        answer = self.graphql(text, transaction)
        assert "errors" not in answer, answer
        return answer["data"]["result"]

    def refusal(self, text: str, transaction: str | None = None) -> dict:
        return self.graphql(text, transaction)["errors"][0]["user_facing_error"]

    def raw(self, sql: str):
        return self.ask(f'query {{ result: queryRaw(query: {json.dumps(sql)}, parameters: "[]") }}')

    def begin(self, **options) -> str:
        return self.post("/transaction/start", {"max_wait": 2000, "timeout": 10000} | options)["id"]

    def close(self) -> str:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=10)[0]


@pytest.fixture
def database(fresh_database, runtime):
    psql(runtime, fresh_database, TABLES)
    return fresh_database


def psql(runtime, url: str, sql: str) -> str:
    argv = [runtime.postgres_bin / "psql", "-X", "-qtA", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def engine(runtime, database):
    one = Engine(runtime, database)
    yield one
    one.close()


class Cable:
    """A TCP connection to PostgreSQL that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self.target, self.pairs, self.listener = port, [], None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def mend(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        if self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        for one in self.pairs:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.pairs.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.target))
                self.pairs += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cable(database):
    one = Cable(urlsplit(database).port)
    one.url = database.replace(f":{one.target}/", f":{one.port}/") + "?pool_timeout=2&connect_timeout=2"
    yield one
    with contextlib.suppress(OSError):
        one.cut()


CREATE = (
    'mutation { result: createOneThing(data: {name: "a", note: "{\\"deep\\": [1, null]}", tags: ["x", "y"]}) '
    "{ id name note tags } }"
)


def test_it_says_its_version(runtime):
    done = subprocess.run(
        [runtime.node, PRISMA / "query-engine", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "query-engine 393aa359c9ad4a4bb28630fb5613f9c281cde053\n"


def test_json_is_stored_as_json(engine, runtime, database):
    assert json.loads(engine.ask(CREATE)["note"]) == {"deep": [1, None]}
    assert psql(runtime, database, 'select jsonb_typeof(note) from "Thing"') == "object"
    assert engine.ask(
        'query { result: findFirstThing(where: {note: {equals: "{\\"deep\\": [1, null]}"}}) { name } }'
    ) == {"name": "a"}


def test_nested_json(engine, runtime, database):
    engine.ask(
        'mutation { result: createOneThing(data: {name: "a", parts: {create: [{detail: "{\\"size\\": 3}"}]}}) { id } }'
    )
    assert psql(runtime, database, "select detail->'size' from \"Part\"") == "3"
    engine.ask('mutation { result: updateOneThing(where: {name: "a"}, data: {note: "{\\"b\\": 2}"}) { id } }')
    engine.ask(
        'mutation { result: upsertOneThing(where: {name: "z"}, create: {name: "z", note: "{}"}, update: {note: "[]"}) '
        "{ id } }"
    )
    assert psql(runtime, database, 'select jsonb_typeof(note) from "Thing" order by name') == "object\nobject"


def test_each_type_comes_back_as_the_client_expects(engine):
    engine.ask(
        'mutation { result: createOneThing(data: {name: "a", big: 9007199254740993, price: "0.000012", '
        'seen: "2026-11-24T01:02:03.000Z", data: "aGk=", colour: blue}) { id } }'
    )
    found = engine.ask("query { result: findFirstThing { big price seen data colour tags note } }")
    assert found == {
        "big": "9007199254740993",
        "price": "0.000012",
        "seen": "2026-11-24T01:02:03.000Z",
        "data": "aGk=",
        "colour": "blue",
        "tags": [],
        "note": None,
    }


def test_raw_queries_with_json_and_system_types(engine):
    sql = (
        "select '{\"a\": [1]}'::jsonb as j, 'x'::name as n, 'c'::\"char\" as c, pg_sleep(0) as v, "
        "'pg_class'::regclass as r, 1 as i"
    )
    found = engine.raw(sql)
    assert found["columns"] == ["j", "n", "c", "v", "r", "i"]
    assert found["rows"] == [[{"a": [1]}, "x", "c", "", "pg_class", 1]]


def test_queries_over_many_rows(engine):
    for n in range(4):
        engine.ask(f'mutation {{ result: createOneThing(data: {{name: "t{n}", big: {n % 2}}}) {{ id }} }}')
    assert engine.ask("query { result: findManyThing(orderBy: [{name: desc}], take: 2) { name } }") == [
        {"name": "t3"},
        {"name": "t2"},
    ]
    assert engine.ask("query { result: aggregateThing { _count { _all } _max { big } } }") == {
        "_count": {"_all": 4},
        "_max": {"big": 1},
    }
    groups = engine.ask("query { result: groupByThing(by: [big], orderBy: [{big: asc}]) { big _count { _all } } }")
    assert groups == [{"big": 0, "_count": {"_all": 2}}, {"big": 1, "_count": {"_all": 2}}]
    assert engine.ask(
        "mutation { result: updateManyThing(where: {big: 1}, data: {big: {increment: 5}}) { count } }"
    ) == {"count": 2}
    assert engine.ask("mutation { result: deleteManyThing(where: {big: {gt: 1}}) { count } }") == {"count": 2}
    assert engine.ask('query { result: findUniqueThing(where: {name: "t1"}) { name } }') is None


def test_a_transaction_is_seen_after_its_commit_only(engine):
    transaction = engine.begin()
    engine.ask(CREATE, transaction)
    count = "query { result: aggregateThing { _count { _all } } }"
    assert engine.ask(count, transaction)["_count"]["_all"] == 1
    assert engine.ask(count)["_count"]["_all"] == 0
    engine.post(f"/transaction/{transaction}/commit", {})
    assert engine.ask(count)["_count"]["_all"] == 1


def test_a_rolled_back_or_expired_transaction_leaves_nothing(engine):
    first = engine.begin()
    engine.ask(CREATE, first)
    engine.post(f"/transaction/{first}/rollback", {})
    second = engine.begin(timeout=3000)  # long enough for one query on a busy machine
    engine.ask(CREATE, second)
    count = "query { result: aggregateThing { _count { _all } } }"
    late = wait.until(lambda: engine.graphql(count, second).get("errors"), what="the timeout", timeout=20)
    assert late[0]["user_facing_error"]["error_code"] == "P2028"
    assert engine.ask(count)["_count"]["_all"] == 0


def test_a_batch_is_whole_or_nothing_in_a_transaction(engine):
    clash = [{"query": CREATE, "variables": {}}, {"query": CREATE, "variables": {}}]
    count = "query { result: aggregateThing { _count { _all } } }"
    answer = engine.post("/", {"batch": clash, "transaction": True})
    assert answer["errors"][0]["user_facing_error"]["error_code"] == "P2002"
    assert engine.ask(count)["_count"]["_all"] == 0
    answer = engine.post("/", {"batch": [clash[0], {"query": count, "variables": {}}], "transaction": True})
    assert [list(one["data"]) for one in answer["batchResult"]] == [["result"], ["result"]]
    engine.post("/", {"batch": [clash[0]], "transaction": False})
    assert engine.ask(count)["_count"]["_all"] == 1


def test_errors_keep_their_codes(engine):
    engine.ask(CREATE)
    again = engine.refusal(CREATE)
    assert (again["error_code"], again["meta"]["target"]) == ("P2002", ["name"])
    missing = engine.refusal('mutation { result: updateOneThing(where: {name: "no"}, data: {big: 1}) { id } }')
    assert missing["error_code"] == "P2025"
    assert (
        engine.refusal('query { result: queryRaw(query: "select nonsense", parameters: "[]") }')["error_code"]
        == "P2010"
    )
    assert (
        "unsupported operation dropEverything" in engine.refusal("query { result: dropEverything { id } }")["message"]
    )
    assert engine.process.poll() is None


def test_a_cut_connection_is_told_and_mended(runtime, cable):
    cable.mend()
    engine = Engine(runtime, cable.url)
    try:
        engine.until_status(200)
        engine.ask(CREATE)
        cable.cut()
        engine.until_status(503)
        assert engine.http.get("/status").json()["Errors"][0]["error"]
        codes = {engine.refusal("query { result: findManyThing { id } }")["error_code"] for _ in range(3)}
        assert codes <= {"P1001", "P1017"}
        cable.mend()
        engine.until_status(200)
        assert engine.ask("query { result: findManyThing { name } }") == [{"name": "a"}]
    finally:
        engine.close()


def test_it_may_start_before_the_database(runtime, cable):
    engine = Engine(runtime, cable.url)
    try:
        assert engine.status() == 503
        cable.mend()
        engine.until_status(200)
        assert engine.ask("query { result: findManyThing { id } }") == []
    finally:
        engine.close()


def test_a_connection_that_the_server_ends_is_told(engine, runtime, database):
    transaction = engine.begin()
    engine.ask(CREATE, transaction)
    psql(
        runtime,
        database,
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()",
    )
    assert engine.refusal(CREATE.replace('"a"', '"b"'), transaction)["error_code"] in ("P1017", "P2028")
    assert engine.ask("query { result: findManyThing { id } }") == []


def test_a_busy_pool_is_no_broken_database(runtime, database):
    engine = Engine(runtime, database + "?connection_limit=1&pool_timeout=1&connect_timeout=1")
    try:
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(engine.raw, "select pg_sleep(3)")
            busy = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
            wait.until(lambda: int(psql(runtime, database, busy)), what="the slow query", timeout=10)
            assert engine.status() == 200
            assert engine.refusal("query { result: findManyThing { id } }")["error_code"] == "P2024"
            assert slow.result()["rows"] == [[""]]
    finally:
        engine.close()


def test_it_listens_on_loopback_only(engine):
    sockets = psutil.Process(engine.process.pid).net_connections("inet")
    assert {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_a_path_that_it_does_not_have_is_not_found(engine):
    assert engine.http.get("/metrics").status_code == 404


def test_a_taken_port_is_told_in_one_line(engine, runtime):
    done = subprocess.run(engine.argv, env=engine.env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "EADDRINUSE" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked_and_open_transactions_roll_back(engine, runtime, database, number):
    engine.ask(CREATE, engine.begin())
    engine.process.send_signal(number)
    assert engine.process.wait(timeout=5) == 0
    assert psql(runtime, database, 'select count(*) from "Thing"') == "0"


def test_it_ends_with_its_parent(engine):
    argv = json.dumps([*engine.argv[:3], "0", *engine.argv[4:]])
    code = f"import subprocess, os; p = subprocess.Popen({argv}); print(p.pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=engine.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = psutil.Process(int(parent.stdout.readline()))
    wait.until(
        lambda: any(s.status == psutil.CONN_LISTEN for s in child.net_connections("inet")), what="the child", timeout=20
    )
    parent.kill()
    parent.communicate()
    wait.until(
        lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the child's end", timeout=10
    )


def test_the_password_is_in_no_output(runtime, cable, database):
    engine = Engine(runtime, cable.url)
    refused = engine.refusal("query { result: findManyThing { id } }")
    told = engine.close() + json.dumps(refused)
    assert refused["error_code"] == "P1001"
    assert urlsplit(database).password not in told
