"""The only starter of processes: probe, restart with back-off, logs, adoption after a restart.

A workload is Ready only while its probe says so, never because time has passed. Each process is started in a
session of its own with a mark in its environment, so that a supervisor that comes after one that was killed finds
every process of its home: it adopts those that still are what they should be and ends the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from maas_lab import wait
from maas_lab.errors import LabError

MARK = "MAAS_LAB_PROCESS"
LOG_LIMIT = 5_000_000  # bytes; a longer log is set aside once, when its process starts
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


class Stopping(BaseException):
    """Raised inside a workload's thread to leave whatever it waits for."""


class Workload:
    """Keeps one process running, in a thread of its own."""

    def __init__(
        self, spec: Spec, home: Path, peers: Mapping[str, Workload], changed: Callable[[], None]
    ) -> None:
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
                end(process, self.spec)
            return None
        self.started = process.create_time()
        return process

    def _spawned(self) -> psutil.Process:
        self._note(Health(False, "preparing"))
        self.spec.prepare(self._sleep)
        mark = f"{self.spec.name} {self.spec.fingerprint} {self.home}"
        process = spawn(self.spec.argv, {**self.spec.env, MARK: mark}, self.spec.cwd, self.spec.log)
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
            end(self.process, self.spec)
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
        left = leftovers(self._home)
        kept = {process.pid for process in left if self._keeps(process)}
        for process in left:
            if _session(process) not in kept:
                workload = self.workloads.get(_mark(process)[0])
                end(process, workload.spec if workload else None)
        for workload in self.workloads.values():
            if workload.leftover is None:
                _end_by_pid_file(workload.spec)
            workload.start()

    def _keeps(self, process: psutil.Process) -> bool:
        """Hand a leftover to its workload, and tell whether that will have it; its children stay with it."""
        name, fingerprint = _mark(process)[:2]
        workload = self.workloads.get(name)
        if workload is None or workload.leftover or fingerprint != workload.spec.fingerprint:
            return False
        if _session(process) != process.pid or how_it_ended(process):
            return False
        workload.leftover = process
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


def spawn(argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, log: Path) -> psutil.Popen:
    """Start a process in a session of its own, without input, its output appended to `log` (0600)."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".1.log"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return psutil.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: psutil.Process, spec: Spec | None = None) -> None:
    """Ask a process to end, kill it when it does not, and kill what it leaves in its session."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(spec.stop_signal if spec else signal.SIGTERM)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(timeout=spec.grace_s if spec else 10.0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process.kill()
        process.wait(timeout=5)


def how_it_ended(process: psutil.Process) -> str:
    """Return how a process ended; empty while it runs."""
    if isinstance(process, psutil.Popen):  # a child: ask the kernel for its exit code
        code = process.poll()
        if code is None:
            return ""
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    try:
        running = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        running = False
    return "" if running else "ended"


def leftovers(home: Path) -> list[psutil.Process]:
    """Return the processes that carry the home's mark, oldest first."""
    marked = [process for process in psutil.process_iter() if _mark(process)[2:] == [str(home)]]
    return sorted(marked, key=lambda process: process.pid)


def _mark(process: psutil.Process) -> list[str]:
    try:
        return process.environ().get(MARK, "").split(" ", 2)
    except (psutil.Error, OSError):  # another user's, or gone: not ours
        return []


def _session(process: psutil.Process) -> int | None:
    """Return the id of a process's session, which is the pid of the process that we started."""
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def _end_by_pid_file(spec: Spec) -> None:
    """End what a pid file names: where the kernel hides other users' environments, no mark can be read."""
    if spec.pid_file is None or not spec.pid_file.exists():
        return
    pid = int(spec.pid_file.read_text().split("\n", 1)[0])
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.name() == spec.name:
            end(process, spec)
