"""The edges: discovery, versions, who may, and what there is not."""

import httpx
import pytest

from maas_lab import wait

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
EVERYTHING = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
NOT_FOUND = "the server could not find the requested resource"


def test_health_and_version(api):
    assert [api.get(path).text for path in ("/healthz", "/livez", "/readyz")] == ["ok"] * 3
    version = api.get("/version").json()
    assert version["major"] == "1"
    assert version["gitVersion"].startswith("v1.")
    assert api.get("/version/").json() == version


def test_aggregated_discovery(api):
    answer = api.get("/apis", headers={"accept": AGGREGATED})
    assert answer.headers["content-type"] == AGGREGATED
    groups = {one["metadata"]["name"]: one["versions"] for one in answer.json()["items"]}
    assert {"apps", "authentication.k8s.io", "authorization.k8s.io"} <= groups.keys()
    resources = {one["resource"]: one for one in groups["apps"][0]["resources"]}
    deployments = resources["deployments"]
    assert deployments["responseKind"] == {"group": "", "version": "", "kind": "Deployment"}
    assert (deployments["verbs"], deployments["shortNames"]) == (EVERYTHING, ["deploy"])
    assert (deployments["scope"], deployments["categories"]) == ("Namespaced", ["all"])
    parts = {one["subresource"]: one["responseKind"]["kind"] for one in deployments["subresources"]}
    assert parts == {"scale": "Scale", "status": "Deployment"}


