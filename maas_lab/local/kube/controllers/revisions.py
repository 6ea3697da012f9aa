"""The ReplicaSets of a Deployment as its history: which is the new one, how revisions are counted, what is kept."""

from __future__ import annotations

import copy

from maas_lab.local.kube.controllers import owners
from maas_lab.local.kube.controllers.client import DEPLOYMENT
from maas_lab.local.kube.controllers.common import status, template_hash
from maas_lab.local.kube.controllers.rollout import DESIRED, MOST, limits, wanted
from maas_lab.local.kube.store import Object

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = {LAST_APPLIED, REVISION, HISTORY, DESIRED, MOST, "deprecated.deployment.rollback.to"}
HASH = "pod-template-hash"


def split(deployment: Object, replica_sets: list[Object]) -> tuple[Object | None, list[Object]]:
    """Return the ReplicaSet that has the Deployment's template, the oldest of several, and the others."""
    by_age = sorted(replica_sets, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))
    template = _bare(deployment["spec"]["template"])
    new = next((one for one in by_age if _bare(one["spec"]["template"]) == template), None)
    return new, [one for one in by_age if one is not new]


def _bare(template: Object) -> Object:
    """Return a template without the label that only ReplicaSets add."""
    metadata = dict(template.get("metadata") or {})
    labels = {name: value for name, value in (metadata.pop("labels", None) or {}).items() if name != HASH}
    metadata.pop("creationTimestamp", None)
    return {**template, "metadata": {**metadata, "labels": labels}}


def revision(obj: Object | None) -> int:
    """Return the revision that an object carries, 0 without."""
    text = ((obj or {}).get("metadata", {}).get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def next_revision(old: list[Object]) -> int:
    """Return the number after the highest of the old ones."""
    return max(map(revision, old), default=0) + 1


def annotated(deployment: Object, replica_set: Object, number: int) -> Object:
    """Return the annotations of the new ReplicaSet: the Deployment's, and its place in the history."""
    had = dict(replica_set["metadata"].get("annotations") or {})
    given = deployment["metadata"].get("annotations") or {}
    found = {**had, **{name: value for name, value in given.items() if name not in NOT_COPIED}}
    before = revision(replica_set)
    if before < number:
        if before:
            found[HISTORY] = ",".join(filter(None, [had.get(HISTORY, ""), str(before)]))
        found[REVISION] = str(number)
    return found


def sized(deployment: Object) -> dict[str, str]:
    """Return the annotations that note for which size of the Deployment a ReplicaSet was set."""
    allowed = limits(deployment)
    return {DESIRED: str(allowed.replicas), MOST: str(allowed.replicas + allowed.surge)}


def new_replica_set(deployment: Object, number: int, replicas: int) -> Object:
    """Return the ReplicaSet for a Deployment's template."""
    template = copy.deepcopy(deployment["spec"]["template"])
    hashed = template_hash(template, status(deployment).get("collisionCount") or 0)
    labels = {**(template.setdefault("metadata", {}).get("labels") or {}), HASH: hashed}
    template["metadata"]["labels"] = labels
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: hashed}
    metadata = {
        "name": f"{deployment['metadata']['name']}-{hashed}",
        "namespace": deployment["metadata"]["namespace"],
        "labels": labels,
        "ownerReferences": [owners.reference(DEPLOYMENT, deployment)],
    }
    replica_set: Object = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata}
    metadata["annotations"] = {**annotated(deployment, replica_set, number), **sized(deployment)}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    if seconds := deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = seconds
    return {**replica_set, "spec": spec}


def beyond_limit(deployment: Object, old: list[Object]) -> list[Object]:
    """Return the empty old ReplicaSets that are more than the history may hold, oldest revision first."""
    empty = [one for one in old if not wanted(one) and _is_settled(one)]
    most = deployment["spec"].get("revisionHistoryLimit", 10)
    return sorted(empty, key=revision)[: max(0, len(empty) - most)]


def _is_settled(replica_set: Object) -> bool:
    seen, metadata = status(replica_set), replica_set["metadata"]
    is_seen = metadata["generation"] <= seen.get("observedGeneration", 0)
    return not seen.get("replicas") and is_seen and not metadata.get("deletionTimestamp")
