"""Write as a controller does: through the same steps as every other client of the API, under a manager's name."""

from __future__ import annotations

from typing import Any

from maas_lab.local.kube import deletion
from maas_lab.local.kube.kinds import Kind, of
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.store import Object

CLAIM, CONFIG_MAP, EVENT, NAMESPACE, NODE, POD, SECRET, SERVICE = (
    of("v1", kind)
    for kind in ("PersistentVolumeClaim", "ConfigMap", "Event", "Namespace", "Node", "Pod", "Secret", "Service")
)
DEPLOYMENT, REPLICA_SET, STATEFUL_SET = (of("apps/v1", kind) for kind in ("Deployment", "ReplicaSet", "StatefulSet"))
JOB = of("batch/v1", "Job")
ENDPOINT_SLICE = of("discovery.k8s.io/v1", "EndpointSlice")
ROUTE = of("route.openshift.io/v1", "Route")
INFERENCE_SERVICE = of("serving.kserve.io/v1beta1", "InferenceService")
SERVING_RUNTIME = of("serving.kserve.io/v1alpha1", "ServingRuntime")


class Client:
    """Reads and writes objects as one manager.

    Args:
        objects: the writes of the API.
        manager: the name under which managedFields note what is set.
    """

    def __init__(self, objects: Objects, manager: str) -> None:
        self._objects, self._store = objects, objects.store
        self._options = WriteOptions(field_validation="Ignore", manager=manager)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, or None; it must not be changed."""
        return self._store.get(kind, namespace, name)

    def list(self, kind: Kind, namespace: str = "") -> list[Object]:
        """Return the objects of a kind; they must not be changed."""
        return [obj for _, obj, _ in self._store.list(kind, namespace)]

    def create(self, kind: Kind, obj: Object) -> Object:
        """Create an object and return it as it is kept.

        Raises:
            ApiError: it is not valid, exists already, or its namespace is ending.
        """
        return self._objects.create(Target(kind, obj["metadata"].get("namespace", "")), obj, self._options).object

    def update(self, kind: Kind, obj: Object) -> Object:
        """Replace an object and return it as it is kept.

        Raises:
            ApiError: it is not valid, gone, or has been modified since it was read.
        """
        return self._objects.update(_target(kind, obj), obj, self._options).object

    def update_status(self, kind: Kind, obj: Object, status: Object) -> Object:
        """Report a status and return the object as it is kept; the same status again writes nothing.

        Raises:
            ApiError: the object is gone or has been modified since it was read.
        """
        known = self._objects.rules.decode(kind, {"metadata": {}, "status": status}, "Ignore")[0]
        if (obj.get("status") or {}) == (known.get("status") or {}):
            return obj
        return self._objects.update(_target(kind, obj, "status"), {**obj, "status": status}, self._options).object

    def bind(self, pod: Object, node: str, condition: Object) -> Object:
        """Give a pod to a node, as the subresource `binding` does: nobody becomes the manager of `nodeName`."""
        kept = [one for one in _conditions(pod) if one["type"] != condition["type"]]
        status = {**(pod.get("status") or {}), "conditions": [*kept, condition]}
        spec = {**pod["spec"], "nodeName": node}
        return self._objects.change(POD, pod, lambda old: {**old, "spec": spec, "status": status})

    def delete(self, kind: Kind, obj: Object, policy: str = "Background") -> None:
        """Delete this very object, and what it owns as the policy says.

        Raises:
            ApiError: it is gone.
        """
        how = deletion.DeleteOptions(policy=policy, uid=obj["metadata"]["uid"])
        deletion.delete(self._objects, _target(kind, obj), how)


def _target(kind: Kind, obj: Object, part: str = "") -> Target:
    return Target(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], part)


def _conditions(obj: Object) -> list[dict[str, Any]]:
    return (obj.get("status") or {}).get("conditions") or []
