"""How long `./lab preflight` takes: area by area on a running lab, the whole command, and where nothing answers."""

from __future__ import annotations

import json
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from maas_lab import preflight, shell
from maas_lab.connecting import Choice
from maas_lab.local import LocalCluster

ROUNDS, LEARNERS = 5, 30


def measure(cluster: LocalCluster) -> tuple[str, list[str], list[list[str]]]:
    reports = [_look(cluster) for _ in range(ROUNDS)]
    told = [[area, _median([one.seconds[area] for one in reports])] for area in reports[0].seconds]
    told.append(["all areas, at the same time", _median([one.total for one in reports])])
    told.append(["the command, with its start", _median([_command() for _ in range(ROUNDS)])])
    told.append(["where the cluster never answers", f"{_silence():.1f} s"])
    return f"preflight for {LEARNERS} learners, median of {ROUNDS}", ["area", "seconds"], told


def _look(cluster: LocalCluster) -> preflight.Report:
    report = preflight.examine(Choice(cluster.kubeconfig, "the local cluster", cluster), LEARNERS)
    red = [row for row in report.rows if row.state == "fail" and row.area != "quota"]
    assert not red, red
    return report


def _command() -> float:
    begun = time.monotonic()
    shell.run([sys.executable, "-m", "maas_lab", "preflight"])
    return time.monotonic() - begun


def _silence() -> float:
    with socket.socket() as silent, tempfile.TemporaryDirectory() as folder:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        cluster = {"server": f"https://127.0.0.1:{silent.getsockname()[1]}", "insecure-skip-tls-verify": True}
        context = {"name": "it", "context": {"cluster": "it", "user": "me"}}
        told = {"clusters": [{"name": "it", "cluster": cluster}], "users": [{"name": "me", "user": {"token": "none"}}]}
        file = Path(folder) / "kubeconfig"
        file.write_text(json.dumps(told | {"contexts": [context], "current-context": "it"}), encoding="utf-8")
        return preflight.examine(Choice(file, "a cluster that never answers")).total


def _median(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s"
