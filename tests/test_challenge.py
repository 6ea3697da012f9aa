"""The challenge: what is planned and planted, who may build it, what is written down; live, what no repair may do."""

import copy
import threading
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from maas_lab import checks, wait
from maas_lab.challenge import PREFIX, Challenge, building, planting, postmortem, spender, starting, state, symptoms
from maas_lab.challenge.tickets import (
    AGENTS,
    APPLICATIONS,
    HELP_DESK,
    NIGHT,
    REPORT,
    TIERS,
    TRAINEES,
    TRANSLATION,
    TRIAL,
    Plan,
    offers,
    tickets,
)
from maas_lab.checks.exercise import Exercise
from maas_lab.checks.repair import Repair
from maas_lab.errors import (
    BudgetExceeded,
    Conflict,
    GatewayError,
    ModelNotAllowed,
    NotAllowed,
    NotFound,
    NotQuite,
    TookTooLong,
    UsageError,
)
from maas_lab.manifests import render
from maas_lab.objects import KubeObject
from maas_lab.tables import EventRow, Permission

MANIFESTS = Path(__file__).parents[1] / "manifests"
OVERLAYS = [MANIFESTS / "infrastructure/overlays/local", MANIFESTS / "infrastructure/overlays/openshift"]
NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)


# What is planned


def test_a_seed_draws_the_same_plan_every_time_and_others_draw_others():
    plans = [Plan.of(seed) for seed in range(200)]
    assert plans == [Plan.of(seed) for seed in range(200)]
    assert {plan.runaway for plan in plans} == set(AGENTS)
    assert all(plan.label != "litellm" and plan.port != 4000 and plan.alias not in TIERS for plan in plans)
    assert all(plan.witness != plan.runaway for plan in plans)
    assert len({(plan.label, plan.port, plan.alias) for plan in plans}) > 150


def test_the_price_list_offers_one_model_at_three_prices():
    found = offers("granite", 2e-07, 6e-07)
    assert [(one.name, one.input_cost) for one in found] == [
        ("granite", 2e-07),
        ("granite-night", 1e-07),
        ("granite-trial", 2e-08),
    ]
    assert {one.served for one in found} == {"granite"}


def test_tickets_tell_symptoms_and_never_what_was_drawn():
    told = tickets("granite", 1.32)
    assert [one.number for one in told] == [1, 2, 3, 4, 5, 6]
    assert "$1.32" in told[4].says
    words = " ".join(one.says for one in told)
    drawn = {one for seed in range(50) for plan in [Plan.of(seed)] for one in (plan.label, plan.alias, str(plan.port))}
    assert not [one for one in {*drawn, *(agent.name for agent in AGENTS)} if one in words]


# What is built and planted


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_platform_has_no_portal_and_all_the_rest(overlay):
    objects = building.without_portal(render(overlay, "mine"))
    names = {(one["kind"], one["metadata"]["name"]) for one in objects}
    assert not [name for _, name in names if name.startswith(("portal", "litemaas", "backend", "frontend"))]
    assert {("Deployment", "litellm"), ("StatefulSet", "postgres"), ("Service", "postgres")} <= names
    policies = {name for kind, name in names if kind == "NetworkPolicy"}
    assert policies == ({"default-deny", "litellm", "postgres"} if overlay.name == "openshift" else set())
    [facts] = [one["data"] for one in objects if one["metadata"]["name"] == "maas-lab"]
    assert not [name for name in facts if name.startswith("portal-")]
    assert facts["gateway-route"] == "litellm"
    assert any("portal-route" in one.get("data", {}) for one in render(overlay, "mine")), "there was something to drop"


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_each_fault_in_the_cluster_is_one_field_beside_what_was_meant(overlay):
    lab = SimpleNamespace(overlay=lambda part: overlay)
    objects = building.infrastructure(lab, "mine")
    meant = building.gateway_of(objects)
    before = copy.deepcopy(meant)
    broken = planting.friday(meant, 4057)
    assert meant == before, "the manifest stays as it is"
    assert building.setting_of(broken) == "1"
    [container] = broken["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["port"] == 4057
    container["readinessProbe"]["httpGet"]["port"] = "http"
    next(one for one in container["env"] if one["name"] == "PROXY_BATCH_WRITE_AT")["value"] = "2"
    assert broken == before

    own, friendly = (
        next(one for one in objects if one["kind"] == "Service" and one["metadata"]["name"] == name)
        for name in ("litellm", "models")
    )
    assert friendly["spec"] == own["spec"]
    assert building.door(own, "litelm")["spec"]["selector"] == {"app.kubernetes.io/name": "litelm"}
    routes = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "Route"}
    assert routes["models"] == routes["litellm"] | {"to": {"kind": "Service", "name": "models"}}


