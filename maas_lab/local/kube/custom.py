"""Describe the custom kinds: the types and required fields of those parts that the lab and its lessons use.

The published CRDs know more fields. What is not described here stays open only where an operator's own
configuration begins (`x-kubernetes-preserve-unknown-fields`).
"""

from __future__ import annotations

from maas_lab.local.kube import custom_argo, custom_quota
from maas_lab.local.kube.shapes import (
    CORE,
    INT32,
    INT64,
    INT_OR_TEXT,
    OPEN,
    TEXT,
    TEXTS,
    TIME,
    YES_NO,
    Schema,
    choice,
    core,
    many,
    struct,
)

_LABEL = r"([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])"
_HOST = rf"^{_LABEL}(\.{_LABEL})*$"
_CONDITION = struct("status type", lastTransitionTime=TIME, message=TEXT, reason=TEXT, status=TEXT, type=TEXT)
_TARGET = struct(
    "kind name",
    kind=choice("Service", "", default="Service"),
    name={**TEXT, "minLength": 1},
    weight={**INT32, "default": 100, "minimum": 0, "maximum": 256},
)
_TLS = struct(
    "termination",
    caCertificate=TEXT,
    certificate=TEXT,
    destinationCACertificate=TEXT,
    externalCertificate={**struct(name=TEXT), "x-kubernetes-map-type": "atomic"},
    insecureEdgeTerminationPolicy=choice("Allow", "None", "Redirect", ""),
    key=TEXT,
    termination=choice("edge", "reencrypt", "passthrough"),
)
_ROUTE = struct(
    "spec",
    spec=struct(
        "to",
        alternateBackends=many(_TARGET, "name", "kind"),
        host={**TEXT, "maxLength": 253, "pattern": _HOST},
        httpHeaders=OPEN,
        path={**TEXT, "pattern": "^/"},
        port=struct("targetPort", targetPort=INT_OR_TEXT),
        subdomain={**TEXT, "maxLength": 253, "pattern": _HOST},
        tls=_TLS,
        to=_TARGET,
        wildcardPolicy=choice("None", "Subdomain", "", default="None"),
    ),
    status=struct(
        ingress=many(
            struct(
                conditions=many(_CONDITION, "type"),
                host=TEXT,
                routerCanonicalHostname=TEXT,
                routerName=TEXT,
                wildcardPolicy=TEXT,
            )
        )
    ),
)

