"""Create, read, update, patch: what is kept, and what is said when it is not."""

import json

import pytest

DEPLOYMENTS = "apps/v1"
STRATEGIC, MERGE, JSON = "strategic-merge-patch+json", "merge-patch+json", "json-patch+json"


def deployment(name, replicas=0):
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


def refused(answer, code, reason, message, details=None):
    status = answer.json()
    assert (answer.status_code, status["kind"], status["status"]) == (code, "Status", "Failure")
    assert (status["code"], status.get("reason")) == (code, reason)
    assert status["message"].startswith(message), status["message"]
    if details is not None:
        assert status["details"] == details


def test_a_created_object_has_what_the_server_gives(space):
    made = space.made("configmaps", {"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"k": "v"})
    metadata = made["metadata"]
    assert metadata.keys() == {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields"}
    [owner] = metadata["managedFields"]
    assert (owner["manager"], owner["operation"], owner["fieldsType"]) == ("contract", "Update", "FieldsV1")
    assert owner["fieldsV1"] == {"f:data": {".": {}, "f:k": {}}}
    assert space.api.get(space.path("configmaps", "a")).json() == made


def test_a_second_object_of_a_name_is_refused(space):
    space.config_map("a")
    told = {"name": "a", "kind": "configmaps"}
    refused(
        space.create("configmaps", {"metadata": {"name": "a"}}), 409, "AlreadyExists", 'configmaps "a" already', told
    )


def test_what_is_not_there_is_named_with_its_group(space):
    told = {"name": "d", "group": "apps", "kind": "deployments"}
    answer = space.api.get(space.path("deployments", "d", DEPLOYMENTS))
    refused(answer, 404, "NotFound", 'deployments.apps "d" not found', told)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"metadata": {"name": "x", "namespace": "other"}}, "the namespace of the provided object does not match the"),
        ({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}}, "Secret in version"),
        ({"kind": "ConfigMap", "apiVersion": "v9", "metadata": {"name": "x"}}, 'ConfigMap in version "v9" cannot be'),
        ({"metadata": {"name": "x"}, "data": {"n": 1}}, 'ConfigMap in version "v1" cannot be handled as a ConfigMap'),
    ],
)
def test_a_body_that_does_not_fit_its_path_is_refused(space, body, message):
    refused(space.create("configmaps", body), 400, "BadRequest", message)


def test_a_missing_namespace_is_named(space):
    answer = space.api.post("/api/v1/namespaces/no-such-one/configmaps", json={"metadata": {"name": "x"}})
    refused(
        answer, 404, "NotFound", 'namespaces "no-such-one" not found', {"name": "no-such-one", "kind": "namespaces"}
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{nope", "invalid character 'n' looking for beginning of object key string ({nope)"),
        (b"[]", "json: cannot unmarshal array into Go value of type"),
    ],
)
def test_a_body_that_is_no_object_is_refused(space, body, why):
    headers = {"content-type": "application/json"}
    answer = space.api.post(space.path("deployments", group=DEPLOYMENTS), content=body, headers=headers)
    start = "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse "
    refused(answer, 400, "BadRequest", f"{start}error: {why}")


def test_yaml_is_read(space):
    text = "metadata: {name: from-yaml}\ndata: {date: '2026-01-01', m: \"1\"}\n"
    headers = {"content-type": "application/yaml"}
    answer = space.api.post(space.path("configmaps"), content=text, headers=headers)
    assert answer.json()["data"] == {"date": "2026-01-01", "m": "1"}


def test_a_body_of_another_type_is_refused(space):
    answer = space.api.post(space.path("configmaps"), content=b"<a/>", headers={"content-type": "text/xml"})
    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")


def test_a_name_is_generated(space):
    made = space.made("configmaps", {"metadata": {"generateName": "g-"}})
    assert made["metadata"]["name"].startswith("g-")
    assert len(made["metadata"]["name"]) == 7


def test_a_dry_run_keeps_nothing(space):
    answer = space.create("configmaps", {"metadata": {"name": "dry"}}, dryRun="All")
    assert answer.status_code == 201
    assert "resourceVersion" not in answer.json()["metadata"]
    assert space.api.get(space.path("configmaps", "dry")).status_code == 404


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"fieldValidation": "Nope"},
            'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Nope"',
        ),
        ({"dryRun": "Nope"}, 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Nope"]'),
    ],
)
def test_options_that_there_are_not_are_refused(space, query, message):
    refused(space.create("configmaps", {"metadata": {"name": "x"}}, **query), 422, "Invalid", message)


