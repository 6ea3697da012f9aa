"""Route: given a host and admitted, as OpenShift's router does; the oldest route that names a host keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from maas_lab.local.kube.controllers.client import ROUTE, Client
from maas_lab.local.kube.controllers.common import condition, status
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.store import DELETED, Change, Key, Object
from maas_lab.local.kube.texts import stamp

ROUTER, DOMAIN = "default", "apps.localhost"
GENERATED = "openshift.io/host.generated"
Hosts = Callable[[Object], str]


def local_host(route: Object) -> str:
    """Return the host of a route that names none; names below `localhost` lead to this machine."""
    return f"{route['metadata']['name']}-{route['metadata']['namespace']}.{DOMAIN}"


class Routes:
    """Admits routes.

    Args:
        hosts: gives a host to a route that names none.
    """

    def __init__(self, client: Client, clock: Clock, hosts: Hosts = local_host) -> None:
        self._client, self._clock, self._hosts = client, clock, hosts

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed route, and those that wanted its host."""
        if change.key.resource != ROUTE.resource:
            return
        if change.type != DELETED:
            yield change.key
        before = change.before
        if before is None or (change.type != DELETED and _claim(before) == _claim(change.object)):
            return
        for one in self._client.list(ROUTE):
            if _claim(one) == _claim(before):
                yield Key(ROUTE.resource, one["metadata"]["namespace"], one["metadata"]["name"])

    def reconcile(self, key: Key) -> float | None:
        """Give a route a host and say whether it is admitted."""
        route = self._client.get(ROUTE, key.namespace, key.name)
        if route is None or route["metadata"].get("deletionTimestamp"):
            return None
        if not _host(route) or (_is_local(route) and _host(route) != self._hosts(route)):
            annotations = {**(route["metadata"].get("annotations") or {}), GENERATED: "true"}
            metadata, spec = {**route["metadata"], "annotations": annotations}, {**route["spec"]}
            spec["host"] = self._hosts(route)
            route = self._client.update(ROUTE, {**route, "metadata": metadata, "spec": spec})
        self._client.update_status(ROUTE, route, {"ingress": [self._ingress(route)]})
        return None

    def _ingress(self, route: Object) -> Object:
        old = next(iter(status(route).get("ingress") or ()), {})
        told = {"type": "Admitted", "status": "True"}
        if older := self._older(route):
            message = f"route {older['metadata']['name']} already exposes {_host(route)} and is older"
            told = {"type": "Admitted", "status": "False", "reason": "HostAlreadyClaimed", "message": message}
        before = condition(old, "Admitted")
        is_same = before and before["status"] == told["status"]
        told["lastTransitionTime"] = before["lastTransitionTime"] if is_same else stamp(self._clock())
        wildcard = route["spec"].get("wildcardPolicy", "None")
        return {"host": _host(route), "routerName": ROUTER, "wildcardPolicy": wildcard, "conditions": [told]}

    def _older(self, route: Object) -> Object | None:
        rivals = [one for one in self._client.list(ROUTE) if _claim(one) == _claim(route)]
        first = min(rivals, key=_age)
        return None if first["metadata"]["uid"] == route["metadata"]["uid"] else first


def _host(route: Object) -> str:
    return route["spec"].get("host") or ""


def _is_local(route: Object) -> bool:
    """Tell whether a host was made here from a port, which may be another one after a restart."""
    return (route["metadata"].get("annotations") or {}).get(GENERATED) == "true" and ":" in _host(route)


def _age(route: Object) -> tuple:
    """Return what sorts routes by age; of two of the same second the one that is admitted already comes first."""
    return route["metadata"]["creationTimestamp"], not admitted_host(route), route["metadata"]["uid"]


def _claim(route: Object) -> tuple[str, str]:
    return _host(route), route["spec"].get("path") or "/"


def admitted_host(route: Object | None) -> str:
    """Return the host under which a route can be reached, empty where it is not admitted."""
    for one in status(route).get("ingress") or () if route else ():
        if (condition(one, "Admitted") or {}).get("status") == "True":
            return one["host"]
    return ""
