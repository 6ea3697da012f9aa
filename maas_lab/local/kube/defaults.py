"""Fill in what an API server fills in, and write objects as Go writes them: no empty optional fields."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from maas_lab.local.kube import quantities
from maas_lab.local.kube.default_values import ALWAYS, NULLS, POINTERS, PROBE, SIMPLE, ZERO_IS_ABSENT
from maas_lab.local.kube.kinds import Kind

if TYPE_CHECKING:
    from maas_lab.local.kube.schema import Node


RBAC = "rbac.authorization.k8s.io"
MOST_FAILURES = 2**31 - 1  # of a Job that limits them for each index


def default(root: Node, kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its defaults; see `Schemas.default`."""
    if kind.custom:
        return _with_schema_defaults(root, obj)
    found = _filled(root, copy.deepcopy(obj))
    if kind.kind in _WHOLE:
        _WHOLE[kind.kind](found)
    return found


def empty(node: Node, kind: Kind) -> dict[str, Any]:
    """Return what Go holds before any field was set: the starting point of a new object's field ownership."""
    head = {"apiVersion": kind.api_version, "kind": kind.kind}
    return head if kind.custom else {**head, "metadata": {}, **_zero(node)}


def _zero(node: Node) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(NULLS.get(node.name, ()))
    for name, value in ALWAYS.get(node.name, {}).items():
        child = node.child(name)
        told[name] = _zero(child) if value == {} and child else value
    return told


def _with_schema_defaults(node: Node, value: Any) -> Any:
    """Fill in the defaults that a CRD's schema names."""
    if isinstance(value, list) and node.form == "list" and node.items:
        return [_with_schema_defaults(node.items, one) for one in value]
    if not isinstance(value, dict) or node.form not in ("struct", "map"):
        return value
    found = dict(value)
    for name, child in node.fields.items():
        if name not in found and "default" in child.raw:
            found[name] = copy.deepcopy(child.raw["default"])
    return {
        name: _with_schema_defaults(child, one) if (child := node.child(name)) else one for name, one in found.items()
    }


def _filled(node: Node, value: Any) -> Any:
    if node.form == "quantity":
        return quantities.canonical(value)
    if isinstance(value, list) and node.items:
        return [_filled(node.items, one) for one in value]
    if not isinstance(value, dict):
        return value
    if node.form == "map" and node.items:
        return {name: _filled(node.items, one) for name, one in value.items()}
    if node.form != "struct":
        return value
    _drop_empty(node, value)
    for name, one in {**SIMPLE.get(node.name, {}), **ALWAYS.get(node.name, {})}.items():
        if name in node.fields and value.get(name) is None:
            value[name] = copy.deepcopy(one)
    if rule := _RULES.get(node.name):
        rule(value)
    for name, one in value.items():
        if child := node.child(name):
            value[name] = _filled(child, one)
    _drop_empty(node, value)
    return value


def _drop_empty(node: Node, value: dict[str, Any]) -> None:
    """Leave out what Go leaves out: empty optional lists, maps and texts, and zeros that are no choice."""
    for name in [name for name, one in value.items() if _absent(node, name, one)]:
        del value[name]


def _absent(node: Node, name: str, value: Any) -> bool:
    child = node.child(name)
    if value is None:
        return True
    if value or child is None or name in node.required or name in ALWAYS.get(node.name, {}):
        return False
    if child.form in ("list", "map"):
        return True
    if child.form not in ("string", "integer", "boolean", "number"):
        return False
    return name not in POINTERS or f"{node.name}.{name}" in ZERO_IS_ABSENT


def _strategy(value: dict[str, Any]) -> None:
    if value["type"] == "RollingUpdate":
        rolling = value.get("rollingUpdate") or {}
        value["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%", **rolling}


def _stateful_strategy(value: dict[str, Any]) -> None:
    if value["type"] == "RollingUpdate":
        value["rollingUpdate"] = {"partition": 0, **(value.get("rollingUpdate") or {})}


def _stateful_set(value: dict[str, Any]) -> None:
    for claim in value.get("volumeClaimTemplates", ()):
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")


