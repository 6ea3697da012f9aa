"""What is real in a lab and what is not, as the cluster and the gateway tell it themselves.

A cluster on which something else runs than its names say, tells so in an annotation of its nodes (`maas-lab/what-runs`:
JSON, by image or part: `what`, `real`, `why`). The lab's local cluster does. What nobody says anything about is what it
is called: a container of its image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maas_lab.errors import NotAllowed
from maas_lab.objects import KubeObject, pod_reason
from maas_lab.rows import CatalogModel
from maas_lab.tables import Table

if TYPE_CHECKING:
    from maas_lab.cluster import Cluster
    from maas_lab.gateway import Gateway
    from maas_lab.platform import Platform

WHAT_RUNS = "maas-lab/what-runs"
COMPONENT = "app.kubernetes.io/component"
REAL, STAND_IN, SIMULATION, UNKNOWN = "real", "stand-in", "simulation", "not told"
_PRODUCT = "nvidia.com/gpu.product"  # a label that NVIDIA's operator gives to nodes

Told = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Part:
    """One part of the lab.

    Attributes:
        part: what it is for.
        name: how it is called: an image, a version, a model.
        runs: what runs under that name.
        real: `real`, `stand-in` for something that does the same in another way, `simulation`, or `not told`.
        why: it is so, or what to know about it.
    """

    part: str
    name: str
    runs: str
    real: str
    why: str


def parts(platform: Platform, gateway: Gateway) -> Table[Part]:
    """Ask cluster and gateway what runs, and return one row per part.

    Args:
        platform: whose parts; where its user may not look at nodes, the table says so.
        gateway: of the platform.

    Raises:
        NotAllowed: the user may not look at pods.
    """
    cluster = platform.cluster
    try:
        nodes, hint = cluster.list("Node"), ""
    except NotAllowed as error:
        nodes, hint = [], error.hint
    told = _told(nodes)
    rows = [_kubernetes(cluster, told)]
    rows += [*_nodes(nodes, told), *_accelerators(nodes, told)] if nodes else [_hidden(hint)]
    pods = _containers(cluster.list("Pod", platform.namespace), told)
    return Table(
        Part, [*rows, _network(platform.gateway_route(), told), *pods, *_catalog(gateway, platform.model, told)]
    )


def is_simulation(cluster: Cluster, name: str) -> bool:
    """Tell whether a cluster says itself that nothing is behind a name; one that says nothing means it.

    Args:
        cluster: as a user who may look at nodes; else nothing is told.
        name: of an image or another part, e.g. a resource of its nodes.
    """
    try:
        return _told(cluster.list("Node")).get(name, {}).get("real") == SIMULATION
    except NotAllowed:
        return False


def _told(nodes: Iterable[KubeObject]) -> dict[str, dict[str, str]]:
    told: dict[str, dict[str, str]] = {}
    for node in nodes:
        told |= json.loads((node["metadata"].get("annotations") or {}).get(WHAT_RUNS) or "{}")
    return told


def _row(part: str, name: str, told: Mapping[str, str] | None, runs: str) -> Part:
    """Return a row: what the cluster tells, else that it is what it is called."""
    if told:
        return Part(part, name, told["what"], told["real"], told["why"])
    return Part(part, name, runs, REAL, "")


def _kubernetes(cluster: Cluster, told: Told) -> Part:
    name = f"Kubernetes {cluster.version()}"
    return _row("cluster", name, told.get("kubernetes"), f"a control plane at {cluster.server}")


def _hidden(hint: str) -> Part:
    return Part("nodes and GPUs", "?", "you may not look at nodes", UNKNOWN, hint)


def _nodes(nodes: list[KubeObject], told: Told) -> Iterator[Part]:
    engines = sorted({node["status"]["nodeInfo"]["containerRuntimeVersion"] for node in nodes})
    name = nodes[0].name if len(nodes) == 1 else f"{len(nodes)} nodes"
    yield _row("node", name, told.get("node"), f"machines that run containers by {', '.join(engines)}")


def _accelerators(nodes: list[KubeObject], told: Told) -> Iterator[Part]:
    offered: dict[str, int] = {}
    for node in nodes:
        for name, count in (node["status"].get("capacity") or {}).items():
            if "/" in name and ("gpu" in name or name.startswith("nvidia.com/")):
                offered[name] = offered.get(name, 0) + int(count)
    products = sorted({(node["metadata"].get("labels") or {}).get(_PRODUCT, "") for node in nodes} - {""})
    for name, count in offered.items():
        runs = f"devices of the nodes: {', '.join(products)}" if products else "devices of the nodes"
        yield _row("GPUs", f"{count} {name}", told.get(name), runs)
    if not offered:
        yield Part("GPUs", "none", "no node offers one", REAL, "models run on CPUs")


def _network(route: KubeObject, told: Told) -> Part:
    routers = [one.get("routerName", "") for one in (route.get("status") or {}).get("ingress") or ()]
    return _row("way to the gateway", f"Route {route.name}", told.get("network"), f"the router {', '.join(routers)}")


def _containers(pods: Iterable[KubeObject], told: Told) -> Iterator[Part]:
    rows = {}
    for pod in pods:
        part = (pod["metadata"].get("labels") or {}).get(COMPONENT) or pod.name
        states = {one["name"]: one for one in (pod.get("status") or {}).get("containerStatuses") or ()}
        for container in pod["spec"]["containers"]:
            row = _container(part, container["image"], states.get(container["name"], {}), pod, told)
            rows.setdefault((part, row.name, row.runs), row)
    yield from (rows[key] for key in sorted(rows))


def _container(part: str, image: str, state: Mapping[str, Any], pod: KubeObject, told: Told) -> Part:
    engine, _, identity = (state.get("containerID") or "").partition("://")
    if not identity:
        return Part(part, image, "nothing yet", UNKNOWN, pod_reason(pod)[0] or "its container is not created")
    return _row(part, image, told.get(image), f"a container of this image, by {engine}")


def _catalog(gateway: Gateway, name: str, told: Told) -> Iterator[Part]:
    model = next((one for one in gateway.models() if one.name == name), None)
    if model is None:
        yield Part("served name", name, "nothing", UNKNOWN, "the gateway has no model of this name")
        return
    yield _served(model)
    prices = f"${model.input_cost:g} per token read, ${model.output_cost:g} per token written"
    yield _row("prices", prices, told.get("prices"), "what the provider has set at the gateway")


def _served(model: CatalogModel) -> Part:
    if model.served == model.name:
        return Part(
            "served name", model.name, "the model server answers to the same name", REAL, "no alias hides another model"
        )
    runs = f"the gateway passes calls on to {model.served}"
    return Part("served name", model.name, runs, STAND_IN, "ask the provider what that is")
