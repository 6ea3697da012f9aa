"""Take an Application's objects away with it, where its finalizer asks for that; else they stay."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.gitops import differences, identity
from maas_lab.local.gitops.identity import APPLICATION, SYNC_OPTIONS
from maas_lab.local.kube import deletion
from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.store import Object

FINALIZER = "resources-finalizer.argocd.argoproj.io"
POLICIES = {FINALIZER: "Foreground", f"{FINALIZER}/foreground": "Foreground", f"{FINALIZER}/background": "Background"}


class Removal:
    """Deletes what Applications leave, the last wave first.

    Args:
        objects: the objects of the cluster.
        client: writes Applications.
    """

    def __init__(self, objects: Objects, client: Client) -> None:
        self._objects, self._client = objects, client

    def step(self, app: Object, own: Iterable[tuple[Kind, Object]]) -> None:
        """Delete the objects of the highest wave that is still there, and when none is, let the Application go."""
        finalizers = app["metadata"].get("finalizers") or []
        policy = next((POLICIES[one] for one in finalizers if one in POLICIES), None)
        if policy is None:
            return
        left = [(kind, obj) for kind, obj in own if not _stays(obj)]
        if not left:
            kept = [one for one in finalizers if one not in POLICIES]
            self._client.update(APPLICATION, {**app, "metadata": {**app["metadata"], "finalizers": kept}})
            return
        last = max(identity.wave(obj) for _, obj in left)
        for kind, obj in left:
            if identity.wave(obj) == last and not obj["metadata"].get("deletionTimestamp"):
                how = deletion.DeleteOptions(policy=policy, uid=obj["metadata"]["uid"])
                deletion.delete(self._objects, differences.target_of(kind, obj), how)


def _stays(obj: Object) -> bool:
    told = identity.options(obj, SYNC_OPTIONS)
    return told.get("Delete") == "false"
