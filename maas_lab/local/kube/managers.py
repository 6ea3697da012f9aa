"""Keep metadata.managedFields: which manager owns which fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maas_lab.local.kube import fieldsets
from maas_lab.local.kube.fieldsets import Fields, Path
from maas_lab.local.kube.kinds import STATUS, Kind

MOST_UPDATERS = 10
# What the server sets itself belongs to no manager.
_IN_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
_NOBODYS: Fields = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", f"f:{name}") for name in _IN_METADATA)]
)


@dataclass
class Owner:
    """One entry of managedFields."""

    manager: str
    operation: str
    version: str
    subresource: str = ""
    time: str = ""
    fields: Fields = fieldsets.NONE

    @property
    def key(self) -> tuple[str, ...]:
        """Return what tells one owner from another; an applier stays the same in every version."""
        return self.manager, self.operation, "" if self.operation == "Apply" else self.version, self.subresource

    def told(self) -> str:
        """Name the owner in a conflict."""
        part = f' with subresource "{self.subresource}"' if self.subresource else ""
        using = f" using {self.version}" if self.operation == "Update" else ""
        return f'"{self.manager}"{part}{using}'

    def entry(self) -> dict[str, Any]:
        """Return the entry as managedFields holds it."""
        told = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fieldsets.to_json(self.fields),
            "subresource": self.subresource,
        }
        return {name: one for name, one in told.items() if one or name == "fieldsV1"}


Owners = dict[tuple[str, ...], Owner]


def read(obj: dict[str, Any] | None) -> Owners:
    """Return an object's owners; entries that make no sense count as none."""
    entries = (obj or {}).get("metadata", {}).get("managedFields") or []
    try:
        owners = [_owner(entry) for entry in entries]
    except (AttributeError, KeyError, TypeError):
        return {}
    return {owner.key: owner for owner in owners if owner.fields}


def _owner(entry: dict[str, Any]) -> Owner:
    fields = frozenset(fieldsets.from_json(entry.get("fieldsV1") or {}))
    return Owner(
        entry.get("manager", ""),
        entry["operation"],
        entry["apiVersion"],
        entry.get("subresource", ""),
        entry.get("time") or "",
        fields,
    )


def write(obj: dict[str, Any], owners: Owners) -> dict[str, Any]:
    """Return an object with its owners noted, in the API server's order."""
    found = []
    for owner in _capped(owners).values():
        fields = owner.fields - _NOBODYS
        if fields:
            found.append(Owner(*owner.key[:2], owner.version, owner.subresource, owner.time, fields))
    found.sort(key=lambda owner: (owner.operation, owner.time, owner.manager, owner.version, owner.subresource))
    metadata = {name: one for name, one in obj.get("metadata", {}).items() if name != "managedFields"}
    if found:
        metadata["managedFields"] = [owner.entry() for owner in found]
    return {**obj, "metadata": metadata}


def _capped(owners: Owners) -> Owners:
    """Put the oldest updaters together when there are too many."""
    updaters = sorted((one for one in owners.values() if one.operation == "Update"), key=lambda one: one.time)
    if len(updaters) <= MOST_UPDATERS:
        return owners
    old = updaters[: len(updaters) - MOST_UPDATERS + 1]
    fields = frozenset().union(*(one.fields for one in old))
    ancient = Owner("ancient-changes", "Update", old[-1].version, "", old[-1].time, fields)
    kept = {key: one for key, one in owners.items() if one not in old}
    return {**kept, ancient.key: ancient}


def bare(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without its managedFields."""
    metadata = {name: one for name, one in obj.get("metadata", {}).items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def owned_here(kind: Kind, fields: Fields, subresource: str) -> Fields:
    """Return the fields that can be set through a path: the object's own path sets no status, and vice versa."""
    if STATUS not in kind.subresources:
        return fields
    aside = [("f:status",)] if subresource != STATUS else [("f:spec",), ("f:metadata", "f:labels")]
    if subresource == STATUS and kind.custom:
        aside = [("f:spec",), ("f:metadata",)]
    return frozenset(path for path in fields if not any(_within(path, one) for one in aside))


def _within(path: Path, top: Path) -> bool:
    return path[: len(top)] == top
