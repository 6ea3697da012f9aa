"""Argo CD's kinds as a cluster keeps them, in a namespace where no Argo CD looks at them."""

import pytest

ARGO = "argoproj.io/v1alpha1"
SPEC = {
    "project": "default",
    "source": {"repoURL": "https://git.example.com/a.git", "path": "app", "targetRevision": "main"},
    "destination": {"server": "https://kubernetes.default.svc", "namespace": "nowhere"},
}
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
STATUS = {
    "sync": {"status": "Synced", "revision": "a" * 40, "comparedTo": {"destination": SPEC["destination"]}},
    "health": {"status": "Healthy"},
}


def application(**fields):
    return {"metadata": {"name": "a"}, "spec": SPEC, **fields}


def project(**spec):
    return {"metadata": {"name": "p"}, "spec": spec}


def test_an_application_is_kept_as_it_was_written(space):
    made = space.made("applications", application(), ARGO)
    assert (made["apiVersion"], made["kind"], made["spec"]) == (ARGO, "Application", SPEC)
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("plural", "body", "told"),
    [
        ("applications", {"metadata": {"name": "a"}}, "spec: Required value"),
        ("applications", application(spec={"project": "p"}), "spec.destination: Required value"),
        ("applications", application(spec={**SPEC, "source": {"path": "."}}), "spec.source.repoURL: Required value"),
        ("applications", application(spec={**SPEC, "revisionHistoryLimit": "ten"}), "must be of type integer"),
        ("applications", application(spec={**SPEC, "syncPolicy": {"automated": True}}), "must be of type object"),
        ("applications", application(status={"sync": {}}), "status.sync.status: Required value"),
        ("appprojects", project(description="d" * 256), "spec.description: Too long"),
        ("appprojects", project(clusterResourceWhitelist=[{"kind": "*"}]), "clusterResourceWhitelist[0].group: Requ"),
        ("appprojects", {"metadata": {"name": "p"}}, "spec: Required value"),
    ],
)
def test_what_does_not_fit_the_kind_is_refused(space, plural, body, told):
    answer = space.create(plural, body, ARGO)
    assert answer.status_code == 422
    assert told in answer.json()["message"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"sync": {"branch": "main"}}, "branch"),
        ({"initiatedBy": {"automatic": True}}, "automatic"),
        ({"retry": {"backoff": {"factory": 2}}}, "factory"),
    ],
)
def test_what_no_field_holds_is_told_and_left_out(space, change, name):
    body = application(operation=change)
    answer = space.create("applications", body, ARGO, fieldValidation="Strict")
    assert (answer.status_code, "unknown field" in answer.json()["message"]) == (400, True)
    answer = space.create("applications", body, ARGO)
    assert "unknown field" in answer.headers["warning"]
    assert name not in str(answer.json()["operation"])


def test_its_status_is_written_like_any_other_field(space):
    """Argo CD's CRD has no subresource `status`, so every change counts as a new generation."""
    space.made("applications", application(), ARGO)
    path = space.path("applications", "a", ARGO)
    told = space.patch(path, "merge-patch+json", {"status": STATUS}).json()
    assert (told["status"], told["metadata"]["generation"]) == (STATUS, 2)
    assert space.patch(f"{path}/status", "merge-patch+json", {"status": {}}).status_code == 404
    asked = space.patch(path, "merge-patch+json", {"operation": {"sync": {"prune": True}}}).json()
    assert (asked["operation"], asked["status"]) == ({"sync": {"prune": True}}, STATUS)


def test_a_list_shows_sync_and_health(space):
    space.made("applications", application(status=STATUS), ARGO)
    told = space.api.get(space.path("applications", group=ARGO), headers=TABLE).json()
    columns = {one["name"]: one["priority"] for one in told["columnDefinitions"]}
    assert columns == {"Name": 0, "Sync Status": 0, "Health Status": 0, "Revision": 10, "Project": 10}
    assert told["rows"][0]["cells"] == ["a", "Synced", "Healthy", "a" * 40, "default"]


def test_short_names_are_those_of_argo_cd(space):
    found = {one["name"]: one for one in space.api.get(f"/apis/{ARGO}").json()["resources"]}
    assert found["applications"]["shortNames"] == ["app", "apps"]
    assert found["appprojects"]["shortNames"] == ["appproj", "appprojs"]
    assert not [name for name in found if name.startswith(("applications/", "appprojects/"))]


def test_the_finalizer_that_deletes_what_was_deployed_has_a_name_without_a_path(space):
    """A built-in kind takes no such name; a custom one does."""
    name = "resources-finalizer.argocd.argoproj.io"
    space.made("applications", application(metadata={"name": "a", "finalizers": [name]}), ARGO)
    path = space.path("applications", "a", ARGO)
    assert space.api.delete(path).json()["metadata"]["deletionTimestamp"]
    assert space.patch(path, "merge-patch+json", {"metadata": {"finalizers": None}}).status_code == 200
    assert space.api.get(path).status_code == 404
    answer = space.create("configmaps", {"metadata": {"name": "a", "finalizers": [name]}})
    assert "neither a standard finalizer name nor is it fully qualified" in answer.json()["message"]
