"""Record Events as the clients of a real control plane do: repetitions are counted, similar ones combined."""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import datetime

from maas_lab.local.kube.controllers.client import EVENT, Client
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import stamp

MOST_SIMILAR = 10  # the tenth message of one kind within the interval is the first that is combined
SIMILAR_S = 600
REMEMBERED = 4096
COMBINED = "(combined from similar events): "


class Recorder:
    """Tells what happens to objects.

    Args:
        component: who tells, e.g. `deployment-controller`.
        host: the node on which it runs, of a kubelet.
    """

    def __init__(self, client: Client, component: str, clock: Clock, host: str = "") -> None:
        self._client, self._component, self._clock, self._host = client, component, clock, host
        self._written: OrderedDict[tuple, str] = OrderedDict()
        self._similar: OrderedDict[tuple, tuple[set[str], datetime]] = OrderedDict()

    def normal(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        """Tell that something went as it should, with a part of the object where it is about that."""
        self._tell(obj, "Normal", reason, message, field)

    def warning(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        """Tell that something did not go as it should."""
        self._tell(obj, "Warning", reason, message, field)

    def _tell(self, obj: Object, type_: str, reason: str, message: str, field: str) -> None:
        similar = (obj["metadata"]["uid"], field, type_, reason)
        combined = self._is_one_too_many(similar, message)
        key = (*similar, COMBINED if combined else message)
        told = COMBINED + message if combined else message
        if not self._count(obj, key, told):
            self._write(obj, key, self._event(obj, type_, reason, told, field))

    def _is_one_too_many(self, similar: tuple, message: str) -> bool:
        messages, last = self._similar.get(similar, (set(), self._clock()))
        if (self._clock() - last).total_seconds() > SIMILAR_S:
            messages = set()
        messages.add(message)
        _remember(self._similar, similar, (messages, self._clock()))
        if len(messages) < MOST_SIMILAR:
            return False
        messages.discard(message)
        return True

    def _count(self, obj: Object, key: tuple, message: str) -> bool:
        """Count an event that was written before, and tell whether there was one."""
        namespace = obj["metadata"].get("namespace", "default")
        name = self._written.get(key)
        event = self._client.get(EVENT, namespace, name) if name else None
        if event is None:
            return False
        count = event.get("count", 1) + 1
        seen = {"count": count, "lastTimestamp": stamp(self._clock()), "message": message}
        self._client.update(EVENT, {**event, **seen})
        return True

    def _write(self, obj: Object, key: tuple, event: Object) -> None:
        """Write an event; one that nobody takes, as in a namespace that is ending, is let go, as really."""
        try:
            self._client.create(EVENT, event)
        except ApiError as error:
            if error.code not in (403, 404):
                raise
            return
        _remember(self._written, key, event["metadata"]["name"])

    def _event(self, obj: Object, type_: str, reason: str, message: str, field: str) -> Object:
        at = stamp(self._clock())
        head = _head(obj)
        about = {**head["involvedObject"], **({"fieldPath": field} if field else {})}
        return {
            **head,
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "type": type_,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }


class SchedulerRecorder(Recorder):
    """Records as the scheduler does, in the newer form: one time, an action, no count."""

    def told(self, obj: Object, type_: str, reason: str, action: str, message: str) -> None:
        """Tell what was done with a pod."""
        event = {
            **_head(obj),
            "reason": reason,
            "message": message,
            "source": {},
            "type": type_,
            "eventTime": self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "action": action,
            "reportingComponent": self._component,
            "reportingInstance": f"{self._component}-local",
        }
        self._write(obj, (obj["metadata"]["uid"], type_, reason, message), event)


def _remember(memory: OrderedDict, key: tuple, what: object) -> None:
    """Note something, and forget the oldest of too many."""
    memory[key] = what
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _head(obj: Object) -> Object:
    metadata = obj["metadata"]
    about = {"kind": obj["kind"], "apiVersion": obj["apiVersion"]}
    named = {name: metadata[name] for name in ("namespace", "name", "uid", "resourceVersion") if name in metadata}
    name = f"{metadata['name']}.{time.time_ns():x}"
    return {
        "metadata": {"name": name, "namespace": metadata.get("namespace", "default")},
        "involvedObject": {**about, **named},
    }
