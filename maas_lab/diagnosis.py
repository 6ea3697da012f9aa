"""Why something is not ready: what its conditions, its pods, their events and their last words say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from maas_lab.api import Api
from maas_lab.errors import ClusterError, NotFound
from maas_lab.kinds import Ref, kind
from maas_lab.objects import KubeObject, event_rows, pod_reason, pod_row
from maas_lab.readiness import complaints, pod_labels, state
from maas_lab.tables import EventRow, Table, Text

_EVENTS, _LINES, _PODS = 3, 5, 3
_POD, _EVENT = kind("Pod"), kind("Event")


def diagnose(api: Api, refs: Iterable[Ref]) -> str:
    """Return why objects are not ready, several lines for each."""
    return "\n".join(line for ref in refs for line in _object(api, ref))


def pods_of(api: Api, body: KubeObject) -> list[KubeObject]:
    """Return the pods that belong to an object, or the pod itself."""
    if body["kind"] == "Pod":
        return [body]
    labels = pod_labels(body)
    return api.items(Ref(_POD, "", body["metadata"].get("namespace", "")), labels) if labels else []


def first_pod(api: Api, owner: Ref) -> Ref:
    """Return where the first pod of a workload is, by name; a pod is its own.

    Raises:
        NotFound: it has none.
    """
    if owner.kind == _POD:
        return owner
    pods = pods_of(api, api.get(owner))
    if not pods:
        raise NotFound(f"{owner} has no pod", hint=f"cluster.events(of={f'{owner.kind.name}/{owner.name}'!r})")
    return Ref(_POD, pods[0].name, owner.namespace)


def events(api: Api, namespace: str, of: Ref | None = None) -> Table[EventRow]:
    """Return the events of a namespace, or of one object, the oldest first."""
    # Events of objects that have no namespace are kept in `default`.
    place = Ref(_EVENT, "", namespace or "default")
    fields = f"involvedObject.kind={of.kind.name},involvedObject.name={of.name}" if of else None
    return event_rows(api.items(place, fields=fields))


def log(api: Api, pod: Ref, *, previous: bool = False, tail: int | None = None, container: str | None = None) -> Text:
    """Return what a container has written.

    Args:
        api: of the cluster.
        pod: where it runs.
        previous: of its last run, the one before its restart.
        tail: only so many lines from the end.
        container: its name; needed where a pod has several.
    """
    query = {"tailLines": tail, "container": container, "previous": "true" if previous else None}
    answer = api.connection.call("GET", api.path(pod, "log"), query=query, subject=f"log of {pod}")
    return Text(answer.body.decode(errors="replace"))


def _object(api: Api, ref: Ref) -> list[str]:
    try:
        body = api.find(ref)
        if body is None:
            return [f"{ref}: does not exist", *_warnings(api, ref)]
        lines = [f"{ref}: {state(body).text}", *(f"  {line}" for line in complaints(body)), *_warnings(api, ref)]
        sick = [pod for pod in pods_of(api, body) if not state(pod).ready]
        return lines + [line for pod in sick[:_PODS] for line in _pod(api, pod, is_told=pod is body)]
    except ClusterError as error:
        return [f"{ref}: {error.what}"]


def _pod(api: Api, pod: KubeObject, is_told: bool) -> list[str]:
    row, ref = pod_row(pod), Ref(_POD, pod.name, pod["metadata"].get("namespace", ""))
    words = ": ".join(filter(None, pod_reason(pod)))
    head = f"  pod {row.name} ({row.phase}, {row.ready} ready, {row.restarts} restarts)"
    lines = [head + (f" {words}" if words else "")]
    lines += [] if is_told else [f"  {line}" for line in _warnings(api, ref)]
    return lines + _last_words(api, ref, pod)


def _warnings(api: Api, ref: Ref) -> list[str]:
    rows = [row for row in events(api, ref.namespace, ref) if row.type == "Warning"]
    return [f"  event {row.reason}: {row.message}" for row in rows[-_EVENTS:]]


def _last_words(api: Api, ref: Ref, pod: Mapping[str, Any]) -> list[str]:
    """Return the last log lines of the container that is not ready; of its last run when it waits for the next."""
    states = (pod.get("status") or {}).get("containerStatuses") or []
    sick = next((one for one in states if not one.get("ready")), None)
    if sick is None:
        return []
    waits = bool((sick.get("state") or {}).get("waiting"))
    if waits and not sick.get("restartCount"):
        return []  # it has never run
    try:
        text = log(api, ref, previous=waits, tail=_LINES, container=sick.get("name"))
    except ClusterError as error:
        return [f"    its log cannot be read: {error.why or error.what}"]
    return [f"    log: {line}" for line in text.splitlines()]
