"""What the local server has acknowledged, it keeps; for the local server only."""

import concurrent.futures
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PATH = "/api/v1/namespaces/default/configmaps"


def test_objects_and_versions_survive_a_restart(local_server):
    with local_server.api() as api:
        made = api.post(PATH, json={"metadata": {"name": "kept"}, "data": {"k": "v"}}).json()
        api.post(PATH, json={"metadata": {"name": "gone"}})
        api.delete(f"{PATH}/gone")
        before = api.get(PATH).json()
    local_server.stop()
    local_server.start()
    with local_server.api() as api:
        assert api.get(f"{PATH}/kept").json() == made
        assert api.get(PATH).json() == before
        query = {"watch": "true", "resourceVersion": made["metadata"]["resourceVersion"], "timeoutSeconds": "1"}
        events = api.get(PATH, params=query).text.splitlines()
        assert ['"ADDED"' in events[0], '"DELETED"' in events[1], len(events)] == [True, True, 2]
        later = api.post(PATH, json={"metadata": {"name": "later"}}).json()["metadata"]["resourceVersion"]
        assert int(later) > int(before["metadata"]["resourceVersion"])


def test_nothing_acknowledged_is_lost_when_it_is_killed(local_server):
    acknowledged = []

    def write(number):
        with local_server.api() as api:
            for i in range(1000):
                name = f"w-{number}-{i}"
                if api.post(PATH, json={"metadata": {"name": name}}).status_code == 201:
                    acknowledged.append(name)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(4)]
        concurrent.futures.wait(writers, timeout=0.7)
        local_server.stop(signal.SIGKILL)
        for one in writers:
            with pytest.raises(httpx.TransportError):
                one.result()
    local_server.start()
    with local_server.api() as api:
        kept = {one["metadata"]["name"] for one in api.get(PATH).json()["items"]}
    assert len(acknowledged) > 20
    assert set(acknowledged) <= kept


def test_a_history_that_is_forgotten_is_gone(local_server):
    with local_server.api() as api:
        answer = api.get(PATH, params={"watch": "true", "resourceVersion": "0", "timeoutSeconds": "1"})
        assert answer.status_code == 200
    local_server.stop()
    with sqlite3.connect(local_server.home / "kube" / "state.db") as database:
        database.execute("delete from history where version < (select max(version) from history)")
    database.close()
    local_server.start()
    with local_server.api() as api:
        text = api.get(PATH, params={"watch": "true", "resourceVersion": "2", "timeoutSeconds": "1"}).text
        assert '"type":"ERROR"' in text
        assert '"code":410' in text
        assert '"reason":"Expired"' in text
        listed = api.get(PATH, params={"resourceVersion": "2", "resourceVersionMatch": "Exact"})
        assert (listed.status_code, listed.json()["reason"]) == (410, "Expired")


def test_its_files_are_private(local_server):
    for file in (local_server.kubeconfig, local_server.home / "kube" / "secrets.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((local_server.home / "kube").stat().st_mode) == 0o700


def test_it_stops_at_once_although_somebody_watches(local_server):
    with local_server.api() as api, api.stream("GET", PATH, params={"watch": "true"}) as watching:
        assert watching.status_code == 200
        local_server.stop()
        assert watching.read() == b""
    assert "Traceback" not in local_server.log()


def test_one_home_has_one_server(local_server):
    before = local_server.kubeconfig.read_text()
    done = subprocess.run(local_server.argv(), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "another API server serves" in done.stderr
    assert local_server.kubeconfig.read_text() == before
