"""Know which objects belong to which Application, and which to none, without looking through all of them each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from maas_lab.local.gitops import identity
from maas_lab.local.gitops.identity import Id
from maas_lab.local.gitops.projects import Project
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.store import ADDED, DELETED, MODIFIED, Change, Key, Object, Store

OWNERLESS = {kind.resource for kind in identity.stored_kinds()}


class Tracked:
    """The objects of all Applications; told of every change.

    Args:
        store: where the objects are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own: defaultdict[str, dict[Key, Kind]] = defaultdict(dict)
        self._wanted: defaultdict[Id, set[Key]] = defaultdict(set)
        self._wants: dict[Key, tuple[Id, ...]] = {}
        self._watched: dict[Key, str] = {}  # Applications to be told of orphans, and where

    def note(self, change: Change) -> set[Key]:
        """Take a change in, and return the Applications that it is about."""
        before = identity.tracked_by(change.before) if change.before else ""
        after = identity.tracked_by(change.object) if change.type != DELETED else ""
        if before != after and before:
            self._own[before].pop(change.key, None)
        if after:
            self._own[after][change.key] = identity.kind_of(change.object)
        found = {identity.application_key(name) for name in (before, after) if name}
        found |= self._wanted.get(identity.identify(change.object), set())
        if change.type != MODIFIED or before != after:
            found |= self._orphaned(change)
        return found

    def _orphaned(self, change: Change) -> set[Key]:
        if not self._watched or change.key.resource not in OWNERLESS:
            return set()
        return {app for app, namespace in self._watched.items() if namespace == change.key.namespace}

    def own(self, name: str) -> list[tuple[Kind, Key]]:
        """Return kind and key of what belongs to an Application."""
        return [(kind, key) for key, kind in self._own.get(name, {}).items()]

    def live(self, name: str) -> Iterator[tuple[Kind, Object]]:
        """Yield what belongs to an Application."""
        for kind, key in self.own(name):
            if (obj := self._store.get(kind, key.namespace, key.name)) is not None:
                yield kind, obj

    def want(self, app: Key, ids: Iterable[Id]) -> None:
        """Note what an Application has in Git; changes of it are about the Application, whoever it belongs to."""
        new = tuple(ids)
        if self._wants.get(app) == new:
            return
        for one in self._wants.pop(app, ()):
            self._wanted[one].discard(app)
        self._wants[app] = new
        for one in new:
            self._wanted[one].add(app)

    def forget(self, app: Key) -> None:
        """Forget an Application that is gone."""
        self.want(app, ())
        self._wants.pop(app)
        self._watched.pop(app, None)

    def orphans(self, app: Key, namespace: str, project: Project) -> list[Id]:
        """Return what is in a namespace and belongs to nobody, and let the Application be told when that changes."""
        if project.orphans is None or project.orphans.get("warn") is False:
            self._watched.pop(app, None)
            return []
        self._watched[app] = namespace
        found = []
        for kind in identity.stored_kinds():
            for _, obj, _ in self._store.list(kind, namespace):
                one = identity.identify(obj)
                owned = obj["metadata"].get("ownerReferences") or identity.tracked_by(obj) or self._wanted.get(one)
                if not owned and not project.ignores_orphan(one):
                    found.append(one)
        return found


def begin(store: Store) -> Tracked:
    """Return what is tracked among the objects that are there already."""
    tracked = Tracked(store)
    for key, obj in store.everything():
        tracked.note(Change(0, ADDED, key, obj, b"", None))
    return tracked
