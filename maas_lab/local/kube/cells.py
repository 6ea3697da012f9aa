"""Work out what single cells of a table show, as kubectl users know them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from maas_lab.local.kube import quantities

Object = dict[str, Any]
NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def since(text: str | None) -> str:
    """Return how long ago a time was, in the short form of kubectl."""
    if not text:
        return UNKNOWN
    return duration(int((datetime.now(UTC) - moment(text)).total_seconds()))


def moment(text: str) -> datetime:
    """Return the time that an object carries."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def duration(seconds: int) -> str:
    """Return a duration in the two largest units that matter, as kubectl does."""
    seconds = max(0, seconds)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def value(obj: Object, path: str) -> Any:
    """Return the value at a path, None where there is none."""
    found: Any = obj
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def at(path: str, missing: Any = "") -> Callable[[Object], Any]:
    """Return a cell that shows the value at a path."""

    def cell(obj: Object) -> Any:
        found = value(obj, path)
        return missing if found is None else found

    return cell


def condition(type_: str) -> Callable[[Object], Any]:
    """Return a cell that shows the status of a condition."""

    def cell(obj: Object) -> Any:
        found = (obj.get("status") or {}).get("conditions") or []
        return next((one.get("status") for one in found if one.get("type") == type_), None)

    return cell


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"


def _containers(obj: Object) -> list[Object]:
    return obj["spec"].get("template", {}).get("spec", {}).get("containers") or []


def names(obj: Object) -> str:
    """Return the names of a workload's containers."""
    return ",".join(one.get("name", "") for one in _containers(obj))


def images(obj: Object) -> str:
    """Return the images of a workload's containers."""
    return ",".join(one.get("image", "") for one in _containers(obj))


def pairs(labels: dict[str, str] | None) -> str:
    """Return labels as `name=value`, sorted."""
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items())) or NONE


def ready(obj: Object) -> str:
    """Return how many of the wanted pods are ready."""
    return f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"


def pod_ready(obj: Object) -> str:
    """Return how many of a pod's containers are ready."""
    statuses = (obj.get("status") or {}).get("containerStatuses") or []
    return f"{sum(bool(one.get('ready')) for one in statuses)}/{len(obj['spec'].get('containers') or [])}"


def pod_status(obj: Object) -> str:
    """Return the one word that says how a pod is: the reason of what waits or has ended, else its phase."""
    status = obj.get("status") or {}
    word = status.get("reason") or status.get("phase") or "Unknown"
    for container in status.get("initContainerStatuses") or []:
        state = container.get("state") or {}
        if (state.get("terminated") or {}).get("exitCode") == 0 or container.get("started"):
            continue
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else "Init:0/1"
    running = False
    for container in reversed(status.get("containerStatuses") or []):
        state = container.get("state") or {}
        running = running or bool(container.get("ready") and "running" in state)
        stopped = state.get("waiting") or state.get("terminated")
        if stopped:
            word = stopped.get("reason") or f"ExitCode:{stopped.get('exitCode', 0)}"
    if word == "Completed" and running:
        word = "Running" if condition("Ready")(obj) == "True" else "NotReady"
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else word


