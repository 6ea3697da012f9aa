"""Objects and patches that nobody would write: each is stored as it is or refused in a sentence."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maas_lab.local.kube import kinds, quantities

CAPTURES = Path(__file__).parents[1] / "captures" / "kubernetes"
CHAINS = json.loads((CAPTURES / "chains.json").read_text(encoding="utf-8"))
GOOD = {
    name: {part: one for part, one in CHAINS[name][0]["request"].items() if part != "status"}
    for name in (
        *("/v1/configmaps/settings", "/v1/secrets/creds", "/v1/services/web", "/v1/persistentvolumeclaims/extra"),
        *("/v1/pods/picky", "apps/v1/deployments/p", "apps/v1/statefulsets/store", "route.openshift.io/v1/routes/web"),
        *("serving.kserve.io/v1alpha1/servingruntimes/vllm", "serving.kserve.io/v1beta1/inferenceservices/granite"),
        "argoproj.io/v1alpha1/applications/infra",
    )
}
# A real server refuses some patches with 500 that are refused here with 400.
pytestmark = pytest.mark.usefixtures("local_home")
PATCHES = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
STRICT = {"fieldValidation": "Strict"}
# A real server answers 500 to a server-side apply that does not fit the schema, and so does the local one.
AS_RECORDED = ("failed to create typed patch object", "field not declared in schema", "failed to convert")
NOT_AS_SENT = {"managedFields", "creationTimestamp", "resourceVersion", "uid", "generation", "namespace", "selfLink"}
NOT_AS_SENT |= {"deletionTimestamp", "deletionGracePeriodSeconds", "stringData", "status"}
MANY = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

odd = st.sampled_from([None, True, 0, -1, 1.5, 2**40, "", "x", "é", "1Gi", "\x00", "a" * 300, "-", "1e3", "$patch"])
odd_names = st.sampled_from(["name", "metadata", "spec", "status", "$patch", "$retainKeys", "", "a/b", "containers"])
names = st.text(max_size=3) | odd_names
values = st.recursive(
    odd, lambda one: st.lists(one, max_size=2) | st.dictionaries(names, one, max_size=2), max_leaves=4
)
changes = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["set", "remove", "add"]), odd_names, values),
    min_size=1,
    max_size=3,
)


def places(value, path=()):
    """Return where the values of a document are."""
    if path:
        yield path
    for name, one in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from places(one, (*path, name))


def changed(obj, how):
    """Return a document with values replaced, removed or added."""
    found = copy.deepcopy(obj)
    for where, what, name, value in how:
        everywhere = [*places(found)] or [("metadata",)]
        path = everywhere[int(where * (len(everywhere) - 1))]
        here = found
        for part in path[:-1]:
            here = here[part]
        if what == "remove" and isinstance(here, dict):
            here.pop(path[-1], None)
        elif what == "add" and isinstance(here, dict):
            here[name] = copy.deepcopy(value)
        else:
            here[path[-1]] = copy.deepcopy(value)
    return found


class Place:
    """Where objects of one kind are."""

    def __init__(self, space, name):
        group, version, plural, self.name = name.split("/")
        self.kind = kinds.find(group, version, plural)
        self.space, self.all = space, space.path(plural, group=f"{group}/{version}" if group else "")
        self.one = f"{self.all}/{self.name}"
        self.clear()  # what the example before has left

    def body(self, obj):
        return {**obj, "metadata": {**obj["metadata"], "namespace": self.space.name}} if is_whole(obj) else obj

    def send(self, method, path, body, how="json", **query):
        headers = {"content-type": f"application/{how}"}
        text = json.dumps(body)
        answer = self.space.api.request(method, path, content=text, headers=headers, params=query)
        told = answer.json()
        if answer.status_code == 500:
            assert how == PATCHES[3], told
            assert any(words in told["message"] for words in AS_RECORDED), told
        assert answer.status_code <= 500, told
        if not answer.is_success:
            assert (told["kind"], told["code"]) == ("Status", answer.status_code)
            assert told["message"]
        return answer

    def clear(self):
        for obj in self.space.api.get(self.all).json()["items"]:
            path = f"{self.all}/{obj['metadata']['name']}"
            if obj["metadata"].get("finalizers"):
                self.send("PATCH", path, {"metadata": {"finalizers": None}}, PATCHES[1])
            self.space.api.request("DELETE", path, json={"gracePeriodSeconds": 0})


def is_whole(obj):
    return isinstance(obj.get("metadata"), dict)


def assert_kept(sent, kept, path=""):
    """Every value that was sent is there; only quantities may be written in another way."""
    if isinstance(sent, dict):
        for name, one in sent.items():
            if one in (None, "", [], {}) and (name not in kept or name in ("apiVersion", "kind")):
                continue  # as good as nothing, for which there is a default
            if name not in NOT_AS_SENT:
                assert name in kept, f"{path}.{name} is lost"
                assert_kept(one, kept[name], f"{path}.{name}")
    elif isinstance(sent, list):
        assert len(sent) == len(kept), path
        for index, one in enumerate(sent):
            assert_kept(one, kept[index], f"{path}[{index}]")
    elif sent is not None and (sent != kept or isinstance(sent, bool) != isinstance(kept, bool)):
        assert quantities.value(sent) == quantities.value(kept), path


@pytest.mark.parametrize("name", GOOD)
@given(how=changes)
@MANY
def test_any_object_is_kept_as_it_was_sent_or_refused(space, name, how):
    place = Place(space, name)
    sent = place.body(changed(GOOD[name], how))
    answer = place.send("POST", place.all, sent, **STRICT)
    if answer.status_code == 201:
        made = answer.json()
        assert_kept(sent, made)
        path = f"{place.all}/{made['metadata']['name']}"
        found = space.api.get(path).json()
        version = found["metadata"]["resourceVersion"]
        again = place.send("PUT", path, found, **STRICT)
        assert again.status_code == 200, again.text  # what is read can be written back, and that changes nothing
        assert again.json()["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize("name", GOOD)
@given(how=changes)
@example(how=[(0.0, "set", "x", {"unknown": 1})])
@MANY
def test_any_update_is_kept_as_it_was_sent_or_refused(space, name, how):
    place = Place(space, name)
    place.send("POST", place.all, place.body(GOOD[name]))
    before = space.api.get(place.one).json()
    sent = changed(before, how)
    answer = place.send("PUT", place.one, sent, **STRICT)
    after = space.api.get(place.one).json()
    if answer.is_success and after.get("kind") != "Status":
        assert after["metadata"]["resourceVersion"] == answer.json()["metadata"]["resourceVersion"]
        assert_kept({part: one for part, one in sent.items() if part != "metadata"}, after)
    elif not answer.is_success:
        assert after == before or after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


@pytest.mark.parametrize("how", PATCHES)
@pytest.mark.parametrize("name", GOOD)
@given(change=changes, path=st.lists(odd_names, max_size=3))
@MANY
def test_any_patch_is_applied_or_refused(space, name, how, change, path):
    place = Place(space, name)
    place.send("POST", place.all, place.body(GOOD[name]))
    before = space.api.get(place.one).json()
    body = place.body(changed(GOOD[name], change))
    query = {"fieldManager": "random"}
    if how == PATCHES[0]:
        pointer = "".join(f"/{one.replace('/', '~1')}" for one in path)
        body = [{"op": one[1].replace("set", "replace"), "path": pointer, "value": one[3]} for one in change]
    elif how == PATCHES[3]:
        query["force"] = "true"
        body.update(apiVersion=place.kind.api_version, kind=place.kind.kind)
        if is_whole(body):
            body["metadata"].pop("managedFields", None)
    answer = place.send("PATCH", place.one, body, how, **query, **STRICT)
    after = space.api.get(place.one)
    if answer.is_success and after.status_code == 200:
        found = after.json()
        again = place.send("PUT", place.one, found, **STRICT)
        assert again.status_code == 200, again.text
        if how == PATCHES[1]:
            assert_kept({part: one for part, one in body.items() if part != "metadata"}, answer.json())
    elif not answer.is_success:
        mine = {part: one for part, one in before.items() if part not in ("metadata", "status")}
        kept = {part: one for part, one in after.json().items() if part not in ("metadata", "status")}
        assert kept == mine  # a refused patch changes nothing
