"""The images of the catalogue, each started as a container would be: real processes, real data, real refusals."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from maas_lab import manifests, settings, wait
from maas_lab.errors import LabError, StackError, UsageError
from maas_lab.gateway import Gateway
from maas_lab.local import processes
from maas_lab.local.images import Catalogue, Container, Image, Program
from maas_lab.local.network.ports import Ports
from maas_lab.local.postgres import Login
from maas_lab.local.programs import catalogue, frontend, grader, litellm, llamacpp, portal, postgres, vllm
from maas_lab.local.quantised import WEIGHTS
from tests.made_up import MASTER_KEY, MODEL_KEY, PASSWORD, SALT_KEY

MANIFESTS = Path(__file__).parents[1] / "manifests"
ALL = (postgres, litellm, llamacpp, portal, frontend, vllm, grader)
PORTS = {litellm: (4000,), postgres: (5432,), grader: ()}  # of all others: 8080
CHECK = "/usr/libexec/check-container"
DATABASE = {"POSTGRESQL_USER": "admin_1", "POSTGRESQL_PASSWORD": PASSWORD, "POSTGRESQL_DATABASE": "litemaas_db"}
GATEWAY = {
    "LITELLM_MASTER_KEY": MASTER_KEY,
    "LITELLM_SALT_KEY": SALT_KEY,
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "STORE_MODEL_IN_DB": "True",
    "PROXY_BATCH_WRITE_AT": "60",
}


class Pod:
    """One container of one pod: started, ended and started anew as the kubelet does it."""

    def __init__(self, image: Image, home: Path, ports: Ports, name: str, env: dict[str, str], mount: str = "") -> None:
        self.folder = home / name
        self.folder.mkdir(mode=0o700)
        volume = home / f"{name}-volume"
        volume.mkdir(mode=0o700)
        self.port = ports.of("pod", name, str(image.ports[0]))
        known = {mount: volume} if mount else {}
        self.container = Container(env, {image.ports[0]: self.port}, known, self.folder)
        self.image, self.log = image, home / f"{name}.log"
        self.process: psutil.Popen | None = None

    @property
    def program(self) -> Program:
        return self.image.program(self.container)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **env: str) -> Pod:
        self.container = replace(self.container, env=dict(self.container.env) | env)
        program = self.program
        program.prepare(time.sleep)
        self.process = processes.spawn(program.argv, program.env, program.cwd, self.log)
        return self

    def end(self) -> int | None:
        if self.process is None:
            return None
        processes.end(self.process, self.program.stop_signal, grace_s=30)
        return self.process.poll()

    def running(self) -> psutil.Popen:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return self.process

    def until_answers(self, path: str, seconds: float = 90) -> Pod:
        def answers() -> bool:
            self.running()
            return httpx.get(self.url + path, trust_env=False, timeout=10).status_code == 200

        transient = (httpx.TransportError,)
        wait.until(answers, what=f"{path} of {self.folder.name}", timeout=seconds, transient=transient)
        return self

    def check(self, *arguments: str) -> str:
        return self.program.commands[CHECK](arguments)

    def until_checked(self) -> Pod:
        wait.until(lambda: self.running() and not self.check(), what="the database", timeout=30)
        return self


@pytest.fixture(scope="module")
def images(runtime) -> Catalogue:
    return catalogue(runtime, settings.load())


@pytest.fixture
def pods(images, tmp_path) -> Iterator[dict[str, partial]]:
    """Make pods of each image; what they started ends with the test."""
    made: list[Pod] = []
    tmp_path.chmod(0o700)
    ports = Ports(tmp_path / "ports.json")

    def make(reference: str, env: dict[str, str], mount: str = "") -> Pod:
        made.append(Pod(images.find(reference), tmp_path, ports, f"pod-{len(made)}", env, mount))
        return made[-1]

    yield {
        "postgres": partial(make, postgres.REFERENCE, DATABASE, str(postgres.MOUNT)),
        "litellm": partial(make, litellm.REFERENCE),
        "llamacpp": partial(make, llamacpp.REFERENCE),
    }
    for pod in reversed(made):
        pod.end()


@pytest.fixture
def database(pods) -> Pod:
    return pods["postgres"]().start().until_checked()


def login(pod: Pod, runtime, **changed: str) -> Login:
    env = pod.container.env
    names = {"user": env["POSTGRESQL_USER"], "password": env["POSTGRESQL_PASSWORD"], "database": "litemaas_db"}
    return Login(runtime.postgres_bin, pod.port, **(names | changed))


def address(pod: Pod, database: str = "litellm_db") -> str:
    return f"postgresql://admin_1:{PASSWORD}@127.0.0.1:{pod.port}/{database}"


def arguments(pod: Pod) -> list[str]:
    """The command lines of a pod's processes, as everybody on the machine may read them."""
    process = pod.running()
    return [part for one in (process, *process.children(recursive=True)) for part in one.cmdline()]


