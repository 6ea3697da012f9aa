"""Processes that belong to no pod, with real ones: kept running, adopted, ended, and told apart from strangers'."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from maas_lab import wait
from maas_lab.local import probes, processes
from maas_lab.local.images import Program
from maas_lab.local.keeper import Keeper, fingerprint
from maas_lab.local.processes import Leftovers, Mark

SERVER = """
import socketserver, signal, subprocess, sys
if "--child" in sys.argv:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if "--stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, lambda *_: print("reloaded", flush=True))
print("listening", flush=True)
socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), socketserver.BaseRequestHandler).serve_forever()
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def program(port, *options):
    argv = (sys.executable, "-c", SERVER, str(port), *options)
    return Program(argv, {"PATH": os.environ["PATH"]}, cwd=Path("/"))


def keeper(home, port, *options, name="network"):
    (home / "logs").mkdir(exist_ok=True)
    return Keeper(name, program(port, *options), home, lambda process: probes.foreign(process, port))


@pytest.fixture
def run(tmp_path):
    """Start keepers and stop them at the end."""
    started = []

    def start(one, left=None):
        started.append(one)
        one.start(left or Leftovers(tmp_path))
        return one

    yield start
    for one in started:
        one.stop(0.5)
    Leftovers(tmp_path).end_rest(0.5)


def until(check):
    return wait.until(check, what="the process", timeout=20, every=0.02)


def test_a_process_is_kept_running_and_its_end_is_an_end(tmp_path, run):
    one = run(keeper(tmp_path, free_port(), "--child"))
    until(lambda: one.ready)
    first = psutil.Process(one.pid)
    [child] = first.children()
    first.kill()
    until(lambda: one.ready and one.pid != first.pid)
    assert one.restarts == 1
    assert processes.how_it_ended(child)
    one.signal(signal.SIGHUP)
    until(lambda: one.log.read_text() == "listening\nlistening\nreloaded\n")
    last = psutil.Process(one.pid)
    one.stop()
    assert processes.how_it_ended(last)
    assert (one.pid, one.ready) == (None, False)


def test_a_stubborn_process_and_its_child_are_killed(tmp_path, run):
    one = run(keeper(tmp_path, free_port(), "--stubborn", "--child"))
    until(lambda: one.ready and psutil.Process(one.pid).children())
    family = [psutil.Process(one.pid), *psutil.Process(one.pid).children()]
    one.stop(0.3)
    assert all(processes.how_it_ended(member) for member in family)


def test_a_foreign_server_on_the_port_never_counts(tmp_path, run):
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.DEVNULL) as foreign:
        try:
            until(lambda: not probes.is_free(port))
            one = run(keeper(tmp_path, port))
            until(lambda: one.restarts >= 2)
            assert not one.ready
            assert foreign.poll() is None
        finally:
            foreign.kill()


def spawned(home, name, port, *options, **env):
    """Start a process as a daemon that is gone did."""
    what = program(port, *options)
    mark = Mark(name, fingerprint(what), signal.SIGTERM, home)
    (home / "logs").mkdir(exist_ok=True)
    process = processes.spawn_marked(mark, what.argv, what.env | env, what.cwd, home / "logs" / f"{name}.log")
    until(lambda: probes.owns_port(process, port))
    return process


def test_what_still_is_as_it_should_be_is_adopted_and_the_rest_is_ended(tmp_path, run):
    port, other = free_port(), free_port()
    kept, changed = spawned(tmp_path, "network", port, "--child"), spawned(tmp_path, "other", other)
    (tmp_path / "elsewhere").mkdir()
    stranger = spawned(tmp_path / "elsewhere", "network", free_port())
    [child] = kept.children()
    left = Leftovers(tmp_path)
    one = run(keeper(tmp_path, port, "--child"), left)
    two = run(keeper(tmp_path, other, "--child", name="other"), left)
    left.end_rest()
    until(lambda: one.ready and two.ready)
    assert (one.pid, one.restarts) == (kept.pid, 0)
    assert two.pid != changed.pid
    assert changed.poll() is not None
    assert not processes.how_it_ended(child)
    assert not processes.how_it_ended(stranger)
    one.stop()
    processes.kill(stranger)
    for process in (kept, stranger):
        process.poll()


def test_a_process_whose_mark_cannot_be_read_is_known_by_its_note(tmp_path, run):
    port = free_port()
    what = program(port)
    hidden = Program(("env", "-i", *what.argv), what.env, what.cwd)
    mark = Mark("network", fingerprint(hidden), signal.SIGTERM, tmp_path)
    (tmp_path / "logs").mkdir()
    process = processes.spawn_marked(mark, hidden.argv, hidden.env, hidden.cwd, tmp_path / "logs" / "network.log")
    until(lambda: probes.owns_port(process, port))
    assert processes.MARK not in process.environ()
    Leftovers(tmp_path).end_rest()
    assert process.poll() is not None
    assert not mark.record.exists()


def test_a_note_about_a_process_that_is_gone_names_nobody(tmp_path):
    process = spawned(tmp_path, "network", free_port())
    note = Mark("network", fingerprint(program(1)), signal.SIGTERM, tmp_path).record
    processes.kill(process)
    note.write_text(note.read_text().replace(str(process.pid), str(os.getpid())))
    assert Leftovers(tmp_path).processes == []


def test_a_long_log_is_set_aside_once(tmp_path, run, monkeypatch):
    monkeypatch.setattr(processes, "LOG_LIMIT", 10)
    one = keeper(tmp_path, free_port())
    one.log.write_text("x" * 11)
    run(one)
    until(lambda: one.ready)
    assert one.log.with_suffix(".1.log").read_text() == "x" * 11
    assert one.log.stat().st_mode & 0o777 == 0o600


def test_a_program_that_is_not_there_is_told(tmp_path, run):
    (tmp_path / "logs").mkdir()
    one = run(Keeper("network", Program(("/nonexistent",), {}, tmp_path), tmp_path))
    until(lambda: one.restarts >= 1 and one.state.ended_at)
    assert one.state.exit_code == 128
    assert "No such file" in one.state.message
