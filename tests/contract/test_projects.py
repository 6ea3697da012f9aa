"""OpenShift's projects: who may not make namespaces asks for one, has the role admin in it, and sees no other."""

import json
import stat
import uuid

import pytest

PROJECTS = "/apis/project.openshift.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def person(api):
    """Somebody who has logged in."""
    if not api.get(PROJECTS).is_success:
        pytest.skip("this cluster has no projects")
    name = f"contract-{uuid.uuid4().hex[:8]}"
    return {"impersonate-user": name, "impersonate-group": "system:authenticated:oauth"}


@pytest.fixture
def project(api, person):
    """A project that this person has asked for."""
    name = f"{person['impersonate-user']}-own"
    body = {"metadata": {"name": name}, "displayName": "Mine", "description": "for a test"}
    made = api.post(f"{PROJECTS}/projectrequests", json=body, headers=person)
    assert made.status_code == 201, made.text
    assert (made.json()["kind"], made.json()["metadata"]["name"]) == ("Project", name)
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


def seen(api, person):
    return [one["metadata"]["name"] for one in api.get(f"{PROJECTS}/projects", headers=person).json()["items"]]


def test_who_asks_for_a_project_is_its_administrator(api, person, project):
    name = person["impersonate-user"]
    binding = api.get(f"/apis/{RBAC}/namespaces/{project}/rolebindings/admin").json()
    assert (binding["roleRef"]["name"], [one["name"] for one in binding["subjects"]]) == ("admin", [name])
    annotations = api.get(f"/api/v1/namespaces/{project}").json()["metadata"]["annotations"]
    assert annotations["openshift.io/display-name"] == "Mine"
    assert annotations["openshift.io/requester"] == name
    here = f"/api/v1/namespaces/{project}/configmaps"
    assert api.post(here, json={"metadata": {"name": "mine"}}, headers=person).status_code == 201
    assert api.get("/api/v1/namespaces/default/configmaps", headers=person).status_code == 403
    assert api.post("/api/v1/namespaces", json={"metadata": {"name": "x"}}, headers=person).status_code == 403


def test_people_see_their_own_projects_and_no_others(api, person, project):
    other = {**person, "impersonate-user": "contract-somebody-else"}
    assert (seen(api, person), seen(api, other)) == ([project], [])
    assert api.get(f"{PROJECTS}/projects/{project}", headers=person).status_code == 200
    assert api.get(f"{PROJECTS}/projects/{project}", headers=other).status_code == 403
    assert api.delete(f"{PROJECTS}/projects/{project}", headers=other).status_code == 403
    assert api.delete(f"{PROJECTS}/projects/{project}", headers=person).status_code == 200


def test_a_name_that_is_taken_and_names_that_are_the_clusters_own(api, person, project):
    taken = api.post(f"{PROJECTS}/projectrequests", json={"metadata": {"name": project}}, headers=person)
    assert (taken.status_code, taken.json()["reason"]) == (409, "AlreadyExists")
    for name in ("kube-mine", "openshift-gitops", "default"):
        refused = api.post(f"{PROJECTS}/projectrequests", json={"metadata": {"name": name}}, headers=person)
        assert (refused.status_code, "cannot request a project" in refused.json()["message"]) == (403, True), name


def test_a_service_account_asks_only_where_a_role_lets_it(api, space, person):
    robot = {"impersonate-user": f"system:serviceaccount:{space.name}:robot"}
    body = {"metadata": {"name": f"{space.name}-more"}}
    refused = api.post(f"{PROJECTS}/projectrequests", json=body, headers=robot)
    assert refused.status_code == 403


def test_each_request_is_written_down_once_and_without_its_body(api, space, local_home):
    secret = f"secret-{uuid.uuid4().hex}"
    person = {"impersonate-user": "contract-eve"}
    space.made("secrets", {"metadata": {"name": "s"}, "stringData": {"key": secret}})
    api.get(space.path("pods", "nobody/log"), headers=person)
    file = local_home / "kube" / "audit.log"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    assert secret not in text
    events = [json.loads(line) for line in text.splitlines()]
    ours = [one for one in events if one.get("objectRef", {}).get("namespace") == space.name]
    made = [one for one in ours if one["objectRef"]["resource"] == "secrets"]
    assert [(one["verb"], one["responseStatus"]["code"]) for one in made] == [("create", 201)]
    assert made[0]["annotations"] == {"authorization.k8s.io/decision": "allow"}
    assert (made[0]["apiVersion"], made[0]["level"]) == ("audit.k8s.io/v1", "Metadata")
    assert made[0]["stage"] == "ResponseComplete"
    assert made[0]["userAgent"] == "contract/1"
    (refused,) = [one for one in ours if one["objectRef"]["resource"] == "pods"]
    about = {"resource": "pods", "namespace": space.name, "name": "nobody", "subresource": "log"}
    assert refused["objectRef"] == about
    assert refused["impersonatedUser"]["username"] == "contract-eve"
    assert refused["annotations"] == {"authorization.k8s.io/decision": "forbid"}
