"""The one long-lived process of a local lab: the Kubernetes API, its controllers, and the kubelet that runs the pods.

Started as `python -m maas_lab.local.daemon` in the runtime environment; ends on SIGTERM, and ends the pods' processes
after the API. One event loop owns the objects; each process is watched by a thread of its own.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import psutil

from maas_lab import settings
from maas_lab.local import report
from maas_lab.local.home import Home
from maas_lab.local.kube.api import Api
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.server import Server
from maas_lab.local.kubelet import Kubelet
from maas_lab.local.network import Network
from maas_lab.local.network.ports import Ports
from maas_lab.local.probes import listening_ports
from maas_lab.local.processes import leftovers
from maas_lab.local.programs import catalogue
from maas_lab.local.runtime import Runtime


class Daemon:
    """Runs one home's cluster and keeps its status file true."""

    def __init__(self, home: Home, chosen: settings.Settings, api: Api) -> None:
        runtime = Runtime(chosen.runtime_folder)
        ours = [port for one in leftovers(home.root) for port in listening_ports(one.process)]
        ports = Ports(home.root / "ports.json", ours)
        self._home, self._api, self._port = home, api, ports.of("kubernetes")
        self._network = Network(api.objects, ports, home.root, runtime.python)
        self._kubelet = Kubelet(api.objects, catalogue(runtime, chosen), ports, self._network.names, home.root)
        self._phase = "starting"
