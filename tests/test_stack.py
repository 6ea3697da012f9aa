"""The running stack: nothing is lost when a process is killed, nothing is open to others, nothing secret shows."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid

import psutil
import pytest
import yaml

from maas_lab import settings, wait
from maas_lab.client import ask
from maas_lab.client import openai_client as client_for
from maas_lab.cluster import Cluster
from maas_lab.local import LocalCluster, processes
from maas_lab.local.cluster import COMPONENTS
from maas_lab.local.probes import listening_ports
from maas_lab.platform import Platform
from maas_lab.settings import NAMESPACE

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def key(stack):
    """A key of this test's own."""
    made = stack.gateway.create_key(f"test-stack-{uuid.uuid4().hex[:8]}", models=[stack.model])
    yield made
    with gateway_again(stack) as gateway:
        gateway.delete_key(made)  # its port may have changed meanwhile


@contextlib.contextmanager
def gateway_again(stack):
    """Look the gateway up anew: after a start, the API and it may be elsewhere."""
    with Cluster(stack.local.kubeconfig) as cluster, Platform(cluster, NAMESPACE).gateway() as gateway:
        yield gateway


def secret_values(stack) -> list[str]:
    """Return every value of every Secret of the platform, and the tokens of the API."""
    found = stack.platform.cluster.list("Secret", NAMESPACE)
    told = [pair for secret in found for pair in (secret.get("data") or {}).items()]
    values = [base64.b64decode(value).decode() for name, value in told if name != "namespace"]
    token = yaml.safe_load(stack.local.kubeconfig.read_text())["users"][0]["user"]["token"]
    return [token, *(value for value in values if len(value) > 8 and value != "litemaas_admin")]


def ports(stack) -> dict[str, int]:
    """Return the loopback ports of the home, by what they are for."""
    return json.loads((stack.local.home.root / "ports.json").read_text())


def rows(stack) -> dict[str, dict]:
    return {row["name"]: row for row in stack.local.status()["workloads"]}


def call(stack, key) -> str:
    """Call the model once and return the request's id."""
    return ask(client_for(stack.url, key), "Say hello.", model=stack.model, max_tokens=8).id


def until_ready_again(stack) -> None:
    wait.until(lambda: stack.local.status()["ready"], what="the stack to be whole again", timeout=90)


def kill(stack, name: str) -> None:
    """Kill a workload's process and wait until another one serves in its place."""
    pid = rows(stack)[name]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait.until(lambda: rows(stack)[name]["pid"] not in (pid, None), what=f"another {name}", timeout=60)
    until_ready_again(stack)


def kill_supervisor(stack) -> None:
    """Kill the supervisor and wait for its end: until then the stack still counts as running."""
    daemon = stack.local._daemon()
    daemon.kill()
    wait.until(lambda: processes.how_it_ended(daemon), what="the supervisor's end", timeout=10)


def family(stack) -> list[psutil.Process]:
    """Return every process of the stack, the supervisor's included."""
    daemon = stack.local._daemon()
    return [daemon, *daemon.children(recursive=True)]


@pytest.mark.parametrize("name", ["model", "gateway", "database", "portal", "portal-pages"])
def test_a_killed_process_comes_back_and_nothing_is_lost(stack, key, name):
    request = call(stack, key)
    cost = stack.gateway.spend_row(request).cost
    kill(stack, name)
    assert stack.gateway.key_info(key).name == key.name
    assert stack.gateway.spend_row(request).cost == cost > 0
    again = wait.until(lambda: call(stack, key), what="a call", timeout=30)
    assert stack.gateway.spend_row(again).cost > 0
    assert rows(stack)[name]["restarts"] >= 1


def test_a_killed_query_engine_comes_back(stack, key):
    gateway = psutil.Process(rows(stack)["gateway"]["pid"])
    engine = next(p for p in gateway.children(recursive=True) if "-p" in p.cmdline())
    engine.kill()
    wait.until(lambda: rows(stack)["gateway"]["pid"] != gateway.pid, what="another gateway", timeout=60)
    until_ready_again(stack)
    assert stack.gateway.spend_row(call(stack, key)).cost > 0


