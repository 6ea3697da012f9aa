"""The supervisor, with real processes: a small web server that answers, dies, hangs or ignores its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import psutil
import pytest

from maas_lab import wait
from maas_lab.errors import EnvironmentFault
from maas_lab.local import probes, processes
from maas_lab.local.supervisor import Health, Spec, Supervisor

SERVER = """
import http.server, os, signal, sys
if "--stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "--child" in sys.argv:
    import subprocess
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if os.path.exists("hang"):
            import time; time.sleep(600)
        sick = os.path.exists("sick")
        self.send_response(503 if sick else 200); self.end_headers()
print("hello from", os.environ["NAME"], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def make(tmp_path):
    """Make a spec of the small server; end whatever a test leaves running."""

    def spec(name="web", port=None, *options, **changes):
        port = port or free_port()
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        plain = {
            "name": name,
            "argv": (sys.executable, "-c", SERVER, str(port), *options),
            "env": {"PATH": os.environ["PATH"], "NAME": name},
            "cwd": folder,
            "log": tmp_path / f"{name}.log",
            "port": port,
            "probe": probes.http_probe(port, "/"),
            "grace_s": 0.5,
            "period_s": 0.1,
        }
        return Spec(**(plain | changes))

    yield spec
    for one in processes.leftovers(tmp_path):
        one.process.kill()


@pytest.fixture
def run(tmp_path):
    """Start a supervisor over specs; stop it at the end."""
    started = []

    def start(*specs):
        one = Supervisor(list(specs), tmp_path, lambda: None)
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


def until_ready(one: Supervisor) -> None:
    wait.until(lambda: one.ready, what="the supervisor's processes", timeout=20)


def test_ready_only_by_the_probe_and_again_after_a_kill(make, run):
    one = run(make())
    until_ready(one)
    first = one.rows()[0]
    os.kill(first["pid"], signal.SIGKILL)
    row = wait.until(
        lambda: one.ready and one.rows()[0]["pid"] != first["pid"] and one.rows()[0],
        what="restart",
        timeout=20,
    )
    assert row["restarts"] == 1


def test_a_sick_process_is_not_ready_and_not_restarted(make, run, tmp_path):
    one = run(make())
    until_ready(one)
    pid = one.rows()[0]["pid"]
    (tmp_path / "web" / "sick").touch()
    wait.until(lambda: not one.ready, what="not ready", timeout=20)
    assert one.rows()[0]["reason"] == "/ answers 503"
    (tmp_path / "web" / "sick").unlink()
    until_ready(one)
    assert one.rows()[0]["pid"] == pid


def test_a_hanging_process_is_restarted(make, run, tmp_path, monkeypatch):
    monkeypatch.setattr(probes, "http", httpx.Client(timeout=0.3, trust_env=False))
    one = run(make())
    until_ready(one)
    pid = one.rows()[0]["pid"]
    (tmp_path / "web" / "hang").touch()
    wait.until(lambda: one.rows()[0]["pid"] != pid, what="a new process", timeout=20)
    (tmp_path / "web" / "hang").unlink()
    until_ready(one)


def test_a_foreign_server_on_the_port_never_counts_as_ready(make, run, tmp_path):
    port = free_port()
    argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    foreign = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait.until(
            lambda: httpx.get(f"http://127.0.0.1:{port}").status_code == 200,
            what="the foreign server",
            timeout=20,
            transient=(httpx.HTTPError,),
        )
        one = run(make("web", port))
        row = wait.until(lambda: one.rows()[0]["failures"] >= 2 and one.rows()[0], what="two failed starts", timeout=20)
        assert not row["ready"]
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_what_is_needed_starts_first(make, run):
    gate = threading.Event()
    slow = probes.http_probe(port := free_port(), "/")
    base = make("base", port, probe=lambda process: slow(process) if gate.is_set() else Health(False, "held back"))
    one = run(base, make("web", needs=("base",)))
    wait.until(lambda: one.rows()[1]["reason"] == "waits for base", what="web to wait", timeout=20)
    assert one.rows()[1]["pid"] is None
    gate.set()
    until_ready(one)


def test_back_off_grows_and_the_reason_is_told(make, run):
    one = run(make(argv=(sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)")))
    row = wait.until(lambda: one.rows()[0]["failures"] >= 3 and one.rows()[0], what="three failures", timeout=20)
    assert row["reason"] in ("ended with exit code 3", "starting")
    assert "no luck" in one.workloads["web"].spec.log.read_text()


def test_a_refusal_in_prepare_is_shown_with_its_hint(make, run):
    def refuse(sleep):
        raise EnvironmentFault("no", "because", "do this")

    one = run(make(prepare=refuse))
    row = wait.until(lambda: one.rows()[0]["failures"] and one.rows()[0], what="the refusal", timeout=20)
    assert (row["reason"], row["hint"]) == ("no: because", "do this")


def test_a_program_that_is_not_there_is_told(make, run):
    one = run(make(argv=("/nonexistent/program",)))
    row = wait.until(lambda: one.rows()[0]["failures"] and one.rows()[0], what="the refusal", timeout=20)
    assert "No such file" in row["reason"]


def test_stop_kills_the_stubborn_and_the_children(make, run):
    one = run(make("web", None, "--stubborn", "--child"))
    until_ready(one)
    family = psutil.Process(one.rows()[0]["pid"])
    family = [family, *family.children(recursive=True)]
    assert len(family) == 2
    one.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


FIRST_SUPERVISOR = """
import json, sys, time
from pathlib import Path
from maas_lab.local import probes
from maas_lab.local.supervisor import Spec, Supervisor
told = json.loads(sys.stdin.read())
specs = []
for one in told["specs"]:
    one |= {"argv": tuple(one["argv"]), "cwd": Path(one["cwd"]), "log": Path(one["log"])}
    specs.append(Spec(**one, probe=probes.http_probe(one["port"], "/")))
one = Supervisor(specs, Path(told["home"]), lambda: None)
one.start()
while not one.ready:
    time.sleep(0.05)
print(json.dumps({row["name"]: row["pid"] for row in one.rows()}), flush=True)
time.sleep(600)
"""


def killed_supervisor(home, *specs) -> dict[str, int]:
    """Let a supervisor in another process start the specs, kill it, and return the pids that it leaves."""
    told = [
        {"name": s.name, "argv": s.argv, "env": s.env, "cwd": str(s.cwd), "log": str(s.log), "port": s.port}
        for s in specs
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", FIRST_SUPERVISOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(json.dumps({"home": str(home), "specs": told}))
    process.stdin.close()
    pids = json.loads(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    return pids


def test_the_next_supervisor_adopts_what_is_right_and_ends_the_rest(make, run, tmp_path):
    keep, other = make("keep"), make("other")
    pids = killed_supervisor(tmp_path, keep, other)
    orphan = psutil.Process(pids["other"])
    one = run(keep, make("other"))  # on another port: no longer the process that is wanted
    until_ready(one)
    rows = {row["name"]: row for row in one.rows()}
    assert rows["keep"]["pid"] == pids["keep"]
    assert rows["keep"]["restarts"] == 0
    assert rows["other"]["pid"] != pids["other"]
    assert processes.how_it_ended(orphan)


def test_the_children_of_an_adopted_process_are_left_alone(make, run, tmp_path):
    keep = make("keep", None, "--child")
    pid = killed_supervisor(tmp_path, keep)["keep"]
    [child] = psutil.Process(pid).children()
    until_ready(run(keep))
    assert not processes.how_it_ended(psutil.Process(pid))
    assert not processes.how_it_ended(child)


def test_an_orphan_whose_parent_is_gone_is_ended(make, run, tmp_path):
    pid = killed_supervisor(tmp_path, make("keep", None, "--child"))["keep"]
    [orphan] = psutil.Process(pid).children()
    os.kill(pid, signal.SIGKILL)
    until_ready(run(make("keep")))
    assert processes.how_it_ended(orphan)


def test_an_adopted_process_is_restarted_like_any_other(make, run, tmp_path):
    keep = make("keep")
    pid = killed_supervisor(tmp_path, keep)["keep"]
    one = run(keep)
    until_ready(one)
    os.kill(pid, signal.SIGKILL)
    wait.until(lambda: one.ready and one.rows()[0]["pid"] != pid, what="restart", timeout=20)


def test_leftovers_of_another_home_are_left_alone(make, run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    pid = killed_supervisor(elsewhere, make("keep"))["keep"]
    until_ready(run(make("web")))
    try:
        assert not processes.how_it_ended(psutil.Process(pid))
    finally:
        psutil.Process(pid).kill()


def test_a_long_log_is_set_aside_once(make, run, monkeypatch):
    monkeypatch.setattr(processes, "LOG_LIMIT", 10)
    spec = make()
    spec.log.write_text("x" * 11)
    until_ready(run(spec))
    assert spec.log.with_suffix(".1.log").read_text() == "x" * 11
    assert spec.log.stat().st_mode & 0o777 == 0o600
