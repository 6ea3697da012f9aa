"""Publish what is served as OpenAPI v3, for kubectl's checks and `kubectl explain`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from maas_lab.local.kube.enums import ENUMS
from maas_lab.local.kube.kinds import STATUS, Kind
from maas_lab.local.kube.schema import Schemas

Object = dict[str, Any]
_HERE = "#/components/schemas/"
_GVK = "x-kubernetes-group-version-kind"
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_STRATEGIC = "application/strategic-merge-patch+json"
_ONE = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
_MANY = {"list": "get", "create": "post", "deletecollection": "delete"}
_WRITES = ("post", "put", "patch")


def index(kinds: Iterable[Kind]) -> Object:
    """Return where each group and version's document lies."""
    paths = {}
    for path in dict.fromkeys(_root(kind.group, kind.version).strip("/") for kind in kinds):
        told = [repr(kind) for kind in kinds if _root(kind.group, kind.version).strip("/") == path]
        digest = hashlib.sha256("".join(told).encode()).hexdigest()[:32].upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def document(schemas: Schemas, kinds: Iterable[Kind], group: str, version: str) -> Object:
    """Return the OpenAPI v3 document of one group and version; its texts come from the installed definitions."""
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    paths: Object = {}
    for kind in served:
        paths.update(_paths(schemas, kind))
    names = [name for kind in served if (name := _schema_name(schemas, kind))]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.0"},
        "paths": paths,
        "components": {"schemas": _reachable(schemas, served, names)},
    }


def _root(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _schema_name(schemas: Schemas, kind: Kind) -> str:
    return schemas.name(kind) or f"local.maas-lab.{kind.version}.{kind.kind}"


def _paths(schemas: Schemas, kind: Kind) -> Iterator[tuple[str, Object]]:
    root = _root(kind.group, kind.version)
    many = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    yield many, _operations(schemas, kind, _MANY)
    if kind.namespaced:
        yield f"{root}/{kind.plural}", _operations(schemas, kind, {"list": "get"})
    one = f"{many}/{{name}}"
    if operations := _operations(schemas, kind, _ONE):
        yield one, operations
    if STATUS in kind.subresources:
        yield f"{one}/status", _operations(schemas, kind, {n: v for n, v in _ONE.items() if n != "delete"})


def _operations(schemas: Schemas, kind: Kind, verbs: dict[str, str]) -> Object:
    return {method: _operation(schemas, kind, verb, method) for verb, method in verbs.items() if verb in kind.verbs}


def _operation(schemas: Schemas, kind: Kind, verb: str, method: str) -> Object:
    content = {"application/json": {"schema": {"$ref": _HERE + _schema_name(schemas, kind)}}}
    told: Object = {
        "operationId": f"{verb}{kind.group.split('.')[0].title()}{kind.version.title()}{kind.kind}",
        "parameters": _parameters(method),
        "responses": {"200": {"description": "OK", "content": content}},
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(verb, verb),
        _GVK: {"group": kind.group, "kind": kind.kind, "version": kind.version},
    }
    if method == "patch":
        forms = _PATCHES if kind.custom else (*_PATCHES, _STRATEGIC)
        told["requestBody"] = {"content": {form: {"schema": {"type": "object"}} for form in forms}, "required": True}
    elif method in _WRITES:
        told["requestBody"] = {"content": content, "required": True}
    return told


def _parameters(method: str) -> list[Object]:
    names = ["pretty"]
    if method in _WRITES:
        names = ["dryRun", "fieldManager", "fieldValidation", "pretty"]
    found = [{"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}} for name in names]
    if method == "patch":
        found.append({"in": "query", "name": "force", "schema": {"type": "boolean", "uniqueItems": True}})
    return found


def _reachable(schemas: Schemas, served: list[Kind], names: list[str]) -> Object:
    """Return the schemas of the kinds and of everything that they refer to."""
    found: Object = {}
    own = {_schema_name(schemas, kind): kind for kind in served}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        raw = schemas.definitions.get(name)
        told = _special(name) or (_published(raw) if raw is not None else _open(own[name]))
        found[name] = _with_choices(name, told)
        waiting += _references(found[name])
    return dict(sorted(found.items()))


def _special(name: str) -> Object | None:
    short = name.rpartition(".")[2]
    if short == "Quantity":
        return {"oneOf": [{"type": "string"}, {"type": "number"}]}
    if short == "IntOrString":
        return {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    return None


def _with_choices(name: str, told: Object) -> Object:
    for field, choices in ENUMS.get(name.rpartition(".")[2], {}).items():
        if (one := told.get("properties", {}).get(field)) is not None:
            one.get("items", one)["enum"] = choices.split()
    return told


def _open(kind: Kind) -> Object:
    named = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, _GVK: [named]}


def _published(raw: Any) -> Any:
    """Write a schema as OpenAPI v3 does: one type, and siblings of a reference beside an `allOf`."""
    if isinstance(raw, list):
        return [_published(one) for one in raw]
    if not isinstance(raw, dict):
        return raw
    found: Object = {}
    for name, value in raw.items():
        if name == "properties":
            found[name] = {field: _published(one) for field, one in value.items()}
        elif name == "type" and isinstance(value, list):
            found[name] = next(one for one in value if one != "null")
        elif name == "$ref":
            found[name] = _HERE + value.rpartition("/")[2]
        elif name not in ("enum", "required", "default", _GVK):
            found[name] = _published(value)
        elif value not in ([], None) and not (name == "enum" and raw.get("type") != "string"):
            found[name] = value
    if "$ref" in found and len(found) > 1:
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            if name == "$ref" and isinstance(one, str):
                yield one.removeprefix(_HERE)
            else:
                yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
