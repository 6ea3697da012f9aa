"""Loopback ports with names, chosen once and remembered."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection
from pathlib import Path

from maas_lab.local.home import write_private
from maas_lab.local.probes import is_free
from maas_lab.settings import LOOPBACK


class Ports:
    """Gives each name a loopback port of its own; the same one again after a restart, while it is free.

    Args:
        file: remembers the ports.
        ours: ports that processes of this home hold already; they count as free.
    """

    def __init__(self, file: Path, ours: Collection[int] = ()) -> None:
        self._file = file
        known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self._known: dict[str, int] = {name: port for name, port in known.items() if port in ours or is_free(port)}

    def of(self, *name: str) -> int:
        """Return the port of a name, e.g. `of("pod", uid, "8080")`; a new one where it has none."""
        key = "/".join(name)
        if key not in self._known:
            self._known[key] = self._free()
            self._write()
        return self._known[key]

    def release(self, *name: str) -> None:
        """Forget the ports of all names that begin with these parts."""
        prefix = "/".join(name)
        gone = [key for key in self._known if key == prefix or key.startswith(f"{prefix}/")]
        for key in gone:
            del self._known[key]
        if gone:
            self._write()

    def _free(self) -> int:
        taken = set(self._known.values())
        while True:
            with socket.create_server((LOOPBACK, 0)) as probe:
                port = probe.getsockname()[1]
            if port not in taken:
                return port

    def _write(self) -> None:
        write_private(self._file, json.dumps(self._known, indent=1))
