"""Check objects of custom kinds against their schemas, in the words of the API server's OpenAPI validation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from maas_lab.local.kube import syntax, validate_quotas
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.schema import Node, Schemas
from maas_lab.local.kube.status import Cause
from maas_lab.settings import LOOPBACK

MOST_NAME = 53  # characters; KServe makes longer names from it
_LOCAL_HOST = re.compile(rf"{re.escape(LOOPBACK)}:\d+$")
_JSON = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
_TYPES = {
    "struct": "object",
    "map": "object",
    "list": "array",
    "bytes": "string",
    "time": "string",
}


def problems(kind: Kind, obj: dict[str, Any], schemas: Schemas | None) -> list[Cause]:
    """Return what is wrong with the fields of an object of a custom kind."""
    found = []
    if kind.kind == "InferenceService":
        found += _inference_service(obj)
    if schemas is not None:
        root = schemas.root(kind)
        inner = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
        found += [one for one in _struct(root, inner, "") if not _is_local_host(kind, obj, one)]
        if kind.kind == "Route":
            found += _route(obj)
    if kind.kind == "ClusterResourceQuota" and not found:
        found += validate_quotas.cluster_resource_quota(obj)
    return found


def _inference_service(obj: dict[str, Any]) -> Iterator[Cause]:
    name = (obj.get("metadata") or {}).get("name", "")
    if len(name) > MOST_NAME:
        why = f"must be no more than {MOST_NAME} characters: the names of its workloads are made from it"
        yield syntax.invalid("metadata.name", name, why)
    elif name and not syntax.subdomain(name):
        yield from syntax.all_invalid("metadata.name", name, syntax.label_1035(name))


def _route(obj: dict[str, Any]) -> Iterator[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("tls"), dict) or not spec.get("path"):
        return
    if spec["tls"].get("termination") == "passthrough":
        yield syntax.invalid("spec.path", spec["path"], "passthrough termination does not support paths")


def _is_local_host(kind: Kind, obj: dict[str, Any], cause: Cause) -> bool:
    """Tell whether something is wrong only on a real cluster: hosts have ports here, as there is no name for each."""
    return kind.kind == "Route" and cause.field == "spec.host" and bool(_LOCAL_HOST.match(str(obj["spec"]["host"])))


def _value(node: Node, value: Any, path: str) -> Iterator[Cause]:
    if node.form == "any":
        return
    if not _is_type(node, value):
        got, wanted = _JSON.get(type(value), "null"), _TYPES.get(node.form, node.form)
        wanted = {"intstr": "integer,string", "quantity": "integer,string"}.get(node.form, wanted)
        told = f'Invalid value: "{got}": {path} in body must be of type {wanted}: "{got}"'
        yield Cause(path, "FieldValueTypeInvalid", told)
        return
    if isinstance(value, dict):
        yield from _struct(node, value, path)
    elif isinstance(value, list) and node.items:
        for index, one in enumerate(value):
            yield from _value(node.items, one, f"{path}[{index}]")
    else:
        yield from _scalar(node.raw, value, path)


def _struct(node: Node, value: dict[str, Any], path: str) -> Iterator[Cause]:
    for name in node.required:
        if value.get(name) is None and name != "metadata":
            yield syntax.required(f"{path}.{name}" if path else name)
    for name, one in value.items():
        child = node.child(name)
        if child is not None and one is not None:
            yield from _value(child, one, f"{path}.{name}" if path else name)


def _is_type(node: Node, value: Any) -> bool:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if node.form in ("intstr", "quantity"):
        return is_integer or isinstance(value, str)
    if node.form == "integer":
        return is_integer
    if node.form == "number":
        return is_integer or isinstance(value, float)
    wanted = {"object": dict, "array": list, "boolean": bool}.get(_TYPES.get(node.form, node.form), str)
    return isinstance(value, wanted)


def _scalar(raw: dict[str, Any], value: Any, path: str) -> Iterator[Cause]:
    if "enum" in raw and value not in raw["enum"]:
        yield syntax.unsupported(path, value, raw["enum"])
    if isinstance(value, str):
        if "pattern" in raw and not re.search(raw["pattern"], value):
            yield syntax.invalid(path, value, f"{path} in body should match '{raw['pattern']}'")
        if len(value) < raw.get("minLength", 0):
            yield syntax.invalid(path, value, f"{path} in body should be at least {raw['minLength']} chars long")
        if len(value) > raw.get("maxLength", len(value)):
            yield syntax.too_long(path, raw["maxLength"])
    elif isinstance(value, int) and not isinstance(value, bool):
        if value < raw.get("minimum", value):
            yield syntax.invalid(path, value, f"{path} in body should be greater than or equal to {raw['minimum']}")
        if value > raw.get("maximum", value):
            yield syntax.invalid(path, value, f"{path} in body should be less than or equal to {raw['maximum']}")
