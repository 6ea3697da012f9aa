"""The node: what this machine offers, told as a kubelet does."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path

import psutil

from maas_lab.local.images import Catalogue
from maas_lab.local.kube import discovery
from maas_lab.local.kube.controllers.client import NODE, Client
from maas_lab.local.kube.controllers.common import dated, status
from maas_lab.local.kube.store import Object
from maas_lab.local.kubelet.lookup import NODE_NAME
from maas_lab.settings import LOOPBACK

HEARTBEAT_S = 300.0
RESERVED = 100 * 2**20  # bytes of memory that a kubelet keeps free before it evicts pods
SLOT = "maas-lab.dev/gpu-slot"  # openly a simulation: no such device exists
WHAT_RUNS = "maas-lab/what-runs"  # an annotation that says what runs here under the names of images and other parts
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def report(client: Client, catalogue: Catalogue, home: Path, at: str) -> None:
    """Create or update the node."""
    node = _described(client, {WHAT_RUNS: json.dumps({name: one._asdict() for name, one in catalogue.told.items()})})
    capacity = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{psutil.virtual_memory().total // 1024}Ki",
        "ephemeral-storage": f"{shutil.disk_usage(home).total // 1024}Ki",
        "pods": "110",
        SLOT: "2",
    }
    told = {
        "capacity": capacity,
        "allocatable": {**capacity, "memory": f"{(psutil.virtual_memory().total - RESERVED) // 1024}Ki"},
        "conditions": [dated(_condition(at, *one), status(node)) for one in CONDITIONS],
        "addresses": [
            {"type": "InternalIP", "address": LOOPBACK},
            {"type": "Hostname", "address": NODE_NAME},
        ],
        "nodeInfo": _info(),
        "images": [{"names": [reference]} for reference in catalogue.references],
    }
    client.update_status(NODE, node, {**status(node), **told})


def _described(client: Client, annotations: dict[str, str]) -> Object:
    """Return the node with these annotations, created or changed where it lacks them."""
    node = client.get(NODE, "", NODE_NAME)
    if node is None:
        return client.create(NODE, {"metadata": {"name": NODE_NAME, "labels": _labels(), "annotations": annotations}})
    known = node["metadata"].get("annotations") or {}
    if known | annotations == known:
        return node
    return client.update(NODE, {**node, "metadata": {**node["metadata"], "annotations": known | annotations}})


def _condition(at: str, type_: str, value: str, reason: str, message: str) -> Object:
    told = {"type": type_, "status": value, "reason": reason, "message": message}
    return {**told, "lastHeartbeatTime": at, "lastTransitionTime": at}


def _labels() -> dict[str, str]:
    system = {"arch": _architecture(), "os": platform.system().lower()}
    labels = {
        f"{prefix}/{name}": value
        for name, value in system.items()
        for prefix in ("beta.kubernetes.io", "kubernetes.io")
    }
    return {**labels, "kubernetes.io/hostname": NODE_NAME}


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _info() -> Object:
    unknown = dict.fromkeys(("bootID", "machineID", "systemUUID", "kubeProxyVersion"), "")
    return {
        **unknown,
        "architecture": _architecture(),
        "containerRuntimeVersion": "process://1",
        "kernelVersion": platform.release(),
        "kubeletVersion": discovery.VERSION["gitVersion"],
        "operatingSystem": platform.system().lower(),
        "osImage": "processes of this machine (MaaS lab)",
    }
