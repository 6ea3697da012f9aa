"""What KServe makes of an InferenceService in RawDeployment mode: a Deployment, a Service, and a Route. Pure."""

from __future__ import annotations

import copy

from maas_lab.local.kube.controllers import owners
from maas_lab.local.kube.controllers.client import INFERENCE_SERVICE
from maas_lab.local.kube.store import Object

PORT = 8080
CONTAINER = "kserve-container"
LABEL = "serving.kserve.io/inferenceservice"
STORAGE = "internal.serving.kserve.io/storage-initializer-sourceuri"
VISIBILITY = "networking.kserve.io/visibility"
_MODEL_ONLY = ("modelFormat", "protocolVersion", "runtime", "runtimeVersion", "storage", "storageUri", "name")
_POD_FIELDS = ("affinity", "imagePullSecrets", "nodeSelector", "schedulerName", "tolerations", "volumes")
_MORE_FIELDS = ("serviceAccountName", "securityContext", "terminationGracePeriodSeconds")


def name(service: Object) -> str:
    """Return the name of what is made for the predictor."""
    return f"{service['metadata']['name']}-predictor"


def is_exposed(service: Object) -> bool:
    """Tell whether a service is to be reached from outside."""
    return (service["metadata"].get("labels") or {}).get(VISIBILITY) == "exposed"


def inside(service: Object) -> str:
    """Return the URL inside the cluster."""
    return f"http://{name(service)}.{service['metadata']['namespace']}.svc.cluster.local:{PORT}"


def supports(runtime: Object, wanted: Object) -> bool:
    """Tell whether a runtime picks up a model format without being named."""
    return any(
        one.get("name") == wanted.get("name") and one.get("autoSelect")
        for one in runtime["spec"].get("supportedModelFormats") or ()
    )


def metadata(service: Object, own_name: str) -> Object:
    """Return the metadata of something that is made for a service."""
    labels = {**(service["metadata"].get("labels") or {}), **_selector(service)}
    return {
        "name": own_name,
        "namespace": service["metadata"]["namespace"],
        "labels": {**labels, "component": "predictor", LABEL: service["metadata"]["name"]},
        "ownerReferences": [owners.reference(INFERENCE_SERVICE, service)],
    }


def _selector(service: Object) -> dict[str, str]:
    return {"app": f"isvc.{name(service)}"}


def deployment(service: Object, runtime: Object) -> Object:
    """Return the Deployment of the predictor: the runtime's container with what the service adds to it."""
    predictor, made = service["spec"]["predictor"], metadata(service, name(service))
    spec = {field: copy.deepcopy(runtime["spec"][field]) for field in _POD_FIELDS if field in runtime["spec"]}
    spec |= {field: copy.deepcopy(predictor[field]) for field in (*_POD_FIELDS, *_MORE_FIELDS) if field in predictor}
    spec["containers"] = _containers(service, runtime)
    annotations = {**(runtime["spec"].get("annotations") or {}), **(predictor.get("annotations") or {})}
    if uri := predictor["model"].get("storageUri"):
        annotations[STORAGE] = uri
    labels = {**(runtime["spec"].get("labels") or {}), **(predictor.get("labels") or {}), **made["labels"]}
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}
    asked = {"selector": {"matchLabels": _selector(service)}, "template": template}
    asked["replicas"] = predictor.get("minReplicas", 1)
    if strategy := predictor.get("deploymentStrategy"):
        asked["strategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": made, "spec": asked}


def _containers(service: Object, runtime: Object) -> list[Object]:
    """Return the runtime's containers, the model's own settings added to the one that serves, `{{.Name}}` filled in."""
    model = service["spec"]["predictor"]["model"]
    found = _filled(runtime["spec"]["containers"], service["metadata"]["name"])
    serving = next((one for one in found if one["name"] == CONTAINER), found[0])
    for field, value in model.items():
        if field in _MODEL_ONLY:
            continue
        if field == "args":
            serving["args"] = [*(serving.get("args") or ()), *value]
        elif field in ("env", "volumeMounts"):
            key = "name" if field == "env" else "mountPath"
            merged = {one[key]: one for one in [*(serving.get(field) or ()), *value]}
            serving[field] = list(merged.values())
        else:
            serving[field] = copy.deepcopy(value)
    return found


def _filled(value: object, service: str) -> object:
    if isinstance(value, str):
        return value.replace("{{.Name}}", service)
    if isinstance(value, list):
        return [_filled(one, service) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, service) for key, one in value.items()}
    return value


def service(owner: Object) -> Object:
    """Return the Service of the predictor, without an address of its own, as OpenShift AI sets it up."""
    port = {"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}
    spec = {"clusterIP": "None", "selector": _selector(owner), "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(owner, name(owner)), "spec": spec}


def route(owner: Object) -> Object:
    """Return the Route of an exposed service."""
    to = {"kind": "Service", "name": name(owner), "weight": 100}
    spec = {"to": to, "port": {"targetPort": "http"}, "wildcardPolicy": "None"}
    made = metadata(owner, owner["metadata"]["name"])
    return {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": made, "spec": spec}