def test_unknown_fields_are_refused_told_or_dropped(space):
    body = deployment("v")
    body["spec"]["replics"] = 2
    strict = space.create("deployments", body, DEPLOYMENTS, fieldValidation="Strict", dryRun="All")
    message = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field '
    refused(strict, 400, "BadRequest", f'{message}"spec.replics"')
    warned = space.create("deployments", body, DEPLOYMENTS, fieldValidation="Warn", dryRun="All")
    assert warned.status_code == 201
    assert warned.headers["warning"].startswith(r'299 - "unknown field \"spec.replics\"')
    assert "replics" not in warned.json()["spec"]
    ignored = space.create("deployments", body, DEPLOYMENTS, fieldValidation="Ignore", dryRun="All")
    assert (ignored.status_code, "warning" in ignored.headers) == (201, False)


def test_a_field_that_is_given_twice_is_refused(space):
    text = json.dumps(deployment("v")).replace('"replicas": 0', '"replicas": 0, "replicas": 1')
    headers = {"content-type": "application/json"}
    path, query = space.path("deployments", group=DEPLOYMENTS), {"fieldValidation": "Strict", "dryRun": "All"}
    answer = space.api.post(path, content=text, headers=headers, params=query)
    message = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: duplicate field '
    refused(answer, 400, "BadRequest", f'{message}"spec.replicas"')
    warned = space.api.post(path, content=text, headers=headers, params={**query, "fieldValidation": "Warn"})
    assert (warned.status_code, warned.headers["warning"].count("duplicate field")) == (201, 1)


def test_an_update_needs_the_latest_state(space):
    first = space.config_map("a", {"k": "1"})
    path = space.path("configmaps", "a")
    second = space.api.put(path, json={**first, "data": {"k": "2"}})
    assert second.status_code == 200
    assert second.json()["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    stale = space.api.put(path, json={**first, "data": {"k": "3"}})
    told = {"name": "a", "kind": "configmaps"}
    refused(
        stale, 409, "Conflict", 'Operation cannot be fulfilled on configmaps "a": the object has been modified', told
    )
    assert space.api.get(path).json()["data"] == {"k": "2"}


def test_an_update_that_changes_nothing_is_no_new_version(space):
    first = space.config_map("a", {"k": "1"})
    again = space.api.put(space.path("configmaps", "a"), json=first).json()
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_only_changes_of_the_spec_are_generations(space):
    made = space.made("deployments", deployment("d"), DEPLOYMENTS)
    path = space.path("deployments", "d", DEPLOYMENTS)
    assert (made["metadata"]["generation"], made["status"]) == (1, {})
    labelled = space.patch(path, MERGE, {"metadata": {"labels": {"a": "b"}}}).json()
    assert labelled["metadata"]["generation"] == 1
    changed = space.patch(path, MERGE, {"spec": {"paused": True}}).json()
    assert changed["metadata"]["generation"] == 2


def test_status_and_spec_are_written_apart(space):
    space.made("deployments", deployment("d"), DEPLOYMENTS)
    path = space.path("deployments", "d", DEPLOYMENTS)
    reported = space.patch(f"{path}/status", MERGE, {"status": {"collisionCount": 1}, "spec": {"replicas": 9}}).json()
    assert (reported["status"]["collisionCount"], reported["spec"]["replicas"]) == (1, 0)
    asked = space.patch(path, MERGE, {"status": {"collisionCount": 7}, "spec": {"minReadySeconds": 3}}).json()
    assert (asked["status"]["collisionCount"], asked["spec"]["minReadySeconds"]) == (1, 3)


def test_scale_is_a_view_of_the_replicas(space):
    space.made("deployments", deployment("d"), DEPLOYMENTS)
    path = space.path("deployments", "d/scale", DEPLOYMENTS)
    seen = space.api.get(path).json()
    assert (seen["kind"], seen["apiVersion"], seen["spec"]) == ("Scale", "autoscaling/v1", {})
    assert seen["status"]["selector"] == "app=d"
    assert space.patch(path, MERGE, {"spec": {"replicas": 1}}).json()["spec"] == {"replicas": 1}
    again = space.api.get(path).json()
    again["spec"] = {"replicas": 0}
    assert space.api.put(path, json=again).status_code == 200


def test_patches(space):
    space.made("deployments", deployment("d"), DEPLOYMENTS)
    path = space.path("deployments", "d", DEPLOYMENTS)
    named = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}}}}
    merged = space.patch(path, STRATEGIC, named).json()["spec"]["template"]["spec"]["containers"]
    assert [(one["name"], one["image"], one["env"]) for one in merged] == [("c", "i:1", [{"name": "A", "value": "1"}])]
    replaced = space.patch(path, JSON, [{"op": "replace", "path": "/spec/paused", "value": True}])
    refused(replaced, 422, "Invalid", "the server rejected our request due to an error in our request")
    added = space.patch(path, JSON, [{"op": "add", "path": "/spec/paused", "value": True}])
    assert added.json()["spec"]["paused"] is True
    gone = space.patch(path, MERGE, {"spec": {"paused": None}}).json()
    assert "paused" not in gone["spec"]


