"""The learner's own files in the lab's home: only they may read them, and two notebooks at once lose nothing."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from maas_lab import settings, wait
from maas_lab.errors import UsageError
from maas_lab.private import told_plainly, try_lock, write_private
from maas_lab.settings import LOOPBACK

PATIENCE_S = 1.0  # another notebook holds the lock for milliseconds
_here: Place | None = None


@dataclass(frozen=True)
class Place:
    """A lab, as the learner's files name it.

    Attributes:
        uid: no other lab has it; the same after a restart, another one after a reset.
        name: for people.
    """

    uid: str
    name: str

    @classmethod
    def of(cls, server: str, uid: str) -> Place:
        """Name the lab of a cluster by the address of its API."""
        host = urlsplit(server).hostname or server
        name = "a cluster on this machine" if host in (LOOPBACK, "localhost") else server
        return cls(uid or server, name)


def arrive(place: Place) -> None:
    """Remember the lab that this process works on: the one that it connected to last."""
    global _here
    _here = place


def here() -> Place:
    """Return the lab that this process works on; one without a name before it has connected."""
    return _here or Place("", "not connected")


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Keep other notebooks from changing the learner's files until the block ends; makes their folder.

    Raises:
        EnvironmentFault: the folder cannot be written.
        TookTooLong: another notebook does not let go of it.
    """
    folder = settings.load().course
    with told_plainly(folder), contextlib.ExitStack() as opened:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        opened.callback(os.close, lock)
        what, hint = f"another notebook to let go of {folder}", "close the other notebooks, and run the cell again"
        wait.until(lambda: try_lock(lock), what=what, timeout=PATIENCE_S, every=0.005, hint=hint)
        yield


class CourseFile:
    """A file of one JSON object; what this version does not know in it is kept.

    Args:
        name: of the file.
        format: says what it holds, and stands in it.
    """

    def __init__(self, name: str, format: str) -> None:
        self.path, self.format = settings.load().course / name, format

    def read(self) -> dict[str, Any]:
        """Return what is in it; only its format, where there is no such file yet.

        Raises:
            UsageError: the file is damaged, or holds something else.
            EnvironmentFault: it cannot be read.
        """
        with told_plainly(self.path.parent):
            try:
                text = self.path.read_text(encoding="utf-8")
            except FileNotFoundError:
                return {"format": self.format}
            except UnicodeDecodeError as error:
                self.damaged(str(error), error)
        return self.checked(text)

    def checked(self, text: str) -> dict[str, Any]:
        """Return what a text of this format holds.

        Raises:
            UsageError: it is damaged, or of another format.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.damaged(str(error), error)
        if not isinstance(content, dict) or content.get("format") != self.format:
            self.damaged(f"it does not say that it is a “{self.format}”")
        return content

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Yield what is in the file, and write what the block has made of it; meanwhile others wait.

        Raises:
            UsageError: it is damaged; it stays as it is.
            EnvironmentFault: it cannot be written.
            TookTooLong: somebody else does not let go of it.
        """
        with turn():
            content = self.read()
            before = copy.deepcopy(content)
            yield content
            if content != before:
                write_private(self.path, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def damaged(self, why: str, cause: Exception | None = None) -> NoReturn:
        """Say that the file cannot be used."""
        hint = f"mv {self.path} {self.path}.old, and run the lessons again: the lab does not write over it"
        raise UsageError(f"{self.path} is damaged", why, hint) from cause
