"""Check a run's parameters against what the lessons declare, and convert them, before anything runs.

A lesson declares them in its cell tagged `parameters`, one line each: `prompts: int = 3  # how many to send`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maas_lab.errors import UsageError

Declared = Mapping[str, Mapping[str, str]]  # as `engine.declared` returns it

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def refuse_unknown(parameters: Mapping[str, Any], lessons: Sequence[Declared]) -> None:
    """Refuse a parameter that none of the lessons declares; one that only some declare is right.

    Raises:
        UsageError: with the name that may be meant, and all names with their help.
    """
    known = {name: one for declared in lessons for name, one in declared.items()}
    for name in parameters:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f"did you mean `{close[0]}`? " if close else ""
            told = "; ".join(f"{n} ({one['inferred_type_name']}): {one['help']}" for n, one in known.items())
            raise UsageError(f"no lesson here has a parameter `{name}`", hint=f"{meant}known: {told or 'none'}")


def values(parameters: Mapping[str, Any], declared: Declared) -> dict[str, Any]:
    """Return the parameters that a lesson declares, each converted to the declared type.

    Raises:
        UsageError: a value does not fit, or the declared type is none of int, float, bool and str.
    """
    return {name: _value(name, given, declared[name]) for name, given in parameters.items() if name in declared}


def _value(name: str, given: Any, one: Mapping[str, str]) -> Any:
    kind = one["inferred_type_name"]
    if kind not in _READERS:
        why = f"it is declared as {kind}, and only {', '.join(_READERS)} can be set from outside"
        raise UsageError(f"`{name}` cannot be set", why, f"leave `-p {name}` out, or change the lesson's own line")
    reader, wanted = _READERS[kind]
    try:
        return reader(str(given))
    except ValueError as error:
        example = f"-p {name} {one['default']}"
        raise UsageError(f"`{name}` takes {wanted}, not {given!r}", one["help"], example) from error


def _truth(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(text)
    return text.lower() in _TRUE


def _number(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "a whole number"),
    "float": (_number, "a number"),
    "bool": (_truth, "true or false"),
    "str": (str, "text"),
}
