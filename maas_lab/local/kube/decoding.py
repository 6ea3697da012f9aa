"""Decode objects as Go's decoder does: types are checked, what a type does not know is named and left out."""

from __future__ import annotations

import copy
import difflib
import json
import re
from typing import TYPE_CHECKING, Any

from maas_lab.local.kube import quantities, status
from maas_lab.local.kube.kinds import Kind

if TYPE_CHECKING:
    from maas_lab.local.kube.schema import Node

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_TIME_FORM = "2006-01-02T15:04:05Z07:00"
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_PYTHON = {"string": str, "boolean": bool, "map": dict, "struct": dict, "list": list}
# What null is in a list or a map.
_ZERO: dict[str, Any] = {
    "struct": {},
    "map": {},
    "list": [],
    "string": "",
    "integer": 0,
    "boolean": False,
    "quantity": "0",
}
_RANGE = {"int32": 2**31, "int64": 2**63}
# Strings with a Go type of their own, which the decoder names.
_NAMED = {
    "Container.imagePullPolicy": "v1.PullPolicy",
    "ContainerPort.protocol": "v1.Protocol",
    "DeploymentStrategy.type": "v1.DeploymentStrategyType",
    "PodSpec.dnsPolicy": "v1.DNSPolicy",
    "PodSpec.restartPolicy": "v1.RestartPolicy",
    "Secret.type": "v1.SecretType",
    "ServicePort.protocol": "v1.Protocol",
    "ServiceSpec.type": "v1.ServiceType",
}


def decode(root: Node, kind: Kind, obj: Any, validation: str) -> tuple[dict[str, Any], list[str]]:
    """Return the object and warnings; see `Schemas.decode`."""
    if not isinstance(obj, dict):
        raise _refused(kind, f"json: cannot unmarshal {_word(obj)} into Go value of type {_go_type(root)}")
    walk = _Walk(kind)
    found = walk.struct(root, obj, "", ())
    if walk.error:
        raise _refused(kind, walk.error)
    told = list(dict.fromkeys(sorted(walk.told) if kind.custom else walk.told))
    if told and validation == "Strict":
        raise _refused(kind, f"strict decoding error: {', '.join(told)}")
    head = {"apiVersion": kind.api_version, "kind": kind.kind}
    return {**head, **found, **head}, told if validation == "Warn" else []


def _refused(kind: Kind, why: str) -> status.ApiError:
    return status.bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


class _Walk:
    """One pass over an object: keeps the first type error and every unknown or doubled name."""

    def __init__(self, kind: Kind) -> None:
        self.error, self.told, self._custom = "", [], kind.custom
        self._owner: Node | None = None

    def struct(self, node: Node, value: dict[str, Any], path: str, names: tuple[str, ...]) -> dict[str, Any]:
        found = {}
        for name in getattr(value, "twice", ()):
            self.told.append(f'duplicate field "{_join(path, name)}"')
        for name, one in value.items():
            child = node.child(name)
            if child is None:
                self._unknown(node, name, path)
                if node.open:
                    found[name] = plain(one)
            elif one is None and node.form == "map" and child.form in _ZERO and not self._custom:
                found[name] = copy.copy(_ZERO[child.form])
            elif one is not None:
                below = (*names, name) if node.form == "struct" else names
                owner = node if node.form == "struct" else None
                found[name] = self.value(child, one, _join(path, name), below, owner)
        return found

    def _unknown(self, node: Node, name: str, path: str) -> None:
        if not node.open:
            near = difflib.get_close_matches(name, node.fields, 1)
            hint = f' (did you mean "{near[0]}"?)' if near else ""
            self.told.append(f'unknown field "{_join(path, name)}"{hint}')

    def value(self, node: Node, value: Any, path: str, names: tuple[str, ...], owner: Node | None) -> Any:
        if self._custom and not path.startswith("metadata"):
            return self._loose(node, value, path, names)
        self._check(node, value, names, owner)
        return self._loose(node, value, path, names)

    def _loose(self, node: Node, value: Any, path: str, names: tuple[str, ...]) -> Any:
        if node.form in ("struct", "map") and isinstance(value, dict):
            return self.struct(node, value, path, names)
        if node.form == "list" and isinstance(value, list) and node.items:
            given = [copy.copy(_ZERO.get(node.items.form)) if one is None else one for one in value]
            return [self.value(node.items, one, f"{path}[{index}]", names, None) for index, one in enumerate(given)]
        return plain(value)

    def _check(self, node: Node, value: Any, names: tuple[str, ...], owner: Node | None) -> None:
        if self.error:
            return
        if node.form in ("quantity", "time", "bytes") and not isinstance(value, dict | list | bool):
            self.error = _scalar_error(node.form, value)
            return
        if node.form != "any" and not _fits(node, value):
            self._owner = owner or self._owner
            place = f"{self._owner.name}.{'.'.join(names)}" if self._owner else ".".join(names)
            into = _NAMED.get(f"{owner.name}.{names[-1]}" if owner else "") or _go_type(node)
            self.error = f"json: cannot unmarshal {_word(value)} into Go struct field {place} of type {into}"
        elif owner:
            self._owner = owner


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def plain(value: Any) -> Any:
    """Return a copy in plain dicts and lists, without nulls in objects."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if one is not None}
    return [plain(one) for one in value] if isinstance(value, list) else value


def _fits(node: Node, value: Any) -> bool:
    if node.form in ("integer", "intstr"):
        if node.form == "intstr" and isinstance(value, str):
            return True
        limit = _RANGE.get(node.raw.get("format", "int32"), 2**63)
        return isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit
    if node.form == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _PYTHON.get(node.form, str))


def _scalar_error(form: str, value: Any) -> str:
    try:
        if form == "quantity":
            quantities.value(value)
    except ValueError as error:
        return str(error)
    if form == "time" and not (isinstance(value, str) and _TIME.fullmatch(value)):
        text = json.dumps(value).strip('"')
        return f'parsing time "{text}" as "{_TIME_FORM}": cannot parse "{text}" as "2006"'
    if form == "bytes":
        return _base64_error(value)
    return ""


def _base64_error(value: Any) -> str:
    if not isinstance(value, str):
        return f"json: cannot unmarshal {_word(value)} into Go value of type []uint8"
    text = value.replace("\n", "").replace("\r", "")
    body = text.rstrip("=")
    wrong = next((index for index, char in enumerate(body) if char not in _BASE64), None)
    if wrong is None and (len(text) % 4 or len(text) - len(body) > 2):
        wrong = len(text)
    return "" if wrong is None else f"illegal base64 data at input byte {wrong}"


def _word(value: Any) -> str:
    """Name a JSON value as Go's decoder does."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if isinstance(value, float) or abs(value) >= 2**31 else "number"
    return {str: "string", dict: "object", list: "array"}.get(type(value), "object")


def _go_type(node: Node | None) -> str:
    if node is None or node.form == "any":
        return "interface {}"
    if node.form in ("integer", "intstr"):
        return node.raw.get("format", "int32" if node.form == "intstr" else "int64")
    if node.form == "list":
        return f"[]{_go_type(node.items)}"
    if node.form == "map":
        is_resources = node.items is not None and node.items.form == "quantity"
        return "v1.ResourceList" if is_resources else f"map[string]{_go_type(node.items)}"
    simple = {"boolean": "bool", "number": "float64", "string": "string", "bytes": "[]uint8", "time": "v1.Time"}
    return simple.get(node.form) or ".".join(node.full_name.split(".")[-2:]) or "struct"
