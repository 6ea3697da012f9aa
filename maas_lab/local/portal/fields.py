"""Read the fields of a request's body: each is what it must be, or the request is refused."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from maas_lab.local.portal.refusals import invalid, not_found

LONGEST_NAME, LONGEST_TEXT, MOST_ITEMS = 255, 500, 200
LARGEST = 1_000_000_000_000
# No quotation marks, semicolons, equals signs or angle brackets: whoever shows a name, in a page or a table, shows what
# it is. A name begins with no sign that a spreadsheet takes for a formula.
_SIGNS = " .,:+#()/&@_'!?*[]-"
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SPAN = re.compile(r"[1-9][0-9]{0,3}(s|m|h|d|mo)")
WORDS = {"daily": "1d", "weekly": "7d", "monthly": "1mo", "yearly": "365d"}
Reader = Callable[[str, Any], Any]


class Fields:
    """The fields of a body; those that nobody has read are refused at the end.

    Args:
        body: an object of JSON.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._left = dict(body)

    def take(self, name: str, read: Reader, default: Any = None, *, needed: bool = False) -> Any:
        """Return a field's value, `default` where it is left out or null.

        Raises:
            Refused: 400, the value is wrong, or it is needed and not there.
        """
        value = self._left.pop(name, None)
        if value is None:
            if needed:
                raise invalid(f"body must have required property '{name}'", name)
            return default
        return read(name, value)

    def given(self, readers: Mapping[str, Reader]) -> dict[str, Any]:
        """Return those of these fields that are there; null is None.

        Raises:
            Refused: 400, a value is wrong.
        """
        return {name: self.take(name, read) for name, read in readers.items() if name in self._left}

    def end(self) -> None:
        """Refuse fields that this request does not have.

        Raises:
            Refused: 400.
        """
        if self._left:
            name = sorted(self._left)[0]
            raise invalid(f"body must not have the property '{name[:LONGEST_NAME]}'", name[:LONGEST_NAME])


def name(field: str, value: Any) -> str:
    """Read a name that people see."""
    found = plain(field, value, LONGEST_NAME)
    if not _in_words(found[0]) or not all(_in_words(one) or one in _SIGNS for one in found):
        told = f"{field} must begin with a letter or digit and hold only letters, digits, symbols, and{_SIGNS}"
        raise invalid(told, field, found)
    return found


def _in_words(character: str) -> bool:
    """Return whether people write words with it, in any script: letters and their marks, digits, emoji."""
    return unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) == "So"


def text(field: str, value: Any) -> str:
    """Read some words."""
    return plain(field, value, LONGEST_TEXT)


def plain(field: str, value: Any, longest: int) -> str:
    """Read text of at most so many characters, which all can be seen and none of which begins HTML."""
    if not isinstance(value, str) or not value.strip():
        raise invalid(f"{field} must be text", field)
    if len(value) > longest:
        raise invalid(f"{field} must not have more than {longest} characters", field)
    if _UNSEEN.search(value) or "<" in value or ">" in value:
        raise invalid(f"{field} must not hold control characters, < or >", field)
    return value.strip()


def number(field: str, value: Any) -> float:
    """Read a number of dollars or the like, 0 or more."""
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not right or not 0 <= value <= LARGEST:
        raise invalid(f"{field} must be a number of 0 or more", field)
    return float(value)


def whole(field: str, value: Any) -> int:
    """Read a whole number, 0 or more."""
    found = number(field, value)
    if found != int(found):
        raise invalid(f"{field} must be a whole number", field)
    return int(found)


def positive(field: str, value: Any) -> int:
    """Read a whole number, 1 or more."""
    found = whole(field, value)
    if found == 0:
        raise invalid(f"{field} must be 1 or more", field)
    return found


def flag(field: str, value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise invalid(f"{field} must be true or false", field)
    return value


def names(field: str, value: Any) -> list[str]:
    """Read a list of ids or names, each once."""
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise invalid(f"{field} must be a list of at most {MOST_ITEMS}", field)
    return list(dict.fromkeys(plain(field, one, LONGEST_TEXT) for one in value))


def some_names(field: str, value: Any) -> list[str]:
    """Read such a list that is not empty."""
    found = names(field, value)
    if not found:
        raise invalid(f"{field} must not be empty", field)
    return found


def ids(field: str, value: Any) -> list[UUID]:
    """Read a list of the portal's own ids that is not empty."""
    return [_id(field, one) for one in some_names(field, value)]


def _id(field: str, value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise invalid(f"{field} must hold ids, and {value[:40]!r} is none", field) from None


def day(field: str, value: Any) -> date:
    """Read a day such as 2026-11-23."""
    try:
        return date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else _no_day(field)
    except (TypeError, ValueError):
        return _no_day(field)


def _no_day(field: str) -> date:
    raise invalid(f"{field} must be a day such as 2026-11-23", field)


def time(field: str, value: Any) -> datetime:
    """Read a moment; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise invalid(f"{field} must be a moment such as 2026-11-23T14:55:15Z", field) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def moment(field: str, value: Any) -> datetime:
    """Read a moment that is still to come."""
    found = time(field, value)
    if not datetime.now(UTC) < found < datetime.now(UTC) + timedelta(days=36525):
        raise invalid(f"{field} must be in the future", field)
    return found


def span(field: str, value: Any) -> str:
    """Read how long a budget lasts; `WORDS` has LiteLLM's name for some."""
    if not isinstance(value, str) or not (value in WORDS or _SPAN.fullmatch(value)):
        raise invalid(f"{field} must be daily, weekly, monthly, yearly, or a span such as 12h, 30d or 1mo", field)
    return value


def choice(*allowed: str) -> Reader:
    """Return what reads one of these words."""

    def read(field: str, value: Any) -> str:
        if value not in allowed:
            raise invalid(f"{field} must be one of {', '.join(allowed)}", field)
        return value

    return read


def mapping(each: Reader) -> Reader:
    """Return what reads an object, each value of which is read by `each`."""

    def read(field: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > 20:
            raise invalid(f"{field} must be an object with at most 20 entries", field)
        return {
            plain(field, key, LONGEST_NAME): each(f"{field}.{key[:LONGEST_NAME]}", one) for key, one in value.items()
        }

    return read


def simple(field: str, value: Any) -> Any:
    """Read a name, a number, or true or false."""
    if isinstance(value, bool):
        return value
    return number(field, value) if isinstance(value, int | float) else name(field, value)


def identifier(what: str, value: str) -> UUID:
    """Read an id out of a path.

    Raises:
        Refused: 404, no such thing can be there.
    """
    try:
        return UUID(str(value))
    except ValueError:
        raise not_found(what) from None