def test_what_is_in_the_catalogue(images):
    quantised = {llamacpp.reference(precision) for precision in WEIGHTS}
    assert images.references == sorted([*(one.REFERENCE for one in ALL), *quantised])
    assert images.find("docker.io/library/postgres:16") is None
    ports = {one.REFERENCE: PORTS.get(one, (8080,)) for one in ALL}
    ports |= dict.fromkeys(quantised, (8080,))
    assert {one: images.find(one).ports for one in images.references} == ports
    installed = set(images.references) - {vllm.REFERENCE, grader.REFERENCE} - quantised
    assert {images.find(one).pull for one in installed} == {None}


def test_every_image_tells_what_runs_under_its_name(images):
    told = images.told
    assert {one.REFERENCE: told[one.REFERENCE].real for one in ALL} == {
        one.REFERENCE: "stand-in" if "litemaas" in one.REFERENCE else "real" for one in ALL
    }
    assert all(one.what and one.why for one in told.values())


def test_the_local_overlays_run_here(images, tmp_path):
    """Their images are in the catalogue, listen where the manifests say so, and offer what the probes name."""
    seen = 0
    for overlay in ("infrastructure/overlays/local", "models/overlays/local"):
        for one in manifests.render(MANIFESTS / overlay):
            spec = one["spec"]["template"]["spec"] if "template" in one.get("spec", {}) else one.get("spec", {})
            for container in spec.get("containers", []):
                image = images.find(container["image"])
                assert tuple(port["containerPort"] for port in container["ports"]) == image.ports
                given = Container(DATABASE, dict.fromkeys(image.ports, 1), {}, tmp_path)
                probes = [value for name, value in container.items() if name.endswith("Probe")]
                commands = {probe["exec"]["command"][0] for probe in probes if "exec" in probe}
                assert commands == set(image.program(given).commands)
                seen += 1
    assert seen == 5


# PostgreSQL


def test_postgres_answers_who_knows_the_password(database, runtime):
    assert login(database, runtime).execute("select 1 + 1") == "2"
    assert "authentication failed" in login(database, runtime, password="guessed").problem()
    assert "authentication failed" in login(database, runtime, user="postgres").problem()
    with pytest.raises(StackError, match="refused a statement"):
        login(database, runtime).execute("create role another superuser")


def test_postgres_keeps_to_itself(database, runtime):
    process = database.running()
    assert not [part for part in arguments(database) if PASSWORD in part]
    assert PASSWORD not in str(process.environ())
    assert PASSWORD not in database.log.read_text()
    assert {where.laddr.ip for where in process.net_connections("tcp")} == {"127.0.0.1"}
    assert list(database.folder.parent.rglob("password*")) == []
    if os.geteuid() == 0:
        assert process.uids().effective == 65534