# Who may build, and when


class Cluster:
    """A cluster that holds one ConfigMap in its namespace, and refuses who writes to an older one."""

    def __init__(self):
        self.data, self.version, self.lock = None, 0, threading.Lock()
        self.missing = ()

    def get(self, kind, name, namespace=None):
        with self.lock:
            if kind not in ("ConfigMap", "Namespace") or self.data is None:
                raise NotFound(f"there is no {kind} {name}", hint="make it")
            return {"data": dict(self.data), "metadata": {"resourceVersion": str(self.version)}}

    def apply(self, body, namespace=None):
        with self.lock:
            given = body["metadata"].get("resourceVersion")
            if given not in (None, str(self.version)):
                raise Conflict("somebody was faster", hint="again")
            self.data, self.version = dict(body["data"]), self.version + 1

    def permissions(self, rules, namespace):
        return [Permission(*rule.split(), namespace, rule not in self.missing, f"grant {rule}") for rule in rules]

    def own_namespace(self, prefix):
        return f"{prefix}-me"


def test_of_many_starts_at_once_one_builds_and_the_others_wait_for_it():
    cluster, built = Cluster(), []

    def start():
        notes = state.Notes(cluster, "mine")
        with notes.building(20) as is_mine:
            if is_mine:
                built.append(notes)
                notes.write(seed=str(len(built)))
                notes.write(planted="now")

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(built) == 1
    assert (cluster.data["planted"], cluster.data["seed"], cluster.data["holder"]) == ("now", "1", "")


def test_a_start_that_died_is_taken_over_and_one_that_lives_is_waited_for(monkeypatch):
    monkeypatch.setattr(state, "DEAD", 0.6)
    monkeypatch.setattr(state, "BEAT", 0.1)
    cluster = Cluster()
    cluster.apply({"metadata": {}, "data": {"holder": "somebody killed", "beat": "long ago", "seed": "7"}})
    first, second = state.Notes(cluster, "mine"), state.Notes(cluster, "mine")
    with first.building(10) as is_mine:
        assert is_mine
        assert first.read()["seed"] == "7", "what was drawn is kept"
        with pytest.raises(TookTooLong, match="another start of the challenge"), second.building(1.5):
            pytest.fail("two build at once")
    with second.building(5) as is_mine:
        assert is_mine, "the first one has let go"


def test_a_start_that_fails_lets_go_at_once():
    cluster = Cluster()
    with pytest.raises(KeyboardInterrupt), state.Notes(cluster, "mine").building(5):
        raise KeyboardInterrupt
    assert cluster.data["holder"] == ""


def test_notes_of_two_writers_are_both_kept():
    cluster = Cluster()
    writers = [state.Notes(cluster, "mine") for _ in range(2)]

    def write(number):
        for count in range(20):
            writers[number].write(**{f"n{number}-{count}": "x"})

    writers[0].write(begun="x")
    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(cluster.data) == 41


def test_missing_rights_are_told_before_anything_is_made():
    cluster = Cluster()
    cluster.missing = ("create namespaces", "patch secrets")
    with pytest.raises(NotAllowed) as refused:
        starting.make_room(cluster, "mine")
    assert "create namespaces" in refused.value.why
    assert "patch secrets" in refused.value.why
    assert "grant patch secrets" in refused.value.hint
    assert cluster.data is None


def test_who_has_not_started_is_told_how():
    challenge = Challenge(SimpleNamespace(cluster=Cluster(), model="granite"))
    assert repr(challenge) == f"Challenge({PREFIX}-me: not started)"
    for ask in (challenge.symptoms, challenge.shift, challenge.platform, lambda: challenge.tickets):
        with pytest.raises(NotFound) as error:
            ask()
        assert "lab.challenge.start()" in error.value.hint


