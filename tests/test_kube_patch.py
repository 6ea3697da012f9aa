"""JSON patch, merge patch and strategic merge patch: the RFCs' examples, kubectl's directives, random documents."""

import contextlib
import copy
import random

import pytest

from maas_lab.jsonpatch import same
from maas_lab.local.kube import patch
from maas_lab.local.kube.status import ApiError

APPENDIX_A = [  # RFC 6902
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
    ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
    ({"foo": [1, 2, 3]}, [{"op": "move", "from": "/foo/1", "path": "/foo/2"}], {"foo": [1, 3, 2]}),
    ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
    ({"a": [1, "x"]}, [{"op": "test", "path": "/a/1", "value": "x"}], {"a": [1, "x"]}),
    ({"a": 1}, [{"op": "add", "path": "/b", "value": {"c": 1}, "xyz": 1}], {"a": 1, "b": {"c": 1}}),
    ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}], {}),
    ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
    ({"a": 1}, [{"op": "add", "path": "", "value": {"b": 1}}], {"b": 1}),
    ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
    ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
]
CANNOT = [
    {"op": "test", "path": "/a", "value": "x"},
    {"op": "test", "path": "/a", "value": True},
    {"op": "remove", "path": "/nope"},
    {"op": "replace", "path": "/nope", "value": 1},
    {"op": "add", "path": "/nope/b", "value": 1},
    {"op": "add", "path": "/l/5", "value": 1},
    {"op": "add", "path": "/l/01", "value": 1},
    {"op": "add", "path": "/a/b", "value": 1},
    {"op": "remove", "path": "/l/x"},
    {"op": "add", "path": "a", "value": 1},
    {"op": "add", "path": "/b"},
    {"op": "move", "from": "/l", "path": "/l/0"},
    {"op": "copy", "from": "/nope", "path": "/b"},
    {"op": "jump", "path": "/a"},
    {"path": "/a"},
    {"op": "add", "value": 1},
]
MERGES = [  # RFC 7386
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("obj", "operations", "result"), APPENDIX_A)
def test_json_patch(obj, operations, result):
    before = copy.deepcopy(obj)
    assert patch.json_patch(obj, operations) == result
    assert obj == before


@pytest.mark.parametrize("operation", CANNOT, ids=str)
def test_json_patch_that_cannot_be_applied_changes_nothing(operation):
    obj = {"a": 1, "l": [1]}
    with pytest.raises(ApiError, match="the server rejected our request") as refused:
        patch.json_patch(obj, [{"op": "add", "path": "/a", "value": 1}, operation])
    assert (refused.value.code, obj) == (422, {"a": 1, "l": [1]})


@pytest.mark.parametrize("operations", [{}, None, "x", [1]])
def test_what_is_no_json_patch(operations):
    with pytest.raises(ApiError) as refused:
        patch.json_patch({}, operations)
    assert refused.value.code == 400


@pytest.mark.parametrize(("obj", "change", "result"), MERGES)
def test_merge_patch(obj, change, result):
    assert patch.merge_patch(obj, change) == result


def pod(*containers, **more):
    return {"spec": {"containers": list(containers), **more}}


def named(*names, **more):
    return [{"name": name, **more} for name in names]


STRATEGIC = [
    # elements are matched by name; new ones come first, as the server puts them
    (named("a", "b", image="1"), named("b", image="2"), [*named("a", image="1"), *named("b", image="2")]),
    (named("a"), named("b"), named("b", "a")),
    (named("a", "b"), [{"name": "a", "$patch": "delete"}], named("b")),
    (named("a", "b"), [{"$patch": "replace"}, *named("c")], named("c")),
    (named("a", image="1"), [{"name": "a", "image": None, "args": ["x"]}], named("a", args=["x"])),
    # a list without a strategy is replaced
    (named("a", args=["1", "2"]), named("a", args=["3"]), named("a", args=["3"])),
    (
        named("a"),
        [{"name": "b", "env": [{"name": "E", "value": None}]}],
        [*named("b", env=[{"name": "E"}]), *named("a")],
    ),
]


