"""Check the metadata that all objects have, in the words of the API server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from maas_lab.local.kube import syntax, validate_rbac
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import Cause

Object = dict[str, Any]
MOST_ANNOTATIONS = 256 * 1024  # bytes
_NAMES = {
    "Namespace": syntax.label,
    "Service": syntax.label_1035,
    **dict.fromkeys(("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"), validate_rbac.path_segment),
}


def problems(kind: Kind, obj: Object, old: Object | None) -> Iterator[Cause]:
    """Check an object's metadata, and how it changes when there is an old state."""
    metadata = obj.get("metadata") or {}
    name, prefix = metadata.get("name", ""), metadata.get("generateName", "")
    check = _NAMES.get(kind.kind, syntax.subdomain)
    if prefix and not name:
        yield from syntax.all_invalid("metadata.generateName", prefix, check(prefix.rstrip("-") or prefix))
    elif not name:
        yield syntax.required("metadata.name", "name or generateName is required")
    elif old is None:
        yield from syntax.all_invalid("metadata.name", name, check(name))
    yield from syntax.labels(metadata.get("labels"), "metadata.labels")
    yield from _annotations(metadata.get("annotations") or {})
    yield from _owners(metadata.get("ownerReferences") or ())
    for index, one in enumerate(metadata.get("finalizers") or ()):
        yield from _finalizer(kind, one, f"metadata.finalizers[{index}]")
    if old is not None:
        yield from _metadata_changes(metadata, old["metadata"])


def _annotations(annotations: Object) -> Iterator[Cause]:
    for name in sorted(annotations):
        yield from syntax.all_invalid("metadata.annotations", name, syntax.qualified_name(name.lower()))
    if sum(len(name.encode()) + len(text.encode()) for name, text in annotations.items()) > MOST_ANNOTATIONS:
        yield syntax.too_long("metadata.annotations", MOST_ANNOTATIONS)


def _owners(owners: Iterable[Object]) -> Iterator[Cause]:
    for index, owner in enumerate(owners):
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                what = "version" if name == "apiVersion" else name
                yield syntax.invalid(f"metadata.ownerReferences[{index}].{name}", "", f"{what} must not be empty")


def _finalizer(kind: Kind, name: str, field: str) -> Iterator[Cause]:
    yield from syntax.all_invalid(field, name, syntax.qualified_name(name))
    if not kind.custom and "/" not in name and name not in ("foregroundDeletion", "orphan", "kubernetes"):
        why = "name is neither a standard finalizer name nor is it fully qualified"
        yield syntax.invalid(field, name, why)


def _metadata_changes(new: Object, old: Object) -> Iterator[Cause]:
    for name in ("name", "namespace", "uid", "creationTimestamp"):
        if name in new and new.get(name) != old.get(name):
            yield syntax.invalid(f"metadata.{name}", new.get(name), "field is immutable")
    if not old.get("deletionTimestamp"):
        return
    if added := sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ())):
        told = ", ".join(f'"{name}"' for name in added)
        why = "no new finalizers can be added if the object is being deleted, found new finalizers "
        problem = syntax.forbidden("metadata.finalizers", f"{why}[]string{{{told}}}")
        yield from (problem, problem)  # a real server tells it twice
