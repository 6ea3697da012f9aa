"""What the API refuses, and how it says so: recorded refusals, and rules that the recordings do not show."""

import copy
import json
import time
from pathlib import Path

import pytest

from maas_lab.local.kube import bodies, kinds, status, validation

REFUSALS = json.loads((Path(__file__).parent / "captures/kubernetes/refusals.json").read_text(encoding="utf-8"))
POD = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"app": "v"}}, "spec": POD}
SPEC = {"selector": {"matchLabels": {"app": "v"}}, "template": TEMPLATE}
PORT = {"port": 80}
JOB = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
INDEXED = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}
ROUTE = {"to": {"kind": "Service", "name": "web"}}
MODEL = {"predictor": {"model": {"modelFormat": {"name": "vLLM"}}}}


def checked(schemas, kind, obj, old=None, field_validation="Warn"):
    """Decode, default and validate, as the server does."""
    complete = schemas.default(kind, schemas.decode(kind, obj, field_validation)[0])
    if causes := validation.problems(kind, complete, old, schemas):
        raise status.invalid(kind, complete.get("metadata", {}).get("name", ""), causes)
    return complete


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one["step"])
def test_refusals_are_those_of_a_real_control_plane(schemas, refusal):
    with pytest.raises(status.ApiError) as refused:
        checked(schemas, kinds.find(*refusal["kind"]), refusal["request"], None, refusal["validation"])
    assert refused.value.status == refusal["status"]


def changed(whole, path, value):
    """Return a copy with one value set, `None` to remove it; the path is written with dots."""
    found = copy.deepcopy(whole)
    here = found
    *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in above:
        here = here[part]
    if value is None:
        del here[last]
    elif isinstance(here, list):
        here.insert(last, value)
    else:
        here[last] = value
    return found


def mounted(**how):
    """A pod with one volume, mounted somehow."""
    mount = {"name": "v", "mountPath": "/v", **how}
    return {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{**POD["containers"][0], "volumeMounts": [mount]}],
    }


