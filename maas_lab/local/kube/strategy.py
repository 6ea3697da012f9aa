"""What is particular to single kinds when they are written: status, generation, addresses, phases."""

from __future__ import annotations

from typing import Any

from maas_lab.local.kube import addresses, jobs, quantities
from maas_lab.local.kube.addresses import SERVICE
from maas_lab.local.kube.kinds import STATUS, Kind
from maas_lab.local.kube.store import Object, Store

NO_GENERATION = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "Event",
    "Namespace",
    "Node",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
    "Service",
}
NAME_LABEL = "kubernetes.io/metadata.name"
PVC_PROTECTION = "kubernetes.io/pvc-protection"
TROUBLE = "node.kubernetes.io/"
COUNTED = ("cpu", "memory")


def has_generation(kind: Kind) -> bool:
    """Tell whether a kind counts the changes of its spec."""
    return kind.kind not in NO_GENERATION


def generation_changes(kind: Kind, old: Object, new: Object) -> bool:
    """Tell whether a write changes what was asked for, not only what is reported or noted."""
    if not has_generation(kind):
        return False
    aside = {"metadata", STATUS} if STATUS in kind.subresources else {"metadata"}
    asked = [{name: value for name, value in obj.items() if name not in aside} for obj in (old, new)]
    return asked[0] != asked[1]


def is_finished(obj: Object) -> bool:
    """Tell whether an object that is being deleted has nothing left to wait for."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if obj["kind"] == "Namespace":
        return not (obj.get("spec") or {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")


def begin(kind: Kind, obj: Object, store: Store) -> Object:
    """Return a new object with what the cluster gives it: a first status, an address, tolerations."""
    if STATUS in kind.subresources:
        obj = {name: value for name, value in obj.items() if name != STATUS}
    start = _BEGINS.get(kind.kind)
    return start(obj, store) if start and not kind.custom else obj


def prepare_update(kind: Kind, old: Object, new: Object, part: str) -> Object:
    """Return a new state in which only that part has changed which the path is for."""
    if part == STATUS:
        managed = {name: value for name, value in new["metadata"].items() if name == "managedFields"}
        kept = {**old, "metadata": {**old["metadata"], **managed}}
        return {**kept, STATUS: new[STATUS]} if STATUS in new else {n: v for n, v in kept.items() if n != STATUS}
    if STATUS in kind.subresources:
        new = {name: value for name, value in new.items() if name != STATUS}
        if STATUS in old:
            new[STATUS] = old[STATUS]
    if kind.kind == "Namespace":
        new["spec"] = old.get("spec", {})
        new["metadata"]["labels"] = {**(new["metadata"].get("labels") or {}), NAME_LABEL: old["metadata"]["name"]}
    if kind is SERVICE:
        new["spec"] = addresses.kept(old["spec"], new.get("spec") or {})
    return new


def scale(obj: Object) -> Object:
    """Return the Scale of a workload."""
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in names if name in obj["metadata"]},
        "spec": {"replicas": obj["spec"]["replicas"]} if obj["spec"].get("replicas") else {},
        STATUS: {
            "replicas": (obj.get(STATUS) or {}).get("replicas", 0),
            "selector": ",".join(f"{name}={value}" for name, value in sorted(selector.items())),
        },
    }


def _begin_namespace(obj: Object, store: Store) -> Object:
    labels = {**(obj["metadata"].get("labels") or {})}
    if name := obj["metadata"].get("name"):
        labels[NAME_LABEL] = name
    metadata = {**obj["metadata"], "labels": labels}
    return {**obj, "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, STATUS: {"phase": "Active"}}


def _begin_claim(obj: Object, store: Store) -> Object:
    finalizers = [*(obj["metadata"].get("finalizers") or [])]
    if PVC_PROTECTION not in finalizers:
        finalizers.append(PVC_PROTECTION)
    return {**obj, "metadata": {**obj["metadata"], "finalizers": finalizers}, STATUS: {"phase": "Pending"}}


def _begin_with(status: Object) -> Any:
    return lambda obj, store: {**obj, STATUS: status}


def _begin_service(obj: Object, store: Store) -> Object:
    """Give a Service its address inside the cluster, and node ports where its type asks for them."""
    spec = dict(obj.get("spec") or {})
    if spec.get("type", "ClusterIP") != "ExternalName":
        spec.update(addresses.cluster_ip(obj["metadata"].get("name", ""), spec, store))
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        spec["ports"] = addresses.with_node_ports(spec.get("ports") or [], store)
    return {**obj, "spec": spec, STATUS: {"loadBalancer": {}}}


def _begin_pod(obj: Object, store: Store) -> Object:
    """Give a pod its priority, the time it may stay on a node in trouble, and its class of service."""
    spec = {"priority": 0, "preemptionPolicy": "PreemptLowerPriority", **(obj.get("spec") or {})}
    tolerations = list(spec.get("tolerations") or [])
    tolerated = {one.get("key") for one in tolerations if one.get("effect") in (None, "", "NoExecute")}
    for trouble in (f"{TROUBLE}not-ready", f"{TROUBLE}unreachable"):
        if trouble not in tolerated and None not in tolerated:
            about = {"key": trouble, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            tolerations.append(about)
    spec["tolerations"] = tolerations
    return {**obj, "spec": spec, STATUS: {"phase": "Pending", "qosClass": _quality(spec)}}


_BEGINS = {
    "Job": lambda obj, store: jobs.begin(obj),
    "Namespace": _begin_namespace,
    "PersistentVolumeClaim": _begin_claim,
    "Pod": _begin_pod,
    "Service": _begin_service,
    "Deployment": _begin_with({}),
    "ReplicaSet": _begin_with({"replicas": 0}),
    "ResourceQuota": _begin_with({}),
    "StatefulSet": _begin_with({"replicas": 0, "availableReplicas": 0}),
    "Node": _begin_with({}),
}


def _quality(spec: Object) -> str:
    """Return a pod's quality of service: what its containers ask for of cpu and memory decides, nothing else."""
    containers = [*spec.get("containers", []), *(spec.get("initContainers") or [])]
    asked = [(_counted(one, "limits"), _counted(one, "requests")) for one in containers]
    if not any(limits or requests for limits, requests in asked):
        return "BestEffort"
    if all(len(limits) == len(COUNTED) and {**limits, **requests} == limits for limits, requests in asked):
        return "Guaranteed"
    return "Burstable"


def _counted(container: Object, what: str) -> dict[str, Any]:
    """Return the amounts of a container that count, as numbers; nothing asked for is no amount."""
    told = (container.get("resources") or {}).get(what) or {}
    amounts = {name: quantities.value(told[name]) for name in COUNTED if name in told}
    return {name: amount for name, amount in amounts.items() if amount}
