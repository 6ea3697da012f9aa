"""A wheelhouse: the folder that holds all that an installation needs, and the look at it before anything is installed.

`./lab wheelhouse DIR` makes one (`maas_lab.local.wheelhouse`). The standard library is enough to read it, because
`./lab up --wheelhouse DIR` begins on machines where nothing else is installed yet.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maas_lab.errors import InstallError
from maas_lab.private import write_private
from maas_lab.settings import RUNTIME_WHEELS

ROOT = Path(__file__).parents[1]
LOCAL = ROOT / "maas_lab" / "local"
PINS = (
    *(LOCAL / "locks" / f"{name}.txt" for name in ("python", "node", "model", "schemas", "git", "quantise")),
    LOCAL / "prisma" / "package-lock.json",
)
AGAIN = "copy the whole folder again, or make it anew where there is a network: ./lab wheelhouse DIR"
MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)|manylinux(1|2010|2014)_")
OLD_NAMES = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}  # the glibc that these stand for, PEP 600


@dataclass(frozen=True)
class Bundle:
    """A wheelhouse on disk.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @property
    def notebook(self) -> Path:
        """The wheels of the notebook environment."""
        return self.folder / "notebook"

    @property
    def runtime(self) -> Path:
        """The wheels of the runtime environment."""
        return self.folder / RUNTIME_WHEELS

    @property
    def npm(self) -> Path:
        """The npm packages of the query engine, as `npm pack` names them."""
        return self.folder / "npm"

    @property
    def manifest(self) -> Path:
        """What it is good for, and the sha256 of each of its files."""
        return self.folder / "manifest.json"

    @property
    def lock(self) -> Path:
        """The notebook environment's packages as they were chosen when this was made, with their hashes."""
        return self.folder / "notebook.txt"

    def files(self) -> list[Path]:
        """Return all files that are there, the manifest left out."""
        found = (path for path in self.folder.rglob("*") if path.is_symlink() or not path.is_dir())
        return sorted(path for path in found if path != self.manifest)

    def seal(self) -> None:
        """Write the manifest of what is there."""
        told = {
            "lab": fingerprint(),
            "python": python_version(),
            "platform": sysconfig.get_platform(),
            "glibc": ".".join(map(str, max(map(_glibc, self.files()), default=(2, 5)))),
            "files": {path.relative_to(self.folder).as_posix(): _sha256(path) for path in self.files()},
        }
        write_private(self.manifest, json.dumps(told, indent=1) + "\n")

    def verify(self) -> None:
        """Look whether it can be used here and is as it was made.

        Raises:
            InstallError: it is none, is for another Python, machine or lab, or a file of it is missing, changed or
                foreign. Nothing was installed.
        """
        told = self.read()
        if why := _unfit(told):
            hint = "make one here or on a machine like this one, with the same Python: ./lab wheelhouse DIR"
            raise InstallError(f"the wheelhouse {self.folder} is not for this machine", why, hint)
        if told["lab"] != fingerprint():
            why = "the versions that this lab is pinned to are others"
            raise InstallError(f"the wheelhouse {self.folder} is of another version of the lab", why, AGAIN)
        if differences := self._differences(told["files"]):
            raise InstallError(f"the wheelhouse {self.folder} is not as it was made", differences, AGAIN)

    def read(self) -> dict[str, Any]:
        """Return the manifest: `lab`, `python`, `platform`, `glibc`, and `files`, name to sha256.

        Raises:
            InstallError: there is none.
        """
        try:
            told = json.loads(self.manifest.read_text(encoding="utf-8"))
            return {name: told[name] for name in ("lab", "python", "platform", "glibc", "files")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"its manifest.json cannot be read: {error!r}"
            hint = "name the folder that ./lab wheelhouse DIR made; it writes the manifest when all else is there"
            raise InstallError(f"{self.folder} is no complete wheelhouse", why, hint) from error

    def _differences(self, told: dict[str, str]) -> str:
        """Name the files that are missing, changed or foreign."""
        there = {path.relative_to(self.folder).as_posix(): path for path in self.files()}
        found = {
            "missing": sorted(told.keys() - there.keys()),
            "foreign": sorted(there.keys() - told.keys()),
            "changed": sorted(name for name in told.keys() & there.keys() if _sha256(there[name]) != told[name]),
        }
        return "; ".join(f"{how}: {_named(names)}" for how, names in found.items() if names)


def fingerprint() -> str:
    """Return what tells this lab's pins from those of other versions of it."""
    pins = b"".join(path.read_bytes() for path in PINS)
    return hashlib.sha256(json.dumps([asked(), build_requires()]).encode() + pins).hexdigest()


def asked(root: Path = ROOT) -> list[str]:
    """Return what the notebook environment needs, as pyproject.toml says."""
    return _project(root)["project"]["dependencies"]


def build_requires(root: Path = ROOT) -> list[str]:
    """Return what pip needs to install the lab's own package."""
    return _project(root)["build-system"]["requires"]


def _project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def python_version() -> str:
    """Return the Python that runs this as wheels mean it, e.g. `3.12`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _unfit(told: dict[str, Any]) -> str:
    """Return why what a manifest tells of cannot be used here; empty when it can."""
    here = (python_version(), sysconfig.get_platform())
    if (told["python"], told["platform"]) != here:
        return f"it is for Python {told['python']} on {told['platform']}, and this is Python {' on '.join(here)}"
    name, version = platform.libc_ver()
    if name != "glibc" or _numbers(version) < _numbers(told["glibc"]):
        return f"it needs glibc {told['glibc']}, and here is {f'{name} {version}'.strip() or 'another C library'}"
    return ""


def _glibc(wheel: Path) -> tuple[int, int]:
    """Return the oldest glibc that a file can be used with, as the name of a wheel tells."""
    found = MANYLINUX.findall(wheel.name)
    return min((OLD_NAMES[old] if old else (int(major), int(minor)) for major, minor, old in found), default=(2, 5))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"\d+", version))


def _sha256(path: Path) -> str:
    if not path.is_file():  # a link that leads nowhere, or no file at all
        return ""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _named(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
