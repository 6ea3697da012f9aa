"""Apply the patches of a kustomization: strategic merge (a piece of an object), JSON 6902 (a list of operations)."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from maas_lab.errors import ManifestError
from maas_lab.jsonpatch import CannotApply, Document
from maas_lab.transformers import DEFAULT_NAMESPACE, Resource, members

# Lists whose entries are told apart by a key, in Kubernetes' own kinds. In custom kinds a list is replaced as a whole.
MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "port"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
}
BUILT_IN = {"", "apps", "autoscaling", "batch", "policy", "rbac.authorization.k8s.io", "storage.k8s.io"}


def apply(patch: dict[str, Any], documents: list[Any], resources: list[Resource], file: Path) -> None:
    """Apply one entry of `patches` to the resources that it is meant for.

    Raises:
        ManifestError: the patch fits no resource, or an operation fits nothing in it.
    """
    target = patch.get("target")
    told = f"patch {patch['path']}" if "path" in patch else "a patch"
    for document in documents:
        if isinstance(document, list):
            if target is None:
                why = "a list of operations names no object itself"
                raise ManifestError(f"{file}: {told} has no `target`", why, "add `target:` with kind and name")
            for one in _selected(target, resources):
                _operate(one, document, f"{file}: {told} on {one}")
        elif isinstance(document, dict) and isinstance(document.get("metadata") or {}, dict):
            matched = _selected(target, resources) if target is not None else [_named(document, resources, file, told)]
            for one in matched:
                _merge_into(one, document, f"{file}: {told} on {one}")
        else:
            hint = "write a piece of the object, or a list of op, path and value"
            raise ManifestError(f"{file}: {told} is neither an object nor a list of operations", hint=hint)


def _selected(target: dict[str, str], resources: list[Resource]) -> list[Resource]:
    """Return the resources that fit a target; its values are patterns that fit as a whole."""

    def fits(one: Resource) -> bool:
        held = {"group": one.group, "version": one.version, "kind": one.kind, **one.metadata}
        known = {field: one.names if field == "name" else {str(held.get(field) or "")} for field in target}
        return all(any(re.fullmatch(pattern, text) for text in known[field]) for field, pattern in target.items())

    try:
        return [one for one in resources if fits(one)]
    except re.error as error:
        raise ManifestError(f"the target {target} is no pattern", str(error), "write the whole name") from error


def _named(document: dict[str, Any], resources: list[Resource], file: Path, told: str) -> Resource:
    kind, metadata = document.get("kind"), document.get("metadata") or {}
    wanted = (document.get("apiVersion"), kind, metadata.get("name"))
    namespace = metadata.get("namespace") or DEFAULT_NAMESPACE
    for one in resources:
        fits = wanted[:2] == (one.body["apiVersion"], one.kind) and wanted[2] in one.names
        if fits and namespace in one.namespaces:
            return one
    there = ", ".join(sorted(one.metadata["name"] for one in resources if one.kind == kind)) or "none"
    what = f"{file}: {told} is for {kind} {metadata.get('name')}, and there is no such object"
    hint = "apiVersion, kind, name and namespace must be those of the object"
    raise ManifestError(what, f"of this kind there are: {there}", hint)


def _merge_into(one: Resource, document: dict[str, Any], where: str) -> None:
    if directives := sorted(name for name, _ in members(document) if name.startswith("$")):
        raise ManifestError(f"{where}: `{directives[0]}` is not supported", hint="write `name: null` to remove a field")
    namespace, name = one.metadata.get("namespace"), one.metadata["name"]
    keyed = one.group in BUILT_IN
    try:
        merged = _merged(one.body, {**document, "apiVersion": one.body["apiVersion"], "kind": one.kind}, keyed)
    except TypeError as error:
        raise ManifestError(f"{where}: {error}", hint="compare the patch with the object, line by line") from error
    one.body = _without_nulls(merged)
    one.metadata["name"] = name
    if namespace:
        one.metadata["namespace"] = namespace


def _merged(base: Any, patch: dict[str, Any], keyed: bool) -> dict[str, Any]:
    """Return a mapping with the patch's fields put in; null removes one."""
    result = dict(base) if isinstance(base, dict) else {}
    for name, value in patch.items():
        held = result.get(name)
        if value is not None and held is not None and _form(held) != _form(value):
            raise TypeError(f"`{name}` is {_form(held)} there, and {_form(value)} in the patch")
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _merged(held, value, keyed)
        elif isinstance(value, list):
            key = _key(name, [*value, *(held or [])]) if keyed and name in MERGE_KEYS else None
            result[name] = _merged_list(held or [], value, key, keyed) if key else copy.deepcopy(value)
        else:
            result[name] = value
    return result


def _without_nulls(value: Any) -> Any:
    """Leave out fields without a value: whatever passes a merge loses them."""
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _without_nulls(entry) for name, entry in value.items() if entry is not None}
    return value


def _form(value: Any) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a value"


def _key(name: str, entries: list[Any]) -> str | None:
    """Return the key that tells the entries of this list apart; None when there are no entries."""

    def has(one: Any, key: str) -> bool:
        return isinstance(one, dict) and isinstance(one.get(key), str | int)

    key = next((key for key in MERGE_KEYS[name] if all(has(one, key) for one in entries)), None)
    if key is None:
        raise TypeError(f"an entry of `{name}` without `{MERGE_KEYS[name][0]}`")
    return key if entries else None


def _merged_list(base: list[Any], patch: list[Any], key: str, keyed: bool) -> list[Any]:
    """Merge entries of the same key; the patch's come first, as kustomize puts them."""
    old = {entry[key]: entry for entry in base}
    new = {entry[key]: _merged(old.get(entry[key]), entry, keyed) for entry in patch}
    return [*new.values(), *(entry for entry in base if entry[key] not in new)]


def _operate(one: Resource, operations: list[Any], where: str) -> None:
    document = Document(one.body)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise ManifestError(f"{where}: an operation without `path`", hint="write op, path and value")
        op, path = operation.get("op"), operation["path"]
        if op not in ("add", "replace", "remove", "test"):
            raise ManifestError(f"{where}: `op: {op}` is not supported", hint="known: add, replace, remove, test")
        if op != "remove" and "value" not in operation:
            raise ManifestError(f"{where}: `{op} {path}` has no `value`", hint="add `value:`")
        try:
            if not path:
                raise CannotApply("that is the whole object: patch its fields")
            document.operate(operation, makes=True)
        except CannotApply as error:
            hint = "print the object with kubectl kustomize, or without this patch, and follow the path"
            raise ManifestError(f"{where}: `{op} {path}` does not fit", str(error), hint) from error
    one.body = document.content
