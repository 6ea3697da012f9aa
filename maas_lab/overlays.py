"""Compare what two sets of overlays run, question by question."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from maas_lab.manifests import render
from maas_lab.objects import plain
from maas_lab.tables import Table, Text

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """What two places do about one question.

    Attributes:
        question: what is asked.
        local: the answer of the local overlays.
        openshift: the answer of the overlays for OpenShift.
    """

    question: str
    local: str
    openshift: str


def compare(local: Iterable[Path], openshift: Iterable[Path]) -> Table[Difference]:
    """Render two sets of overlays and return what differs, one row per question.

    Args:
        local: folders of the local cluster, one of them with an InferenceService and one with the gateway.
        openshift: the same for OpenShift.

    Raises:
        ManifestError: a folder cannot be rendered.
    """
    ours, theirs = (_facts([one for folder in folders for one in render(folder)]) for folders in (local, openshift))
    rows = [Difference(question, ours[question], theirs[question]) for question in ours]
    return Table(Difference, [row for row in rows if row.local != row.openshift])


def _facts(objects: list[Object]) -> dict[str, str]:
    """Return the answers that a set of objects gives."""
    return _model(objects) | _platform(objects)


def _model(objects: list[Object]) -> dict[str, str]:
    service = _only(objects, "InferenceService")
    predictor, server = service["spec"]["predictor"], _only(objects, "ServingRuntime")["spec"]["containers"][0]
    model = predictor["model"]
    resources = model.get("resources") or server["resources"]
    gpus = resources["limits"].get("nvidia.com/gpu")
    taints = [one["key"] for one in predictor.get("tolerations", [])]
    return {
        "which model": service["metadata"]["name"],
        "served by the image": server["image"],
        "weights from": model.get("storageUri", "the same image"),
        "GPUs for one copy": gpus or "none",
        "memory that one copy asks for": resources["requests"]["memory"],
        "nodes it may run on": f"also those tainted {', '.join(taints)}" if taints else "all without a taint",
        "a new version": {"RollingUpdate": "starts beside the old one", "Recreate": "starts when the old one is gone"}[
            predictor["deploymentStrategy"]["type"]
        ],
    }


def _platform(objects: list[Object]) -> dict[str, str]:
    gateway = next(one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "litellm")
    pod = gateway["spec"]["template"]["spec"]
    waits = [one["name"] for one in pod.get("initContainers", [])]
    route = next(one for one in objects if one["kind"] == "Route" and one["metadata"]["name"] == "litellm")
    policies = sum(one["kind"] == "NetworkPolicy" for one in objects)
    return {
        "the gateway's image": pod["containers"][0]["image"],
        "until the database is there": f"an init container waits: {waits[0]}" if waits else "the gateway tries again",
        "the way from outside": "HTTPS, ended at the router" if route["spec"].get("tls") else "HTTP on this machine",
        "who may call whom": f"said by {policies} NetworkPolicies" if policies else "said nowhere",
    }


def _only(objects: list[Object], kind: str) -> Object:
    [found] = [one for one in objects if one["kind"] == kind]
    return found


def diff(before: Path, after: Path) -> Text:
    """Render two overlays and return what the second one changes: lines with + are new, lines with - are gone.

    Args:
        before: a folder of manifests.
        after: another one.

    Raises:
        ManifestError: a folder cannot be rendered.
    """
    old, new = ([line for one in render(folder) for line in _lines(one)] for folder in (before, after))
    lines = difflib.unified_diff(old, new, before.name, after.name, lineterm="", n=1)
    return Text("\n".join(line for line in lines if not line.startswith("@@")) or "(nothing)")


def _lines(one: Object) -> list[str]:
    return ["---", *yaml.safe_dump(plain(one), sort_keys=False, allow_unicode=True, width=1000).splitlines()]
