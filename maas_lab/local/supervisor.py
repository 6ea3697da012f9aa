"""Run one process in a thread: start or adopt it, probe it, end it, and know how it ended.

A process is Ready only while its probe says so, never because time has passed. Each is started in a session of its
own with a mark in its environment, so that a daemon that comes after one that was killed finds every process of its
home (`processes.Leftovers`): it adopts those that still are what they should be and ends the rest.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from maas_lab.errors import LabError
from maas_lab.local import processes
from maas_lab.local.images import Program
from maas_lab.local.probes import LIVENESS, READINESS, STARTUP, Check, Prober
from maas_lab.local.processes import Mark

SLICE_S = 0.2  # how soon a death is noticed
NOT_STARTED = 128  # exit code of what could not be started, as container runtimes tell it
log = logging.getLogger(__name__)


def nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class State:
    """What is known of a worker's process.

    Attributes:
        pid: of the process; None before it runs, kept after it has ended.
        started_at: seconds since 1970.
        ended_at: seconds since 1970; None while it runs.
        exit_code: 128 and the signal's number for a killed process.
        reason: `Completed`, `Error`, `StartError`, or `Unknown` for an adopted process, whose exit code nobody gets.
        message: what more is to be said of its end.
        started: its startup probe has succeeded, or it has none.
        ready: its readiness probe succeeds, or it has none.
    """

    pid: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    started: bool = False
    ready: bool = False


@dataclass(frozen=True)
class Hooks:
    """Who is told what happens to a process; all are called from its threads.

    Attributes:
        changed: the state has changed.
        unhealthy: a probe has failed: its kind, and why.
        doomed: this probe has failed too often, and the process is being ended: its kind.
    """

    changed: Callable[[], None] = nothing
    unhealthy: Callable[[str, str], None] = nothing
    doomed: Callable[[str], None] = nothing


class Stopping(BaseException):
    """Raised inside a worker's thread to leave whatever it waits for."""