def test_a_patch_of_another_type_is_refused(space):
    space.config_map("a")
    answer = space.api.patch(space.path("configmaps", "a"), content=b"x", headers={"content-type": "text/plain"})
    refused(answer, 415, "UnsupportedMediaType", "415: Unsupported Media Type")


def test_a_patch_of_an_old_state_is_refused(space):
    space.config_map("a")
    answer = space.patch(space.path("configmaps", "a"), MERGE, {"metadata": {"resourceVersion": "1"}})
    refused(answer, 409, "Conflict", 'Operation cannot be fulfilled on configmaps "a": the object has been modified')


def apply(space, path, config, **query):
    headers = {"content-type": "application/apply-patch+yaml"}
    return space.api.patch(path, content=json.dumps(config), headers=headers, params=query)


def test_server_side_apply(space):
    path = space.path("configmaps", "a")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    assert apply(space, path, config, fieldManager="one").status_code == 201
    first = apply(space, path, config, fieldManager="one")
    again = apply(space, path, config, fieldManager="one")
    assert first.json()["metadata"]["resourceVersion"] == again.json()["metadata"]["resourceVersion"]
    other = apply(space, path, {**config, "data": {"k": "2"}}, fieldManager="two")
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.k"}
    refused(other, 409, "Conflict", 'Apply failed with 1 conflict: conflict with "one": .data.k', {"causes": [cause]})
    forced = apply(space, path, {**config, "data": {"k": "2"}}, fieldManager="two", force="true")
    assert (forced.status_code, forced.json()["data"]) == (200, {"k": "2"})


@pytest.mark.parametrize(
    ("change", "query", "code", "message"),
    [
        ({}, {}, 422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply'),
        ({"metadata": {"name": "b"}}, {"fieldManager": "one"}, 400, "the name of the object (b) does not match the"),
        ({"metadata": {"name": "a", "managedFields": []}}, {"fieldManager": "one"}, 400, "metadata.managedFields must"),
    ],
)
def test_server_side_apply_that_is_refused(space, change, query, code, message):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, **change}
    answer = apply(space, space.path("configmaps", "a"), config, **query)
    assert answer.status_code == code
    assert answer.json()["message"].startswith(message)


GPU, ENOUGH = {"nvidia.com/gpu": "1"}, {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"limits": GPU}, "BestEffort"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {**ENOUGH, **GPU}}, "Guaranteed"),
        ({"limits": ENOUGH, "requests": {"cpu": "1000m"}}, "Guaranteed"),
        ({"limits": ENOUGH, "requests": {"memory": "1Mi"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_a_pods_class_of_service_counts_cpu_and_memory(space, resources, quality):
    spec = {"containers": [{"name": "c", "image": "i:1", "resources": resources}], "nodeSelector": {"no": "node"}}
    answer = space.create("pods", {"metadata": {"name": "p"}, "spec": spec}, dryRun="All")
    assert answer.json()["status"]["qosClass"] == quality


def test_a_service_keeps_its_address(space):
    made = space.made("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    assert made["spec"]["clusterIPs"] == [made["spec"]["clusterIP"]]
    assert made["status"] == {"loadBalancer": {}}
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}}
    changed = space.api.put(space.path("services", "s"), json=body).json()
    assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert [port["port"] for port in changed["spec"]["ports"]] == [81]


def test_a_body_that_is_too_large_is_refused(space):
    body = {"metadata": {"name": "big"}, "data": {"k": "x" * 1_100_000}}
    refused(
        space.create("configmaps", body), 422, "Invalid", 'ConfigMap "big" is invalid: []: Too long: may not be more'
    )
    huge = {"metadata": {"name": "big"}, "data": {"k": "x" * 3_200_000}}
    answer = space.create("configmaps", huge)
    refused(answer, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    assert space.config_map("small")  # the connection is still good, or a new one is


@pytest.mark.parametrize(
    "text", [b"a: [", b"\xff\xfe", b"a: &a [*a]", b"? [a]\n: b", b"- 1", b"[" * 5000, b"!!python/none x"]
)
def test_yaml_that_is_no_object_is_refused(space, text):
    path = space.path("configmaps", "a")
    headers = {"content-type": "application/apply-patch+yaml"}
    applied = space.api.patch(path, content=text, headers=headers, params={"fieldManager": "one"})
    assert (applied.status_code, applied.json()["reason"]) == (400, "BadRequest")
    created = space.api.post(space.path("configmaps"), content=text, headers={"content-type": "application/yaml"})
    assert (created.status_code, created.json()["reason"]) == (400, "BadRequest")
    assert space.api.get(path).status_code == 404


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 5000, '{"a": NaN}', '{"data": {"k": 1e999}}'])
def test_json_that_go_would_not_read_is_refused(space, text):
    answer = space.api.post(space.path("configmaps"), content=text, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
