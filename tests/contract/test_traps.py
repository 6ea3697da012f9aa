"""What went wrong silently in earlier attempts at such an API; each has its test here, or is named with it.

Others: unknown fields under Warn and namespaces that are Terminating (test_objects, test_deletion), `kubectl wait` and
field selectors (test_kubectl, test_lists), `watch=True` (test_lists), clients that check or hide things themselves
(test_clients).
"""

import json

import httpx
import pytest

from maas_lab import wait

DEPLOYMENTS = "apps/v1"


def apply(space, path, body, manager, **query):
    headers = {"content-type": "application/apply-patch+yaml"}
    query = {"fieldManager": manager, **query}
    return space.api.patch(path, content=json.dumps(body), headers=headers, params=query)


def deployment(name, replicas=0, **container):
    labels = {"app": name}
    containers = [{"name": "c", "image": "i:1", **container}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("ports", [[{"port": 80}], [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]])
def test_a_service_that_is_applied_again_has_its_ports_once(space, ports):
    """The protocol is a key of the list and has a default: without it, each apply added the ports anew."""
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}
    path = space.path("services", "s")
    versions = [apply(space, path, body, "one").json()["metadata"]["resourceVersion"] for _ in range(3)]
    found = space.api.get(path).json()["spec"]["ports"]
    assert [(one["port"], one["protocol"]) for one in found] == [(one["port"], "TCP") for one in ports]
    assert len(set(versions)) == 1


def test_ports_of_containers_that_are_applied_again_are_there_once(space):
    body = deployment("d", ports=[{"containerPort": 80}, {"containerPort": 81}])
    path = space.path("deployments", "d", DEPLOYMENTS)
    for manager in ("one", "one", "two"):
        assert apply(space, path, body, manager).is_success
    [container] = space.api.get(path).json()["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("sent", "kept"), [(1, "1"), ("1", "1"), ("1024Mi", "1Gi"), ("0.5", "500m"), (0.5, "500m"), ("1e3", "1e3")]
)
def test_quantities_are_text_whatever_was_sent(space, sent, kept):
    """The client's newer releases cannot read an amount that is a number."""
    made = space.made("deployments", deployment("d", resources={"limits": {"memory": sent}}), DEPLOYMENTS)
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"memory": kept}


def test_a_typing_error_is_told_even_where_it_is_not_refused(space):
    """Without fieldValidation a typing error is dropped with a warning, which the dynamic client does not show."""
    body = deployment("d")
    body["spec"]["replics"] = 1
    answer = space.create("deployments", body, DEPLOYMENTS)
    assert (answer.status_code, "replics" in answer.json()["spec"]) == (201, False)
    assert r"unknown field \"spec.replics\"" in answer.headers["warning"]


def test_two_writers_of_one_status_are_told_of_each_other(space):
    space.made("deployments", deployment("d"), DEPLOYMENTS)
    path = f"{space.path('deployments', 'd', DEPLOYMENTS)}/status"
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    assert apply(space, path, {**head, "status": {"collisionCount": 1}}, "one").is_success
    other = apply(space, path, {**head, "status": {"collisionCount": 2}}, "two")
    told = 'Apply failed with 1 conflict: conflict with "one" with subresource "status": .status.collisionCount'
    assert (other.status_code, other.json()["message"]) == (409, told)
    stale = space.api.put(path, json={**head, "metadata": {"name": "d", "resourceVersion": "1"}, "status": {}})
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    assert space.api.get(path).json()["status"]["collisionCount"] == 1


def test_pods_are_neither_made_anew_nor_left_behind_by_a_killed_control_plane(own_control_plane):
    """For the local server only; what becomes of the processes is the kubelet's."""
    server, pods = own_control_plane, "/api/v1/namespaces/default/pods"
    with server.api() as api:
        api.post("/apis/apps/v1/namespaces/default/deployments", json=deployment("d", 3)).raise_for_status()
        wait.until(lambda: len(_running(api, pods)) == 3, what="three pods", timeout=20)
        before = _running(api, pods)
    server.kill()
    server.start()
    with server.api() as api:
        assert _running(api, pods) == before
        change = {"spec": {"replicas": 4}}
        headers = {"content-type": "application/merge-patch+json"}
        api.patch("/apis/apps/v1/namespaces/default/deployments/d", json=change, headers=headers).raise_for_status()
        wait.until(lambda: len(_running(api, pods)) == 4, what="one pod more", timeout=20)
        assert before < _running(api, pods)


def _running(api, pods):
    items = api.get(pods).json()["items"]
    return {one["metadata"]["uid"] for one in items if one["status"]["phase"] == "Running"}


def test_a_strangers_server_is_not_taken_for_ours(local_server, own_control_plane):
    """Two servers have two ports and two authorities, so that a kubeconfig never speaks to the wrong one."""
    with local_server.api() as ours, own_control_plane.api() as stranger:
        assert ours.base_url.port != stranger.base_url.port
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            ours.get(str(stranger.base_url.join("/readyz")))
        token = ours.headers["authorization"].removeprefix("Bearer ")
    with type(ours)(own_control_plane.kubeconfig, token=token) as wrong:
        assert wrong.get("/api/v1/namespaces").status_code == 401