def test_the_check_asks_the_server(pods):
    pod = pods["postgres"]()
    assert "no response" in pod.check("--live")
    assert "Connection refused" in pod.check()
    pod.start().until_checked()
    assert pod.check("--live") == ""
    os.kill(pod.running().pid, signal.SIGSTOP)
    try:
        assert "no response" in pod.check("--live")
        assert pod.check()
    finally:
        os.kill(pod.running().pid, signal.SIGCONT)


def test_data_outlive_the_container_and_its_password(database, runtime):
    login(database, runtime).execute("create table kept as select 42 as answer")
    assert database.end() == 0
    database.start().until_checked()
    assert login(database, runtime).execute("select answer from kept") == "42"
    database.process.kill()  # and a crash
    database.process.wait()
    other = "it's \\another $$ one"
    database.start(POSTGRESQL_PASSWORD=other).until_checked()
    assert login(database, runtime).execute("select answer from kept") == "42"
    assert "authentication failed" in login(database, runtime, password=PASSWORD).problem()
    database.end()
    with pytest.raises(StackError) as caught:
        database.start(POSTGRESQL_USER="somebody")
    assert 'role "somebody" does not exist' in caught.value.why


def test_a_broken_off_first_start_leaves_no_half_of_a_database(pods, runtime):
    pod = pods["postgres"]()
    (volume,) = pod.container.volumes.values()
    (volume / "userdata.new" / "base").mkdir(parents=True)
    (volume / "password").write_text("of the one before")
    pod.start().until_checked()
    assert [path.name for path in volume.iterdir()] == ["userdata"]


@pytest.mark.parametrize("missing", DATABASE)
def test_postgres_says_which_variable_is_missing(pods, missing):
    pod = pods["postgres"]()
    with pytest.raises(UsageError) as caught:
        pod.start(**{missing: ""})
    assert caught.value.what == f"the database cannot start without {missing}"
    assert caught.value.exit_code
    assert "env" in caught.value.hint


def test_the_administrator_gets_a_password_only_from_the_environment(pods, runtime):
    pod = pods["postgres"]().start(POSTGRESQL_ADMIN_PASSWORD="boss", POSTGRESQL_MAX_CONNECTIONS="21").until_checked()
    admin = login(pod, runtime, user="postgres", password="boss")
    assert admin.execute("show is_superuser", "show max_connections", "show shared_buffers") == "on\n21\n32MB"


# LiteLLM: the command line that it calls at its start


class PrismaCli:
    """The stub as LiteLLM calls it: found by PATH, in a folder that holds `migrations`."""

    def __init__(self, pod: Pod, folder: Path) -> None:
        self.env, self.folder = pod.program.env, folder
        (folder / "migrations").mkdir(parents=True)

    def add(self, name: str, sql: str) -> None:
        (self.folder / "migrations" / name).mkdir()
        (self.folder / "migrations" / name / "migration.sql").write_text(sql)

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        env = self.env | {"MAAS_LAB_MIGRATIONS": str(self.folder / "migrations")}
        return subprocess.Popen(["prisma", *words], env=env, cwd=self.folder, **pipes)

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        told = "".join(process.communicate(timeout=70))
        return process.returncode, told


@pytest.fixture
def cli(pods, database, tmp_path) -> PrismaCli:
    return PrismaCli(pods["litellm"](GATEWAY | {"DATABASE_URL": address(database)}), tmp_path / "prisma")


@pytest.fixture
def tables(database, runtime):
    """Read the names of the tables in the gateway's database."""
    query = "select string_agg(tablename, ' ' order by tablename) from pg_tables where schemaname = 'public'"
    return lambda: login(database, runtime, database="litellm_db").execute(query).split()