OUTSIDE = {"key": "k", "path": "../x"}
HIDDEN = {"items": [OUTSIDE]}
C = "template.spec.containers.0"
T = "spec.template.spec.containers[0]"
GOOD = {"Deployment": SPEC, "Service": {"ports": [PORT]}, "Pod": POD, "Route": ROUTE, "InferenceService": MODEL}
CASES = [
    ("Deployment", f"{C}.ports", [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}],
     f'{T}.ports[1].name: Duplicate value: "a"'),
    ("Deployment", f"{C}.ports", [{"containerPort": 80, "protocol": "tcp"}],
     f'{T}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'),
    ("Deployment", f"{C}.ports", [{"containerPort": 70000}],
     f"{T}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
    ("Deployment", f"{C}.volumeMounts", [{"name": "data", "mountPath": "/d"}],
     f'{T}.volumeMounts[0].name: Not found: "data"'),
    ("Deployment", f"{C}.imagePullPolicy", "Sometimes",
     f'{T}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'),
    ("Deployment", f"{C}.readinessProbe", {"periodSeconds": 1},
     f"{T}.readinessProbe: Required value: must specify a handler type"),
    ("Deployment", f"{C}.env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}],
     f"{T}.env[0].valueFrom.secretKeyRef.key: Required value"),
    ("Deployment", f"{C}.resources", {"limits": {"nvidia.com/gpu": "0.5"}},
     f'{T}.resources.limits[nvidia.com/gpu]: Invalid value: "500m": must be an integer'),
    ("Deployment", f"{C}.resources", {"requests": {"nvidia.com/gpu": "1"}},
     f"{T}.resources.limits: Required value: Limit must be set for non overcommitable resources"),
    ("Deployment", "template.spec.restartPolicy", "Never",
     'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
    ("Deployment", "strategy", {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}},
     "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
    ("Deployment", "template.spec.volumes", [{"name": "v", "secret": {}}],
     "spec.template.spec.volumes[0].secret.secretName: Required value"),
    ("Deployment", "template.spec.volumes", [{"name": "v", "configMap": {"name": "c", "items": [OUTSIDE]}}],
     "spec.template.spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"),
    ("Deployment", "template.spec.volumes", [{"name": "v", "projected": {"sources": [{"secret": HIDDEN}]}}],
     "spec.template.spec.volumes[0].projected.sources[0].secret.items[0].path: Invalid value: \"../x\": must not "
     "contain '..'"),
    ("Deployment", "template.spec", mounted(subPath="/x"),
     f'{T}.volumeMounts[0].subPath: Invalid value: "/x": must be a relative path'),
    ("Deployment", "template.spec", mounted(subPathExpr="$(A)/../x"),
     f"{T}.volumeMounts[0].subPathExpr: Invalid value: \"$(A)/../x\": must not contain '..'"),
    ("Service", "type", "Public",
     'spec.type: Unsupported value: "Public": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
     '"NodePort"'),
    ("Service", "ports", [], "spec.ports: Required value"),
    ("Route", "to.kind", "Pod", 'spec.to.kind: Unsupported value: "Pod": supported values: "Service", ""'),
    ("Route", "to", None, "spec.to: Required value"),
    ("Route", "path", "api", "spec.path: Invalid value: \"api\": spec.path in body should match '^/'"),
    ("Route", "to.weight", 300,
     "spec.to.weight: Invalid value: 300: spec.to.weight in body should be less than or equal to 256"),
    ("InferenceService", "predictor.minReplicas", "two",
     'spec.predictor.minReplicas: Invalid value: "string": spec.predictor.minReplicas in body must be of type integer: '
     '"string"'),
    ("InferenceService", "predictor.model.modelFormat", {}, "spec.predictor.model.modelFormat.name: Required value"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "value", "message"), CASES, ids=[case[1] for case in CASES])
def test_each_rule_names_the_field_and_what_is_wrong(schemas, kind_of, name, path, value, message):
    kind = kind_of(name)
    checked(schemas, kind, {"metadata": {"name": "v"}, "spec": GOOD[name]})
    with pytest.raises(status.ApiError) as refused:
        checked(schemas, kind, {"metadata": {"name": "v"}, "spec": changed(GOOD[name], path, value)})
    assert refused.value.code == 422
    assert str(refused.value) == f'{kind.qualified} "v" is invalid: {message}'


def test_all_errors_are_told_at_once(schemas, kind_of):
    spec = changed(changed(SPEC, "template.spec.containers.0.image", ""), "replicas", -1)
    with pytest.raises(status.ApiError) as refused:
        checked(schemas, kind_of("Deployment"), {"metadata": {"name": "Bad_Name"}, "spec": spec})
    fields = [cause["field"] for cause in refused.value.status["details"]["causes"]]
    assert fields == ["metadata.name", "spec.replicas", f"{T}.image"]


def test_names_of_inference_services_are_short(schemas, kind_of):
    kind = kind_of("InferenceService")
    assert checked(schemas, kind, {"metadata": {"name": "m" * 53}, "spec": MODEL})
    with pytest.raises(status.ApiError, match="must be no more than 53 characters"):
        checked(schemas, kind, {"metadata": {"name": "m" * 54}, "spec": MODEL})


CHANGES = [
    ("Secret", {"type": "Opaque"}, {"type": "kubernetes.io/tls"}, "type", "field is immutable"),
    ("ConfigMap", {"immutable": True, "data": {"a": "1"}}, {"immutable": True}, "data", "field is immutable when"),
    ("Service", {"spec": {"clusterIP": "10.0.0.1", "ports": [PORT]}},
     {"spec": {"clusterIP": "10.0.0.2", "ports": [PORT]}}, "spec.clusterIPs[0]", "may not change once set"),
    ("Deployment", {"spec": SPEC}, {"spec": {**SPEC, "selector": {"matchLabels": {}}}}, "spec.selector",
     "field is immutable"),
    ("StatefulSet", {"spec": {**SPEC, "serviceName": "a"}}, {"spec": {**SPEC, "serviceName": "b"}}, "spec",
     "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template'"),
    ("Job", {"spec": JOB}, {"spec": {**JOB, "completions": 2}}, "spec.completions", "field is immutable"),
    ("Job", {"spec": {**JOB, **INDEXED}}, {"spec": {**JOB, **INDEXED, "completions": 4}}, "spec.completions",
     "can only be modified in tandem with spec.parallelism"),
    ("Job", {"spec": JOB}, {"spec": {**JOB, "completionMode": "Indexed"}}, "spec.completionMode", "field is immutable"),
    ("Job", {"spec": JOB}, {"spec": {**JOB, "template": {"spec": {**POD, "restartPolicy": "OnFailure"}}}},
     "spec.template", "field is immutable"),
    ("Job", {"spec": {**JOB, "suspend": True}}, {"spec": {**JOB, "template": {"spec": {**POD, "hostname": "x"}}}},
     "spec.template", "field is immutable"),
    ("Pod", {"spec": POD}, {"spec": {**POD, "hostname": "x"}}, "spec", "pod updates may not change fields other than"),
    ("PersistentVolumeClaim", {"spec": {"accessModes": ["ReadWriteOnce"]}},
     {"spec": {"accessModes": ["ReadWriteMany"]}}, "spec", "spec is immutable after creation"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "old", "new", "field", "words"), CHANGES, ids=[f"{case[0]} {case[3]}" for case in CHANGES]
)
def test_what_may_not_change(schemas, kind_of, name, old, new, field, words):
    kind, metadata = kind_of(name), {"metadata": {"name": "v"}}
    before, after = [schemas.default(kind, schemas.decode(kind, {**metadata, **one})[0]) for one in (old, new)]
    told = [cause for cause in validation.problems(kind, after, before, schemas) if words in cause.message]
    assert [cause.field for cause in told] == [field]
    assert not [cause for cause in validation.problems(kind, before, before, schemas) if words in cause.message]


def test_unknown_and_doubled_fields(schemas, kind_of):
    kind = kind_of("Deployment")
    text = b'{"metadata":{"name":"v"},"spec":{"replicas":1,"replicas":2,"replics":3,"template":{"sepc":{}}}}'
    told = [
        'duplicate field "spec.replicas"',
        'unknown field "spec.replics" (did you mean "replicas"?)',
        'unknown field "spec.template.sepc" (did you mean "spec"?)',
    ]
    parsed = bodies.parse_json(text)
    found, warnings = schemas.decode(kind, parsed, "Warn")
    assert warnings == told
    assert found["spec"] == {"replicas": 2, "template": {}}
    assert schemas.decode(kind, parsed, "Ignore") == (found, [])
    with pytest.raises(status.ApiError) as refused:
        schemas.decode(kind, parsed, "Strict")
    start = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
    assert str(refused.value) == start + ", ".join(told)


def test_unknown_fields_of_custom_kinds_are_told_in_the_order_of_their_names(schemas, kind_of):
    predictor = {"model": {"modelFromat": {}}, "minReplica": 1}
    told = schemas.decode(kind_of("InferenceService"), {"metadata": {}, "spec": {"predictor": predictor}}, "Warn")[1]
    assert [one.split('"')[1] for one in told] == ["spec.predictor.minReplica", "spec.predictor.model.modelFromat"]


WRONG_TYPES = [
    ("ConfigMap", {"data": {"a": 1}}, "number into Go struct field ConfigMap.data of type string"),
    ("ConfigMap", {"data": []}, "array into Go struct field ConfigMap.data of type map[string]string"),
    ("Pod", {"spec": []}, "array into Go struct field Pod.spec of type v1.PodSpec"),
    ("Pod", {"spec": {"containers": [{"env": [{"name": "A", "value": 1}]}]}},
     "number into Go struct field EnvVar.spec.containers.env.value of type string"),
    ("Pod", {"spec": {"containers": [{"command": [1]}]}},
     "number into Go struct field Container.spec.containers.command of type string"),
    ("Pod", {"spec": {"containers": {}}}, "object into Go struct field PodSpec.spec.containers of type []v1.Container"),
    ("Deployment", {"spec": {"replicas": 1.5}},
     "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
    ("Deployment", {"spec": {"paused": "no"}},
     "string into Go struct field DeploymentSpec.spec.paused of type bool"),
    ("Service", {"spec": {"type": 1}}, "number into Go struct field ServiceSpec.spec.type of type v1.ServiceType"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "obj", "message"), WRONG_TYPES, ids=[case[2] for case in WRONG_TYPES])
def test_wrong_types_are_named_as_go_names_them(schemas, kind_of, name, obj, message):
    with pytest.raises(status.ApiError) as refused:
        schemas.decode(kind_of(name), {"metadata": {"name": "v"}, **obj})
    assert str(refused.value).endswith(f"json: cannot unmarshal {message}")
    assert refused.value.code == 400


def test_what_a_custom_kind_leaves_open_is_kept(schemas, kind_of):
    kind = kind_of("Application")
    values = {"replicas": 2, "image": {"tag": "x"}}
    source = {"repoURL": "https://example.com/a.git", "helm": {"valuesObject": values}}
    spec = {"project": "default", "destination": {}, "source": source, "nope": 1}
    found, warnings = schemas.decode(kind, {"metadata": {"name": "a"}, "spec": spec})
    assert found["spec"]["source"] == source
    assert warnings == ['unknown field "spec.nope"']


def test_a_large_configuration_in_json_is_read_quickly():
    """Applied configurations are called YAML and are mostly JSON; as YAML this one takes seconds."""
    obj = {"data": {f"k{number}": "x" * 20 for number in range(20_000)}}
    text, began = json.dumps(obj).encode(), time.process_time()
    assert bodies.parse_yaml(text) == obj
    assert time.process_time() - began < 1
    assert bodies.parse_yaml(b"{a: 1}") == {"a": 1}