def restarts(obj: Object) -> str:
    """Return how often a pod's containers were restarted, and when last."""
    statuses = (obj.get("status") or {}).get("containerStatuses") or []
    ended = [((one.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for one in statuses]
    count = sum(one.get("restartCount", 0) for one in statuses)
    last = max(filter(None, ended), default=None)
    return f"{count} ({since(last)} ago)" if count and last else str(count)


def used(resource: str) -> Callable[[Object], str]:
    """Return a cell that shows what the containers of a PodMetrics use together: `cpu` or `memory`."""

    def cell(obj: Object) -> str:
        total = sum(quantities.value(one["usage"][resource]) for one in obj["containers"])
        return quantities.canonical(f"{total / 1024:f}Ki" if resource == "memory" else f"{total:f}")

    return cell


def phase(obj: Object) -> str:
    """Return a claim's phase."""
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else at("status.phase")(obj)


def ports(obj: Object) -> str:
    """Return a Service's ports."""
    shown = []
    for port in obj["spec"].get("ports") or []:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or NONE


def endpoint_ports(obj: Object) -> str:
    """Return the ports of an EndpointSlice."""
    return _few([str(one.get("port") or one.get("name") or "*") for one in obj.get("ports") or ()])


def endpoint_addresses(obj: Object) -> str:
    """Return the addresses of an EndpointSlice."""
    return _few([address for one in obj.get("endpoints") or () for address in one["addresses"]])


def _few(found: list[str], most: int = 3) -> str:
    more = f" + {len(found) - most} more..." if len(found) > most else ""
    return ",".join(found[:most]) + more or UNSET


def external(obj: Object) -> str:
    """Return where a Service is reached from outside."""
    spec = obj["spec"]
    if spec.get("type") == "ExternalName":
        return spec.get("externalName", NONE)
    ingress = at("status.loadBalancer.ingress", [])(obj)
    found = [one.get("ip") or one.get("hostname", "") for one in ingress] + (spec.get("externalIPs") or [])
    return ",".join(found) or ("<pending>" if spec.get("type") == "LoadBalancer" else NONE)


def node_status(obj: Object) -> str:
    """Return how a node is."""
    ready = {"True": "Ready", "False": "NotReady"}.get(condition("Ready")(obj), "Unknown")
    return f"{ready},SchedulingDisabled" if obj.get("spec", {}).get("unschedulable") else ready


def roles(obj: Object) -> str:
    """Return a node's roles."""
    prefix = "node-role.kubernetes.io/"
    return ",".join(one.removeprefix(prefix) for one in obj["metadata"].get("labels") or {} if prefix in one) or NONE


def address(type_: str) -> Callable[[Object], str]:
    """Return a cell that shows an address of a node."""
    return lambda obj: next(
        (one["address"] for one in at("status.addresses", [])(obj) if one.get("type") == type_), NONE
    )


def modes(obj: Object) -> str:
    """Return access modes in short."""
    found = at("status.accessModes", [])(obj)
    return ",".join(MODES.get(one, one) for one in found)


def event_object(obj: Object) -> str:
    """Return what an event is about."""
    about = obj.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def event_time(*names: str) -> Callable[[Object], str]:
    """Return a cell that shows the first of some times of an event as an age."""
    return lambda obj: since(next((obj[name] for name in (*names, "eventTime") if obj.get(name)), None))


def event_source(obj: Object) -> str:
    """Return who reports an event."""
    source = obj.get("source") or {}
    parts = [source.get("component") or obj.get("reportingComponent", ""), source.get("host", "")]
    return ", ".join(filter(None, parts))


def first(path: str, name: str) -> Callable[[Object], Any]:
    """Return a cell that shows a member of the first element of a list."""

    def cell(obj: Object) -> Any:
        found = at(path, [])(obj)
        return found[0].get(name) if found and isinstance(found[0], dict) else None

    return cell


def traffic(name: str, told: Any, wanted: str) -> Callable[[Object], Any]:
    """Return a cell that shows what share of the traffic, or which revision, a predictor has."""
    rows = at("status.components.predictor.traffic", [])
    return lambda obj: next((one.get(wanted) for one in rows(obj) if one.get(name) == told), None)


def admitted(obj: Object) -> Any:
    """Return whether the router took a Route."""
    ingress = at("status.ingress", [])(obj)
    return condition("Admitted")({"status": ingress[0]}) if ingress else None


def annotations(obj: Object) -> dict[str, str]:
    """Return an object's annotations."""
    return obj["metadata"].get("annotations") or {}


def role(obj: Object) -> str:
    """Show the role that a binding gives."""
    return f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"


def subjects(kind: str) -> Callable[[Object], str]:
    """Return a cell that shows to whom of a kind a binding gives its role."""

    def cell(obj: Object) -> str:
        found = [one for one in obj.get("subjects") or () if one.get("kind") == kind]
        return ", ".join(_subject(one) for one in found)

    return cell


def _subject(subject: Object) -> str:
    return f"{subject['namespace']}/{subject['name']}" if subject.get("namespace") else subject["name"]
