"""What a cohort is on a cluster: an indexed Job, a pod for each learner, ConfigMaps with what they handed in. Pure."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maas_lab import manifests
from maas_lab.grading import carried
from maas_lab.grading.submissions import Submission

TEMPLATE = Path(__file__).parents[2] / "manifests" / "grading" / "job.yaml"
NAMESPACE = "maas-lab-grading"
MEMBERS = "maas-lab/learners"  # the annotation that says who is graded under which index
INDEX = "batch.kubernetes.io/job-completion-index"
MOST = 50  # learners of one Job: each node keeps all their submissions while it runs a pod of it
AT_ONCE = 4

Member = tuple[str, str]  # a learner, and what they handed in to which workbook
Object = dict[str, Any]


def job(members: Sequence[Member], at_once: int) -> Object:
    """Return the Job of some learners, suspended until their submissions are there.

    Args:
        members: in the order of their indexes.
        at_once: pods at the same time.
    """
    (body,) = copy.deepcopy(manifests.read(TEMPLATE))
    told = json.dumps(members)
    name = f"grade-{hashlib.sha256(told.encode()).hexdigest()[:10]}"
    body["metadata"] |= {"name": name, "annotations": {MEMBERS: told}}
    spec = body["spec"]
    spec |= {"completions": len(members), "parallelism": min(at_once, len(members))}
    return body


def with_submissions(body: Object, config_maps: Sequence[Object]) -> Object:
    """Return a Job whose pods see the ConfigMaps, each those of its own learner."""
    found = copy.deepcopy(body)
    (volume,) = (one for one in found["spec"]["template"]["spec"]["volumes"] if one["name"] == "submissions")
    volume["projected"] = {"sources": [_source(one["metadata"]["name"]) for one in config_maps]}
    return found


def _source(name: str) -> Object:
    index, part = name.split("-")[-2:]
    return {"configMap": {"name": name, "items": [{"key": "part", "path": f"{index}/{part}"}]}}


def config_maps(body: Object, found: Sequence[Submission]) -> list[Object]:
    """Return the ConfigMaps with what some learners handed in, in the order of their indexes."""
    made = []
    for index, one in enumerate(found):
        files = {f"{one.learner}/{path.name}": path.read_bytes() for path in one.files.values()}
        for number, part in enumerate(carried.parts(carried.packed(files))):
            name = f"{body['metadata']['name']}-{index}-{number:04}"
            metadata = {"name": name, "namespace": body["metadata"]["namespace"], "labels": body["metadata"]["labels"]}
            data = {"part": base64.b64encode(part).decode()}
            made.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data})
    return made


def owned(config_map: Object, job: Mapping[str, Any]) -> Object:
    """Return a ConfigMap that goes with its Job."""
    owner = {"apiVersion": job["apiVersion"], "kind": job["kind"], "name": job["metadata"]["name"]}
    reference = {**owner, "uid": job["metadata"]["uid"]}
    return {**config_map, "metadata": {**config_map["metadata"], "ownerReferences": [reference]}}


def members(body: Mapping[str, Any]) -> list[Member]:
    """Return whom a Job grades, in the order of their indexes; nobody for a Job of another kind."""
    text = (body["metadata"].get("annotations") or {}).get(MEMBERS, "[]")
    return [(str(learner), str(key)) for learner, key in json.loads(text)]


def index_of(pod: Mapping[str, Any]) -> int:
    """Return the index of a Job's pod."""
    return int(pod["metadata"]["annotations"][INDEX])


def is_over(body: Mapping[str, Any]) -> bool:
    """Tell whether a Job is over, well or not."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions)


def why_failed(pods: Sequence[Mapping[str, Any]]) -> str:
    """Return why the last pod of an index ended without results."""
    for pod in sorted(pods, key=lambda one: one["metadata"]["creationTimestamp"], reverse=True):
        status = pod.get("status") or {}
        ended = [(one.get("state") or {}).get("terminated") or {} for one in status.get("containerStatuses") or ()]
        reasons = [f"{one['reason']}, exit code {one['exitCode']}" for one in ended if one.get("reason")]
        told = ": ".join(filter(None, (status.get("reason"), status.get("message"), *reasons)))
        return f"its pod {pod['metadata']['name']} ended ({told or status.get('phase', 'Unknown')})"
    return "its pod was deleted, or never began"