@pytest.mark.parametrize("ticket", [2, 6, 7, "1", None])
def test_what_is_no_call_cannot_be_reproduced(ticket):
    with pytest.raises(UsageError, match="no call to make"):
        Challenge(SimpleNamespace(cluster=Cluster(), model="granite")).reproduce(ticket)


# The runaway


def test_a_runaway_asks_for_more_and_more_and_never_for_too_much():
    lengths = [len(spender.prompt(step)) for step in range(3 * spender.STEPS)]
    assert lengths[1] > lengths[0]
    assert max(lengths) < 2000, "characters, of 2048 tokens"
    assert lengths[: spender.STEPS] == sorted(lengths[: spender.STEPS])


def test_a_runaway_ends_by_itself_when_nobody_answers_and_when_it_is_told_to(monkeypatch):
    outcomes = Counter()

    def record(client, prompt, **options):
        outcomes[prompt] += 1
        return {"outcome": "refused"}

    monkeypatch.setattr(spender, "record", record)
    monkeypatch.setattr(spender, "PAUSE", 0.01)
    client = SimpleNamespace(close=lambda: outcomes.update(closed=1))
    spender.let_run("here", client, "granite")
    wait.until(lambda: not spender.runs("here"), what="the runaway's end", timeout=10)
    assert sum(outcomes.values()) == spender.ALONE
    monkeypatch.setattr(spender, "ALONE", 10_000)
    spender.let_run("here", client, "granite")
    spender.let_run("here", client, "granite")
    assert outcomes["closed"] == 1, "a second one does not begin, and lets go of its client"
    assert sum(thread.name == "challenge runaway" for thread in threading.enumerate()) == 1
    spender.stop("here")
    spender.stop("here")
    assert not spender.runs("here")
    assert not any(thread.name == "challenge runaway" for thread in threading.enumerate())


# What people see


def test_a_symptom_is_what_a_program_logs_and_not_what_the_lab_knows():
    class BadRequestError(Exception):
        pass

    error = BudgetExceeded("this key has spent its budget", status=400)
    error.__cause__ = BadRequestError()
    assert symptoms.seen(error) == "BadRequestError, HTTP 400"
    assert symptoms.seen(GatewayError("nothing answers")) == "GatewayError, no answer"
    assert symptoms.in_words(["2", "1", "2"]) == "it is 1 and 2 where calls go"
    assert symptoms.in_words([]) == "no gateway is ready"


def pod(ready, **metadata):
    status = {"phase": "Running", "containerStatuses": [{"ready": ready}]}
    return KubeObject(metadata={"name": "litellm-1", **metadata}, spec={"containers": [{}]}, status=status)


def test_only_a_pod_that_is_ready_and_stays_gets_calls():
    assert symptoms.is_serving(pod(True))
    assert not symptoms.is_serving(pod(False))
    assert not symptoms.is_serving(pod(True, deletionTimestamp="now"))


# The post-mortem


def shift(**changes):
    repair = postmortem.Repair(
        1, "a page | of errors", "Support", "HTTP 503", "label `x`", NOW + timedelta(minutes=5), 2
    )
    still_open = postmortem.Repair(2, "a change", "Finance", "it is 2")
    warnings = [EventRow("Warning", "Unhealthy", "Pod/litellm-1", 3, "Readiness probe failed:\nrefused")]
    told = {"repairs": [repair, still_open], "warnings": warnings, **changes}
    return postmortem.Shift("mine", NOW, NOW + timedelta(minutes=31, seconds=7), **told)


def test_a_post_mortem_holds_what_was_measured_and_leaves_the_rest_blank():
    text = postmortem.written(shift())
    assert "1 of 2 tickets closed, 2 hints used, 31 min 7 s" in text
    assert "| 09:05:00 | ticket 1 closed: a page \\| of errors |" in text
    assert "| 2, Finance: a change | it is 2 | _(yours to fill in)_ | open | 0 |" in text
    assert "Readiness probe failed: refused" in text
    assert text.count(postmortem.BLANK) == 1 + 1 + len(postmortem.QUESTIONS) + 3 * 2
    assert "What the cluster complained about" not in postmortem.written(shift(warnings=[]))