def test_discovery_is_not_sent_twice(api):
    first = api.get("/api", headers={"accept": AGGREGATED})
    again = api.get("/api", headers={"accept": AGGREGATED, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_legacy_discovery(api):
    assert api.get("/api", headers={"accept": "application/json"}).json()["versions"] == ["v1"]
    groups = {one["name"] for one in api.get("/apis", headers={"accept": "application/json"}).json()["groups"]}
    assert "apps" in groups
    group = api.get("/apis/apps").json()
    assert (group["kind"], group["preferredVersion"]["groupVersion"]) == ("APIGroup", "apps/v1")
    resources = {one["name"]: one for one in api.get("/apis/apps/v1").json()["resources"]}
    assert resources["deployments"]["verbs"] == EVERYTHING
    assert (resources["deployments/scale"]["kind"], resources["deployments/scale"]["group"]) == ("Scale", "autoscaling")
    core = {one["name"]: one for one in api.get("/api/v1").json()["resources"]}
    assert core["namespaces"]["namespaced"] is False
    assert "deletecollection" not in core["namespaces"]["verbs"]


def test_openapi_leads_to_documents(api):
    found = api.get("/openapi/v3").json()["paths"]
    address = found["apis/apps/v1"]["serverRelativeURL"]
    schemas = api.get(address).json()["components"]["schemas"]
    assert schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["replicas"]["type"] == "integer"


@pytest.mark.parametrize("path", ["/nope", "/apis/nope.io/v1", "/apis/nope.io"])
def test_a_path_that_there_is_not(api, path):
    answer = api.get(path)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


@pytest.mark.parametrize("path", ["/api/v1/widgets", "/api/v1/namespaces/default/configmaps/a/nope"])
def test_a_kind_that_there_is_not(api, path):
    status = api.get(path).json()
    assert (status["code"], status["reason"], status["details"]) == (404, "NotFound", {})
    assert status["message"].startswith(NOT_FOUND)


def test_a_method_that_there_is_not(space):
    answer = space.api.put(space.path("configmaps"), json={})
    told = "the server does not allow this method on the requested resource"
    assert (answer.status_code, answer.json()["message"]) == (405, told)


def test_a_wrong_token(caller):
    answer = caller("nobody-gave-this-out").get("/api/v1/namespaces/default/configmaps")
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Unauthorized"}
    assert (answer.status_code, answer.json()) == (401, {**status, "reason": "Unauthorized", "code": 401})


def test_nobody_may_read(caller):
    answer = caller("").get("/api/v1/namespaces/default/configmaps")
    if answer.status_code == 401:
        pytest.skip("this cluster knows no anonymous callers")
    told = 'User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "default"'
    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
    assert answer.json()["message"] == f"configmaps is forbidden: {told}"
    assert answer.json()["details"] == {"kind": "configmaps"}


def test_only_administrators_may_be_somebody_else(space, caller):
    space.made("serviceaccounts", {"metadata": {"name": "viewer"}})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = space.api.post(space.path("serviceaccounts", "viewer/token"), json=asked).json()["status"]["token"]
    answer = caller(token).get(space.path("configmaps"), headers={"impersonate-user": "admin"})
    name = f"system:serviceaccount:{space.name}:viewer"
    told = f'User "{name}" cannot impersonate resource "users" in API group "" at the cluster scope'
    assert (answer.status_code, answer.json()["message"]) == (403, f'users "admin" is forbidden: {told}')


def test_certificates_are_checked(kubeconfig, api):
    with httpx.Client(trust_env=False) as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY"):
        stranger.get(f"{api.base_url}/version")


def test_a_question_about_rights(api):
    asked = {"namespace": "default", "verb": "create", "group": "apps", "resource": "deployments"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = api.post(path, json={"spec": {"resourceAttributes": asked}})
    assert (answer.status_code, answer.json()["status"]) == (201, {"allowed": True})


def test_a_service_account_has_a_token_and_no_rights(space, caller):
    space.made("serviceaccounts", {"metadata": {"name": "viewer"}})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    answer = space.api.post(space.path("serviceaccounts", "viewer/token"), json=asked)
    assert answer.status_code == 201
    token = answer.json()["status"]["token"]
    name = f"system:serviceaccount:{space.name}:viewer"
    status = caller(token).get(space.path("configmaps")).json()
    told = f'User "{name}" cannot list resource "configmaps" in API group "" in the namespace "{space.name}"'
    assert (status["code"], status["message"]) == (403, f"configmaps is forbidden: {told}")
    review = space.api.post("/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": {"token": token}}).json()
    assert review["status"]["authenticated"] is True
    assert review["status"]["user"]["username"] == name
    wrong = space.api.post("/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": {"token": "x"}}).json()
    assert "authenticated" not in wrong["status"]
    space.api.delete(space.path("serviceaccounts", "viewer"))

    def is_unknown():
        return caller(token).get(space.path("configmaps")).status_code == 401

    wait.until(is_unknown, what="the token to end with its ServiceAccount", timeout=30)


METRICS = "metrics.k8s.io/v1beta1"


def test_what_pods_use_is_read_only(api, space):
    if not api.get(f"/apis/{METRICS}").is_success:
        pytest.skip("nothing measures pods on this cluster")
    (found,) = (one for one in api.get(f"/apis/{METRICS}").json()["resources"] if one["name"] == "pods")
    assert (found["kind"], found["namespaced"], sorted(found["verbs"])) == ("PodMetrics", True, ["get", "list"])
    told = api.get(space.path("pods", group=METRICS)).json()
    assert (told["kind"], told["apiVersion"], told.get("items") or []) == ("PodMetricsList", METRICS, [])
    missing = api.get(space.path("pods", "nobody", group=METRICS)).json()
    assert (missing["code"], missing["message"]) == (404, 'pods "nobody" not found')
    refused = api.post(space.path("pods", group=METRICS), json={"metadata": {"name": "mine"}})
    assert refused.status_code == 405


def test_a_pod_that_does_not_run_uses_nothing(api, space):
    if not api.get(f"/apis/{METRICS}").is_success:
        pytest.skip("nothing measures pods on this cluster")
    container = {"name": "c", "image": "example/none:1", "resources": {"requests": {"cpu": "10k"}}}
    space.made("pods", {"metadata": {"name": "waits"}, "spec": {"containers": [container]}})
    missing = api.get(space.path("pods", "waits", group=METRICS)).json()
    told = f'podmetrics.metrics.k8s.io "{space.name}/waits" not found'
    assert (missing["code"], missing["message"]) == (404, told)
