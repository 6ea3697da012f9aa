"""Watch objects: what is there, then every change in order, as lines of JSON."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from maas_lab.local.kube import queries, tables
from maas_lab.local.kube.lifecycle import Target
from maas_lab.local.kube.selectors import Test
from maas_lab.local.kube.status import ApiError, Cause, invalid_named
from maas_lab.local.kube.store import ADDED, DELETED, MODIFIED, Change, Object, Store, dump

BOOKMARK_S = 60.0
LONGEST_S = 3600
PIECE = 65536  # bytes


@dataclass(frozen=True)
class Wanted:
    """What a watch is to tell.

    Attributes:
        since: resourceVersion to go on from; None to begin with what is there.
        bookmarks: whether the client takes notes of how far it is.
        initial_end: whether a bookmark marks the end of what was there.
        timeout_s: seconds until the watch ends.
    """

    target: Target
    test: Test
    form: tables.Form
    since: int | None
    bookmarks: bool
    initial_end: bool
    timeout_s: float


def wanted(target: Target, test: Test, form: tables.Form, query: Mapping[str, str]) -> Wanted:
    """Read what a watch is to tell from its query.

    Raises:
        ApiError: 422, the query contradicts itself.
    """
    initial = queries.boolean(query, "sendInitialEvents") if query.get("sendInitialEvents") else None
    match = query.get("resourceVersionMatch", "")
    if initial is not None and match != "NotOlderThan":
        told = "Forbidden: resourceVersionMatch is required when sendInitialEvents is set, and must be NotOlderThan"
        cause = Cause("resourceVersionMatch", "FieldValueForbidden", told)
        raise invalid_named(queries.META, "ListOptions", "", [cause])
    if initial is None and match:
        told = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        cause = Cause("resourceVersionMatch", "FieldValueForbidden", told)
        raise invalid_named(queries.META, "ListOptions", "", [cause])
    version = queries.version(query)
    from_start = initial if initial is not None else not version
    timeout = queries.integer(query, "timeoutSeconds") or random.randint(LONGEST_S // 2, LONGEST_S)
    bookmarks = queries.boolean(query, "allowWatchBookmarks")
    return Wanted(target, test, form, None if from_start else version, bookmarks, bool(initial), max(1, timeout))


class Watches:
    """All watches of one server, so that they can be ended when it stops."""

    def __init__(self, store: Store) -> None:
        self._store, self._open = store, set[asyncio.Event]()
        self._ended = False
        store.listeners.append(self._wake)

    def end(self) -> None:
        """End all watches; clients that still want to know open another."""
        self._ended = True
        self._wake()

    async def events(self, how: Wanted) -> AsyncIterator[bytes]:
        """Yield the lines of a watch until its time is over or the history it needs is forgotten."""
        lines, changed = Lines(how), asyncio.Event()
        self._open.add(changed)
        try:
            position = how.since or self._store.version
            if how.since is None:
                for line in self._first(how, lines):
                    yield line
            async for line in self._changes(how, lines, changed, position):
                yield line
        except ApiError as error:
            yield dump({"type": "ERROR", "object": error.status}) + b"\n"
        finally:
            self._open.discard(changed)

    def _wake(self, change: Change | None = None) -> None:
        for event in self._open:
            event.set()

    def _first(self, how: Wanted, lines: Lines) -> Iterator[bytes]:
        """Yield what is there."""
        version = self._store.version
        for _, obj, _ in self._store.list(how.target.kind, how.target.namespace):
            if how.test(obj):
                yield lines.line(ADDED, obj)
        if how.initial_end and how.bookmarks:
            yield lines.bookmark(version, end=True)

    async def _changes(self, how: Wanted, lines: Lines, changed: asyncio.Event, position: int) -> AsyncIterator[bytes]:
        """Yield changes as they come, and now and then a note of how far they go."""
        ends = asyncio.get_running_loop().time() + how.timeout_s
        while True:
            changed.clear()
            changes = list(self._store.since(position))
            for text in _pieces(lines, changes):
                yield text
            position = changes[-1].version if changes else position
            left = ends - asyncio.get_running_loop().time()
            if left <= 0 or self._ended:
                return
            if not await _happens(changed, min(left, BOOKMARK_S)) and how.bookmarks and left > BOOKMARK_S:
                position = max(position, self._store.version)
                yield lines.bookmark(position)


class Lines:
    """Writes changes as one watch is to see them."""

    def __init__(self, how: Wanted) -> None:
        self._how, self._kind = how, how.target.kind
        self._header = True

    def line(self, type_: str, obj: Object) -> bytes:
        """Return one event; the first row of a table brings the header."""
        shown = tables.one(self._kind, obj, self._how.form, header=self._header)
        self._header = False
        return dump({"type": type_, "object": shown}) + b"\n"

    def bookmark(self, version: int, *, end: bool = False) -> bytes:
        """Return a note of how far the watch is."""
        metadata: Object = {"resourceVersion": str(version)}
        if end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        if self._how.form.shape == tables.TABLE:
            obj = {"kind": tables.TABLE, "apiVersion": f"{tables.META}/{self._how.form.version}", "metadata": metadata}
            obj.update(columnDefinitions=None, rows=[])
        return dump({"type": "BOOKMARK", "object": obj}) + b"\n"

    def change(self, change: Change) -> bytes | None:
        """Return a change as seen through the selectors: an object can come into sight and leave it."""
        target, key = self._how.target, change.key
        if key.resource != self._kind.resource or (target.namespace and key.namespace != target.namespace):
            return None
        was = change.before is not None and self._how.test(change.before)
        fits = change.type != DELETED and self._how.test(change.object)
        if not was and not fits:
            return None
        type_ = MODIFIED if was and fits else ADDED if fits else DELETED
        if type_ != DELETED or change.type == DELETED:
            return self._whole(type_, change)
        last = {**change.before, "metadata": {**change.before["metadata"], "resourceVersion": str(change.version)}}
        return self.line(DELETED, last)

    def _whole(self, type_: str, change: Change) -> bytes:
        """Return an event, from the text that is kept where the object is shown whole."""
        if self._how.form.shape != tables.WHOLE:
            return self.line(type_, change.object)
        return b'{"type":"' + type_.encode() + b'","object":' + change.body + b"}\n"


def _pieces(lines: Lines, changes: list[Change]) -> Iterator[bytes]:
    """Yield the lines of changes, many at once where there are many."""
    text = b""
    for change in changes:
        text += lines.change(change) or b""
        if len(text) > PIECE:
            yield text
            text = b""
    if text:
        yield text


async def _happens(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for an event, and tell whether it came in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
