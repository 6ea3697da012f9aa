"""The one long-lived process of a local lab: the Kubernetes API, its controllers, and the kubelet that runs the pods.

Started as `python -m maas_lab.local.daemon` in the runtime environment. It ends on SIGTERM: first the API, then the
pods' processes. One event loop owns the objects; each process is watched by threads of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from maas_lab import settings
from maas_lab.local import report
from maas_lab.local.gitops import following
from maas_lab.local.home import Home
from maas_lab.local.images import Program
from maas_lab.local.keeper import Keeper
from maas_lab.local.kube import certificates
from maas_lab.local.kube.api import Api
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.credentials import Credentials
from maas_lab.local.kube.controllers.work import Work
from maas_lab.local.kube.server import Server
from maas_lab.local.kube.store import Change, Key
from maas_lab.local.kubelet import Kubelet
from maas_lab.local.network import forwarder
from maas_lab.local.network.endpoints import Endpoints
from maas_lab.local.network.names import Names
from maas_lab.local.network.ports import Ports
from maas_lab.local.probes import listening_ports
from maas_lab.local.processes import Leftovers
from maas_lab.local.programs import catalogue
from maas_lab.local.runtime import Runtime

STATUS = Key("daemon", "", "status")
_asked: list[int] = []  # signals to end that came before the API served


class Daemon:
    """Runs one home's cluster and keeps its status file true."""

    def __init__(self, home: Home, chosen: settings.Settings, api: Api) -> None:
        self._home, self._chosen, self._api, self._left = home, chosen, api, Leftovers(home.root)
        runtime, objects = Runtime(chosen.runtime_folder), api.objects
        ours = [port for process in self._left.processes for port in listening_ports(process)]
        self._ports = Ports(home.root / "ports.json", ours)
        self._names = Names(objects.store, self._ports)
        self._kubelet = Kubelet(objects, catalogue(runtime, chosen), self._ports, self._names, home.root)
        self._table = home.root / "run" / "network.json"
        self._forwarder = Keeper("network", _forwarder(runtime, self._table), home.root, changed=self._note)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._phase = "starting"

    def serve(self) -> None:
        """Take over what an earlier daemon left, and serve until SIGTERM or SIGINT."""
        self._publish("starting")  # from now on `down` knows whom to stop
        self._kubelet.begin(self._left)
        self._forwarder.start(self._left)
        self._left.end_rest()
        objects, names = self._api.objects, self._names
        authority = certificates.ensure(self._home.root / "kube")[0].read_text(encoding="ascii")
        endpoints = Endpoints(Client(objects, "kube-proxy"), self._ports, self._table, self._network_changed)
        credentials = Credentials(Client(objects, controllers.MANAGER), self._api.tokens, authority)
        work = (
            controllers.start(objects, hosts=names.host, addresses=names.address, reach=names.pod),
            Work(objects.store, [endpoints, credentials, self]),
        )
        gitops = following.Following(objects, Runtime(self._chosen.runtime_folder), self._home.root)
        kubelet = {"logs": self._kubelet.logs, "usage": self._kubelet.usage}
        hooks = {**kubelet, "audit": self._api.audit}
        server = Server(objects, self._api.tokens, self._api.accounts, controllers=(*work, gitops, self), **hooks)
        try:
            self._api.serve(server, self._ports.of("kubernetes"))
        finally:
            self._publish("stopped")

    async def run(self) -> None:
        """Run the pods until cancelled, and then end them."""
        self._loop = asyncio.get_running_loop()
        self._publish("running")
        if _asked:  # and yet here: Python drops what a signal raises in the middle of some imports
            signal.raise_signal(_asked[0])
        try:
            await self._kubelet.run()
        finally:
            self._publish("stopping")
            await self._kubelet.stop()
            await asyncio.to_thread(self._forwarder.stop)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield the status where something of the platform has changed."""
        if change.key.namespace == settings.NAMESPACE:
            yield STATUS

    def reconcile(self, key: Key) -> float | None:
        """Write the status."""
        self._publish(self._phase)
        return None

    def _network_changed(self) -> None:
        self._forwarder.signal(signal.SIGHUP)

    def _note(self) -> None:
        """Write the status soon; called from another thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish, self._phase)

    def _publish(self, phase: str) -> None:
        self._phase = phase
        try:
            self._home.write_status(self._told())
        except OSError as error:  # a full disk is no reason to stop what runs
            print(f"cannot write the status: {error}", flush=True)

    def _told(self) -> dict[str, Any]:
        store, kubernetes = self._api.objects.store, f"https://{settings.LOOPBACK}:{self._ports.of('kubernetes')}"
        rows = report.rows(store, settings.NAMESPACE, self._kubelet.log_of)
        return {
            "pid": os.getpid(),
            "created": psutil.Process().create_time(),
            "phase": self._phase,
            "endpoints": report.endpoints(store, settings.NAMESPACE) | {"kubernetes": kubernetes},
            "model": report.model(store, settings.NAMESPACE),
            "workloads": [*rows, report.network_row(self._forwarder)],
        }


def _forwarder(runtime: Runtime, table: Path) -> Program:
    argv = (str(runtime.python), "-I", forwarder.__file__, str(table))
    return Program(argv=argv, env=settings.child_environment(), cwd=Path("/"))


def _leave(number: int, frame: object) -> None:
    _asked.append(number)
    raise SystemExit(0)


def main() -> int:
    """Run the daemon of the home that the environment names; a second one ends at once."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    # A closed terminal is no reason to end, and the forwarder must not end of a signal that comes before it listens.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    chosen = settings.load()
    home = Home(chosen.home)
    with home.lock() as held:
        if not held:
            print("another supervisor runs this home", flush=True)
            return 0
        with Api.opened(home.root, Runtime(chosen.runtime_folder).schemas) as api:
            Daemon(home, chosen, api).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
