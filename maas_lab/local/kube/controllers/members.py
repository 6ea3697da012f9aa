"""The members of a StatefulSet: their numbers, names, volumes and what tells an old one from a new one. Pure."""

from __future__ import annotations

import copy
import re

from maas_lab.local.kube.controllers import pods
from maas_lab.local.kube.controllers.client import STATEFUL_SET
from maas_lab.local.kube.controllers.common import template_hash
from maas_lab.local.kube.store import Object

REVISION = "controller-revision-hash"


def numbers(stateful_set: Object) -> range:
    """Return the numbers that a set's members have."""
    first = (stateful_set["spec"].get("ordinals") or {}).get("start", 0)
    return range(first, first + stateful_set["spec"].get("replicas", 1))


def name(stateful_set: Object, number: int) -> str:
    """Return the name of a member."""
    return f"{stateful_set['metadata']['name']}-{number}"


def number(stateful_set: Object, pod: Object) -> int | None:
    """Return the number of a pod, None if its name is not that of a member."""
    found = re.fullmatch(rf"{re.escape(stateful_set['metadata']['name'])}-(\d+)", pod["metadata"]["name"])
    return int(found[1]) if found else None


def revision(stateful_set: Object) -> str:
    """Return the name of the present template's revision."""
    return f"{stateful_set['metadata']['name']}-{template_hash(stateful_set['spec']['template'])}"


def revision_of(pod: Object) -> str:
    """Return the revision that a pod was made from."""
    return (pod["metadata"].get("labels") or {}).get(REVISION, "")


def claims(stateful_set: Object, number: int) -> list[Object]:
    """Return the claims of a member; they outlive it."""
    found = []
    labels = stateful_set["spec"]["selector"].get("matchLabels") or {}
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        given = template["metadata"]
        metadata = {
            "name": _claim_name(stateful_set, template, number),
            "namespace": stateful_set["metadata"]["namespace"],
            "labels": {**(given.get("labels") or {}), **labels},
        }
        if given.get("annotations"):
            metadata["annotations"] = given["annotations"]
        spec = copy.deepcopy(template["spec"])
        found.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    return found


def _claim_name(stateful_set: Object, template: Object, number: int) -> str:
    return f"{template['metadata']['name']}-{name(stateful_set, number)}"


def pod(stateful_set: Object, number: int) -> Object:
    """Return a member as it is created."""
    made = pods.from_template(STATEFUL_SET, stateful_set)
    metadata, spec = made["metadata"], made["spec"]
    metadata["name"] = spec["hostname"] = name(stateful_set, number)
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        "apps.kubernetes.io/pod-index": str(number),
        REVISION: revision(stateful_set),
        "statefulset.kubernetes.io/pod-name": metadata["name"],
    }
    if service := stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = service
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    own = [{"name": one["metadata"]["name"], **_source(stateful_set, one, number)} for one in templates]
    names = {one["name"] for one in own}
    kept = [one for one in spec.get("volumes") or () if one["name"] not in names]
    if own or kept:
        spec["volumes"] = [*own, *kept]
    return made


def _source(stateful_set: Object, template: Object, number: int) -> Object:
    return {"persistentVolumeClaim": {"claimName": _claim_name(stateful_set, template, number)}}
