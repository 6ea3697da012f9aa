"""Where the pods behind a Service are reached, for what is no web service and so has no Route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound

_API, _OF_SERVICE = "discovery.k8s.io/v1", "kubernetes.io/service-name"
# A cluster whose pods' own addresses lead nowhere says so here, as its provider may: addresses by the port's name.
_REACHABLE = "maas-lab/reachable-at"


def address(cluster: Cluster, service: str, namespace: str) -> tuple[str, int]:
    """Return host and port of a pod that answers for a Service; inside a cluster everybody can reach them.

    Args:
        cluster: as a user who may list EndpointSlices, as with the roles `view` and `edit`.
        service: its name.
        namespace: where it is.

    Raises:
        NotFound: no pod of it is ready.
    """
    slices = cluster.list("EndpointSlice", namespace, selector=f"{_OF_SERVICE}={service}", api_version=_API)
    for found in slices:
        for host, port in _ready(found):
            return host, port
    hint = f"cluster.pods({namespace!r}) shows the pods"
    raise NotFound(f"nobody answers for the Service {service} in {namespace}", "none of its pods is ready", hint)


def _ready(found: dict[str, Any]) -> Iterator[tuple[str, int]]:
    told = json.loads((found["metadata"].get("annotations") or {}).get(_REACHABLE) or "{}")
    for port in found.get("ports") or ():
        for number, endpoint in enumerate(found.get("endpoints") or ()):
            # Missing means unknown, and that is to be taken for ready.
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                reached = told.get(port.get("name") or "")
                host, _, own = reached[number].rpartition(":") if reached else (endpoint["addresses"][0], "", "")
                yield host, int(own or port["port"])
