"""Check what usually goes wrong on a machine, and say for each thing what to do."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from maas_lab import settings
from maas_lab.checkup import looked
from maas_lab.local import LocalCluster, packages
from maas_lab.local.home import ROOM
from maas_lab.local.postgres import account_problem
from maas_lab.local.runtime import Runtime
from maas_lab.preflight import environment
from maas_lab.private import refuse_without_locks
from maas_lab.tables import Finding

DISK_GB, MEMORY_GB = (
    2.0,
    2.0,
)  # measured: 1.0 GB installed and 1.1 GB resident, with room for logs and a notebook

_PATIENCE = 5.0  # seconds for each answer of a cluster


def examine(cluster: LocalCluster) -> Iterator[Finding]:
    """Yield a finding for each thing that the local lab needs."""
    looks = (_python, _home, _disk, _memory, _account, _curl, _node, _network, _runtime, _ports, _stack)
    return looked(cluster, looks, "see the message")


def examine_before(cluster: LocalCluster) -> Iterator[Finding]:
    """Yield the same for who is not connected yet, and whether the cluster that they name lets them in."""
    yield from examine(cluster)
    yield from looked(cluster, (_cluster,), "see the message")


def _python(cluster: LocalCluster) -> Finding:
    version = sys.version_info
    seen = f"{version.major}.{version.minor}.{version.micro} at {sys.executable}"
    return Finding(
        "python",
        (3, 11) <= version[:2] <= (3, 13),
        seen,
        "use Python 3.11, 3.12 or 3.13: PYTHON=python3.12 ./lab up",
    )


def _home(cluster: LocalCluster) -> Finding:
    root = cluster.home.root
    place = _existing(root)
    ok = os.access(place, os.W_OK | os.X_OK)
    if ok:
        refuse_without_locks(place)
    return Finding(
        "home",
        ok,
        f"{root}" + ("" if ok else f": no right to write in {place}"),
        "set MAAS_LAB_HOME to a folder you own",
    )


def _disk(cluster: LocalCluster) -> Finding:
    missing = Runtime(cluster.settings.runtime_folder).missing()
    place = cluster.settings.runtime_folder if missing else cluster.home.root
    free, needed = shutil.disk_usage(_existing(place)).free / 1e9, DISK_GB if missing else ROOM / 1e9
    return Finding(
        "disk",
        free >= needed,
        f"{free:.1f} GB free, {needed:.1f} GB needed in {place}",
        "free space, or set MAAS_LAB_HOME to another disk",
    )


def _memory(cluster: LocalCluster) -> Finding:
    free = psutil.virtual_memory().available / 1e9
    needed = 0.2 if cluster.status()["ready"] else MEMORY_GB
    return Finding("memory", free >= needed, f"{free:.1f} GB available, {needed:.1f} GB needed", "close other programs")


def _account(cluster: LocalCluster) -> Finding:
    problem = account_problem()
    hint = "ask for an entry in /etc/passwd (OpenShift: an image whose group 0 may write it), or use another account"
    return Finding("account", not problem, problem or f"user id {os.geteuid()} can run PostgreSQL", hint)


def _curl(cluster: LocalCluster) -> Finding:
    path = shutil.which("curl")
    return Finding("curl", bool(path), path or "not found", "install curl; lesson 03 runs it")


def _node(cluster: LocalCluster) -> Finding:
    found = packages.system_node()
    seen = str(found[0]) if found else f"no Node.js {packages.NODE_MAJOR} or newer with npm here; ./lab up installs one"
    return Finding("node", True, seen)


def _network(cluster: LocalCluster) -> Finding:
    chosen = settings.proxies()
    lost = environment.missing_files(chosen)
    hint = f"{', '.join(lost)} names a file that does not exist: unset it or correct it"
    return Finding("network", not lost, environment.told(chosen), hint)


def _runtime(cluster: LocalCluster) -> Finding:
    folder = cluster.settings.runtime_folder
    missing = Runtime(folder).missing()
    half = [path.name for path in folder.glob("*.building")]
    if not missing:
        return Finding("runtime", True, f"installed in {folder}")
    seen = f"not installed yet: {', '.join(missing)}" + (f"; half-built: {', '.join(half)}" if half else "")
    return Finding("runtime", not half, seen, "./lab up builds what is missing anew")


def _ports(cluster: LocalCluster) -> Finding:
    with socket.socket() as probe:
        probe.bind((settings.LOOPBACK, 0))  # raises where the kernel gives none
    return Finding("ports", True, "loopback ports are to be had")


def _stack(cluster: LocalCluster) -> Finding:
    status = cluster.status()
    bad = [f"{row['pod']}: {row['reason']}" for row in status["workloads"] if not row["ready"]]
    hint = "KUBECONFIG=$(./lab kubeconfig) kubectl get events -n maas-system; ./lab logs NAME"
    return Finding("stack", not bad, "; ".join(bad) or status["phase"], hint)


def _cluster(cluster: LocalCluster) -> Finding:
    """Look whether the cluster that a kubeconfig names lets its user in; what runs on it is for `./lab preflight`."""
    if not (named := settings.kubeconfig()):
        return Finding("cluster", True, "no kubeconfig is named: lessons take the lab of this machine")
    from maas_lab.cluster import Cluster  # its client loads slowly, and only who names a cluster needs it

    with Cluster(named, timeout=_PATIENCE) as other:
        seen = f"{other.server} knows you as {other.whoami()}, by {settings.kubeconfig_variable()}"
    return Finding("cluster", True, seen)


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())
