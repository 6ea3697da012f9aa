"""Tell what belongs to whom: owner references, and adoption of what nobody owns."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.common import selects
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.store import Change, Key, Object


def reference(kind: Kind, owner: Object) -> Object:
    """Return the owner reference of a controller."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Object) -> Object | None:
    """Return the reference to the controller of an object, or None."""
    return next((one for one in obj["metadata"].get("ownerReferences") or () if one.get("controller")), None)


def is_owned(obj: Object, owner: Object) -> bool:
    """Tell whether an object's controller is this very owner."""
    found = controller_of(obj)
    return bool(found and found["uid"] == owner["metadata"]["uid"])


def affected(change: Change, kind: Kind) -> Iterable[Key]:
    """Yield the keys of the owners of a kind, of a changed object before and after the change."""
    for obj in (change.before, change.object):
        found = controller_of(obj) if obj else None
        if found and found["kind"] == kind.kind and found["apiVersion"] == kind.api_version:
            yield Key(kind.resource, change.key.namespace, found["name"])


def could_own(client: Client, kind: Kind, change: Change) -> Iterable[Key]:
    """Yield the keys of those that would adopt a changed object which nobody owns."""
    if controller_of(change.object):
        return
    labels = change.object["metadata"].get("labels") or {}
    for one in client.list(kind, change.key.namespace) if labels else ():
        if selects(one["spec"].get("selector"), labels):
            yield Key(kind.resource, change.key.namespace, one["metadata"]["name"])


def claim(client: Client, kind: Kind, owner: Object, owned: Kind) -> list[Object]:
    """Return what belongs to an owner: adopt what fits and is free, let go what fits no longer."""
    found = []
    for obj in client.list(owned, owner["metadata"].get("namespace", "")):
        fits = selects(owner["spec"].get("selector"), obj["metadata"].get("labels") or {})
        if is_owned(obj, owner):
            if fits:
                found.append(obj)
            elif not owner["metadata"].get("deletionTimestamp"):
                _write(client, owned, obj, [one for one in _references(obj) if one != controller_of(obj)])
        elif fits and controller_of(obj) is None and _may_adopt(owner, obj):
            found.append(_write(client, owned, obj, [*_references(obj), reference(kind, owner)]))
    return found


def _may_adopt(owner: Object, obj: Object) -> bool:
    return not owner["metadata"].get("deletionTimestamp") and not obj["metadata"].get("deletionTimestamp")


def _references(obj: Object) -> list[Object]:
    return obj["metadata"].get("ownerReferences") or []


def _write(client: Client, kind: Kind, obj: Object, references: list[Object]) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "ownerReferences"}
    if references:
        metadata["ownerReferences"] = references
    return client.update(kind, {**obj, "metadata": metadata})
