"""OpenAPI documents: what kubectl looks for is there, and every reference leads somewhere."""

import json

import pytest

from maas_lab.local.kube import openapi
from maas_lab.local.kube.kinds import KINDS

DOCUMENTS = list(dict.fromkeys((kind.group, kind.version) for kind in KINDS))


def references(value):
    if isinstance(value, dict):
        for name, one in value.items():
            yield from [one] if name == "$ref" and isinstance(one, str) else references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_the_index_names_every_group():
    paths = openapi.index(KINDS)["paths"]
    assert set(paths) == {f"apis/{group}/{version}" if group else f"api/{version}" for group, version in DOCUMENTS}
    assert all(one["serverRelativeURL"].startswith(f"/openapi/v3/{path}?hash=") for path, one in paths.items())


@pytest.mark.parametrize(("group", "version"), DOCUMENTS)
def test_documents_are_complete(schemas, group, version):
    document = openapi.document(schemas, KINDS, group, version)
    json.dumps(document)
    known = document["components"]["schemas"]
    assert {one.rpartition("/")[2] for one in references(document)} <= set(known)
    for kind in KINDS:
        if (kind.group, kind.version) == (group, version):
            named = {"group": group, "version": version, "kind": kind.kind}
            assert [one for one in known.values() if named in one.get("x-kubernetes-group-version-kind", ())], kind
            operations = [op for path in document["paths"].values() for op in path.values()]
            assert [op for op in operations if op["x-kubernetes-group-version-kind"] == named], kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "patch" in kind.verbs], ids=lambda kind: kind.kind)
def test_kubectl_finds_field_validation_at_the_patch(schemas, kind):
    paths = openapi.document(schemas, KINDS, kind.group, kind.version)["paths"]
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    inside = "/namespaces/{namespace}" if kind.namespaced else ""
    operation = paths[f"{root}{inside}/{kind.plural}/{{name}}"]["patch"]
    assert "fieldValidation" in [one["name"] for one in operation["parameters"]]
    assert ("application/strategic-merge-patch+json" in operation["requestBody"]["content"]) != kind.custom


def test_types_are_single_and_merge_keys_stay(schemas):
    known = openapi.document(schemas, KINDS, "", "v1")["components"]["schemas"]
    containers = known["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["type"] == "array"
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    fields = [field for one in known.values() for field in one.get("properties", {}).values()]
    assert not [field for field in [*known.values(), *fields] if isinstance(field.get("type"), list)]