def _job(value: dict[str, Any]) -> None:
    """Let a Job that says neither how often nor how many at once run one pod to its end."""
    if value.get("completions") is None and value.get("parallelism") is None:
        value["completions"] = 1
    if value.get("parallelism") is None:
        value["parallelism"] = 1
    if value.get("backoffLimit") is None:
        value["backoffLimit"] = 6 if value.get("backoffLimitPerIndex") is None else MOST_FAILURES


def _container(value: dict[str, Any]) -> None:
    image = str(value.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    is_latest = "@" not in image and tag in ("", "latest")
    value.setdefault("imagePullPolicy", "Always" if is_latest else "IfNotPresent")


def _pod_spec(value: dict[str, Any]) -> None:
    account = value.get("serviceAccountName") or value.get("serviceAccount")
    if account:
        value["serviceAccountName"] = value["serviceAccount"] = account
    if value.get("hostNetwork"):
        for container in (*value.get("containers", ()), *value.get("initContainers", ())):
            for port in container.get("ports", ()):
                port.setdefault("hostPort", port.get("containerPort"))


def _volume(value: dict[str, Any]) -> None:
    if not set(value) - {"name"}:
        value["emptyDir"] = {}


def _probe(value: dict[str, Any]) -> None:
    for name, one in PROBE.items():
        value[name] = value.get(name) or one
    if "grpc" in value:
        value["grpc"].setdefault("service", "")


def _service(value: dict[str, Any]) -> None:
    for port in value.get("ports", ()):
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    if value["sessionAffinity"] == "ClientIP":
        config = value.setdefault("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    if value["type"] in ("NodePort", "LoadBalancer"):
        value.setdefault("externalTrafficPolicy", "Cluster")
    if value["type"] == "LoadBalancer":
        value.setdefault("allocateLoadBalancerNodePorts", True)
    if value["type"] != "ExternalName":
        value.setdefault("internalTrafficPolicy", "Cluster")


def _pod(value: dict[str, Any]) -> None:
    """Fill in what only pods get, not the templates they are made from."""
    spec = value["spec"]
    spec.setdefault("enableServiceLinks", True)
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        resources = container["resources"]
        if limits := resources.get("limits"):
            resources["requests"] = {**limits, **resources.get("requests", {})}


def _namespace(value: dict[str, Any]) -> None:
    if name := value.get("metadata", {}).get("name"):
        value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _endpoint_slice(value: dict[str, Any]) -> None:
    """Say that nobody is there; Go writes lists that are not left out when they are empty."""
    value.setdefault("endpoints", None)
    value.setdefault("ports", None)


def _secret(value: dict[str, Any]) -> None:
    """Encode what was given as text; it wins over what was given encoded."""
    told = value.pop("stringData", None) or {}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in told.items()}
    if encoded:
        value["data"] = {**value.get("data", {}), **encoded}


def _role(value: dict[str, Any]) -> None:
    """Say that a role gives nothing; Go writes this list even when it is empty."""
    value.setdefault("rules", None)


def _reference(value: dict[str, Any]) -> None:
    value["apiGroup"] = value.get("apiGroup") or RBAC


def _subject(value: dict[str, Any]) -> None:
    if value.get("kind") in ("User", "Group"):
        value["apiGroup"] = value.get("apiGroup") or RBAC


_RULES: dict[str, Callable[[dict[str, Any]], None]] = {
    "Container": _container,
    "DeploymentStrategy": _strategy,
    "JobSpec": _job,
    "PodSpec": _pod_spec,
    "Probe": _probe,
    "RoleRef": _reference,
    "ServiceSpec": _service,
    "StatefulSetSpec": _stateful_set,
    "StatefulSetUpdateStrategy": _stateful_strategy,
    "Subject": _subject,
    "Volume": _volume,
}
_WHOLE: dict[str, Callable[[dict[str, Any]], None]] = {
    "ClusterRole": _role,
    "EndpointSlice": _endpoint_slice,
    "Namespace": _namespace,
    "Pod": _pod,
    "Role": _role,
    "Secret": _secret,
}
