"""What is measured on a running stack. Each function returns a title, a header and rows of text."""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from maas_lab import settings, wait
from maas_lab.cluster import Cluster
from maas_lab.gateway import Gateway
from maas_lab.keys import ApiKey
from maas_lab.local import LocalCluster, processes
from maas_lab.local.postgres import DataFolder, silence
from maas_lab.local.probes import listening_ports
from maas_lab.local.runtime import Runtime
from maas_lab.platform import Platform

ROOT = Path(__file__).parents[1]
ROUNDS = 3
Table = tuple[str, list[str], list[list[str]]]


@contextlib.contextmanager
def platform(cluster: LocalCluster) -> Iterator[Platform]:
    with Cluster(cluster.kubeconfig) as client:
        yield Platform(client, settings.NAMESPACE)


@contextlib.contextmanager
def admin(cluster: LocalCluster) -> Iterator[Gateway]:
    with platform(cluster) as found, found.gateway() as gateway:
        yield gateway


def completion(url: str, key: str, model: str, prompt: str = "Say hello.", max_tokens: int = 4) -> httpx.Response:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
    }
    answer = httpx.post(
        f"{url}/v1/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        timeout=120,
        trust_env=False,
    )
    return answer.raise_for_status()


def start(cluster: LocalCluster) -> Table:
    """Time an installed stack from exec of `up` to the first metered completion, against the gateway process alone."""
    with admin(cluster) as gateway:
        key = gateway.create_key("benchmark start", models=[cluster.status()["model"]])
    rows = []
    for _ in range(ROUNDS):
        alone = gateway_alone(cluster)
        up, first = whole_stack(cluster, key)
        rows.append([f"{alone:.2f}", f"{up:.2f}", f"{first:.2f}", f"{first / alone:.2f}"])
    ratios = [float(row[3]) for row in rows]
    rows.append(["", "", "median", f"{statistics.median(ratios):.2f}"])
    header = [
        "gateway process alone: exec to first 200, s",
        "./lab up, s",
        "to first metered completion, s",
        "ratio",
    ]
    return "Start of an installed stack (bound: 1.3 x the gateway alone)", header, rows


def gateway_alone(cluster: LocalCluster) -> float:
    """Time the gateway process, as the kubelet runs it, from exec to its first 200 with the database running."""
    commands = {row["name"]: Command.of(psutil.Process(row["pid"])) for row in cluster.status()["workloads"]}
    binaries, database = Runtime(cluster.settings.runtime_folder).postgres_bin, commands["database"]
    folder = Path(database.argv[database.argv.index("-D") + 1])
    cluster.down()
    server = replace(database, argv=DataFolder(binaries, folder).server(database.port))
    running = [commands["network"].start(), server.start()]
    try:
        wait.until(lambda: not silence(binaries, database.port), what="the database", timeout=30)
        began = time.perf_counter()
        running.append(commands["gateway"].start())
        url = f"http://127.0.0.1:{commands['gateway'].port}/health/liveness"
        wait.until(
            lambda: httpx.get(url, trust_env=False).status_code == 200,
            what="the gateway",
            timeout=120,
            every=0.02,
            transient=(httpx.HTTPError,),
        )
        return time.perf_counter() - began
    finally:
        for process in reversed(running):  # SIGTERM would let the database wait for the gateway's connections
            processes.end(process, signal.SIGINT)
        cluster.up()


