"""What pods use now: memory and CPU of their processes, told as metrics-server tells it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import psutil

from maas_lab.local.kube.kinds import METRICS
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import now
from maas_lab.local.processes import sessions

SHORTEST_S = 1.0  # a mean over less is mostly noise
_COPIED = ("name", "namespace", "labels")


class Window(NamedTuple):
    """How much CPU a container used in some time.

    Attributes:
        created: when its process began, seconds since 1970: another one with its number is told apart.
        ended: when the window ended, seconds since 1970.
        cpu_s: seconds of CPU used until then, since the start.
        length_s: seconds.
        cores: that were busy, the mean.
    """

    created: float
    ended: float
    cpu_s: float
    length_s: float
    cores: float

    @classmethod
    def moved(cls, before: Window | None, created: float, cpu_s: float, now: float) -> Window:
        """Return the window from the end of the one before, or from the start; the old one when it just ended."""
        if before is None or before.created != created:
            before = cls(created, created, 0.0, 0.0, 0.0)
        elif now - before.ended < SHORTEST_S:
            return before
        length_s = max(now - before.ended, 0.001)
        return cls(created, now, cpu_s, length_s, max(0.0, cpu_s - before.cpu_s) / length_s)


class Metrics:
    """Measures when asked; CPU is the mean since a container was measured before, at first since it started."""

    def __init__(self) -> None:
        self._windows: dict[int, Window] = {}

    def of(self, pods: Iterable[tuple[Object, Mapping[str, int]]]) -> list[Object]:
        """Return a PodMetrics for each pod that has a process.

        Args:
            pods: each with the process of each running container, by name.
        """
        by_session = sessions()
        told = ((pod, [self._container(*one, by_session) for one in running.items()]) for pod, running in pods)
        return [_pod_metrics(pod, found) for pod, found in told if found and all(found)]

    def keep(self, pids: Iterable[int]) -> None:
        """Forget all processes but these."""
        self._windows = {pid: self._windows[pid] for pid in pids if pid in self._windows}

    def _container(self, name: str, pid: int, by_session: Mapping[int, list[int]]) -> Object | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            cpu_s, memory = _used(by_session.get(pid, [pid]))
            created = psutil.Process(pid).create_time()
            window = self._windows[pid] = Window.moved(self._windows.get(pid), created, cpu_s, time.time())
            usage = {"cpu": f"{round(window.cores * 1e9)}n", "memory": f"{memory // 1024}Ki"}
            return {"name": name, "usage": usage, "window_s": window.length_s}
        return None


def _used(pids: Iterable[int]) -> tuple[float, int]:
    """Return seconds of CPU and bytes of memory of processes; pages that they share count once."""
    cpu_s, own, shared = 0.0, 0, 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):  # gone since, or another user's
            process = psutil.Process(pid)
            with process.oneshot():
                cpu_s += sum(process.cpu_times()[:4])  # also of its children that have ended
                memory = process.memory_info()
            common = getattr(memory, "shared", 0)
            own, shared = own + memory.rss - common, max(shared, common)
    return cpu_s, own + shared


def _pod_metrics(pod: Object, containers: list[Object]) -> Object:
    metadata = {name: pod["metadata"][name] for name in _COPIED if name in pod["metadata"]}
    return {
        "kind": "PodMetrics",
        "apiVersion": f"{METRICS}/v1beta1",
        "metadata": {**metadata, "creationTimestamp": now()},
        "timestamp": now(),
        "window": f"{max(one.pop('window_s') for one in containers):.3f}s",
        "containers": containers,
    }
