"""List and watch: selectors, pages, tables, and every change in order."""

import contextlib
import json
import threading

import httpx
import pytest

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


@pytest.fixture
def five(space):
    """Five ConfigMaps with labels that tell them apart."""
    return [space.config_map(f"w{i}", {"k": str(i)}, labels={"i": str(i), "odd": str(i % 2)}) for i in range(1, 6)]


def listed(space, **query):
    answer = space.api.get(space.path("configmaps"), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(found):
    return [item["metadata"]["name"] for item in found["items"] if item["metadata"]["name"].startswith("w")]


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        ("odd=1", "135"),
        ("odd==1", "135"),
        ("odd!=1,i", "24"),
        ("i in (1,2)", "12"),
        ("i notin (1, 2),i", "345"),  # codespell:ignore notin
        ("i,odd=0", "24"),
        ("!i", ""),
        ("i in (1),odd=0", ""),
    ],
)
@pytest.mark.usefixtures("five")
def test_labels_select(space, selector, numbers):
    assert names(listed(space, labelSelector=selector)) == [f"w{one}" for one in numbers]


@pytest.mark.parametrize(
    ("selector", "numbers"), [("metadata.name=w1", "1"), ("metadata.name!=w1", "2345"), ("metadata.namespace=none", "")]
)
@pytest.mark.usefixtures("five")
def test_fields_select(space, selector, numbers):
    assert names(listed(space, fieldSelector=selector)) == [f"w{one}" for one in numbers]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"labelSelector": "a===b"}, "unable to parse requirement: found '=', expected: identifier"),
        ({"fieldSelector": "spec.nope=x"}, '"spec.nope" is not a known field selector: only "metadata.name"'),
        ({"limit": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"resourceVersion": "abc"}, 'invalid resource version: resourceVersion: Invalid value: "abc": strconv.Parse'),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(space, query, message):
    answer = space.api.get(space.path("deployments", group="apps/v1"), params=query)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert answer.json()["message"].startswith(message)


@pytest.mark.usefixtures("five")
def test_items_of_built_in_kinds_do_not_repeat_their_kind(space):
    found = listed(space, labelSelector="i")
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert found["items"][0].keys() == {"metadata", "data"}


@pytest.mark.usefixtures("five")
def test_pages_show_one_state(space):
    first = listed(space, limit="2", labelSelector="i")
    assert (names(first), "remainingItemCount" in first["metadata"]) == (["w1", "w2"], False)
    space.config_map("w9", labels={"i": "9"})
    rest = listed(space, limit="9", labelSelector="i", **{"continue": first["metadata"]["continue"]})
    assert names(rest) == ["w3", "w4", "w5"]
    assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


@pytest.mark.usefixtures("five")
def test_pages_count_what_is_left(space):
    total = len(listed(space)["items"])
    metadata = listed(space, limit="2")["metadata"]
    assert metadata["remainingItemCount"] == total - 2


def test_an_exact_version_is_shown(space, five):
    version = five[1]["metadata"]["resourceVersion"]
    found = listed(space, resourceVersion=version, resourceVersionMatch="Exact", labelSelector="i")
    assert (names(found), found["metadata"]["resourceVersion"]) == (["w1", "w2"], version)


@pytest.mark.usefixtures("five")
def test_a_table(space):
    query = {"labelSelector": "i", "limit": "2"}
    table = space.api.get(space.path("configmaps"), headers={"accept": TABLE}, params=query).json()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [(one["name"], one["type"], one["format"], one["priority"]) for one in table["columnDefinitions"]]
    assert columns == [("Name", "string", "name", 0), ("Data", "string", "", 0), ("Age", "string", "", 0)]
    assert [row["cells"][:2] for row in table["rows"]] == [["w1", 1], ["w2", 1]]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert "continue" in table["metadata"]


@pytest.mark.usefixtures("five")
def test_only_metadata(space):
    query = {"labelSelector": "i"}
    found = space.api.get(space.path("configmaps"), headers={"accept": PARTIAL}, params=query).json()
    assert found["kind"] == "PartialObjectMetadataList"
    assert found["items"][0].keys() == {"kind", "apiVersion", "metadata"}


def test_a_form_that_there_is_not_is_refused(space):
    answer = space.api.get(space.path("configmaps"), headers={"accept": "application/xml"})
    assert (answer.status_code, answer.json()["reason"]) == (406, "NotAcceptable")
    assert answer.json()["message"].startswith("406: Not Acceptable\n\nAvailable representations: application/json")


