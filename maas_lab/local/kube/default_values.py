"""The values that an API server fills in, by Go type: what was read off a real one's schemas and answers."""

from __future__ import annotations

from typing import Any

KEY_DEFAULTS: dict[str, dict[str, Any]] = {
    "ContainerPort": {"protocol": "TCP"},
    "ServicePort": {"protocol": "TCP"},
}
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
# Fields that Go holds by value: always there, if only as {} or "".
ALWAYS: dict[str, dict[str, Any]] = {
    "Container": {"resources": {}},
    "ContainerStatus": {"state": {}, "lastState": {}},
    "Deployment": {"metadata": {}, "spec": {}, "status": {}},
    "DeploymentSpec": {"strategy": {}, "template": {}},
    "EndpointPort": {"name": ""},
    "Event": {"involvedObject": {}, "source": {}, "reportingComponent": "", "reportingInstance": ""},
    "Namespace": {"spec": {}, "status": {}},
    "Node": {"spec": {}, "status": {}},
    "NodeDaemonEndpoints": {"kubeletEndpoint": {}},
    "NodeStatus": {"daemonEndpoints": {}, "nodeInfo": {}},
    "PersistentVolumeClaim": {"spec": {}, "status": {}},
    "PersistentVolumeClaimSpec": {"resources": {}},
    "Pod": {"spec": {}, "status": {}},
    "PodTemplateSpec": {"metadata": {}, "spec": {}},
    "ReplicaSet": {"spec": {}, "status": {}},
    "ReplicaSetSpec": {"template": {}},
    "ReplicaSetStatus": {"replicas": 0},
    "Service": {"spec": {}, "status": {}},
    "ServiceStatus": {"loadBalancer": {}},
    "StatefulSet": {"spec": {}, "status": {}},
    "StatefulSetSpec": {"template": {}, "updateStrategy": {}, "serviceName": ""},
    "StatefulSetStatus": {"replicas": 0, "availableReplicas": 0},
    "TokenReview": {"spec": {}, "status": {}},
    "LocalSubjectAccessReview": {"spec": {}, "status": {}},
    "SelfSubjectAccessReview": {"spec": {}, "status": {}},
    "SelfSubjectRulesReview": {"spec": {}, "status": {}},
    "SubjectAccessReview": {"spec": {}, "status": {}},
}
# Lists that Go writes as null when they are empty, so that a new object already has them.
NULLS: dict[str, tuple[str, ...]] = {
    "ClusterRole": ("rules",),
    "DeploymentSpec": ("selector",),
    "PodSpec": ("containers",),
    "ReplicaSetSpec": ("selector",),
    "Role": ("rules",),
    "StatefulSetSpec": ("selector",),
}
# Values that never depend on others.
SIMPLE: dict[str, dict[str, Any]] = {
    **KEY_DEFAULTS,
    "ConfigMapVolumeSource": {"defaultMode": 420},
    "Container": {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    "DeploymentSpec": {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    "DeploymentStrategy": {"type": "RollingUpdate"},
    "DownwardAPIVolumeSource": {"defaultMode": 420},
    "EndpointPort": {"protocol": "TCP"},
    "HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    "HostPathVolumeSource": {"type": ""},
    "NamespaceStatus": {"phase": "Active"},
    "ObjectFieldSelector": {"apiVersion": "v1"},
    "PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    "PersistentVolumeClaimStatus": {"phase": "Pending"},
    "PodStatus": {"phase": "Pending"},
    "PodSpec": {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    },
    "Probe": PROBE,
    "ProjectedVolumeSource": {"defaultMode": 420},
    "ReplicaSetSpec": {"replicas": 1},
    "Secret": {"type": "Opaque"},
    "SecretVolumeSource": {"defaultMode": 420},
    "ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    "ServiceSpec": {"type": "ClusterIP", "sessionAffinity": "None"},
    "StatefulSetPersistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    "StatefulSetSpec": {
        "replicas": 1,
        "podManagementPolicy": "OrderedReady",
        "revisionHistoryLimit": 10,
        "persistentVolumeClaimRetentionPolicy": {},
    },
    "StatefulSetUpdateStrategy": {"type": "RollingUpdate"},
}
# Optional numbers, booleans and texts that Go holds by reference: zero and "" are values, not absence.
POINTERS = frozenset(
    {
        "activeDeadlineSeconds",
        "allocateLoadBalancerNodePorts",
        "allowPrivilegeEscalation",
        "automountServiceAccountToken",
        "availableReplicas",
        "backoffLimit",
        "blockOwnerDeletion",
        "collisionCount",
        "controller",
        "defaultMode",
        "deletionGracePeriodSeconds",
        "enableServiceLinks",
        "expirationSeconds",
        "fsGroup",
        "immutable",
        "maxReplicas",
        "mode",
        "optional",
        "partition",
        "priority",
        "privileged",
        "progressDeadlineSeconds",
        "readOnlyRootFilesystem",
        "ready",
        "replicas",
        "restartCount",
        "revisionHistoryLimit",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "serving",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "start",
        "started",
        "storageClassName",
        "terminating",
        "terminationGracePeriodSeconds",
        "timeoutSeconds",
        "tolerationSeconds",
        "type",
        "weight",
    }
)
ZERO_IS_ABSENT = {"DeploymentStatus.replicas", "DeploymentStatus.availableReplicas", "Probe.timeoutSeconds"}
ZERO_IS_ABSENT |= {"ReplicaSetStatus.availableReplicas"}
