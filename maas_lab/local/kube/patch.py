"""Apply the three kinds of patches that change a stored object: JSON patch, merge patch, strategic merge patch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from maas_lab.jsonpatch import CannotApply, Document
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.schema import Node, Schemas
from maas_lab.local.kube.status import ApiError, bad_request

MOST_OPERATIONS = 10_000
_REPLACE, _DELETE, _MERGE = "replace", "delete", "merge"
_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"
_ORDER, _REMOVE = "$setElementOrder/", "$deleteFromPrimitiveList/"


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
    document = Document(obj)
    try:
        for operation in operations:
            document.operate(operation)
    except CannotApply as error:
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {}) from error
    return document.content


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
