"""Server-side apply: who owns what, what is removed, who is in whose way."""

import copy
import random

import pytest

from maas_lab.local.kube import apply, fieldsets, guards, validation
from maas_lab.local.kube.status import ApiError

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


@pytest.fixture
def put(schemas, kind_of):
    """Apply a configuration and fill in defaults, as the server does."""

    def put(current, config, manager="one", *, force=False, name="Deployment", now=NOW):
        kind = kind_of(name)
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **config}
        found = apply.server_side_apply(schemas, kind, current, whole, manager, force, "", now)
        return schemas.default(kind, schemas.decode(kind, found)[0])

    return put


def config_map(**data):
    return {"metadata": {"name": "c"}, "data": data}


def owned(obj, manager):
    """Return the fields of one manager, as text."""
    entries = [one for one in obj["metadata"].get("managedFields", ()) if one["manager"] == manager]
    return sorted(fieldsets.text(path) for one in entries for path in fieldsets.from_json(one["fieldsV1"]))


def test_a_manager_owns_what_it_applies_and_what_it_drops_goes(put):
    first = put(None, config_map(a="1", b="2"), name="ConfigMap")
    assert owned(first, "one") == [".data.a", ".data.b"]
    second = put(first, config_map(a="1"), name="ConfigMap")
    assert second["data"] == {"a": "1"}
    assert owned(second, "one") == [".data.a"]


def test_what_two_own_stays_until_both_drop_it(put):
    both = put(put(None, config_map(a="1", b="2"), name="ConfigMap"), config_map(a="1"), "two", name="ConfigMap")
    assert owned(both, "two") == [".data.a"]
    left = put(both, config_map(b="2"), "one", name="ConfigMap")
    assert left["data"] == {"a": "1", "b": "2"}
    assert put(left, config_map(), "two", name="ConfigMap")["data"] == {"b": "2"}


def test_conflicts_name_every_field_and_force_takes_them(put):
    first = put(None, config_map(a="1", b="2", c="3"), name="ConfigMap")
    with pytest.raises(ApiError) as refused:
        put(first, config_map(a="x", b="y", c="3"), "two", name="ConfigMap")
    assert str(refused.value) == 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b'
    causes = refused.value.status["details"]["causes"]
    assert [cause["field"] for cause in causes] == [".data.a", ".data.b"]
    assert {cause["message"] for cause in causes} == {'conflict with "one"'}
    taken = put(first, config_map(a="x", b="y", c="3"), "two", force=True, name="ConfigMap")
    assert taken["data"] == {"a": "x", "b": "y", "c": "3"}
    assert (owned(taken, "one"), owned(taken, "two")) == ([".data.c"], [".data.a", ".data.b", ".data.c"])


def test_an_update_takes_fields_without_asking(put, schemas, kind_of):
    kind, first = kind_of("ConfigMap"), put(None, config_map(a="1", b="2"), name="ConfigMap")
    edited = apply.track(schemas, kind, first, {**first, "data": {"a": "9", "b": "2"}}, "edit", "Update", "", LATER)
    assert (owned(edited, "one"), owned(edited, "edit")) == ([".data.b"], [".data.a"])
    with pytest.raises(ApiError, match=r'conflict with "edit" using v1: \.data\.a'):
        put(edited, config_map(a="1", b="2"), name="ConfigMap")


def test_service_ports_are_matched_by_port_and_protocol(put):
    """The default of the key counts: a port without protocol is the TCP port that is there."""
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "x"}}}
    first = put(None, service, name="Service")
    assert put(first, service, name="Service") == first
    udp = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "protocol": "UDP", "name": "u"}]}}
    ports = put(first, udp, "two", name="Service")["spec"]["ports"]
    assert [port["protocol"] for port in ports] == ["TCP", "UDP"]


def test_fields_before_anybody_was_tracked_conflict_too(put):
    old = {"apiVersion": "v1", "kind": "ConfigMap", **config_map(a="1")}
    with pytest.raises(ApiError, match=r'conflict with "before-first-apply" using v1: \.data\.a'):
        put(old, config_map(a="2"), name="ConfigMap")


def test_clearing_managed_fields_starts_anew(put, schemas, kind_of):
    first = put(None, config_map(a="1"), name="ConfigMap")
    cleared = {**first, "metadata": {**first["metadata"], "managedFields": [{}]}}
    found = apply.track(schemas, kind_of("ConfigMap"), first, cleared, "edit", "Update", "", LATER)
    assert "managedFields" not in found["metadata"]


