"""Grading without a room: whose lab is stopped, and how many tokens a learner may use."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from maas_lab import wait
from maas_lab.grading import execution, worker
from maas_lab.grading.verdicts import RESULT
from maas_lab.local import LocalCluster, processes
from maas_lab.metrics import LLAMA, Scrape
from maas_lab.settings import load
from tests.cohort import LESSONS, lesson, write

ROOT = Path(__file__).parents[1]
FIRST = LESSONS[0]
CONNECTED = """
from maas_lab import ask, connect
lab = connect()
client = lab.client(lab.gateway.create_key({name!r}, models=[lab.model]))
call = lambda: ask(client, "Count to ten.", model=lab.model, max_tokens=8)
answer = 42
"""


def workbook_in(folder):
    return write(folder, {FIRST: lesson(FIRST, "lab = connect()")})


def begin(tmp_path, learner, *options, **env):
    argv = [str(tmp_path / learner), str(tmp_path / f"{learner}-out"), "--lessons", str(tmp_path / "workbook")]
    return subprocess.Popen(
        [sys.executable, "-m", "maas_lab.grading.worker", *argv, *options],
        **{"env": os.environ | env, "cwd": ROOT, "text": True, "stderr": subprocess.PIPE},
    )


def verdicts(tmp_path, learner):
    told = json.loads((tmp_path / f"{learner}-out" / RESULT).read_text())
    return [(one["passed"], one["cause"]) for one in told["lessons"][0]["verdicts"]]


# -- the lab --


def test_a_worker_that_is_told_to_end_stops_the_lab_that_it_started(runtime, tmp_path):
    workbook_in(tmp_path / "workbook")
    begun = tmp_path / "begun"
    endless = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)"
    write(tmp_path / "alice", {FIRST: lesson(FIRST, endless)})
    own = {"MAAS_LAB_HOME": str(tmp_path / "home"), "MAAS_LAB_RUNTIME": str(runtime.folder)}
    try:
        with begin(tmp_path, "alice", **own) as process:
            wait.until(lambda: begun.exists() or process.poll(), what="the cell to begin", timeout=120)
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=60)
        assert processes.leftovers(tmp_path / "home") == []
        assert process.returncode == 128 + signal.SIGTERM, told
        assert LocalCluster(load(own)).status()["phase"] == "stopped"
    finally:
        LocalCluster(load(own)).down()


# -- tokens --


class Engine:
    """A model server that tells these numbers of tokens, one after the other; None: it does not answer."""

    def __init__(self, *told):
        self.told = list(told)

    def engine(self):
        return self

    def scrape(self):
        if (tokens := self.told.pop(0)) is None:
            raise worker.LabError("it does not answer")
        return Scrape(LLAMA, None, prompt_tokens=tokens, cached_tokens=0, completion_tokens=0)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def spent(monkeypatch, *told, most=100):
    """Return whether each look found that too much was spent."""
    monkeypatch.setattr("maas_lab.connect", lambda: Engine(*told))
    meter = worker.Meter(most)
    meter.connect()
    return [bool(meter.spent()) for _ in told[1:]]


def test_what_others_used_before_does_not_count(monkeypatch):
    assert spent(monkeypatch, 5_000_000, 5_000_090, 5_000_101) == [False, True]


def test_a_server_that_was_started_anew_counts_on(monkeypatch):
    assert spent(monkeypatch, 0, 90, 5, 11) == [False, False, True]


def test_who_has_spent_too_much_gets_nothing_back_by_breaking_the_server(monkeypatch):
    assert spent(monkeypatch, 0, 101, None, None) == [True, True, True]


def test_too_many_tokens_stop_their_learner_also_within_a_cell_and_nobody_else(stack, tmp_path):
    """The lab is the tests' own, which ran before: it counts the tokens of all, and goes on afterwards."""
    workbook_in(tmp_path / "workbook")
    names = [f"{tmp_path.name}-{learner}" for learner in ("mallory", "bob")]
    endless, some = CONNECTED.format(name=names[0]), CONNECTED.format(name=names[1])
    write(tmp_path / "mallory", {FIRST: lesson(FIRST, f"{endless}while True:\n    call()", "answer = 42")})
    write(tmp_path / "bob", {FIRST: lesson(FIRST, f"{some}call()", "call()\nanswer = 42")})
    for learner in ("mallory", "bob"):
        with begin(tmp_path, learner, "--tokens", "200") as process:
            _, told = process.communicate(timeout=150)
        assert process.returncode == 0, told
    stack.gateway.delete_key(*[one.hash for name in names for one in stack.gateway.keys(application=name)])
    stopped = (False, f"{execution.SPENT}: more than … tokens were used")
    assert verdicts(tmp_path, "mallory") == [stopped, stopped]
    assert verdicts(tmp_path, "bob") == [(True, ""), (True, "")]
    assert stack.local.status()["ready"]
