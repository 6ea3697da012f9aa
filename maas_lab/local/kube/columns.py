"""Say what `kubectl get` prints: the columns of each kind and how their cells come about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maas_lab.local.kube import cells, job_cells, quota_cells
from maas_lab.local.kube.kinds import Kind

Object = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        cell: what an object shows in it.
        priority: 0 always, 1 in `kubectl get -o wide`.
    """

    name: str
    cell: Callable[[Object], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the column as a table describes it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": self.priority,
        }


NAME = Column("Name", cells.at("metadata.name"), format="name")
AGE = Column("Age", lambda obj: cells.since(obj["metadata"].get("creationTimestamp")))
CUSTOM_AGE = Column("Age", AGE.cell, type="date")
TEMPLATE = (Column("Containers", cells.names, priority=1), Column("Images", cells.images, priority=1))
SELECTOR = Column("Selector", lambda obj: cells.pairs(cells.at("spec.selector.matchLabels", {})(obj)), priority=1)
CREATED = Column("Created At", cells.at("metadata.creationTimestamp", cells.UNKNOWN))
BINDING = (
    NAME,
    Column("Role", cells.role),
    AGE,
    Column("Users", cells.subjects("User"), priority=1),
    Column("Groups", cells.subjects("Group"), priority=1),
    Column("ServiceAccounts", cells.subjects("ServiceAccount"), priority=1),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "ConfigMap": (
        NAME,
        Column("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),
        AGE,
    ),
    "Secret": (NAME, Column("Type", cells.at("type")), Column("Data", lambda obj: len(obj.get("data") or {})), AGE),
    "ServiceAccount": (NAME, Column("Secrets", lambda obj: len(obj.get("secrets") or [])), AGE),
    "Namespace": (NAME, Column("Status", cells.at("status.phase")), AGE),
    "Service": (
        NAME,
        Column("Type", cells.at("spec.type")),
        Column("Cluster-IP", cells.at("spec.clusterIP", cells.NONE)),
        Column("External-IP", cells.external),
        Column("Port(s)", cells.ports),
        AGE,
        Column("Selector", lambda obj: cells.pairs(obj["spec"].get("selector")), priority=1),
    ),
    "EndpointSlice": (
        NAME,
        Column("AddressType", cells.at("addressType")),
        Column("Ports", cells.endpoint_ports),
        Column("Endpoints", cells.endpoint_addresses),
        AGE,
    ),
    "Deployment": (
        NAME,
        Column("Ready", cells.ready),
        Column("Up-to-date", cells.at("status.updatedReplicas", 0)),
        Column("Available", cells.at("status.availableReplicas", 0)),
        AGE,
        *TEMPLATE,
        SELECTOR,
    ),
    "StatefulSet": (NAME, Column("Ready", cells.ready), AGE, *TEMPLATE),
    "ReplicaSet": (
        NAME,
        Column("Desired", cells.at("spec.replicas", 0), "integer"),
        Column("Current", cells.at("status.replicas", 0), "integer"),
        Column("Ready", cells.at("status.readyReplicas", 0), "integer"),
        AGE,
        *TEMPLATE,
        SELECTOR,
    ),
    "Job": (
        NAME,
        Column("Status", job_cells.status),
        Column("Completions", job_cells.completions),
        Column("Duration", job_cells.duration),
        AGE,
        *TEMPLATE,
        SELECTOR,
    ),
    "Pod": (
        NAME,
        Column("Ready", cells.pod_ready),
        Column("Status", cells.pod_status),
        Column("Restarts", cells.restarts),
        AGE,
        Column("IP", cells.at("status.podIP", cells.NONE), priority=1),
        Column("Node", cells.at("spec.nodeName", cells.NONE), priority=1),
        Column("Nominated Node", cells.at("status.nominatedNodeName", cells.NONE), priority=1),
        Column("Readiness Gates", lambda obj: cells.NONE, priority=1),
    ),
    "PersistentVolumeClaim": (
        NAME,
        Column("Status", cells.phase),
        Column("Volume", cells.at("spec.volumeName")),
        Column("Capacity", cells.at("status.capacity.storage")),
        Column("Access Modes", cells.modes),
        Column("StorageClass", cells.at("spec.storageClassName")),
        Column("VolumeAttributesClass", cells.at("spec.volumeAttributesClassName", cells.UNSET)),
        AGE,
        Column("VolumeMode", cells.at("spec.volumeMode", cells.UNSET), priority=1),
    ),
    "ResourceQuota": (
        NAME,
        AGE,
        Column("Request", quota_cells.amounts(limits=False)),
        Column("Limit", quota_cells.amounts(limits=True)),
    ),
    "Event": (
        Column("Last Seen", cells.event_time("lastTimestamp", "firstTimestamp")),
        Column("Type", cells.at("type")),
        Column("Reason", cells.at("reason")),
        Column("Object", cells.event_object),
        Column("Subobject", cells.at("involvedObject.fieldPath"), priority=1),
        Column("Source", cells.event_source, priority=1),
        Column("Message", lambda obj: (obj.get("message") or "").strip()),
        Column("First Seen", cells.event_time("firstTimestamp"), priority=1),
        Column("Count", lambda obj: obj.get("count") or 1, priority=1),
        Column("Name", cells.at("metadata.name"), format="name", priority=1),
    ),
    "Role": (NAME, CREATED),
    "ClusterRole": (NAME, CREATED),
    "RoleBinding": BINDING,
    "ClusterRoleBinding": BINDING,
    "Node": (
        NAME,
        Column("Status", cells.node_status),
        Column("Roles", cells.roles),
        AGE,
        Column("Version", cells.at("status.nodeInfo.kubeletVersion")),
        Column("Internal-IP", cells.address("InternalIP"), priority=1),
        Column("External-IP", cells.address("ExternalIP"), priority=1),
        Column("OS-Image", cells.at("status.nodeInfo.osImage", cells.UNKNOWN), priority=1),
        Column("Kernel-Version", cells.at("status.nodeInfo.kernelVersion", cells.UNKNOWN), priority=1),
        Column("Container-Runtime", cells.at("status.nodeInfo.containerRuntimeVersion", cells.UNKNOWN), priority=1),
    ),
    "InferenceService": (
        NAME,
        Column("URL", cells.at("status.url", None)),
        Column("Ready", cells.condition("Ready")),
        Column("Prev", cells.traffic("tag", "prev", "percent"), "integer"),
        Column("Latest", cells.traffic("latestRevision", True, "percent"), "integer"),
        Column("PrevRolledoutRevision", cells.traffic("tag", "prev", "revisionName")),
        Column("LatestReadyRevision", cells.traffic("latestRevision", True, "revisionName")),
        CUSTOM_AGE,
    ),
    "ServingRuntime": (
        NAME,
        Column("Disabled", cells.at("spec.disabled", None), "boolean"),
        Column("ModelType", cells.first("spec.supportedModelFormats", "name")),
        Column("Containers", cells.first("spec.containers", "name")),
        CUSTOM_AGE,
    ),
    "Route": (
        NAME,
        Column("Host", cells.first("status.ingress", "host")),
        Column("Admitted", cells.admitted),
        Column("Service", cells.at("spec.to.name", None)),
        Column("TLS", cells.at("spec.tls.type", None)),
    ),
    "Application": (
        NAME,
        Column("Sync Status", cells.at("status.sync.status", None)),
        Column("Health Status", cells.at("status.health.status", None)),
        Column("Revision", cells.at("status.sync.revision", None), priority=10),
        Column("Project", cells.at("spec.project", None), priority=10),
    ),
    "PodMetrics": (
        NAME,
        Column("cpu", cells.used("cpu"), format="quantity"),
        Column("memory", cells.used("memory"), format="quantity"),
        Column("Window", cells.at("window"), format="duration"),
    ),
    "Project": (
        NAME,
        Column("Display Name", lambda obj: cells.annotations(obj).get("openshift.io/display-name", "")),
        Column("Status", cells.at("status.phase")),
    ),
}


def of_kind(kind: Kind) -> tuple[Column, ...]:
    """Return the columns of a kind; a kind without any of its own shows name and age."""
    return COLUMNS.get(kind.kind, (NAME, CUSTOM_AGE))
