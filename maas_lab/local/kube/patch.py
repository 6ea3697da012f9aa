"""Apply the three kinds of patches that change a stored object: JSON patch, merge patch, strategic merge patch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.schema import Node, Schemas
from maas_lab.local.kube.status import ApiError, bad_request

MOST_OPERATIONS = 10_000
_REPLACE, _DELETE, _MERGE = "replace", "delete", "merge"
_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"
_ORDER, _REMOVE = "$setElementOrder/", "$deleteFromPrimitiveList/"


class _CannotApply(Exception):
    """A JSON patch operation finds nothing at its path, or a test fails."""


def json_patch(obj: Any, operations: Any) -> Any:
    """Return an object with the operations of an RFC 6902 patch applied, all or none.

    Raises:
        ApiError: 422, an operation cannot be applied or a test fails; 400, it is no patch.
    """
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise bad_request("a JSON patch is a list of operations")
    if len(operations) > MOST_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message, {})
    found = {"": copy.deepcopy(obj)}
    try:
        for operation in operations:
            _operate(found, operation)
    except _CannotApply as error:
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {}) from error
    return found[""]


def _operate(document: dict[str, Any], operation: dict[str, Any]) -> None:
    path = _pointer(operation.get("path"))
    name = operation.get("op")
    if name in ("add", "replace", "test") and "value" not in operation:
        raise _CannotApply(f"{name} needs a value")
    if name in ("move", "copy"):
        start = _pointer(operation.get("from"))
        value = copy.deepcopy(_get(document, start))
        if name == "move":
            if path[: len(start)] == start and path != start:
                raise _CannotApply("a value cannot be moved into itself")
            _remove(document, start)
        _add(document, path, value)
    elif name == "add":
        _add(document, path, copy.deepcopy(operation["value"]))
    elif name == "remove":
        _remove(document, path)
    elif name == "replace":
        _get(document, path)
        _set(document, path, copy.deepcopy(operation["value"]))
    elif name == "test":
        if not same(_get(document, path, or_none=True), operation["value"]):
            raise _CannotApply("the test fails")
    else:
        raise _CannotApply(f"there is no operation {name}")


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
        raise _CannotApply("a path begins with /")
    return [""] + [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _get(document: dict[str, Any], path: list[str], *, or_none: bool = False) -> Any:
    here: Any = document
    for depth, part in enumerate(path):
        try:
            here = here[_index(here, part)] if isinstance(here, list) else here[part]
        except (KeyError, IndexError, TypeError) as error:
            if or_none and isinstance(error, KeyError) and depth == len(path) - 1:
                return None
            raise _CannotApply(f"nothing at {part}") from error
    return here


def _index(here: list[Any], part: str) -> int:
    index = int(part) if part.isascii() and part.lstrip("-").isdigit() else None
    if index is None or not -len(here) <= index < len(here) or (part != "0" and part.startswith("0")):
        raise _CannotApply(f"no element {part}")
    return index


def _set(document: dict[str, Any], path: list[str], value: Any) -> None:
    parent = _get(document, path[:-1]) if len(path) > 1 else document
    parent[_index(parent, path[-1]) if isinstance(parent, list) else path[-1]] = value


def _add(document: dict[str, Any], path: list[str], value: Any) -> None:
    parent = _get(document, path[:-1]) if len(path) > 1 else document
    if isinstance(parent, list):
        last = path[-1] in ("-", str(len(parent)))
        parent.insert(len(parent) if last else _index(parent, path[-1]), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise _CannotApply("no object or list to add to")


def _remove(document: dict[str, Any], path: list[str]) -> None:
    _get(document, path)
    if len(path) == 1:
        raise _CannotApply("the object itself cannot be removed")
    parent = _get(document, path[:-1])
    del parent[_index(parent, path[-1]) if isinstance(parent, list) else path[-1]]


def merge_patch(obj: Any, change: Any) -> Any:
    """Return an object with an RFC 7386 patch applied: null removes, lists are replaced whole."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    found = dict(obj) if isinstance(obj, dict) else {}
    for name, value in change.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merge_patch(found.get(name), value)
    return found


def strategic_merge(schemas: Schemas, kind: Kind, obj: dict[str, Any], change: Any) -> Any:
    """Return an object with a strategic merge patch applied: list elements are matched by their merge keys.

    Raises:
        ApiError: 400, the patch is none.
    """
    if not isinstance(change, dict):
        raise bad_request("a strategic merge patch is an object")
    return _merged(schemas.root(kind), copy.deepcopy(obj), copy.deepcopy(change))


