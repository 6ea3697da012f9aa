"""Deletion: at once, after finalizers, with what is owned, and a namespace with all in it."""

import uuid

import pytest

from maas_lab import wait

MERGE = "merge-patch+json"


def gone(space, plural, name, group=""):
    path = space.path(plural, name, group)
    wait.until(lambda: space.api.get(path).status_code == 404, what=f"{name} to go", timeout=30)


def owned(space, name, owner, **more):
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"]}
    return space.config_map(name, ownerReferences=[{**reference, "uid": owner["metadata"]["uid"], **more}])


def test_an_object_goes_at_once(space):
    made = space.config_map("a")
    answer = space.api.delete(space.path("configmaps", "a"))
    status = answer.json()
    assert (answer.status_code, status["kind"], status["status"]) == (200, "Status", "Success")
    assert status["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    again = space.api.delete(space.path("configmaps", "a"))
    assert (again.status_code, again.json()["message"]) == (404, 'configmaps "a" not found')


def test_a_service_is_answered_with_itself(space):
    space.made("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    assert space.api.delete(space.path("services", "s")).json()["kind"] == "Service"


def test_a_dry_run_deletes_nothing(space):
    space.config_map("a")
    answer = space.api.delete(space.path("configmaps", "a"), params={"dryRun": "All"})
    assert answer.json()["status"] == "Success"
    assert space.api.get(space.path("configmaps", "a")).status_code == 200


@pytest.mark.parametrize("what", ["uid", "resourceVersion"])
def test_a_precondition_that_does_not_hold(space, what):
    space.config_map("a")
    body = {"preconditions": {what: str(uuid.UUID(int=0)) if what == "uid" else "1"}}
    answer = space.api.request("DELETE", space.path("configmaps", "a"), json=body)
    status = answer.json()
    assert (answer.status_code, status["reason"]) == (409, "Conflict")
    start = 'Operation cannot be fulfilled on ConfigMap "a": the '
    assert status["message"].startswith(
        start + ("UID" if what == "uid" else "ResourceVersion") + " in the precondition"
    )
    assert status["details"] == {"name": "a", "kind": "ConfigMap"}


def test_finalizers_are_waited_for(space):
    space.config_map("a", finalizers=["lab.io/hold"])
    path = space.path("configmaps", "a")
    marked = space.api.delete(path).json()
    assert (marked["kind"], marked["metadata"]["deletionGracePeriodSeconds"]) == ("ConfigMap", 0)
    assert marked["metadata"]["deletionTimestamp"]
    assert space.patch(path, MERGE, {"data": {"a": "b"}}).json()["data"] == {"a": "b"}
    added = space.patch(path, MERGE, {"metadata": {"finalizers": ["lab.io/hold", "lab.io/two"]}})
    told = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
    assert (added.status_code, added.json()["reason"]) == (422, "Invalid")
    assert added.json()["message"] == f'ConfigMap "a" is invalid: {told}finalizers []string{{"lab.io/two"}}'
    assert space.patch(path, MERGE, {"metadata": {"finalizers": None}}).status_code == 200
    assert space.api.get(path).status_code == 404


def test_what_is_owned_goes_too(space):
    owner = space.config_map("owner")
    owned(space, "child", owner)
    space.api.delete(space.path("configmaps", "owner"))
    gone(space, "configmaps", "child")


def test_what_another_owns_too_stays(space):
    first, second = space.config_map("first"), space.config_map("second")
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": one["metadata"]["name"], "uid": one["metadata"]["uid"]}
        for one in (first, second)
    ]
    space.config_map("child", ownerReferences=references)
    owned(space, "other", first)
    space.api.delete(space.path("configmaps", "first"))
    gone(space, "configmaps", "other")
    assert space.api.get(space.path("configmaps", "child")).status_code == 200


def test_orphans_stay(space):
    owner = space.config_map("owner")
    owned(space, "child", owner)
    answer = space.api.request("DELETE", space.path("configmaps", "owner"), json={"propagationPolicy": "Orphan"})
    assert answer.json()["metadata"]["finalizers"] == ["orphan"]
    gone(space, "configmaps", "owner")
    assert "ownerReferences" not in space.api.get(space.path("configmaps", "child")).json()["metadata"]


def test_in_the_foreground_the_owner_goes_last(space):
    owner = space.config_map("owner")
    owned(space, "child", owner, blockOwnerDeletion=True)
    path = space.path("configmaps", "child")
    space.patch(path, MERGE, {"metadata": {"finalizers": ["lab.io/hold"]}})
    answer = space.api.request("DELETE", space.path("configmaps", "owner"), json={"propagationPolicy": "Foreground"})
    assert answer.json()["metadata"]["finalizers"] == ["foregroundDeletion"]
    wait.until(
        lambda: "deletionTimestamp" in space.api.get(path).json()["metadata"],
        what="the child to be deleted",
        timeout=30,
    )
    assert space.api.get(space.path("configmaps", "owner")).status_code == 200
    space.patch(path, MERGE, {"metadata": {"finalizers": None}})
    gone(space, "configmaps", "owner")


def test_an_object_whose_owner_never_was_goes(space):
    stranger = {"metadata": {"name": "stranger", "uid": str(uuid.uuid4())}}
    owned(space, "child", stranger)
    gone(space, "configmaps", "child")


def test_a_collection(space):
    for name in ("a", "b", "c"):
        space.config_map(name, labels={"group": "one" if name < "c" else "two"})
    answer = space.api.delete(space.path("configmaps"), params={"labelSelector": "group=one"})
    assert answer.json()["kind"] == "ConfigMapList"
    assert [one["metadata"]["name"] for one in answer.json()["items"]] == ["a", "b"]
    assert space.api.get(space.path("configmaps", "a")).status_code == 404
    assert space.api.get(space.path("configmaps", "c")).status_code == 200


def test_a_claim_that_nothing_uses_goes(space):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = space.made("persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": spec})
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    space.api.delete(space.path("persistentvolumeclaims", "data"))
    gone(space, "persistentvolumeclaims", "data")


def test_a_namespace_goes_when_it_is_empty(space):
    path = f"/api/v1/namespaces/{space.name}"
    space.config_map("plain")
    space.config_map("held", finalizers=["lab.io/hold"])
    marked = space.api.delete(path).json()
    assert (marked["kind"], marked["status"]["phase"]) == ("Namespace", "Terminating")
    assert marked["spec"] == {"finalizers": ["kubernetes"]}
    late = space.create("configmaps", {"metadata": {"name": "late"}})
    told = f"unable to create new content in namespace {space.name} because it is being terminated"
    assert (late.status_code, late.json()["message"]) == (403, f'configmaps "late" is forbidden: {told}')
    assert late.json()["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {space.name} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    gone(space, "configmaps", "plain")
    assert space.api.get(path).json()["status"]["phase"] == "Terminating"
    space.patch(space.path("configmaps", "held"), MERGE, {"metadata": {"finalizers": None}})
    wait.until(lambda: space.api.get(path).status_code == 404, what="the namespace to go", timeout=60)


def test_namespaces_do_not_go_together(api):
    answer = api.delete("/api/v1/namespaces")
    told = "the server does not allow this method on the requested resource"
    assert (answer.status_code, answer.json()["message"]) == (405, told)
