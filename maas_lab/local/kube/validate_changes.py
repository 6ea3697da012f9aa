"""Check what may change when a stored object is updated, in the words of the API server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from maas_lab.local.kube import jobs, syntax, validate_rbac
from maas_lab.local.kube.status import Cause

Object = dict[str, Any]
_STATEFUL_MAY_CHANGE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def _workload_changes(new: Object, old: Object) -> Iterator[Cause]:
    selector = (new.get("spec") or {}).get("selector")
    if selector != (old.get("spec") or {}).get("selector"):
        yield syntax.invalid("spec.selector", selector, "field is immutable")


def _stateful_changes(new: Object, old: Object) -> Iterator[Cause]:
    asked = [{k: v for k, v in one["spec"].items() if k not in _STATEFUL_MAY_CHANGE} for one in (new, old)]
    if asked[0] != asked[1]:
        named = ", ".join(f"'{name}'" for name in _STATEFUL_MAY_CHANGE[:-1])
        why = f"updates to statefulset spec for fields other than {named} and 'minReadySeconds' are forbidden"
        yield syntax.forbidden("spec", why)


def _service_changes(new: Object, old: Object) -> Iterator[Cause]:
    had, has = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if had and has != had and "ExternalName" not in (old["spec"].get("type"), new["spec"].get("type")):
        yield syntax.invalid("spec.clusterIPs[0]", [has] if has else None, "may not change once set")


def _secret_changes(new: Object, old: Object) -> Iterator[Cause]:
    if new.get("type") != old.get("type"):
        yield syntax.invalid("type", new.get("type", ""), "field is immutable")
    yield from _frozen(new, old)


def _frozen(new: Object, old: Object) -> Iterator[Cause]:
    """Check what may not change once `immutable` is set."""
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield syntax.forbidden("immutable", "field is immutable when `immutable` is set")
    for name in ("data", "binaryData"):
        if new.get(name) != old.get(name):
            yield syntax.forbidden(name, "field is immutable when `immutable` is set")


def _claim_changes(new: Object, old: Object) -> Iterator[Cause]:
    free = ("resources", "volumeAttributesClassName", "volumeName")
    asked = [{k: v for k, v in one["spec"].items() if k not in free} for one in (new, old)]
    if asked[0] != asked[1]:
        why = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield syntax.forbidden("spec", why)


def _pod_changes(new: Object, old: Object) -> Iterator[Cause]:
    if _frozen_spec(new["spec"]) != _frozen_spec(old["spec"]):
        why = (
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        )
        yield syntax.forbidden("spec", why)


def _frozen_spec(spec: Object) -> Object:
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName")
    found = {name: value for name, value in spec.items() if name not in free}
    for where in ("containers", "initContainers"):
        if where in found:
            found[where] = [{k: v for k, v in one.items() if k != "image"} for one in found[where]]
    return found


CHANGES: dict[str, Callable[[Object, Object], Iterable[Cause]]] = {
    "ClusterRoleBinding": validate_rbac.binding_changes,
    "ConfigMap": _frozen,
    "Deployment": _workload_changes,
    "Job": jobs.changes,
    "PersistentVolumeClaim": _claim_changes,
    "Pod": _pod_changes,
    "ReplicaSet": _workload_changes,
    "RoleBinding": validate_rbac.binding_changes,
    "Secret": _secret_changes,
    "Service": _service_changes,
    "StatefulSet": _stateful_changes,
}