def test_a_database_that_stands_still_is_seen_and_nothing_is_restarted(stack):
    """SIGSTOP: the server is there, listens, and does not answer."""
    pids = {name: row["pid"] for name, row in rows(stack).items()}
    server = psutil.Process(pids["database"])
    frozen = [server, *server.children(recursive=True)]
    for process in frozen:
        process.suspend()
    try:
        wait.until(lambda: not rows(stack)["database"]["ready"], what="the kubelet to notice", timeout=60)
        assert not stack.local.status()["ready"]
    finally:
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
    until_ready_again(stack)
    assert {name: row["pid"] for name, row in rows(stack).items()} == pids


def test_after_a_killed_supervisor_the_next_one_takes_over_what_runs(stack, key):
    before = {name: row["pid"] for name, row in rows(stack).items()}
    kill_supervisor(stack)
    assert stack.local.status() == {
        "ready": False,
        "phase": "stopped",
        "endpoints": {},
        "model": "",
        "workloads": [],
    }
    assert stack.local.up() is True
    assert {name: row["pid"] for name, row in rows(stack).items()} == before
    assert call(stack, key)


def test_after_a_killed_supervisor_and_gateway_there_is_still_one_of_each(stack, key):
    before = {name: row["pid"] for name, row in rows(stack).items()}
    kill_supervisor(stack)
    os.kill(before["gateway"], signal.SIGKILL)
    stack.local.up()
    after = {name: row["pid"] for name, row in rows(stack).items()}
    kept = ("database", "model", "network")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert after["gateway"] != before["gateway"]
    left = processes.leftovers(stack.local.home.root)
    assert sorted({one.session for one in left}) == sorted(after.values())


def test_down_ends_what_a_killed_supervisor_left(stack):
    kill_supervisor(stack)
    assert stack.local.down() is True
    assert processes.leftovers(stack.local.home.root) == []
    stack.local.up()


def test_down_and_up_keep_the_data_of_the_very_last_call(stack, key):
    request = call(stack, key)
    before = ports(stack)
    assert stack.local.down() is True
    assert stack.local.down() is False
    assert processes.leftovers(stack.local.home.root) == []
    stack.local.up()
    assert ports(stack) == before
    assert stack.gateway.spend_row(request, timeout=1).key_hash == key.hash
    assert len(stack.gateway.models()) == 1


def test_a_port_that_somebody_took_is_replaced(stack, key):
    before = ports(stack)
    stack.local.down()
    with contextlib.ExitStack() as held:
        for port in before.values():
            taken = held.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
        stack.local.up()
    assert not set(before.values()) & set(ports(stack).values())
    with gateway_again(stack) as moved:
        assert [model.api_base for model in moved.models()] == [stack.local.endpoints()["model"] + "/v1"]
        assert ask(client_for(f"{moved.url}/v1", key), "Hello.", model=stack.model, max_tokens=4).id


def test_everything_listens_on_loopback_only(stack):
    listening = [s for process in family(stack) for s in process.net_connections() if s.status == psutil.CONN_LISTEN]
    assert len(listening) >= 4
    assert {s.laddr.ip for s in listening} == {"127.0.0.1"}


def test_each_pods_port_is_served_by_its_own_process(stack):
    own = {name: port for name, port in ports(stack).items() if name.startswith("pod/")}
    served = {port for name, row in rows(stack).items() if name != "network" for port in family_ports(row["pid"])}
    assert len(own) == len(COMPONENTS) - 1
    assert set(own.values()) <= served


def family_ports(pid) -> list[int]:
    process = psutil.Process(pid)
    return [port for one in (process, *process.children(recursive=True)) for port in listening_ports(one)]


