"""The one long-lived process of a local lab: it holds the home's lock, runs the supervisor and says how things are.

Started as `python -m maas_lab.local.daemon` in the runtime environment; ends on SIGTERM, and ends its processes first.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import psutil

from maas_lab import settings
from maas_lab.errors import LabError
from maas_lab.local.home import Home
from maas_lab.local.probes import listening_ports
from maas_lab.local.processes import leftovers
from maas_lab.local.runtime import Runtime
from maas_lab.local.stack import MODEL, NAMES, Stack
from maas_lab.local.supervisor import Supervisor


class Daemon:
    """Runs one home's stack and keeps its status file true."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.supervisor = Supervisor(stack.specs(), stack.home.root, self._changed)
        self._stop, self._change = threading.Event(), threading.Event()
        self._registered, self._problem, self._phase = False, "", "starting"

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ask_to_stop())
        self._publish()
        self.supervisor.start()
        while not self._stop.is_set():
            self._change.wait()
            self._change.clear()
            self._register()
            self._publish()
        self._phase = "stopping"
        self._publish()
        self.supervisor.stop()
        self._phase = "stopped"
        self._publish()

    def _ask_to_stop(self) -> None:
        self._stop.set()
        self._change.set()

    def _changed(self) -> None:
        self._change.set()

    def _register(self) -> None:
        """Put the model into the gateway's catalog each time the stack has become whole."""
        if not self.supervisor.ready:
            self._registered = False
        elif not self._registered:
            try:
                self.stack.register()
                self._registered, self._problem = True, ""
            except LabError as error:
                self._problem = error.what
                threading.Timer(1.0, self._change.set).start()

    def _publish(self) -> None:
        try:
            self.stack.home.write_status(self._status())
        except OSError as error:  # a full disk is no reason to stop what runs
            print(f"cannot write the status: {error}", flush=True)

    def _status(self) -> dict[str, Any]:
        whole = self.supervisor.ready and self._registered
        return {
            "pid": os.getpid(),
            "created": psutil.Process().create_time(),
            "phase": "ready" if whole and self._phase == "starting" else self._phase,
            "ready": whole and self._phase == "starting",
            "problem": self._problem,
            "endpoints": self.stack.endpoints,
            "model": MODEL,
            "workloads": self.supervisor.rows(),
        }


def main() -> int:
    """Run the daemon of the home that the environment names; a second one ends at once."""
    chosen = settings.load()
    home = Home(chosen.home)
    with home.lock() as held:
        if not held:
            print("another supervisor runs this home", flush=True)
            return 0
        ours = [port for one in leftovers(home.root) for port in listening_ports(one.process)]
        ports = home.ports(NAMES, ours)
        Daemon(Stack(home, Runtime(chosen.runtime_folder), chosen, ports, home.secrets())).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
