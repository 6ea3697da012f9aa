"""Read the lab's configuration file, and say which line of it is wrong."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from maas_lab.errors import UsageError


def read(file: Path) -> dict[str, Any]:
    """Return what a TOML file holds; nothing where there is none.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # a home that is a file is told by whoever wants to write there
        return {}
    except PermissionError as error:
        raise UsageError(f"cannot read {file}", str(error), f"chmod u+r {file}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML", str(error), "mend that line, or move the file away") from error


def section(file: Path, name: str, kind: type, table: Any) -> Any:
    """Return a section as an object of its class, whose defaults are for what it leaves out; numbers above 0 only."""
    if not isinstance(table, dict):
        raise UsageError(f"`{name}` in {file} is not a section", hint=f"write [{name}] and its values below it")
    known = {f.name: type(f.default) for f in fields(kind)}
    refuse_unknown(file, f"{name}.", table, list(known))
    return kind(**{key: _number(file, f"{name}.{key}", value, known[key]) for key, value in table.items()})


def _number(file: Path, name: str, value: Any, kind: type) -> Any:
    right = isinstance(value, int | float) and not isinstance(value, bool) and (kind is float or isinstance(value, int))
    if not right or value <= 0:
        raise UsageError(
            f"`{name}` in {file} is {value!r}", f"it takes a positive {kind.__name__}", f"correct `{name}`"
        )
    return kind(value)


def refuse_unknown(file: Path, prefix: str, table: Mapping[str, Any], known: list[str]) -> None:
    """Raise a `UsageError` for the first name that is not known, with the one that was probably meant."""
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = (
                f"did you mean `{prefix}{close[0]}`?"
                if close
                else f"known names: {', '.join(prefix + k for k in known)}"
            )
            raise UsageError(f"unknown name `{prefix}{name}` in {file}", hint=hint)
