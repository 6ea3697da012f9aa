"""What the checks say to answers that are wrong; the right ones are checked by the lessons themselves."""

import ast
import copy
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from maas_lab import checks, faults, overlays
from maas_lab.client import Reply
from maas_lab.errors import NotDoneYet, NotFound, NotQuite, Rejected, TookTooLong
from maas_lab.manifests import render
from maas_lab.objects import KubeObject
from maas_lab.rows import CatalogModel
from maas_lab.tables import EventRow, PodRow

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "manifests"
LOCAL = [MANIFESTS / "infrastructure/overlays/local", MANIFESTS / "models/overlays/local"]
OPENSHIFT = [MANIFESTS / "infrastructure/overlays/openshift", MANIFESTS / "models/overlays/openshift-gpu"]
NAMESPACE, MODEL, URL = "mine", "smollm2-135m-instruct", "http://127.0.0.1:1234"
GIVEN = next(one for one in render(LOCAL[0]) if one["kind"] == "Route")["spec"]


class StandIn:
    """A cluster that remembers what was applied and shows what the test put there."""

    def __init__(self):
        self.applied, self.refuses, self.is_ready = [], None, True
        self.reasons = ["Scheduled", "Pulled", "Created", "Started"]
        self.objects = {}

    def apply(self, body, namespace=None, dry_run=False):
        if self.refuses:
            raise self.refuses
        self.applied.append((body, dry_run))

    def get(self, kind, name, namespace=None):
        return self.objects[kind]

    def list(self, kind, namespace=None):
        return self.objects[kind]

    def events(self, namespace=None, of=None):
        return [EventRow("Normal", reason, of, 1, "") for reason in self.reasons]

    def wait_ready(self, objects, timeout, namespace=None):
        if not self.is_ready:
            raise TookTooLong("waited in vain", "0 of 1 available", "look")


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())
    address = {"address": {"url": URL}}
    cluster = StandIn()
    cluster.objects["InferenceService"] = KubeObject(metadata={"name": MODEL}, status=address)
    cluster.objects["Pod"] = [pod("postgres-0", "T1"), pod("litellm-5c-ab", "T2")]
    return SimpleNamespace(cluster=cluster, model=MODEL, overlay=lambda part: LOCAL[part == "models"])


def pod(name, since):
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    return KubeObject(metadata={"name": name}, status={"conditions": [ready]})


def wrong(check, *arguments):
    with pytest.raises(NotQuite) as error:
        check(*arguments)
    assert error.value.hint
    return "\n".join(error.value.lines())


def friendly(**spec):
    metadata = {"name": "models"}
    return {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": metadata, "spec": {**GIVEN, **spec}}


def to(name):
    return {"kind": "Service", "name": name}


@pytest.mark.parametrize(
    ("body", "saw"),
    [
        ("models", "not a Route with the name"),
        ({**friendly(), "kind": "Service"}, "not a Route with the name"),
        ({**friendly(), "metadata": {"name": "litellm"}}, "not a Route with the name"),
        (friendly(to=to("gateway")), "leads to the Service `gateway`, and the platform has no such Service"),
        (friendly(to=to("postgres")), "leads to `postgres`, and that is not the gateway"),
        (friendly(port={"targetPort": "https"}), "a port that the Service does not have"),
        (friendly(port=None), "a port that the Service does not have"),
        (friendly(tls={"termination": "edge"}), "its `tls` is not"),
    ],
)
def test_a_route_that_leads_elsewhere(lab, body, saw):
    assert saw in wrong(checks.route, lab, NAMESPACE, body)


def test_a_route_that_the_cluster_refuses_or_accepts(lab, capsys):
    lab.cluster.refuses = Rejected("the cluster rejects it", ".spec.ports: field not declared", "mend it")
    assert "why: .spec.ports" in wrong(checks.route, lab, NAMESPACE, friendly(ports={}))
    lab.cluster.refuses = None
    checks.route(lab, NAMESPACE, friendly())
    assert lab.cluster.applied == [(friendly(), True)], "only asked, nothing changed"
    assert capsys.readouterr().out.startswith("Exercise 2.1 is right: ")


@pytest.mark.parametrize(
    ("steps", "first", "saw"),
    [
        ("Scheduled", "postgres", "not the list of the reasons"),
        ([], "postgres", "not the list of the reasons"),
        (["Scheduled", "Created", "Guessed"], "postgres", "they are: Scheduled, Pulled, Created, Started"),
        (["Scheduled", "Started"], "postgres", "`steps` lacks Created"),
        (["Started", "Created", "Scheduled"], "postgres", "in another order"),
        (["Scheduled", "Created", "Started"], "litellm", "`first` is 'litellm'"),
        (["Scheduled", "Created", "Started"], 0, "`first` is 0"),
    ],
)
def test_steps_that_are_no_pods_life(lab, steps, first, saw):
    assert saw in wrong(checks.order, lab, NAMESPACE, steps, first)


@pytest.mark.parametrize("first", ["postgres", "postgres-0"])
@pytest.mark.parametrize("moment", ["T2", "T3"])
def test_the_order_of_a_pods_life(lab, capsys, first, moment):
    lab.cluster.objects["Pod"] = [pod("litellm-5c-ab", moment), pod("postgres-0", "T2")]
    checks.order(lab, NAMESPACE, lab.cluster.reasons, first)
    assert f"Scheduled, Created, Started; and {first} was Ready first" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "address", "saw"),
    [
        ("granite", f"{URL}/v1", "`served` is 'granite'"),
        (MODEL, "http://elsewhere/v1", "not where the InferenceService says"),
        (MODEL, None, "not where the InferenceService says"),
        (MODEL, URL, "does not end in /v1"),
    ],
)
def test_a_name_or_address_that_is_not_the_models(lab, name, address, saw):
    assert saw in wrong(checks.served, lab, NAMESPACE, name, address)


