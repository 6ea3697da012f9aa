"""Tell whether an object differs from Git: what a server-side apply would make of it, without what is to be ignored."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from maas_lab.local.gitops.identity import Id
from maas_lab.local.kube import managers
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import Object

MANAGER = "argocd-controller"
ASIDE = ("managedFields", "generation", "resourceVersion", "creationTimestamp", "uid")
Path = tuple[str, ...]


def target_of(kind: Kind, obj: Object) -> Target:
    """Return what a write of an object is about."""
    return Target(kind, obj["metadata"].get("namespace") or "", obj["metadata"]["name"])


def apply(objects: Objects, kind: Kind, obj: Object, *, dry_run: bool, strict: bool = True) -> Object:
    """Apply an object on the server's side, by force: Git is right. Return what is kept, or would be.

    Raises:
        ApiError: it is not valid, or not allowed.
    """
    options = WriteOptions(dry_run, "Strict" if strict else "Ignore", MANAGER, force=True)
    if strict:
        objects.rules.decode(kind, obj, "Strict")
    return objects.apply(target_of(kind, obj), copy.deepcopy(obj), options).object


def differs(objects: Objects, kind: Kind, wanted: Object, live: Object, ignored: Iterable[Object]) -> bool:
    """Tell whether applying what Git says would change a live object; what cannot be applied differs."""
    try:
        made = apply(objects, kind, wanted, dry_run=True, strict=False)
    except ApiError:
        return True
    if made is live:
        return False
    paths = list(ignored_paths(ignored, live))
    return _seen(made, paths) != _seen(live, paths)


def rules_for(rules: list[Object], one: Id) -> list[Object]:
    """Return the `ignoreDifferences` that are about an object."""
    wanted = {"group": one.group, "kind": one.kind, "name": one.name, "namespace": one.namespace}
    return [
        rule
        for rule in rules
        if all(fnmatchcase(value, rule.get(name) or ("" if name == "group" else "*")) for name, value in wanted.items())
    ]


def ignored_paths(rules: Iterable[Object], live: Object) -> Iterable[Path]:
    """Yield the paths that rules name: JSON pointers, and what some managers own."""
    for rule in rules:
        for pointer in rule.get("jsonPointers") or []:
            yield tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        names = set(rule.get("managedFieldsManagers") or [])
        owners = [one for one in managers.read(live).values() if one.manager in names] if names else []
        for fields in (one.fields for one in owners):
            above = {path[:end] for path in fields for end in range(1, len(path))}
            yield from fields - above


def without_ignored(wanted: Object, live: Object, rules: Iterable[Object]) -> Object:
    """Return what Git says, with ignored fields as they are: `RespectIgnoreDifferences`."""
    kept = copy.deepcopy(wanted)
    for path in ignored_paths(rules, live):
        found = _at(live, path)
        if found is None:
            _remove(kept, path)
        elif isinstance(holder := _at(kept, path[:-1]), dict) and (name := path[-1].removeprefix("f:")) in holder:
            holder[name] = copy.deepcopy(found)
    return kept


def _seen(obj: Object, paths: list[Path]) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in ASIDE}
    found = {**obj, "metadata": metadata}
    if paths:
        found = copy.deepcopy(found)
        for path in paths:
            _remove(found, path)
    return found


def _remove(obj: Object, path: Path) -> None:
    holder, last = _at(obj, path[:-1]), path[-1] if path else ""
    if isinstance(holder, dict):
        holder.pop(last.removeprefix("f:"), None)
    elif isinstance(holder, list) and (index := _index(holder, last)) is not None:
        del holder[index]


def _at(value: Any, path: Path) -> Any:
    """Return what stands at a path, of a JSON pointer or of managedFields; None where there is nothing."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part.removeprefix("f:"))
        elif isinstance(value, list) and (index := _index(value, part)) is not None:
            value = value[index]
        else:
            return None
    return value


def _index(entries: list[Any], part: str) -> int | None:
    if part.isdecimal():
        return int(part) if int(part) < len(entries) else None
    how, _, told = part.partition(":")
    if how not in ("k", "v"):
        return None
    try:
        wanted = json.loads(told)
    except ValueError:  # a part of a JSON pointer that only looks like one of managedFields
        return None
    for index, one in enumerate(entries):
        is_it = isinstance(one, dict) and isinstance(wanted, dict) and wanted.items() <= one.items()
        if is_it or one == wanted:
            return index
    return None