@pytest.mark.parametrize(("old", "change", "result"), STRATEGIC)
def test_strategic_merge_of_lists(schemas, kind_of, old, change, result):
    assert patch.strategic_merge(schemas, kind_of("Pod"), pod(*old), pod(*change)) == pod(*result)


DIRECTIVES = [
    ({"$setElementOrder/containers": named("c", "b", "a")}, {"containers": named("c", "b", "a")}),
    (
        {"$setElementOrder/containers": named("d", "a"), "containers": named("d")},
        {"containers": [*named("d", "a", "b"), *named("c")]},
    ),
    ({"nodeSelector": {"$patch": "replace", "z": "1"}}, {"nodeSelector": {"z": "1"}}),
    ({"nodeSelector": {"$patch": "delete"}}, {"nodeSelector": {}}),
    ({"nodeSelector": {"y": None}}, {"nodeSelector": {"x": "1"}}),
    ({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]},
     {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "result"), DIRECTIVES)
def test_strategic_merge_directives(schemas, kind_of, change, result):
    volumes = [{"name": "v", "emptyDir": {}}]
    old = pod(*named("a", "b", "c"), nodeSelector={"x": "1", "y": "2"}, volumes=volumes)
    found = patch.strategic_merge(schemas, kind_of("Pod"), old, {"spec": change})
    assert found == {"spec": {**old["spec"], **result}}


def test_finalizers_are_a_set(schemas, kind_of):
    old = {"metadata": {"finalizers": ["a", "b"]}}
    kind = kind_of("ConfigMap")
    more = patch.strategic_merge(schemas, kind, old, {"metadata": {"finalizers": ["b", "c"]}})
    assert sorted(more["metadata"]["finalizers"]) == ["a", "b", "c"]
    less = patch.strategic_merge(schemas, kind, old, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})
    assert less["metadata"]["finalizers"] == ["b"]


@pytest.mark.parametrize(
    "change",
    [[], {"spec": {"containers": [{"image": "x"}]}}, {"spec": {"containers": ["x"]}}, {"spec": {"$patch": "twist"}}],
)
def test_what_is_no_strategic_merge(schemas, kind_of, change):
    with pytest.raises(ApiError) as refused:
        patch.strategic_merge(schemas, kind_of("Pod"), pod(*named("a")), change)
    assert refused.value.code == 400


def any_value(chance, depth=3):
    """Return random JSON."""
    kind = chance.randrange(6 if depth else 4)
    if kind == 4:
        return [any_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 5:
        return {name: any_value(chance, depth - 1) for name in chance.sample("abc/~", chance.randrange(4))}
    return chance.choice([None, True, 0, 1, 2.5, "", "x", "é"])


def difference(old, new):
    """Return the merge patch that leads from one document without nulls to another."""
    change = {name: None for name in old if name not in new}
    for name, value in new.items():
        both = isinstance(value, dict) and isinstance(old.get(name), dict)
        if both or name not in old or not same(old[name], value):
            change[name] = difference(old[name], value) if both else value
    return change


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return value


def test_a_merge_patch_of_the_difference_leads_to_the_other():
    chance = random.Random(7)
    for _ in range(500):
        old, new = (without_nulls({"r": any_value(chance), "s": any_value(chance)}) for _ in range(2))
        assert patch.merge_patch(old, difference(old, new)) == new


def test_random_operations_are_applied_or_refused_and_never_change_the_original():
    chance = random.Random(11)
    paths = ["", "/", "/a", "/a/b", "/a/0", "/b/-", "/a/b/1", "/~1", "/~0/a", "/c/c/c", "/a/-1"]
    for _ in range(2000):
        obj = {"a": any_value(chance), "b": any_value(chance)}
        before = copy.deepcopy(obj)
        names = ["add", "remove", "replace", "move", "copy", "test"]
        operations = [
            {"op": chance.choice(names), "path": chance.choice(paths), "from": chance.choice(paths), "value": 1}
            for _ in range(chance.randrange(1, 4))
        ]
        with contextlib.suppress(ApiError):
            patch.json_patch(obj, operations)
        assert obj == before
