"""The official Python client, typed and dynamic."""

import pytest
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dynamic"}, "data": {"k": "1"}}


@pytest.fixture
def connection(kubeconfig):
    with config.new_client_from_config(str(kubeconfig)) as connected:
        yield connected


@pytest.fixture
def core(connection):
    return client.CoreV1Api(connection)


def test_create_read_patch_replace_delete(core, space):
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a"), data={"k": "1"})
    made = core.create_namespaced_config_map(space.name, body)
    assert core.read_namespaced_config_map("a", space.name) == made
    patched = core.patch_namespaced_config_map("a", space.name, {"data": {"k": "2"}})
    assert patched.data == {"k": "2"}
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("a", space.name, made)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    assert core.delete_namespaced_config_map("a", space.name).status == "Success"
    with pytest.raises(ApiException) as missing:
        core.read_namespaced_config_map("a", space.name)
    assert missing.value.status == 404


def test_text_of_secrets_is_encoded(core, space):
    body = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"a": "b"})
    made = core.create_namespaced_secret(space.name, body)
    assert (made.data, made.string_data, made.type) == ({"a": "Yg=="}, None, "Opaque")


def test_a_watch(core, space):
    version = core.list_namespaced_config_map(space.name).metadata.resource_version
    space.config_map("one")
    space.config_map("two")
    seen = watch.Watch().stream(
        core.list_namespaced_config_map, space.name, resource_version=version, timeout_seconds=2
    )
    assert [(one["type"], one["object"].metadata.name) for one in seen] == [("ADDED", "one"), ("ADDED", "two")]


def test_pages(core, space):
    for i in range(3):
        space.config_map(f"w{i}", labels={"w": "1"})
    first = core.list_namespaced_config_map(space.name, limit=2, label_selector="w")
    rest = core.list_namespaced_config_map(space.name, limit=2, label_selector="w", _continue=first.metadata._continue)
    assert [one.metadata.name for one in (*first.items, *rest.items)] == ["w0", "w1", "w2"]


def test_workloads(connection, space):
    apps = client.AppsV1Api(connection)
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    utils.create_from_dict(connection, body, namespace=space.name)
    scaled = apps.patch_namespaced_deployment_scale("d", space.name, {"spec": {"replicas": 1}})
    assert (scaled.spec.replicas, scaled.status.selector) == (1, "app=d")
    apps.patch_namespaced_deployment_scale("d", space.name, {"spec": {"replicas": 0}})
    env = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}}}}
    patched = apps.patch_namespaced_deployment("d", space.name, env)
    assert patched.spec.template.spec.containers[0].image == "i:1"


def test_the_dynamic_client_applies(connection, space):
    resources = dynamic.DynamicClient(connection).resources
    maps = resources.get(api_version="v1", kind="ConfigMap")
    strict = [("fieldValidation", "Strict")]
    first = maps.server_side_apply(body=CONFIG_MAP, namespace=space.name, field_manager="maas-lab", query_params=strict)
    assert first.data.to_dict() == {"k": "1"}
    changed = {**CONFIG_MAP, "data": {"k": "2"}}
    with pytest.raises(ApiException) as refused:
        maps.server_side_apply(body=changed, namespace=space.name, field_manager="other")
    assert refused.value.status == 409
    forced = maps.server_side_apply(body=changed, namespace=space.name, field_manager="other", force_conflicts=True)
    assert forced.data.to_dict() == {"k": "2"}
