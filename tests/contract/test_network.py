"""Who answers for a Service, and under which host: what the controllers of a control plane write, without a kubelet.

The pods of these tests are placed by nobody; the test says how they are, as a kubelet does.
"""

import json

import pytest

from maas_lab import wait
from tests.contract.conftest import GIVEN, Api

SLICES, ROUTES = "discovery.k8s.io/v1", "route.openshift.io/v1"
MERGE = "merge-patch+json"
ADDRESS = "10.9.8.7"


@pytest.fixture(scope="session")
def kubeconfig(control_plane):
    return control_plane


@pytest.fixture(scope="session")
def api(kubeconfig):
    with Api(kubeconfig) as client:
        yield client


def service(space, name="web", **spec):
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}], **spec}
    return space.made("services", {"metadata": {"name": name, "labels": {"team": "a"}}, "spec": spec})


def pod(space, name, *, ready=True):
    """Make a pod that no scheduler takes, and say that it runs."""
    container = {"name": "web", "image": "example/web:1", "ports": [{"name": "http", "containerPort": 8080}]}
    spec = {"schedulerName": "nobody", "containers": [container]}
    made = space.made("pods", {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec})
    conditions = [{"type": "Ready", "status": str(ready)}]
    told = {"phase": "Running", "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}], "conditions": conditions}
    answer = space.patch(space.path("pods", f"{name}/status"), MERGE, {"status": told})
    assert answer.status_code == 200, answer.text
    return made


def slices(space, name="web"):
    query = {"labelSelector": f"kubernetes.io/service-name={name}"}
    answer = space.api.get(space.path("endpointslices", group=SLICES), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def told(space):
    """Return whether each pod of the Service is ready."""
    endpoints = [one for found in slices(space) for one in found["endpoints"] or ()]
    return {one["targetRef"]["name"]: one["conditions"]["ready"] for one in endpoints}


def comes(space, wanted):
    wait.until(lambda: told(space) == wanted, what=f"the slices to tell {wanted}", timeout=20)


def test_a_service_without_pods_has_an_empty_slice(space):
    made = service(space)
    (one,) = wait.until(lambda: slices(space), what="a slice", timeout=20)
    metadata = one["metadata"]
    assert (one["addressType"], one["endpoints"], one["ports"]) == ("IPv4", None, None)
    assert metadata["generateName"] == "web-"
    assert metadata["labels"] == {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
        "team": "a",
    }
    owner = {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": made["metadata"]["uid"]}
    assert metadata["ownerReferences"] == [{**owner, "controller": True, "blockOwnerDeletion": True}]


def test_pods_come_and_go(space):
    service(space)
    made = pod(space, "a")
    pod(space, "b", ready=False)
    comes(space, {"a": True, "b": False})
    (one,) = slices(space)
    assert one["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    (first,) = [endpoint for endpoint in one["endpoints"] if endpoint["targetRef"]["name"] == "a"]
    assert first == {
        "addresses": [ADDRESS],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "namespace": space.name, "name": "a", "uid": made["metadata"]["uid"]},
    }
    space.patch(
        space.path("pods", "b/status"), MERGE, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    )
    comes(space, {"a": True, "b": True})
    space.patch(space.path("pods", "b"), MERGE, {"metadata": {"labels": {"app": "other"}}})
    comes(space, {"a": True})
    space.api.delete(space.path("pods", "a"), params={"gracePeriodSeconds": "0"})
    comes(space, {})


def test_slices_go_with_their_service(space):
    service(space)
    wait.until(lambda: slices(space), what="a slice", timeout=20)
    space.api.delete(space.path("services", "web"))
    wait.until(lambda: not slices(space), what="the slice to go", timeout=30)


def test_a_headless_service_is_labelled(space):
    service(space, clusterIP="None")
    (one,) = wait.until(lambda: slices(space), what="a slice", timeout=20)
    assert one["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_slices_can_be_watched(space):
    service(space)
    wait.until(lambda: slices(space), what="a slice", timeout=20)
    version = space.api.get(space.path("endpointslices", group=SLICES)).json()["metadata"]["resourceVersion"]
    pod(space, "a")
    comes(space, {"a": True})
    query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "1"}
    lines = space.api.get(space.path("endpointslices", group=SLICES), params=query).text.splitlines()
    seen = [json.loads(line) for line in lines]
    assert seen[-1]["type"] == "MODIFIED"
    assert seen[-1]["object"]["endpoints"][0]["targetRef"]["name"] == "a"


def test_kubectl_shows_who_answers(space, kubectl):
    service(space)
    for name in "abcd":
        pod(space, name)
    comes(space, dict.fromkeys("abcd", True))
    head, row = kubectl("get", "endpointslices").stdout.splitlines()
    assert head.split() == ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"]
    assert row.split()[1:-1] == ["IPv4", "8080", ",".join([ADDRESS] * 3), "+", "1", "more..."]
    shown = dict(
        line.split(":", 1) for line in kubectl("describe", "service", "web").stdout.splitlines() if ":" in line
    )
    assert shown["TargetPort"].strip() == "http/TCP"
    assert shown["Endpoints"].split()[0].startswith(f"{ADDRESS}:8080,{ADDRESS}:8080")
    text = kubectl("describe", "endpointslices").stdout
    assert f"Addresses:  {ADDRESS}" in text
    assert "TargetRef:  Pod/a" in text


def test_kubectl_shows_that_nobody_answers(space, kubectl):
    service(space)
    wait.until(lambda: slices(space), what="a slice", timeout=20)
    (line,) = [one for one in kubectl("describe", "service", "web").stdout.splitlines() if one.startswith("Endpoints:")]
    assert line.split() == ["Endpoints:"]
    assert kubectl("get", "endpointslices").stdout.splitlines()[1].split()[1:4] == ["IPv4", "<unset>", "<unset>"]


@pytest.mark.skipif(GIVEN is not None, reason="a real cluster lets an administrator write slices")
def test_slices_are_the_controllers_alone(space, kubectl):
    assert "endpointslices" in kubectl("api-resources", "--api-group=discovery.k8s.io", "--verbs=get,list,watch").stdout
    body = {"metadata": {"name": "own"}, "addressType": "IPv4", "endpoints": []}
    assert space.create("endpointslices", body, SLICES).status_code == 405


@pytest.fixture
def router(api):
    """Skip where nobody admits Routes."""
    if GIVEN and api.get("/apis/operator.openshift.io/v1").status_code != 200:
        pytest.skip("this cluster has no router")


def route(space, name="chat", **spec):
    """Make a Route and return it once it was looked at."""
    space.made("routes", {**ROUTE, "metadata": {"name": name}, "spec": {"to": TO, **spec}}, ROUTES)

    def ingress():
        return space.api.get(space.path("routes", name, ROUTES)).json().get("status", {}).get("ingress")

    wait.until(ingress, what="the Route's admission", timeout=20)
    return space.api.get(space.path("routes", name, ROUTES)).json()


ROUTE, TO = {"apiVersion": ROUTES, "kind": "Route"}, {"kind": "Service", "name": "web"}


def test_a_route_is_given_a_host_and_admitted(space, router, kubectl):
    made = route(space)
    assert made["metadata"]["annotations"]["openshift.io/host.generated"] == "true"
    (ingress,) = made["status"]["ingress"]
    assert ingress["host"] == made["spec"]["host"]
    assert {one["type"]: one["status"] for one in ingress["conditions"]} == {"Admitted": "True"}
    assert kubectl("get", "route", "chat", "-o", "jsonpath={.status.ingress[0].host}").stdout == ingress["host"]


def test_a_host_is_given_once(space, router):
    host = f"{space.name}.example.org"
    route(space, "first", host=host)
    second = route(space, "second", host=host)
    (told,) = second["status"]["ingress"][0]["conditions"]
    assert (told["status"], told["reason"]) == ("False", "HostAlreadyClaimed")


@pytest.mark.parametrize("host", ["127.0.0.1:80x", "a b", "http://example.org", "-a.example.org"])
def test_a_host_is_a_name(space, host):
    spec = {"to": TO, "host": host}
    answer = space.create("routes", {**ROUTE, "metadata": {"name": "chat"}, "spec": spec}, ROUTES)
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert "spec.host" in answer.json()["message"]
