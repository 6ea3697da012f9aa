"""Delete objects: what goes at once, what waits for finalizers or a grace period, and what is only marked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from maas_lab.local.kube import queries
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.selectors import Test
from maas_lab.local.kube.status import Cause, bad_request, invalid_named, precondition, success
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import stamp

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
POLICIES = {"Orphan": ORPHAN, "Foreground": FOREGROUND, "Background": None}
DEFAULTS = {"Job": "Orphan"}  # what batch/v1 has kept from its first clients; kubectl always says what it means
RETURNED = {"Pod", "Service", "ServiceAccount", "PersistentVolumeClaim"}  # answered with the object, not a Status


@dataclass(frozen=True)
class DeleteOptions:
    """How a deletion is meant.

    Attributes:
        policy: `Orphan`, `Foreground`, `Background`, or None for the default.
        grace_s: seconds that a pod may take to end, None for its own.
        uid: that the object must have.
        version: resourceVersion that the object must have.
    """

    policy: str | None = None
    grace_s: int | None = None
    uid: str = ""
    version: str = ""
    dry_run: bool = False


def warnings(kind: Kind, how: DeleteOptions) -> tuple[str, ...]:
    """Return what whoever deletes should hear: that a Job leaves its pods where nothing is said of them."""
    if how.policy or DEFAULTS.get(kind.kind) != "Orphan":
        return ()
    told = f"child pods are preserved by default when {kind.plural} are deleted; set propagationPolicy=Background"
    return (f"{told} to remove them or set propagationPolicy=Orphan to suppress this warning",)


def options(body: Any, query: dict[str, str]) -> DeleteOptions:
    """Read the options of a deletion from its body and query; the body comes first.

    Raises:
        ApiError: they are not valid.
    """
    given = body or {}
    if not isinstance(given, dict):
        raise bad_request("the body of a DELETE must be a DeleteOptions object")
    policy = given.get("propagationPolicy", query.get("propagationPolicy"))
    if given.get("orphanDependents") is True or queries.boolean(query, "orphanDependents"):
        policy = policy or "Orphan"
    if policy is not None and policy not in POLICIES:
        told = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        cause = Cause("propagationPolicy", "FieldValueNotSupported", told)
        raise invalid_named(queries.META, "DeleteOptions", "", [cause])
    grace = given.get("gracePeriodSeconds", queries.integer(query, "gracePeriodSeconds"))
    wanted = given.get("preconditions") or {}
    if not isinstance(wanted, dict) or isinstance(grace, bool) or not isinstance(grace, int | None):
        raise bad_request("DeleteOptions: gracePeriodSeconds is a number, preconditions an object")
    dry = given.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    if dry not in ([], ["All"]):
        told = f'Unsupported value: {dry}: supported values: "All"'.replace("'", '"')
        raise invalid_named(queries.META, "DeleteOptions", "", [Cause("dryRun", "FieldValueNotSupported", told)])
    texts = [str(wanted.get(name) or "") for name in ("uid", "resourceVersion")]
    return DeleteOptions(policy, grace, *texts, bool(dry))


def delete(objects: Objects, target: Target, how: DeleteOptions) -> Object:
    """Delete an object and return the answer: what is left of it, or a Status.

    Raises:
        ApiError: it is not there, or not what the preconditions say.
    """
    obj = objects.read(target)
    _check(target.kind, obj, how)
    marked = _marked(target.kind, obj, how)
    if marked is None:
        last = obj if how.dry_run else objects.store.remove(target.kind, _ended(target.kind, obj))
        returned = _ended(target.kind, obj) if target.kind.kind in RETURNED else None
        return returned or success(target.kind, target.name, last["metadata"]["uid"])
    if marked == obj or how.dry_run:
        return marked
    return objects.store.put(target.kind, marked)


def delete_collection(objects: Objects, target: Target, test: Test, how: DeleteOptions) -> list[Object]:
    """Delete all objects that fit and return them as they were."""
    found = [obj for _, obj, _ in objects.store.list(target.kind, target.namespace) if test(obj)]
    for obj in found:
        one = Target(target.kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        delete(objects, one, how)
    return found


def _check(kind: Kind, obj: Object, how: DeleteOptions) -> None:
    metadata = obj["metadata"]
    told = "The object might have been deleted and then recreated"
    if how.uid and how.uid != metadata["uid"]:
        why = f"the UID in the precondition ({how.uid}) does not match the UID in record ({metadata['uid']})"
        raise precondition(kind, metadata["name"], f"{why}. {told}")
    if how.version and how.version != metadata["resourceVersion"]:
        why = f"the ResourceVersion in the precondition ({how.version}) does not match the ResourceVersion in record"
        raise precondition(
            kind, metadata["name"], f"{why} ({metadata['resourceVersion']}). The object might have been modified"
        )


def _marked(kind: Kind, obj: Object, how: DeleteOptions) -> Object | None:
    """Return an object marked as being deleted, or None where nothing keeps it."""
    finalizers = _finalizers(obj["metadata"].get("finalizers") or [], how.policy or DEFAULTS.get(kind.kind))
    if kind.kind == "Namespace":
        return _terminating(obj, finalizers)
    grace = _grace(kind, obj, how)
    if not grace and not finalizers:
        return None
    metadata = dict(obj["metadata"])
    shorter = grace < metadata.get("deletionGracePeriodSeconds", grace + 1)
    if shorter:
        metadata["deletionTimestamp"] = _in(grace)
        metadata["deletionGracePeriodSeconds"] = grace
    if "deletionTimestamp" not in obj["metadata"] and "generation" in metadata:
        metadata["generation"] += 1
    metadata["finalizers"] = finalizers
    if not finalizers:
        del metadata["finalizers"]
    return {**obj, "metadata": metadata}


def _terminating(obj: Object, finalizers: list[str]) -> Object:
    metadata = {"deletionTimestamp": _in(0), **obj["metadata"]}
    if finalizers:
        metadata["finalizers"] = finalizers
    return {**obj, "metadata": metadata, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}


def _finalizers(had: list[str], policy: str | None) -> list[str]:
    """Return the finalizers with the one that a policy stands for."""
    if policy is None:
        return had
    others = [one for one in had if one not in (ORPHAN, FOREGROUND)]
    return others + [one for one in [POLICIES[policy]] if one]


def _grace(kind: Kind, obj: Object, how: DeleteOptions) -> int:
    """Return the seconds that a pod may take to end; one that runs nowhere ends at once."""
    if kind.kind != "Pod":
        return 0
    spec = obj["spec"]
    if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    own = spec.get("terminationGracePeriodSeconds", 30)
    return max(0, own if how.grace_s is None else how.grace_s)


def _ended(kind: Kind, obj: Object) -> Object:
    """Return an object as its deletion shows it; a pod shows when it was to end."""
    if kind.kind != "Pod" or "deletionTimestamp" in obj["metadata"]:
        return obj
    metadata = {**obj["metadata"], "deletionTimestamp": _in(0), "deletionGracePeriodSeconds": 0}
    metadata["generation"] = metadata.get("generation", 0) + 1
    return {**obj, "metadata": metadata}


def _in(seconds: int) -> str:
    return stamp(datetime.now(UTC) + timedelta(seconds=seconds))
