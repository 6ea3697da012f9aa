"""The values that fields with a fixed choice take, for `kubectl explain`: read off a real API server's schemas."""

from __future__ import annotations

_PROTOCOL = "SCTP TCP UDP"
_PULL = "Always IfNotPresent Never"
_EFFECT = "NoExecute NoSchedule PreferNoSchedule"
_ACCESS = "ReadOnlyMany ReadWriteMany ReadWriteOnce ReadWriteOncePod"
_MESSAGE = "FallbackToLogsOnError File"
_TRAFFIC = "Cluster Local"
_HONOR = "Honor Ignore"

# By Go type and field.
ENUMS: dict[str, dict[str, str]] = {
    "Container": {"imagePullPolicy": _PULL, "terminationMessagePolicy": _MESSAGE},
    "ContainerPort": {"protocol": _PROTOCOL},
    "DeploymentStrategy": {"type": "Recreate RollingUpdate"},
    "HTTPGetAction": {"scheme": "HTTP HTTPS"},
    "JobSpec": {"completionMode": "Indexed NonIndexed", "podReplacementPolicy": "Failed TerminatingOrFailed"},
    "NamespaceStatus": {"phase": "Active Terminating"},
    "NodeSelectorRequirement": {"operator": "DoesNotExist Exists Gt In Lt NotIn"},  # codespell:ignore
    "PersistentVolumeClaimSpec": {"accessModes": _ACCESS, "volumeMode": "Block Filesystem"},
    "PersistentVolumeClaimStatus": {"accessModes": _ACCESS, "phase": "Bound Lost Pending"},
    "PodSecurityContext": {"fsGroupChangePolicy": "Always OnRootMismatch"},
    "PodSpec": {
        "dnsPolicy": "ClusterFirst ClusterFirstWithHostNet Default None",
        "preemptionPolicy": "Never PreemptLowerPriority",
        "restartPolicy": "Always Never OnFailure",
    },
    "PodStatus": {
        "phase": "Failed Pending Running Succeeded Unknown",
        "qosClass": "BestEffort Burstable Guaranteed",
    },
    "SeccompProfile": {"type": "Localhost RuntimeDefault Unconfined"},
    "SecurityContext": {"procMount": "Default Unmasked"},
    "ServicePort": {"protocol": _PROTOCOL},
    "ServiceSpec": {
        "externalTrafficPolicy": _TRAFFIC,
        "internalTrafficPolicy": _TRAFFIC,
        "ipFamilyPolicy": "PreferDualStack RequireDualStack SingleStack",
        "sessionAffinity": "ClientIP None",
        "type": "ClusterIP ExternalName LoadBalancer NodePort",
    },
    "StatefulSetSpec": {"podManagementPolicy": "OrderedReady Parallel"},
    "StatefulSetUpdateStrategy": {"type": "OnDelete RollingUpdate"},
    "Taint": {"effect": _EFFECT},
    "Toleration": {"effect": _EFFECT, "operator": "Equal Exists"},
    "TopologySpreadConstraint": {
        "nodeAffinityPolicy": _HONOR,
        "nodeTaintsPolicy": _HONOR,
        "whenUnsatisfiable": "DoNotSchedule ScheduleAnyway",
    },
    "VolumeMount": {"mountPropagation": "Bidirectional HostToContainer None"},
}