def test_what_is_missing_is_told_and_words_of_ones_own_are_welcome():
    closed = shift(repairs=shift().repairs[:1])
    text = postmortem.written(closed)
    assert postmortem.gaps(text.replace(postmortem.BLANK, "We were lucky."), closed) == []
    assert postmortem.gaps(text.replace("label `x`", "something"), closed) == ["ticket 1, what you found: `label `x``"]
    assert postmortem.gaps(text, shift()) == ["ticket 2 is still open"]


def test_a_file_with_words_of_ones_own_is_told_from_one_without():
    text = postmortem.written(shift())
    assert postmortem.is_untouched(text)
    for changed in (text + "mine", text.replace("31 min", "5 min"), "my own notes", ""):
        assert not postmortem.is_untouched(changed)


# Live: one platform, all six faults, and the repairs that are none


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"a": "litelm"}, "a str is asked for, not a dict"),
        (None, "a str is asked for, not a NoneType"),
        ([f"model-{n}" for n in range(99)], "a str is asked for, not a list"),
        ("litellm", "the why"),
    ],
)
def test_a_wrong_answer_is_told_from_one_of_the_wrong_type(answer, why):
    repair = object.__new__(Repair)
    repair.ticket, repair.challenge = 1, SimpleNamespace(is_closed=lambda ticket: False)
    repair.wrong = Exercise("6.1", "Ticket 1", ()).wrong
    with pytest.raises(NotQuite) as told:
        repair.must_match("label", answer, "litelm", "the why")
    assert told.value.why.startswith(why)
    assert "lab.challenge.plan still knows" in told.value.why
    assert len(told.value.what) < 180


def refused(check, lab, answer):
    with pytest.raises(NotQuite) as error:
        check(lab, answer)
    assert error.value.hint
    return "\n".join(error.value.lines())


def test_repairs_that_only_hide_a_symptom_are_refused(connected):
    """Nbval of lesson 06 shows the symptoms, the right repairs, and that nothing is left."""
    lab, seen = connected, []
    platform = lab.challenge.start(300, seen.append)
    try:
        assert seen, "progress was told"
        plan, again = lab.challenge.plan, lab.challenge.start(30)
        assert (lab.challenge.plan, again.gateway.url) == (plan, platform.gateway.url), "a second start finds it"
        assert sum(thread.name == "challenge runaway" for thread in threading.enumerate()) == 1
        again.gateway.close()
        hide_the_door(lab, platform, plan)
        hide_the_rollout(lab, platform, plan)
        hide_the_offers(lab, platform, plan)
        hide_the_money(lab, platform, plan)
        assert [one for one in lab.challenge.shift().repairs if one.at] == []
        assert postmortem.gaps("", lab.challenge.shift()) == [f"ticket {n} is still open" for n in range(1, 7)]
    finally:
        platform.gateway.close()
        lab.challenge.stop()
    assert lab.challenge.namespace not in [one.name for one in lab.cluster.list("Namespace")]
    assert not any(thread.name.startswith("challenge") for thread in threading.enumerate())
    lab.challenge.stop()


def hide_the_door(lab, platform, plan):
    cluster, namespace = platform.cluster, platform.namespace
    assert "another value when the shift began" in refused(checks.selected, lab, "litellm")
    assert f'"{plan.label}"' in refused(checks.selected, lab, plan.label)
    service = building.infrastructure(lab, namespace)
    own = next(one for one in service if (one["kind"], one["metadata"]["name"]) == ("Service", "litellm"))
    past, back = (
        next(o for o in service if o["kind"] == "Route" and o["metadata"]["name"] == n) for n in ("litellm", "models")
    )
    cluster.apply({**back, "spec": past["spec"]})
    assert "leads past the Service" in refused(checks.selected, lab, plan.label)
    cluster.apply(back)
    [serving] = [
        one
        for one in cluster.list("Pod", namespace, selector="app.kubernetes.io/name=litellm")
        if symptoms.is_serving(one)
    ]
    narrow = building.door(own)
    narrow["spec"]["selector"]["pod-template-hash"] = serving["metadata"]["labels"]["pod-template-hash"]
    cluster.apply(narrow)
    assert "one version of the gateway" in refused(checks.selected, lab, plan.label)
    cluster.apply(building.door(own, plan.label))