@dataclass(frozen=True)
class Command:
    """How a running process was started."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    port: int

    @classmethod
    def of(cls, process: psutil.Process) -> Command:
        """Look at a running process."""
        ports = [port for one in (process, *process.children()) for port in listening_ports(one)]
        env = {name: value for name, value in process.environ().items() if name != processes.MARK}
        return cls(tuple(process.cmdline()), env, Path(process.cwd()), ports[0])

    def start(self) -> psutil.Popen:
        """Start another one like it."""
        return processes.spawn(self.argv, self.env, self.cwd, Path(tempfile.gettempdir()) / "maas-lab-bench.log")


def whole_stack(cluster: LocalCluster, key: ApiKey) -> tuple[float, float]:
    """Time `up` as a user types it, and then the first completion that the gateway priced."""
    cluster.down()
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "maas_lab", "up", "--no-jupyter"], cwd=ROOT, check=True, capture_output=True)
    up = time.perf_counter() - began
    answer = completion(cluster.endpoints()["gateway"], key.reveal(), cluster.status()["model"])
    assert float(answer.headers["x-litellm-response-cost"]) > 0
    return up, time.perf_counter() - began


def memory(cluster: LocalCluster) -> Table:
    """Add up the resident memory of all processes after some traffic; shared pages once (PSS) and each time (RSS)."""
    with admin(cluster) as gateway:
        key = gateway.create_key("benchmark memory", models=[cluster.status()["model"]])
    with ThreadPoolExecutor(8) as pool:
        url, model = cluster.endpoints()["gateway"], cluster.status()["model"]
        list(pool.map(lambda n: completion(url, key.reveal(), model, f"Count from {n}.", 16), range(40)))
    rows, totals = [], [0.0, 0.0]
    named = {row["name"]: row["pid"] for row in cluster.status()["workloads"]}
    for name, pid in {**named, "supervisor": cluster._daemon().pid}.items():
        members = [
            psutil.Process(pid),
            *(psutil.Process(pid).children(recursive=True) if name != "supervisor" else []),
        ]
        full = [member.memory_full_info() for member in members]
        rss, pss = sum(m.rss for m in full) / 1e6, sum(m.pss for m in full) / 1e6
        totals = [totals[0] + rss, totals[1] + pss]
        rows.append([name, str(len(members)), f"{rss:.0f}", f"{pss:.0f}"])
    rows.append(["all", "", *(f"{total:.0f}" for total in totals)])
    return (
        "Resident memory after 40 calls (bound: 1300 MB)",
        ["workload", "processes", "RSS, MB", "PSS, MB"],
        rows,
    )


def gateway_overhead(cluster: LocalCluster) -> Table:
    """Send the same requests to the model server directly and through the gateway."""
    with admin(cluster) as gateway:
        key = gateway.create_key("benchmark gateway", models=[cluster.status()["model"]]).reveal()
    with platform(cluster) as found:
        model_key = found.cluster.secret("model-secret", "api-key", settings.NAMESPACE).reveal()
    ends, model = cluster.endpoints(), cluster.status()["model"]
    rows = []
    for concurrency in (1, 4, 16):
        direct = latencies(lambda: completion(ends["model"], model_key, model), concurrency)
        through = latencies(lambda: completion(ends["gateway"], key, model), concurrency)
        cells = [f"{quantile(times, q):.0f}" for q in (0.5, 0.95) for times in (direct, through)]
        added = quantile(through, 0.5) - quantile(direct, 0.5)
        rows.append([str(concurrency), *cells, f"{added:+.0f}"])
    header = [
        "callers",
        "p50 direct, ms",
        "p50 gateway, ms",
        "p95 direct, ms",
        "p95 gateway, ms",
        "added p50, ms",
    ]
    return "The gateway beside the model server itself (4 tokens each, 64 calls)", header, rows


def latencies(call: Callable[[], object], concurrency: int, count: int = 64) -> list[float]:
    """Return the milliseconds of each of `count` calls, `concurrency` at a time, after four to warm up."""

    def timed(_: int) -> float:
        began = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - began)

    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(timed, range(4)))
        return sorted(pool.map(timed, range(count)))


def quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def lesson_run(cluster: LocalCluster) -> Table:
    """Compare `./lab run` of each lesson with the sum of its cells' own times plus one kernel start."""
    rows = []
    for notebook in sorted((ROOT / "solutions").glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as out:
            kernel = statistics.median(kernel_start(Path(out)) for _ in range(ROUNDS))
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "maas_lab", "run", notebook.stem, "--out", out],
                cwd=ROOT,
                check=True,
                capture_output=True,
            )
            whole = time.perf_counter() - began
            cells = sum(cell_seconds(Path(out) / notebook.name))
        rows.append(
            [
                notebook.stem,
                f"{cells:.1f}",
                f"{kernel:.1f}",
                f"{whole:.1f}",
                f"{100 * (whole / (cells + kernel) - 1):+.0f} %",
            ]
        )
    return (
        "./lab run (bound: +15 %)",
        ["lesson", "cells, s", "one kernel start, s", "./lab run, s", "over cells + kernel"],
        rows,
    )


def kernel_start(folder: Path) -> float:
    """Time an empty notebook through nbclient: one kernel start and its end."""
    import nbformat
    from nbclient import NotebookClient

    from maas_lab.engine import KernelHere

    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    began = time.perf_counter()
    NotebookClient(empty, kernel_manager_class=KernelHere).execute(cwd=str(folder), stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def cell_seconds(notebook: Path) -> list[float]:
    import nbformat

    cells = nbformat.read(notebook, 4).cells
    return [cell.metadata.papermill.duration or 0.0 for cell in cells if "papermill" in cell.metadata]
