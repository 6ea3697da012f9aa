"""Find the tag that a range of versions means, as Argo CD does: `1.*`, `^1.2`, `>=1.0.0 <2.0.0`, `1.2 - 1.4 || 3.x`.

Versions are those of Semantic Versioning 2.0.0 (semver.org), also with a `v` before them or without the last numbers.
In a range, a comma or a space means "and", and `||` means "or". `~1.2` keeps the minor version, `^1.2` the first number
that is not 0. A pre-release such as `1.0.0-rc.1` fits only where the range names one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 200  # characters of a range
_NUMBER = r"(0|[1-9][0-9]{0,17}|[xX*])"
_VERSION = rf"v?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
_WHOLE, _BETWEEN = re.compile(_VERSION), re.compile(r"(\S+)\s+-\s+(\S+)")
_LIMIT = re.compile(rf"(!=|=>|>=|=<|<=|~>|[=<>~^])?\s*({_VERSION})(?=[\s,]|$)")
_SAME = {"=>": ">=", "=<": "<=", "~>": "~", None: "="}


class Version(NamedTuple):
    """A version; tuples of this kind are in the order of versions.

    Attributes:
        numbers: major, minor and patch; 0 where one is missing.
        is_release: whether it is no pre-release.
        words: of the pre-release; numbers come before words.
        given: how many numbers are given, counted up to the first placeholder.
    """

    numbers: tuple[int, int, int]
    is_release: bool
    words: tuple[tuple[int, int, str], ...]
    given: int = 3

    @classmethod
    def read(cls, text: str) -> Version | None:
        """Return the version that a text is, None for another text."""
        found = _WHOLE.fullmatch(text)
        if not found:
            return None
        told = [one for one in found.groups()[:3] if one]
        given = next((at for at, one in enumerate(told) if not one.isdecimal()), len(told))
        numbers = [int(one) for one in told[:given]] + [0] * (3 - given)
        words = found[4].split(".") if found[4] else []
        ordered = tuple((0, int(one), "") if one.isdecimal() else (1, 0, one) for one in words)
        return cls((numbers[0], numbers[1], numbers[2]), not words, ordered, given)

    @property
    def place(self) -> tuple[object, ...]:
        """What versions are compared by."""
        return self[:3]

    def begins(self, other: Version) -> bool:
        """Tell whether another version has the same numbers, as far as they are given here."""
        return self.numbers[: self.given] == other.numbers[: self.given]


Limit = tuple[str, Version]


def newest(wanted: str, tags: Iterable[str]) -> str:
    """Return the tag with the highest version that fits a range; empty when none does, or when this is no range.

    A version such as `1.2` is no range: it is the tag of this name.
    """
    if (choices := _read(wanted)) is None:
        return ""
    fits: list[tuple[tuple[object, ...], str]] = []
    for tag in tags:
        version = Version.read(tag)
        if version and "*" not in tag and any(all(_fits(one, version) for one in limits) for limits in choices):
            fits.append((version.place, tag))
    return max(fits)[1] if fits else ""


def is_range(text: str) -> bool:
    """Tell whether a revision is a range of versions."""
    return _read(text) is not None


def _read(text: str) -> list[list[Limit]] | None:
    """Return the limits of a range: one of the lists must fit, with all that is in it."""
    single = Version.read(text)
    if len(text) > LONGEST or (single and single.given == len(re.findall(r"[0-9]+|[xX*]", text.split("-")[0]))):
        return None
    choices = [_limits(one.strip()) for one in text.split("||")]
    return choices if all(choices) else None


def _limits(text: str) -> list[Limit]:
    """Return the limits that must all fit; none if something is not understood."""
    text, found, at = _BETWEEN.sub(r">=\1 <=\2", text), [], 0
    while at < len(text):
        limit = _LIMIT.match(text, at)
        version = Version.read(limit[2]) if limit else None
        if limit is None or version is None or (version.given == 0 and limit[1] not in (None, "=", ">=", "~")):
            return []
        found.append((_SAME.get(limit[1], limit[1]), version))
        at = limit.end() + len(re.match(r"[\s,]*", text[limit.end() :])[0])
    return found


def _fits(limit: Limit, version: Version) -> bool:
    sign, wanted = limit
    if not version.is_release and wanted.is_release:
        return False
    order = (version.place > wanted.place) - (version.place < wanted.place)
    is_like = wanted.begins(version) if wanted.given < 3 else order == 0
    if sign == "~" or (sign == "=" and wanted.given < 3):
        return order >= 0 and wanted.numbers[: min(wanted.given, 2)] == version.numbers[: min(wanted.given, 2)]
    if sign == "^":
        kept = next((at for at, one in enumerate(wanted.numbers[: wanted.given]) if one), wanted.given - 1) + 1
        return order >= 0 and wanted.numbers[:kept] == version.numbers[:kept]
    return {
        "=": is_like,
        "!=": not is_like,
        ">": order > 0 and not is_like,
        ">=": order >= 0,
        "<": order < 0,
        "<=": order <= 0 or is_like,
    }[sign]
