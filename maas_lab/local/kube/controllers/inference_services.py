"""InferenceService: makes what KServe makes in RawDeployment mode, and reports whether the model serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from maas_lab.local.kube.controllers import owners, serving
from maas_lab.local.kube.controllers.client import (
    DEPLOYMENT,
    INFERENCE_SERVICE,
    ROUTE,
    SERVICE,
    SERVING_RUNTIME,
    Client,
)
from maas_lab.local.kube.controllers.common import condition, status, with_condition
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.routes import admitted_host
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.store import DELETED, Change, Key, Object
from maas_lab.local.kube.texts import stamp

STOP = "serving.kserve.io/stop"
GIVEN = ("host", "clusterIPs")  # by others
MODE = "serving.kserve.io/deploymentMode"


Addresses = Callable[[Object], str]


class InferenceServices:
    """Keeps a Deployment, a Service and a Route for each service, and reports in KServe's conditions.

    Args:
        addresses: gives the URL of a service inside the cluster.
    """

    def __init__(self, client: Client, clock: Clock, addresses: Addresses = serving.inside) -> None:
        self._client, self._clock, self._addresses = client, clock, addresses
        self._events = Recorder(client, "v1beta1Controllers", clock)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed service, the owner of what was made for one, and all that a changed runtime may concern."""
        kind = change.key.resource
        if kind == INFERENCE_SERVICE.resource and change.type != DELETED:
            yield change.key
        elif kind in (DEPLOYMENT.resource, SERVICE.resource, ROUTE.resource):
            yield from owners.affected(change, INFERENCE_SERVICE)
        elif kind == SERVING_RUNTIME.resource:
            for one in self._client.list(INFERENCE_SERVICE, change.key.namespace):
                yield Key(INFERENCE_SERVICE.resource, change.key.namespace, one["metadata"]["name"])

    def reconcile(self, key: Key) -> float | None:
        """Make what is missing or differs, and report."""
        service = self._client.get(INFERENCE_SERVICE, key.namespace, key.name)
        if service is None or service["metadata"].get("deletionTimestamp"):
            return None
        if "model" not in service["spec"]["predictor"]:
            return None
        runtime = self._runtime(service)
        if runtime is None:
            self._refuse(service)
            return None
        deployment = self._ensure(DEPLOYMENT, self._sized(service, serving.deployment(service, runtime)))
        self._ensure(SERVICE, serving.service(service))
        route = self._ensure(ROUTE, serving.route(service)) if serving.is_exposed(service) else self._no_route(service)
        self._report(service, runtime, deployment, route)
        return None

    def _runtime(self, service: Object) -> Object | None:
        model, namespace = service["spec"]["predictor"]["model"], service["metadata"]["namespace"]
        if wanted := model.get("runtime"):
            return self._client.get(SERVING_RUNTIME, namespace, wanted)
        found = self._client.list(SERVING_RUNTIME, namespace)
        fitting = (one for one in found if not one["spec"].get("disabled"))
        return next((one for one in fitting if serving.supports(one, model.get("modelFormat") or {})), None)

    def _sized(self, service: Object, deployment: Object) -> Object:
        annotations = service["metadata"].get("annotations") or {}
        if annotations.get(STOP) == "true" or annotations.get(MODE) == "Stopped":
            deployment["spec"]["replicas"] = 0
        return deployment

    def _ensure(self, kind: Kind, wanted: Object) -> Object:
        """Create an object, or make its spec what is wanted; with the defaults that is often what it is already."""
        metadata = wanted["metadata"]
        found = self._client.get(kind, metadata["namespace"], metadata["name"])
        if found is None:
            return self._client.create(kind, wanted)
        given = {name: found["spec"][name] for name in GIVEN if name in found["spec"]}
        return self._client.update(kind, {**found, "spec": {**given, **wanted["spec"]}})

    def _no_route(self, service: Object) -> None:
        metadata = service["metadata"]
        route = self._client.get(ROUTE, metadata["namespace"], metadata["name"])
        if route and owners.is_owned(route, service):
            self._client.delete(ROUTE, route)

    def _refuse(self, service: Object) -> None:
        """Say that no runtime can serve the model."""
        model = service["spec"]["predictor"]["model"]
        message, reason = "No runtime found to support the predictor's model format", "NoSupportingRuntime"
        if wanted := model.get("runtime"):
            message, reason = f"No ServingRuntimes or ClusterServingRuntimes with the name: {wanted}", "RuntimeNotFound"
        self._events.warning(service, "InternalError", message)
        failed = {"reason": "RuntimeNotRecognized" if wanted else reason, "message": message}
        state = {"transitionStatus": "InvalidSpec", "lastFailureInfo": failed}
        told = {**status(service), "modelStatus": {**(status(service).get("modelStatus") or {}), **state}}
        told = self._with(told, "PredictorReady", "False", reason, message)
        self._client.update_status(INFERENCE_SERVICE, service, self._with(told, "Ready", "False", reason, message))

    def _report(self, service: Object, runtime: Object, deployment: Object, route: Object | None) -> None:
        told = {**status(service), "deploymentMode": "RawDeployment", "servingRuntimeName": runtime["metadata"]["name"]}
        told["observedGeneration"] = service["metadata"]["generation"]
        is_ready, reason, message = _readiness(deployment)
        told["modelStatus"] = _model_status(deployment, is_ready=is_ready)
        told = self._with(told, "PredictorReady", _word(is_ready), reason, message)
        host = admitted_host(route)
        has_way = bool(host) or not serving.is_exposed(service)
        told = self._with(told, "IngressReady", _word(is_ready and has_way), *_why_no_way(is_ready, has_way))
        why = (reason, message) if not is_ready else _why_no_way(is_ready, has_way)
        told = self._with(told, "Ready", _word(is_ready and has_way), *why)
        inside = self._addresses(service)
        told |= {"url": f"http://{host}" if host else inside}
        told |= {"address": {"url": inside}, "components": {"predictor": {"url": told["url"]}}}
        self._client.update_status(INFERENCE_SERVICE, service, told)

    def _with(self, told: Object, type_: str, value: str, reason: str, message: str) -> Object:
        new = {"type": type_, "status": value, "lastTransitionTime": stamp(self._clock())}
        new |= {name: text for name, text in (("reason", reason), ("message", message)) if text}
        conditions = with_condition(told.get("conditions") or (), new)
        return {**told, "conditions": sorted(conditions, key=lambda one: one["type"])}


def _word(yes: bool) -> str:
    return "True" if yes else "False"


def _why_no_way(is_ready: bool, has_way: bool) -> tuple[str, str]:
    if not is_ready:
        return "PredictorNotReady", "Predictor ingress not created"
    return ("", "") if has_way else ("RouteNotAdmitted", "the route has not been admitted")


def _readiness(deployment: Object) -> tuple[bool, str, str]:
    """Return whether a Deployment is available, and otherwise its own reason and message."""
    found = condition(status(deployment), "Available")
    if found is None:
        return False, "", ""
    if found["status"] == "True":
        return True, "", ""
    progress = condition(status(deployment), "Progressing")
    told = progress if progress and progress["status"] == "False" else found
    return False, told["reason"], told["message"]


def _model_status(deployment: Object, *, is_ready: bool) -> Object:
    total = status(deployment).get("replicas", 0)
    states = {"targetModelState": "Loaded" if is_ready else "Loading"}
    states["activeModelState"] = "Loaded" if is_ready else ""
    transition = "UpToDate" if is_ready else "InProgress"  # codespell:ignore
    return {"copies": {"failedCopies": 0, "totalCopies": total}, "states": states, "transitionStatus": transition}
