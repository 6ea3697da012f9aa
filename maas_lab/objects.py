"""Kubernetes objects as dictionaries that are quiet when printed, and what a pod or an event says in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from maas_lab.tables import Bytes, EventRow, PodRow, PodUsage, Table

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Hidden(dict[str, str]):
    """The values of a Secret: there for whoever asks for one by its key, but never printed."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key!r}: …" for key in self) + "}"

    __str__ = __repr__


class KubeObject(dict[str, Any]):
    """An object as the cluster sent it, without the bookkeeping of field owners; it prints as one line.

    Attributes:
        managers: who has written fields of it, e.g. `maas-lab`, `argocd-controller`.
    """

    managers: tuple[str, ...] = ()

    @classmethod
    def of(cls, sent: Mapping[str, Any], kind: str = "", api_version: str = "") -> KubeObject:
        """Take an object; items of a list do not say their kind themselves."""
        body = cls({"apiVersion": api_version, "kind": kind} | dict(sent))
        meta = {name: value for name, value in (sent.get("metadata") or {}).items() if name != "managedFields"}
        if _LAST_APPLIED in (meta.get("annotations") or {}):
            # kubectl's copy of what was applied, a Secret's values among it.
            meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != _LAST_APPLIED}
        body["metadata"] = meta
        owners = (sent.get("metadata") or {}).get("managedFields") or []
        body.managers = tuple(sorted({one.get("manager", "") for one in owners}))
        if body["kind"] == "Secret":
            body.update({part: Hidden(body[part]) for part in ("data", "stringData") if body.get(part)})
        return body

    @property
    def name(self) -> str:
        """The object's name."""
        return self["metadata"].get("name", "")

    def __repr__(self) -> str:
        namespace = self["metadata"].get("namespace")
        return f"{self['kind']} {self.name}" + (f" in {namespace}" if namespace else "")

    __str__ = __repr__


def plain(value: Any) -> Any:
    """Return a copy made of plain dictionaries and lists, for printing as YAML; a Secret's values are replaced."""
    if isinstance(value, Hidden):
        return dict.fromkeys(value, "…")
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def pod_rows(pods: Iterable[Mapping[str, Any]]) -> Table[PodRow]:
    """Return one row per pod, by name."""
    return Table(PodRow, sorted(map(pod_row, pods), key=lambda row: row.name))


def pod_row(pod: Mapping[str, Any]) -> PodRow:
    """Read a pod into one line."""
    status, meta = pod.get("status") or {}, pod["metadata"]
    states = status.get("containerStatuses") or []
    total = len(pod.get("spec", {}).get("containers") or states)
    return PodRow(
        name=meta["name"],
        ready=f"{sum(bool(one.get('ready')) for one in states)}/{total}",
        phase="Terminating" if meta.get("deletionTimestamp") else status.get("phase") or "Pending",
        restarts=sum(one.get("restartCount", 0) for one in states),
        reason=pod_reason(pod)[0],
    )


def pod_reason(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a pod is not ready, in one word and in the cluster's words; both empty when all is well."""
    status = pod.get("status") or {}
    if status.get("reason"):  # of the pod as a whole, e.g. Evicted
        return status["reason"], status.get("message") or ""
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = one.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting:
            return waiting.get("reason") or "Waiting", waiting.get("message") or ""
        if ended and ended.get("exitCode"):
            return ended.get("reason") or "Error", ended.get("message") or f"exit code {ended['exitCode']}"
    for type_ in ("PodScheduled", "Ready"):
        found = condition(pod, type_)
        if found and found.get("status") == "False" and status.get("phase") != "Succeeded":
            return found.get("reason") or f"Not{type_}", found.get("message") or ""
    return "", ""


def usage_rows(metrics: Iterable[Mapping[str, Any]]) -> Table[PodUsage]:
    """Return one row per PodMetrics, by name; its containers are added up."""
    return Table(PodUsage, sorted(map(_usage_row, metrics), key=lambda row: row.name))


def _usage_row(metrics: Mapping[str, Any]) -> PodUsage:
    used = [one["usage"] for one in metrics["containers"]]
    memory, cores = (sum(parse_quantity(one.get(name, 0)) for one in used) for name in ("memory", "cpu"))
    return PodUsage(metrics["metadata"]["name"], Bytes(memory), round(float(cores), 3))


def condition(body: Mapping[str, Any], type_: str) -> Mapping[str, Any] | None:
    """Return the condition of a type from an object's status; None when it has none."""
    conditions = (body.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one.get("type") == type_), None)


def event_rows(events: Iterable[Mapping[str, Any]]) -> Table[EventRow]:
    """Return one row per event, the oldest first."""
    return Table(EventRow, [_event_row(event) for event in sorted(events, key=_when)])


def _event_row(event: Mapping[str, Any]) -> EventRow:
    about = event.get("involvedObject") or {}
    series = event.get("series") or {}
    return EventRow(
        type=event.get("type") or "Normal",
        reason=event.get("reason") or "",
        object=f"{about.get('kind', '')}/{about.get('name', '')}",
        count=event.get("count") or series.get("count") or 1,
        message=(event.get("message") or "").strip(),
    )


def _when(event: Mapping[str, Any]) -> tuple[str, int, str]:
    meta = event["metadata"]
    moment = event.get("lastTimestamp") or event.get("eventTime") or meta.get("creationTimestamp") or ""
    # Many events share a second: they are told apart by the order in which they were written.
    version = meta.get("resourceVersion") or "0"
    return moment[:19], int(version) if version.isdigit() else 0, meta.get("name") or ""
