"""Time the Kubernetes API alone: `python -m benchmarks kube`. Without kubectl that row is left out.

The third column is what a real control plane took on two cores: apiserver and etcd, without controllers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import statistics
import subprocess
import tempfile
import time
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from maas_lab import settings, wait
from maas_lab.local import runtime

ROOT = Path(__file__).parents[1]
SIX = ROOT / "tests/captures/kubernetes/manifests/basic.yaml"
PODS, WATCHERS, UPDATES, WRITERS, ROUNDS = 1000, 50, 10_000, 8, 5
SEEN = re.compile(rb'"data":\{"k":"(\d+)"\}.*?"name":"(w\d+)"|"name":"(w\d+)".*?"data":\{"k":"(\d+)"\}')
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
Table = tuple[str, list[str], list[list[str]]]


class Running:
    """An API server with an empty store."""

    def __init__(self, process: subprocess.Popen, kubeconfig: Path) -> None:
        self.process, self.kubeconfig = process, kubeconfig
        told = json.loads(kubeconfig.read_text())
        cluster = told["clusters"][0]["cluster"]
        self.url, self.token = cluster["server"], told["users"][0]["user"]["token"]
        self.trust = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
        headers = {"authorization": f"Bearer {self.token}"}
        self.how = {"base_url": self.url, "verify": self.trust, "headers": headers, "timeout": 60, "trust_env": False}

    @property
    def megabytes(self) -> float:
        """The resident memory of the process."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6


@contextmanager
def started(installed: runtime.Runtime) -> Iterator[tuple[Running, float]]:
    """Start the API on a home of its own, and tell how many seconds that took."""
    with tempfile.TemporaryDirectory(prefix="maas-lab-bench-") as folder:
        argv = [installed.python, "-m", "maas_lab.local.kube", "--home", folder, "--schemas", installed.schemas]
        kubeconfig, began = Path(folder) / "kubeconfig", time.perf_counter()
        process = subprocess.Popen(argv, cwd=ROOT)

        def answers() -> bool:
            if not kubeconfig.exists():
                return False
            with httpx.Client(**Running(process, kubeconfig).how) as client:
                return client.get("/readyz").is_success

        try:
            wait.until(answers, what="the API", timeout=30, every=0.01, transient=(httpx.TransportError, ValueError))
            yield Running(process, kubeconfig), time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(20)


def measure() -> Table:
    """Measure start, memory, lists, kubectl and watches."""
    settings.never_proxy_inside()
    with tempfile.TemporaryDirectory(prefix="maas-lab-bench-") as folder:
        place = settings.load().runtime_folder
        installed = runtime.install(
            place if place.exists() else Path(folder), lambda text, done, total: None, ["python", "schemas"]
        )
        return "The Kubernetes API", ["", "measured", "real", "bound"], rows(installed)


def rows(installed: runtime.Runtime) -> list[list[str]]:
    starts = []
    for _ in range(ROUNDS):
        with started(installed) as (_, seconds):
            starts.append(seconds)
    with started(installed) as (server, _):
        found = [["from exec to ready, s", f"{statistics.median(starts):.2f}", "1.0", "1"]]
        found.append(["resident memory when ready, MB", f"{server.megabytes:.0f}", "275 + 40", "80"])
        found.append([f"list of {PODS} pods, ms", f"{1000 * list_of_pods(server):.0f}", "41", "60"])
        if kubectl := shutil.which("kubectl"):
            seconds = apply_of_six(server, kubectl)
            found.append(["kubectl apply of six new objects, s", f"{seconds:.2f}", "0.27", "0.4"])
            found.append(
                ["kubectl apply -k of the platform, s", f"{apply_of_platform(server, kubectl):.2f}", "", "1.5"]
            )
    with started(installed) as (server, _):
        seconds, peak = asyncio.run(watchers(server))
        found.append([f"{WATCHERS} watchers see {UPDATES} updates in order, s", f"{seconds:.1f}", "", ""])
        found.append(["resident memory after that, MB", f"{peak:.0f}", "", ""])
    return found


