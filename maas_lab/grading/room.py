"""A room for one learner: run a program where it sees, reaches and uses up only what it was given.

`python -m maas_lab.grading.room` reads what to run as JSON, and ends with the last of its processes. Where the kernel
allows namespaces (`Room.apart`), the program sees no file, process or port of anybody else, and no network; started
by root, everything in the room runs under a user id that nobody else has. Without namespaces only the limits hold, and
nothing stands between a notebook and the files of whoever grades.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import stat
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

import psutil

from maas_lab import wait
from maas_lab.errors import TookTooLong
from maas_lab.grading import namespaces

UIDS = 1_900_000_000  # above every account that systems hand out; the number of a process is added
NICE, FIRST_TO_DIE = 10, "1000"  # the kernel's scores: of patience, and for when memory runs out
LOOK_S = 0.2  # how often use is measured
ENDED = "ended"
TIME, MEMORY, PROCESSES, DISK = "its time was up", "too much memory", "too many processes", "too much on disk"
TASKS = 5  # threads for each process, on average; the kernel counts them all
LOG_TAIL = 2000  # bytes
KEPT_BYTES = 64_000_000  # of one file that is kept
ACCOUNTS = "root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\nlearner:x:{}:{}::/scratch:/bin/sh\n"


@dataclass(frozen=True)
class Limits:
    """What one learner may use.

    Attributes:
        seconds: from start to end.
        memory: bytes that all processes hold together.
        processes: at the same time.
        disk: bytes of all files together; in memory, where there are namespaces.
    """

    seconds: float = 2400
    memory: int = 4_000_000_000
    processes: int = 200
    disk: int = 1_500_000_000


@dataclass(frozen=True)
class Room:
    """What runs in a room.

    Attributes:
        argv: the program. `{scratch}` in it stands for the only folder where it may write.
        env: its whole environment, likewise.
        shown: folders and files that it can read at their own places.
        given: files that it gets copies of, by their place in the scratch folder; links are not followed.
        out: a folder that takes what the program leaves in `results` of the scratch folder.
        kept: the names of the files that are taken.
        limits: what it may use.
        apart: by namespaces.
    """

    argv: list[str]
    env: dict[str, str]
    shown: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    out: str = ""
    kept: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    apart: bool = True

    def text(self) -> str:
        """Return it as `read` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Room:
        """Return what a text of `text` tells."""
        told = json.loads(text)
        return cls(**{**told, "limits": Limits(**told["limits"])})


