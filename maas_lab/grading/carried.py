"""How a submission travels into a pod, and its results back: as ConfigMaps, and as lines of the pod's log.

A pod that runs other people's code gets no right in the cluster: it cannot write an object, and shares no volume with
another pod. So it is given files that it can only read, and what it has to say it prints.
"""

from __future__ import annotations

import base64
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

PART = 700_000  # bytes of a submission in one ConfigMap, which holds 1 MiB at most
LINE = 3_000  # bytes in one line of a log; container runtimes cut lines of 16 KiB
MOST_PRINTED = 7_000_000  # bytes of results; a node keeps about 10 MB of a container's log
LARGEST = 64_000_000  # bytes of one file
MARK, END = "#results ", "#end "


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files, by their paths, in one archive; the same files make the same bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            about = zipfile.ZipInfo(name)  # dated 1980
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, content)
    return whole.getvalue()


def unpacked(content: bytes, names: frozenset[str] | set[str] | None = None) -> dict[str, bytes]:
    """Return the files of an archive, whoever made it.

    Args:
        content: of the archive.
        names: of the files that are wanted; all when left out.

    Raises:
        ValueError: it is none, or a file of it is too large.
    """
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in dict.fromkeys(archive.namelist()):  # whoever made it may name one a million times
                if names is None or name in names:
                    with archive.open(name) as file:
                        found[name] = file.read(LARGEST + 1)
                    if len(found[name]) > LARGEST:
                        raise ValueError(f"{name} is too large")
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError) as error:
        raise ValueError(f"the archive cannot be read: {error}") from error
    return found


def parts(content: bytes) -> list[bytes]:
    """Return an archive in parts that each fit into a ConfigMap."""
    return [content[begin : begin + PART] for begin in range(0, len(content), PART)]


def joined(folder: Path) -> bytes:
    """Return the archive of which a folder holds the parts, in the order of their names."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def printable(files: Mapping[str, bytes], first: str) -> dict[str, bytes]:
    """Return the files that fit into a log: one before all others, then the smallest.

    Args:
        files: by name.
        first: the name of the file that matters most.
    """
    kept: dict[str, bytes] = {}
    for name in sorted(files, key=lambda one: (one != first, len(files[one]), one)):
        longer = {**kept, name: files[name]}
        if len(packed(longer)) * 4 / 3 <= MOST_PRINTED:
            kept = longer
    return kept


def lines(content: bytes) -> Iterator[str]:
    """Yield the lines of a log that tell an archive; the last one shows that it is whole."""
    for begin in range(0, len(content), LINE):
        yield MARK + base64.b64encode(content[begin : begin + LINE]).decode()
    yield END + hashlib.sha256(content).hexdigest()


def told(log: str) -> bytes | None:
    """Return the archive that a log tells; None where it tells none, or not to its end."""
    content = bytearray()
    for line in log.splitlines():
        if line.startswith(MARK):
            try:
                content += base64.b64decode(line.removeprefix(MARK), validate=True)
            except ValueError:
                return None
        elif line.startswith(END):
            is_whole = line.removeprefix(END).strip() == hashlib.sha256(content).hexdigest()
            return bytes(content) if is_whole else None
    return None
