"""Wheels and a project made on the spot, for tests of installations that need no network."""

from __future__ import annotations

import zipfile
from pathlib import Path

BACKEND = """\
import sys
from pathlib import Path

sys.path.insert(0, {here!r})
import wheels

def build_editable(folder, config_settings=None, metadata_directory=None):
    wheels.make_wheel(Path(folder), "project", "1.0", *{requires!r})
    return "project-1.0-py3-none-any.whl"
"""


def make_wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """Write a wheel without any code."""
    folder.mkdir(parents=True, exist_ok=True)
    told = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        inside = f"{name}-{version}.dist-info"
        wheel.writestr(f"{inside}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{told}")
        wheel.writestr(f"{inside}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{inside}/RECORD", "")


def make_project(folder: Path, *requires: str) -> Path:
    """Write a project that pip can install without anything that builds it."""
    folder.mkdir()
    listed = ", ".join(f'"{one}"' for one in requires)
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "project"\nversion = "1.0"\ndependencies = [{listed}]\n'
    )
    (folder / "backend.py").write_text(BACKEND.format(here=str(Path(__file__).parent), requires=requires))
    return folder
