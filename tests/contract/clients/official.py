"""What a program does through the official Python client, whatever its release: `official.py KUBECONFIG NAMESPACE`.

Each check is one verb or one trap; the first that does not hold ends the program.
"""

# ruff: noqa: PT017  (this is no test of pytest's)
import json
import sys
import threading

import kubernetes
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException

MAJOR = int(kubernetes.__version__.split(".")[0])
STRICT = [("fieldValidation", "Strict")]
LABELS = {"app": "d"}


class Lane:
    """One client, one namespace."""

    def __init__(self, kubeconfig, namespace):
        self.api, self.ns = config.new_client_from_config(kubeconfig), namespace
        self.core, self.apps = client.CoreV1Api(self.api), client.AppsV1Api(self.api)
        self.custom = client.CustomObjectsApi(self.api)
        self.resources = dynamic.DynamicClient(self.api).resources

    def deployment(self, name, **container):
        template = {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "c", "image": "i:1", **container}]},
        }
        spec = {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}

    def apply(self, body, manager="maas-lab", **more):
        found = self.resources.get(api_version=body["apiVersion"], kind=body["kind"])
        return found.server_side_apply(body=body, namespace=self.ns, field_manager=manager, **more).to_dict()


def refused(call, status, words=""):
    """Insist that the server refuses a call."""
    try:
        call()
    except ApiException as error:
        told = json.loads(error.body)
        assert (error.status, told["code"]) == (status, status), told
        assert words in told["message"], told
    else:
        raise AssertionError("it was not refused")


def version(lane):
    assert client.VersionApi(lane.api).get_code().git_version.startswith("v1.")


def create_read_list(lane):
    made = lane.core.create_namespaced_config_map(
        lane.ns, {"metadata": {"name": "a", "labels": LABELS}, "data": {"k": "1"}}
    )
    assert made.metadata.uid
    assert lane.core.read_namespaced_config_map("a", lane.ns) == made
    found = lane.core.list_namespaced_config_map(lane.ns, label_selector="app in (d)", field_selector="metadata.name=a")
    assert [one.metadata.name for one in found.items] == ["a"]
    assert lane.core.list_namespaced_config_map(lane.ns, label_selector="app=x").items == []


def refusals_have_their_codes(lane):
    refused(lambda: lane.core.read_namespaced_config_map("zz", lane.ns), 404, 'configmaps "zz" not found')
    body = {"metadata": {"name": "a"}}
    refused(lambda: lane.core.create_namespaced_config_map(lane.ns, body), 409, "already exists")
    stale = lane.core.read_namespaced_config_map("a", lane.ns)
    stale.metadata.resource_version = "1"
    refused(lambda: lane.core.replace_namespaced_config_map("a", lane.ns, stale), 409, "has been modified")


def replace(lane):
    found = lane.core.read_namespaced_config_map("a", lane.ns)
    found.data = {"k": "2"}
    assert lane.core.replace_namespaced_config_map("a", lane.ns, found).data == {"k": "2"}


