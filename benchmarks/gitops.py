"""GitOps on the local cluster: from a commit to a synced cluster, from a deletion to the object, what looking costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import psutil

from benchmarks.measures import Table
from maas_lab import settings, wait
from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound
from maas_lab.gitops import PARTS, REFRESH, GitOps
from maas_lab.lab import Lab
from maas_lab.local import LocalCluster

ROUNDS, IDLE_S = 5, 10.0
HEAL_PAUSE_S = 61.0  # healing again sooner than that waits on purpose
SERVICE = "manifests/models/base/smollm2-135m-instruct/inferenceservice.yaml"
HEADER = ["what", "median", "most", "promised"]


def measure(cluster: LocalCluster) -> Table:
    daemon = psutil.Process(cluster.home.read_status()["pid"])
    with Cluster(cluster.kubeconfig, namespace=settings.NAMESPACE) as client:
        lab = Lab(client, settings.NAMESPACE, cluster)
        gitops = lab.gitops
        gitops.create()
        gitops.wait()
        rows = [
            _row("commit to Synced, s", [_commit(gitops, number) for number in range(ROUNDS)], 3.0),
            _row("deleted Deployment to its return, s", [_heal(client, pause=number) for number in range(2)], 3.0),
            _row("both Applications, nothing new: CPU ms", [_cpu_ms(daemon, gitops) for _ in range(ROUNDS)], 300.0),
            _row("the same, Git read anew: CPU ms", [_cpu_ms(daemon, gitops, hard=True) for _ in range(ROUNDS)]),
            _row("idle: % of a core, with the whole platform", [_idle(daemon)]),
        ]
        gitops.remove(repository=True)
        lab.gateway.close()
    return "GitOps", HEADER, rows


def _row(what: str, found: list[float], promised: float | None = None) -> list[str]:
    return [what, f"{statistics.median(found):.3g}", f"{max(found):.3g}", f"{promised:g}" if promised else ""]


def _seconds(act: Callable[[], object], check: Callable[[], object]) -> float:
    act()
    began = time.monotonic()
    wait.until(check, what="the cluster to follow", timeout=60, every=0.02, transient=(NotFound,))
    return time.monotonic() - began


def _commit(gitops: GitOps, number: int) -> float:
    file = gitops.folder / SERVICE
    lines = file.read_text().splitlines()
    [at] = [index for index, line in enumerate(lines) if "openshift.io/description:" in line]
    lines[at] = f"    openshift.io/description: round {number}"
    file.write_text("\n".join(lines) + "\n")
    commit = gitops.commit(f"Round {number}")
    began = time.monotonic()
    gitops.wait(commit, "maas-models")
    return time.monotonic() - began


def _heal(client: Cluster, pause: int) -> float:
    uid = client.get("Deployment", "frontend")["metadata"]["uid"]
    if pause:
        _rest(HEAL_PAUSE_S)
    found = _seconds(
        lambda: client.delete("deployment/frontend", wait=False),
        lambda: client.get("Deployment", "frontend")["metadata"]["uid"] != uid,
    )
    client.wait_ready("deployment/frontend")
    return found


def _cpu_ms(daemon: psutil.Process, gitops: GitOps, *, hard: bool = False) -> float:
    before = _cpu_s(daemon)
    for name in PARTS:
        gitops.refresh(name, hard=hard)

    def all_done() -> bool:
        return not any(REFRESH in (app["metadata"].get("annotations") or {}) for app in gitops._applications())

    wait.until(all_done, what="the refresh", timeout=60, every=0.02)
    return (_cpu_s(daemon) - before) * 1000


def _idle(daemon: psutil.Process) -> float:
    before = _cpu_s(daemon)
    _rest(IDLE_S)
    return (_cpu_s(daemon) - before) / IDLE_S * 100


def _rest(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait.until(lambda: time.monotonic() >= end, what="time to pass", timeout=seconds + 5, every=0.5)


def _cpu_s(daemon: psutil.Process) -> float:
    told = daemon.cpu_times()
    return told.user + told.system + told.children_user + told.children_system