class Books:
    """A gateway that offers and has booked what the test says."""

    def __init__(self, *models, cost=0.07):
        self.offered, self.row = models, SimpleNamespace(request_id="c1", total_tokens=50, cost=cost)

    def models(self):
        return list(self.offered)

    def spend_row(self, request_id, timeout):
        assert request_id == "c1"
        return self.row


OFFER = CatalogModel(MODEL, "1", MODEL, f"{URL}/v1", 0.001, 0.002)
REPLY = Reply("hi", MODEL, "c1", 30, 20, 50, "stop", 1.0)


@pytest.mark.parametrize(
    ("books", "reply", "row", "saw"),
    [
        (Books(), REPLY, None, "offers 0 models"),
        (Books(OFFER, OFFER), REPLY, None, "offers 2 models"),
        (Books(CatalogModel(MODEL, "1", "granite", URL, 1, 1)), REPLY, None, "under another name or address"),
        (Books(CatalogModel(MODEL, "1", MODEL, "http://x/v1", 1, 1)), REPLY, None, "under another name or address"),
        (Books(CatalogModel(MODEL, "1", MODEL, URL, 0.001, 0)), REPLY, None, "free of charge"),
        (Books(OFFER), "hi", None, "it should be what `ask` returns"),
        (Books(OFFER), REPLY, SimpleNamespace(request_id="c2"), "belongs to another call"),
        (Books(OFFER, cost=0.06), REPLY, SimpleNamespace(request_id="c1"), "another cost"),
    ],
)
def test_a_gate_that_is_not_open(lab, books, reply, row, saw):
    assert saw in wrong(checks.gate, lab, NAMESPACE, books, reply, row)


def test_an_open_gate(lab, capsys):
    checks.gate(lab, NAMESPACE, Books(OFFER), REPLY, SimpleNamespace(request_id="c1"))
    assert capsys.readouterr().out.startswith("Exercise 2.4 is right: ")


def without(deployment, variable):
    """The same Deployment whose container has one variable less."""
    changed = copy.deepcopy(deployment)
    [container] = changed["spec"]["template"]["spec"]["containers"]
    container["env"] = [one for one in container["env"] if one["name"] != variable]
    return changed


def test_a_fault_is_repaired_only_when_found_mended_and_whole(lab, capsys):
    platform = render(LOCAL[0], NAMESPACE)
    [right] = [one for one in platform if (one["kind"], one["metadata"]["name"]) == ("Deployment", "litellm")]
    faults.plant(lab.cluster, platform)
    [(broken, dry_run)] = lab.cluster.applied
    assert broken != right
    assert not dry_run
    lab.cluster.objects["Deployment"] = broken
    assert "`culprit` is 'DATABASE_URL'" in wrong(checks.repaired, lab, NAMESPACE, "DATABASE_URL")
    assert "not mended yet" in wrong(checks.repaired, lab, NAMESPACE, "PROXY_BATCH_WRITE_AT")
    lab.cluster.objects["Deployment"] = without(broken, "PROXY_BATCH_WRITE_AT")
    assert "not mended yet" in wrong(checks.repaired, lab, NAMESPACE, "PROXY_BATCH_WRITE_AT")
    lab.cluster.objects["Deployment"], lab.cluster.is_ready = right, False
    assert "why: 0 of 1 available" in wrong(checks.repaired, lab, NAMESPACE, "PROXY_BATCH_WRITE_AT")
    lab.cluster.is_ready = True
    checks.repaired(lab, NAMESPACE, "PROXY_BATCH_WRITE_AT")
    assert capsys.readouterr().out.startswith("Exercise 2.5 is right: ")