def text_of_secrets_is_encoded(lane):
    made = lane.core.create_namespaced_secret(lane.ns, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert made.data == {"a": "Yg=="}


def strategic_merge_finds_containers_by_name(lane):
    body = lane.deployment("d", env=[{"name": "A", "value": "1"}])
    assert lane.apps.create_namespaced_deployment(lane.ns, body).metadata.generation == 1
    more = [{"name": "c", "env": [{"name": "B", "value": "2"}]}]
    patched = lane.apps.patch_namespaced_deployment(
        "d", lane.ns, {"spec": {"template": {"spec": {"containers": more}}}}
    )
    [container] = patched.spec.template.spec.containers
    assert (container.image, sorted(one.name for one in container.env)) == ("i:1", ["A", "B"])


def json_patch(lane):
    change = [{"op": "add", "path": "/spec/paused", "value": True}]
    assert lane.apps.patch_namespaced_deployment("d", lane.ns, change).spec.paused is True


def scale_and_status_are_parts(lane):
    assert lane.apps.patch_namespaced_deployment_scale("d", lane.ns, {"spec": {"replicas": 1}}).spec.replicas == 1
    assert lane.apps.patch_namespaced_deployment_scale("d", lane.ns, {"spec": {"replicas": 0}}).spec.replicas in (
        0,
        None,
    )
    told = lane.apps.patch_namespaced_deployment_status("d", lane.ns, {"status": {"collisionCount": 1}})
    assert told.status.collision_count == 1


def an_accelerator_as_a_number_can_be_read_back(lane):
    """37 refuses a number before it sends one, and cannot read one; the server hands out text."""
    body = lane.deployment("gpu", resources={"limits": {"nvidia.com/gpu": 1}})
    try:
        utils.create_from_dict(lane.api, body, namespace=lane.ns)
        assert MAJOR < 37
    except ValueError as error:
        assert (MAJOR >= 37, type(error).__name__) == (True, "ValidationError")
        lane.apply(body, query_params=STRICT)
    found = lane.apps.read_namespaced_deployment("gpu", lane.ns).spec.template.spec.containers[0].resources
    assert (found.limits, found.requests) == ({"nvidia.com/gpu": "1"}, None)


def applying_a_service_again_keeps_its_ports(lane):
    ports = [{"name": "http", "port": 80}]
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"selector": LABELS, "ports": ports},
    }
    first, again = lane.apply(body), lane.apply(body)
    assert [(one["port"], one["protocol"]) for one in again["spec"]["ports"]] == [(80, "TCP")]
    assert first["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
    other = {**body, "spec": {"ports": [{"port": 80, "name": "web"}]}}
    refused(lambda: lane.apply(other, "other"), 409, 'Apply failed with 1 conflict: conflict with "maas-lab"')
    forced = lane.apply(other, "other", force_conflicts=True)["spec"]["ports"]
    assert [(one["port"], one["name"]) for one in forced] == [(80, "web")]


def a_typing_error_is_found_when_strict_is_asked_for(lane):
    """The dynamic client knows no field_validation; without the query a typing error is accepted and dropped."""
    body = {**lane.deployment("typo"), "spec": {**lane.deployment("typo")["spec"], "replics": 2}}
    create = lane.resources.get(api_version="apps/v1", kind="Deployment").create
    strict = lambda: create(body=body, namespace=lane.ns, query_params=STRICT)  # noqa: E731
    refused(strict, 400, 'unknown field "spec.replics"')
    assert "replics" not in create(body=body, namespace=lane.ns).to_dict()["spec"]


def a_watch_goes_on_from_a_version(lane):
    since = lane.core.list_namespaced_config_map(lane.ns).metadata.resource_version
    later = threading.Timer(0.2, lane.core.create_namespaced_config_map, [lane.ns, {"metadata": {"name": "late"}}])
    later.start()
    seen = []
    watching = watch.Watch()
    for one in watching.stream(
        lane.core.list_namespaced_config_map, lane.ns, resource_version=since, timeout_seconds=9
    ):
        seen.append((one["type"], one["object"].metadata.name))
        watching.stop()
    later.join()
    assert seen == [("ADDED", "late")]


def pages(lane):
    first = lane.apps.list_namespaced_deployment(lane.ns, limit=1)
    rest = lane.apps.list_namespaced_deployment(lane.ns, limit=9, _continue=first.metadata._continue)
    assert [one.metadata.name for one in (*first.items, *rest.items)] == ["d", "gpu", "typo"]


def a_dry_run_keeps_nothing(lane):
    lane.core.create_namespaced_config_map(lane.ns, {"metadata": {"name": "dry"}}, dry_run="All")
    refused(lambda: lane.core.read_namespaced_config_map("dry", lane.ns), 404)


def custom_objects(lane):
    kind = ("serving.kserve.io", "v1beta1", lane.ns, "inferenceservices")
    found = [one.name for one in client.ApisApi(lane.api).get_api_versions().groups]
    if kind[0] not in found:
        print("  (no KServe here)")
        return
    spec = {"predictor": {"model": {"modelFormat": {"name": "x"}, "storageUri": "pvc://x"}}}
    body = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "m"},
        "spec": spec,
    }
    assert lane.custom.create_namespaced_custom_object(*kind, body)["metadata"]["uid"]
    patched = lane.custom.patch_namespaced_custom_object(*kind, "m", {"metadata": {"labels": LABELS}})
    assert patched["metadata"]["labels"] == LABELS
    lane.custom.delete_namespaced_custom_object(*kind, "m")


def questions_about_rights(lane):
    asked = {"namespace": lane.ns, "verb": "create", "group": "apps", "resource": "deployments"}
    review = {"spec": {"resourceAttributes": asked}}
    assert client.AuthorizationV1Api(lane.api).create_self_subject_access_review(review).status.allowed is True


def delete(lane):
    """37 returns a dict, older releases an object."""
    told = lane.core.delete_namespaced_config_map("a", lane.ns)
    assert (told["status"] if MAJOR >= 37 and isinstance(told, dict) else told.status) == "Success"
    refused(lambda: lane.core.delete_namespaced_config_map("a", lane.ns), 404)
    lane.core.delete_collection_namespaced_config_map(lane.ns, label_selector="!none")
    lane.apps.delete_namespaced_deployment("d", lane.ns, propagation_policy="Background")


CHECKS = [
    *(version, create_read_list, refusals_have_their_codes, replace, text_of_secrets_is_encoded),
    *(strategic_merge_finds_containers_by_name, json_patch, scale_and_status_are_parts),
    *(an_accelerator_as_a_number_can_be_read_back, applying_a_service_again_keeps_its_ports),
    *(a_typing_error_is_found_when_strict_is_asked_for, a_watch_goes_on_from_a_version, pages, a_dry_run_keeps_nothing),
    *(custom_objects, questions_about_rights, delete),
]

if __name__ == "__main__":
    lane = Lane(*sys.argv[1:])
    for check in CHECKS:
        print(check.__name__, flush=True)
        check(lane)
    print(f"all hold with kubernetes {kubernetes.__version__}")
