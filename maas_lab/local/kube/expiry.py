"""Forget Events an hour after they were last written, as a real API server does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from maas_lab.local.kube.controllers.client import EVENT
from maas_lab.local.kube.controllers.work import Clock, Work, utc
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.store import DELETED, Change, Key, Object, Store

KEPT = timedelta(hours=1)


class Expiry:
    """Removes what nobody will look at any more; watches are told of it as of any other deletion."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield an Event that was written."""
        if change.key.resource == EVENT.resource and change.type != DELETED:
            yield change.key

    def reconcile(self, key: Key) -> float | None:
        """Remove an Event whose time is over, or return the seconds until then."""
        event = self._store.get(EVENT, key.namespace, key.name)
        if event is None:
            return None
        left = _written(event) + KEPT - self._clock()
        if left > timedelta():
            return left.total_seconds()
        self._store.remove(EVENT, event)
        return None


def start(objects: Objects, clock: Clock = utc) -> Work:
    """Return the work of forgetting; `run` it on the event loop that owns the store."""
    return Work(objects.store, [Expiry(objects.store, clock)], clock)


def _written(event: Object) -> datetime:
    """Return when an Event was last written."""
    metadata = event["metadata"]
    times = [metadata["creationTimestamp"], *(one.get("time") for one in metadata.get("managedFields") or ())]
    return max(datetime.fromisoformat(one.upper()) for one in times if one)