API, PORTAL = "https://127.0.0.1:6443", "http://127.0.0.1:4321"
PODS = [PodRow(f"pod-{n}", "1/1", "Running", 0, "") for n in range(5)]


@pytest.fixture
def start(lab):
    """The lab of the orientation: five pods, and a name for everything."""
    who = {"server": API, "version": lambda: "v1.32.0", "whoami": lambda: "kube:admin", "pods": lambda namespace: PODS}
    gateway = SimpleNamespace(url=URL, models=lambda: [OFFER])
    told = {"cluster": SimpleNamespace(**who), "gateway": gateway, "model": MODEL}
    return SimpleNamespace(**told, namespace="maas-system", portal_url=PORTAL)


@pytest.mark.parametrize(
    ("count", "saw"),
    [
        (0, "the cluster has more"),
        (6, "the cluster has fewer"),
        (PODS, "`pods` is the list of the pods"),
        ("5", "`pods` is a str, not a whole number"),
        (5.0, "`pods` is a float, not a whole number"),
        (True, "`pods` is a bool, not a whole number"),
        (None, "`pods` is a NoneType, not a whole number"),
    ],
)
def test_pods_that_are_counted_wrongly(start, count, saw):
    assert saw in wrong(checks.pods, start, count)


def test_pods_that_are_counted_right(start, capsys):
    checks.pods(start, 5)
    assert capsys.readouterr().out == "Exercise 0.1 is right: you asked the cluster, and it counts as you do\n"


@pytest.mark.parametrize(
    ("cluster", "gateway", "model", "saw"),
    [
        (SimpleNamespace(server=API), URL, MODEL, "`cluster` is a SimpleNamespace, not text"),
        (API, SimpleNamespace(url=URL), MODEL, "`gateway` is a SimpleNamespace, not text"),
        (API, URL, [MODEL], "`model` is a list, not text"),
        (None, URL, MODEL, "`cluster` is a NoneType, not text"),
        (URL, API, MODEL, "`cluster` is the gateway"),
        (PORTAL, URL, MODEL, "`cluster` is the portal"),
        ("maas-system", URL, MODEL, "`cluster` is the namespace"),
        ("v1.32.0", URL, MODEL, "`cluster` is the cluster's version"),
        ("kube:admin", URL, MODEL, "`cluster` is the user"),
        ("local", URL, MODEL, "`cluster` is 'local'\n  why: the cluster of this lab has another address"),
        ("", URL, MODEL, "`cluster` is ''"),
        (API, API, MODEL, "`gateway` is the cluster"),
        (API, PORTAL, MODEL, "`gateway` is the portal"),
        (API, f"{PORTAL}/v1", MODEL, "`gateway` is the portal"),
        (API, "http://127.0.0.1:1", MODEL, "`gateway` is 'http://127.0.0.1:1'"),
        (API, f"{URL}/v1/chat", MODEL, "`gateway` is '"),
        (API, URL, "granite-3-1-8b-instruct", "`model` is 'granite-3-1-8b-instruct'"),
        (API, URL, MODEL.upper(), "the gateway wants it exactly"),
        (API, URL, URL, "`model` is the gateway"),
        (API, URL, f"openai/{MODEL}", "the gateway wants it exactly"),
    ],
)
def test_names_of_something_else(start, cluster, gateway, model, saw):
    assert saw in wrong(checks.connected, start, cluster, gateway, model)


@pytest.mark.parametrize("blank", range(3))
def test_a_blank_among_the_names_is_named(start, blank):
    answers = [API, URL, MODEL]
    answers[blank] = ...
    with pytest.raises(NotDoneYet, match=f"`{('cluster', 'gateway', 'model')[blank]}` is still"):
        checks.connected(start, *answers)


@pytest.mark.parametrize("gateway", [URL, f"{URL}/", f"{URL}/v1", f"  {URL}/v1/ "])
def test_the_right_names_in_any_usual_form(start, capsys, gateway):
    checks.connected(start, f"{API}/", gateway, MODEL)
    assert capsys.readouterr().out.startswith("Exercise 0.2 is right: ")