# KServe repeats the pod's fields with lists that have no keys; one manager owns each of them whole.
_POD: dict[str, Schema] = {
    "activeDeadlineSeconds": INT64,
    "affinity": core("Affinity"),
    "automountServiceAccountToken": YES_NO,
    "containers": many(core("Container")),
    "dnsConfig": OPEN,
    "dnsPolicy": TEXT,
    "enableServiceLinks": YES_NO,
    "hostAliases": many(core("HostAlias")),
    "hostIPC": YES_NO,
    "hostNetwork": YES_NO,
    "hostPID": YES_NO,
    "hostname": TEXT,
    "imagePullSecrets": many(core("LocalObjectReference")),
    "initContainers": many(core("Container")),
    "nodeName": TEXT,
    "nodeSelector": {**TEXTS, "x-kubernetes-map-type": "atomic"},
    "preemptionPolicy": TEXT,
    "priority": INT32,
    "priorityClassName": TEXT,
    "restartPolicy": TEXT,
    "runtimeClassName": TEXT,
    "schedulerName": TEXT,
    "securityContext": core("PodSecurityContext"),
    "serviceAccount": TEXT,
    "serviceAccountName": TEXT,
    "shareProcessNamespace": YES_NO,
    "subdomain": TEXT,
    "terminationGracePeriodSeconds": INT64,
    "tolerations": many(core("Toleration")),
    "topologySpreadConstraints": many(core("TopologySpreadConstraint"), "topologyKey", "whenUnsatisfiable"),
    "volumes": many(core("Volume")),
}
# A model is a container with more fields.
_MODEL: dict[str, Schema] = {
    "modelFormat": struct("name", name=TEXT, version=TEXT),
    "protocolVersion": TEXT,
    "runtime": TEXT,
    "runtimeVersion": TEXT,
    "storage": struct(key=TEXT, parameters=TEXTS, path=TEXT, schemaPath=TEXT),
    "storageUri": TEXT,
}
_MODEL_TYPE = "io.kserve.serving.v1beta1.ModelSpec"
_COMPONENT: dict[str, Schema] = {
    **_POD,
    "annotations": TEXTS,
    "autoScaling": OPEN,
    "batcher": OPEN,
    "canaryTrafficPercent": INT64,
    "containerConcurrency": INT64,
    "deploymentStrategy": {"$ref": "io.k8s.api.apps.v1.DeploymentStrategy"},
    "labels": TEXTS,
    "logger": OPEN,
    "maxReplicas": INT32,
    "minReplicas": INT32,
    "scaleMetric": choice("cpu", "memory", "concurrency", "rps"),
    "scaleMetricType": choice("Utilization", "Value", "AverageValue"),
    "scaleTarget": INT32,
    "timeout": INT64,
}
_ISVC_STATUS: Schema = {
    **struct(
        address=struct(CACerts=TEXT, audience=TEXT, name=TEXT, url=TEXT),
        annotations=TEXTS,
        clusterServingRuntimeName=TEXT,
        components={"type": "object", "additionalProperties": OPEN},
        conditions=many({**_CONDITION, "properties": {**_CONDITION["properties"], "severity": TEXT}}),
        deploymentMode=TEXT,
        modelStatus=OPEN,
        observedGeneration=INT64,
        servingRuntimeName=TEXT,
        url=TEXT,
    ),
    "x-kubernetes-preserve-unknown-fields": True,
}
_PREDICTOR = struct(
    **_COMPONENT, model={"$ref": _MODEL_TYPE}, name=TEXT, workerSpec=OPEN, storageUris=many(OPEN), huggingface=OPEN
)
_ISVC = struct(
    spec=struct("predictor", predictor=_PREDICTOR, transformer=struct(**_COMPONENT), explainer=struct(**_COMPONENT)),
    status=_ISVC_STATUS,
)
_FORMAT = struct("name", autoSelect=YES_NO, name=TEXT, priority=INT32, version=TEXT)
_RUNTIME = struct(
    spec=struct(
        "containers",
        **{name: _POD[name] for name in ("affinity", "containers", "hostIPC", "imagePullSecrets", "nodeSelector")},
        **{name: _POD[name] for name in ("schedulerName", "tolerations", "volumes")},
        annotations=TEXTS,
        builtInAdapter=OPEN,
        disabled=YES_NO,
        grpcDataEndpoint=TEXT,
        grpcEndpoint=TEXT,
        httpDataEndpoint=TEXT,
        labels=TEXTS,
        multiModel=YES_NO,
        protocolVersions=many(TEXT),
        replicas={"type": "integer"},
        storageHelper=struct(disabled=YES_NO),
        supportedModelFormats=many(_FORMAT),
        workerSpec=OPEN,
    ),
    status=OPEN,
)


def _kind(group: str, version: str, kind: str, schema: Schema) -> tuple[str, Schema]:
    head = {"apiVersion": TEXT, "kind": TEXT}
    head["metadata"] = {"$ref": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    named = {"group": group, "version": version, "kind": kind}
    whole = {**schema, "properties": {**head, **schema["properties"]}, "x-kubernetes-group-version-kind": [named]}
    return f"{'.'.join(reversed(group.split('.')))}.{version}.{kind}", whole


def definitions(others: dict[str, Schema]) -> dict[str, Schema]:
    """Return the custom kinds' definitions by name; `others` has the pod's types that KServe builds on."""
    container = others.get(f"{CORE}Container", struct())
    model = {**container, "properties": {**container.get("properties", {}), **_MODEL}, "required": []}
    kinds = (
        _kind("route.openshift.io", "v1", "Route", _ROUTE),
        _kind("serving.kserve.io", "v1beta1", "InferenceService", _ISVC),
        _kind("serving.kserve.io", "v1alpha1", "ServingRuntime", _RUNTIME),
        _kind("argoproj.io", "v1alpha1", "Application", custom_argo.APPLICATION),
        _kind("argoproj.io", "v1alpha1", "AppProject", custom_argo.PROJECT),
        _kind("quota.openshift.io", "v1", "ClusterResourceQuota", custom_quota.QUOTA),
    )
    return {_MODEL_TYPE: model, **dict(kinds)}