def test_migrations_are_applied_once_and_in_order(cli, tables):
    cli.add("20250101000000_second one", "alter table a add column b int; create table c (d int);")
    cli.add("20240101000000_first", "create table a ();")
    lacking = "create table a ();\nalter table a add column b int; create table c (d int);\n"
    created = "PostgreSQL database litellm_db created\n"
    assert cli.run("migrate", "diff", "--from-url", cli.env["DATABASE_URL"], "--script") == (0, lacking + created)
    assert tables() == []
    assert cli.run("migrate", "deploy") == (0, "2 migrations have been successfully applied.\n")
    assert tables() == ["_prisma_migrations", "a", "c"]
    assert cli.run("migrate", "deploy") == (0, "No pending migrations to apply.\n")
    assert cli.run("migrate", "diff", "--script") == (0, "")
    cli.add("20250201000000_third", "create table e ();")
    assert cli.run("migrate", "deploy") == (0, "1 migrations have been successfully applied.\n")


def test_an_interrupted_migration_goes_on(cli, tables, database, runtime):
    cli.add("1_first", "create table a ();")
    cli.add("2_slow", "create table b (); select pg_sleep(1); create table c ();")
    process = cli.start("migrate", "deploy")
    watcher = login(database, runtime)
    sleeping = "select 1 from pg_stat_activity where query like '%pg_sleep(1)%' and pid <> pg_backend_pid()"
    wait.until(lambda: watcher.execute(sleeping), what="the second migration", timeout=30)
    process.kill()
    process.communicate()
    assert tables() == ["_prisma_migrations", "a"]
    assert cli.run("migrate", "deploy") == (0, "1 migrations have been successfully applied.\n")
    assert tables() == ["_prisma_migrations", "a", "b", "c"]


def test_two_gateways_that_start_together_take_turns(cli, tables):
    cli.add("1_first", "create table a (); select pg_sleep(0.5);")
    both = [cli.start("migrate", "deploy") for _ in range(2)]
    told = sorted(one.communicate(timeout=60)[0] for one in both)
    assert told == ["1 migrations have been successfully applied.\n", "No pending migrations to apply.\n"]


def test_a_failed_migration_is_told_as_prisma_tells_it(cli, tables):
    """LiteLLM reads numbers, names and PostgreSQL's words, and answers with `migrate resolve`."""
    cli.add("20240101_a", "create table a ();")
    cli.add("20240102_b", "create table b (); create table a ();")
    code, told = cli.run("migrate", "deploy")
    assert code == 1
    assert "Error: P3018: " in told
    assert re.search(r"Migration name: (\d+_.*)", told).group(1) == "20240102_b"
    assert "Database error code: 42P07" in told
    assert 'relation "a" already exists' in told
    assert tables() == ["_prisma_migrations", "a"]
    code, told = cli.run("migrate", "deploy")
    assert (code, re.search(r"`(\d+_.*)` migration", told).group(1)) == (1, "20240102_b")
    assert "P3009" in told
    assert cli.run("migrate", "resolve", "--rolled-back", "20240102_b")[0] == 0
    assert "P3012" in cli.run("migrate", "resolve", "--rolled-back", "20240102_b")[1]
    assert cli.run("migrate", "resolve", "--applied", "20240102_b")[0] == 0
    assert (
        "is already recorded as applied in the database." in cli.run("migrate", "resolve", "--applied", "20240101_a")[1]
    )
    assert cli.run("migrate", "deploy") == (0, "No pending migrations to apply.\n")


def test_tables_of_another_origin_are_left_alone(cli, database, runtime, tables):
    login(database, runtime).execute("create database litellm_db")
    login(database, runtime, database="litellm_db").execute("create table mine ()")
    cli.add("1_first", "create table a ();")
    code, told = cli.run("migrate", "deploy")
    assert (code, "P3005" in told) == (1, True)
    assert tables() == ["mine"]


def test_the_command_line_waits_for_the_database(cli, database):
    cli.add("1_first", "create table a ();")
    database.end()
    process = cli.start("migrate", "deploy")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.5)
    database.start()
    assert process.communicate(timeout=30)[0] == "1 migrations have been successfully applied.\n"


