"""Tell everything that is wrong with a decoded object, in the words and the order of the API server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from maas_lab.local.kube import (
    jobs,
    quantities,
    syntax,
    validate_custom,
    validate_metadata,
    validate_pods,
    validate_quotas,
    validate_rbac,
)
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.schema import Schemas
from maas_lab.local.kube.status import Cause
from maas_lab.local.kube.validate_changes import CHANGES

Object = dict[str, Any]
MOST_DATA = 1024 * 1024  # bytes in a ConfigMap or Secret
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_ACCESS = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_SECRET_KEYS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def problems(kind: Kind, obj: Object, old: Object | None = None, schemas: Schemas | None = None) -> list[Cause]:
    """Return everything that is wrong with an object, in order; nothing if it may be stored.

    Args:
        kind: what it is.
        obj: decoded, with its defaults.
        old: what is stored under its name, for an update.
        schemas: types of all kinds; without them, the fields of custom kinds are not checked.
    """
    found = [*validate_metadata.problems(kind, obj, old)]
    if kind.custom:
        return found + validate_custom.problems(kind, obj, schemas)
    if check := _CHECKS.get(kind.kind):
        found += check(obj)
    if old is not None and (check_change := CHANGES.get(kind.kind)):
        found += check_change(obj, old)
    return found


def _selector(spec: Object, what: str) -> Iterator[Cause]:
    selector = spec.get("selector")
    if selector is None:
        yield syntax.required("spec.selector")
        return
    yield from syntax.labels(selector.get("matchLabels"), "spec.selector.matchLabels")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield syntax.invalid("spec.selector", selector, f"empty selector is invalid for {what}")


def _deployment(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from syntax.at_least_zero("spec.replicas", spec.get("replicas"))
    yield from _selector(spec, "deployment")
    yield from validate_pods.template(spec, "spec.template")
    strategy = spec.get("strategy") or {}
    if strategy.get("type") not in ("Recreate", "RollingUpdate"):
        yield syntax.unsupported("spec.strategy", strategy, ("Recreate", "RollingUpdate"))
    elif strategy["type"] == "Recreate" and strategy.get("rollingUpdate") is not None:
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield syntax.forbidden("spec.strategy.rollingUpdate", why)
    for name in ("minReadySeconds", "revisionHistoryLimit"):
        yield from syntax.at_least_zero(f"spec.{name}", spec.get(name))
    if (deadline := spec.get("progressDeadlineSeconds")) is not None and deadline <= spec.get("minReadySeconds", 0):
        yield syntax.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _replica_set(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from syntax.at_least_zero("spec.replicas", spec.get("replicas"))
    yield from _selector(spec, "deployment")
    yield from validate_pods.template(spec, "spec.template")


def _stateful_set(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from syntax.one_of("spec.podManagementPolicy", spec.get("podManagementPolicy"), ("OrderedReady", "Parallel"))
    yield from syntax.at_least_zero("spec.replicas", spec.get("replicas"))
    yield from _selector(spec, "statefulset")
    claims = [{"name": (one.get("metadata") or {}).get("name")} for one in spec.get("volumeClaimTemplates") or ()]
    made = spec.get("template") or {}
    pod = made.get("spec") or {}
    with_claims = {**made, "spec": {**pod, "volumes": [*(pod.get("volumes") or ()), *claims]}}
    yield from validate_pods.template({**spec, "template": with_claims}, "spec.template")


def _pod(obj: Object) -> list[Cause]:
    return validate_pods.spec(obj.get("spec") or {}, "spec")


def _service(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    ports = spec.get("ports") or []
    is_headless, is_external = spec.get("clusterIP") == "None", spec.get("type") == "ExternalName"
    if not ports and not is_headless and not is_external:
        yield syntax.required("spec.ports")
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _service_port(port, f"spec.ports[{index}]", names, is_named=len(ports) > 1)
    yield from syntax.labels(spec.get("selector"), "spec.selector")
    yield from syntax.one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    yield from syntax.one_of("spec.type", spec.get("type"), _SERVICE_TYPES)
    if is_external and not spec.get("externalName"):
        yield syntax.required("spec.externalName")
    seen: list[tuple[Any, Any]] = []
    for index, port in enumerate(ports):
        told = (port.get("protocol"), port.get("port"))
        if told in seen:
            yield syntax.duplicate(f"spec.ports[{index}]", {"port": told[1], "protocol": told[0]})
        seen.append(told)


def _service_port(port: Object, field: str, names: set[str], *, is_named: bool) -> Iterator[Cause]:
    name = port.get("name", "")
    if name:
        yield from syntax.all_invalid(f"{field}.name", name, syntax.label(name))
        if name in names:
            yield syntax.duplicate(f"{field}.name", name)
        names.add(name)
    elif is_named:
        yield syntax.required(f"{field}.name")
    number = port.get("port", 0)
    yield from syntax.all_invalid(f"{field}.port", number, syntax.port_number(number))
    yield from syntax.one_of(f"{field}.protocol", port.get("protocol"), validate_pods.PROTOCOLS)
    yield from validate_pods.port_reference(port.get("targetPort", number), f"{field}.targetPort")


def _claim(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    modes = spec.get("accessModes") or ()
    if not modes:
        yield syntax.required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        yield from syntax.one_of("spec.accessModes", mode, _ACCESS)
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        yield syntax.required("spec.resources[storage]")
    elif quantities.value(size) <= 0:
        yield syntax.invalid("spec.resources[storage]", size, "must be greater than zero")
    yield from syntax.one_of("spec.volumeMode", spec.get("volumeMode"), ("Block", "Filesystem"))


def _keys(obj: Object, field: str, seen: set[str]) -> Iterator[Cause]:
    for name in sorted(obj.get(field) or {}):
        yield from syntax.all_invalid(f"{field}[{name}]", name, syntax.config_key(name))
        if name in seen:
            yield syntax.invalid(f"{field}[{name}]", name, "duplicate of key present in data")
        seen.add(name)


def _config_map(obj: Object) -> Iterator[Cause]:
    seen: set[str] = set()
    yield from _keys(obj, "data", seen)
    yield from _keys(obj, "binaryData", seen)
    size = sum(len(text.encode()) for text in (obj.get("data") or {}).values())
    size += sum(_decoded_size(text) for text in (obj.get("binaryData") or {}).values())
    if size > MOST_DATA:
        yield syntax.too_long("[]", MOST_DATA)


def _secret(obj: Object) -> Iterator[Cause]:
    yield from _keys(obj, "data", set())
    data = obj.get("data") or {}
    if sum(_decoded_size(text) for text in data.values()) > MOST_DATA:
        yield syntax.too_long("data", MOST_DATA)
    for name in _SECRET_KEYS.get(obj.get("type", ""), ()):
        if name not in data:
            yield syntax.required(f"data[{name}]")


def _decoded_size(text: str) -> int:
    return len(text) * 3 // 4 - text.count("=", -2)


_Check = Callable[[Object], Iterable[Cause]]
_CHECKS: dict[str, _Check] = {
    "ClusterRole": validate_rbac.cluster_role,
    "ClusterRoleBinding": validate_rbac.cluster_role_binding,
    "ConfigMap": _config_map,
    "Deployment": _deployment,
    "Job": jobs.problems,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "ResourceQuota": validate_quotas.resource_quota,
    "Role": validate_rbac.role,
    "RoleBinding": validate_rbac.role_binding,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _stateful_set,
}
