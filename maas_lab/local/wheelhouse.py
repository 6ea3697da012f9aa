"""Make a wheelhouse: everything that `./lab up` installs, in one folder, for machines without a network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from maas_lab.bundle import Bundle, asked, build_requires
from maas_lab.errors import UsageError
from maas_lab.local import npm, packages, quantised, runtime
from maas_lab.local.gitops import library
from maas_lab.local.home import told_plainly
from maas_lab.local.packages import Report

LOCKS = (
    runtime.PYTHON_LOCK,
    runtime.NODE_LOCK,
    runtime.MODEL.lock,
    runtime.SCHEMAS.lock,
    library.LOCK,
    quantised.LOCK,
)
PACKAGE_LOCK = runtime.PRISMA / "package-lock.json"
NEEDED = 7 * 10**8  # bytes; measured: 0.5 GB


def make(folder: Path, report: Report) -> Bundle:
    """Download what is missing of a wheelhouse for this Python and this kind of machine; it can be broken off.

    Args:
        folder: a new one, or one that an earlier run has begun or made.
        report: told what is downloaded.

    Raises:
        UsageError: the folder holds something else.
        InstallError: a download failed or is not what the lock says.
        EnvironmentFault: no space or no right to write.
    """
    bundle = Bundle(folder)
    with told_plainly(folder):
        for one in (bundle.notebook, bundle.runtime, bundle.npm):
            _refuse_others(bundle)
            one.mkdir(parents=True, exist_ok=True)
        bundle.manifest.unlink(missing_ok=True)
    if not any(bundle.runtime.iterdir()):
        packages.refuse_full(folder, NEEDED, "a wheelhouse")
    if not _is_chosen(bundle):
        _choose(bundle, report)
    packages.pip_download(bundle.notebook, bundle.lock, report)
    for lock in LOCKS:
        packages.pip_download(bundle.runtime, lock, report)
    _pack(bundle, report)
    _remove_outdated(bundle)
    report("writing down what is there", 0, 0)
    bundle.seal()
    return bundle


def _refuse_others(bundle: Bundle) -> None:
    ours = {path.name for path in (bundle.notebook, bundle.runtime, bundle.npm, bundle.manifest, bundle.lock)}
    there = sorted(path.name for path in bundle.folder.glob("*"))
    if strange := [name for name in there if name not in ours]:
        why = f"it holds {', '.join(strange[:3])}"
        hint = "./lab wheelhouse DIR, with a folder that does not exist yet"
        raise UsageError(f"{bundle.folder} is not empty and is no wheelhouse", why, hint)


def _choose(bundle: Bundle, report: Report) -> None:
    """Write a lock of the notebook environment: what pip would install today, each with its hash."""
    report("choosing the notebook environment's packages", 0, 0)
    lines = [_asked_line()]
    for one in packages.pip_choose(_asked(), "choosing the notebook environment's packages"):
        name, version = canonicalize_name(one["metadata"]["name"]), one["metadata"]["version"]
        lines.append(f"{name}=={version} --hash=sha256:{one['download_info']['archive_info']['hashes']['sha256']}")
    bundle.lock.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _is_chosen(bundle: Bundle) -> bool:
    return bundle.lock.exists() and bundle.lock.read_text(encoding="utf-8").startswith(_asked_line() + "\n")


def _asked_line() -> str:
    return f"# for {', '.join(_asked())}"


def _asked() -> list[str]:
    return [*asked(), *build_requires()]


def _pack(bundle: Bundle, report: Report) -> None:
    if found := packages.system_node():
        npm.pack(bundle.npm, PACKAGE_LOCK, found[1], report)
        return
    with tempfile.TemporaryDirectory() as folder:
        _, program = packages.install_node(Path(folder), runtime.NODE_LOCK, report)
        npm.pack(bundle.npm, PACKAGE_LOCK, program, report)


def _remove_outdated(bundle: Bundle) -> None:
    """Delete what other pins have left there, so that the folder holds what is needed and nothing else."""
    wanted = set(_wanted(bundle))
    for path in bundle.files():
        if path != bundle.lock and path.name not in wanted:
            path.unlink()


def _wanted(bundle: Bundle) -> Iterator[str]:
    """Yield the names of the files that the locks ask for."""
    for folder, locks in ((bundle.notebook, (bundle.lock,)), (bundle.runtime, LOCKS)):
        pinned = {(canonicalize_name(one.name), str(one.specifier)) for lock in locks for one in packages.pinned(lock)}
        for path in folder.glob("*.whl"):
            name, version, *_ = parse_wheel_filename(path.name)
            if (name, f"=={version}") in pinned:
                yield path.name
    yield from npm.files(PACKAGE_LOCK)
