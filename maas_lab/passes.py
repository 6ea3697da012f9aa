"""Which exercises were passed on this machine: when, where, and with how many hints.

The first time counts; later ones change nothing. A hint is used when it was shown, whatever for; shown again, after a
restart of the kernel for example, it is still the same one. So an exercise's number of hints is that of the largest
one shown before it was passed.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from maas_lab import signing
from maas_lab.course import CourseFile, here

FORMAT = "maas-lab exercises 1"


def passed(number: str, hints: int, most: int) -> None:
    """Record that an exercise was passed now, on the lab that this process works on.

    Args:
        number: of the exercise.
        hints: that were shown in this process.
        most: hints that the exercise has.

    Raises:
        UsageError: the file was changed or is damaged; it stays as it is.
        EnvironmentFault: it cannot be written.
        TookTooLong: another notebook does not let go of it.
    """
    with _changing() as content:
        if number not in content["passed"]:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            shown = max(hints, content["hints"].pop(number, 0))
            place = {"where": here().name, "lab": here().uid}
            content["passed"][number] = {"at": now, "hints": shown, "of": most, **place}


def hinted(number: str, hints: int) -> None:
    """Record how many hints of an exercise have been shown, while it is not passed.

    Raises:
        EnvironmentFault, TookTooLong: as for `passed`.
    """
    with _changing() as content:
        if number not in content["passed"] and content["hints"].get(number, 0) < hints:
            content["hints"][number] = hints


def read() -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Return what was passed, by exercise: `at`, `hints`, `of`, `where`, `lab`; and the hints of the open ones.

    Raises:
        UsageError: the file was changed or is damaged.
        EnvironmentFault: it cannot be read.
    """
    file = _file()
    content = _checked(file, file.read())
    return content["passed"], content["hints"]


def _file() -> CourseFile:
    return CourseFile("exercises.json", FORMAT)


@contextlib.contextmanager
def _changing() -> Iterator[dict[str, Any]]:
    file = _file()
    with file.changing() as content:
        told = _checked(file, content)
        before = copy.deepcopy(told)
        yield told
        if told != before:
            content.update(signing.sign(told))


def _checked(file: CourseFile, content: dict[str, Any]) -> dict[str, Any]:
    """Return what a file holds, if this lab wrote it, or if it is new."""
    if len(content) > 1:  # a new one has its format and nothing else
        signing.check(content, str(file.path), f"mv {file.path} {file.path}.old: your record begins anew")
    told = {"passed": {}, "hints": {}, **content}
    if not isinstance(told["passed"], dict) or not isinstance(told["hints"], dict):
        file.damaged("it does not hold exercises")
    return told
