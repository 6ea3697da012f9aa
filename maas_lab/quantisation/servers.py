"""The model servers of one namespace, and what each tells of its weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maas_lab.errors import ClusterError, NotFound, UsageError
from maas_lab.readiness import SERVING

if TYPE_CHECKING:
    import openai

    from maas_lab.cluster import Cluster
    from maas_lab.lab import Lab

PRECISION = "maas-lab/precision"  # an annotation that InferenceServices of one model in several precisions have
# vLLM says it once, in its log, when the weights are loaded: e.g. `Model loading took 5.72 GiB memory and 5.2 seconds`.
_LOADED = re.compile(r"Model loading took ([\d.]+) GiB")


@dataclass(frozen=True)
class Server:
    """A model server that says in which precision its weights are.

    Attributes:
        precision: e.g. `Q8_0`.
        name: of its InferenceService; callers name the model so.
        namespace: where it is.
    """

    precision: str
    name: str
    namespace: str


def refuse_gpus(objects: Iterable[Mapping[str, Any]], *, agreed: bool = False) -> None:
    """Refuse manifests that ask for devices, unless somebody has agreed that this lesson may take them.

    Args:
        objects: rendered manifests.
        agreed: whether you may take real GPUs for the minutes of a lesson.

    Raises:
        UsageError: they ask for some, and nobody has agreed.
    """
    models = [one["spec"]["predictor"]["model"] for one in objects if one["kind"] == "InferenceService"]
    limits = [(one.get("resources") or {}).get("limits") or {} for one in models]
    devices = sorted({name for one in limits for name in one if "/" in name})
    if devices and not agreed:
        why = f"{len(models)} model servers ask for {', '.join(devices)}, one each"
        hint = "ask whoever looks after the cluster; then set `agreed = True`"
        raise UsageError("this lesson would take real GPUs", why, hint)


@dataclass(frozen=True)
class Weights:
    """What a model server tells of its weights.

    Attributes:
        bytes: of all weights together; None where it does not tell.
        parameters: how many weights there are; None where it does not tell.
    """

    bytes: int | None
    parameters: int | None


def servers(cluster: Cluster, namespace: str) -> list[Server]:
    """Return the model servers of a namespace that say their precision, by name.

    Raises:
        NotFound: there is none.
    """
    found = list(_telling(cluster, namespace))
    if not found:
        hint = 'apply some first: manifests.render(lab.overlay("quantised"), namespace)'
        raise NotFound(f"no model server in {namespace} says its precision", f"by the annotation {PRECISION}", hint)
    return found


def _telling(cluster: Cluster, namespace: str) -> Iterator[Server]:
    for one in cluster.list("InferenceService", namespace):
        precision = (one["metadata"].get("annotations") or {}).get(PRECISION)
        if precision:
            yield Server(precision, one.name, namespace)


def weights(lab: Lab, server: Server, client: openai.OpenAI) -> Weights:
    """Ask a model server for its weights: llama.cpp lists them with its model, vLLM writes them into its log.

    Args:
        lab: the lab.
        server: which one.
        client: calls it directly.
    """
    listed = client.models.list().data
    told = (getattr(listed[0], "meta", None) if listed else None) or {}
    if told.get("size") and told.get("n_params"):
        return Weights(int(told["size"]), int(told["n_params"]))
    return Weights(_loaded(lab.cluster, server), None)


def _loaded(cluster: Cluster, server: Server) -> int | None:
    try:
        log = cluster.logs(f"deployment/{server.name}-predictor", server.namespace)
    except ClusterError:  # who may not read logs gets a table without this number
        return None
    found = _LOADED.search(log)
    return round(float(found[1]) * 2**30) if found else None


def memory(cluster: Cluster, server: Server) -> int:
    """Return the memory that a server's pods use now, in bytes; 0 before the cluster has measured them."""
    return sum(row.memory for row in cluster.top(server.namespace, f"{SERVING}={server.name}"))
