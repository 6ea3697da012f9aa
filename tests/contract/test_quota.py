"""Quotas: who asks for more than is allowed is refused, controllers too, and the status says what is used."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from maas_lab import wait
from tests.contract.conftest import Api

WIDE = "/apis/quota.openshift.io/v1/clusterresourcequotas"
MERGE = "merge-patch+json"
CONTAINER = {"name": "web", "image": "example/web:1"}


@pytest.fixture(scope="session")
def kubeconfig(control_plane):
    return control_plane


@pytest.fixture(scope="session")
def api(kubeconfig):
    with Api(kubeconfig) as client:
        yield client


def pod(name, *, resources=None):
    """A pod that no scheduler takes."""
    container = {**CONTAINER, "resources": resources} if resources else CONTAINER
    return {"metadata": {"name": name}, "spec": {"schedulerName": "nobody", "containers": [container]}}


def used(space, name="q"):
    return space.api.get(space.path("resourcequotas", name)).json()["status"].get("used")


def limited(space, hard, name="q"):
    """A quota whose status is known."""
    space.made("resourcequotas", {"metadata": {"name": name}, "spec": {"hard": hard}})
    wait.until(lambda: used(space, name), what="the status of a quota", timeout=30)


def test_more_than_allowed_is_refused_to_everybody(space):
    limited(space, {"pods": "1", "requests.cpu": "1"})
    asks = {"resources": {"requests": {"cpu": "600m"}}}
    space.made("pods", pod("a", **asks))
    answer = space.create("pods", pod("b", **asks))
    told = "exceeded quota: q, requested: pods=1,requests.cpu=600m, used: pods=1,requests.cpu=600m, "
    assert answer.status_code == 403
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'pods "b" is forbidden: {told}limited: pods=1,requests.cpu=1',
        "reason": "Forbidden",
        "details": {"name": "b", "kind": "pods"},
        "code": 403,
    }
    answer = space.create("pods", pod("b"))
    told = 'pods "b" is forbidden: failed quota: q: must specify requests.cpu for: web'
    assert (answer.status_code, answer.json()["message"]) == (403, told)


def test_of_many_at_once_no_more_slip_through_than_are_allowed(space):
    limited(space, {"count/configmaps": str(len(space.api.get(space.path("configmaps")).json()["items"]) + 3)})
    with ThreadPoolExecutor(8) as threads:
        bodies = [{"metadata": {"name": f"n{number}"}} for number in range(12)]
        codes = [answer.status_code for answer in threads.map(lambda one: space.create("configmaps", one), bodies)]
    assert sorted(codes) == [201] * 3 + [403] * 9


def test_what_is_used_is_told_as_things_come_and_go_and_a_dry_run_takes_nothing(space):
    limited(space, {"services": "1", "pods": "5"})
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    assert space.create("services", service, dryRun="All").status_code == 201
    space.made("services", service)
    wait.until(lambda: used(space)["services"] == "1", what="the service to be counted", timeout=10)
    assert space.create("services", {**service, "metadata": {"name": "b"}}, dryRun="All").status_code == 403
    space.api.delete(space.path("services", "web"))
    wait.until(lambda: used(space) == {"services": "0", "pods": "0"}, what="the service to be gone", timeout=30)


def test_a_deployment_says_that_its_pods_may_not_be_and_goes_on_when_they_may(space):
    limited(space, {"pods": "1"})
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod("")["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    space.made("deployments", {"metadata": {"name": "web"}, "spec": spec}, "apps/v1")

    def failure():
        told = space.api.get(space.path("deployments", "web", "apps/v1")).json()["status"].get("conditions", ())
        return next((one for one in told if one["type"] == "ReplicaFailure"), None)

    def created():
        return space.api.get(space.path("pods")).json()["items"]

    wait.until(failure, what="the failure to be told", timeout=30)
    assert (failure()["status"], failure()["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in failure()["message"]
    events = space.api.get(space.path("events")).json()["items"]
    told = [one for one in events if one["reason"] == "FailedCreate"]
    assert {(one["involvedObject"]["kind"], one["type"]) for one in told} == {("ReplicaSet", "Warning")}
    assert all("Error creating: pods " in one["message"] for one in told)
    assert len(created()) == 1
    space.patch(space.path("resourcequotas", "q"), MERGE, {"spec": {"hard": {"pods": "2"}}})
    wait.until(lambda: len(created()) == 2, what="the second pod", timeout=60)
    wait.until(lambda: failure() is None, what="the failure to be over", timeout=30)


def test_kubectl_makes_shows_and_describes_a_quota(space, kubectl):
    assert kubectl("create", "quota", "q", "--hard=pods=2,limits.cpu=1").stdout == "resourcequota/q created\n"
    wait.until(lambda: used(space), what="the status of a quota", timeout=30)
    header, row = kubectl("get", "quota").stdout.splitlines()
    assert header.split() == ["NAME", "AGE", "REQUEST", "LIMIT"]
    assert "pods: 0/2" in row
    assert "limits.cpu: 0/1" in row
    described = kubectl("describe", "quota", "q").stdout.splitlines()
    assert [one.split() for one in described[-2:]] == [["limits.cpu", "0", "1"], ["pods", "0", "2"]]
    assert "hard" in kubectl("explain", "quota.spec").stdout


def test_whoever_is_limited_sees_the_limits_and_does_not_set_them(space):
    for role in ("view", "edit", "admin"):
        subject = {"kind": "User", "name": role, "apiGroup": "rbac.authorization.k8s.io"}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        body = {"metadata": {"name": role}, "roleRef": ref, "subjects": [subject]}
        space.made("rolebindings", body, "rbac.authorization.k8s.io/v1")
        headers = {"impersonate-user": role}
        assert space.api.get(space.path("resourcequotas"), headers=headers).status_code == 200
        quota = {"metadata": {"name": "own"}, "spec": {"hard": {"pods": "99"}}}
        assert space.api.post(space.path("resourcequotas"), json=quota, headers=headers).status_code == 403


@pytest.fixture
def wide(space):
    """Make a ClusterResourceQuota of the test's own, over namespaces with an annotation."""
    if not space.api.get(WIDE).is_success:
        pytest.skip("this cluster has no ClusterResourceQuota")

    def make(hard):
        spec = {"quota": {"hard": hard}, "selector": {"annotations": {"contract": space.name}}}
        made = space.api.post(WIDE, json={"metadata": {"name": space.name}, "spec": spec})
        assert made.status_code == 201, made.text

    yield make
    space.api.delete(f"{WIDE}/{space.name}")


