"""What a provider does from Python: the lab's own Cluster on the cluster under test, with the lab's own manifests."""

from pathlib import Path

import pytest

from maas_lab.cluster import Cluster
from maas_lab.errors import Conflict, NotFound, Rejected
from maas_lab.manifests import render

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = [MANIFESTS / "infrastructure/overlays/local", MANIFESTS / "models/overlays/local"]


@pytest.fixture
def cluster(kubeconfig, space):
    with Cluster(kubeconfig, namespace=space.name) as one:
        yield one


def serve(api, objects):
    """Skip where a cluster does not serve a kind at all, such as one without KServe."""
    groups = {"", *(one["name"] for one in api.get("/apis").json()["groups"])}
    missing = {one["apiVersion"].rpartition("/")[0] for one in objects} - groups
    if missing:
        pytest.skip(f"this cluster does not serve {', '.join(sorted(missing))}")


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.parents[1].name)
def test_the_local_overlays_are_applied_found_unchanged_and_deleted(cluster, space, api, overlay):
    serve(api, render(overlay))
    first = cluster.apply(overlay, space.name)
    assert {row.action for row in first} == {"created"}
    assert len(first) == len(render(overlay))
    assert {row.action for row in cluster.apply(overlay, space.name)} == {"unchanged"}
    assert {row.action for row in cluster.delete(overlay, space.name)} == {"deleted"}
    assert {row.action for row in cluster.delete(overlay, space.name)} == {"absent"}


def test_a_dry_run_checks_and_keeps_nothing(cluster, space, api):
    serve(api, render(OVERLAYS[0]))
    assert {row.action for row in cluster.apply(OVERLAYS[0], space.name, dry_run=True)} == {"created"}
    with pytest.raises(NotFound):
        cluster.get("Deployment", "litellm")


def test_every_cause_of_a_refusal_is_told(cluster, space):
    body = next(one for one in render(OVERLAYS[0], space.name) if one["kind"] == "Deployment")
    body["spec"]["replicas"] = -1
    body["spec"]["template"]["spec"]["containers"][0]["name"] = "No_Name"
    with pytest.raises(Rejected) as refused:
        cluster.apply(body)
    told = "\n".join(refused.value.causes)
    assert "spec.replicas" in told
    assert "spec.template.spec.containers[0].name" in told


def test_a_field_of_another_manager_is_a_conflict_until_forced(cluster, space, kubectl):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": {"colour": "red"}}
    cluster.apply(body)
    kubectl("patch", "configmap", "shared", "--type=merge", "-p", '{"data": {"colour": "blue"}}')
    with pytest.raises(Conflict, match="shared"):
        cluster.apply(body)
    assert [row.action for row in cluster.apply(body, force=True)] == ["configured"]
