"""What a class needs of the cluster's nodes, when all learners deploy at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from maas_lab.cluster import Cluster
from maas_lab.errors import NotAllowed
from maas_lab.manifests import render

GB = 1_000_000_000


def requested(objects: Iterable[Mapping[str, Any]]) -> int:
    """Return the bytes of memory that the pods of some objects ask for."""
    return sum(int(parse_quantity(one)) for body in objects for one in _memory(body.get("spec") or {}))


def advice(cluster: Cluster, folders: Iterable[Path], count: int) -> str:
    """Return what to mind where not all learners can deploy at once; empty where they can, or nobody may tell.

    Args:
        cluster: whose nodes count.
        folders: of the manifests that a learner deploys in the lessons.
        count: of the learners.
    """
    each = sum(requested(render(folder)) for folder in folders)
    try:
        nodes = cluster.list("Node")
    except NotAllowed:
        return ""
    there = sum(int(parse_quantity(one["status"]["allocatable"]["memory"])) for one in nodes)
    if count * each <= there:
        return ""
    return (
        f"Who deploys a platform (lessons 02 and 06) asks for {each / GB:.1f} GB of memory, and the nodes have "
        f"{there / GB:.0f} GB: no more than {there // each} learners can do that at once."
    )


def _memory(spec: Mapping[str, Any]) -> Iterable[str]:
    template = (spec.get("template") or {}).get("spec") or {}
    model = (spec.get("predictor") or {}).get("model")
    for container in [*template.get("containers", ()), *([model] if model else [])]:
        asked = ((container.get("resources") or {}).get("requests") or {}).get("memory")
        if asked:
            yield str(asked)
