"""Files that only their owner may read, whoever of the lab writes them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from maas_lab.errors import EnvironmentFault

SPACE_HINT = "free some space there, or set MAAS_LAB_HOME to a folder on another disk"


def write_private(file: Path, content: str | bytes) -> None:
    """Write a file that only its owner may read, aside and then in place."""
    aside = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
        aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def try_lock(descriptor: int) -> bool:
    """Take an exclusive lock on an open file; the kernel frees it when the holder ends, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refuse_without_locks(folder: Path) -> None:
    """Raise an `EnvironmentFault` where files cannot be locked, as on some network file systems.

    Both kinds of locks are tried: those that the lab takes itself, and those that SQLite takes.
    """
    with tempfile.TemporaryFile(dir=folder) as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(probe, fcntl.LOCK_UN)
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            what = f"files in {folder} cannot be locked, and without locks the lab's data would be damaged"
            why = f"{error}; some network file systems are so"
            raise EnvironmentFault(what, why, "MAAS_LAB_HOME=/a/local/folder ./lab up") from error


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
