"""The lab's home: which files are the lab's, who may read them, and how to remove them and nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maas_lab.errors import EnvironmentFault, UsageError
from maas_lab.private import SPACE_HINT, refuse_without_locks, told_plainly, try_lock, write_private
from maas_lab.settings import COURSE, DEPLOYMENT, DEPLOYMENTS, WHEELS

MARKER = ".maas-lab"
ROOM = 100_000_000  # bytes; a fresh home holds 42 MB, and rows and logs are added to it
OURS = ("run", "logs", "kube", "kubeconfig", "pods", "volumes", "runtime", "ports.json", WHEELS, MARKER)
YOURS = (
    "config.toml",
    COURSE,
    DEPLOYMENT,
    f"{DEPLOYMENT}.git",
    DEPLOYMENTS,
)  # the user's: they may be there first, and they stay


@dataclass(frozen=True)
class Home:
    """The folder in which everything of one local cluster lives."""

    root: Path

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def audit_log(self) -> Path:
        """Who asked the Kubernetes API for what, an Event of `audit.k8s.io/v1` a line."""
        return self.root / "kube" / "audit.log"

    @property
    def status_file(self) -> Path:
        """What the running supervisor last said of itself, as JSON."""
        return self.root / "run" / "status.json"

    def create(self) -> None:
        """Make the folders (0700); an existing lab's home is left as it is.

        Raises:
            UsageError: the folder holds something that is not a lab's.
            EnvironmentFault: there is no right or no space to write there.
        """
        with told_plainly(self.root):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            strange = [p.name for p in self.root.iterdir() if p.name not in (*OURS, *YOURS)]
            if strange and not (self.root / MARKER).exists():
                raise UsageError(
                    f"{self.root} is not empty and is no lab's home",
                    f"it holds {', '.join(sorted(strange)[:3])}",
                    "set MAAS_LAB_HOME to a folder that does not exist yet",
                )
            if (free := shutil.disk_usage(self.root).free) < ROOM:
                raise EnvironmentFault(
                    f"too little space in {self.root}",
                    f"{free / 1e6:.0f} MB are free, and the lab's data needs {ROOM / 1e6:.0f} MB to start",
                    SPACE_HINT,
                )
            (self.root / MARKER).touch(mode=0o600)
            for folder in (self.root / "run", self.logs):
                folder.mkdir(exist_ok=True, mode=0o700)
            refuse_without_locks(self.root)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until nobody else deploys on this home, and keep others waiting until the block ends."""
        with (self.root / "run" / "deploy").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def complete(self, status: dict[str, Any] | None) -> None:
        """Note that the platform of the daemon with this status is deployed whole."""
        write_private(self._complete_file, json.dumps(_daemon(status or {})))

    def is_complete(self, status: dict[str, Any]) -> bool:
        """Return whether the platform of the daemon with this status has been deployed whole."""
        try:
            return json.loads(self._complete_file.read_text(encoding="utf-8")) == _daemon(status)
        except FileNotFoundError:
            return False

    @property
    def _complete_file(self) -> Path:
        return self.root / "run" / "complete.json"

    @contextlib.contextmanager
    def lock(self) -> Iterator[bool]:
        """Hold the right to run this home's processes until the block ends; yields False when it is taken."""
        with (self.root / "run" / "lock").open("w") as file:
            yield try_lock(file.fileno())

    def write_status(self, status: dict[str, Any]) -> None:
        """Replace the status file in one step, so that a reader never sees half of it."""
        write_private(self.status_file, json.dumps(status))

    def read_status(self) -> dict[str, Any] | None:
        """Return what the supervisor last said; None when it never ran."""
        try:
            return json.loads(self.status_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise EnvironmentFault(
                f"cannot read {self.status_file}", str(error), "use the account that ran ./lab up"
            ) from error

    def remove(self) -> list[str]:
        """Delete what the lab made here and return the names of what is left; the folder goes when it is empty."""
        if not (self.root / MARKER).exists():
            raise UsageError(f"{self.root} is no lab's home", hint="check MAAS_LAB_HOME")
        with told_plainly(self.root):
            for name in OURS:
                path = self.root / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            left = sorted(p.name for p in self.root.iterdir())
            if not left:
                self.root.rmdir()
            return left


def _daemon(status: dict[str, Any]) -> dict[str, Any]:
    """Return what tells one start of the daemon from every other."""
    return {name: status.get(name) for name in ("pid", "created")}
