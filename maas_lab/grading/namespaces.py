"""Linux namespaces: a file system, a network and a table of processes that hold only what they were given.

The calls are those that `unshare`, `mount` and `pivot_root` make (man 2 of each); util-linux's programs cannot make
them in the order that an account without rights needs. Only what is listed can be seen inside, read-only, besides a
scratch folder in memory whose size the kernel holds.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

# linux/sched.h, linux/mount.h, linux/prctl.h, linux/sockios.h
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
DIES_WITH_PARENT, NO_NEW_PRIVILEGES, ADOPTS_ORPHANS = 1, 38, 36
SET_FLAGS, UP = 0x8914, 1
# What statvfs calls a mount's flags, and mount(2) does; a mount that others made keeps them.
KEPT = {1 << 1: NO_SUID, 1 << 2: NO_DEVICES, 1 << 3: NO_EXEC, 1 << 10: 1 << 10, 1 << 11: 1 << 11, 1 << 12: 1 << 21}
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/nix")
DEVICES = ("null", "zero", "full", "random", "urandom")
SCRATCH = Path("/scratch")
RESULTS_BYTES, MANY_FILES = 200_000_000, 200_000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(*, user: bool) -> None:
    """Leave this machine's mounts, network, shared memory and (for children) processes.

    Args:
        user: by way of a user namespace, which accounts other than root need.

    Raises:
        OSError: the kernel, or what this process runs in, does not allow it.
    """
    uid, gid = os.geteuid(), os.getegid()
    _checked(_libc.unshare((NEW_USER if user else 0) | NEW_MOUNTS | NEW_PIDS | NEW_IPC | NEW_NET))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _mount(None, "/", None, RECURSIVE | PRIVATE)


def furnish(shown: Iterable[Path], hidden: Path, accounts: str, owner: tuple[int, int], scratch_bytes: int) -> None:
    """Change this process's root to one that holds only what is listed.

    Args:
        shown: folders and files of this machine that can be read at their own places.
        hidden: a folder whose content is not shown, except what `shown` names below it.
        accounts: the content of /etc/passwd; PostgreSQL does not start under a user id without a name.
        owner: user and group of the scratch folder.
        scratch_bytes: that fit into the scratch folder.
    """
    wanted = {path: Path(os.path.realpath(path)) for path in places(shown, hidden)}
    root = Path("/tmp")  # any folder does; it is covered, and then gone
    _mount("tmpfs", root, "tmpfs", NO_SUID | NO_DEVICES, "mode=755,size=16m")
    (root / "old").mkdir()
    _checked(_libc.pivot_root(os.fsencode(root), os.fsencode(root / "old")))
    os.chdir("/")
    old = Path("/old")
    _mount_fresh("/tmp", "mode=1777,size=64m")
    uid, gid = owner
    for folder, size in ((SCRATCH, scratch_bytes), (SCRATCH / "results", RESULTS_BYTES)):  # the first may get full
        _mount_fresh(folder, f"mode=700,uid={uid},gid={gid},size={size},nr_inodes={MANY_FILES}")
    for path, real in wanted.items():
        if path == hidden:
            _mount_fresh(path, "mode=755,size=1m")
        else:
            _show(old, path, real)
    Path("/passwd").write_text(accounts)
    _bind(Path("/passwd"), Path("/etc/passwd"))
    _devices(old)
    Path("/proc").mkdir()


def places(shown: Iterable[Path], hidden: Path) -> list[Path]:
    """Return what has to be mounted, from the outside in: what lies in another one of them is there already."""
    wanted = {*shown, *(Path(one) for one in SYSTEM)}
    found: list[Path] = []
    for path in sorted({*wanted, hidden}, key=lambda one: (len(one.parts), one)):
        holder = next((one for one in path.parents if one in found), None)  # the nearest one
        needed = holder is not None if path == hidden else holder is None or holder == hidden
        if needed or (path in wanted and path == hidden):
            found.append(path)
    return found


def start_inside() -> None:
    """Finish the room, from its first process: its own list of processes, no way back, and its own loopback."""
    # Accounts other than root may mount a new /proc only while they still see the machine's.
    _mount("proc", "/proc", "proc", NO_SUID | NO_DEVICES | NO_EXEC)
    _checked(_libc.umount2(b"/old", DETACH))
    Path("/old").rmdir()
    _mount(None, "/", None, REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEVICES)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, SET_FLAGS, struct.pack("16sh22x", b"lo", UP))


def promise(option: int, value: int) -> None:
    """Set a property of this process, e.g. that it ends when its parent does."""
    _checked(_libc.prctl(option, value, 0, 0, 0))


def _show(old: Path, path: Path, real: Path) -> None:
    link = old / path.relative_to("/")
    if str(path) in SYSTEM and link.is_symlink():  # /bin is /usr/bin
        path.symlink_to(link.readlink())
    elif (source := old / real.relative_to("/")).exists():
        _bind(source, path)


def _bind(source: Path, place: Path, flags: int = READ_ONLY | NO_SUID | NO_DEVICES) -> None:
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    _mount(source, place, None, BIND | RECURSIVE)
    flags |= sum(kept for seen, kept in KEPT.items() if os.statvfs(place).f_flag & seen)
    _mount(None, place, None, REMOUNT | BIND | flags)


def _devices(old: Path) -> None:
    Path("/dev").mkdir()
    for name in DEVICES:
        _bind(old / "dev" / name, Path("/dev") / name, NO_SUID | NO_EXEC)
    _mount_fresh("/dev/shm", "mode=1777,size=256m")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        Path("/dev", name).symlink_to(f"/proc/self/fd{target}")


def _mount_fresh(place: Path | str, options: str) -> None:
    Path(place).mkdir(parents=True, exist_ok=True)
    _mount("tmpfs", place, "tmpfs", NO_SUID | NO_DEVICES, options)


def _mount(source: Path | str | None, place: Path | str, kind: str | None, flags: int, options: str = "") -> None:
    told = (os.fsencode(source) if source else None, os.fsencode(place), kind.encode() if kind else None)
    _checked(_libc.mount(*told, ctypes.c_ulong(flags), options.encode() or None), place)


def _checked(answer: int, about: Path | str = "") -> None:
    if answer:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(about) or None)