def test_no_secret_in_arguments_logs_or_readable_files(stack, key):
    call(stack, key)
    secrets = [*secret_values(stack), key.reveal()]
    assert len(secrets) > 8
    root = stack.local.home.root
    told = "\n".join(" ".join(process.cmdline()) for process in family(stack))
    told += "\n".join(log.read_text(errors="replace") for log in root.rglob("*.log"))
    told += json.dumps(stack.local.status())
    assert [secret[:6] for secret in secrets if secret in told] == []
    files = [path for path in root.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    reachable = [path for path in files if not any(one.stat().st_mode & 0o077 == 0 for one in path.parents)]
    assert [str(path) for path in reachable if any(s in path.read_text(errors="ignore") for s in secrets)] == []


def test_status_tells_memory_age_and_log(stack):
    status = stack.local.status()
    assert status["ready"] is True
    assert sorted(row["name"] for row in status["workloads"]) == sorted(COMPONENTS)
    assert sorted(status["endpoints"]) == ["gateway", "kubernetes", "model", "portal"]
    for row in status["workloads"]:
        assert row["rss_bytes"] > 1e6
        assert row["age_s"] > 0
        assert row["log"].endswith(".log")
        assert stack.local.log(row["name"]) == stack.local.log(row["pod"])
    asked = subprocess.run([sys.executable, "-m", "maas_lab", "logs", "audit"], capture_output=True, check=True).stdout
    assert json.loads(asked.splitlines()[-1])["apiVersion"] == "audit.k8s.io/v1"


def test_kubectl_finds_the_pods_by_the_kubeconfig(stack):
    done = subprocess.run([sys.executable, "-m", "maas_lab", "kubeconfig"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(stack.local.kubeconfig)
    assert stack.local.kubeconfig.stat().st_mode & 0o777 == 0o600
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    env = os.environ | {"KUBECONFIG": done.stdout.strip()}
    argv = [kubectl, "get", "pods", "-n", NAMESPACE, "--no-headers"]
    told = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == 5
    assert all(line.split()[1:3] == ["1/1", "Running"] for line in told)


def test_kubectl_top_tells_what_pods_use(stack):
    used = {row.name.split("-")[0]: row for row in stack.platform.cluster.top(NAMESPACE)}
    resident = psutil.Process(rows(stack)["model"]["pid"]).memory_info().rss
    assert used["smollm2"].memory == pytest.approx(resident, rel=0.1)
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    argv = [kubectl, "top", "pods", "-n", NAMESPACE, "--no-headers"]
    env = os.environ | {"KUBECONFIG": str(stack.local.kubeconfig)}
    told = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    (line,) = (line.split() for line in told.splitlines() if line.startswith("smollm2"))
    assert int(line[2].removesuffix("Mi")) == pytest.approx(resident / 2**20, rel=0.1)


@ROOT_ONLY
def test_postgres_is_not_root_and_no_account_was_made(stack):
    assert psutil.Process(rows(stack)["database"]["pid"]).uids().effective == 65534
    known = subprocess.run(["getent", "passwd", "pgserver"], capture_output=True, check=False)
    assert known.returncode == 2


def test_the_database_wants_its_password(stack, runtime):
    (port,) = family_ports(rows(stack)["database"]["pid"])
    argv = [runtime.postgres_bin / "psql", "-h", "127.0.0.1", "-p", str(port), "-U", "litemaas_admin", "-c", "select 1"]
    done = subprocess.run(argv, env={"PGPASSWORD": "wrong"}, capture_output=True, text=True, check=False)
    assert "password authentication failed" in done.stderr


def test_the_model_server_wants_its_key(stack):
    import httpx

    answer = httpx.get(stack.local.endpoints()["model"] + "/v1/models", trust_env=False)
    assert answer.status_code == 401


def test_a_second_up_says_so_at_once(stack):
    done = subprocess.run(
        [sys.executable, "-m", "maas_lab", "up", "--no-jupyter"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "already running" in done.stdout


def test_connect_starts_a_lab_that_outlives_its_caller_beside_that_of_another_home(stack, runtime, tmp_path):
    before = {row["name"]: row["pid"] for row in stack.local.status()["workloads"]}
    addresses = set(stack.local.endpoints().values())
    env = os.environ | {"MAAS_LAB_HOME": str(tmp_path / "home")}
    told = [
        subprocess.run(
            [sys.executable, "-c", "from maas_lab import connect; print(connect())"],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    try:
        assert told[0].startswith("The local lab is not running: starting it")
        assert told[1] == told[0].split("\n", 1)[1]
        assert "model:   smollm2-135m-instruct" in told[1]
        other = LocalCluster(settings.load(env))
        assert other.status()["ready"]
        assert not addresses & set(other.endpoints().values())
    finally:
        argv = [sys.executable, "-m", "maas_lab", "reset", "--yes"]
        assert subprocess.run(argv, env=env, capture_output=True, check=False).returncode == 0
    assert not (tmp_path / "home").exists()
    assert runtime.missing() == []
    assert {row["name"]: row["pid"] for row in stack.local.status()["workloads"]} == before
    assert stack.gateway.version()
