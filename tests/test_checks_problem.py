"""What the checks of lesson 01 say to answers that are wrong; the right ones are checked by the lesson, too."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from maas_lab import checks
from maas_lab.capacity import Load, Server, replicas_for
from maas_lab.errors import NotDoneYet, NotQuite
from maas_lab.hoarding import Crowd
from maas_lab.metrics import LLAMA, Scrape
from maas_lab.objects import KubeObject
from maas_lab.tables import EventRow, Table

SLOT = "maas-lab.dev/gpu-slot"
MESSAGE = f"0/1 nodes are available: 1 Insufficient {SLOT}. no new claims to deallocate"
SINCE = datetime(2026, 11, 28, 12, tzinfo=UTC)
CROWD = Crowd(("amina",), ("bruno",), {"amina": "pod-a", "bruno": "pod-b"})
ASKED = {"owner": "amina", "borrower": "bruno", "since": SINCE, "ids": ["c1", "c2"]}


def scrape(seconds, worked):
    numbers = {"prompt_tokens": 30.0, "cached_tokens": 0.0, "completion_tokens": 20.0, "decodes": 20.0}
    return Scrape(LLAMA, SINCE + timedelta(seconds=seconds), call_seconds=worked, **numbers)


FIRST, SECOND = scrape(0, 1.0), scrape(10, 3.0)


class StandIn:
    """A cluster with one pod that runs and one that waits."""

    def __init__(self):
        unplaced = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
        self.pods = [pod("pod-a", []), pod("pod-b", unplaced)]
        self.told = {"pod-b": [EventRow("Warning", "FailedScheduling", "Pod/pod-b", 1, MESSAGE)]}
        self.log = "slot 0: prompt 30 tokens, 16 answered"

    def list(self, kind, namespace=None):
        return self.pods

    def events(self, namespace=None, of=None):
        return Table(EventRow, self.told.get(of.partition("/")[2], []))

    def logs(self, name, namespace=None):
        assert name == "pod-a"
        return self.log


def pod(name, conditions):
    return KubeObject(metadata={"name": name}, status={"conditions": conditions})


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())
    booked = []

    @contextmanager
    def engine(name, namespace):
        assert (name, namespace) == ("m-amina", "mine")
        yield SimpleNamespace(scrape=lambda: lab.now, text=lambda: "llamacpp:prompt_tokens_total 30")

    gateway = SimpleNamespace(spend_rows=lambda since: booked)
    lab = SimpleNamespace(cluster=StandIn(), gateway=gateway, gpu_resource=SLOT, model="m", engine=engine)
    lab.now, lab.booked = scrape(20, 4.0), booked
    return lab


def wrong(check, *arguments):
    with pytest.raises(NotQuite) as error:
        check(*arguments)
    assert error.value.hint
    return "\n".join(error.value.lines())


# 1.1


@pytest.mark.parametrize(
    ("reason", "missing", "saw"),
    [
        ("Pending", SLOT, "that is the state it is in"),
        ("Unschedulable", SLOT, "that is the state it is in"),
        ("Killing", SLOT, "no event of a waiting pod has this reason"),
        (None, SLOT, "`reason` is None"),
        ("FailedScheduling", "gpu", "`missing` is 'gpu'"),
        ("FailedScheduling", f"Insufficient {SLOT}", "`missing` is 'Insufficient"),
        ("FailedScheduling", 1, "`missing` is 1"),
    ],
)
def test_a_reason_that_is_not_the_schedulers(lab, reason, missing, saw):
    assert saw in wrong(checks.unplaced, lab, "mine", reason, missing)


def test_the_schedulers_reason(lab, capsys):
    checks.unplaced(lab, "mine", "FailedScheduling", SLOT)
    told = f"Exercise 1.1 is right: FailedScheduling, because the nodes have no {SLOT} left\n"
    assert capsys.readouterr().out == told


def test_the_right_reason_on_a_cluster_where_it_is_another(lab):
    lab.cluster.told["pod-b"] = [EventRow("Warning", "FailedScheduling", "Pod/pod-b", 1, "1 Insufficient cpu")]
    assert "1 Insufficient cpu" in wrong(checks.unplaced, lab, "mine", "FailedScheduling", SLOT)
    lab.cluster.pods = lab.cluster.pods[:1]
    assert "no pod waits for a place here now" in wrong(checks.unplaced, lab, "mine", "FailedScheduling", SLOT)


# 1.2


@pytest.mark.parametrize(
    ("busy", "saw"),
    [
        (2.0, "`busy` is a number of seconds"),
        (20, "`busy` is in percent"),
        (0.3, "counts from the server's start"),
        (0.5, "`busy` is 0.500"),
        (-0.2, "`busy` is -0.200"),
        ("20 %", "`busy` is a str"),
        (True, "`busy` is a bool"),
        (float("nan"), "`busy` is nan"),
    ],
)
def test_a_share_of_time_that_the_scrapes_do_not_say(lab, busy, saw):
    assert saw in wrong(checks.busy, lab, "mine", "amina", FIRST, SECOND, busy)


@pytest.mark.parametrize("busy", [0.2, np.float64(0.2)])
def test_the_share_of_time_that_the_scrapes_say(lab, capsys, busy):
    checks.busy(lab, "mine", "amina", FIRST, SECOND, busy)
    assert capsys.readouterr().out.startswith("Exercise 1.2 is right: ")


def test_the_answer_among_the_hints_can_be_copied_into_the_lesson(lab):
    told = [wrong(checks.busy, lab, "mine", "amina", FIRST, SECOND, 9.0).rpartition("try: ")[2] for _ in range(4)]
    names = {"owner": "amina", "first": {"amina": FIRST}, "second": {"amina": SECOND}}
    exec(next(hint for hint in told if hint.startswith("busy = ")), names)
    assert names["busy"] == pytest.approx(0.2)


def test_scrapes_of_another_server_or_in_another_order(lab):
    for pair in ((SECOND, FIRST), (FIRST, FIRST)):
        assert "not two scrapes of amina's server" in wrong(checks.busy, lab, "mine", "amina", *pair, 0.2)
    lab.now = scrape(20, 0.5)
    assert "not two scrapes of amina's server" in wrong(checks.busy, lab, "mine", "amina", FIRST, SECOND, 0.2)
    lab.now = replace(SECOND, engine="vLLM")
    assert "not two scrapes of amina's server" in wrong(checks.busy, lab, "mine", "amina", FIRST, SECOND, 0.2)


# 1.3


@pytest.mark.parametrize(
    ("named", "booked", "saw"),
    [
        ("log", 0, "`named` is a str"),
        (None, 0, "`named` is a NoneType"),
        (["diary"], 0, "`named` holds 'diary'"),
        (["log"], 0, "look for the name 'bruno'"),
        ([], 2, "`booked` is 2"),
        ([], 0.5, "`booked` is 0.5"),
        ([], None, "`booked` is a NoneType"),
    ],
)
def test_somebody_who_knows_who_asked_is_made_up(lab, named, booked, saw):
    assert saw in wrong(checks.unknown, lab, "mine", CROWD, ASKED, named, booked)


def test_nobody_knows_who_asked(lab, capsys):
    checks.unknown(lab, "mine", CROWD, ASKED, [], np.int64(0))
    assert "no place names who asked" in capsys.readouterr().out


def test_a_cluster_on_which_somebody_does_know(lab):
    lab.cluster.log = "bruno asked: What is a pod?"
    assert "`named` is []" in wrong(checks.unknown, lab, "mine", CROWD, ASKED, [], 0)
    assert "somebody does know here" in wrong(checks.unknown, lab, "mine", CROWD, ASKED, ["log"], 0)
    lab.cluster.log = ""
    lab.booked += [SimpleNamespace(request_id="c1"), SimpleNamespace(request_id="another's")]
    assert "rows of 1 of these calls" in wrong(checks.unknown, lab, "mine", CROWD, ASKED, [], 0)
    assert "somebody does know here" in wrong(checks.unknown, lab, "mine", CROWD, ASKED, [], 1)


# 1.4

LOAD, SERVER = Load(19_000, 0.05, 20, 150), Server(40, 4, 80)


def test_copies_that_are_too_few_or_too_many():
    enough = replicas_for(LOAD, SERVER, p95=2.0)
    assert "overloaded" in wrong(checks.replicas, LOAD, SERVER, 1)
    assert f"{enough - 1} are not enough" in wrong(checks.replicas, LOAD, SERVER, enough - 1)
    assert "one less is too" in wrong(checks.replicas, LOAD, SERVER, enough + 1)
    for strange in (0, -1, 2.5):
        assert f"`replicas` is {strange:g}" in wrong(checks.replicas, LOAD, SERVER, strange)
    assert "`replicas` is a str" in wrong(checks.replicas, LOAD, SERVER, "many")


def test_the_fewest_copies(capsys):
    checks.replicas(LOAD, SERVER, replicas_for(LOAD, SERVER, p95=2.0))
    assert capsys.readouterr().out.startswith("Exercise 1.4 is right: ")


def test_blanks_are_told(lab):
    blanks = [
        (checks.unplaced, lab, "mine", ..., SLOT),
        (checks.busy, lab, "mine", "amina", FIRST, SECOND, ...),
        (checks.unknown, lab, "mine", CROWD, ASKED, [], ...),
        (checks.replicas, LOAD, SERVER, ...),
    ]
    for number, (check, *arguments) in enumerate(blanks, 1):
        with pytest.raises(NotDoneYet, match=rf"Exercise 1.{number}: `\w+` is still") as error:
            check(*arguments)
        assert error.value.hint
