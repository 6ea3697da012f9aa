"""Write down who asked the API for what, as Kubernetes' audit log does: one Event in JSON a line, without bodies."""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maas_lab.local.kube.rbac.rules import Asked
from maas_lab.local.kube.store import dump
from maas_lab.local.kube.users import User

LARGEST = 5_000_000  # bytes; one old file of this size is kept beside the one that is written
COMPLETE, STARTED = "ResponseComplete", "ResponseStarted"  # what is streamed is noted when it begins
ALLOW, FORBID = "allow", "forbid"
_LONGEST = 500  # characters of an address, or of what a client calls itself


@dataclass
class Entry:
    """What is known of a request while it is answered.

    Attributes:
        method: of HTTP.
        uri: path and query.
        agent: what the client calls itself.
        user: who calls; None until that is known.
        acting: as whom, where the caller acts as somebody else.
        asked: what for; None until that is understood.
        decision: what the authorizer said; empty until it was asked.
    """

    method: str
    uri: str
    agent: str
    user: User | None = None
    acting: User | None = None
    asked: Asked | None = None
    decision: str = ""
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    def event(self, code: int, stage: str) -> dict[str, Any]:
        """Return the entry as an Event of `audit.k8s.io/v1`, for an answer with this code."""
        told: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": str(uuid.uuid4()),
            "stage": stage,
            "requestURI": self.uri[:_LONGEST],
            "verb": self.asked.verb if self.asked else self.method.lower(),
            "user": _user(self.user) if self.user else {},
        }
        if self.acting and self.acting != self.user:
            told["impersonatedUser"] = _user(self.acting)
        told["userAgent"] = self.agent[:_LONGEST]
        if self.asked and not self.asked.path:
            told["objectRef"] = _reference(self.asked)
        told["responseStatus"] = {"metadata": {}, "code": code}
        told["requestReceivedTimestamp"] = _moment(self.received)
        told["stageTimestamp"] = _moment(datetime.now(UTC))
        if self.decision:
            told["annotations"] = {"authorization.k8s.io/decision": self.decision}
        return told


class Audit:
    """The log of one cluster: `audit.log`, and `audit.log.1` before it; both only for the user who runs the lab.

    Args:
        file: which is made if it does not exist.
        largest: bytes after which a new file is begun.
    """

    def __init__(self, file: Path, largest: int = LARGEST) -> None:
        self._file, self._largest, self._size, self._open = file, largest, 0, -1

    def write(self, entry: Entry, code: int, stage: str = COMPLETE) -> None:
        """Write one request down.

        Args:
            entry: what is known of it.
            code: of the answer.
            stage: how far the answer is.
        """
        line = dump(entry.event(code, stage)) + b"\n"
        with contextlib.suppress(OSError):  # a full disk is no reason to refuse what needs no disk
            self._make_room(len(line))
            self._size += os.write(self._open, line)

    def close(self) -> None:
        """Close the file."""
        if self._open >= 0:
            os.close(self._open)
            self._open = -1

    def _make_room(self, more: int) -> None:
        """Open the file, or begin a new one where this one would grow too large."""
        if self._open < 0:
            self._open_file()
        if self._size and self._size + more > self._largest:
            self.close()
            self._file.replace(self._file.with_name(f"{self._file.name}.1"))
            self._open_file()

    def _open_file(self) -> None:
        self._open = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._open).st_size


def _user(user: User) -> dict[str, Any]:
    return {"username": user.name, "groups": list(user.groups)}


def _reference(asked: Asked) -> dict[str, str]:
    told = {"resource": asked.resource, "namespace": asked.namespace, "name": asked.name, "apiGroup": asked.group}
    told |= {"subresource": asked.part}
    return {name: value for name, value in told.items() if value}


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
