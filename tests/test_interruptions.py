"""What a clumsy user does to `./lab up`: stop it in the middle, take its files away, get in its way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maas_lab import wait
from maas_lab.local import LocalCluster, processes
from maas_lab.settings import child_environment, load

ROOT = Path(__file__).parents[1]


@pytest.fixture
def lab(runtime, tmp_path, monkeypatch):
    """A cluster in a home of its own, whose path is not plain."""
    monkeypatch.setenv("MAAS_LAB_HOME", str(tmp_path / "ein Zuhause für jeden"))
    cluster = LocalCluster(load())
    yield cluster
    cluster.down()
    assert processes.leftovers(cluster.home.root) == []


def begin_up() -> subprocess.Popen:
    argv = [sys.executable, "-m", "maas_lab", "up", "--no-jupyter"]
    return subprocess.Popen(argv, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def names(lab) -> set[str]:
    return {row["name"] for row in lab.status()["workloads"]}


def test_up_tells_at_once_that_another_has_stopped_the_lab(lab):
    up = begin_up()
    wait.until(lambda: "model" in names(lab), what="everything to be applied", timeout=60, every=0.02)
    assert lab.down() is True
    told, _ = up.communicate(timeout=20)
    assert up.returncode == 1
    assert "the lab was stopped while it came up" in told
    assert "try: ./lab up" in told


def test_up_waits_for_a_lab_that_is_ending(lab):
    assert lab.up() is True
    daemon = lab._daemon()
    daemon.terminate()
    wait.until(lambda: lab.status()["phase"] == "stopping", what="the lab to begin to end", timeout=10, every=0.01)
    assert lab.up() is True
    assert lab.status()["ready"]
    assert lab._daemon().pid != daemon.pid


def test_a_signal_that_python_swallows_while_the_supervisor_starts_still_ends_it(runtime, tmp_path):
    """What a signal's handler raises is lost in callbacks of the garbage collector, and so in some imports."""
    code = """
import signal, sys
from maas_lab.local import daemon
class Callback:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
serve = daemon.Daemon.serve
def interrupted(self):
    Callback()
    serve(self)
daemon.Daemon.serve = interrupted
sys.exit(daemon.main())
"""
    cluster = LocalCluster(load({"MAAS_LAB_HOME": str(tmp_path / "home"), "MAAS_LAB_RUNTIME": str(runtime.folder)}))
    cluster.home.create()
    env = child_environment() | {"PYTHONPATH": str(ROOT), "MAAS_LAB_HOME": str(cluster.home.root)}
    env |= {"MAAS_LAB_RUNTIME": str(runtime.folder)}
    argv = [runtime.python, "-c", code]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Exception ignored in" in done.stderr


def test_down_stops_a_supervisor_that_does_not_serve_yet(lab):
    """`up` was killed in the first second: its supervisor goes on, and nobody waits for it."""
    up = begin_up()
    wait.until(lab._daemon, what="the supervisor", timeout=30, every=0.01)
    daemon, phase = lab._daemon(), lab.status()["phase"]
    up.kill()
    up.communicate()
    assert phase == "starting"
    assert lab.down() is True
    assert processes.how_it_ended(daemon)
