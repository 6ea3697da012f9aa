"""Keep processes running: probe, restart with back-off, logs, adoption after a restart.

A workload is Ready only while its probe says so, never because time has passed. Each process is started in a
session of its own with a mark in its environment, so that a supervisor that comes after one that was killed finds
every process of its home: it adopts those that still are what they should be and ends the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from maas_lab import wait
from maas_lab.errors import LabError
from maas_lab.local import processes
from maas_lab.local.processes import Leftover, how_it_ended

SLICE_S = 0.2  # how soon a death or a stop is noticed


@dataclass(frozen=True)
class Health:
    """What a probe saw: `ready` to serve; not `alive` means that only a restart can help."""

    ready: bool
    reason: str = ""
    alive: bool = True


@dataclass(frozen=True)
class Spec:
    """One process to keep running.

    Attributes:
        name: the workload's name, also of its log file.
        argv: program and arguments; no secrets, everybody may read them.
        env: the whole environment of the process.
        cwd: working folder.
        log: file that receives standard output and error.
        port: the loopback port it serves.
        probe: asks the process whether it serves; called every 0.1 s until Ready, then every `period_s`.
        needs: names of workloads that must be Ready before this one starts.
        prepare: runs before each start, e.g. to create a database.
        stop_signal: how the process is asked to end; after `grace_s` seconds it is killed.
        start_s: seconds from start to Ready after which it is started anew.
        pid_file: file whose first line is the process id, for a process that keeps one itself.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    log: Path
    port: int
    probe: Callable[[psutil.Process], Health]
    needs: tuple[str, ...] = ()
    prepare: Callable[[Callable[[float], None]], None] = lambda sleep: None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    start_s: float = 120.0
    period_s: float = 2.0
    pid_file: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Name exactly this way of running it; another argument or secret is another fingerprint."""
        told = json.dumps([self.argv, dict(sorted(self.env.items())), str(self.cwd)])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def end(self, process: psutil.Process) -> None:
        """End a process that runs in this way."""
        processes.end(process, self.stop_signal, self.grace_s)

    def end_by_pid_file(self) -> None:
        """End what the pid file names: where the kernel hides other users' environments, no mark can be read."""
        if self.pid_file is None or not self.pid_file.exists():
            return
        pid = int(self.pid_file.read_text().split("\n", 1)[0])
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if process.name() == self.name:
                self.end(process)


class Stopping(BaseException):
    """Raised inside a workload's thread to leave whatever it waits for."""


