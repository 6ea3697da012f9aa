"""Describe the custom kinds: the types and required fields of those parts that the lab and its lessons use.

The published CRDs know more fields. What is not described here stays open only where an operator's own
configuration begins (`x-kubernetes-preserve-unknown-fields`).
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
_CORE = "io.k8s.api.core.v1."
TEXT: Schema = {"type": "string"}
YES_NO: Schema = {"type": "boolean"}
INT32: Schema = {"type": "integer", "format": "int32"}
INT64: Schema = {"type": "integer", "format": "int64"}
TIME: Schema = {"type": "string", "format": "date-time"}
INT_OR_TEXT: Schema = {"x-kubernetes-int-or-string": True}
OPEN: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}


def _core(name: str) -> Schema:
    return {"$ref": _CORE + name}


def _object(required: str = "", **properties: Schema) -> Schema:
    told: Schema = {"type": "object", "properties": properties}
    return {**told, "required": required.split()} if required else told


def _list(items: Schema, *keys: str) -> Schema:
    told: Schema = {"type": "array", "items": items}
    return {**told, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else told


def _choice(*values: str, **more: Any) -> Schema:
    return {"type": "string", "enum": list(values), **more}


_LABEL = r"([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])"
_HOST = rf"^{_LABEL}(\.{_LABEL})*$"
_CONDITION = _object("status type", lastTransitionTime=TIME, message=TEXT, reason=TEXT, status=TEXT, type=TEXT)
_TARGET = _object(
    "kind name",
    kind=_choice("Service", "", default="Service"),
    name={**TEXT, "minLength": 1},
    weight={**INT32, "default": 100, "minimum": 0, "maximum": 256},
)
_TLS = _object(
    "termination",
    caCertificate=TEXT,
    certificate=TEXT,
    destinationCACertificate=TEXT,
    externalCertificate={**_object(name=TEXT), "x-kubernetes-map-type": "atomic"},
    insecureEdgeTerminationPolicy=_choice("Allow", "None", "Redirect", ""),
    key=TEXT,
    termination=_choice("edge", "reencrypt", "passthrough"),
)
_ROUTE = _object(
    "spec",
    spec=_object(
        "to",
        alternateBackends=_list(_TARGET, "name", "kind"),
        host={**TEXT, "maxLength": 253, "pattern": _HOST},
        httpHeaders=OPEN,
        path={**TEXT, "pattern": "^/"},
        port=_object("targetPort", targetPort=INT_OR_TEXT),
        subdomain={**TEXT, "maxLength": 253, "pattern": _HOST},
        tls=_TLS,
        to=_TARGET,
        wildcardPolicy=_choice("None", "Subdomain", "", default="None"),
    ),
    status=_object(
        ingress=_list(
            _object(
                conditions=_list(_CONDITION, "type"),
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
    "affinity": _core("Affinity"),
    "automountServiceAccountToken": YES_NO,
    "containers": _list(_core("Container")),
    "dnsConfig": OPEN,
    "dnsPolicy": TEXT,
    "enableServiceLinks": YES_NO,
    "hostAliases": _list(_core("HostAlias")),
    "hostIPC": YES_NO,
    "hostNetwork": YES_NO,
    "hostPID": YES_NO,
    "hostname": TEXT,
    "imagePullSecrets": _list(_core("LocalObjectReference")),
    "initContainers": _list(_core("Container")),
    "nodeName": TEXT,
    "nodeSelector": {**TEXTS, "x-kubernetes-map-type": "atomic"},
    "preemptionPolicy": TEXT,
    "priority": INT32,
    "priorityClassName": TEXT,
    "restartPolicy": TEXT,
    "runtimeClassName": TEXT,
    "schedulerName": TEXT,
    "securityContext": _core("PodSecurityContext"),
    "serviceAccount": TEXT,
    "serviceAccountName": TEXT,
    "shareProcessNamespace": YES_NO,
    "subdomain": TEXT,
    "terminationGracePeriodSeconds": INT64,
    "tolerations": _list(_core("Toleration")),
    "topologySpreadConstraints": _list(_core("TopologySpreadConstraint"), "topologyKey", "whenUnsatisfiable"),
    "volumes": _list(_core("Volume")),
}
# A model is a container with more fields.
_MODEL: dict[str, Schema] = {
    "modelFormat": _object("name", name=TEXT, version=TEXT),
    "protocolVersion": TEXT,
    "runtime": TEXT,
    "runtimeVersion": TEXT,
    "storage": _object(key=TEXT, parameters=TEXTS, path=TEXT, schemaPath=TEXT),
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
    "scaleMetric": _choice("cpu", "memory", "concurrency", "rps"),
    "scaleMetricType": _choice("Utilization", "Value", "AverageValue"),
    "scaleTarget": INT32,
    "timeout": INT64,
}
_ISVC_STATUS: Schema = {
    **_object(
        address=_object(CACerts=TEXT, audience=TEXT, name=TEXT, url=TEXT),
        annotations=TEXTS,
        clusterServingRuntimeName=TEXT,
        components={"type": "object", "additionalProperties": OPEN},
        conditions=_list({**_CONDITION, "properties": {**_CONDITION["properties"], "severity": TEXT}}),
        deploymentMode=TEXT,
        modelStatus=OPEN,
        observedGeneration=INT64,
        servingRuntimeName=TEXT,
        url=TEXT,
    ),
    "x-kubernetes-preserve-unknown-fields": True,
}
_PREDICTOR = _object(
    **_COMPONENT, model={"$ref": _MODEL_TYPE}, name=TEXT, workerSpec=OPEN, storageUris=_list(OPEN), huggingface=OPEN
)
_ISVC = _object(
    spec=_object("predictor", predictor=_PREDICTOR, transformer=_object(**_COMPONENT), explainer=_object(**_COMPONENT)),
    status=_ISVC_STATUS,
)
_FORMAT = _object("name", autoSelect=YES_NO, name=TEXT, priority=INT32, version=TEXT)
_RUNTIME = _object(
    spec=_object(
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
        protocolVersions=_list(TEXT),
        replicas={"type": "integer"},
        storageHelper=_object(disabled=YES_NO),
        supportedModelFormats=_list(_FORMAT),
        workerSpec=OPEN,
    ),
    status=OPEN,
)

_SOURCE = _object(
    "repoURL",
    chart=TEXT,
    directory=OPEN,
    helm=OPEN,
    kustomize=OPEN,
    name=TEXT,
    path=TEXT,
    plugin=OPEN,
    ref=TEXT,
    repoURL=TEXT,
    targetRevision=TEXT,
)
_PAIR = _object("name value", name=TEXT, value=TEXT)
_DIFFERENCE = _object(
    "kind",
    group=TEXT,
    jqPathExpressions=_list(TEXT),
    jsonPointers=_list(TEXT),
    kind=TEXT,
    managedFieldsManagers=_list(TEXT),
    name=TEXT,
    namespace=TEXT,
)
_RETRY = _object(backoff=_object(duration=TEXT, factor=INT64, maxDuration=TEXT), limit=INT64, refresh=YES_NO)
_SYNC_POLICY = _object(
    automated=_object(allowEmpty=YES_NO, enabled=YES_NO, prune=YES_NO, selfHeal=YES_NO),
    managedNamespaceMetadata=_object(annotations=TEXTS, labels=TEXTS),
    retry=_RETRY,
    syncOptions=_list(TEXT),
)
_APPLICATION = _object(
    "metadata spec",
    operation=OPEN,
    spec=_object(
        "destination project",
        destination=_object(name=TEXT, namespace=TEXT, server=TEXT),
        ignoreDifferences=_list(_DIFFERENCE),
        info=_list(_PAIR),
        project=TEXT,
        revisionHistoryLimit=INT64,
        source=_SOURCE,
        sources=_list(_SOURCE),
        syncPolicy=_SYNC_POLICY,
    ),
    status=OPEN,
)
_GROUP_KIND = _object("group kind", group=TEXT, kind=TEXT, name=TEXT)
_PROJECT = _object(
    "metadata spec",
    spec=_object(
        clusterResourceBlacklist=_list(_GROUP_KIND),
        clusterResourceWhitelist=_list(_GROUP_KIND),
        description={**TEXT, "maxLength": 255},
        destinations=_list(_object(name=TEXT, namespace=TEXT, server=TEXT)),
        namespaceResourceBlacklist=_list(_GROUP_KIND),
        namespaceResourceWhitelist=_list(_GROUP_KIND),
        orphanedResources=_object(ignore=_list(OPEN), warn=YES_NO),
        roles=_list(_object("name", description=TEXT, groups=_list(TEXT), name=TEXT, policies=_list(TEXT))),
        sourceNamespaces=_list(TEXT),
        sourceRepos=_list(TEXT),
        syncWindows=_list(OPEN),
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
    container = others.get(f"{_CORE}Container", _object())
    model = {**container, "properties": {**container.get("properties", {}), **_MODEL}, "required": []}
    kinds = (
        _kind("route.openshift.io", "v1", "Route", _ROUTE),
        _kind("serving.kserve.io", "v1beta1", "InferenceService", _ISVC),
        _kind("serving.kserve.io", "v1alpha1", "ServingRuntime", _RUNTIME),
        _kind("argoproj.io", "v1alpha1", "Application", _APPLICATION),
        _kind("argoproj.io", "v1alpha1", "AppProject", _PROJECT),
    )
    return {_MODEL_TYPE: model, **dict(kinds)}
