"""The numbers under which protobuf messages of Kubernetes carry their fields, for what kubectl creates imperatively.

A field is written `number name form`; a form is `text` where it says nothing, else `int`, `bool`, `bytes`, the name
of a message, `*form` for a list, `map form` for a map from text.
"""

from __future__ import annotations

Fields = dict[int, tuple[str, str]]


def _fields(told: str) -> Fields:
    found: Fields = {}
    for one in told.split(","):
        number, name, form = [*one.split(maxsplit=2), "text"][:3]
        found[int(number)] = name, form
    return found


_OBJECT = "1 metadata ObjectMeta"
_REFERENCE = "1 kind, 2 namespace, 3 name, 4 uid, 5 apiVersion, 6 resourceVersion, 7 fieldPath"
_POD_SPEC = """3 restartPolicy, 4 terminationGracePeriodSeconds int, 5 activeDeadlineSeconds int, 6 dnsPolicy,
    7 nodeSelector map text, 8 serviceAccountName, 9 serviceAccount, 10 nodeName, 11 hostNetwork bool, 12 hostPID bool,
    13 hostIPC bool, 14 securityContext Empty, 15 imagePullSecrets *Named, 16 hostname, 17 subdomain, 19 schedulerName,
    21 automountServiceAccountToken bool, 22 tolerations *Toleration, 24 priorityClassName, 25 priority int,
    27 shareProcessNamespace bool, 29 runtimeClassName, 30 enableServiceLinks bool"""
_CONTAINER = """1 name, 2 image, 3 command *text, 4 args *text, 5 workingDir, 6 ports *ContainerPort, 7 env *EnvVar,
    8 resources Resources, 9 volumeMounts *VolumeMount, 13 terminationMessagePath, 14 imagePullPolicy, 16 stdin bool,
    17 stdinOnce bool, 18 tty bool, 19 envFrom *EnvFrom, 20 terminationMessagePolicy"""
_JOB_SPEC = """1 parallelism int, 2 completions int, 3 activeDeadlineSeconds int, 4 selector LabelSelector,
    5 manualSelector bool, 6 template PodTemplate, 7 backoffLimit int, 8 ttlSecondsAfterFinished int, 9 completionMode,
    10 suspend bool, 12 backoffLimitPerIndex int, 13 maxFailedIndexes int, 14 podReplacementPolicy, 15 managedBy"""
_METADATA = """1 name, 2 generateName, 3 namespace, 4 selfLink, 5 uid, 6 resourceVersion, 7 generation int,
    8 creationTimestamp Time, 9 deletionTimestamp Time, 10 deletionGracePeriodSeconds int, 11 labels map text,
    12 annotations map text, 13 ownerReferences *OwnerReference, 14 finalizers *text"""
_SERVICE_SPEC = """1 ports *ServicePort, 2 selector map text, 3 clusterIP, 4 type, 5 externalIPs *text,
    7 sessionAffinity, 8 loadBalancerIP, 9 loadBalancerSourceRanges *text, 10 externalName, 11 externalTrafficPolicy,
    12 healthCheckNodePort int, 13 publishNotReadyAddresses bool, 17 ipFamilyPolicy, 18 clusterIPs *text,
    19 ipFamilies *text, 20 allocateLoadBalancerNodePorts bool, 21 loadBalancerClass, 22 internalTrafficPolicy"""
_ATTRIBUTES = "1 namespace, 2 verb, 3 group, 4 version, 5 resource, 6 subresource, 7 name"

