"""Apply a configuration on the server's side, and track which manager owns which field."""

from __future__ import annotations

import copy
import json
from typing import Any

from maas_lab.local.kube import configuration, defaults, fieldsets, managers
from maas_lab.local.kube.fieldsets import Fields
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.managers import Owner, Owners
from maas_lab.local.kube.schema import Node, Schemas
from maas_lab.local.kube.status import ApiError, Cause, apply_conflict, bad_request

Object = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE = "before-first-apply"  # owns what was there before anybody was tracked
KUBECTL = "kubectl"


class Conflicts(ApiError):
    """Others own fields that a configuration would change.

    Attributes:
        fields: those fields, by owner.
    """

    def __init__(self, found: list[tuple[Owner, Fields]]) -> None:
        self.fields = frozenset().union(*(fields for _, fields in found))
        each = [(owner.told(), fieldsets.text(path)) for owner, fields in found for path in sorted(fields)]
        causes = [Cause(path, "FieldManagerConflict", f"conflict with {name}") for name, path in each]
        status = apply_conflict(_conflict_text(each), causes).status
        super().__init__(409, "Conflict", status["message"], status["details"])


def _conflict_text(each: list[tuple[str, str]]) -> str:
    if len(each) == 1:
        return f"Apply failed with 1 conflict: conflict with {each[0][0]}: {each[0][1]}"
    parts = []
    for name in sorted({name for name, _ in each}):
        parts.append(f"conflicts with {name}:")
        parts += [f"- {path}" for one, path in each if one == name]
    return f"Apply failed with {len(each)} conflicts: " + "\n".join(parts)


def server_side_apply(
    schemas: Schemas,
    kind: Kind,
    current: Object | None,
    config: Object,
    manager: str,
    force: bool,
    subresource: str,
    now: str,
) -> Object:
    """Return an object with a manager's configuration applied and its owners noted; defaults are not filled in.

    Args:
        schemas: types of all kinds.
        kind: what is applied.
        current: the stored object, None when it does not exist.
        config: what the manager wants; what it no longer names is removed unless others own it.
        manager: the field manager.
        force: take fields that others own.
        subresource: the part of the path after the name, e.g. `status`, or "".
        now: time of the request, RFC 3339.

    Raises:
        ApiError: 409, others own fields that differ; 500, the configuration does not fit the schema.
    """
    if "managedFields" in config.get("metadata", {}):
        raise bad_request("metadata.managedFields must be nil")
    node = schemas.root(kind)
    configuration.check(node, kind, config)
    live = managers.bare(current) if current else defaults.empty(node, kind)
    owners = managers.read(current)
    if not owners and current:
        before = Owner(BEFORE, "Update", kind.api_version, "", now)
        owners = _updated(node, kind, defaults.empty(node, kind), live, owners, before)
    applier = Owner(manager, "Apply", kind.api_version, subresource, now)
    return managers.write(*_settled(node, kind, live, config, owners, applier, force))


def _settled(
    node: Node, kind: Kind, live: Object, config: Object, owners: Owners, applier: Owner, force: bool
) -> tuple[Object, Owners]:
    """Apply, and do for kubectl what the server does to bring people over from its client-side apply."""
    try:
        found, changed = _applied(node, kind, live, config, owners, applier, force)
    except Conflicts as conflict:
        if applier.manager != KUBECTL or conflict.fields - _from_client_side(node, live):
            raise
        found, changed = _applied(node, kind, live, config, owners, applier, True)
    if applier.manager == KUBECTL and LAST_APPLIED in (found["metadata"].get("annotations") or {}):
        found = _with_last_applied(found, config)
    return found, changed


def track(
    schemas: Schemas,
    kind: Kind,
    before: Object | None,
    after: Object,
    manager: str,
    operation: str,
    subresource: str,
    now: str,
) -> Object:
    """Return an object whose managedFields tell what a create or update set.

    Args:
        schemas: types of all kinds.
        kind: what is written.
        before: the stored object, None at creation.
        after: the new state with its defaults; the managedFields in it, if any, replace the stored ones.
        manager: the field manager.
        operation: `Update`.
        subresource: the part of the path after the name, or "".
        now: time of the request, RFC 3339.
    """
    node = schemas.root(kind)
    owners = _known(before, after)
    live = managers.bare(before) if before else defaults.empty(node, kind)
    new = managers.bare(after)
    owner = Owner(manager, operation, kind.api_version, subresource, now)
    return managers.write(new, _updated(node, kind, live, new, owners, owner))


