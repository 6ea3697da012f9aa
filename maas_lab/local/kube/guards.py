"""Guard the writes of an object: what only the server sets, and what must still be as the caller thinks."""

from __future__ import annotations

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import conflict
from maas_lab.local.kube.store import Object

SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")


def check_preconditions(kind: Kind, old: Object, given: Object) -> None:
    """Refuse a write that was meant for another state or another object of this name."""
    current = old["metadata"]
    if given.get("resourceVersion") not in (None, "", current["resourceVersion"]):
        raise conflict(kind, current["name"])
    if given.get("uid") not in (None, "", current["uid"]):
        raise conflict(
            kind,
            current["name"],
            f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {current['uid']}",
        )


def with_system_fields(old: Object, new: Object) -> Object:
    """Return a new state with the metadata that only the server sets."""
    metadata = {name: value for name, value in new["metadata"].items() if name not in (*SYSTEM, "resourceVersion")}
    kept = {name: old["metadata"][name] for name in (*SYSTEM, "resourceVersion") if name in old["metadata"]}
    return {**new, "metadata": {**metadata, **kept}}


def same(old: Object, new: Object) -> bool:
    """Tell whether two states differ in nothing but the times in their managedFields."""
    return _without_times(old) == _without_times(new)


def _without_times(obj: Object) -> Object:
    managed = obj["metadata"].get("managedFields") or []
    timeless = [{name: value for name, value in one.items() if name != "time"} for one in managed]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": timeless}}
