"""A namespace that one run of a lesson has for itself: a second run waits for the first one's end.

A run gives a sign of life every few seconds, in a ConfigMap of the namespace. What gives none any more has died without
cleaning up, and what it left is removed.
"""

from __future__ import annotations

import contextlib
import uuid
from datetime import UTC, datetime, timedelta

from maas_lab import wait
from maas_lab.cluster import Cluster
from maas_lab.errors import ClusterError, NotFound, TookTooLong

SIGN = "lesson-runs"
EVERY, SILENT = 3.0, timedelta(seconds=12)
_here = uuid.uuid4().hex  # this process: cells that are run again are no other run
_mine: dict[str, Claim] = {}


class Claim:
    """A namespace that this run has for itself.

    Attributes:
        namespace: its name.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.namespace, self._cluster = namespace, cluster
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        self._sign()
        self._ticker = wait.Ticker(self._live, f"claim of {namespace}")

    def __repr__(self) -> str:
        return f"Claim({self.namespace})"

    def forget(self) -> None:
        """Give no more signs of life."""
        self._ticker.stop()

    def release(self, timeout: float = 120) -> None:
        """Delete the namespace with all that is in it, and wait until it is gone.

        Raises:
            TookTooLong: something in it is still there.
        """
        self.forget()
        self._cluster.delete(f"namespace/{self.namespace}", timeout=timeout)

    def _live(self, ticker: wait.Ticker) -> float:
        with contextlib.suppress(ClusterError):  # whoever deletes the namespace by hand ends the run
            if not ticker.stopped:
                self._sign()
        return EVERY

    def _sign(self) -> None:
        data = {"run": _here, "seen": datetime.now(UTC).isoformat(timespec="seconds")}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SIGN}, "data": data}
        self._cluster.apply(body, self.namespace)


def claim(cluster: Cluster, namespace: str, timeout: float = 60) -> Claim:
    """Take a namespace for one run of a lesson, empty: wait while another run has it, and remove what one has left.

    Args:
        cluster: as its user.
        namespace: as `cluster.own_namespace` names it.
        timeout: seconds to wait for the other run, and again for what is removed.

    Raises:
        TookTooLong: the other run goes on.
    """
    if namespace in _mine:
        _mine.pop(namespace).forget()
    try:
        wait.until(lambda: not _somebody(cluster, namespace), what="another run", timeout=timeout, every=1)
    except TookTooLong:
        why = f"it has the namespace {namespace}, and both would take each other's places"
        hint = "end it (Kernel, Shut Down Kernel in its notebook), or give this one another `prefix`"
        raise TookTooLong(f"waited {timeout:g} s for another run of this lesson to end", why, hint) from None
    cluster.delete(f"namespace/{namespace}", timeout=timeout)
    _mine[namespace] = Claim(cluster, namespace)
    return _mine[namespace]


def _somebody(cluster: Cluster, namespace: str) -> bool:
    """Tell whether another run has given a sign of life a moment ago."""
    try:
        cluster.get("Namespace", namespace)  # in one that there is not, nobody may look for anything
        told = cluster.get("ConfigMap", SIGN, namespace)["data"]
    except NotFound:
        return False
    return told["run"] != _here and datetime.now(UTC) - datetime.fromisoformat(told["seen"]) < SILENT
