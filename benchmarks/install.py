"""Time the first `./lab up` of a fresh clone: environment, runtime environment and start, with warm package caches."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def measure() -> tuple[str, list[str], list[list[str]]]:
    """Clone, run the README's first command, then run it once more, and take the lab down."""
    with tempfile.TemporaryDirectory(prefix="maas-lab-bench-") as folder:
        clone, kept = Path(folder) / "maas-lab", {"VIRTUAL_ENV", "CONDA_PREFIX", "MAAS_LAB_RUNTIME"}
        env = {name: value for name, value in os.environ.items() if name not in kept} | {
            "MAAS_LAB_HOME": f"{folder}/home"
        }
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        try:
            first = timed([clone / "lab", "up", "--no-jupyter"], env)
            second = timed([clone / "lab", "up", "--no-jupyter"], env)
            script = timed([clone / "lab", "status"], env) - timed(
                [clone / ".venv/bin/python", "-m", "maas_lab", "status"], env
            )
        finally:
            subprocess.run([clone / "lab", "down"], env=env, check=False, capture_output=True)
    rows = [
        ["first ./lab up of a fresh clone, both environments and the start", f"{first:.1f}", "90"],
        ["second ./lab up while it runs", f"{second:.2f}", "1"],
        ["what the ./lab script adds to python -m maas_lab", f"{script:.2f}", "0.5"],
    ]
    return "Installation with warm package caches", ["", "seconds", "bound"], rows


def timed(argv: list, env: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, env=env, check=True, capture_output=True)
    return time.perf_counter() - began
