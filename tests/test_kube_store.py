"""The store of the local cluster: versions, history, and a disk that is full."""

import asyncio

import pytest

from maas_lab.local.kube import collector, deletion
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import NAMESPACE, Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import HISTORY, RECENT, Store

KIND = of("v1", "ConfigMap")


def obj(name, value="", uid=None):
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "n", "uid": uid or name},
        "data": {"k": value},
    }


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "state.db")
    yield opened
    opened.close()


def state(store, at=None):
    return {key.name: one["data"]["k"] for key, one, _ in store.list(KIND, "n", at)}


def test_every_write_has_the_next_version(store):
    versions = [int(store.put(KIND, obj("a", str(i)))["metadata"]["resourceVersion"]) for i in range(3)]
    assert versions == [store.version - 2, store.version - 1, store.version]
    assert [change.type for change in store.since(versions[0] - 1)] == ["ADDED", "MODIFIED", "MODIFIED"]


def test_any_remembered_state_can_be_seen_again(store):
    states = {}
    for i in range(30):
        if i % 5 == 4:
            store.remove(KIND, store.get(KIND, "n", "a"))
        else:
            store.put(KIND, obj("ab"[i % 2] if i % 5 else "a", str(i)))
        states[store.version] = state(store)
    assert {version: state(store, version) for version in states} == states


def test_a_store_goes_on_where_it_was(tmp_path):
    first = Store(tmp_path / "state.db")
    for i in range(RECENT + 10):
        first.put(KIND, obj("a", str(i)))
    before, version = [change.version for change in first.since(1)], first.version
    first.close()
    second = Store(tmp_path / "state.db")
    assert (second.version, state(second)) == (version, {"a": str(RECENT + 9)})
    assert [change.version for change in second.since(1)] == before
    assert [change.version for change in second.since(5)] == before[4:]
    assert second.owner("a").name == "a"
    second.close()


def test_what_is_too_long_ago_is_gone(store):
    for i in range(HISTORY + 600):
        store.put(KIND, obj("a", str(i)))
    with pytest.raises(ApiError) as forgotten:
        list(store.since(100))
    assert (forgotten.value.code, forgotten.value.status["reason"]) == (410, "Expired")
    assert len(list(store.since(store.version - RECENT - 5))) == RECENT + 5


def test_a_full_disk_changes_nothing(store):
    store.put(KIND, obj("a", "1"))
    seen = []
    store.listeners.append(seen.append)
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count = {pages + 2}")
    before = store.version
    with pytest.raises(ApiError) as full:
        store.put(KIND, obj("a", "x" * 100_000))
    assert (full.value.code, full.value.status["reason"]) == (503, "ServiceUnavailable")
    assert "is the disk full?" in full.value.status["message"]
    assert (store.version, state(store), seen) == (before, {"a": "1"}, [])
    store._db.execute("pragma max_page_count = 1000000")
    store.put(KIND, obj("a", "2"))
    assert (store.version, state(store), len(seen)) == (before + 1, {"a": "2"}, 1)


def test_clearing_up_goes_on_when_there_is_room_again(store, schemas, monkeypatch):
    monkeypatch.setattr(collector, "PAUSE_S", 0)
    objects = Objects(store, Rules(schemas))
    objects.create(Target(NAMESPACE), {"metadata": {"name": "n"}}, WriteOptions(manager="test"))
    for number in range(20):
        objects.create(Target(KIND, "n"), {"metadata": {"name": f"c{number}"}}, WriteOptions(manager="test"))

    async def clear():
        cleaner = collector.Collector(objects)
        task = asyncio.create_task(cleaner.run())
        deletion.delete(objects, Target(NAMESPACE, "", "n"), deletion.DeleteOptions())
        store._db.execute(f"pragma max_page_count = {store._db.execute('pragma page_count').fetchone()[0]}")
        for _ in range(100):
            await asyncio.sleep(0)
        left = len(store.list(KIND, "n"))
        store._db.execute("pragma max_page_count = 1000000")
        for _ in range(500):
            await asyncio.sleep(0)
        task.cancel()
        return left, store.list(KIND, "n"), store.get(NAMESPACE, "", "n")

    left, *after = asyncio.run(clear())
    assert left > 0  # the disk was really full
    assert after == [[], None]
