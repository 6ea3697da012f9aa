"""What is around a room: what of this machine it shows, its environment, and whether rooms can be had here at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from maas_lab import settings, shell
from maas_lab.errors import EnvironmentFault
from maas_lab.grading.room import Limits, Room

PACKAGE = Path(__file__).parents[1]
APART = "Each learner is contained: own file system, processes, network and account."
SHARED_ACCOUNT = "Each learner is contained: own file system, processes and network; the account is yours."
OPEN = (
    "NOT contained: this machine allows no namespaces, so the notebooks run under your account and can read what you "
    "can read, and write it too; only time, memory, processes and disk are limited"
)


def shown(lessons: Path, runtime: Path | None) -> list[Path]:
    """Return what a room has to show: Python, the lab's package and manifests, the lessons, the lab's installation."""
    manifests = PACKAGE.parent / "manifests"
    parts = [path for path in (runtime.iterdir() if runtime else ()) if path.is_dir()]
    programs = [Path(sys.executable), *(part / "bin" / name for part in parts for name in ("python", "node"))]
    real = [Path(os.path.realpath(path)) for path in programs if path.exists()]
    # Each is in a folder `bin`, beside the `lib` that it needs.
    homes = [path.parents[1] for path in real if path.name.startswith("python") and len(path.parents) > 2]
    found = [PACKAGE, manifests, lessons.resolve(), Path(sys.prefix), Path(sys.base_prefix), *parts, *real, *homes]
    return [path for path in dict.fromkeys(found) if path.exists()]


def environment(runtime: Path | None) -> dict[str, str]:
    """Return a room's environment: nothing of the instructor's but the language and where programs are."""
    kept = settings.child_environment()
    own = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "{scratch}",
        "TMPDIR": "{scratch}",
        "MAAS_LAB_HOME": "{scratch}/lab",
    }
    return kept | own | ({"MAAS_LAB_RUNTIME": str(runtime)} if runtime else {})


def launch() -> shell.Piped:
    """Start a process that reads what room it is to be, with nothing of the instructor's in its environment."""
    env = settings.child_environment() | {"PYTHONPATH": str(PACKAGE.parent)}
    return shell.start([sys.executable, "-m", "maas_lab.grading.room"], env)


def is_apart(tell: Callable[[str], object]) -> bool:
    """Return whether rooms can be had here, and tell what is contained.

    Raises:
        EnvironmentFault: they cannot, and this is root: notebooks could do anything.
    """
    with launch() as process:
        process.communicate(Room(["true"], {}, limits=Limits(seconds=30)).text())
    apart, root = process.returncode == 0, os.geteuid() == 0
    if not apart and root:
        what, why = "notebooks of others do not run as root here", "this machine allows no namespaces to contain them"
        raise EnvironmentFault(what, why, "run ./lab grade under an account that owns nothing else")
    tell((APART if root else SHARED_ACCOUNT) if apart else OPEN)
    return apart
