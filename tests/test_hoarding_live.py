"""Seven servers on the running lab: how many get a place, who works with them, and that one run waits for another."""

import uuid

import pytest

from maas_lab import hoarding, manifests, platform_secrets
from maas_lab.errors import NotFound, TookTooLong
from maas_lab.hoarding import claims
from maas_lab.objects import condition

NAMES = hoarding.developers(4)


@pytest.fixture
def own(connected):
    """A namespace of this test, claimed and released."""
    claimed = hoarding.claim(connected.cluster, f"test-hoarding-{uuid.uuid4().hex[:8]}", timeout=30)
    yield claimed
    claimed.release()


def deploy(lab, namespace, names):
    lab.cluster.apply([one for one in platform_secrets() if one.name == "model-secret"], namespace)
    models, slot = manifests.render(lab.overlay("models"), namespace), hoarding.slot(lab)
    for name in names:
        lab.cluster.apply(hoarding.own_server(models, name, slot))


def test_as_many_run_as_there_are_slots_and_a_slot_that_is_given_back_goes_to_the_next(connected, own):
    lab, namespace = connected, own.namespace
    free = hoarding.offer(lab.cluster, lab.gpu_resource).free
    assert free == 2, "nobody else holds one"
    deploy(lab, namespace, NAMES)
    crowd = hoarding.settle(lab, namespace, NAMES, patience=60)
    assert (len(crowd.running), len(crowd.waiting)) == (2, 2)
    assert hoarding.offer(lab.cluster, lab.gpu_resource).free == 0
    held = hoarding.reserved(lab.cluster, namespace, lab.gpu_resource)
    assert (held.copies, held.asked_slots, held.held_slots) == (2, 4, 2)
    assert held.asked_memory == 2 * held.held_memory == 4 * 2**29
    waiting = lab.cluster.get("Pod", crowd.pods[crowd.waiting[0]], namespace)
    assert lab.gpu_resource in condition(waiting, "PodScheduled")["message"]

    everybodys = hoarding.days(NAMES, questions=2, think=0.3)
    desks = {name: hoarding.desk(lab, namespace, name) for name in crowd.running}
    with lab.engine(desks[crowd.running[0]].model, namespace) as engine:
        before = engine.scrape()
        made = hoarding.work(everybodys, desks, max_tokens=4)
        after = engine.scrape()
    assert made.counts() == {"answered": 4}
    own_calls = made.frame[made.frame["person"] == crowd.running[0]]
    assert after.completion_tokens - before.completion_tokens == own_calls["completion_tokens"].sum()
    texts = hoarding.witnesses(lab, namespace, crowd, crowd.running[0])
    assert "llamacpp:" in texts["metrics"]
    assert "tokens" in texts["log"]
    assert "Started" in texts["events"]
    with pytest.raises(NotFound):
        hoarding.desk(lab, namespace, "nobody")

    gone = crowd.running[0]
    lab.cluster.delete(f"isvc/{hoarding.server_name(lab.model, gone)}", namespace)
    left = [name for name in NAMES if name != gone]
    again = hoarding.settle(lab, namespace, left, patience=60)
    assert len(again.running) == 2
    assert crowd.running[1] in again.running


def test_a_server_of_ones_own_wants_its_own_key(connected, own):
    lab, namespace = connected, own.namespace
    deploy(lab, namespace, NAMES[:1])
    lab.cluster.wait_ready(f"isvc/{hoarding.server_name(lab.model, NAMES[0])}", 60, namespace=namespace)
    own_key = hoarding.desk(lab, namespace, NAMES[0]).client.api_key
    assert own_key != lab.direct_client().api_key
    stranger = hoarding.Desk(lab.direct_client(hoarding.server_name(lab.model, NAMES[0]), namespace), "m")
    stranger = stranger._replace(client=stranger.client.with_options(api_key="sk-wrong"))
    made = hoarding.work(hoarding.days(NAMES[:1], 1, 0.01), {NAMES[0]: stranger})
    assert made.counts() == {"refused": 1}


def test_a_second_run_waits_and_a_third_takes_over_what_has_died(connected, monkeypatch):
    name = f"test-hoarding-{uuid.uuid4().hex[:8]}"
    first = hoarding.claim(connected.cluster, name, timeout=30)
    monkeypatch.setattr(claims, "_here", "another process")
    monkeypatch.setattr(claims, "_mine", {})
    with pytest.raises(TookTooLong, match="another run of this lesson to end"):
        hoarding.claim(connected.cluster, name, timeout=0)
    assert connected.cluster.get("Namespace", name).name == name
    first.forget()
    monkeypatch.setattr(claims, "SILENT", claims.timedelta(0))
    second = hoarding.claim(connected.cluster, name, timeout=30)
    second.release()
    with pytest.raises(NotFound):
        connected.cluster.get("Namespace", name)
