"""Install the library that reads Git repositories: a small part of the runtime environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maas_lab.local import packages
from maas_lab.local.packages import Report, run

LOCK = Path(__file__).parents[1] / "locks" / "git.txt"
SIGN = "dulwich"  # the folder that is there once it is installed


def build(part: Path, runtime: Any, report: Report) -> None:
    """Install the library into a folder; what it needs itself the runtime's Python has already."""
    packages.pip_install(runtime.python, LOCK, report, into=part)
    run([str(runtime.python), "-m", "compileall", "-q", str(part)], "compiling to byte code", accept=(0, 1))
