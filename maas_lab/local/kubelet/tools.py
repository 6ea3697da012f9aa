"""What all parts of the kubelet share, and the small things that they have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.store import Key
from maas_lab.local.kubelet.pulls import Pulls
from maas_lab.local.kubelet.volumes import Volumes
from maas_lab.local.network.ports import Ports

CREATING = "ContainerCreating"
FIRST_S, LONGEST_S, QUIET_S = 10, 300, 600


class Names(Protocol):
    """What the kubelet needs to know of the cluster's names."""

    def resolve(self, text: str, namespace: str) -> str:
        """Return a text with the names of Services replaced by loopback addresses."""


@dataclass(frozen=True)
class Tools:
    """What pods and containers work with.

    Attributes:
        wake: lets a pod be looked at again; may be called from any thread.
        post: calls a function on the event loop's thread; may be called from any thread.
    """

    client: Client
    events: Recorder
    pulls: Pulls
    ports: Ports
    names: Names
    volumes: Volumes
    home: Path
    clock: Clock
    wake: Callable[[Key], None]
    post: Callable[..., None]


class BackOff:
    """Pauses between attempts: 10 s, doubled each time up to 5 minutes, forgotten after 10 minutes of quiet."""

    def __init__(self) -> None:
        self._delay_s, self._since = 0, datetime.min.replace(tzinfo=UTC)

    def left_s(self, failed_at: datetime, now: datetime) -> float:
        """Return how many seconds are left after a failure; the first one asks for no pause."""
        if self._delay_s and (failed_at - self._since).total_seconds() > QUIET_S:
            self._delay_s = 0
        return max(0.0, self._delay_s - (now - failed_at).total_seconds()) if self._delay_s else 0.0

    def next(self, now: datetime) -> None:
        """Note an attempt."""
        self._delay_s, self._since = min(LONGEST_S, self._delay_s * 2 or FIRST_S), now

    @property
    def text(self) -> str:
        """Return the pause as Go writes it: `10s`, `1m20s`."""
        minutes, seconds = divmod(self._delay_s, 60)
        return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


class Waiting(Exception):
    """A container cannot start now.

    Args:
        reason: as its status tells it, e.g. `CreateContainerConfigError`.
        message: more of it.
        again_s: when to try again; None when something else will tell.
        events: type, reason and message of what to record when the container begins to wait for this.
    """

    def __init__(
        self, reason: str, message: str = "", again_s: float | None = None, *events: tuple[str, str, str]
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.again_s, self.events = reason, message, again_s, events
