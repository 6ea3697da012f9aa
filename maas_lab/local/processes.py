"""Start, end and recognise processes: each in a session of its own, with a mark of its home in its environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "MAAS_LAB_PROCESS"
LOG_LIMIT = 5_000_000  # bytes; a longer log is set aside once, when its process starts


def spawn(argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, log: Path) -> psutil.Popen:
    """Start a process in a session of its own, without input, its output appended to `log` (0600)."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".1.log"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return psutil.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: psutil.Process, ask: signal.Signals = signal.SIGTERM, grace_s: float = 10.0) -> None:
    """Ask a process to end, kill it after `grace_s` seconds, and kill what it leaves in its session."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(ask)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(timeout=grace_s)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process.kill()
        process.wait(timeout=5)


def how_it_ended(process: psutil.Process) -> str:
    """Return how a process ended; empty while it runs."""
    if isinstance(process, psutil.Popen):  # a child: ask the kernel for its exit code
        code = process.poll()
        if code is None:
            return ""
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    try:
        running = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        running = False
    return "" if running else "ended"


@dataclass(frozen=True)
class Leftover:
    """A running process with a home's mark.

    Attributes:
        process: the process.
        name: the workload that it belongs to.
        fingerprint: of the way in which it was started.
        session: its session, whose number is the pid of the process that was started; None when it has just ended.
    """

    process: psutil.Process
    name: str
    fingerprint: str
    session: int | None


def mark(name: str, fingerprint: str, home: Path) -> dict[str, str]:
    """Return the environment variable by which a process and its children are recognised."""
    return {MARK: f"{name} {fingerprint} {home}"}


def leftovers(home: Path) -> list[Leftover]:
    """Return the processes that carry the home's mark."""
    found = []
    for process in psutil.process_iter():
        name, _, rest = _marked(process).partition(" ")
        fingerprint, _, root = rest.partition(" ")
        if root == str(home):
            found.append(Leftover(process, name, fingerprint, _session(process)))
    return found


def _marked(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):  # another user's, or gone: not ours
        return ""


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None