FIELDS: dict[str, Fields] = {
    name: _fields(told)
    for name, told in {
        "Unknown": "1 typeMeta TypeMeta, 2 raw bytes, 3 contentEncoding, 4 contentType",
        "TypeMeta": "1 apiVersion, 2 kind",
        "ObjectMeta": _METADATA,
        "OwnerReference": "1 kind, 3 name, 4 uid, 5 apiVersion, 6 controller bool, 7 blockOwnerDeletion bool",
        "Time": "1 seconds int, 2 nanos int",
        "IntOrString": "1 type int, 2 intVal int, 3 strVal",
        "Quantity": "1 string",
        "Named": "1 name",
        # What creates never set, but always send empty.
        "Empty": "0 nothing",
        "Namespace": f"{_OBJECT}, 2 spec NamespaceSpec, 3 status Empty",
        "NamespaceSpec": "1 finalizers *text",
        "ConfigMap": f"{_OBJECT}, 2 data map text, 3 binaryData map bytes, 4 immutable bool",
        "ResourceQuota": f"{_OBJECT}, 2 spec QuotaSpec, 3 status Empty",
        "QuotaSpec": "1 hard map Quantity, 2 scopes *text",
        "Secret": f"{_OBJECT}, 2 data map bytes, 3 type, 4 stringData map text, 5 immutable bool",
        "ServiceAccount": f"""{_OBJECT}, 2 secrets *ObjectReference, 3 imagePullSecrets *Named,
            4 automountServiceAccountToken bool""",
        "ObjectReference": _REFERENCE,
        "Deployment": f"{_OBJECT}, 2 spec DeploymentSpec, 3 status Empty",
        "DeploymentSpec": """1 replicas int, 2 selector LabelSelector, 3 template PodTemplate, 4 strategy Strategy,
            5 minReadySeconds int, 6 revisionHistoryLimit int, 7 paused bool, 9 progressDeadlineSeconds int""",
        "Job": f"{_OBJECT}, 2 spec JobSpec, 3 status Empty",
        "JobSpec": _JOB_SPEC,
        "Strategy": "1 type, 2 rollingUpdate RollingUpdate",
        "RollingUpdate": "1 maxUnavailable IntOrString, 2 maxSurge IntOrString",
        "LabelSelector": "1 matchLabels map text, 2 matchExpressions *Requirement",
        "Requirement": "1 key, 2 operator, 3 values *text",
        "PodTemplate": f"{_OBJECT}, 2 spec PodSpec",
        "Pod": f"{_OBJECT}, 2 spec PodSpec, 3 status Empty",
        "PodSpec": f"1 volumes *Volume, 2 containers *Container, 20 initContainers *Container, {_POD_SPEC}",
        "Container": _CONTAINER,
        "ContainerPort": "1 name, 2 hostPort int, 3 containerPort int, 4 protocol, 5 hostIP",
        "EnvVar": "1 name, 2 value, 3 valueFrom EnvSource",
        "EnvSource": "1 fieldRef FieldRef, 3 configMapKeyRef KeySelector, 4 secretKeyRef KeySelector",
        "FieldRef": "1 apiVersion, 2 fieldPath",
        "KeySelector": "1 localObjectReference Named, 2 key, 3 optional bool",
        "EnvFrom": "1 prefix, 2 configMapRef Reference, 3 secretRef Reference",
        "Reference": "1 localObjectReference Named, 2 optional bool",
        "Resources": "1 limits map Quantity, 2 requests map Quantity",
        "Volume": "1 name, 2 volumeSource Empty",
        "VolumeMount": "1 name, 2 readOnly bool, 3 mountPath, 4 subPath",
        "Toleration": "1 key, 2 operator, 3 value, 4 effect, 5 tolerationSeconds int",
        "Service": f"{_OBJECT}, 2 spec ServiceSpec, 3 status ServiceStatus",
        "ServiceSpec": _SERVICE_SPEC,
        "ServicePort": "1 name, 2 protocol, 3 port int, 4 targetPort IntOrString, 5 nodePort int, 6 appProtocol",
        "ServiceStatus": "1 loadBalancer Empty",
        "TokenRequest": f"{_OBJECT}, 2 spec TokenSpec, 3 status TokenStatus",
        "TokenSpec": "1 audiences *text, 3 boundObjectRef Bound, 4 expirationSeconds int",
        "TokenStatus": "1 token, 2 expirationTimestamp Time",
        "Bound": "1 kind, 2 apiVersion, 3 name, 4 uid",
        "DeleteOptions": """1 gracePeriodSeconds int, 2 preconditions Preconditions, 3 orphanDependents bool,
            4 propagationPolicy, 5 dryRun *text""",
        "Preconditions": "1 uid, 2 resourceVersion",
        "Role": f"{_OBJECT}, 2 rules *PolicyRule",
        "ClusterRole": f"{_OBJECT}, 2 rules *PolicyRule, 3 aggregationRule Aggregation",
        "PolicyRule": """1 verbs *text, 2 apiGroups *text, 3 resources *text, 4 resourceNames *text,
            5 nonResourceURLs *text""",
        "Aggregation": "1 clusterRoleSelectors *LabelSelector",
        **dict.fromkeys(("RoleBinding", "ClusterRoleBinding"), f"{_OBJECT}, 2 subjects *Subject, 3 roleRef RoleRef"),
        "Subject": "1 kind, 2 apiGroup, 3 name, 4 namespace",
        "RoleRef": "1 apiGroup, 2 kind, 3 name",
        "SelfSubjectAccessReview": f"{_OBJECT}, 2 spec AccessSpec, 3 status Empty",
        "SelfSubjectReview": f"{_OBJECT}, 2 status WhoStatus",
        "WhoStatus": "1 userInfo Empty",
        "SelfSubjectRulesReview": f"{_OBJECT}, 2 spec RulesSpec, 3 status RulesStatus",
        "RulesSpec": "1 namespace",
        "RulesStatus": "3 incomplete bool",
        "AccessSpec": "1 resourceAttributes Attributes, 2 nonResourceAttributes Path",
        "Attributes": _ATTRIBUTES,
        "Path": "1 path, 2 verb",
    }.items()
}
