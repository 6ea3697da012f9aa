"""Mark all objects of a kustomization, and count their copies: `commonLabels`, `commonAnnotations`, `replicas`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maas_lab.errors import ManifestError
from maas_lab.transformers import Resource, mapping, members, template_metadata

COUNTED = {"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"}
# Whose selector a common label goes into, made where it is missing; and where only one that is there takes it.
SELECTING = {"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}
_TERMS = ("podAffinity", "podAntiAffinity")


def label(resources: list[Resource], labels: dict[str, str]) -> None:
    """Add labels to every object, to the pods of workloads, and to what selects them."""
    for one in resources if labels else []:
        holders = [mapping(one, held, "labels") for held in (one.metadata, *template_metadata(one))]
        for holder in [*holders, *_selectors(one)]:
            holder.update(labels)


def annotate(resources: list[Resource], annotations: dict[str, str]) -> None:
    """Add annotations to every object, and to the pods of workloads."""
    for one in resources if annotations else []:
        for held in (one.metadata, *template_metadata(one, claims=False)):
            mapping(one, held, "annotations").update(annotations)


def scale(resources: list[Resource], replicas: list[dict[str, Any]], file: Path) -> None:
    """Set how many copies of a workload there are.

    Raises:
        ManifestError: there is no workload of a name.
    """
    for entry in replicas:
        if not {"name", "count"} <= entry.keys():
            raise ManifestError(f"{file}: an entry of `replicas` lacks `name` or `count`", hint="write both")
        found = [one for one in resources if one.kind in COUNTED and entry["name"] in one.names]
        if not found:
            there = ", ".join(sorted(one.metadata["name"] for one in resources if one.kind in COUNTED)) or "none"
            what = f"{file}: `replicas` names `{entry['name']}`, and there is no such workload"
            raise ManifestError(what, hint=f"there are: {there}")
        for one in found:
            mapping(one, one.body, "spec")["replicas"] = entry["count"]


def _selectors(one: Resource) -> Iterator[dict[str, str]]:
    """Find what selects pods by their labels."""
    if one.kind == "Service" and one.group == "":
        yield mapping(one, one.body, "spec", "selector")
    if one.kind in SELECTING:
        yield mapping(one, one.body, "spec", "selector", "matchLabels")
    spec = one.body.get("spec")
    if one.kind in ("Job", "PodDisruptionBudget"):
        yield from _matching(spec, "selector")
    if one.kind == "CronJob":
        yield from _matching(mapping(one, one.body, "spec", "jobTemplate", "spec"), "selector")
    if one.kind == "NetworkPolicy":
        yield from _matching(spec, "podSelector")
        for name, entry in members(spec):
            if name in ("from", "to") and isinstance(entry, list):
                yield from (found for peer in entry for found in _matching(peer, "podSelector"))
    if one.kind in ("Deployment", "StatefulSet"):
        yield from _affinity(mapping(one, one.body, "spec", "template").get("spec"))


def _affinity(pod: Any) -> Iterator[dict[str, str]]:
    """Find with which pods a pod wants to be together, apart or spread."""
    if not isinstance(pod, dict):
        return
    affinity = pod.get("affinity")
    for term in _TERMS if isinstance(affinity, dict) else ():
        for _, entry in members(affinity.get(term)):
            yield from _matching(entry, "labelSelector")
            for each in entry if isinstance(entry, list) else ():
                yield from _matching(each, "labelSelector")
    for each in pod.get("topologySpreadConstraints") or []:
        yield from _matching(each, "labelSelector")


def _matching(holder: Any, name: str) -> Iterator[dict[str, str]]:
    """Find the labels of a selector, where there are some."""
    selector = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(selector, dict) and isinstance(selector.get("matchLabels"), dict):
        yield selector["matchLabels"]