class Workload:
    """Keeps one process running, in a thread of its own."""

    def __init__(self, spec: Spec, home: Path, peers: Mapping[str, Workload], changed: Callable[[], None]) -> None:
        self.spec, self.home, self.peers, self.changed = spec, home, peers, changed
        self.process: psutil.Process | None = None
        self.leftover: psutil.Process | None = None
        self.ready, self.restarts, self.failures = False, 0, 0
        self.started: float | None = None
        self.reason, self.hint = "not started", ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=spec.name, daemon=True)

    def start(self) -> None:
        """Begin to keep the process running."""
        self._thread.start()

    def stop(self) -> None:
        """End the process and wait until it has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def row(self) -> dict[str, Any]:
        """Return the workload's state as plain values."""
        return {
            "name": self.spec.name,
            "ready": self.ready,
            "pid": self.process.pid if self.process else None,
            "restarts": self.restarts,
            "failures": self.failures,
            "started": self.started,
            "reason": self.reason,
            "hint": self.hint,
            "log": str(self.spec.log),
        }

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopping

    def _keep(self) -> None:
        try:
            while True:
                self._run_once()
                self.failures += 1
                self.restarts += 1
                self._sleep(min(10.0, 0.2 * 2 ** (self.failures - 1)))
        except Stopping:
            self._end("stopped")
        except Exception:
            self._end("a bug in the supervisor ended it; see supervisor.log")
            raise

    def _run_once(self) -> None:
        """Start the process and watch it until it has ended or must."""
        try:
            self._wait_for_needs()
            self.process = self._adopted() or self._spawned()
            self._end(self._watch(self.process))
        except LabError as error:
            self._note(Health(False, f"{error.what}: {error.why}" if error.why else error.what), error.hint)
        except OSError as error:
            self._note(Health(False, f"cannot be started: {error}"), "./lab doctor")

    def _wait_for_needs(self) -> None:
        needs = [self.peers[name] for name in self.spec.needs]
        if missing := [peer.spec.name for peer in needs if not peer.ready]:
            self._note(Health(False, f"waits for {', '.join(missing)}"))
        wait.until(
            lambda: all(peer.ready for peer in needs),
            what="its needs",
            timeout=math.inf,
            every=0.05,
            sleep=self._sleep,
        )

    def _adopted(self) -> psutil.Process | None:
        process, self.leftover = self.leftover, None
        if process is None or not self.spec.probe(process).ready:
            if process is not None:
                self.spec.end(process)
            return None
        self.started = process.create_time()
        return process

    def _spawned(self) -> psutil.Process:
        self._note(Health(False, "preparing"))
        self.spec.prepare(self._sleep)
        mark = processes.mark(self.spec.name, self.spec.fingerprint, self.home)
        process = processes.spawn(self.spec.argv, {**self.spec.env, **mark}, self.spec.cwd, self.spec.log)
        self.started = time.time()
        self._note(Health(False, "starting"))
        return process

    def _watch(self, process: psutil.Process) -> str:
        """Probe until the process has ended, and return why it did or must."""
        misses, was_ready, next_probe = 0, False, 0.0
        deadline = time.monotonic() + self.spec.start_s
        while True:
            if ended := how_it_ended(process):
                return ended
            now = time.monotonic()
            if now >= next_probe:
                health = self.spec.probe(process)
                self._note(health)
                was_ready |= health.ready
                misses = misses + 1 if was_ready and not health.alive else 0
                if misses >= 3:
                    return f"liveness probe failed: {health.reason}"
                next_probe = now + (self.spec.period_s if health.ready else 0.1)
            if not was_ready and now > deadline:
                return f"not ready after {self.spec.start_s:.0f} s: {self.reason}"
            self._sleep(min(SLICE_S, max(0.01, next_probe - now)))

    def _note(self, health: Health, hint: str = "") -> None:
        if health.ready and self.started and time.time() - self.started > 30:
            self.failures = 0
        before = (self.ready, self.reason)
        self.ready, self.reason, self.hint = health.ready, health.reason, hint
        if before != (self.ready, self.reason):
            self.changed()

    def _end(self, reason: str) -> None:
        self._note(Health(False, reason))
        if self.process is not None:
            self.spec.end(self.process)
            self.process = None
            self.changed()


class Supervisor:
    """Keeps the processes of one home running.

    Args:
        specs: what to run; dependencies before those that need them.
        home: the lab's home; processes marked with it are this supervisor's.
        changed: called from any thread after a state has changed.
    """

    def __init__(self, specs: list[Spec], home: Path, changed: Callable[[], None]) -> None:
        self.workloads: dict[str, Workload] = {}
        for spec in specs:
            self.workloads[spec.name] = Workload(spec, home, self.workloads, changed)
        self._home = home

    def start(self) -> None:
        """Adopt or end what an earlier supervisor left, then start what is missing."""
        left = processes.leftovers(self._home)
        kept = {one.process.pid for one in left if self._keeps(one)}
        for one in left:
            if one.session not in kept:
                workload = self.workloads.get(one.name)
                (workload.spec.end if workload else processes.end)(one.process)
        for workload in self.workloads.values():
            if workload.leftover is None:
                workload.spec.end_by_pid_file()
            workload.start()

    def _keeps(self, one: Leftover) -> bool:
        """Hand a leftover to its workload, and tell whether that will have it; its children stay with it."""
        workload = self.workloads.get(one.name)
        if workload is None or workload.leftover or one.fingerprint != workload.spec.fingerprint:
            return False
        if one.session != one.process.pid or how_it_ended(one.process):
            return False
        workload.leftover = one.process
        return True

    def stop(self) -> None:
        """End all processes, those that need others first."""
        for workload in reversed(self.workloads.values()):
            workload.stop()

    def rows(self) -> list[dict[str, Any]]:
        """Return the state of every workload."""
        return [workload.row() for workload in self.workloads.values()]

    @property
    def ready(self) -> bool:
        """Whether every workload is Ready."""
        return all(workload.ready for workload in self.workloads.values())
