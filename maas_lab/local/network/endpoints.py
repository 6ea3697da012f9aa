"""The forwarder's table: which loopback ports stand for Services and Routes, and those of the pods that answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from maas_lab.local.home import write_private
from maas_lab.local.kube.controllers.client import ENDPOINT_SLICE, NAMESPACE, POD, ROUTE, SERVICE, Client
from maas_lab.local.kube.controllers.endpoint_slices import OF_SERVICE
from maas_lab.local.kube.controllers.routes import admitted_host
from maas_lab.local.kube.store import DELETED, Change, Key, Object
from maas_lab.local.network.ports import Ports

TABLE = Key("forwarder", "", "table")
SEEN = (SERVICE.resource, ROUTE.resource, ENDPOINT_SLICE.resource)


class Endpoints:
    """Does what kube-proxy and the router do on a real cluster: sends who connects to a Service or Route to its pods.

    A port is kept as long as its namespace: a Service or Route that is made anew has the address it had.

    Args:
        client: finds Services, Routes and EndpointSlices.
        ports: gives ports to Services, Routes and pods.
        file: where the forwarder looks.
        changed: told after the file has changed, e.g. to send the forwarder SIGHUP.
    """

    def __init__(self, client: Client, ports: Ports, file: Path, changed: Callable[[], None]) -> None:
        self._client, self._ports, self._file, self._changed = client, ports, file, changed

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield the table where it may change, and a namespace that is gone."""
        if change.key.resource in SEEN:
            yield TABLE
        elif change.key.resource == NAMESPACE.resource and change.type == DELETED:
            yield change.key

    def reconcile(self, key: Key) -> float | None:
        """Write the table if it has changed, or forget the ports of a namespace."""
        if key != TABLE:
            self._release(key.name)
            return None
        told = json.dumps(self._table(), indent=1)
        if not self._file.exists() or self._file.read_text(encoding="utf-8") != told:
            write_private(self._file, told)
            self._changed()
        return None

    def _release(self, namespace: str) -> None:
        if self._client.get(NAMESPACE, "", namespace) is None:
            self._ports.release("service", namespace)
            self._ports.release("route", namespace)

    def _table(self) -> dict[int, Object]:
        slices: dict[tuple[str, str], list[Object]] = {}
        for one in self._client.list(ENDPOINT_SLICE):
            name = (one["metadata"].get("labels") or {}).get(OF_SERVICE, "")
            slices.setdefault((one["metadata"]["namespace"], name), []).append(one)
        table = {}
        for service in self._client.list(SERVICE):
            name = service["metadata"]["namespace"], service["metadata"]["name"]
            for port in service["spec"].get("ports") or ():
                if port["protocol"] == "TCP" and service["spec"].get("type") != "ExternalName":
                    table |= self._service(service, port, slices.get(name, []))
        for route in self._client.list(ROUTE):
            name = route["metadata"]["namespace"], route["spec"]["to"]["name"]
            if admitted_host(route):
                table |= self._route(route, self._client.get(SERVICE, *name), slices.get(name, []))
        return table

    def _service(self, service: Object, port: Object, slices: list[Object]) -> dict[int, Object]:
        found = [(one, own) for one in slices for own in one["ports"] or () if own["name"] == port.get("name", "")]
        number = port["port"]
        if service["spec"].get("clusterIP") == "None":  # its name leads to the pods themselves, on their own ports
            own = port["targetPort"] if isinstance(port["targetPort"], int) else None
            number = own or next((own["port"] for _, own in found), number)
        metadata = service["metadata"]
        listen = self._ports.of("service", metadata["namespace"], metadata["name"], str(number))
        return {listen: {"to": self._pods(found), "http": False}}

    def _route(self, route: Object, service: Object | None, slices: list[Object]) -> dict[int, Object]:
        wanted = (route["spec"].get("port") or {}).get("targetPort")
        if wanted is None and service:
            wanted = next((port.get("name", "") for port in service["spec"].get("ports") or ()), None)
        found = [(one, own) for one in slices for own in one["ports"] or () if wanted in (own["name"], own["port"])]
        listen = self._ports.of("route", route["metadata"]["namespace"], route["metadata"]["name"])
        return {listen: {"to": self._pods(found if service else []), "http": True}}

    def _pods(self, found: list[tuple[Object, Object]]) -> list[int]:
        """Return the loopback ports of the pods that answer."""
        return [
            self._ports.of("pod", endpoint["targetRef"]["uid"], str(port["port"]))
            for one, port in found
            for endpoint in one["endpoints"] or ()
            if endpoint["conditions"]["ready"] and self._is_there(endpoint["targetRef"])
        ]

    def _is_there(self, reference: Object) -> bool:
        """Tell whether a pod still exists; its slice may not know yet that it is gone, and its ports free."""
        pod = self._client.get(POD, reference["namespace"], reference["name"])
        return pod is not None and pod["metadata"]["uid"] == reference["uid"]
