"""What the local server has acknowledged, it keeps; for the local server only."""

import concurrent.futures
import contextlib
import resource
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path

import httpx
import psutil

from maas_lab import wait

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


class Writer:
    """One client that creates, changes and deletes an object again and again, and notes what it was told."""

    def __init__(self, number):
        self.path, self.name = f"{PATH}/w-{number}", f"w-{number}"
        self.kept, self.tried, self.answers = None, None, 0  # values of the object; None where there is none

    def write(self, server):
        """Write until the server is gone."""
        with contextlib.suppress(httpx.TransportError), server.api() as api:
            while True:
                self.step(api)

    def step(self, api):
        body = {"metadata": {"name": self.name}, "data": {"k": str(self.answers), "long": "x" * 500}}
        if self.kept is None:
            self.tried = str(self.answers)
            answer = api.post(PATH, json=body)
        elif self.answers % 5 == 4:
            self.tried = None
            answer = api.delete(self.path)
        else:
            self.tried = str(self.answers)
            answer = api.put(self.path, json=body)
        if answer.is_success:
            self.kept, self.answers = self.tried, self.answers + 1
        return answer

    def check(self, api):
        """What is there is what was acknowledged last, or what was asked for when the server went."""
        answer = api.get(self.path)
        found = answer.json()["data"]["k"] if answer.status_code == 200 else None
        assert found in (self.kept, self.tried), (self.name, found, self.kept, self.tried)
        self.kept = found


def test_nothing_acknowledged_is_lost_when_it_is_killed_again_and_again(local_server):
    writers = [Writer(number) for number in range(4)]
    for _ in range(5):
        before = sum(one.answers for one in writers)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(one.write, local_server) for one in writers]
            wait.until(lambda: sum(one.answers for one in writers) > before + 60, what="writes", timeout=30)  # noqa: B023
            local_server.stop(signal.SIGKILL)
            for one in running:
                one.result()
        local_server.start()
        with local_server.api() as api:
            for one in writers:
                one.check(api)
            versions = [int(one["metadata"]["resourceVersion"]) for one in api.get(PATH).json()["items"]]
            assert len(versions) == len(set(versions))


def test_a_full_disk_is_told_and_loses_nothing(local_server):
    """A limit on the size of its files stands in for the disk: the kernel refuses the write in the same place."""
    pid, writers = local_server.process.pid, [Writer(number) for number in range(3)]
    with local_server.api() as api:
        for one in writers:
            assert one.step(api).is_success
        api.post("/api/v1/namespaces", json={"metadata": {"name": "going"}})
        api.post("/api/v1/namespaces/going/configmaps", json={"metadata": {"name": "in-it"}})
        used = (local_server.home / "kube" / "state.db-wal").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (used + 20_000, resource.RLIM_INFINITY))
        refused = next(answer for answer in (writers[0].step(api) for _ in range(100)) if not answer.is_success)
        status = refused.json()
        assert (refused.status_code, status["kind"], status["reason"]) == (503, "Status", "ServiceUnavailable")
        assert status["message"].endswith("nothing was changed: is the disk full?")
        for one in writers:  # what was acknowledged can be read, and a refused write has changed nothing
            assert not one.step(api).is_success
            one.tried = one.kept
            one.check(api)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (used, resource.RLIM_INFINITY))  # not even a small write fits
        assert not api.delete("/api/v1/namespaces/going").is_success
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for one in writers:
            assert one.step(api).is_success
    local_server.stop(signal.SIGKILL)
    local_server.start()
    with local_server.api() as api:
        for one in writers:
            one.check(api)
    assert "Traceback" not in local_server.log()


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


def watch_and_go(server, times):
    """Begin to watch, and go away without a word, as an interrupted `kubectl get -w` does."""
    for _ in range(times):
        with server.api() as api, api.stream("GET", PATH, params={"watch": "true", "timeoutSeconds": "600"}) as answer:
            assert answer.status_code == 200


def test_watchers_who_have_gone_leave_nothing_behind(local_server):
    """In long sessions with `rollout status` and `logs -f` the daemon must not grow."""
    process = psutil.Process(local_server.process.pid)
    watch_and_go(local_server, 20)
    before = process.memory_info().rss
    watch_and_go(local_server, 200)
    assert process.memory_info().rss - before < 4e6  # 13 MB where all of them stay


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