def median_of(call: Callable[[int], object], rounds: int = ROUNDS) -> float:
    times = []
    for number in range(rounds):
        began = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def list_of_pods(server: Running) -> float:
    path = "/api/v1/namespaces/default/pods"
    container = {"name": "c", "image": "example/web:1", "env": [{"name": f"V{n}", "value": "x" * 20} for n in range(9)]}
    with httpx.Client(**server.how) as client:
        for number in range(PODS):
            body = {"metadata": {"name": f"p{number}", "labels": {"app": "web"}}, "spec": {"containers": [container]}}
            client.post(path, json=body).raise_for_status()

        def once(_: int) -> None:
            answer = client.get(path, params={"limit": "0"})
            assert len(answer.content) > PODS * 1000

        return median_of(once, 15)


def apply_of_six(server: Running, kubectl: str) -> float:
    text = SIX.read_text(encoding="utf-8")

    def once(number: int) -> None:
        argv = [kubectl, "--kubeconfig", str(server.kubeconfig), "apply", "-f", "-"]
        manifest = text.replace("namespace: o1", f"namespace: b{number}").encode()
        done = subprocess.run(argv, input=manifest, capture_output=True, check=True)
        assert done.stdout.count(b" created\n") == 6, done.stdout

    with httpx.Client(**server.how) as client:
        for number in range(ROUNDS):
            client.post("/api/v1/namespaces", json={"metadata": {"name": f"b{number}"}}).raise_for_status()
    return median_of(once)


def apply_of_platform(server: Running, kubectl: str) -> float:
    """Time `kubectl apply -k` of both local overlays together, each time into a namespace of its own."""

    def once(number: int) -> None:
        argv = [kubectl, "--kubeconfig", str(server.kubeconfig), "apply", "-k", f"{folder}/{number}"]
        done = subprocess.run(argv, capture_output=True, check=True)
        assert done.stdout.count(b" created\n") > 8, done.stdout

    with tempfile.TemporaryDirectory(prefix="maas-lab-bench-") as folder, httpx.Client(**server.how) as client:
        for number in range(ROUNDS):
            client.post("/api/v1/namespaces", json={"metadata": {"name": f"p{number}"}}).raise_for_status()
            place = Path(folder) / str(number)
            place.mkdir()
            overlays = [os.path.relpath(overlay, place) for overlay in (ROOT / "manifests").glob("*/overlays/local")]
            told = {"namespace": f"p{number}", "resources": overlays}
            (place / "kustomization.yaml").write_text(json.dumps(told), encoding="utf-8")
        return median_of(once)


async def watchers(server: Running) -> tuple[float, float]:
    """Let many watch while several write, and insist that each watch tells every update in order."""
    async with httpx.AsyncClient(**server.how) as client:
        for number in range(WRITERS):
            body = {"metadata": {"name": f"w{number}"}, "data": {"k": "0"}}
            (await client.post(CONFIG_MAPS, json=body)).raise_for_status()
        version = (await client.get(CONFIG_MAPS)).json()["metadata"]["resourceVersion"]
        began = time.perf_counter()
        watching = [asyncio.create_task(watch(server, version)) for _ in range(WATCHERS)]
        await asyncio.gather(*(write(client, f"w{number}") for number in range(WRITERS)))
        await asyncio.wait_for(asyncio.gather(*watching), 300)
        return time.perf_counter() - began, server.megabytes


async def write(client: httpx.AsyncClient, name: str) -> None:
    headers = {"content-type": "application/merge-patch+json"}
    for number in range(1, UPDATES // WRITERS + 1):
        change = {"data": {"k": str(number)}}
        (await client.patch(f"{CONFIG_MAPS}/{name}", json=change, headers=headers)).raise_for_status()


async def watch(server: Running, version: str) -> None:
    """Read one watch as bytes: parsing half a million objects would measure this program, not the server."""
    host, port = server.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=server.trust, server_hostname=host)
    query = f"watch=true&resourceVersion={version}"
    head = f"GET {CONFIG_MAPS}?{query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    writer.write(head.encode())
    last: dict[bytes, int] = defaultdict(int)
    seen = 0
    while seen < UPDATES:
        line = await reader.readline()
        assert line, "the watch has ended"
        if line.startswith(b'{"type":"MODIFIED"'):
            match = SEEN.search(line)
            name, value = (match[2], match[1]) if match[2] else (match[3], match[4])
            assert int(value) == last[name] + 1, f"{name}: {value.decode()} after {last[name]}"
            last[name], seen = int(value), seen + 1
    writer.close()
