"""A file that keeps settled spend rows, so that a long fetch goes on where it broke off.

The first line says whose rows they are. Each line after it holds one finished piece: a checksum, the seconds where the
piece begins and ends, and its rows as JSON. A line is written at once and never again, so an interruption leaves at
most a line without an end, which is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from zlib import crc32

from maas_lab.bookings import Booking, Span
from maas_lab.errors import UsageError

_FORMAT = "maas-lab spend rows 1"
_HINT = "give another file, or delete this one: what it held is fetched again"


class _Place(NamedTuple):
    """Where in the file a piece is."""

    piece: Span
    begin: int
    size: int


class KeptRows:
    """Settled spend rows of a gateway, in a file that only its owner may read.

    Args:
        path: of the file; it is made where there is none.
        gateway: the address of the gateway whose rows they are.

    Raises:
        UsageError: the file cannot be written, is damaged, or holds something else.
    """

    def __init__(self, path: Path, gateway: str) -> None:
        self.path = path.expanduser()
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            hint = "give a path in a folder of yours"
            raise UsageError("the file for spend rows cannot be opened", str(error), hint) from error
        self._file = os.fdopen(file, "r+b", buffering=0)
        try:
            self._places = self._read(f"{_FORMAT} {gateway}\n".encode())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> KeptRows:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def gaps(self, span: Span) -> list[Span]:
        """Return what of a span is not kept yet, the oldest first."""
        found, since = [], span.since
        for piece in sorted((one.piece for one in self._places), key=lambda one: one.since):
            if since < min(piece.since, span.until):
                found.append(Span(since, min(piece.since, span.until)))
            since = max(since, piece.until)
        return [*found, Span(since, span.until)] if since < span.until else found

    def rows(self, span: Span) -> Iterator[list[Booking]]:
        """Yield the kept rows of all pieces that a span touches."""
        for place in self._places:
            if place.piece.since < span.until and span.since < place.piece.until:
                yield self._load(place)

    def latest(self) -> Booking | None:
        """Return the latest kept row, to see whether the gateway still has it; None where there is none."""
        for place in sorted(self._places, key=lambda one: one.piece.until, reverse=True):
            if rows := self._load(place):
                return max(rows, key=lambda row: row.begun)
        return None

    def foreign(self) -> UsageError:
        """Return the error for rows that the gateway does not have."""
        why = f"it has no call of those in {self.path}: it was set up anew, or it deletes old rows"
        return UsageError("these are not this gateway's spend rows", why, _HINT)

    def add(self, piece: Span, rows: Sequence[Booking]) -> None:
        """Keep a settled piece."""
        told = f"{piece.since} {piece.until} {json.dumps(rows, separators=(',', ':'))}".encode()
        line = b"%08x %b\n" % (crc32(told), told)
        begin = self._file.seek(0, os.SEEK_END)
        self._file.write(line)
        self._places.append(_Place(piece, begin, len(line)))

    def _load(self, place: _Place) -> list[Booking]:
        line = os.pread(self._file.fileno(), place.size, place.begin)
        return [Booking(*row) for row in json.loads(line.split(b" ", 3)[3])]

    def _read(self, head: bytes) -> list[_Place]:
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            first = lines.readline()
            if first == head:
                return list(self._check(lines, len(head)))
        if not head.startswith(first):
            self._refuse(first)
        self._file.truncate(0)
        self._file.write(head)
        return []

    def _check(self, lines: IO[bytes], begin: int) -> Iterator[_Place]:
        """Yield where the pieces are; what an interruption has left of the last line is cut off."""
        for number, line in enumerate(lines, 2):
            if not line.endswith(b"\n"):
                self._file.truncate(begin)
                return
            yield _Place(self._piece(line, number), begin, len(line))
            begin += len(line)

    def _piece(self, line: bytes, number: int) -> Span:
        found, _, told = line[:-1].partition(b" ")
        if found != b"%08x" % crc32(told):
            why = f"line {number} of {self.path} is not as it was written"
            raise UsageError("the file with spend rows is damaged", why, _HINT)
        return Span(*map(int, told.split(b" ", 2)[:2]))

    def _refuse(self, first: bytes) -> None:
        whose = first[:-1].decode(errors="replace").removeprefix(f"{_FORMAT} ")
        if first.startswith(_FORMAT.encode()):
            raise UsageError("these are spend rows of another gateway", f"{self.path} holds those of {whose}", _HINT)
        why = f"{self.path} was not made by rows(window, keep=...)"
        raise UsageError("this file does not hold spend rows", why, _HINT)


class Nothing:
    """Keeps nothing, for a fetch without a file."""

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *error: object) -> None:
        """There is nothing to close."""

    def gaps(self, span: Span) -> list[Span]:
        """Return the whole span."""
        return [span]

    def rows(self, span: Span) -> Iterator[list[Booking]]:
        """Yield nothing."""
        yield from ()

    def latest(self) -> None:
        """There is none."""

    def add(self, piece: Span, rows: Sequence[Booking]) -> None:
        """Forget the piece."""
