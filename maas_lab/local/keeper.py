"""Keep one process running that belongs to no pod, such as the forwarder of the network."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from maas_lab.local import processes
from maas_lab.local.images import Program
from maas_lab.local.probes import READINESS, Check
from maas_lab.local.processes import Leftovers, Mark
from maas_lab.local.supervisor import Hooks, State, Worker, nothing

LONG_RUN_S = 30.0  # after that a process counts as one that works, and its next failure as the first
LONGEST_PAUSE_S = 10.0


class Keeper:
    """Starts a process again whenever it has ended, with growing pauses while it keeps failing.

    Args:
        name: by which a later daemon finds the process, e.g. `network`; also of its log's file.
        program: what to run.
        home: the lab's home.
        ready: returns why the process does not serve yet, or nothing; without it a running process is ready.
        changed: called from any thread after a state has changed.
    """

    def __init__(
        self,
        name: str,
        program: Program,
        home: Path,
        ready: Callable[[psutil.Process], str] | None = None,
        changed: Callable[[], None] = nothing,
    ) -> None:
        self.name, self.program, self.log = name, program, home / "logs" / f"{name}.log"
        self._checks = [Check(READINESS, ready, period_s=2.0, failures=1)] if ready else []
        self._mark = Mark(name, fingerprint(program), program.stop_signal, home)
        self._hooks = Hooks(changed=changed)
        self.restarts = 0
        self._worker: Worker | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keep {name}", daemon=True)
        self._adopted: psutil.Process | None = None

    def start(self, left: Leftovers) -> None:
        """Begin; a process that an earlier daemon has left and that runs in this very way goes on."""
        self._adopted = left.take(self.name, self._mark.fingerprint)
        self._thread.start()

    def stop(self, grace_s: float = 10.0) -> None:
        """End the process and wait until it has ended."""
        self._stop.set()
        if self._worker:
            self._worker.stop(grace_s)
        if self._thread.is_alive():
            self._thread.join()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if (pid := self.pid) is not None:
                psutil.Process(pid).send_signal(number)

    @property
    def state(self) -> State:
        """What is known of the process that runs now, or ran last."""
        return self._worker.state if self._worker else State()

    @property
    def pid(self) -> int | None:
        """The running process; None when none runs."""
        return self.state.pid if self.state.ended_at is None else None

    @property
    def ready(self) -> bool:
        """Whether the process serves."""
        return self.state.ready

    def _keep(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._worker = worker = Worker(self._mark, self.program, self.log, self._checks, self._hooks)
            adopted, self._adopted = self._adopted, None
            worker.start(adopted)
            if self._stop.is_set():  # it was asked to stop before it could know of this worker
                worker.stop(0)
            worker.join()
            ran_s = time.time() - (worker.state.started_at or time.time())
            failures = 1 if ran_s > LONG_RUN_S else failures + 1
            self._stop.wait(min(LONGEST_PAUSE_S, 0.2 * 2 ** (failures - 1)))
            self.restarts += not self._stop.is_set()


def fingerprint(program: Program) -> str:
    """Name exactly this way of running a program; another argument or secret is another fingerprint."""
    return processes.fingerprint(program.argv, dict(program.env), str(program.cwd))
