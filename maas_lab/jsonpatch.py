"""JSON patch (RFC 6902): one operation on a JSON document, for manifests and for stored objects alike."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


class CannotApply(Exception):
    """An operation finds nothing at its path, a test fails, or it is no operation."""


class Document:
    """A JSON document that operations change; the one it was made from stays as it is.

    Args:
        content: the document.
    """

    def __init__(self, content: Any) -> None:
        self._root = {"": copy.deepcopy(content)}

    @property
    def content(self) -> Any:
        """The document as the operations have left it."""
        return self._root[""]

    def operate(self, operation: Mapping[str, Any], *, makes: bool = False) -> None:
        """Do one operation.

        Args:
            operation: `op`, `path` and, as the operation needs, `value` or `from`.
            makes: `replace` makes a member that is not there, as kustomize does it.

        Raises:
            CannotApply: it does not fit; the document may be changed in part.
        """
        path, name = _pointer(operation.get("path")), operation.get("op")
        if name in ("add", "replace", "test") and "value" not in operation:
            raise CannotApply(f"{name} needs a value")
        value = copy.deepcopy(operation.get("value"))
        if name in ("move", "copy"):
            self._carry(_pointer(operation.get("from")), path, moves=name == "move")
        elif name == "add":
            self._add(path, value)
        elif name == "remove":
            self._remove(path)
        elif name == "replace":
            self._replace(path, value, makes=makes)
        elif name == "test":
            if not same(held := self._get(path, or_none=True), value):
                raise CannotApply(f"the value is {held!r}")
        else:
            raise CannotApply(f"there is no operation {name}")

    def _carry(self, start: list[str], path: list[str], *, moves: bool) -> None:
        value = copy.deepcopy(self._get(start))
        if moves:
            if path[: len(start)] == start and path != start:
                raise CannotApply("a value cannot be moved into itself")
            self._remove(start)
        self._add(path, value)

    def _get(self, path: list[str], *, or_none: bool = False) -> Any:
        here: Any = self._root
        for depth, part in enumerate(path):
            try:
                here = here[_index(here, part)] if isinstance(here, list) else here[part]
            except (KeyError, TypeError) as error:
                if or_none and isinstance(error, KeyError) and depth == len(path) - 1:
                    return None
                raise CannotApply(f"stopped at {part!r}") from error
        return here

    def _parent(self, path: list[str]) -> Any:
        parent = self._get(path[:-1])
        if not isinstance(parent, dict | list):
            raise CannotApply(f"stopped at {path[-1]!r}")
        return parent

    def _add(self, path: list[str], value: Any) -> None:
        parent, part = self._parent(path), path[-1]
        if isinstance(parent, dict):
            parent[part] = value
        elif part in ("-", str(len(parent))):
            parent.append(value)
        else:
            parent.insert(_index(parent, part), value)

    def _replace(self, path: list[str], value: Any, *, makes: bool) -> None:
        parent, part = self._parent(path), path[-1]
        if isinstance(parent, list):
            parent[_index(parent, part)] = value
        elif makes or part in parent:
            parent[part] = value
        else:
            raise CannotApply(f"stopped at {part!r}")

    def _remove(self, path: list[str]) -> None:
        self._get(path)
        if len(path) == 1:
            raise CannotApply("the document itself cannot be removed")
        parent, part = self._parent(path), path[-1]
        del parent[_index(parent, part) if isinstance(parent, list) else part]


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def _pointer(text: Any) -> list[str]:
    """Split a JSON pointer; the first part is the document itself."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise CannotApply("a path begins with /")
    return [""] + [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(here: list[Any], part: str) -> int:
    index = int(part) if part.isascii() and part.removeprefix("-").isdigit() else None
    if index is None or not -len(here) <= index < len(here) or (part != "0" and part.startswith("0")):
        raise CannotApply(f"stopped at element {part!r}")
    return index