def main() -> int:
    """Run the room that standard input tells of, and print as JSON why it was ended, and the last it printed."""
    room = Room.read(sys.stdin.read())
    namespaces.promise(namespaces.DIES_WITH_PARENT, signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    given = {name: _read(Path(source).parent, Path(source).name) for name, source in room.given.items()}
    out = os.open(room.out, os.O_PATH) if room.out else -1
    owner = UIDS + os.getpid() if _is_root(room) else os.geteuid()
    with _scratch(room, owner) as scratch:
        for name, content in given.items():
            (scratch / name).parent.mkdir(exist_ok=True)
            (scratch / name).write_bytes(content)
        ended, code = _run(room, scratch, owner)
        for name in room.kept:
            _keep(scratch, name, out)
        log = _read(scratch, "log")[-LOG_TAIL:].decode(errors="replace")
    print(json.dumps({"ended": ended, "code": code, "log": log}))
    return 0


@contextlib.contextmanager
def _scratch(room: Room, owner: int) -> Iterator[Path]:
    """Make the folder in which the program may write, and around it the room; it is gone after the block."""
    if room.apart:
        group = owner if _is_root(room) else os.getegid()
        namespaces.enter(user=os.geteuid() != 0)
        accounts = ACCOUNTS.format(owner, group)
        shown = [Path(one) for one in room.shown]
        namespaces.furnish(shown, Path.home(), accounts, (owner, group), room.limits.disk)
        yield namespaces.SCRATCH
        return
    folder = Path(tempfile.mkdtemp(prefix="maas-lab-grade-"))
    namespaces.promise(namespaces.ADOPTS_ORPHANS, 1)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(room: Room, scratch: Path, owner: int) -> tuple[str, int]:
    """Run the program until it ends or is ended; returns why it was, and its exit code."""
    first = os.fork()
    if first == 0:
        _be_first(room, scratch, owner)
    try:
        told = wait.until(
            lambda: _over(first, room, scratch), what="the room", timeout=room.limits.seconds, every=LOOK_S
        )
    except TookTooLong:
        told = TIME
    finally:
        code = _end_all(first, apart=room.apart)
    return ("" if told == ENDED else told), code


def _over(first: int, room: Room, scratch: Path) -> str:
    """Return why the room is to be ended; empty while it is not."""
    if os.waitid(os.P_PID, first, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        return ENDED
    pids = _pids(apart=room.apart)
    if len(pids) > room.limits.processes:
        return PROCESSES
    if sum(map(_resident, pids)) > room.limits.memory and sum(map(_share, pids)) > room.limits.memory:
        return MEMORY
    return DISK if not room.apart and _size(scratch) > room.limits.disk else ""


def _resident(pid: int) -> int:
    """Return the bytes that a process holds, with all that it shares; nothing when it has just ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def _share(pid: int) -> int:
    """Return the same with its share of what several hold; the kernel takes a thousand times longer for that."""
    with contextlib.suppress(OSError):
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(told.partition("\nPss:")[2].split()[0]) * 1024
    return 0


def _pids(*, apart: bool) -> list[int]:
    """Return the processes of the room: with namespaces, /proc is the room's own, and holds no others."""
    if not apart:
        return [one.pid for one in psutil.Process().children(recursive=True)]
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]


def _size(folder: Path) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it has just been deleted
                total += os.lstat(Path(where) / name).st_blocks * 512
    return total


def _end_all(first: int, *, apart: bool) -> int:
    """End every process of the room, and return the exit code of the first one.

    Without namespaces they become children of this process when their parents end.
    """
    os.kill(first, signal.SIGKILL)
    _, status = os.waitpid(first, 0)  # the kernel ends all that share its namespace before this returns
    while not apart and (left := psutil.Process().children(recursive=True)):
        for one in left:
            with contextlib.suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(left, timeout=1)
    return os.waitstatus_to_exitcode(status)


def _be_first(room: Room, scratch: Path, owner: int) -> NoReturn:
    """Become the first process of the room: start the program, bury what others leave, and end with it."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if room.apart:
            namespaces.start_inside()
        _give_up_rights(room, owner)
        with (scratch / "log").open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])  # the room must not reach what they lead to
        os.chdir(scratch)
        program = os.fork()
        if program == 0:
            argv = [_placed(one, scratch) for one in room.argv]
            os.execvpe(argv[0], argv, {name: _placed(value, scratch) for name, value in room.env.items()})
        code = _wait_for(program)
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def _placed(text: str, scratch: Path) -> str:
    return text.replace("{scratch}", str(scratch))


def _wait_for(program: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == program:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _is_root(room: Room) -> bool:
    """Return whether the room gets a user of its own; without namespaces, that one could not reach the program."""
    return room.apart and os.geteuid() == 0


def _give_up_rights(room: Room, owner: int) -> None:
    """Become the room's own user, with its limits, and without a way back."""
    os.setsid()
    os.nice(NICE)
    Path("/proc/self/oom_score_adj").write_text(FIRST_TO_DIE)
    others = 0 if _is_root(room) else _tasks_of(owner)  # the kernel may count all of this account
    tasks, disk = TASKS * room.limits.processes + others, room.limits.disk
    for kind, most in ((resource.RLIMIT_NPROC, tasks), (resource.RLIMIT_FSIZE, disk), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    if _is_root(room):
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
    os.umask(0o077)
    namespaces.promise(namespaces.NO_NEW_PRIVILEGES, 1)
    namespaces.promise(namespaces.DIES_WITH_PARENT, signal.SIGKILL)  # a change of the user undoes this


def _tasks_of(uid: int) -> int:
    found = 0
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found += one.num_threads() if one.uids().real == uid else 0
    return found


def _keep(scratch: Path, name: str, out: int) -> None:
    """Copy a result that the program left."""
    if content := _read(scratch / "results", name):
        copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644, dir_fd=out)
        with os.fdopen(copy, "wb") as target:
            target.write(content)


def _read(folder: Path, name: str) -> bytes:
    """Return what is in a file; nothing, where it is a link, a pipe or too large, or lies behind a link."""
    follow_not = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with contextlib.suppress(OSError):
        where = os.open(folder, follow_not | os.O_DIRECTORY)
        with os.fdopen(os.open(name, follow_not, dir_fd=where), "rb") as file:
            about = os.fstat(file.fileno())
            if stat.S_ISREG(about.st_mode) and about.st_size <= KEPT_BYTES:
                return file.read(KEPT_BYTES)
    return b""


if __name__ == "__main__":
    sys.exit(main())
