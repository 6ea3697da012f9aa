"""Start, end and recognise processes: each in a session of its own, with a mark of its home in its environment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MARK = "MAAS_LAB_PROCESS"
LOG_LIMIT = 5_000_000  # bytes; a longer log is set aside once, when its process starts
LOST = 255  # exit code of a process that was another's child: nobody can ask for its own any more
CLOCK_S = 2.0  # how far two readings of a process's start may lie apart when the clock is adjusted


@dataclass(frozen=True)
class Mark:
    """By what a process and its children are recognised.

    Attributes:
        name: what it runs for, without spaces.
        fingerprint: of the way in which it was started.
        ask: the signal that asks it to end.
        home: the lab's home.
    """

    name: str
    fingerprint: str
    ask: signal.Signals
    home: Path

    @classmethod
    def read(cls, text: str) -> Mark | None:
        """Return the mark that a text holds, or None."""
        name, fingerprint, ask, home = [*text.split(" ", 3), "", "", ""][:4]
        return cls(name, fingerprint, signal.Signals(int(ask)), Path(home)) if home and ask.isdigit() else None

    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint} {int(self.ask)} {self.home}"

    @property
    def record(self) -> Path:
        """The file that notes the running process: where the kernel hides environments, no mark can be read."""
        return self.home / "run" / "processes" / self.name.replace("/", ".")


def fingerprint(*told: Any) -> str:
    """Name exactly this way of running something, told in JSON's values; anything else is another fingerprint."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


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


def spawn_marked(mark: Mark, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, log: Path) -> psutil.Popen:
    """Start a process that a later daemon of the same home recognises."""
    process = spawn(argv, {**env, MARK: str(mark)}, cwd, log)
    mark.record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark.record.write_text(json.dumps({"pid": process.pid, "created": process.create_time(), "mark": str(mark)}))
    return process


def end(process: psutil.Process, ask: signal.Signals = signal.SIGTERM, grace_s: float = 10.0) -> None:
    """Ask a process to end, kill it after `grace_s` seconds, and kill what it leaves in its session."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(ask)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(timeout=grace_s)
    kill(process)


def kill(process: psutil.Process) -> None:
    """Kill a process, if it has not ended yet, and what it leaves in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process.kill()
        process.wait(timeout=5)


def exit_code(process: psutil.Process) -> int | None:
    """Return the exit code of a process, as a shell tells it: 128 and the signal's number; None while it runs."""
    if isinstance(process, psutil.Popen):  # a child: ask the kernel
        code = process.poll()
        return code if code is None or code >= 0 else 128 - code
    try:
        running = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        running = False
    return None if running else LOST


def running(told: Mapping[str, Any]) -> psutil.Process | None:
    """Return the running process of which a note tells `pid` and `created`; None for another with its number."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(told["pid"])
        if abs(process.create_time() - told["created"]) < CLOCK_S and not how_it_ended(process):
            return process
    return None


def how_it_ended(process: psutil.Process) -> str:
    """Return how a process ended; empty while it runs."""
    code = exit_code(process)
    if code is None:
        return ""
    if not isinstance(process, psutil.Popen):
        return "ended"
    return f"killed by {signal.Signals(code - 128).name}" if code > 128 else f"ended with exit code {code}"


@dataclass(frozen=True)
class Leftover:
    """A running process with a home's mark.

    Attributes:
        process: the process.
        mark: what it says of itself.
        session: its session, whose number is the pid of the process that was started; None when it has just ended.
    """

    process: psutil.Process
    mark: Mark
    session: int | None


class Leftovers:
    """The processes that an earlier daemon of a home has left: take those that are still wanted, then end the rest."""

    def __init__(self, home: Path) -> None:
        self._left = leftovers(home)
        self._taken: set[int] = set()

    @property
    def processes(self) -> list[psutil.Process]:
        """All of them."""
        return [one.process for one in self._left]

    def take(self, name: str, fingerprint: str) -> psutil.Process | None:
        """Return the process that runs under a name in exactly this way, or None; its children stay with it."""
        for one in self._left:
            fits = (one.mark.name, one.mark.fingerprint) == (name, fingerprint)
            if fits and one.session == one.process.pid and not how_it_ended(one.process):
                self._taken.add(one.process.pid)
                return one.process
        return None

    def end_rest(self, grace_s: float = 10.0) -> None:
        """End all that nobody has taken, also children of parents that are gone."""
        rest = [one for one in self._left if one.session not in self._taken and one.process.pid not in self._taken]
        for one in rest:
            with contextlib.suppress(psutil.Error):
                one.process.send_signal(one.mark.ask)
        psutil.wait_procs([one.process for one in rest], timeout=grace_s)
        for one in rest:
            kill(one.process)
            if one.session == one.process.pid:
                one.mark.record.unlink(missing_ok=True)


def leftovers(home: Path) -> list[Leftover]:
    """Return the processes that carry the home's mark, or that it has noted."""
    found = {}
    for process, text in [*_noted(home), *((one, _marked(one)) for one in psutil.process_iter())]:
        mark = Mark.read(text)
        if mark and mark.home == home:
            found[process.pid] = Leftover(process, mark, _session(process))
    return list(found.values())


def _noted(home: Path) -> Iterator[tuple[psutil.Process, str]]:
    """Yield the processes that are noted and still the same ones, not others with their numbers."""
    for file in sorted((home / "run" / "processes").glob("*")):
        with contextlib.suppress(ValueError):  # its note was not finished
            told = json.loads(file.read_text(encoding="utf-8"))
            if process := running(told):
                yield process, told["mark"]


def _marked(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):  # another user's, or gone: not ours
        return ""


def sessions() -> dict[int, list[int]]:
    """Return the processes of each session; its number is the pid of the process that was started in it."""
    found: dict[int, list[int]] = {}
    for pid in psutil.pids():
        with contextlib.suppress(OSError):  # gone, or another user's where that is not told
            found.setdefault(os.getsid(pid), []).append(pid)
    return found


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None
