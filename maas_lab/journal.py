"""What the lessons measured, kept in the lab's home, so that a later lesson can set it side by side.

Numbers belong to the lab on which they were measured: those of another lab, or of this one before a reset, are never
given for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from maas_lab.course import CourseFile, Place
from maas_lab.errors import NotFound, UsageError
from maas_lab.refusals import SECRETS

FORMAT = "maas-lab journal 1"
LONGEST = 200  # characters of a text
_SECRET = re.compile(rf"(?<!\w)(?:{SECRETS})|://[^/@\s]*:[^/@\s]+@|-----BEGIN|\bBearer\s", re.IGNORECASE)
_KINDS = "a number, a text, or a dictionary of them"


class Journal:
    """The numbers of one lab's lessons: `lab.journal`.

    Args:
        place: the lab.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def note(self, lesson: str, /, **numbers: Any) -> None:
        """Keep what a lesson measured, instead of what it has noted before.

        Args:
            lesson: its two digits, e.g. `"03"`.
            numbers: by name: seconds, bytes, dollars, shares from 0 to 1, texts, or dictionaries of them. Keys of a
                dictionary are kept as text: 16 becomes "16".

        Raises:
            UsageError: something is none of these, is not finite, or looks like a secret.
            UsageError: the journal is damaged; it stays as it is.
            EnvironmentFault: it cannot be written.
        """
        _check_lesson(lesson)
        if not numbers:
            raise UsageError("there is nothing to note", hint=f'lab.journal.note("{lesson}", first_token=0.2)')
        kept = {name: _kept(name, value) for name, value in numbers.items()}
        with self._file.changing() as content:
            own = self._labs(content).setdefault(self._place.uid, {"name": self._place.name, "lessons": {}})
            entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "numbers": kept}
            own["lessons"].setdefault(lesson, {}).update(entry)

    def of(self, lesson: str) -> dict[str, Any]:
        """Return what a lesson has measured on this lab, by name.

        Raises:
            NotFound: nothing yet; says which lesson to run.
            UsageError: the journal is damaged.
        """
        return dict(self._entry(lesson)["numbers"])

    def when(self, lesson: str) -> datetime:
        """Return when a lesson noted its numbers, in UTC.

        Raises:
            NotFound: it has noted nothing yet.
            UsageError: the journal is damaged.
        """
        return datetime.fromisoformat(self._entry(lesson)["at"])

    def missing(self, lessons: Iterable[str]) -> list[str]:
        """Return those of some lessons that have noted nothing on this lab."""
        own = self._own()
        return [lesson for lesson in lessons if _check_lesson(lesson) not in own]

    def __repr__(self) -> str:
        told = ", ".join(sorted(self._own()))
        return f"Journal(lessons {told})" if told else "Journal(no lesson yet)"

    @property
    def _file(self) -> CourseFile:
        return CourseFile("journal.json", FORMAT)

    def _labs(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the part of the file that holds each lab's lessons, by the lab's uid; refuse one of another form."""
        labs = content.setdefault("labs", {})
        if not isinstance(labs, dict) or not all(map(_is_lab, labs.values())):
            self._file.damaged("it does not hold each lab's lessons, with their numbers and their time")
        return labs

    def _own(self) -> dict[str, Any]:
        return self._labs(self._file.read()).get(self._place.uid, {"lessons": {}})["lessons"]

    def _entry(self, lesson: str) -> dict[str, Any]:
        _check_lesson(lesson)
        labs = self._labs(self._file.read())
        if found := labs.get(self._place.uid, {"lessons": {}})["lessons"].get(lesson):
            return found
        elsewhere = [one["name"] for one in labs.values() if lesson in one["lessons"]]
        why = f"there are some of another lab, {elsewhere[0]}, or of this one before a reset" if elsewhere else ""
        hint = f"run lesson {lesson} to its end, then this cell again"
        raise NotFound(f"lesson {lesson} has measured nothing on this lab yet", why, hint)


def _is_lab(lab: Any) -> bool:
    if not isinstance(lab, dict) or not isinstance(lab.get("name"), str) or not isinstance(lab.get("lessons"), dict):
        return False
    return all(map(_is_entry, lab["lessons"].values()))


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("numbers"), dict):
        return False
    try:
        return datetime.fromisoformat(entry["at"]).tzinfo is not None
    except (KeyError, TypeError, ValueError):
        return False


def _check_lesson(lesson: object) -> str:
    if isinstance(lesson, str) and re.fullmatch(r"[0-9]{2}", lesson):
        return lesson
    raise UsageError(f"{lesson!r} is no lesson", hint='name it by its two digits, e.g. "03"')


def _kept(name: str, value: Any) -> Any:
    """Return a value as JSON has it; refuse what does not belong into a file of numbers."""
    if isinstance(value, Mapping):
        return {_key(name, key): _kept(f"{name}[{key!r}]", one) for key, one in value.items()}
    if isinstance(value, str):
        return _text(name, value)
    if isinstance(value, bool | Integral):
        return value if isinstance(value, bool) else int(value)
    if not isinstance(value, Real | Decimal):
        raise UsageError(f"`{name}` is a {type(value).__name__}", f"a journal keeps {_KINDS}", "leave it out")
    if not math.isfinite(value):
        raise UsageError(f"`{name}` is {float(value)}", "what it was computed from is missing or zero", "leave it out")
    return float(value)


def _key(name: str, key: object) -> str:
    if isinstance(key, bool) or not isinstance(key, str | Integral):
        raise UsageError(f"`{name}` has the key {key!r}", "keys are texts or whole numbers", "name it by a text")
    return _text(f"a key of {name}", str(key))


def _text(name: str, text: str) -> str:
    if _SECRET.search(text):
        raise UsageError(f"`{name}` looks like a secret", "a journal is read and shown later", "leave it out")
    if len(text) > LONGEST:
        why = f"it has {len(text):,} characters, and a journal keeps numbers and names of at most {LONGEST}"
        raise UsageError(f"`{name}` is too long", why, "shorten it, or leave it out")
    return text
