"""Sets of fields, and what can be done with typed objects by them: compare, merge, take away.

A field is a path of elements as managedFields writes them: `f:name` for a field, `k:{...}` for an element of an
associative list, `v:...` for one of a set. A set of fields is a plain `frozenset` of such paths; a path says nothing
about those below it, as in a real API server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from maas_lab.local.kube.schema import Node

Path = tuple[str, ...]
Fields = frozenset[Path]
MISSING: Any = object()
NONE: Fields = frozenset()


class Comparison(NamedTuple):
    """What differs between two states of an object."""

    added: Fields
    modified: Fields
    removed: Fields


def to_json(fields: Iterable[Path]) -> dict[str, Any]:
    """Return fields as fieldsV1 writes them: a tree, where "." says that a field with fields below is in the set."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        here = tree
        for element in path:
            here = here.setdefault(element, {})
        here["."] = {}
    return _without_lone_dots(tree)


def _without_lone_dots(tree: dict[str, Any]) -> dict[str, Any]:
    if set(tree) == {"."}:
        return {}
    return {name: below if name == "." else _without_lone_dots(below) for name, below in tree.items()}


def from_json(tree: dict[str, Any], prefix: Path = ()) -> set[Path]:
    """Return the fields that a fieldsV1 tree names."""
    found: set[Path] = set()
    for name, below in tree.items():
        if name == "." or not below:
            found.add(prefix if name == "." else (*prefix, name))
        if name != "." and below:
            found |= from_json(below, (*prefix, name))
    return found


def with_parents(fields: Iterable[Path]) -> Fields:
    """Return fields and the named fields above them."""
    above = {path[:end] for path in fields for end in range(1, len(path)) if path[end - 1].startswith("f:")}
    return frozenset(above.union(fields))


def text(path: Path) -> str:
    """Write a path as messages do: `.spec.containers[name="web"].image`."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    how, _, told = element.partition(":")
    if how == "f":
        return f".{told}"
    if how == "k":
        return f"[{','.join(f'{name}={_json(value)}' for name, value in sorted(json.loads(told).items()))}]"
    return f"[={told}]" if how == "v" else f"[{told}]"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def element(node: Node, item: Any) -> str:
    """Name an element of an associative list or of a set."""
    if node.keys and isinstance(item, dict):
        known = node.items.key_defaults if node.items else {}
        told = {key: item.get(key, known.get(key)) for key in node.keys}
        return f"k:{_json({key: value for key, value in told.items() if value is not None})}"
    return f"v:{_json(item)}"


def shape(node: Node | None, value: Any) -> str:
    """Return how fields below a value are owned: `map`, `list`, or `leaf` where one manager owns all of it."""
    if node is None or node.form == "any":
        return "map" if isinstance(value, dict) else "leaf"
    if node.atomic or not isinstance(value, dict | list):
        return "leaf"
    if isinstance(value, dict):
        return "map" if node.form in ("struct", "map") else "leaf"
    return "list" if node.form == "list" else "leaf"


def child(node: Node | None, name: str) -> Node | None:
    """Return the type of a member."""
    return node.child(name) if node is not None and node.form in ("struct", "map") else None


def fields_of(node: Node | None, value: Any, path: Path = ()) -> set[Path]:
    """Return the fields that an object sets."""
    kind = shape(node, value)
    if kind == "leaf":
        return {path}
    found: set[Path] = set()
    if kind == "list":
        for item in value:
            below = (*path, element(node, item))
            found |= fields_of(node.items, item, below) | {below}
        return found
    for name, one in value.items():
        below = (*path, f"f:{name}")
        declared = node is not None and node.form == "struct" and name in node.fields
        is_empty_list = one == [] and shape(child(node, name), one) == "list"
        if one is None or one == {} or (not declared and not is_empty_list):
            found.add(below)
        found |= fields_of(child(node, name), one, below)
    return found


def compare(node: Node, before: Any, after: Any) -> Comparison:
    """Return which fields differ between two states."""
    found: tuple[set[Path], set[Path], set[Path]] = (set(), set(), set())
    _compare(node, before, after, (), found)
    return Comparison(*map(frozenset, found))


def _compare(node: Node | None, left: Any, right: Any, path: Path, found: tuple[set[Path], ...]) -> None:
    present = left if right is MISSING or (right is None and left is not MISSING) else right
    kind = shape(node, present)
    both_empty = left in (MISSING, None, {}, []) and right in (MISSING, None, {}, [])
    if kind == "leaf" or both_empty:
        _compare_leaf(left, right, path, found)
        return
    names = _members(node, kind, left), _members(node, kind, right)
    for name in {**names[0], **names[1]}:
        below = node.items if kind == "list" else child(node, name.removeprefix("f:"))
        _compare(below, names[0].get(name, MISSING), names[1].get(name, MISSING), (*path, name), found)
    if left is MISSING:
        found[0].add(path)
    elif right is MISSING:
        found[2].add(path)


def _compare_leaf(left: Any, right: Any, path: Path, found: tuple[set[Path], ...]) -> None:
    if left is MISSING:
        found[0].add(path)
    elif right is MISSING:
        found[2].add(path)
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        found[1].add(path)


def _members(node: Node | None, kind: str, value: Any) -> dict[str, Any]:
    if kind == "list" and isinstance(value, list):
        return {element(node, item): item for item in value}
    if kind == "map" and isinstance(value, dict):
        return {f"f:{name}": one for name, one in value.items()}
    return {}


def merge(node: Node | None, live: Any, config: Any) -> Any:
    """Return a live state with a configuration laid over it; elements are matched by their keys."""
    kind = shape(node, config)
    if kind == "map" and isinstance(live, dict):
        laid = {name: merge(child(node, name), live.get(name), one) for name, one in config.items()}
        return {**live, **laid}
    if kind == "list" and isinstance(live, list):
        return _merge_lists(node, live, config)
    return config


def _merge_lists(node: Node, live: list[Any], config: list[Any]) -> list[Any]:
    """Keep the configuration's order among its elements, and the others where they stand."""
    old = {element(node, item): item for item in live}
    new = {element(node, item): item for item in config}
    waiting = list(new)
    shared = [name for name in waiting if name in old]
    order: list[str] = []
    for name in old:
        if name not in new:
            order.append(name)
        elif shared and name == shared[0]:
            stop = waiting.index(name) + 1
            order += waiting[:stop]
            waiting, shared = waiting[stop:], shared[1:]
    order += waiting
    return [merge(node.items, old.get(name), new[name]) if name in new else old[name] for name in order]


def without(node: Node | None, value: Any, fields: Iterable[Path]) -> Any:
    """Return an object without some of its fields; what is left empty by that goes too."""
    return _pruned(node, value, to_json(fields))


def _pruned(node: Node | None, value: Any, tree: dict[str, Any]) -> Any:
    kind = shape(node, value)
    if kind == "leaf" or not tree:
        return value
    if kind == "list":
        kept = [_pruned_member(node.items, item, tree.get(element(node, item))) for item in value]
        return [one for one in kept if one is not MISSING] or MISSING
    found = {n: _pruned_member(child(node, n), one, tree.get(f"f:{n}")) for n, one in value.items()}
    return {name: one for name, one in found.items() if one is not MISSING} or MISSING


def _pruned_member(node: Node | None, value: Any, tree: dict[str, Any] | None) -> Any:
    if tree is None:
        return value
    return MISSING if not tree or "." in tree else _pruned(node, value, tree)
