"""Check that a configuration to apply fits its schema, in the words of the API server's typed objects."""

from __future__ import annotations

from typing import Any

from maas_lab.local.kube import fieldsets
from maas_lab.local.kube.fieldsets import Path
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.schema import Node
from maas_lab.local.kube.status import ApiError

_EXPECTED = {"integer": "numeric (int or float)", "number": "numeric (int or float)"}
_GO = {bool: "bool", str: "string", dict: "map[string]interface {}", list: "[]interface {}"}


def check(node: Node, kind: Kind, config: dict[str, Any]) -> None:
    """Refuse what the schema does not know.

    Raises:
        ApiError: 500, as a real API server answers here.
    """
    problems = _problems(node, config, ())
    if not problems:
        return
    metadata = config.get("metadata") or {}
    name = "/".join(str(part) for part in (metadata.get("namespace"), metadata.get("name")) if part)
    why = problems[0] if len(problems) == 1 else "errors:\n  " + "\n  ".join(problems)
    group = f"{kind.api_version}, Kind={kind.kind}"
    raise ApiError(500, "", f"failed to create typed patch object ({name}; {group}): {why}")


def _problems(node: Node | None, value: Any, path: Path) -> list[str]:
    if node is None or node.form == "any" or value is None:
        return []
    if node.form in ("struct", "map"):
        return _in_map(node, value, path)
    if node.form == "list":
        return _in_list(node, value, path)
    return _in_scalar(node, value, path)


def _in_map(node: Node, value: Any, path: Path) -> list[str]:
    if not isinstance(value, dict):
        return [f"{fieldsets.text(path)}: expected map, got &{{{value}}}"]
    found = []
    for name, one in value.items():
        below = (*path, f"f:{name}")
        child = node.child(name)
        if child is None and not node.open:
            found.append(f"{fieldsets.text(below)}: field not declared in schema")
        found += _problems(child, one, below)
    return found


def _in_list(node: Node, value: Any, path: Path) -> list[str]:
    here = fieldsets.text(path)
    if not isinstance(value, list):
        return [f"{here}: expected list, got &{{{value}}}"]
    found, seen = [], set()
    for index, item in enumerate(value):
        if node.atomic:
            found += _problems(node.items, item, (*path, f"i:{index}"))
            continue
        if missing := _missing_key(node, item):
            omits = f'associative list with keys has an element that omits key field "{missing}"'
            found.append(f"{here}: element {index}: {omits}")
            continue
        element = fieldsets.element(node, item)
        if element in seen:
            told = fieldsets.text((element,))
            found.append(f"{here}: duplicate entries for key {told}")
        seen.add(element)
        found += _problems(node.items, item, (*path, element))
    return found


def _missing_key(node: Node, item: Any) -> str:
    if not node.keys or not node.items:
        return ""
    if not isinstance(item, dict):
        return node.keys[0]
    known = node.items.key_defaults
    return next((key for key in node.keys if item.get(key) is None and key not in known), "")


def _in_scalar(node: Node, value: Any, path: Path) -> list[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "integer": is_number,
        "number": is_number,
        "boolean": isinstance(value, bool),
        "intstr": not isinstance(value, dict | list | bool),
        "quantity": not isinstance(value, dict | list | bool),
    }.get(node.form, isinstance(value, str))
    if fits:
        return []
    got = _GO.get(type(value), "int64") if node.form in _EXPECTED else f"&value.valueUnstructured{{Value:{value}}}"
    expected = _EXPECTED.get(node.form, "boolean" if node.form == "boolean" else "string")
    return [f"{fieldsets.text(path)}: expected {expected}, got {got}"]
