"""Tell how the platform on the local cluster is, in plain values: its pods' processes, and where it is reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from maas_lab.local.keeper import Keeper
from maas_lab.local.kube.controllers.client import CONFIG_MAP, INFERENCE_SERVICE, POD, ROUTE
from maas_lab.local.kube.controllers.common import is_ready, read_stamp, status
from maas_lab.local.kube.controllers.routes import admitted_host
from maas_lab.local.kube.store import Object, Store
from maas_lab.settings import FACTS

COMPONENT = "app.kubernetes.io/component"
ROUTED = ("portal", "gateway")


def rows(store: Store, namespace: str, log: Callable[[Object], Path | None]) -> list[dict[str, Any]]:
    """Return one row for each pod of a namespace.

    Args:
        store: the cluster's objects.
        namespace: of the platform.
        log: gives the file that a pod's first container writes to.
    """
    return [_row(pod, log) for _, pod, _ in store.list(POD, namespace)]


def _row(pod: Object, log: Callable[[Object], Path | None]) -> dict[str, Any]:
    metadata, told = pod["metadata"], next(iter(status(pod).get("containerStatuses") or ()), {})
    state = told.get("state") or {}
    running, waiting = state.get("running") or {}, state.get("waiting") or state.get("terminated") or {}
    return {
        "name": (metadata.get("labels") or {}).get(COMPONENT) or metadata["name"],
        "pod": metadata["name"],
        "ready": is_ready(pod),
        "pid": _pid(told) if running else None,
        "restarts": told.get("restartCount", 0),
        "started": read_stamp(running["startedAt"]).timestamp() if running else None,
        "reason": waiting.get("reason") or ("" if is_ready(pod) else _pending(pod)),
        "hint": waiting.get("message", ""),
        "log": str(log(pod) or ""),
    }


def network_row(forwarder: Keeper) -> dict[str, Any]:
    """Return the row of the process that leads Services and Routes to their pods."""
    state, pid = forwarder.state, forwarder.pid
    return {
        "name": forwarder.name,
        "pod": forwarder.name,
        "ready": forwarder.ready,
        "pid": pid,
        "restarts": forwarder.restarts,
        "started": state.started_at if pid else None,
        "reason": "" if pid else state.reason or "starting",
        "hint": state.message,
        "log": str(forwarder.log),
    }


def _pid(told: Object) -> int | None:
    number = told.get("containerID", "").rpartition("/")[2]
    return int(number) if number.isdigit() else None


def _pending(pod: Object) -> str:
    """Return why a pod without a container that runs is not ready: its place, or only that it starts."""
    for one in status(pod).get("conditions") or ():
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return one.get("message", "")
    return "starting"


def endpoints(store: Store, namespace: str) -> dict[str, str]:
    """Return where portal, gateway and model are reached, as far as they have an address yet."""
    facts = _facts(store, namespace)
    routes = {one: admitted_host(store.get(ROUTE, namespace, facts.get(f"{one}-route", ""))) for one in ROUTED}
    model = store.get(INFERENCE_SERVICE, namespace, facts.get("model", ""))
    address = (status(model).get("address") or {}).get("url", "") if model else ""
    found = {name: f"http://{host}" if host else "" for name, host in routes.items()} | {"model": address}
    return {name: url for name, url in found.items() if url}


def model(store: Store, namespace: str) -> str:
    """Return the name of the platform's model, empty before it is deployed."""
    return _facts(store, namespace).get("model", "")


def _facts(store: Store, namespace: str) -> dict[str, str]:
    return (store.get(CONFIG_MAP, namespace, FACTS) or {}).get("data") or {}
