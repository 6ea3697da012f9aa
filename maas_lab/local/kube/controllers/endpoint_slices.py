"""EndpointSlice: which pods answer for a Service, as the real controller writes it; a slice for each set of ports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from maas_lab.local.kube.controllers import owners
from maas_lab.local.kube.controllers.client import ENDPOINT_SLICE, POD, SERVICE, Client
from maas_lab.local.kube.controllers.common import is_ended, is_ready, selects, status
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.store import DELETED, MODIFIED, Change, Key, Object
from maas_lab.local.kube.texts import stamp

OF_SERVICE = "kubernetes.io/service-name"
MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
HEADLESS = "service.kubernetes.io/headless"
# Where pods are reached from outside the cluster, by the port's name; for clusters whose own addresses lead nowhere.
REACHABLE = "maas-lab/reachable-at"
Reach = Callable[[str, int], str]


class EndpointSlices:
    """Keeps the slices of each Service that has a selector.

    Args:
        client: reads and writes.
        clock: tells the time.
        reach: returns the address at which a pod's port is reached from outside; None where its own one leads there.
    """

    def __init__(self, client: Client, clock: Clock, reach: Reach | None = None) -> None:
        self._client, self._clock, self._reach = client, clock, reach

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed Service, that of a changed slice, and those for which a changed pod answers."""
        kind = change.key.resource
        if kind == SERVICE.resource and change.type != DELETED:
            yield change.key
        elif kind == ENDPOINT_SLICE.resource:
            yield from owners.affected(change, SERVICE)
        elif kind == POD.resource:
            yield from self._services(change)

    def reconcile(self, key: Key) -> float | None:
        """Write the slices of a Service; those that are as they should be stay untouched."""
        service = self._client.get(SERVICE, key.namespace, key.name)
        if service is None or service["metadata"].get("deletionTimestamp") or not _selector(service):
            return None
        found = [one for one in self._client.list(ENDPOINT_SLICE, key.namespace) if _is_of(one, key.name)]
        left = [one for one in found if owners.is_owned(one, service)]
        strange = [one for one in found if one not in left]  # of an earlier Service of this name
        wanted = self._wanted(service)
        for content in sorted(wanted, key=lambda one: _with_ports(one, left) is None):
            old = _with_ports(content, left) or next(iter(left), None)
            left = [one for one in left if one is not old]
            self._write(service, content, old)
        for one in (*left, *strange):
            self._client.delete(ENDPOINT_SLICE, one)
        return None

    def _services(self, change: Change) -> Iterator[Key]:
        states = [one for one in (change.before, change.object) if one]
        if change.type == MODIFIED and _answer(states[0]) == _answer(states[-1]):
            return
        labels = [one["metadata"].get("labels") or {} for one in states]
        for service in self._client.list(SERVICE, change.key.namespace):
            selector = _selector(service)
            if selector and any(selects({"matchLabels": selector}, one) for one in labels):
                yield Key(SERVICE.resource, change.key.namespace, service["metadata"]["name"])

    def _wanted(self, service: Object) -> list[Object]:
        """Return what the slices of a Service tell; one without anybody where nobody answers."""
        selector = {"matchLabels": _selector(service)}
        found: dict[str, Object] = {}
        for pod in self._client.list(POD, service["metadata"]["namespace"]):
            if not selects(selector, pod["metadata"].get("labels") or {}) or is_ended(pod) or not _address(pod):
                continue
            ports = [one for port in service["spec"].get("ports") or () if (one := _port(port, pod))]
            slice_ = found.setdefault(json.dumps(ports), {"endpoints": [], "ports": ports})
            slice_["endpoints"].append(_endpoint(service, pod))
        return list(found.values()) or [{"endpoints": None, "ports": None}]

    def _write(self, service: Object, content: Object, old: Object | None) -> None:
        name = service["metadata"]["name"]
        labels = {**(service["metadata"].get("labels") or {}), **MANAGED_BY, OF_SERVICE: name}
        if service["spec"].get("clusterIP") == "None":
            labels[HEADLESS] = ""
        told, reachable = {"addressType": "IPv4", **content}, self._reachable(content)
        noted = (old and old["metadata"].get("annotations")) or {}
        is_told = old and told.items() <= old.items() and reachable.items() <= noted.items()
        if is_told and old["metadata"].get("labels") == labels:
            return
        metadata = {**old["metadata"]} if old else self._new_metadata(service)
        noted = {TRIGGER: stamp(self._clock()), **reachable} if content["endpoints"] else {}
        metadata |= {"labels": labels, "annotations": noted}
        if old:
            self._client.update(ENDPOINT_SLICE, {**old, **told, "metadata": metadata})
        else:
            self._client.create(ENDPOINT_SLICE, {**told, "metadata": metadata})

    def _reachable(self, content: Object) -> dict[str, str]:
        if self._reach is None or not content["endpoints"] or not content["ports"]:
            return {}
        pods = [one["targetRef"]["uid"] for one in content["endpoints"]]
        told = {one["name"]: [self._reach(pod, one["port"]) for pod in pods] for one in content["ports"]}
        return {REACHABLE: json.dumps(told)}

    def _new_metadata(self, service: Object) -> Object:
        metadata = service["metadata"]
        owner = [owners.reference(SERVICE, service)]
        return {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"], "ownerReferences": owner}


def _selector(service: Object) -> Object:
    return {} if service["spec"].get("type") == "ExternalName" else service["spec"].get("selector") or {}


def _is_of(one: Object, service: str) -> bool:
    return ({**MANAGED_BY, OF_SERVICE: service}).items() <= (one["metadata"].get("labels") or {}).items()


def _with_ports(content: Object, slices: Iterable[Object]) -> Object | None:
    return next((one for one in slices if one.get("ports") == content["ports"]), None)


def _address(pod: Object) -> str:
    return status(pod).get("podIP") or ""


def _answer(pod: Object) -> tuple:
    """Return all of a pod that its Services' slices depend on."""
    metadata = pod["metadata"]
    is_ending = bool(metadata.get("deletionTimestamp"))
    return metadata.get("labels"), pod["spec"].get("nodeName"), _address(pod), is_ended(pod), is_ready(pod), is_ending


def _port(port: Object, pod: Object) -> Object | None:
    """Return a Service's port as a pod has it; None where the pod has no port of the name that is wanted."""
    number = port["targetPort"]
    if isinstance(number, str):
        own = [one for container in pod["spec"]["containers"] for one in container.get("ports") or ()]
        wanted = (number, port["protocol"])
        number = next((one["containerPort"] for one in own if (one.get("name"), one["protocol"]) == wanted), None)
    if number is None:
        return None
    protocol = {"appProtocol": port["appProtocol"]} if "appProtocol" in port else {}
    return {"name": port.get("name", ""), "protocol": port["protocol"], "port": number, **protocol}


def _endpoint(service: Object, pod: Object) -> Object:
    metadata, spec = pod["metadata"], pod["spec"]
    serving, terminating = is_ready(pod), bool(metadata.get("deletionTimestamp"))
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    told = {
        "addresses": [_address(pod)],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": POD.kind} | {name: metadata[name] for name in ("namespace", "name", "uid")},
    }
    if spec.get("nodeName"):
        told["nodeName"] = spec["nodeName"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        told["hostname"] = spec["hostname"]
    return told
