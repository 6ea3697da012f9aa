"""Clear away what depends on something that is gone: namespaces with their content, and owned objects.

This is the first of the controllers, and shows how the others hang on: it listens to the store, notes what has
changed, and works on it in the event loop, one object at a time, until the world is as it should be.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict

from maas_lab.local.kube import deletion
from maas_lab.local.kube.kinds import KINDS, Kind
from maas_lab.local.kube.lifecycle import NAMESPACE, Objects, Target
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import ADDED, DELETED, FULL, MODIFIED, Change, Key, Object
from maas_lab.local.kube.strategy import PVC_PROTECTION
from maas_lab.local.kube.texts import now

STORED = {kind.resource: kind for kind in KINDS if kind.stored}
BACKGROUND = deletion.DeleteOptions(policy="Background")
EMPTIED = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
)
PAUSE_S = 1  # between two tries while the disk is full
log = logging.getLogger(__name__)


class Collector:
    """Deletes what nobody needs any more."""

    def __init__(self, objects: Objects) -> None:
        self._objects, self._store = objects, objects.store
        self._changed: asyncio.Queue[Change] = asyncio.Queue()
        self._owned: defaultdict[str, dict[Key, None]] = defaultdict(dict)  # what an owner's uid is named by
        self._inside: Counter[str] = Counter()  # how many objects a namespace has
        for key, obj in self._store.everything():
            self._index(Change(0, ADDED, key, obj, b"", None))
        self._store.listeners.append(self._note)

    async def run(self) -> None:
        """Work until cancelled; first on what an earlier run has left undone."""
        for key, obj in list(self._store.everything()):
            self._changed.put_nowait(Change(0, MODIFIED, key, obj, b"", None))
        while True:
            change = await self._changed.get()
            if not self._attempt(change.key, change.object, gone=change.type == DELETED):
                self._changed.put_nowait(change)
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(0)

    def _note(self, change: Change) -> None:
        self._index(change)
        self._changed.put_nowait(change)

    def _index(self, change: Change) -> None:
        for one in _owners(change.before):
            self._owned[one["uid"]].pop(change.key, None)
            if not self._owned[one["uid"]]:
                del self._owned[one["uid"]]
        if change.type != DELETED:
            for one in _owners(change.object):
                self._owned[one["uid"]][change.key] = None
        self._inside[change.key.namespace] += {ADDED: 1, DELETED: -1}.get(change.type, 0)
        if not self._inside[change.key.namespace]:
            del self._inside[change.key.namespace]

    def _attempt(self, key: Key, obj: Object, *, gone: bool) -> bool:
        """Do what one change asks for, and tell whether that is over; a store that is full is worth another try."""
        try:
            self._work(key, obj, gone=gone)
        except ApiError as error:
            log.warning("clearing up after %s/%s: %s", key.resource, key.name, error)
            return error.code != FULL
        except Exception:
            log.exception("clearing up after %s/%s: a bug", key.resource, key.name)
        return True

    def _work(self, key: Key, obj: Object, *, gone: bool) -> None:
        if gone:
            self._release_dependents(obj["metadata"]["uid"])
            self._finish_owners(obj)
            self._finish_namespace(key.namespace)
            if key.resource == "pods":
                self._release_claims(key.namespace)
            return
        if self._store.owner(obj["metadata"]["uid"]) is None:
            return  # it is gone by now, and one of the same name, if there is one, goes on
        self._collect(key, obj)
        if not obj["metadata"].get("deletionTimestamp"):
            return
        if key.resource == NAMESPACE.resource:
            self._empty(key.name)
        self._finalize(key)
        self._finish_namespace(key.namespace)

    def _collect(self, key: Key, obj: Object) -> None:
        """Delete an object of which every owner is gone."""
        owners = _owners(obj)
        if owners and not any(self._store.owner(one["uid"]) for one in owners):
            self._delete(key)

    def _delete(self, key: Key, how: deletion.DeleteOptions = BACKGROUND) -> None:
        kind = STORED[key.resource]
        current = self._store.get(kind, key.namespace, key.name)
        if current is not None and not current["metadata"].get("deletionTimestamp"):
            deletion.delete(self._objects, Target(kind, key.namespace, key.name), how)

    def _dependents(self, uid: str) -> list[tuple[Key, Object]]:
        found = [
            (key, self._store.get(STORED[key.resource], key.namespace, key.name)) for key in self._owned.get(uid, ())
        ]
        return [(key, obj) for key, obj in found if obj is not None]

    def _release_dependents(self, uid: str) -> None:
        for key, obj in self._dependents(uid):
            self._collect(key, obj)

    def _finish_owners(self, obj: Object) -> None:
        for one in _owners(obj):
            if owner := self._store.owner(one["uid"]):
                self._finalize(owner)

    def _finalize(self, key: Key) -> None:
        """Do what the finalizers of the cluster itself stand for."""
        kind = STORED[key.resource]
        obj = self._store.get(kind, key.namespace, key.name)
        if obj is None or not obj["metadata"].get("deletionTimestamp"):
            return
        finalizers = obj["metadata"].get("finalizers") or []
        if deletion.ORPHAN in finalizers:
            self._orphan(obj)
            self._without(kind, obj, deletion.ORPHAN)
        elif deletion.FOREGROUND in finalizers and not self._delete_in_foreground(obj):
            self._without(kind, obj, deletion.FOREGROUND)
        elif PVC_PROTECTION in finalizers and not self._is_used(key):
            self._without(kind, obj, PVC_PROTECTION)

    def _orphan(self, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        for key, obj in self._dependents(uid):
            left = [one for one in obj["metadata"]["ownerReferences"] if one["uid"] != uid]
            metadata = {name: value for name, value in obj["metadata"].items() if name != "ownerReferences"}
            if left:
                metadata["ownerReferences"] = left
            self._store.put(STORED[key.resource], {**obj, "metadata": metadata})

    def _delete_in_foreground(self, owner: Object) -> bool:
        """Delete what an object owns, and tell whether some of it is still there and blocks."""
        uid = owner["metadata"]["uid"]
        for key, _ in self._dependents(uid):
            self._delete(key, deletion.DeleteOptions(policy="Foreground"))
        left = [one for _, obj in self._dependents(uid) for one in obj["metadata"]["ownerReferences"]]
        return any(one["uid"] == uid and one.get("blockOwnerDeletion") for one in left)

    def _without(self, kind: Kind, obj: Object, finalizer: str) -> None:
        left = [one for one in obj["metadata"]["finalizers"] if one != finalizer]
        metadata = {name: value for name, value in obj["metadata"].items() if name != "finalizers"}
        if left:
            self._store.put(kind, {**obj, "metadata": {**metadata, "finalizers": left}})
        else:
            self._store.remove(kind, {**obj, "metadata": metadata})

    def _is_used(self, claim: Key) -> bool:
        """Tell whether a pod uses a claim; one without a node does not, and gets none while the claim is going."""
        pods = [pod for _, pod, _ in self._store.list(STORED["pods"], claim.namespace) if pod["spec"].get("nodeName")]
        volumes = [volume for pod in pods for volume in pod["spec"].get("volumes") or ()]
        return any((one.get("persistentVolumeClaim") or {}).get("claimName") == claim.name for one in volumes)

    def _release_claims(self, namespace: str) -> None:
        for key, _, _ in self._store.list(STORED["persistentvolumeclaims"], namespace):
            self._finalize(key)

    def _empty(self, namespace: str) -> None:
        """Delete everything in a namespace that is being deleted."""
        for key in [key for key, _ in self._store.everything() if key.namespace == namespace]:
            self._delete(key)
        self._finish_namespace(namespace)

    def _finish_namespace(self, name: str) -> None:
        """Remove a namespace that is being deleted and is empty."""
        namespace = self._store.get(NAMESPACE, "", name) if name else None
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return
        if self._inside[name]:
            return
        if not (namespace.get("spec") or {}).get("finalizers"):
            return
        at = now()
        conditions = [
            {"type": type_, "status": "False", "lastTransitionTime": at, "reason": reason, "message": message}
            for type_, reason, message in EMPTIED
        ]
        emptied = {**namespace, "status": {**namespace["status"], "conditions": conditions}}
        emptied = {**self._store.put(NAMESPACE, emptied), "spec": {}}
        if emptied["metadata"].get("finalizers"):
            self._store.put(NAMESPACE, emptied)
        else:
            self._store.remove(NAMESPACE, emptied)


def _owners(obj: Object | None) -> list[Object]:
    return (obj["metadata"].get("ownerReferences") if obj else None) or []
