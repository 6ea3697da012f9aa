"""Hostile notebooks in rooms: each costs its own learner only, and leaves nothing behind."""

import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from maas_lab.grading import pool, report, surroundings
from maas_lab.grading.execution import Bounds
from maas_lab.grading.pool import Plan
from maas_lab.grading.room import MEMORY, PROCESSES, TIME, UIDS, Limits, Room
from tests.cohort import LESSONS, left_behind, lesson, outputs, workbook_in, write

pytestmark = pytest.mark.xdist_group("lessons")  # one cohort for all of these, and no other graders beside it
FIRST, SECOND = LESSONS
SECRET = "the-instructors-own-secret"
# What a notebook can find of anybody else: printed, one line each.
SPY = """
import glob, os, pathlib, signal, socket
def tried(what, call):
    try:
        print(what, "->", call())
    except OSError as error:
        print(what, "->", type(error).__name__)
environments = []
for name in glob.glob("/proc/[0-9]*/environ"):
    try:
        environments.append(pathlib.Path(name).read_bytes())
    except OSError:
        pass
print("environment:", "{secret}" in str(dict(os.environ)) or any(b"{secret}" in one for one in environments))
tried("submissions", lambda: os.listdir({folder!r}))
tried("results", lambda: os.listdir({out!r}))
tried("home", lambda: os.listdir({home!r}))
tried("port", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))
tried("kill", lambda: os.kill({pid}, signal.SIGKILL))
tried("write", lambda: open({package!r} + "/errors.py", "a"))
print("uid:", os.getuid(), "processes:", len(glob.glob("/proc/[0-9]*")) < 20)
answer = 42
"""
SWARM = """
import subprocess, sys
hog = "import time; held = bytearray(200_000_000); held[::4096] = bytes(len(held[::4096])); time.sleep(60)"
started = [subprocess.Popen([sys.executable, "-c", hog]) for _ in range(10)]
started[0].wait()
"""
# By learner: the answers to the two exercises of the first lesson.
HOSTILE = {
    "bomb": ("import os\nwhile True:\n    os.fork()", "answer = 42"),
    "filler": ("with open('big', 'wb') as file:\n    while True:\n        file.write(bytes(10**7))", "answer = 42"),
    "flood": ("while True:\n    print('x' * 1_000_000)", "answer = 42"),
    "good": ("answer = 42", "answer = 42"),
    "hog": ("answer = bytearray(10**10)", "answer = 42"),
    "killer": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", "answer = 42"),
    "loop": ("while True:\n    pass", "answer = 42"),
    "swarm": (SWARM, "answer = 42"),
}
LIMITS = Limits(seconds=90, memory=1_500_000_000, processes=60, disk=300_000_000)
BOUNDS = Bounds(cell_s=6, notebook_s=60, memory=1_000_000_000)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A cohort with one hostile learner of each kind, graded; by name."""
    folder = tmp_path_factory.mktemp("cohort")
    handed_in, out = folder / "submissions", folder / "grades"
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAAS_LAB_TOKEN_CONSUMER", SECRET)
        told = {
            "secret": SECRET,
            "folder": str(handed_in),
            "out": str(out),
            "home": str(Path.home()),
            "port": server.getsockname()[1],
            "pid": os.getpid(),
            "package": str(surroundings.PACKAGE),
        }
        spy = SPY.format(**told)
        for name, answers in {**HOSTILE, "spy": (spy, "answer = 42")}.items():
            write(handed_in / name, {FIRST: lesson(FIRST, *answers)})
        write(handed_in / "odd", {FIRST: "%PDF-1.7", SECOND: lesson(SECOND, "answer = 42", "answer = 7")})
        plan = Plan(out, jobs=2, lessons=workbook_in(folder / "workbook"), limits=LIMITS, bounds=BOUNDS)
        graded = pool.grade(handed_in, plan)
    return {one.learner: one for one in graded}, handed_in, plan


def verdicts(cohort, learner):
    return [(one.passed, one.cause) for one in cohort[0][learner].verdicts[:2]]


def test_who_did_well_is_not_harmed(cohort):
    assert verdicts(cohort, "good") == [(True, ""), (True, "")]
    assert cohort[0]["good"].ended == ""


def test_an_endless_loop_costs_one_exercise(cohort):
    endless = "CellTimeout: the cell did not end within … s"
    assert verdicts(cohort, "loop") == [(False, endless), (True, "")]


def test_a_cell_that_prints_without_end_is_stopped_and_cut(cohort):
    first, second = verdicts(cohort, "flood")
    # Whichever comes first: what was sent is counted, and what waits to be sent fills the kernel's memory. Python then
    # gives up the cell, and ZeroMQ the kernel.
    dead = (False, "DeadKernel: the kernel was killed by SIGABRT")
    assert first in ((False, "TooMuchOutput: the cell sent more than … MB"), (False, "MemoryError"), dead)
    assert second in (first, dead, (True, "")), "its kernel was killed, or gave up the cell"
    assert (cohort[2].out / "flood" / f"{FIRST}.ipynb").stat().st_size < 2_000_000


def test_memory_and_disk_end(cohort):
    assert verdicts(cohort, "hog") == [(False, "MemoryError"), (True, "")]
    first, second = verdicts(cohort, "filler")
    assert first[1].startswith("OSError: [Errno …] ")
    assert second == (True, "")


@pytest.mark.parametrize(("learner", "ended"), [("bomb", PROCESSES), ("swarm", MEMORY)])
def test_many_processes_end_their_own_room(cohort, learner, ended):
    assert cohort[0][learner].ended == ended
    assert verdicts(cohort, learner) == [(False, ended), (False, ended)]


def test_a_notebook_that_kills_its_grader_is_told_of(cohort):
    assert cohort[0]["killer"].ended == "their notebooks ended the grader's process"


def test_a_broken_notebook_costs_that_lesson(cohort):
    odd = cohort[0]["odd"]
    first = odd.lessons[0]
    assert (first.state, first.cause) == ("refused", "the file is not a notebook: it holds no JSON")
    assert [(one.passed, one.cause) for one in odd.lessons[1].verdicts] == [
        (True, ""),
        (False, "NotQuite: Exercise 91.2: it is …"),
    ]


def test_nobody_elses_things_can_be_seen_or_reached(cohort):
    seen = outputs(cohort[2].out / "spy" / f"{FIRST}.ipynb")
    assert "environment: False" in seen
    for what in ("submissions", "results"):
        assert f"{what} -> FileNotFoundError" in seen
    assert "home -> FileNotFoundError" in seen or "home -> ['.pyenv']" in seen
    assert "port -> ConnectionRefusedError" in seen
    assert "kill -> ProcessLookupError" in seen
    assert "write -> OSError" in seen or "write -> PermissionError" in seen
    assert "processes: True" in seen
    if os.geteuid() == 0:
        assert int(seen.partition("uid: ")[2].split()[0]) > UIDS


def test_nothing_is_left_behind(cohort):
    assert left_behind() == []


def test_what_is_done_is_not_done_again(cohort):
    graded, handed_in, plan = cohort
    events = []
    again = pool.grade(handed_in, plan, events.append)
    assert report.verdicts(again) == report.verdicts(list(graded.values()))
    assert [type(one) for one in events] == [pool.Done] * len(graded)
    assert all(one.kept for one in events)


def test_who_is_graded_is_known_also_when_another_one_is_meant(cohort):
    graded, handed_in, plan = cohort
    known = pool.graded_before(handed_in, replace(plan, only=["good"]))
    assert report.verdicts(known) == report.verdicts([graded[name] for name in sorted(graded)])


def test_a_stopped_run_goes_on_and_leaves_no_process(cohort, tmp_path):
    """Ctrl-C ends the rooms; what was done stays, and nothing half done counts."""
    write(tmp_path / "submissions" / "loop", {FIRST: lesson(FIRST, *HOSTILE["loop"])})
    plan = Plan(tmp_path / "out", lessons=cohort[2].lessons, limits=LIMITS, bounds=BOUNDS)

    def interrupt(event):
        if isinstance(event, pool.Started):
            raise KeyboardInterrupt

    before = psutil.Process().children(recursive=True)  # the stack of other tests
    with pytest.raises(KeyboardInterrupt):
        pool.grade(tmp_path / "submissions", plan, interrupt)
    assert not list((tmp_path / "out").rglob("result.json"))
    assert set(psutil.Process().children(recursive=True)) <= set(before)


RUNAWAY = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
os.makedirs("results")
print(len(open("/proc/self/environ").read()), file=open("results/result.json", "w"), flush=True)
os.symlink("/etc/passwd", "results/copy.ipynb")
time.sleep(600 if sys.argv[1] == "long" else 0)
"""


