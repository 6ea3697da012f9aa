"""The npm packages of the query engine: installed as package-lock.json says, from the registry or from a wheelhouse."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maas_lab.bundle import AGAIN, Bundle
from maas_lab.errors import InstallError
from maas_lab.local.packages import Report, run
from maas_lab.settings import wheelhouse


def install(folder: Path, npm: Sequence[str]) -> None:
    """Install the package-lock.json of a folder, without the packages' install scripts: those download binaries.

    With a wheelhouse, the lock is told where each package lies; npm compares the lock's hashes all the same.
    """
    if chosen := wheelhouse():
        lock = folder / "package-lock.json"
        told = json.loads(lock.read_text(encoding="utf-8"))
        for place, package in packages_of(told):
            package["resolved"] = f"file:{Bundle(chosen).npm / file_of(place, package)}"
        lock.write_text(json.dumps(told), encoding="utf-8")
    argv = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    run(argv, "installing the npm packages of the query engine", cwd=folder)


def pack(folder: Path, lock: Path, npm: Sequence[str], report: Report) -> None:
    """Download the packages of a package-lock.json into a folder and compare each with the lock's hash.

    Raises:
        InstallError: the registry cannot be reached, or it has other files than the lock.
    """
    wanted = packages_of(json.loads(lock.read_text(encoding="utf-8")))
    missing = [one for one in wanted if not _is_packed(folder, *one)]
    report(f"{len(missing)} npm packages of the query engine", 0, 0)
    if missing:
        names = [f"{name_of(place)}@{package['version']}" for place, package in missing]
        argv = [*npm, "pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", str(folder), *names]
        run(argv, "downloading the npm packages of the query engine")
    for place, package in missing:
        if not _is_packed(folder, place, package):
            file = file_of(place, package)
            raise InstallError(f"{file} is not the file that this lab was tested with", "its sha512 differs", AGAIN)


def files(lock: Path) -> list[str]:
    """Return the names of the files that `pack` makes."""
    return [file_of(*one) for one in packages_of(json.loads(lock.read_text(encoding="utf-8")))]


def packages_of(lock: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the packages of a package-lock.json, each with its place."""
    return [(place, package) for place, package in lock["packages"].items() if place]


def name_of(place: str) -> str:
    """Return the name of a package at a place like `node_modules/@prisma/client`."""
    return place.rpartition("node_modules/")[2]


def file_of(place: str, package: Mapping[str, Any]) -> str:
    """Return what `npm pack` calls the file of a package."""
    return f"{name_of(place).lstrip('@').replace('/', '-')}-{package['version']}.tgz"


def _is_packed(folder: Path, place: str, package: Mapping[str, Any]) -> bool:
    file = folder / file_of(place, package)
    if not file.is_file():
        return False
    return package["integrity"] == "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