def test_a_lab_without_a_portal_or_without_its_model(start):
    class NoPortal(SimpleNamespace):
        @property
        def portal_url(self):
            raise NotFound("there is no portal", hint="ask")

    told = {name: value for name, value in vars(start).items() if name != "portal_url"}
    checks.connected(NoPortal(**told), API, URL, MODEL)
    start.gateway.models = list
    assert "does not offer this model now" in wrong(checks.connected, start, API, URL, MODEL)


def test_blanks_and_growing_hints(lab):
    hints = []
    for _ in range(5):
        with pytest.raises(NotDoneYet, match=r"Exercise 2.3: `served` is still") as error:
            checks.served(lab, NAMESPACE, ..., ...)
        hints.append(error.value.hint)
    assert len(set(hints)) == 4
    assert hints[3] == "read the section “Serve a model” again"
    assert hints[4] == hints[0], "who runs a check again later sees the hints again, and no dead end"


@pytest.mark.parametrize(
    ("persona", "lesson", "exercises"),
    [
        (checks.start, "00_start", 2),
        (checks.problem, "01_problem", 4),
        (checks.provider, "02_provider", 5),
        (checks.gitops, "02_provider", 3),
        (checks.consumer, "03_consumer", 6),
        (checks.accountant, "04_accountant", 5),
        (checks.bill, "04_accountant", 2),
    ],
)
def test_every_hint_leads_to_a_section_that_the_lesson_has(persona, lesson, exercises):
    lesson = (MANIFESTS.parent / f"solutions/{lesson}.py").read_text()
    source = Path(persona.__file__).read_text()
    sections = [line.strip().strip('",') for line in source.splitlines() if line.startswith('        "')]
    named = [one for one in sections if one[:1].isupper()]
    assert len(named) == exercises
    assert [one for one in named if f"## {one}\n" not in lesson] == []


def test_the_comparison_is_made_from_the_overlays_and_lists_only_differences():
    rows = {row.question: (row.local, row.openshift) for row in overlays.compare(LOCAL, OPENSHIFT)}
    assert rows["which model"] == (MODEL, "granite-3-1-8b-instruct")
    assert rows["GPUs for one copy"] == ("none", "1")
    assert rows["memory that one copy asks for"][1] == "16Gi"
    assert rows["nodes it may run on"][1] == "also those tainted nvidia.com/gpu"
    assert rows["a new version"] == ("starts beside the old one", "starts when the old one is gone")
    assert rows["the way from outside"] == ("HTTP on this machine", "HTTPS, ended at the router")
    assert "the gateway's image" not in rows, "the same everywhere"
    assert overlays.compare(LOCAL, LOCAL) == []


def test_what_one_overlay_changes_of_another():
    plain, quantised = (MANIFESTS / "models/overlays" / name for name in ("openshift-gpu", "openshift-gpu-w4a16"))
    changed = [line for line in overlays.diff(plain, quantised).splitlines()[2:] if line[:1] in "+-"]
    assert len(changed) == 4
    assert changed[-1].endswith("granite-3.1-8b-instruct-quantized.w4a16")
    assert overlays.diff(plain, plain) == "(nothing)"


def assignments(text):
    """Map what is assigned in a piece of code, to the names that are used for it."""
    found = {}
    with suppress(SyntaxError):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Assign):
                used = {one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)}
                for target in ast.walk(node.targets[0]):
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, set()).update(used)
    return found


def hints():
    """Find the hints that are code: the number of their exercise, and the code."""
    for path in sorted((ROOT / "maas_lab" / "checks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Exercise" and len(node.args) == 3:
                if not isinstance(node.args[2], ast.Tuple):
                    continue  # those of a ticket: tests/test_challenge.py
                texts = [one.value for one in node.args[2].elts if isinstance(one, ast.Constant)]
                codes = [code for text in texts for code in (text, text.partition(": ")[2]) if assignments(code)]
                yield from ((node.args[0].value, code) for code in codes)


def test_hints_hold_the_code_of_answers_that_nobody_can_guess():
    found = {(number, name) for number, code in hints() for name in assignments(code)}
    assert {("2.2", "steps"), ("2.4", "registered"), ("2.4", "reply"), ("2.4", "row")} <= found


@pytest.mark.parametrize(("number", "code"), sorted(set(hints())))
def test_a_hint_that_is_code_uses_the_names_of_its_lesson(number, code):
    [lesson] = (ROOT / "solutions").glob(f"0{number[0]}_*.py")
    solved = assignments(lesson.read_text(encoding="utf-8"))
    for name, used in assignments(code).items():
        assert used <= solved[name], f"{name} is made of {solved[name]} in {lesson.name}"