def test_a_file_that_was_swapped_for_a_link_while_it_waited_is_not_read(tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "given").symlink_to(tmp_path / "secret")
    show = "import os; os.makedirs('results'); open('results/seen', 'wb').write(b'>' + open('given', 'rb').read())"
    given, argv = {"given": str(tmp_path / "given")}, [sys.executable, "-c", show]
    room = Room(argv, {}, given=given, out=str(tmp_path), kept=["seen"], apart=False)
    with surroundings.launch() as process:
        process.communicate(room.text())
    assert (tmp_path / "seen").read_text() == ">"


@pytest.mark.parametrize(("how", "limits", "ended"), [("short", LIMITS, ""), ("long", Limits(seconds=3), TIME)])
def test_without_namespaces_all_processes_end_and_links_are_not_followed(tmp_path, how, limits, ended):
    argv = [sys.executable, "-c", RUNAWAY, how]
    room = Room(argv, {}, out=str(tmp_path), kept=["result.json", "copy.ipynb"], limits=limits, apart=False)
    with surroundings.launch() as process:
        stdout, stderr = process.communicate(room.text())
    assert (process.returncode, json.loads(stdout)["ended"]) == (0, ended), stderr
    if not ended:
        assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert [one.pid for one in psutil.process_iter(["cmdline"]) if RUNAWAY in (one.info["cmdline"] or [])] == []