def test_a_wrong_password_is_told_at_once(cli):
    cli.env |= {"PGPASSWORD": "guessed"}
    code, told = cli.run("migrate", "deploy")
    assert code == 1
    assert told.startswith("Error: P1000: password authentication failed")


def test_the_command_line_has_nothing_else(cli):
    assert cli.run() == (0, "prisma : 5.17.0\n")
    code, told = cli.run("db", "push", "--accept-data-loss")
    assert (code, told) == (1, "Error: the local cluster has no `prisma db push`\n")


# LiteLLM itself


def ask(pod: Pod, method: str, path: str, key: str = MASTER_KEY, **body: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    content = {"json": body} if body else {}
    return httpx.request(method, pod.url + path, headers=headers, timeout=60, trust_env=False, **content)


def engine(pod: Pod) -> psutil.Process:
    """The gateway's query engine."""
    found = [one for one in pod.running().children(recursive=True) if "query-engine" in " ".join(one.cmdline())]
    return found[0]


def test_the_gateway_makes_its_tables_and_hides_its_secrets(pods, database, tables):
    pod = pods["litellm"](GATEWAY | {"DATABASE_URL": address(database)})
    seen: set[str] = set()
    pod.start()

    def ready() -> bool:
        seen.update(arguments(pod))
        return httpx.get(f"{pod.url}/health/liveness", trust_env=False, timeout=10).status_code == 200

    wait.until(ready, what="the gateway", timeout=90, every=0.002, transient=(httpx.TransportError, psutil.Error))
    assert ask(pod, "GET", "/health/readiness").json()["db"] == "connected"
    assert {"LiteLLM_SpendLogs", "LiteLLM_VerificationToken", "_prisma_migrations"} <= set(tables())
    assert "migrate" in seen  # so the command lines of Prisma's were among those that were read
    secrets = (PASSWORD, *(value for name, value in GATEWAY.items() if "KEY" in name))
    assert [part for part in seen for secret in secrets if secret in part] == []
    assert [secret for secret in secrets if secret in pod.log.read_text()] == []
    with Gateway(pod.url, MASTER_KEY) as gateway:
        assert gateway.models() == []  # LiteLLM itself answers 500 to that question
        assert gateway.create_key("made", models=[]).reveal().startswith("sk-")
    assert ask(pod, "GET", "/key/list", key="sk-guessed").status_code == 401


def test_a_gateway_that_may_not_make_its_tables_has_none(pods, database, tables):
    env = GATEWAY | {"DATABASE_URL": address(database), "DISABLE_SCHEMA_UPDATE": "true"}
    pod = pods["litellm"](env).start()
    wait.until(lambda: "prisma schema out of sync with db" in pod.log.read_text(), what="the warning", timeout=60)
    assert tables() == []
    assert 'CREATE TABLE "LiteLLM_VerificationToken"' in pod.log.read_text()


def test_the_gateway_ends_with_its_query_engine(pods, database):
    pod = pods["litellm"](GATEWAY | {"DATABASE_URL": address(database)}).start().until_answers("/health/liveness")
    engine(pod).kill()
    assert pod.process.wait(timeout=10) == 1
    assert "the query engine ended by itself (-9)" in pod.log.read_text()
    pod.start().until_answers("/health/liveness")
    assert ask(pod, "GET", "/health/readiness").json()["db"] == "connected"


def test_a_gateway_that_ends_says_so_before_it_closes_a_connection(pods, database):
    """A client that calls again on a connection just when the other end closes it, gets no answer."""
    pod = pods["litellm"](GATEWAY | {"DATABASE_URL": address(database)}).start().until_answers("/health/liveness")
    with contextlib.closing(http.client.HTTPConnection(pod.url.removeprefix("http://"), timeout=10)) as connection:

        def call() -> http.client.HTTPResponse:
            connection.request("GET", "/health/liveness")
            answer = connection.getresponse()
            answer.read()
            return answer

        assert call().getheader("connection") is None
        pod.process.terminate()
        told = wait.until(lambda: call().getheader("connection"), what="the last answer", timeout=5, every=0.02)
    assert told == "close"
    assert pod.process.wait(timeout=20) in (0, -15)


def test_calls_are_booked_although_the_gateway_ends(pods, database, runtime):
    env = {"LLAMA_ARG_ALIAS": "tiny", "LLAMA_API_KEY": MODEL_KEY}
    model = pods["llamacpp"](env).start().until_answers("/health")
    pod = pods["litellm"](GATEWAY | {"DATABASE_URL": address(database)}).start().until_answers("/health/liveness")
    backend = {"model": "openai/tiny", "api_base": f"{model.url}/v1", "api_key": MODEL_KEY}
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}
    assert ask(pod, "POST", "/model/new", model_name="tiny", litellm_params=backend | prices).status_code == 200
    question = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    answer = ask(pod, "POST", "/v1/chat/completions", **question)
    assert answer.status_code == 200, answer.text
    rows = login(database, runtime, database="litellm_db")
    count = """select count(*) from "LiteLLM_SpendLogs" where spend > 0"""
    assert rows.execute(count) == "0"  # it is still in memory, and would be for a minute
    pod.end()
    assert rows.execute(count) == "1"
    assert "ended by itself" not in pod.log.read_text()


