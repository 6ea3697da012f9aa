"""What a challenge remembers, in a ConfigMap of its namespace: it outlives a kernel, and only one start builds it."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

from maas_lab import wait
from maas_lab.cluster import Cluster
from maas_lab.errors import Conflict, LabError, NotFound

NAME = "maas-lab-challenge"
BEAT = 4.0  # seconds between two signs of life of a start
DEAD = 16.0  # seconds without one, after which another start takes over


class Notes:
    """The notes of the challenge in a namespace: texts by name.

    Args:
        cluster: as one user of it.
        namespace: of the challenge.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._me = uuid.uuid4().hex
        self._seen = ("", 0.0)  # another start's last sign of life, and when it was first seen here

    def read(self) -> dict[str, str]:
        """Return all notes; none where there is no challenge."""
        return self._read()[0]

    def write(self, **changes: str) -> dict[str, str]:
        """Change notes, whoever else writes at the same moment, and return all of them."""
        what = f"the notes of the challenge in {self._namespace}"
        return wait.until(lambda: self._written(changes), what=what, timeout=20, every=0.05, transient=(Conflict,))

    @contextlib.contextmanager
    def building(self, patience: float) -> Iterator[bool]:
        """Be the only one who builds; yields False when somebody else has finished meanwhile.

        A start that was killed gives no sign of life, and another one takes over after `DEAD` seconds.

        Args:
            patience: seconds to wait for another start.

        Raises:
            TookTooLong: another start goes on and on.
        """
        what = "another start of the challenge, of yours, which is under way"
        hint = "look into your other notebooks; lab.challenge.stop() ends it and removes what it made"
        turn = wait.until(self._turn, what=what, timeout=patience, every=0.5, transient=(Conflict,), hint=hint)
        if turn == "built":
            yield False
            return
        pulse = wait.Ticker(self._beat, "challenge start")
        try:
            yield True
        finally:
            pulse.stop()
            with contextlib.suppress(LabError):  # the namespace may be gone: then there is nothing to give back
                self.write(holder="")

    def _turn(self) -> str:
        """Return `built`, or `mine` when it is this start's turn; nothing as long as another one is alive."""
        notes, version = self._read()
        if notes.get("planted"):
            return "built"
        holder, beat = notes.get("holder", ""), notes.get("beat", "")
        if holder == self._me:
            return "mine"  # at a second look: the first notes of two starts at once may cross
        if holder:
            if beat != self._seen[0]:
                self._seen = (beat, time.monotonic())
            if time.monotonic() - self._seen[1] < DEAD:
                return ""
        self._apply({**notes, "holder": self._me, "beat": uuid.uuid4().hex}, version)
        return ""

    def _beat(self, pulse: wait.Ticker) -> float:
        try:
            self.write(beat=uuid.uuid4().hex)
        except LabError:
            pulse.stop()  # the namespace is gone, or the cluster: the start itself will tell
        return BEAT

    def _written(self, changes: dict[str, str]) -> dict[str, str]:
        notes, version = self._read()
        self._apply(notes | changes, version)
        return notes | changes

    def _read(self) -> tuple[dict[str, str], str]:
        try:
            self._cluster.get("Namespace", self._namespace)  # in one that there is not, nobody may look for anything
            found = self._cluster.get("ConfigMap", NAME, self._namespace)
        except NotFound:
            return {}, ""
        return dict(found.get("data") or {}), found["metadata"]["resourceVersion"]

    def _apply(self, notes: dict[str, str], version: str) -> None:
        """Write all notes, unless somebody has written since they were read."""
        metadata: dict[str, Any] = {"name": NAME} | ({"resourceVersion": version} if version else {})
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": notes}
        self._cluster.apply(body, self._namespace)
