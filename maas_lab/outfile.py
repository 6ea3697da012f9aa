"""Files that people ask for: written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from maas_lab.errors import UsageError


def write(path: str | Path, content: bytes, *, replace: bool = True) -> Path:
    """Write a file, so that nobody ever sees half of it.

    Args:
        path: where; its folder must exist.
        content: of the file.
        replace: whether a file that is there already may be replaced.

    Returns:
        The path.

    Raises:
        UsageError: it cannot be written there, or there is a file already and it may not be replaced.
    """
    target = Path(path).expanduser()
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint=f"give a file in it, e.g. {target / 'report.html'}")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="make it first, or choose another one")
    if target.exists() and not replace:
        raise UsageError(f"{target} exists already", "it may hold your own changes", "choose another name")
    try:
        _replaced(target, content)
    except OSError as error:
        raise UsageError(f"{target} cannot be written", error.strerror or "", "choose another folder") from error
    return target


def _replaced(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # A new file gets the rights of any new file, not the private ones of a temporary file.
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
