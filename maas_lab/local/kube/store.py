"""Keep the objects: in memory to answer quickly, in SQLite so that nothing acknowledged is ever lost.

Every write takes the next number of one counter, the resourceVersion, and is committed before it is acknowledged;
the write-ahead log survives a killed process. The last writes are kept as history, so that watches and paged lists
can continue where they were. One thread, the event loop's, owns a store.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import ApiError, gone

Object = dict[str, Any]
ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
FULL = 503  # the code of a write for which there is no room
RECENT = 1000  # changes kept in memory
HISTORY = 10_000  # changes kept on disk
SCHEMA = """
create table if not exists objects (
    resource text, namespace text, name text, body blob not null, primary key (resource, namespace, name)
) without rowid;
create table if not exists history (
    version integer primary key, type text, resource text, namespace text, name text, body blob, before blob
);
"""


class Key(NamedTuple):
    """What names one object."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write.

    Attributes:
        version: its resourceVersion.
        type: `ADDED`, `MODIFIED` or `DELETED`.
        body: the object afterwards as JSON; of a deletion, its last state.
        before: the object before, None where there was none.
    """

    version: int
    type: str
    key: Key
    object: Object
    body: bytes
    before: Object | None


def dump(obj: Any) -> bytes:
    """Return an object as JSON text."""
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode()


def key_of(kind: Kind, obj: Object) -> Key:
    """Return the key of an object."""
    metadata = obj["metadata"]
    return Key(kind.resource, metadata.get("namespace", ""), metadata["name"])


class Store:
    """All objects of one cluster; what it hands out must not be changed.

    Args:
        path: the SQLite file; made if it does not exist.

    Attributes:
        version: the resourceVersion of the last write.
        listeners: called with each change after it is kept; controllers and watches hang on here.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=wal", "synchronous=normal"):
            self._db.execute(f"pragma {pragma}")
        self._db.executescript(SCHEMA)
        self._objects: dict[str, dict[Key, tuple[Object, bytes]]] = {}
        self._keys: dict[str, Key] = {}
        for resource, namespace, name, body in self._db.execute("select * from objects"):
            self._remember(Key(resource, namespace, name), json.loads(body), body)
        rows = self._db.execute("select * from history order by version desc limit ?", [RECENT]).fetchall()
        self._recent = deque((_change(row) for row in reversed(rows)), maxlen=RECENT)
        self.version = self._recent[-1].version if self._recent else 1
        self._oldest = self._db.execute("select min(version) from history").fetchone()[0] or self.version + 1
        self.listeners: list[Callable[[Change], None]] = []

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        found = self._objects.get(kind.resource, {}).get(Key(kind.resource, namespace, name))
        return found[0] if found else None

    def owner(self, uid: str) -> Key | None:
        """Return the key of the object with this uid, or None."""
        return self._keys.get(uid)

    def list(self, kind: Kind, namespace: str = "", at: int | None = None) -> list[tuple[Key, Object, bytes]]:
        """Return the objects of a kind, ordered by namespace and name.

        Args:
            kind: of which kind.
            namespace: "" for all.
            at: as they were at this resourceVersion.

        Raises:
            ApiError: 410, that version is forgotten.
        """
        found = dict(self._objects.get(kind.resource, {}))
        if at is not None and at < self.version:
            for change in reversed(list(self.since(at))):
                if change.key.resource == kind.resource:
                    _undo(found, change)
        return [(key, *found[key]) for key in sorted(found) if not namespace or key.namespace == namespace]

    def everything(self) -> Iterator[tuple[Key, Object]]:
        """Yield all objects of all kinds."""
        for objects in list(self._objects.values()):
            for key, (obj, _) in list(objects.items()):
                yield key, obj

    def put(self, kind: Kind, obj: Object) -> Object:
        """Keep an object under the next resourceVersion and return it with that."""
        key = key_of(kind, obj)
        before = self._objects.get(kind.resource, {}).get(key)
        kept, body = self._numbered(obj)
        write = ("replace into objects values (?, ?, ?, ?)", (*key, body))
        type_ = MODIFIED if before else ADDED
        self._commit(Change(self.version + 1, type_, key, kept, body, before and before[0]), write)
        return kept

    def remove(self, kind: Kind, obj: Object) -> Object:
        """Forget an object and return its last state under the next resourceVersion."""
        key = key_of(kind, obj)
        before = self._objects[kind.resource][key][0]
        last, body = self._numbered(obj)
        write = ("delete from objects where resource = ? and namespace = ? and name = ?", tuple(key))
        self._commit(Change(self.version + 1, DELETED, key, last, body, before), write)
        return last

    def since(self, version: int) -> Iterator[Change]:
        """Yield the changes after a resourceVersion.

        Raises:
            ApiError: 410, they are not all remembered.
        """
        if version + 1 < self._oldest:
            raise gone(f"too old resource version: {version} ({self._oldest - 1})")
        first = self._recent[0].version if self._recent else self.version + 1
        if version + 1 < first:
            rows = self._db.execute("select * from history where version > ? and version < ?", [version, first])
            yield from map(_change, rows.fetchall())
        yield from list(islice(self._recent, max(0, version + 1 - first), None))

    def _numbered(self, obj: Object) -> tuple[Object, bytes]:
        kept = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version + 1)}}
        return kept, dump(kept)

    def _commit(self, change: Change, write: tuple[str, tuple]) -> None:
        """Write to disk, and only then to memory."""
        before = dump(change.before) if change.before is not None else None
        row = (change.version, change.type, *change.key, change.body, before)
        prunes = change.version % 500 == 0
        try:
            with self._db:
                self._db.execute("begin immediate")
                self._db.execute(*write)
                self._db.execute("insert into history values (?, ?, ?, ?, ?, ?, ?)", row)
                if prunes:
                    self._db.execute("delete from history where version <= ?", [change.version - HISTORY])
        except sqlite3.OperationalError as error:
            told = f"the lab's store cannot be written ({error}); nothing was changed: is the disk full?"
            raise ApiError(FULL, "ServiceUnavailable", told) from error
        self.version = change.version
        if prunes:
            self._oldest = max(self._oldest, change.version - HISTORY + 1)
        if change.type == DELETED:
            self._objects[change.key.resource].pop(change.key)
            self._keys.pop(change.object["metadata"]["uid"], None)
        else:
            self._remember(change.key, change.object, change.body)
        self._recent.append(change)
        for listener in list(self.listeners):
            listener(change)

    def _remember(self, key: Key, obj: Object, body: bytes) -> None:
        self._objects.setdefault(key.resource, {})[key] = (obj, body)
        self._keys[obj["metadata"]["uid"]] = key


def _change(row: tuple) -> Change:
    version, kind, resource, namespace, name, body, before = row
    key = Key(resource, namespace, name)
    return Change(version, kind, key, json.loads(body), body, json.loads(before) if before else None)


def _undo(found: dict[Key, tuple[Object, bytes]], change: Change) -> None:
    if change.before is None:
        found.pop(change.key, None)
    else:
        found[change.key] = (change.before, dump(change.before))
