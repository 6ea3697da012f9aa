"""The lab's home: which files are the lab's, who may read them, and how to remove them and nothing else."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import socket
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from maas_lab.errors import EnvironmentFault, UsageError
from maas_lab.settings import LOOPBACK

MARKER = ".maas-lab"
ROOM = 100_000_000  # bytes; a fresh home holds 42 MB, and rows and logs are added to it
SPACE_HINT = "free some space there, or set MAAS_LAB_HOME to a folder on another disk"
OURS = ("run", "logs", "gateway", "postgres", "runtime", "secrets.json", "ports.json", MARKER)


@dataclass(frozen=True)
class Secrets:
    """Random per home; they travel in environments and 0600 files, never in an argument list or a log."""

    master_key: str
    salt_key: str
    postgres_password: str
    model_key: str

    def __repr__(self) -> str:
        return "Secrets(…)"

    @classmethod
    def random(cls) -> Secrets:
        """Make new ones, 192 bits each."""
        return cls(
            master_key="sk-" + secrets.token_urlsafe(24),
            salt_key="sk-" + secrets.token_urlsafe(24),
            postgres_password=secrets.token_hex(24),
            model_key="sk-" + secrets.token_urlsafe(24),
        )


@dataclass(frozen=True)
class Home:
    """The folder in which everything of one local cluster lives."""

    root: Path

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's folder: `data` and the list of applied migrations."""
        return self.root / "postgres"

    @property
    def gateway(self) -> Path:
        """The gateway's working folder and configuration."""
        return self.root / "gateway"

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
            strange = [p.name for p in self.root.iterdir() if p.name not in (*OURS, "config.toml")]
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
            for folder in (self.root / "run", self.logs, self.gateway):
                folder.mkdir(exist_ok=True, mode=0o700)

    def secrets(self) -> Secrets:
        """Return this home's secrets, made on first use."""
        file = self.root / "secrets.json"
        with told_plainly(self.root):
            if not file.exists():
                write_private(file, json.dumps(asdict(Secrets.random())))
            return Secrets(**json.loads(file.read_text(encoding="utf-8")))

    def ports(self, names: Collection[str], ours: Collection[int] = ()) -> dict[str, int]:
        """Return a loopback port for each name: the one of last time while it is free, else one the kernel chooses.

        Args:
            names: who needs a port.
            ours: ports that processes of this home still hold; they count as free.
        """
        known = self.ports_in_use()
        with contextlib.ExitStack() as held:
            chosen = {}
            for name in names:
                port = known.get(name, 0)
                chosen[name] = port if port in ours and port else _bind(held, port) or _bind(held, 0)
        write_private(self.root / "ports.json", json.dumps(chosen))
        return chosen

    def ports_in_use(self) -> dict[str, int]:
        """Return the ports chosen last; empty before the first start."""
        file = self.root / "ports.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def taken_ports(self) -> dict[str, int]:
        """Return those of the ports chosen last on which somebody listens now."""
        with contextlib.ExitStack() as held:
            return {name: port for name, port in self.ports_in_use().items() if not _bind(held, port)}

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


def write_private(file: Path, content: str | bytes) -> None:
    """Write a file that only its owner may read, aside and then in place."""
    aside = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
    aside.replace(file)


def try_lock(descriptor: int) -> bool:
    """Take an exclusive lock on an open file; the kernel frees it when the holder ends, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def told_plainly(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BlockingIOError | InterruptedError | ChildProcessError):
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = SPACE_HINT if full else "set MAAS_LAB_HOME to a folder that you may write to"
        raise EnvironmentFault(f"cannot write to {folder}", str(error), hint) from error


def _bind(held: contextlib.ExitStack, port: int) -> int:
    """Bind a loopback port until `held` closes; 0 asks the kernel for one, and is returned when the port is taken."""
    probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        return 0
    return probe.getsockname()[1]
