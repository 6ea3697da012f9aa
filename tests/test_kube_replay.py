"""Requests that a real control plane was sent, one after the other, and the objects that it answered with.

Left out on both sides: ids, versions and times, what its controllers and admission wrote, addresses.
"""

import copy
import json
from pathlib import Path

import pytest

from maas_lab.local.kube import apply, kinds, patch, status

CHAINS = json.loads((Path(__file__).parent / "captures/kubernetes/chains.json").read_text(encoding="utf-8"))
NOW = "2026-01-01T00:00:00Z"
BY_ADMISSION = {"Pod": ("spec", ("preemptionPolicy", "priority", "tolerations"))}


def comparable(obj):
    """Set aside what is another part's work, and the order of lists that the server sorts by time."""
    found = copy.deepcopy(obj)
    found.pop("status", None)
    metadata = found["metadata"]
    for name in ("namespace", "resourceVersion"):
        metadata.pop(name, None)
    owners = [one for one in metadata.pop("managedFields", []) if one["manager"] != "okcm"]
    told = [{**one, **({"time": NOW} if "time" in one else {})} for one in owners]
    metadata["managedFields"] = sorted(told, key=lambda one: json.dumps(one, sort_keys=True))
    part, names = BY_ADMISSION.get(found["kind"], ("metadata", ()))
    for name in names:
        found[part].pop(name, None)
    if found["kind"] == "Namespace":
        found.pop("spec", None)
    return found


def answer(schemas, kind, before, step):
    """Do what the server does with one request."""
    request, manager = step["request"], step["manager"]
    part = step.get("subresource", "")
    if step["how"] == "apply":
        found = apply.server_side_apply(schemas, kind, before, request, manager, step.get("force", False), part, NOW)
        return schemas.default(kind, schemas.decode(kind, found)[0])
    found = {
        "create": lambda: request,
        "json": lambda: patch.json_patch(before, request),
        "merge": lambda: patch.merge_patch(before, request),
        "strategic": lambda: patch.strategic_merge(schemas, kind, before, request),
    }[step["how"]]()
    complete = schemas.default(kind, schemas.decode(kind, found)[0])
    stored = None if step["how"] == "create" else before
    return apply.track(schemas, kind, stored, complete, manager, "Update", part, NOW)


@pytest.mark.parametrize("name", CHAINS)
def test_objects_change_as_on_a_real_control_plane(schemas, name):
    group, version, plural, _ = name.split("/")
    kind, stored = kinds.find(group, version, plural), None
    for step in CHAINS[name]:
        if "status" in step:
            with pytest.raises(status.ApiError) as refused:
                answer(schemas, kind, stored, step)
            assert refused.value.status == step["status"], step["step"]
            continue
        if step["how"] == "given":  # another request, through a subresource, came in between
            stored = step["after"]
            continue
        before = copy.deepcopy(stored)
        found = answer(schemas, kind, stored, step)
        assert comparable(found) == comparable(step["after"]), step["step"]
        assert stored == before, f"{step['step']} changed what is stored"
        stored = step["after"]
