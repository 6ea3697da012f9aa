"""The room that is looked at: a cluster as one user of it, and the platform in one of its namespaces."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from maas_lab import settings
from maas_lab.cluster import Cluster
from maas_lab.platform import Platform

MANIFESTS = Path(__file__).parents[2] / "manifests"

if TYPE_CHECKING:
    from maas_lab.gateway import Gateway
    from maas_lab.scraping import EngineMetrics


@dataclass(frozen=True)
class Room:
    """What is looked at; its parts are asked for when they are used, and raise as `Platform`'s.

    Attributes:
        cluster: as the user who looks.
        namespace: of the platform.
        learners: how many are to work at the same time.
        is_local: whether the cluster is this machine's own.
        manifests: the folder of all manifests.
        environment: proxies and certificate files, as `settings.proxies` returns them.
    """

    cluster: Cluster
    namespace: str
    learners: int = 1
    is_local: bool = False
    manifests: Path = MANIFESTS
    environment: Mapping[str, str] = field(default_factory=settings.proxies)
    _opened: dict[str, Gateway] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _left: threading.Event = field(default_factory=threading.Event, repr=False)

    @cached_property
    def platform(self) -> Platform:
        """The platform."""
        return Platform(self.cluster, self.namespace)

    @property
    def gateway(self) -> Gateway:
        """The gateway, with its administrator's key; one for all who look at the same time."""
        with self._lock:
            if self._left.is_set():  # a look that came too late: nobody would close what it opens
                raise RuntimeError("this room has been left")
            if "gateway" not in self._opened:
                self._opened["gateway"] = self.platform.gateway()
            return self._opened["gateway"]

    def close(self) -> None:
        """Close what was opened; the cluster stays open."""
        with self._lock:
            self._left.set()
            for one in self._opened.values():
                one.close()

    @cached_property
    def gateway_url(self) -> str:
        """The gateway's address, which needs no key."""
        return self.cluster.route_url(self.platform.facts["gateway-route"], self.namespace)

    @property
    def model(self) -> str:
        """The name consumers call the model by."""
        return self.platform.model

    def engine(self) -> EngineMetrics:
        """Return the model server's metrics."""
        return self.platform.engine()

    def trusted(self, url: str) -> ssl.SSLContext | bool:
        """Return whom a notebook trusts at an address of the platform."""
        return self.platform.trusted(url)

    def repair(self, elsewhere: str) -> str:
        """Return the command that mends a part of the platform.

        Args:
            elsewhere: where the cluster is not this machine's own.
        """
        return "./lab up" if self.is_local else elsewhere