def test_the_gateways_environment_is_the_manifests(images, tmp_path):
    env = {"DATABASE_URL": "postgresql://u%40x:p%2Fw@db.example:5432/d?sslmode=require", "PATH": "/nowhere", "A": "b"}
    program = images.find(litellm.REFERENCE).program(Container(env, {4000: 1}, {}, tmp_path))
    assert program.env["DATABASE_URL"] == "postgresql://u%40x@db.example:5432/d?sslmode=require"
    assert (program.env["PGPASSWORD"], program.env["A"]) == ("p/w", "b")
    assert program.env["PATH"] != "/nowhere"
    assert litellm.apart({"DATABASE_URL": "postgresql://[broken"}) == {"DATABASE_URL": "postgresql://[broken"}
    assert litellm.apart({"B": "c"}) == {"B": "c"}


# llama.cpp


def test_llamacpp_serves_under_its_alias_and_refuses_strangers(pods):
    env = {"LLAMA_ARG_ALIAS": "tiny", "LLAMA_API_KEY": MODEL_KEY, "LLAMA_ARG_N_PARALLEL": "2"}
    pod = pods["llamacpp"](env | {"LLAMA_ARG_CTX_SIZE": "1024", "LLAMA_ARG_MODEL": "/etc/passwd"}).start()
    pod.until_answers("/health")
    assert ask(pod, "GET", "/v1/models", key="wrong").status_code == 401
    (model,) = ask(pod, "GET", "/v1/models", key=MODEL_KEY).json()["data"]
    assert (model["id"], model["meta"]["n_ctx"]) == ("tiny", 512)  # 1024 divided over two slots
    question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    assert ask(pod, "POST", "/v1/chat/completions", key=MODEL_KEY, **question).json()["model"] == "tiny"
    assert MODEL_KEY not in " ".join(arguments(pod)) + pod.log.read_text()
    assert pod.end() == 0


def test_llamacpp_without_a_key_serves_everybody(pods):
    pod = pods["llamacpp"]({}).start().until_answers("/health")
    (model,) = ask(pod, "GET", "/v1/models", key="any").json()["data"]
    assert model["meta"]["n_ctx"] == settings.load().model.context


@pytest.mark.parametrize("value", ["four", "0", "-1", "1.5"])
def test_llamacpp_says_which_variable_is_wrong(pods, value):
    with pytest.raises(LabError, match="LLAMA_ARG_N_PARALLEL is"):
        pods["llamacpp"]({"LLAMA_ARG_N_PARALLEL": value}).start()