def _known(before: Object | None, after: Object) -> Owners:
    told = after.get("metadata", {}).get("managedFields")
    if told == [{}]:
        return {}
    return managers.read(after) or managers.read(before)


def _applied(
    node: Node, kind: Kind, live: Object, config: Object, owners: Owners, applier: Owner, force: bool
) -> tuple[Object, Owners]:
    last = owners.get(applier.key)
    wanted = managers.owned_here(kind, frozenset(fieldsets.fields_of(node, config)), applier.subresource)
    applier.fields = wanted
    owners = {**owners, applier.key: applier}
    found = fieldsets.merge(node, live, copy.deepcopy(config))
    if last is not None:
        found = _without_dropped(node, found, owners, last.fields)
    changed = _others(node, kind, live, found, owners, applier, force)
    if found == live and last is not None:
        applier.time = last.time
    elif found == live:
        applier.time = ""
    return found, changed


def _without_dropped(node: Node, merged: Object, owners: Owners, last: Fields) -> Object:
    """Remove what the applier named last time and names no more, unless somebody owns it."""
    everything = fieldsets.with_parents(fieldsets.fields_of(node, merged))
    last = fieldsets.with_parents(last)
    owned = fieldsets.with_parents(frozenset().union(*(one.fields for one in owners.values())))
    left = _fields_without(node, merged, last)
    kept = _fields_without(node, merged, everything - left - owned)
    gone = (everything - kept) & last
    return fieldsets.without(node, merged, gone) if gone else merged


def _fields_without(node: Node, merged: Object, fields: Fields) -> Fields:
    return fieldsets.with_parents(fieldsets.fields_of(node, fieldsets.without(node, merged, fields)))


def _updated(node: Node, kind: Kind, live: Object, new: Object, owners: Owners, owner: Owner) -> Owners:
    """Give the updater what it added or changed, and take from all what was removed."""
    differs = fieldsets.compare(node, live, new)
    added = managers.owned_here(kind, differs.added | differs.modified, owner.subresource)
    previous = owners.get(owner.key)
    changed = _others(node, kind, live, new, owners, owner, True)
    had = previous.fields - differs.removed if previous else fieldsets.NONE
    owner.fields = had | added
    if previous and not added:
        owner.time = previous.time
    return {**changed, owner.key: owner} if owner.fields else {k: one for k, one in changed.items() if k != owner.key}


def _others(node: Node, kind: Kind, live: Object, new: Object, owners: Owners, owner: Owner, force: bool) -> Owners:
    """Return the owners after one of them wrote: what changed is no longer the others'."""
    differs = fieldsets.compare(node, live, new)
    taken = managers.owned_here(kind, differs.modified | differs.added, owner.subresource)
    removed = managers.owned_here(kind, differs.removed, owner.subresource)
    others = [one for key, one in owners.items() if key != owner.key]
    conflicts = [(one, one.fields & taken) for one in others if one.fields & taken]
    if conflicts and not force:
        raise Conflicts(conflicts)
    kept: Owners = {owner.key: owners[owner.key]} if owner.key in owners else {}
    for one in others:
        fields = one.fields - taken - removed
        if fields:
            kept[one.key] = Owner(one.manager, one.operation, one.version, one.subresource, one.time, fields)
    return kept


def _from_client_side(node: Node, live: Object) -> Fields:
    """Return the fields that kubectl's client-side apply set and nobody has changed since: kubectl may take them."""
    try:
        told = json.loads((live["metadata"].get("annotations") or {})[LAST_APPLIED])
        fields = frozenset(fieldsets.fields_of(node, told))
    except (KeyError, ValueError, TypeError, AttributeError):
        return fieldsets.NONE
    differs = fieldsets.compare(node, told, live)
    return fields - differs.modified - differs.added - differs.removed


def _with_last_applied(obj: Object, config: Object) -> Object:
    told = copy.deepcopy(config)
    (told["metadata"].get("annotations") or {}).pop(LAST_APPLIED, None)
    text = json.dumps(told, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    for char, written in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(char, written)
    annotations = {**obj["metadata"]["annotations"], LAST_APPLIED: text}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}
