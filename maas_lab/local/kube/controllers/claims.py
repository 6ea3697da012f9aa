"""PersistentVolumeClaim: bound at once to a folder that the kubelet makes when a pod first mounts it.

A bound claim has `spec.volumeName` (`pvc-` and its uid, from which the folder's name follows), the annotations
`pv.kubernetes.io/bind-completed` and `bound-by-controller`, and in its status the phase, the access modes and, as
capacity, what was asked for. No PersistentVolume is served.
"""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers.client import CLAIM, Client
from maas_lab.local.kube.controllers.common import status
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kube.store import DELETED, Change, Key, Object

BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
NONE_LEFT = "no persistent volumes available for this claim and no storage class is set"


class Claims:
    """Binds claims; one that insists on a volume made by hand, with the storage class "", waits for ever."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._events = Recorder(client, "persistentvolume-controller", clock)

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed claim."""
        if change.key.resource == CLAIM.resource and change.type != DELETED:
            yield change.key

    def reconcile(self, key: Key) -> float | None:
        """Bind a claim that is not bound yet."""
        claim = self._client.get(CLAIM, key.namespace, key.name)
        if claim is None or claim["metadata"].get("deletionTimestamp"):
            return None
        if status(claim).get("phase") == "Bound" and claim["spec"].get("volumeName"):
            return None
        if claim["spec"].get("storageClassName") == "":
            self._events.normal(claim, "FailedBinding", NONE_LEFT)
        else:
            self._bind(claim)
        return None

    def _bind(self, claim: Object) -> None:
        volume = claim["spec"].get("volumeName") or f"pvc-{claim['metadata']['uid']}"
        annotations = {**(claim["metadata"].get("annotations") or {}), **BOUND}
        metadata = {**claim["metadata"], "annotations": annotations}
        claim = self._client.update(
            CLAIM, {**claim, "metadata": metadata, "spec": {**claim["spec"], "volumeName": volume}}
        )
        told = {
            "phase": "Bound",
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        }
        claim = self._client.update_status(CLAIM, claim, told)
        self._events.normal(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {volume}")