def test_several_namespaces_share_what_a_cluster_quota_allows(space, wide):
    names = [f"{space.name}-{end}" for end in "ab"]
    for name in names:
        metadata = {"name": name, "annotations": {"contract": space.name}}
        assert space.api.post("/api/v1/namespaces", json={"metadata": metadata}).status_code == 201
    wide({"count/secrets": "2"})

    def status():
        return space.api.get(f"{WIDE}/{space.name}").json().get("status", {})

    wait.until(lambda: len(status().get("namespaces", ())) == 2, what="the status of a quota", timeout=30)
    assert status()["total"]["hard"] == {"count/secrets": "2"}
    secret, paths = {"metadata": {"name": "a"}}, [f"/api/v1/namespaces/{name}/secrets" for name in names]
    assert [space.api.post(path, json=secret).status_code for path in paths] == [201, 201]
    answer = space.api.post(paths[0], json={"metadata": {"name": "b"}})
    told = f"exceeded quota: {space.name}, requested: count/secrets=1, used: count/secrets=2, limited: count/secrets=2"
    assert (answer.status_code, answer.json()["message"]) == (403, f'secrets "b" is forbidden: {told}')
    wait.until(lambda: status()["total"]["used"] == {"count/secrets": "2"}, what="the sum", timeout=10)
    space.made("secrets", secret)
    for name in names:
        space.api.delete(f"/api/v1/namespaces/{name}")
    wait.until(
        lambda: status()["total"]["used"] == {"count/secrets": "0"}, what="the namespaces to be gone", timeout=60
    )
    assert not status().get("namespaces")


def test_the_python_client_makes_reads_and_meets_quotas(space, kubeconfig, wide):
    wide({"count/secrets": "1"})
    with config.new_client_from_config(str(kubeconfig)) as connection:
        core, custom = client.CoreV1Api(connection), client.CustomObjectsApi(connection)
        spec = client.V1ResourceQuotaSpec(hard={"configmaps": "0"})
        metadata = client.V1ObjectMeta(name="q")
        core.create_namespaced_resource_quota(space.name, client.V1ResourceQuota(metadata=metadata, spec=spec))
        wait.until(lambda: used(space), what="the status of a quota", timeout=30)
        assert core.read_namespaced_resource_quota_status("q", space.name).status.hard == {"configmaps": "0"}
        with pytest.raises(ApiException) as refused:
            core.create_namespaced_config_map(space.name, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a")))
        assert (refused.value.status, "exceeded quota: q, " in refused.value.body) == (403, True)
        found = custom.get_cluster_custom_object("quota.openshift.io", "v1", "clusterresourcequotas", space.name)
    assert found["spec"]["quota"] == {"hard": {"count/secrets": "1"}}
