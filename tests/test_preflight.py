"""What `./lab preflight` says of a room: each look with what clusters and servers tell, and the running stack."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from maas_lab import console, manifests, preflight, wait
from maas_lab.connecting import Choice
from maas_lab.errors import ClusterUnreachable, GatewayError, NotAllowed, NotFound
from maas_lab.keys import ApiKey
from maas_lab.objects import KubeObject
from maas_lab.preflight import capacity, clock, environment, fitting, looks, people, platform
from maas_lab.preflight.fitting import Fit
from maas_lab.preflight.room import MANIFESTS, Room
from maas_lab.preflight.rows import FAIL, OK, WARN, Report, Row, refused
from maas_lab.preflight.together import Look, together
from maas_lab.refusals import BEHIND
from maas_lab.settings import NAMESPACE
from maas_lab.tables import Finding, Permission

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
GPU = "nvidia.com/gpu"
FACTS = dict.fromkeys(platform.NEEDED, "x")


class Cluster:
    """A cluster with the objects that a test gives it; those of a kind may be an error."""

    def __init__(self, **kinds):
        self.kinds = kinds

    def whoami(self):
        return "alice"

    def list(self, kind, namespace=None, api_version=None):
        found = self.kinds[kind]
        if isinstance(found, Exception):
            raise found
        return found

    def get(self, kind, name, namespace=None):
        return self.list(kind)

    def permissions(self, rules, namespace=None):
        """What `list KIND` may: everything but a kind that is an error."""
        kinds = {"nodes": "Node", "pods": "Pod"}
        seen = [not isinstance(self.kinds[kinds[rule.split()[1]]], Exception) for rule in rules]
        return [Permission(*rule.split(), "", may, "") for rule, may in zip(rules, seen, strict=True)]


def room(cluster=None, learners=1, facts=None, **options):
    made = Room(cluster or Cluster(), "maas-system", learners, environment={}, **options)
    made.__dict__["platform"] = SimpleNamespace(facts=facts or {}, gpu_resource=GPU, namespace="maas-system", model="m")
    return made


# -- at the same time, and never for long --


def test_what_hangs_is_a_row_and_costs_no_more_than_its_time():
    never = threading.Event()
    hangs = [Look("gateway", f"number {number}", never.wait, 0.2, "mend it") for number in range(20)]
    begun = time.monotonic()
    seen = together([*hangs, Look("clock", "fine", lambda: [Row("clock", "fine", OK, "yes")])], 5)
    assert time.monotonic() - begun < 20 * 0.2, "one after the other"
    assert seen[0].rows == [Row("gateway", "number 0", FAIL, "no answer in 0.2 s", "mend it")]
    assert seen[-1].rows == [Row("clock", "fine", OK, "yes")]


def test_all_together_have_no_more_than_is_left():
    [seen] = together([Look("portal", "reachable", threading.Event().wait, 60)], 0.1)
    assert seen.rows[0].found == "no answer in 0.1 s"
    assert seen.rows[0].mend


def test_what_raises_is_a_row_with_the_command_or_the_hint():
    def fails():
        raise ClusterUnreachable("nothing answers", "refused", "oc login")

    with_command, with_hint = together([Look("a", "b", fails, mend="./lab up"), Look("a", "b", fails)], 5)
    assert with_command.rows == [Row("a", "b", FAIL, "nothing answers: refused", "./lab up")]
    assert with_hint.rows[0].mend == "oc login"


def test_a_mistake_of_the_lab_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        together([Look("a", "b", lambda: 1 / 0)], 5)


def test_what_may_not_be_seen_is_no_failure():
    error = NotAllowed("alice may not list nodes", "", "oc adm policy add-cluster-role-to-user cluster-reader alice")
    assert refused("GPU", "nodes", error, "") == Row("GPU", "nodes", WARN, "not visible with these rights", error.hint)


# -- clock --


def at(moment):
    return {"date": format_datetime(moment, usegmt=True)}


@pytest.mark.parametrize(
    ("off", "state", "found"),
    [
        (0, OK, "as this machine's"),
        (-0.9, OK, "as this machine's"),  # the header leaves fractions of a second out
        (4, OK, "3 s from this machine's"),
        (30, WARN, "29 s ahead of this machine's"),
        (120, FAIL, "119 s ahead of this machine's"),
        (-120, FAIL, "119 s behind this machine's"),
        (3 * 3600, FAIL, "3 h ahead of this machine's"),
    ],
)
def test_a_clock_that_is_off_is_told_with_its_direction(off, state, found):
    row = clock.row("gateway", at(NOW + timedelta(seconds=off)), NOW, NOW + timedelta(seconds=1))
    assert (row.state, row.found) == (state, found)
    assert bool(row.mend) == (state != OK)


def test_a_slow_answer_is_no_difference():
    row = clock.row("API", {"Date": at(NOW + timedelta(seconds=9))["date"]}, NOW, NOW + timedelta(seconds=20))
    assert row.found == "as this machine's"


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_a_server_that_tells_no_time(headers):
    assert clock.row("API", headers, NOW, NOW).state == WARN


# -- CA and proxy --


def openssl(folder, *argv):
    subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"]
    openssl(folder, "req", *curve, "-subj", "/CN=router", "-out", "request.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    (folder / "index").touch()
    lines = ["[ca]", "default_ca=it", "[it]", "database=index", "new_certs_dir=.", "policy=any", "default_md=sha256"]
    (folder / "config").write_text(
        "\n".join([*lines, "rand_serial=yes", "unique_subject=no", "[any]", "commonName=supplied"])
    )
    for name, since, until in (("old", "20200101", "20200201"), ("good", "20200101", "20491231")):
        span = ["-startdate", f"{since}000000Z", "-enddate", f"{until}000000Z", "-out", f"{name}.pem"]
        signs = ["-selfsign", "-batch", "-notext", "-keyfile", "key.pem", "-in", "request.pem", "-extfile", "names"]
        openssl(folder, "ca", "-config", "config", *signs, *span)
    return folder


@pytest.fixture
def router(keys):
    """Start an HTTPS server with a certificate, and return its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args):
            pass

    with contextlib.ExitStack() as stack:

        def start(certificate):
            server = HTTPServer(("127.0.0.1", 0), Handler)
            server.handle_error = lambda *args: None
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(keys / f"{certificate}.pem", keys / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return f"https://127.0.0.1:{server.server_port}"

        yield start


def test_a_certificate_that_is_trusted_says_until_when(router, keys):
    url, trust = router("good"), ssl.create_default_context(cafile=keys / "good.pem")
    assert environment.certificate(url, trust, "ns").found == "trusted until 2049-12-31"
    late = environment.certificate(url, trust, "ns", datetime(2049, 12, 25, tzinfo=UTC))
    assert (late.state, late.found) == (WARN, "trusted, and it ends on 2049-12-31")
    assert f"openssl s_client -connect {url.removeprefix('https://')}" in late.mend


def test_an_expired_certificate_is_red_and_goes_to_who_runs_the_router(router, keys):
    row = environment.certificate(router("old"), ssl.create_default_context(cafile=keys / "old.pem"), "ns")
    assert (row.state, row.found) == (FAIL, "not trusted: certificate has expired")
    assert "openssl x509 -noout -subject -dates" in row.mend


def test_a_certificate_of_a_stranger_is_mended_by_the_clusters_own_authority(router):
    row = environment.certificate(router("good"), ssl.create_default_context(), "maas-x")
    assert (row.state, row.found) == (FAIL, "not trusted: self-signed certificate")
    assert row.mend == (
        "oc get configmap default-ingress-cert -n openshift-config-managed -o jsonpath='{.data.ca-bundle\\.crt}'"
        " > ca.pem && export SSL_CERT_FILE=$PWD/ca.pem"
    )


def test_plain_http_is_for_loopback_only():
    assert environment.certificate("http://127.0.0.1:4000", True, "ns").state == OK
    assert environment.certificate("http://gateway.example.com", True, "ns").state == WARN


def test_certificate_files_that_cannot_be_used(tmp_path, keys):
    (tmp_path / "empty.pem").touch()
    good, empty, nowhere = str(keys / "good.pem"), str(tmp_path / "empty.pem"), str(tmp_path / "nowhere.pem")
    assert [row.state for row in environment.files({"SSL_CERT_FILE": good})] == [OK]
    for path, why in ((empty, "it holds no certificate"), (nowhere, "No such file or directory")):
        [row] = environment.files({"SSL_CERT_FILE": path})
        assert (row.state, row.found) == (FAIL, f"{path} cannot be used: {why}")
        assert row.mend.startswith("unset SSL_CERT_FILE")
    told = environment.files({"REQUESTS_CA_BUNDLE": good})
    assert [row.state for row in told] == [OK, WARN]
    assert told[1].mend == 'export SSL_CERT_FILE="$REQUESTS_CA_BUNDLE"'
    assert environment.files({})[0].state == OK


@pytest.mark.parametrize(
    ("chosen", "in_cluster", "state"),
    [
        ({}, True, OK),
        ({"HTTPS_PROXY": "http://me:secret@proxy:3128"}, False, OK),
        ({"HTTPS_PROXY": "http://me:secret@proxy:3128"}, True, FAIL),
        ({"HTTP_PROXY": "http://proxy", "NO_PROXY": "localhost,.svc"}, True, FAIL),
        ({"HTTP_PROXY": "http://proxy", "NO_PROXY": "localhost,.svc.cluster.local"}, True, OK),
        ({"HTTP_PROXY": "http://proxy", "NO_PROXY": ".cluster.local"}, True, OK),
        ({"HTTP_PROXY": "http://proxy", "NO_PROXY": "*"}, True, OK),
    ],
)
def test_a_proxy_may_not_stand_before_the_clusters_own_hosts(chosen, in_cluster, state):
    row = environment.proxies(chosen, ["m-predictor.ns.svc.cluster.local"], in_cluster=in_cluster)
    assert row.state == state
    assert "secret" not in row.found
    assert row.mend == ('export NO_PROXY="$NO_PROXY,.svc,.cluster.local"' if state == FAIL else "")


# -- rights --


def test_missing_rights_are_told_once_with_a_command_for_each_namespace(monkeypatch):
    view, edit = ("oc adm policy add-role-to-user {} alice -n {}".format(role, "{}") for role in ("view", "edit"))
    missing = [
        Permission("get", "pods", "a", False, view.format("a")),
        Permission("patch", "services", "a", False, edit.format("a")),
        Permission("patch", "services", "b", False, edit.format("b")),
    ]
    told = SimpleNamespace(missing=missing, user="alice")
    monkeypatch.setattr(people.personas, "rights", lambda *asked: told)
    [row] = people.rights(room(), "provider")
    assert (row.state, row.found) == (FAIL, "alice lacks: get pods, patch services")
    assert row.mend.splitlines() == [edit.format("a"), edit.format("b")]


# -- platform --


def test_the_platforms_facts_are_whole_or_say_what_they_lack():
    whole = {"data": FACTS}
    assert platform.facts(room(Cluster(ConfigMap=whole)))[0].state == OK
    [row] = platform.facts(room(Cluster(ConfigMap={"data": {**FACTS, "model": "", "gateway-route": ""}})))
    assert (row.state, row.found) == (FAIL, "it lacks gateway-route, model")
    assert row.mend == "kubectl apply -k manifests/x"
    [row] = platform.facts(room(Cluster(ConfigMap={}), is_local=True))
    assert row.mend == "./lab up"
    [row] = platform.facts(room(Cluster(ConfigMap=NotAllowed("alice may not get configmaps", "", "oc adm policy"))))
    assert (row.state, row.mend) == (FAIL, "oc adm policy")


def test_without_a_platform_it_says_how_to_get_one():
    here = room(Cluster(ConfigMap=NotFound("there is no ConfigMap", "", "")))
    assert platform.facts(here)[0].mend.startswith("kubectl apply -k manifests/infrastructure/overlays/openshift && ")
    elsewhere = Room(here.cluster, "other", environment={})
    assert platform.facts(elsewhere)[0].mend.startswith("unset MAAS_LAB_NAMESPACE")


@pytest.mark.parametrize(
    ("refused", "is_local", "mend"),
    [
        (BEHIND, True, "./lab down && ./lab up"),
        (BEHIND, False, "register the model anew"),
        ("no answer", False, "kubectl logs deployment/litellm"),
    ],
)
def test_a_model_that_does_not_answer_is_mended_by_what_registers_it(refused, is_local, mend):
    """`./lab up` alone looks whether pods are ready, and they are."""

    def once(*arguments, **options):
        raise GatewayError(refused)

    made = room(is_local=is_local)
    key = {"create_key": lambda *names, **limits: ApiKey("sk-made-up"), "delete_key": lambda key: None}
    made._opened["gateway"] = SimpleNamespace(rest=SimpleNamespace(once=once), close=lambda: None, **key)
    [row] = platform.answers(made)
    assert row.state == FAIL
    assert mend in row.mend


def test_what_was_scaled_to_nothing_is_red_although_all_pods_are_ready(monkeypatch):
    monkeypatch.setattr(platform.checkup, "pods", lambda room: Finding("pods", True, "all are ready"))

    def deployed(replicas):
        return room(Cluster(Deployment={"spec": {"replicas": replicas}}))

    assert [row.state for row in platform.pods(deployed(1))] == [OK]
    assert [row.state for row in platform.pods(room(Cluster(Deployment=NotFound("none"))))] == [OK]
    _, gateway, *_ = platform.pods(deployed(0))
    assert (gateway.what, gateway.state) == ("deployment/litellm", FAIL)
    assert gateway.mend == "kubectl scale deployment/litellm --replicas=1 -n maas-system"


# -- GPUs and quotas --


def node(name="n", taints=(), unschedulable=False, **allocatable):
    offered = {
        "cpu": "4",
        "memory": "16Gi",
        "pods": "110",
        **{GPU if k == "gpu" else k: v for k, v in allocatable.items()},
    }
    spec = {"taints": list(taints), "unschedulable": unschedulable}
    return KubeObject(kind="Node", metadata={"name": name}, spec=spec, status={"allocatable": offered})


def pod(on="n", cpu="1", memory="1Gi", phase="Running"):
    container = {"resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return {"metadata": {"name": "p"}, "spec": {"nodeName": on, "containers": [container]}, "status": {"phase": phase}}


def need(cpu="1", memory=2**30, gpu=0, tolerations=()):
    amounts = {"cpu": Decimal(cpu), "memory": Decimal(memory), GPU: Decimal(gpu), "pods": Decimal(1)}
    return fitting.Need(amounts, tolerations)


def test_learners_are_placed_until_something_lacks():
    two = [need(), need()]
    assert fitting.fit([node()], [], two, 2, GPU) == Fit(2)
    assert fitting.fit([node()], [], two, 3, GPU) == Fit(2, ("cpu",))
    assert fitting.fit([node("a"), node("b")], [], two, 3, GPU) == Fit(3)
    assert fitting.fit([node()], [pod(), pod(phase="Succeeded"), pod(on="")], two, 3, GPU) == Fit(1, ("cpu",))
    assert fitting.fit([node(pods="3")], [], two, 3, GPU) == Fit(1, ("pods",))
    assert fitting.fit([node(memory="3Gi")], [], two, 3, GPU) == Fit(1, ("memory",))
    assert fitting.fit([], [], two, 1, GPU).learners == 0


def test_a_sum_over_nodes_that_no_pod_fits_on_is_no_place():
    assert fitting.fit([node("a"), node("b")], [], [need(cpu="6")], 1, GPU) == Fit(0, ("cpu",))


def test_cordoned_and_tainted_nodes_take_only_who_tolerates_them():
    taint = {"key": GPU, "effect": "NoSchedule"}
    served = need(gpu=1, tolerations=[{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}])
    assert fitting.fit([node(gpu="1", taints=[taint])], [], [served], 2, GPU) == Fit(1, (GPU,))
    assert fitting.fit([node(taints=[taint])], [], [need()], 1, GPU) == Fit(0, ("a node without a taint",))
    assert fitting.fit([node(taints=[{**taint, "effect": "PreferNoSchedule"}])], [], [need()], 1, GPU) == Fit(1)
    assert fitting.fit([node(unschedulable=True)], [], [need()], 1, GPU).learners == 0


@pytest.mark.parametrize(
    ("overlay", "pods", "gpus"), [("local", 5, 0), ("openshift-gpu", 5, 1), ("openshift-cpu", 5, 0)]
)
def test_what_a_platform_asks_for_is_read_off_its_manifests(overlay, pods, gpus):
    parts = ("infrastructure/overlays/" + overlay.partition("-")[0], f"models/overlays/{overlay}")
    wanted = fitting.needs([one for part in parts for one in manifests.render(MANIFESTS / part)], GPU)
    sums = fitting.total(wanted)
    assert (sums["pods"], sums[GPU]) == (pods, gpus)
    assert sums["memory"] > 2**30
    assert sum(bool(one.tolerations) for one in wanted) == gpus, "whoever needs a GPU may go where GPUs are"


def of_class(learners, **kinds):
    facts = {"infrastructure-overlay": "infrastructure/overlays/local", "models-overlay": "models/overlays/local"}
    return room(Cluster(**kinds), learners, facts)


def test_too_little_for_all_learners_is_red_with_how_many_can():
    [row] = capacity.nodes(of_class(30, Node=[node()], Pod=[]))
    assert row.state == FAIL
    assert "7 of 30 find a place, then nodes lack cpu" in row.found
    assert row.mend.startswith("./lab preflight --learners 7 ")
    [row] = capacity.nodes(of_class(7, Node=[node()], Pod=[]))
    assert (row.state, row.found) == (OK, "a platform each (5 pods, 0.55 CPU, 1.6 GiB) finds its place on the nodes")


def test_nodes_that_may_not_be_seen_are_a_warning_with_the_right_to_ask_for():
    for look in (capacity.nodes, capacity.gpus, capacity.quotas):
        hidden = NotAllowed("no", "", "")
        [row] = look(of_class(2, Node=hidden, Pod=hidden, ResourceQuota=hidden))
        assert row.state == WARN
        assert "not visible with these rights" in row.found
        assert row.mend == "oc adm policy add-cluster-role-to-user cluster-reader alice"


def test_gpus_are_counted_and_a_platform_that_needs_one_needs_one():
    assert capacity.gpus(of_class(2, Node=[node(gpu="2")], Pod=[]))[0].state == OK
    [few] = capacity.gpus(of_class(3, Node=[node(gpu="2")], Pod=[]))
    assert (few.state, few.found) == (WARN, "2 offered, 0 taken: in lesson 01 each learner needs one at least")
    assert capacity.gpus(of_class(1, Node=[node()], Pod=[]))[0].state == WARN, "this platform serves on CPUs"
    facts = {
        "infrastructure-overlay": "infrastructure/overlays/openshift",
        "models-overlay": "models/overlays/openshift-gpu",
    }
    assert capacity.gpus(room(Cluster(Node=[node()], Pod=[]), 1, facts))[0].state == FAIL


def quota(hard, used=None, namespace="maas-lab-02-alice"):
    return {
        "metadata": {"name": "q", "namespace": namespace},
        "spec": {"hard": hard},
        "status": {"hard": hard, "used": used or {}},
    }


def test_a_quota_that_is_too_small_is_red_with_the_command_that_changes_it():
    small = [
        quota({"requests.cpu": "1", "memory": "1Gi"}, {"requests.cpu": "600m"}),
        quota({"pods": "1"}, namespace="shop"),
    ]
    [row] = capacity.quotas(of_class(1, ResourceQuota=small))
    assert (row.state, row.what) == (FAIL, "ResourceQuota q in maas-lab-02-alice")
    assert row.found == "requests.cpu: 0.4 CPU of 0.55 CPU left; memory: 1.0 GiB of 1.6 GiB left"
    assert row.mend == "oc edit resourcequota q -n maas-lab-02-alice"
    [row] = capacity.quotas(of_class(1, ResourceQuota=[quota({"requests.cpu": "2", "count/secrets": "0"})]))
    assert row.state == OK
    assert capacity.quotas(of_class(1, ResourceQuota=NotFound("no such kind", "", ""))) == []


# -- all together --


def kubeconfig(folder, server):
    told = {
        "clusters": [{"name": "it", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "me", "user": {"token": "nothing"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "current-context": "it",
    }
    (folder / "kubeconfig").write_text(json.dumps(told))
    return folder / "kubeconfig"


def test_an_address_that_never_answers_ends_in_one_red_row(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        file = kubeconfig(tmp_path, f"https://127.0.0.1:{silent.getsockname()[1]}")
        report = preflight.examine(Choice(file, "by the test"), patience=0.1)
    assert [(row.area, row.state) for row in report.rows] == [("connection", FAIL)]
    assert report.rows[0].mend.startswith("oc login")
    assert report.total < looks.WHOLE


def test_a_kubeconfig_that_is_not_there_is_a_red_row(tmp_path):
    [row] = preflight.examine(Choice(tmp_path / "nowhere", "by the test")).rows
    assert (row.state, row.area) == (FAIL, "connection")
    assert "there is no kubeconfig" in row.found


def test_a_lab_that_does_not_run_says_how_to_start_it():
    assert preflight.not_running("it is stopped", 1).rows == [
        Row("connection", "cluster", FAIL, "it is stopped", "./lab up")
    ]


def test_the_json_has_the_documented_fields():
    report = Report([Row("clock", "API", WARN, "off", "mend")], 30, {"clock": 0.1}, 1.23456)
    assert not report.is_red
    assert report.as_json() == {
        "format": "maas-lab-preflight",
        "version": 1,
        "ok": True,
        "learners": 30,
        "seconds": 1.235,
        "rows": [{"area": "clock", "what": "API", "state": "warn", "found": "off", "mend": "mend"}],
    }


def test_the_table_shows_every_row_and_the_commands_whole(capsys):
    command = "kubectl " + "x" * 300
    console.rows(Report([Row("clock", "API", OK, "[red]fine[/]"), Row("portal", "p", FAIL, "off", command)], 2, {}, 1))
    shown = capsys.readouterr().out
    assert "[red]fine[/]" in shown
    assert f"    {command}\n" in shown
    assert shown.endswith("The room is not ready for 2 learners: 1.0 s.\n")


def test_the_looks_are_begun_without_what_only_lessons_need():
    code = "import sys, maas_lab.preflight; print(sorted({'openai', 'pandas', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", "they take seconds to load"


PATIENCE = 20  # the tests' machine is busy


def local(stack):
    return Choice(stack.local.kubeconfig, "by the test", stack.local)


def test_a_running_lab_is_green_and_nothing_is_left_behind(stack):
    report = preflight.examine(local(stack), patience=PATIENCE)
    assert [row for row in report.rows if row.state == FAIL] == []
    areas = ["connection", "clock", "platform", "CA and proxy", "rights", "GPU", "model", "gateway", "portal", "quota"]
    assert list(dict.fromkeys(row.area for row in report.rows)) == areas
    told = {(row.area, row.what): row.found for row in report.rows}
    assert told["model", "answers"].startswith("one token through the gateway")
    assert "openly a simulation" in told["GPU", "maas-lab.dev/gpu-slot"]
    assert told["gateway", "database"] == "connected"
    names = [key.name for key in stack.gateway.keys()]  # noqa: SIM118, it is a method of the gateway
    assert [name for name in names if name.startswith("preflight-")] == [], "the key was deleted"


def test_a_namespace_without_a_platform_is_red_and_the_rest_is_still_looked_at(stack):
    report = preflight.examine(local(stack), namespace="default", patience=PATIENCE)
    assert [(row.area, row.mend[:5]) for row in report.rows if row.state == FAIL] == [("platform", "unset")]
    assert [row.what for row in report.rows if row.area == "rights"] == [
        "everybody",
        "provider",
        "consumer",
        "accountant",
    ]
    skipped = {row.area for row in report.rows if row.found.startswith("not looked at")}
    assert skipped == {"GPU", "model", "gateway", "portal", "quota"}


def test_a_quota_of_a_learners_namespace_is_green_and_then_red(stack):
    cluster, name = stack.platform.cluster, "maas-lab-preflight-quota"

    def looked_at(**hard):
        body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}
        cluster.apply(body, name)
        wait.until(lambda: has_status(hard), what="the status of a quota", timeout=30)
        # Only this one: other tests have namespaces of such names.
        with contextlib.closing(Room(cluster, NAMESPACE)) as here:
            return next(row for row in capacity.quotas(here) if row.what.endswith(f" {name}"))

    def has_status(hard):
        return cluster.get("ResourceQuota", "q", name, api_version="v1")["status"].get("hard") == hard

    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        assert looked_at(pods="20").state == OK
        row = looked_at(pods="1")
        assert (row.state, row.mend) == (FAIL, f"oc edit resourcequota q -n {name}")
        assert row.found.startswith("pods: 1 of ")
    finally:
        cluster.delete(f"namespace/{name}")


def test_a_look_that_comes_too_late_opens_nothing():
    left = room()
    left.close()
    with pytest.raises(RuntimeError, match="left"):
        assert left.gateway