def test_there_are_at_most_ten_updaters(schemas, kind_of):
    kind, current = kind_of("ConfigMap"), None
    for index in range(14):
        after = {"metadata": {"name": "c"}, "data": {f"k{n}": "v" for n in range(index + 1)}}
        if current:
            after["metadata"]["managedFields"] = current["metadata"]["managedFields"]
        current = apply.track(schemas, kind, current, after, f"m{index}", "Update", "", f"2026-01-01T00:00:{index:02}Z")
    managers = [one["manager"] for one in current["metadata"]["managedFields"]]
    assert managers == ["ancient-changes", *(f"m{n}" for n in range(5, 14))]
    assert {f".data.k{n}" for n in range(5)} <= set(owned(current, "ancient-changes"))


WRONG = [
    ({"spec": {"replics": 1}}, ".spec.replics: field not declared in schema"),
    ({"spec": {"replicas": "1"}}, ".spec.replicas: expected numeric (int or float), got string"),
    ({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
     ".spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "
     '"name"'),
    ({"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}},
     '.spec.template.spec.containers: duplicate entries for key [name="a"]'),
    ({"spec": {"a": 1, "b": 2}},
     "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "message"), WRONG)
def test_a_configuration_must_fit_its_schema(put, config, message):
    with pytest.raises(ApiError) as refused:
        put(None, {"metadata": {"name": "d", "namespace": "n"}, **config})
    start = "failed to create typed patch object (n/d; apps/v1, Kind=Deployment): "
    assert (refused.value.code, str(refused.value)) == (500, start + message)


def some_deployment(chance):
    """Return a random configuration, in the order in which nobody would write it."""
    names = chance.sample("abcd", chance.randrange(1, 4))
    containers = [
        {
            "name": name,
            "image": f"i:{chance.randrange(3)}",
            "env": [
                {"name": one, "value": str(chance.randrange(3))} for one in chance.sample("EFG", chance.randrange(4))
            ],
            "ports": [{"containerPort": port} for port in chance.sample([80, 81, 82], chance.randrange(4))],
            "args": chance.sample(["x", "y"], chance.randrange(3)),
            "resources": {"limits": {"cpu": chance.choice(["1", "500m"])}} if chance.random() < 0.5 else {},
        }
        for name in names
    ]
    labels = {"app": "d", **{key: str(chance.randrange(2)) for key in chance.sample("xyz", chance.randrange(3))}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": {"app": "d"}}, "template": template}
    if chance.random() < 0.5:
        spec["replicas"] = chance.randrange(4)
    return {"metadata": {"name": "d", "labels": dict(labels)}, "spec": spec}


def holds(config, obj):
    """Tell whether everything in a configuration is in an object."""
    if isinstance(config, dict):
        return all(value in ({}, []) or (name in obj and holds(value, obj[name])) for name, value in config.items())
    if isinstance(config, list) and config and isinstance(config[0], dict):
        key = "name" if "name" in config[0] else "containerPort"
        by_key = {one[key]: one for one in obj}
        return all(one[key] in by_key and holds(one, by_key[one[key]]) for one in config)
    return config == obj


def test_random_configurations_of_two_managers(put, schemas, kind_of):
    """What was applied is there; applying it again changes nothing; what nobody names any more is gone."""
    chance, kind = random.Random(13), kind_of("Deployment")
    for _ in range(60):
        first, second, third = (some_deployment(chance) for _ in range(3))
        current = put(None, first)
        assert holds(first, current)
        current = put(current, second, "two", force=True, now=LATER)
        assert holds(second, current)
        before = copy.deepcopy(current)
        again = put(current, second, "two", now="2026-01-02T00:00:00Z")
        assert guards.same(before, again)
        assert current == before
        third["metadata"]["labels"]["app"] = "d"
        alone = put(put(current, third, "two", force=True), third, "one", force=True)
        assert holds(third, alone)
        names = {one["name"] for one in alone["spec"]["template"]["spec"]["containers"]}
        assert names == {one["name"] for one in third["spec"]["template"]["spec"]["containers"]}
        assert validation.problems(kind, alone, current) == []


def test_fieldsets_survive_being_written(schemas, kind_of):
    chance, root = random.Random(17), schemas.root(kind_of("Deployment"))
    for _ in range(100):
        fields = fieldsets.fields_of(root, some_deployment(chance))
        assert fieldsets.from_json(fieldsets.to_json(fields)) == fields