def _merged(node: Node | None, old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    if change.get(_DIRECTIVE, _MERGE) != _MERGE:
        return _directed(change)
    change.pop(_DIRECTIVE, None)
    old = _retained(old, change.pop(_RETAIN, None), change)
    orders = {name: change.pop(name) for name in list(change) if name.startswith(_ORDER)}
    removals = {name: change.pop(name) for name in list(change) if name.startswith(_REMOVE)}
    for name, values in removals.items():
        field = name.removeprefix(_REMOVE)
        if not isinstance(values, list):
            raise bad_request(f"{name} must be a list")
        if isinstance(old.get(field), list):
            old[field] = [one for one in old[field] if one not in values]
    for name, value in change.items():
        if value is None:
            old.pop(name, None)
        else:
            below = node.child(name) if node is not None and node.form in ("struct", "map") else None
            order = orders.pop(_ORDER + name, None)
            old[name] = _merged_value(below, old.get(name), value, order)
    for name, order in orders.items():
        field = name.removeprefix(_ORDER)
        below = node.child(field) if node is not None and node.form == "struct" else None
        if isinstance(old.get(field), list) and isinstance(order, list):
            old[field] = _ordered(old[field], order, old[field], _key(below))
    return old


def _directed(change: dict[str, Any]) -> dict[str, Any]:
    directive = change.pop(_DIRECTIVE)
    if directive == _REPLACE:
        return _cleaned(change)
    if directive == _DELETE:
        return {}
    raise bad_request(f"Unknown patch type found: {directive} for map: {change}")


def _retained(old: dict[str, Any], keep: Any, change: dict[str, Any]) -> dict[str, Any]:
    if keep is None:
        return old
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in keep):
        raise bad_request("invalid patch: $retainKeys must be a list of field names")
    if set(change) - set(keep) - {name for name in change if name.startswith("$")}:
        raise bad_request("$retainKeys list doesn't contain all present fields in the patch")
    return {name: value for name, value in old.items() if name in keep}


def _merged_value(node: Node | None, old: Any, value: Any, order: Any) -> Any:
    is_replaced = node is not None and _REPLACE in node.strategies
    if isinstance(value, dict) and not is_replaced:
        if isinstance(old, dict):
            return _merged(node, old, value)
        return _cleaned(value)
    if isinstance(value, list) and node is not None and _MERGE in node.strategies:
        return _merged_list(node, old if isinstance(old, list) else [], value, order)
    return _cleaned(value)


def _merged_list(node: Node, old: list[Any], value: list[Any], order: Any) -> list[Any]:
    key = _key(node)
    if not key:
        merged = list(dict.fromkeys([*old, *value])) if _plain([*old, *value]) else [*old, *value]
        return _ordered(merged, order if isinstance(order, list) else value, old, "")
    items = [one for one in value if isinstance(one, dict)]
    if len(items) != len(value):
        raise bad_request(f"every element of the list must be an object with the merge key {key}")
    if {_DIRECTIVE: _REPLACE} in [{_DIRECTIVE: one.get(_DIRECTIVE)} for one in items]:
        return [_cleaned(one) for one in items if _DIRECTIVE not in one]
    merged = list(old)
    for item in items:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        if item.get(_DIRECTIVE) == _DELETE:
            merged = [one for one in merged if _of(one, key) != item[key]]
            continue
        place = next((index for index, one in enumerate(merged) if _of(one, key) == item[key]), None)
        if place is None:
            merged.append(_cleaned(item))
        else:
            merged[place] = _merged(node.items, merged[place], item)
    wanted = order if isinstance(order, list) else [one for one in items if one.get(_DIRECTIVE) != _DELETE]
    return _ordered(merged, wanted, old, key)


def _plain(values: list[Any]) -> bool:
    return not any(isinstance(one, dict | list) for one in values)


def _of(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _ordered(merged: list[Any], wanted: list[Any], old: list[Any], key: str) -> list[Any]:
    """Put the elements that a patch names in its order, the others where they were before."""
    ranks = _ranks(wanted, key)
    before = _ranks(old, key)
    named = sorted((one for one in merged if ranks(one) is not None), key=ranks)
    others = [one for one in merged if ranks(one) is None]
    found: list[Any] = []
    while named and others:
        ours, theirs = before(named[0]), before(others[0])
        theirs_first = ours is not None and theirs is not None and ours >= theirs
        found.append((others if theirs_first else named).pop(0))
    return [*found, *named, *others]


def _ranks(items: list[Any], key: str) -> Callable[[Any], int | None]:
    names = [_of(one, key) for one in items]
    return lambda item: names.index(_of(item, key)) if _of(item, key) in names else None


def _key(node: Node | None) -> str:
    return node.merge_key if node is not None else ""


def _cleaned(value: Any) -> Any:
    """Return new content without nulls and directives."""
    if isinstance(value, list):
        if any(isinstance(one, dict) and _DIRECTIVE in one for one in value):
            value = [one for one in value if not (isinstance(one, dict) and _DIRECTIVE in one)]
        return [_cleaned(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _cleaned(one) for name, one in value.items() if one is not None and not name.startswith("$")}