def hide_the_rollout(lab, platform, plan):
    cluster, objects = platform.cluster, building.infrastructure(lab, platform.namespace)
    assert "that is not where" in refused(checks.rolled_out, lab, 4000)
    assert f"asks port {plan.port}" in refused(checks.rolled_out, lab, plan.port)
    cluster.apply(building.gateway_of(objects))
    assert "the change that people wait for is lost" in refused(checks.rolled_out, lab, plan.port)
    broken = planting.friday(building.gateway_of(objects), plan.port)
    probe = broken["spec"]["template"]["spec"]["containers"][0].pop("readinessProbe")
    cluster.apply(broken)
    assert "does not ask /health/readiness" in refused(checks.rolled_out, lab, plan.port)
    broken["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe
    cluster.apply(broken)


def hide_the_offers(lab, platform, plan):
    gateway, alias = platform.gateway, platform.model + plan.alias
    with pytest.raises(ModelNotAllowed):
        lab.challenge.reproduce(3)
    assert "offers 0 models" in refused(checks.offered, lab, alias)
    night, trial = (next(o for o in lab.challenge.offers if o.name.endswith(end)) for end in (NIGHT, TRIAL))
    key = building.serving_key(platform)
    dear = building.Offer(night.name, night.served, night.input_cost * 2, night.output_cost)
    building.offered(platform, dear, night.name, key)
    assert "another price" in refused(checks.offered, lab, alias)
    building.offered(platform, night, night.name, key)
    assert "still in the catalogue" in refused(checks.offered, lab, alias)
    gateway.delete_model(alias)
    twin = gateway.create_key("a new one", models=[night.name], application=REPORT.name)
    old = building.key_of(platform, REPORT)
    building.keep(platform, REPORT, twin)
    assert "calls with another key now" in refused(checks.offered, lab, alias)
    building.keep(platform, REPORT, old)
    gateway.delete_key(twin)

    with pytest.raises(GatewayError, match="refuses the key that the gateway sends"):
        lab.challenge.reproduce(4)
    assert "a list is asked for, not a str" in refused(checks.trusted, lab, trial.name)
    assert "a list of the offers" in refused(checks.trusted, lab, [])
    told = refused(checks.trusted, lab, [trial.name])
    assert f"does not send the model server's key for {trial.name}" in told
    assert "register it again" in told
    assert building.key_of(platform, TRAINEES).hash == lab.challenge.keys[TRAINEES.name]


def hide_the_money(lab, platform, plan):
    gateway, keys = platform.gateway, lab.challenge.keys
    desk, runaway = keys[TRANSLATION.name], keys[plan.runaway.name]
    with pytest.raises(BudgetExceeded):
        lab.challenge.reproduce(5)
    approved = lab.challenge.approved
    assert "set the one that you name" in refused(checks.topped_up, lab, approved)
    for cap, saw in ((None, "no cap any more"), (approved * 100, "in all")):
        gateway.update_key(desk, max_budget=cap)
        assert saw in refused(checks.topped_up, lab, approved if cap is None else cap)

    assert "it uses less" in refused(checks.contained, lab, HELP_DESK.name)
    assert "next call was answered" in refused(checks.contained, lab, plan.runaway.name)
    gateway.update_key(runaway, rpm_limit=1)
    with suppress(GatewayError):
        building.call(platform, plan.runaway)
    assert "only slower" in refused(checks.contained, lab, plan.runaway.name)
    gateway.update_key(runaway, rpm_limit=None, models=["nothing"])
    assert "no decision about its spending" in refused(checks.contained, lab, plan.runaway.name)
    gateway.block_key(runaway)
    gateway.block_key(keys[plan.witness.name])
    assert f"{plan.witness.name} still gets no answer" in refused(checks.contained, lab, plan.runaway.name)
    gateway.delete_key(runaway)
    assert f"the key of {plan.runaway.name} is gone" in refused(checks.contained, lab, plan.runaway.name)
    assert {one.name for one in APPLICATIONS} == set(keys)