class Worker:
    """Runs one process, once.

    Args:
        mark: by which the process is recognised later.
        program: what to run.
        log: file that receives its output.
        checks: at most one of each kind.
        grace_s: seconds that it may take to end when a probe dooms it.
    """

    def __init__(
        self,
        mark: Mark,
        program: Program,
        log: Path,
        checks: Sequence[Check] = (),
        hooks: Hooks = Hooks(),
        grace_s: float = 30.0,
    ) -> None:
        self.mark, self.program, self.log, self._hooks, self._grace_s = mark, program, log, hooks, grace_s
        self.state = State()
        self._checks = {check.kind: check for check in checks}
        self._probers: list[Prober] = []
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._ask_at = self._kill_at = float("inf")
        self._thread = threading.Thread(target=self._live, name=mark.name, daemon=True)
        self._adopted: psutil.Process | None = None
        self._is_asked, self._is_buried, self._is_probed = False, False, threading.Event()

    def start(self, adopted: psutil.Process | None = None, *, started: bool = False) -> None:
        """Begin to run the process.

        Args:
            adopted: a running process to look after instead of starting one.
            started: its startup probe has succeeded before.
        """
        self._adopted, self.state = adopted, State(started=started)
        self._thread.start()

    def stop(self, grace_s: float, pause_s: float = 0.0) -> None:
        """Ask the process to end, and return at once; a later call can only make it sooner.

        Args:
            grace_s: after that it is killed; the pause counts, but two seconds remain for an end in order.
            pause_s: waits this long before it asks.
        """
        with self._lock:
            now = time.monotonic()
            self._ask_at = min(self._ask_at, now + min(pause_s, grace_s))
            self._kill_at = min(self._kill_at, max(now + grace_s, self._ask_at + (2.0 if pause_s else 0.0)))
            ended = [one for one in self._probers if one.check.kind != READINESS]
        for prober in ended:
            prober.stop()
        self._wake.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until the process has ended."""
        self._thread.join(timeout_s)

    def wait_for_verdict(self, timeout_s: float) -> None:
        """Wait until every probe has been performed once, or the time is up."""
        deadline = time.monotonic() + timeout_s
        self._is_probed.wait(timeout_s)
        for prober in list(self._probers):
            prober.judged.wait(max(0.0, deadline - time.monotonic()))

    @property
    def _is_stopping(self) -> bool:
        return self._ask_at < float("inf")

    def _live(self) -> None:
        try:
            self._watch(self._adopted or self._spawned())
        except Stopping:
            self._ended(128 + signal.SIGTERM, "Error")
        except LabError as error:
            self._complain(error)
            self._ended(1, "Error")
        except OSError as error:
            self._ended(NOT_STARTED, "StartError", f"cannot be started: {error}")
        except Exception as error:
            log.exception("%s: a bug", self.mark.name)
            self._ended(NOT_STARTED, "StartError", f"a bug in the local lab: {type(error).__name__}: {error}")

    def _spawned(self) -> psutil.Process:
        self.program.prepare(self._sleep)
        if self._is_stopping:
            raise Stopping
        return processes.spawn_marked(self.mark, self.program.argv, self.program.env, self.program.cwd, self.log)

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._is_stopping:
                raise Stopping
            self._wake.wait(left)
            self._wake.clear()

    def _complain(self, error: LabError) -> None:
        """Tell in the process's own log why it was not started."""
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write("\n".join(error.lines()) + "\n")

    def _watch(self, process: psutil.Process) -> None:
        """Probe the process until it has ended; ask and kill it when its time is up."""
        self._note(pid=process.pid, started_at=process.create_time())
        self._probe(process)
        self._is_probed.set()
        while (code := processes.exit_code(process)) is None:
            now = time.monotonic()
            if now >= self._kill_at:
                processes.kill(process)
            elif now >= self._ask_at and not self._is_asked:
                self._is_asked = True
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(self.program.stop_signal)
            due = self._kill_at if self._is_asked else self._ask_at
            self._wake.wait(max(0.01, min(SLICE_S, due - now)))
            self._wake.clear()
        self._bury(process)
        is_known = isinstance(process, psutil.Popen)
        self._ended(code, ("Error" if code else "Completed") if is_known else "Unknown")

    def _bury(self, process: psutil.Process) -> None:
        with self._lock:
            self._is_buried = True
        for prober in self._probers:
            prober.stop()
        processes.kill(process)  # its children may be left
        self.mark.record.unlink(missing_ok=True)

    def _probe(self, process: psutil.Process) -> None:
        if STARTUP in self._checks and not self.state.started:
            self._add_prober(self._checks[STARTUP], process, lambda good: self._startup(good, process))
        else:
            self._probe_started(process)

    def _startup(self, good: bool, process: psutil.Process) -> bool:
        if good:
            self._probe_started(process)
        else:
            self._doom(self._checks[STARTUP])
        return False

    def _probe_started(self, process: psutil.Process) -> None:
        self._note(started=True, ready=READINESS not in self._checks)
        if READINESS in self._checks:
            self._add_prober(self._checks[READINESS], process, self._readiness)
        if LIVENESS in self._checks:
            self._add_prober(self._checks[LIVENESS], process, self._liveness)

    def _readiness(self, good: bool) -> bool:
        self._note(ready=good)
        return True

    def _liveness(self, good: bool) -> bool:
        if not good:
            self._doom(self._checks[LIVENESS])
        return good

    def _doom(self, check: Check) -> None:
        if not self._is_stopping:
            self._hooks.doomed(check.kind)
            self.stop(self._grace_s if check.grace_s is None else check.grace_s)

    def _add_prober(self, check: Check, process: psutil.Process, verdict: Callable[[bool], bool]) -> None:
        prober = Prober(check, process, verdict, lambda why: self._hooks.unhealthy(check.kind, why))
        with self._lock:
            if self._is_buried:
                return
            self._probers.append(prober)
        prober.start()

    def _note(self, **changes: object) -> None:
        with self._lock:
            if self.state.ended_at is not None:  # a probe's late answer
                return
            before, self.state = self.state, replace(self.state, **changes)
        if self.state != before:
            self._hooks.changed()

    def _ended(self, code: int, reason: str, message: str = "") -> None:
        self._note(ended_at=time.time(), exit_code=code, reason=reason, message=message, ready=False, started=False)
        self._is_probed.set()
