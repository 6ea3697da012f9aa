"""Many people with a model each: what they deploy, what they hold, how they work; the cluster is what a test says."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from maas_lab import hoarding
from maas_lab.errors import ClusterError, NotAllowed, NotFound, TookTooLong, UsageError
from maas_lab.hoarding import claims, working
from maas_lab.kinds import ref
from maas_lab.manifests import render
from maas_lab.objects import KubeObject

MODELS = Path(__file__).parents[1] / "manifests/models/overlays"
SLOT = "maas-lab.dev/gpu-slot"
TOLD = '{"maas-lab.dev/gpu-slot": {"what": "a number", "real": "simulation", "why": ""}}'
MODEL = "smollm2-135m-instruct"


class StandIn:
    """A cluster with the objects that a test puts there."""

    def __init__(self, nodes=(), pods=(), refuses=None):
        self.objects = {("Node", "", one.name): one for one in nodes}
        self.pods, self.refuses, self.deleted = list(pods), refuses, []

    def permissions(self, rules, namespace):
        return [SimpleNamespace(allowed=self.refuses is None) for _ in rules]

    def list(self, kind, namespace=None, *, selector=None):
        if self.refuses:
            raise self.refuses
        if kind == "Node":
            return [one for (what, *_), one in self.objects.items() if what == "Node"]
        key, _, value = (selector or "").partition("=")
        labels = [one["metadata"].get("labels") or {} for one in self.pods]
        fits = [not key or (key in one and value in ("", one[key])) for one in labels]
        return [pod for pod, fit in zip(self.pods, fits, strict=True) if fit]

    def get(self, kind, name, namespace=None):
        try:
            return self.objects[kind, namespace, name]
        except KeyError:
            raise NotFound(f"no {name}", hint="look") from None

    def apply(self, body, namespace=None):
        self.objects[body["kind"], namespace, body["metadata"]["name"]] = body

    def delete(self, name, timeout):
        place = ref(name)
        self.deleted.append(place.name)
        gone = [key for key in self.objects if key[1] == place.name or key == ("Namespace", None, place.name)]
        for key in gone:
            del self.objects[key]


def node(slots=2, annotation=TOLD, name="n"):
    metadata = {"name": name, "annotations": {"maas-lab/what-runs": annotation} if annotation else {}}
    return KubeObject(kind="Node", metadata=metadata, status={"allocatable": {SLOT: str(slots)} if slots else {}})


def pod(developer, place="ready", slots="1", memory="512Mi", model=MODEL):
    wanted = {"requests": {"memory": memory, SLOT: slots}, "limits": {SLOT: slots}}
    labels = {"serving.kserve.io/inferenceservice": f"{model}-{developer}" if developer else model}
    conditions = {
        "ready": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
        "no place": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
        "starts": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}],
    }[place]
    spec = {"containers": [{"name": "c", "resources": wanted}]} | ({} if place == "no place" else {"nodeName": "n"})
    phase = "Pending" if place == "no place" else "Running"
    metadata = {"name": f"pod-of-{developer}", "labels": labels}
    return KubeObject(kind="Pod", metadata=metadata, spec=spec, status={"phase": phase, "conditions": conditions})


def lab(cluster, resource=SLOT):
    return SimpleNamespace(cluster=cluster, gpu_resource=resource, model=MODEL)


# Asking for a GPU


def test_a_number_behind_which_the_cluster_itself_says_is_nothing_may_be_taken():
    assert hoarding.slot(lab(StandIn([node()]))) == hoarding.Slot(SLOT, is_device=False)


@pytest.mark.parametrize(
    "cluster",
    [
        StandIn([node(annotation=None)]),
        StandIn([node(annotation=TOLD.replace("simulation", "real"))]),
        StandIn([node(annotation=TOLD.replace("gpu-slot", "other"))]),
        StandIn(),
        StandIn(refuses=NotAllowed("you may not list nodes", hint="ask")),
    ],
)
def test_real_gpus_are_not_taken_unless_somebody_has_agreed(cluster):
    with pytest.raises(UsageError, match="would take real GPUs") as refused:
        hoarding.slot(lab(cluster))
    assert "agreed = True" in refused.value.hint
    assert hoarding.slot(lab(cluster), agreed=True) == hoarding.Slot(SLOT, is_device=True)


@pytest.mark.parametrize("overlay", ["local", "openshift-gpu", "openshift-cpu"])
def test_everybody_deploys_the_platforms_model_with_one_slot_and_nothing_else(overlay):
    models = render(MODELS / overlay, "mine")
    before = [dict(one) for one in models]
    *recipes, own = hoarding.own_server(models, "amina", hoarding.Slot("nvidia.com/gpu", is_device=True))
    assert models == before, "what was rendered stays as it was"
    assert [one["kind"] for one in recipes] == ["ServingRuntime"]
    [theirs] = [one for one in models if one["kind"] == "InferenceService"]
    assert own["metadata"]["name"] == f"{theirs['metadata']['name']}-amina"
    assert own["metadata"]["namespace"] == "mine"
    resources = own["spec"]["predictor"]["model"]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert resources["requests"]["memory"]
    del own["spec"]["predictor"]["model"]["resources"]
    theirs["spec"]["predictor"]["model"].pop("resources", None)
    assert own["spec"] == theirs["spec"]


def test_what_is_not_the_manifests_of_one_model_is_refused():
    models, slot = render(MODELS / "local"), hoarding.Slot(SLOT, is_device=False)
    for wrong in ([], models[:1], [*models, *models]):
        with pytest.raises(UsageError, match="not the manifests of one model"):
            hoarding.own_server(wrong, "amina", slot)


def test_names_are_as_many_as_people_and_servers_are_named_as_kserve_wants_it():
    assert len(set(hoarding.developers(7))) == 7
    assert len(hoarding.server_name("m" * 60, "amina")) == 53
    assert hoarding.server_name(MODEL, "amina") == f"{MODEL}-amina"
    for wrong in (0, 1, 13):
        with pytest.raises(UsageError, match=f"`people` is {wrong}"):
            hoarding.developers(wrong)


# Places


def test_an_offer_counts_what_nodes_offer_and_pods_with_a_place_hold():
    ended = pod("elena")
    ended["status"]["phase"] = "Succeeded"
    cluster = StandIn([node(2), node(None, name="without")], [pod("amina"), pod("bruno", "no place"), ended])
    found = hoarding.offer(cluster, SLOT)
    assert (found.offered, found.taken, found.free) == (2, 1, 1)
    assert repr(found) == f"{SLOT}: 2 offered, 1 taken, 1 free"


def test_an_offer_that_one_may_not_look_at_is_no_number():
    found = hoarding.offer(StandIn(refuses=NotAllowed("you may not", hint="ask")), SLOT)
    assert (found.offered, found.taken, found.free) == (None, None, None)
    assert "the scheduler will tell" in repr(found)


def test_reserved_is_what_pods_ask_for_and_what_those_with_a_place_hold():
    leaving = pod("elena")
    leaving["metadata"]["deletionTimestamp"] = "T"
    shared, unlabelled = pod("", slots="0", memory="1Gi"), pod("greta")
    unlabelled["metadata"]["labels"] = {}
    pods = [pod("amina"), pod("bruno"), pod("chloe", "no place"), leaving, shared, unlabelled]
    found = hoarding.reserved(StandIn(pods=pods), "mine", SLOT)
    assert (found.copies, found.asked_slots, found.held_slots) == (3, 3, 2)
    assert (found.asked_memory, found.held_memory) == (5 * 2**29, 2**31)
    assert hoarding.reserved(StandIn(pods=pods), "mine", SLOT, model=MODEL).held_memory == 2**30


def test_it_is_settled_when_some_run_and_all_others_have_no_place():
    cluster = StandIn([node()], [pod("bruno", "no place"), pod("amina"), pod("chloe", "no place"), pod("stranger")])
    crowd = hoarding.settle(lab(cluster), "mine", ["amina", "bruno", "chloe"], patience=0)
    assert (crowd.running, crowd.waiting) == (("amina",), ("bruno", "chloe"))
    assert crowd.pods["bruno"] == "pod-of-bruno"
    assert repr(crowd) == "1 run, 2 wait for a place"


def test_it_waits_until_the_last_one_has_started():
    cluster = StandIn([node()], [pod("amina", "starts"), pod("bruno", "no place")])
    threading.Timer(0.2, lambda: cluster.pods.__setitem__(0, pod("amina"))).start()
    assert hoarding.settle(lab(cluster), "mine", ["amina", "bruno"], patience=5).running == ("amina",)


@pytest.mark.parametrize(
    ("pods", "what", "why"),
    [
        ([pod("amina", "no place"), pod("bruno", "no place")], "nobody has got a place", "2 offered, 0 taken"),
        ([pod("amina")], "for the models of all developers", "bruno: no pod yet"),
        ([pod("amina"), pod("bruno", "starts")], "for the models of all developers", "bruno: "),
    ],
)
def test_what_does_not_settle_says_who_holds_it_up(pods, what, why):
    with pytest.raises(TookTooLong, match=what) as late:
        hoarding.settle(lab(StandIn([node()], pods)), "mine", ["amina", "bruno"], patience=0)
    assert why in late.value.why
    assert late.value.hint


def test_with_room_for_everybody_there_is_nothing_to_find_out():
    with pytest.raises(UsageError, match="everybody has got a place") as room:
        hoarding.settle(lab(StandIn([node()], [pod("amina"), pod("bruno")])), "mine", ["amina", "bruno"], patience=0)
    assert "more `people` than 2" in room.value.hint


# One run at a time


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr(claims, "EVERY", 0.05)
    cluster = StandIn()
    yield cluster
    for one in list(claims._mine.values()):
        one.forget()
    claims._mine.clear()


def sign(cluster, run="another", ago=0):
    seen = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    body = {"kind": "ConfigMap", "metadata": {"name": claims.SIGN}, "data": {"run": run, "seen": seen}}
    cluster.apply({"kind": "Namespace", "metadata": {"name": "mine"}})
    cluster.apply(body, "mine")


def test_a_claim_empties_the_namespace_and_gives_signs_of_life_until_it_is_released(cluster):
    sign(cluster, ago=60)
    cluster.apply({"kind": "Secret", "metadata": {"name": "left over"}}, "mine")
    own = hoarding.claim(cluster, "mine", timeout=0)
    assert ("Secret", "mine", "left over") not in cluster.objects
    assert ("Namespace", None, "mine") in cluster.objects
    first = cluster.objects.pop(("ConfigMap", "mine", claims.SIGN))
    deadline = time.monotonic() + 5
    while ("ConfigMap", "mine", claims.SIGN) not in cluster.objects and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    assert cluster.get("ConfigMap", claims.SIGN, "mine")["data"]["run"] == first["data"]["run"]
    own.release()
    threading.Event().wait(0.2)
    assert cluster.objects == {}, "no sign of life after the end"


def test_another_run_is_waited_for_and_told_when_it_goes_on(cluster):
    sign(cluster)
    with pytest.raises(TookTooLong, match="another run of this lesson to end") as busy:
        hoarding.claim(cluster, "mine", timeout=0)
    assert "prefix" in busy.value.hint
    assert cluster.deleted == [], "the other run keeps what it has"


def test_a_run_begins_when_the_other_one_is_silent(cluster, monkeypatch):
    monkeypatch.setattr(claims, "SILENT", timedelta(seconds=0.5))
    sign(cluster)
    assert hoarding.claim(cluster, "mine", timeout=10).namespace == "mine"
    assert cluster.deleted == ["mine"]


def test_cells_that_are_run_again_are_no_other_run(cluster):
    first = hoarding.claim(cluster, "mine", timeout=0)
    second = hoarding.claim(cluster, "mine", timeout=0)
    assert first._ticker.stopped
    assert not second._ticker.stopped


def test_a_namespace_that_somebody_deletes_by_hand_is_no_noise(cluster):
    def refuse(body, namespace=None):
        raise ClusterError("the namespace is being deleted", hint="wait")

    own = hoarding.claim(cluster, "mine", timeout=0)
    cluster.apply = refuse
    threading.Event().wait(0.2)
    assert own._ticker.alive


# Working


def test_everybodys_day_is_the_same_in_every_run_and_as_long_as_everybody_elses():
    days = hoarding.days(["amina", "bruno"], questions=4, think=2.0)
    assert days == hoarding.days(["amina", "bruno"], questions=4, think=2.0)
    assert [turn.question for turn in days["amina"]] != [turn.question for turn in days["bruno"]]
    pauses = [sorted(turn.think_s for turn in day) for day in days.values()]
    assert pauses[0] == pauses[1]
    assert sum(pauses[0]) / 4 == pytest.approx(2.0, rel=0.1)
    assert sum(turn.think_s for turn in hoarding.days(["amina"], 1000, 2.0)["amina"]) / 1000 == pytest.approx(2.0, 0.01)


@pytest.mark.parametrize("numbers", [{"questions": 0}, {"think": 0}, {"think": -1.0}, {"think": float("nan")}])
def test_a_day_without_questions_or_pauses_is_refused(numbers):
    with pytest.raises(UsageError, match="`questions` is 1 or more"):
        hoarding.days(["amina"], **numbers)


@pytest.fixture
def asked(monkeypatch):
    """What was asked of whom, and when; an answer takes 0.1 seconds."""
    calls = []

    def record(client, question, *, model, max_tokens):
        began = time.perf_counter()
        calls.append((client, model, question, began))
        threading.Event().wait(0.1)
        row = {"prompt": question, "outcome": "answered", "status": 200, "started_s": began, "seconds": 0.1}
        return row | {"prompt_tokens": 30, "completion_tokens": max_tokens, "total_tokens": 30 + max_tokens}

    monkeypatch.setattr(working, "record", record)
    return calls


def test_people_ask_side_by_side_think_and_ask_again(asked):
    days = hoarding.days(["amina", "bruno", "chloe"], questions=3, think=0.2)
    desks = {name: hoarding.Desk(f"client of {name}", "m") for name in ("amina", "bruno")}
    began = time.perf_counter()
    made = hoarding.work(days, desks, max_tokens=5)
    assert repr(made) == "6 calls: 6 answered"
    assert made.frame.groupby("person")["total_tokens"].sum().to_dict() == {"amina": 105, "bruno": 105}
    for name in desks:
        own = [(question, at) for client, model, question, at in asked if client == f"client of {name}"]
        assert [question for question, _ in own] == [turn.question for turn in days[name]]
        ends = [began] + [at + 0.1 for _, at in own]
        for turn, end, (_, at) in zip(days[name], ends, own, strict=False):
            assert at - end >= turn.think_s - 0.02, "they think first"
    alone = sum(turn.think_s for turn in days["amina"]) + 0.3
    assert time.perf_counter() - began < 1.8 * alone, "side by side"


def test_desks_of_nobody_or_of_strangers_are_refused():
    days = hoarding.days(["amina"])
    for desks in ({}, {"bruno": hoarding.Desk(None, "m")}):
        with pytest.raises(UsageError, match="`desks` names nobody"):
            hoarding.work(days, desks)


def test_a_bug_of_one_ends_the_work_of_all(monkeypatch):
    monkeypatch.setattr(working, "record", lambda client, *_, **__: 1 / 0)
    days = hoarding.days(["amina"], 1, 0.01) | hoarding.days(["bruno"], 1, 60)
    began = time.perf_counter()
    with pytest.raises(ZeroDivisionError):
        hoarding.work(days, {name: hoarding.Desk(None, "m") for name in days})
    assert time.perf_counter() - began < 5