def watched(space, until=None, plural="configmaps", headers=None, **query):
    """Return the events of a watch, until its time is over or one fits."""
    found = []
    query = {"watch": "true", "timeoutSeconds": "2", **query}
    with space.api.stream("GET", space.path(plural), params=query, headers=headers) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            found.append(json.loads(line))
            if until and until(found[-1]):
                break
    return found


def short(events):
    return [(one["type"], one["object"]["metadata"].get("name")) for one in events]


@pytest.mark.parametrize("yes", ["true", "True", "1"])
@pytest.mark.usefixtures("five")
def test_a_watch_begins_with_what_is_there(space, yes):
    found = watched(space, watch=yes, labelSelector="odd=0", timeoutSeconds="1")
    assert short(found) == [("ADDED", "w2"), ("ADDED", "w4")]


def test_a_watch_goes_on_from_a_version(space, five):
    space.patch(space.path("configmaps", "w1"), "merge-patch+json", {"data": {"k": "x"}})
    space.api.delete(space.path("configmaps", "w2"))
    found = watched(space, resourceVersion=five[-1]["metadata"]["resourceVersion"], timeoutSeconds="1")
    assert short(found) == [("MODIFIED", "w1"), ("DELETED", "w2")]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in found]
    assert versions[0] < versions[1]


def test_objects_come_into_sight_and_leave_it(space, five):
    relabel = {"metadata": {"labels": {"odd": "0"}}}
    space.patch(space.path("configmaps", "w1"), "merge-patch+json", relabel)
    space.patch(space.path("configmaps", "w2"), "merge-patch+json", {"metadata": {"labels": {"odd": "1"}}})
    version = five[-1]["metadata"]["resourceVersion"]
    found = watched(space, resourceVersion=version, labelSelector="odd=1", timeoutSeconds="1")
    assert short(found) == [("DELETED", "w1"), ("ADDED", "w2")]
    assert found[0]["object"]["metadata"]["labels"]["odd"] == "1"


@pytest.mark.usefixtures("five")
def test_a_bookmark_ends_what_was_there(space):
    query = {"allowWatchBookmarks": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    found = watched(space, until=lambda one: one["type"] == "BOOKMARK", labelSelector="i", **query)
    assert [one["type"] for one in found] == ["ADDED"] * 5 + ["BOOKMARK"]
    assert found[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert found[-1]["object"]["kind"] == "ConfigMap"
    assert found[-1]["object"]["metadata"].get("creationTimestamp") is None


@pytest.mark.usefixtures("five")
def test_a_watch_in_rows_of_a_table(space):
    found = watched(space, headers={"accept": TABLE}, labelSelector="odd=0", timeoutSeconds="1")
    assert [one["object"]["rows"][0]["cells"][0] for one in found] == ["w2", "w4"]
    assert found[0]["object"]["columnDefinitions"]
    assert not found[1]["object"]["columnDefinitions"]


def test_changes_reach_a_watch_while_it_waits(space):
    version = listed(space)["metadata"]["resourceVersion"]

    def write():
        for i in range(20):
            space.config_map(f"w{i:02}")

    writer = threading.Thread(target=write)
    writer.start()
    found = watched(space, until=lambda one: one["object"]["metadata"]["name"] == "w19", resourceVersion=version)
    writer.join()
    assert short(found) == [("ADDED", f"w{i:02}") for i in range(20)]


def test_many_watchers_see_every_change_in_order(space):
    version, seen = listed(space)["metadata"]["resourceVersion"], {}
    space.config_map("w")

    def watch(number):
        last = lambda one: one["object"].get("data", {}).get("k") == "99"  # noqa: E731
        found = watched(space, until=last, resourceVersion=version, timeoutSeconds="20")
        seen[number] = [one["object"]["data"]["k"] for one in found if one["type"] == "MODIFIED"]

    watchers = [threading.Thread(target=watch, args=[number]) for number in range(5)]
    for one in watchers:
        one.start()
    for i in range(100):
        space.patch(space.path("configmaps", "w"), "merge-patch+json", {"data": {"k": str(i)}})
    for one in watchers:
        one.join()
    assert list(seen.values()) == [[str(i) for i in range(100)]] * 5


def test_a_list_of_what_there_is_not_is_empty(api):
    found = api.get("/api/v1/namespaces/no-such-namespace/configmaps").json()
    assert (found["kind"], found["items"]) == ("ConfigMapList", [])


def test_a_watch_can_be_left(space):
    with (
        contextlib.suppress(httpx.ReadTimeout),
        space.api.stream("GET", space.path("configmaps"), params={"watch": "true"}, timeout=0.3) as answer,
    ):
        next(answer.iter_lines(), None)
    assert listed(space)
