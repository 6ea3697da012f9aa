"""What a lab tells of itself: what is real, who may do what and how to ask for it, and what the doctor finds."""

import contextlib
import dataclasses
import json
import ssl
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import yaml
from jsonschema import Draft4Validator

from maas_lab import checkup, connect, personas, reality
from maas_lab.cluster import Cluster
from maas_lab.errors import ClusterUnreachable, NotAllowed, NotFound, UsageError
from maas_lab.local.images import Catalogue, Image
from maas_lab.local.kubelet import node as kubelet_node
from maas_lab.local.programs import surroundings
from maas_lab.objects import KubeObject, pod_rows
from maas_lab.rows import CatalogModel
from maas_lab.settings import Prices
from maas_lab.tables import Finding, Permission

ROOT = Path(__file__).parents[1]
ROUTE = KubeObject(
    kind="Route", metadata={"name": "litellm"}, status={"ingress": [{"host": "h", "routerName": "default"}]}
)
MODEL = "granite-3-1-8b-instruct"
OFFER = CatalogModel(MODEL, "1", MODEL, "http://model/v1", 2e-7, 4e-7)


def a_node(name, labels=None, **status):
    told = {"nodeInfo": {"containerRuntimeVersion": "cri-o://1.31.4"}, "capacity": {"cpu": "64"}} | status
    return KubeObject(kind="Node", metadata={"name": name, "labels": labels or {}}, status=told)


def a_pod(component, image, container="cri-o://5ac1", name="p", ready=True, **status):
    states = [{"name": "c", "ready": ready, "containerID": container}] if container else []
    labels = {"app.kubernetes.io/component": component} if component else {}
    spec = {"containers": [{"name": "c", "image": image}]}
    told = {"phase": "Running", "containerStatuses": states} | status
    return KubeObject(kind="Pod", metadata={"name": name, "labels": labels}, spec=spec, status=told)


GPU_NODES = [
    a_node(name, {"nvidia.com/gpu.product": "NVIDIA-L40S"}, capacity={"cpu": "64", "nvidia.com/gpu": "4"})
    for name in ("gpu-1", "gpu-2")
]
VLLM = a_pod("model", "registry/vllm:1")


class StandIn:
    """A cluster that has the nodes and pods that the test gives it."""

    server = "https://api.example.com:6443"

    def __init__(self, nodes=(), pods=()):
        self.objects = {"Node": nodes, "Pod": list(pods)}

    def version(self):
        return "v1.32.9"

    def whoami(self):
        return "alice"

    def list(self, kind, namespace=None):
        if isinstance(self.objects[kind], Exception):
            raise self.objects[kind]
        return list(self.objects[kind])

    def pods(self, namespace=None):
        return pod_rows(self.list("Pod"))


class Platform:
    namespace, model = "maas-system", MODEL

    def __init__(self, cluster):
        self.cluster = cluster

    def gateway_route(self):
        return ROUTE


def look(nodes=GPU_NODES, pods=(VLLM,), models=(OFFER,)):
    gateway = SimpleNamespace(models=lambda: list(models))
    return {row.part: row for row in reality.parts(Platform(StandIn(nodes, pods)), gateway)}


# What is real


def test_a_cluster_that_says_nothing_of_itself_is_what_it_is_called():
    rows = look([*GPU_NODES, a_node("cpu-1")], [VLLM, a_pod("gateway", "quay.io/litellm:1")])
    assert {row.real for row in rows.values()} == {"real"}
    assert rows["cluster"].runs == "a control plane at https://api.example.com:6443"
    assert (rows["node"].name, rows["node"].runs) == ("3 nodes", "machines that run containers by cri-o://1.31.4")
    assert (rows["GPUs"].name, rows["GPUs"].runs) == ("8 nvidia.com/gpu", "devices of the nodes: NVIDIA-L40S")
    assert rows["model"].runs == rows["gateway"].runs == "a container of this image, by cri-o"
    assert rows["way to the gateway"].runs == "the router default"
    assert rows["prices"].name == "$2e-07 per token read, $4e-07 per token written"


def test_a_cluster_without_gpus_says_so():
    assert look([a_node("cpu-1")])["GPUs"].name == "none"


def test_nodes_that_may_not_be_seen_are_not_called_real():
    rows = look(NotAllowed("alice may not list nodes", hint="ask for it"))
    assert (rows["nodes and GPUs"].real, rows["nodes and GPUs"].why) == ("not told", "ask for it")
    assert "GPUs" not in rows


def test_a_pod_that_runs_nothing_yet_is_not_called_real():
    waiting = {"waiting": {"reason": "ImagePullBackOff"}}
    pod = a_pod("model", "registry/vllm:2", None, containerStatuses=[{"name": "c", "state": waiting}])
    row = look(pods=[pod])["model"]
    assert (row.runs, row.real, row.why) == ("nothing yet", "not told", "ImagePullBackOff")
    assert look(pods=[a_pod("", "web:1", None, name="web-0")])["web-0"].why


def test_two_pods_of_one_kind_are_one_row_and_two_images_are_two():
    pods = [VLLM, VLLM, a_pod("model", "registry/vllm:2")]
    found = reality.parts(Platform(StandIn(GPU_NODES, pods)), SimpleNamespace(models=lambda: [OFFER]))
    assert [row.name for row in found if row.part == "model"] == ["registry/vllm:1", "registry/vllm:2"]


def test_an_alias_and_a_model_that_is_missing_are_told():
    other = look(models=[dataclasses.replace(OFFER, served="a-small-one")])["served name"]
    assert (other.runs, other.real) == ("the gateway passes calls on to a-small-one", "stand-in")
    missing = look(models=[])
    assert (missing["served name"].runs, missing["served name"].real) == ("nothing", "not told")
    assert "prices" not in missing


def test_what_one_node_tells_of_an_image_holds_for_its_pods():
    told = {"registry/vllm:1": {"what": "another program", "real": "stand-in", "why": "a test"}}
    node = a_node("n")
    node["metadata"]["annotations"] = {reality.WHAT_RUNS: json.dumps(told)}
    rows = look([node, a_node("m")])
    assert dataclasses.astuple(rows["model"])[2:] == ("another program", "stand-in", "a test")
    assert rows["node"].real == "real"


def test_the_annotation_is_the_one_that_the_local_node_has():
    assert reality.WHAT_RUNS == kubelet_node.WHAT_RUNS


def test_the_catalogue_tells_what_its_images_and_the_rest_are():
    prices = surroundings.told(Prices())["prices"], surroundings.told(Prices(input=0.5))["prices"]
    assert [one.real for one in prices] == ["stand-in", "real"]
    silent = Image("web:1", (80,), lambda container: None)
    speaking = dataclasses.replace(silent, reference="web:2", runs=prices[1])
    assert set(Catalogue([silent, speaking], surroundings.told(Prices())).told) == {
        *("web:2", "kubernetes", "node", "network", "prices", "maas-lab.dev/gpu-slot")
    }


def test_the_local_lab_tells_what_it_is(stack):
    with contextlib.closing(connect()) as lab:
        rows = {row.part: row for row in lab.real()}
    real = {row.part for row in rows.values() if row.real == "real"}
    assert real == {"database", "gateway", "model", "served name"}
    assert rows["GPUs"].name == "2 maas-lab.dev/gpu-slot"
    assert rows["GPUs"].real == "simulation"
    assert rows["served name"].name == stack.model
    assert all(row.why for row in rows.values())
    assert {"portal", "portal-pages"} <= {row.part for row in rows.values() if row.real == "stand-in"}
    assert rows["cluster"].name == f"Kubernetes {stack.platform.cluster.version()}"


# Rights


def rules_of(objects):
    """Every right that the roles among these objects give: verb, API group, resource, namespace."""
    return {
        (verb, group, resource, one["metadata"].get("namespace", ""))
        for one in objects
        if one["kind"] in ("Role", "ClusterRole")
        for rule in one["rules"]
        for verb, group, resource in product(rule["verbs"], rule["apiGroups"], rule["resources"])
    }


def asked(permissions):
    for one in permissions:
        resource, _, part = one.resource.partition("/")
        plural, _, group = resource.partition(".")
        yield one.verb, group, f"{plural}/{part}" if part else plural, one.namespace


class Judge:
    """A cluster that answers questions about rights; nothing is allowed but what is named."""

    def __init__(self, *allowed, user="bob"):
        self.allowed, self.user = allowed, user

    def whoami(self):
        return self.user

    def permissions(self, rules, namespace):
        for rule in rules:
            verb, resource = rule.split()
            where = "" if resource in ("namespaces", "nodes") else namespace
            yield Permission(verb, resource, where, rule in self.allowed, "ask")


def test_rights_are_gathered_and_what_is_missing_is_apart():
    found = personas.rights(Judge("list pods", "get services", "patch services"), "maas-system")
    rows = [(row.persona, row.verbs, row.resources, row.namespace) for row in found if row.allowed]
    assert rows == [
        ("provider", ("get", "patch"), ("services",), "maas-lab-{01,02,05,06}-bob"),
        ("provider", ("list",), ("pods",), "maas-lab-{01,02,05,06}-bob"),
        ("consumer", ("list",), ("pods",), "maas-system"),
    ]
    assert ("provider", ("delete", "create"), ("services",), "maas-lab-{01,02,05,06}-bob") in [
        (row.persona, row.verbs, row.resources, row.namespace) for row in found if not row.allowed
    ]
    assert {row.namespace for row in found} == {"maas-system", "maas-lab-{01,02,05,06}-bob", "the whole cluster"}
    assert "permissions" not in repr(found).lower()


def test_a_right_that_one_namespace_lacks_is_a_row_of_its_own():
    judge = Judge()
    judge.permissions = lambda rules, namespace: [
        Permission(*rule.split(), namespace, allowed=namespace != "maas-lab-05-bob") for rule in rules
    ]
    found = personas.rights(judge, "maas-system")
    assert {row.namespace for row in found if not row.allowed} == {"maas-lab-05-bob"}
    assert "maas-lab-{01,02,06}-bob" in {row.namespace for row in found}
    assert {one.namespace for one in found.missing} == {"maas-lab-05-bob"}


def test_each_lesson_that_makes_a_namespace_is_asked_about():
    sources = {path.name[:2]: path.read_text(encoding="utf-8") for path in (ROOT / "solutions").glob("*.py")}
    makes = [lesson for lesson, text in sorted(sources.items()) if f'"{personas.ROLE}-{lesson}"' in text]
    makes += ["06"] if "lab.challenge.start(" in sources["06"] else []
    assert tuple(makes) == personas.LESSONS


def test_a_request_gives_exactly_what_is_missing():
    found = personas.rights(Judge("list pods"), "maas-system")
    objects = list(yaml.safe_load_all(found.to_ask()))
    assert rules_of(objects) == set(asked(found.missing))
    bindings = [one for one in objects if one["kind"].endswith("RoleBinding")]
    assert [one["kind"] for one in bindings] == [*["RoleBinding"] * 5, "ClusterRoleBinding"]
    assert all(one["subjects"][0]["name"] == "bob" for one in bindings)
    names = {one["metadata"]["name"] for one in objects if one["kind"].endswith("Role")}
    assert {one["roleRef"]["name"] for one in bindings} == names
    assert "#   oc adm policy add-role-to-user edit bob -n maas-system" in found.to_ask()
    assert "cluster-admin" not in found.to_ask()


def test_nothing_missing_is_nothing_to_ask():
    everything = Judge()
    everything.permissions = lambda rules, namespace: [
        Permission(*rule.split(), namespace, allowed=True) for rule in rules
    ]
    assert "nothing is missing" in personas.rights(everything, "maas-system").to_ask()


def test_a_later_request_does_not_take_away_what_an_earlier_one_gave():
    found = personas.rights(Judge(), "maas-system")
    first, second = (
        next(yaml.safe_load_all(found.request_for("bob", persona))) for persona in ("consumer", "accountant")
    )
    assert first["metadata"]["name"] != second["metadata"]["name"]
    again = next(yaml.safe_load_all(found.request_for("bob", "consumer")))
    assert again == first


def test_a_request_for_somebody_else_is_about_their_namespace():
    text = personas.rights(Judge(), "maas-system").request_for("carol", "provider")
    assert "bob" not in text
    space, role = list(yaml.safe_load_all(text))[:2]
    assert (space["kind"], space["metadata"]["name"]) == ("Namespace", "maas-lab-01-carol")
    assert role["metadata"]["namespace"] == "maas-lab-01-carol"
    assert all(f"name: maas-lab-{lesson}-carol" in text for lesson in personas.LESSONS)
    looks = personas.rights(Judge(), "maas-system").request_for("carol", "consumer")
    assert "add-role-to-user view carol -n maas-system" in looks
    assert "kind: Namespace" not in looks


def test_a_persona_that_is_none():
    with pytest.raises(UsageError) as error:
        personas.rights(Judge(), "maas-system").request_for("carol", "student")
    assert error.value.hint == "there are: everybody, provider, consumer, accountant"


@pytest.mark.parametrize("user", ["alice", "system:serviceaccount:team:wb", "alice@example.com"])
def test_what_is_asked_for_is_valid_in_kubernetes(user, definitions):
    told = json.loads(definitions.read_text())
    known = told.get("$defs") or told["definitions"]
    place = "$defs" if "$defs" in told else "definitions"
    text = personas.rights(Judge(user=user), "maas-system").to_ask()
    for one in yaml.safe_load_all(text):
        package = "core" if one["apiVersion"] == "v1" else "rbac"
        name = f"io.k8s.api.{package}.v1.{one['kind']}"
        errors = Draft4Validator({"$ref": f"#/{place}/{name}", place: known}).iter_errors(one)
        assert [error.message for error in errors] == []
        for subject in one.get("subjects", ()):
            assert subject["kind"] == ("ServiceAccount" if user.startswith("system:") else "User")


@pytest.fixture
def as_alice(stack, tmp_path):
    """The kubeconfig of a user of the local cluster who may do nothing in it."""
    told = yaml.safe_load(stack.local.kubeconfig.read_text())
    server = stack.platform.cluster.server
    authority = stack.platform.cluster.get("ConfigMap", "kube-root-ca.crt", "default")["data"]["ca.crt"]
    query = {
        "response_type": "code",
        "client_id": "portal",
        "redirect_uri": "http://127.0.0.1:9/callback",
        "state": "s",
    }
    with httpx.Client(base_url=server, verify=ssl.create_default_context(cadata=authority)) as http:
        login = http.get("/oauth/authorize", params=query, auth=("alice", stack.local.password("alice")))
        code = dict(parse_qsl(urlsplit(login.headers["location"]).query))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": query["redirect_uri"]}
        token = http.post("/oauth/token", data=form).json()["access_token"]
    told["users"][0]["user"] = {"token": token}
    (tmp_path / "kubeconfig").write_text(json.dumps(told))
    return tmp_path / "kubeconfig"


def test_who_logs_in_may_ask_for_projects_and_learns_what_else_to_ask_for(as_alice):
    with Cluster(as_alice) as cluster:
        found = personas.rights(cluster, "maas-system")
    assert found.user == "alice"
    allowed = {(row.persona, row.namespace) for row in found if row.allowed}
    assert allowed == {("provider", "maas-lab-{01,02,05,06}-alice"), ("provider", "the whole cluster")}
    assert {(one.verb, one.resource) for one in found.missing if not one.namespace} == {("list", "nodes")}
    assert rules_of(yaml.safe_load_all(found.to_ask())) == set(asked(found.missing))


def test_who_may_not_connect_is_told_the_role_binding(as_alice):
    with pytest.raises(NotAllowed) as error:
        connect(as_alice)
    _, _, request = error.value.hint.partition("or send this to an administrator:\n")
    objects = list(yaml.safe_load_all(request))
    assert [one["kind"] for one in objects] == ["Role", "RoleBinding"]
    assert ("get", "", "secrets", "maas-system") in rules_of(objects)


def test_the_administrator_of_the_local_lab_lacks_nothing(stack):
    with contextlib.closing(connect()) as lab:
        found = lab.rights()
    assert found.missing == []
    assert list(dict.fromkeys(row.persona for row in found)) == ["everybody", "provider", "consumer", "accountant"]


# The doctor


class Sick:
    """A lab of which the test says what is wrong."""

    namespace, model = "maas-system", MODEL

    def __init__(self, pods=(VLLM,), models=(OFFER,), engine=None, login=None):
        self.cluster = StandIn(pods=pods)
        self.gateway = SimpleNamespace(models=lambda: list(models), version=lambda: "1.81.0")
        self._engine, self._login = engine, login

    def engine(self):
        if self._engine:
            raise self._engine
        return contextlib.nullcontext(SimpleNamespace(scrape=lambda: None))

    def login(self, persona):
        if self._login:
            raise self._login
        return SimpleNamespace(close=lambda: None)


def test_a_lab_that_is_well_has_nothing_to_do():
    found = list(checkup.examine(Sick()))
    assert [one.topic for one in found] == ["cluster", "pods", "gateway", "model", "portal"]
    assert all(one.ok and not one.hint for one in found)


WAITING = [{"name": "c", "state": {"waiting": {"reason": "ErrImagePull"}}}]
BROKEN = a_pod("gateway", "x", None, name="litellm-0", containerStatuses=WAITING)
MANY = a_pod("web", "x", name="web-0", containerStatuses=[{"name": f"c{n}", "ready": True} for n in range(10)])
MANY["spec"]["containers"] *= 10


@pytest.mark.parametrize(
    ("lab", "topic", "seen", "hint"),
    [
        (Sick(pods=[VLLM, BROKEN]), "pods", "litellm-0: ErrImagePull", "of='pod/litellm-0'"),
        (Sick(pods=[]), "pods", "there is none in maas-system", "manifests/README.md"),
        (Sick(models=[]), "gateway", "offers nothing", "register_model"),
        (Sick(engine=NotFound("no model server", "it is gone", "deploy it")), "model", "it is gone", "deploy it"),
        (Sick(login=ClusterUnreachable("nothing answers")), "portal", "nothing answers", "look at its log"),
    ],
)
def test_what_is_wrong_is_found_with_what_to_do(lab, topic, seen, hint):
    [finding] = [one for one in checkup.examine(lab) if not one.ok]
    assert finding.topic == topic
    assert seen in finding.seen
    assert hint in finding.hint


def test_pods_that_ended_well_or_have_ten_containers_are_fine():
    done = a_pod("job", "x", None, name="job-0", phase="Succeeded")
    found = {one.topic: one for one in checkup.examine(Sick(pods=[VLLM, done, MANY]))}
    assert found["pods"].ok


def test_a_hint_is_only_for_what_is_wrong():
    assert checkup.mended(Finding("disk", True, "x", "free space")).hint == ""
    assert checkup.mended(Finding("disk", False, "x", "free space")).hint == "free space"


def test_the_doctor_looks_at_the_machine_only_where_the_cluster_is_on_it(stack):
    with contextlib.closing(connect()) as here, contextlib.closing(connect(stack.local.kubeconfig)) as elsewhere:
        local, remote = here.doctor(), elsewhere.doctor()
    assert [one.topic for one in remote] == ["cluster", "pods", "gateway", "model", "portal"]
    assert {"python", "disk", "memory", "runtime", "stack"} < {one.topic for one in local}
    assert [one for one in [*local, *remote] if not one.ok] == []
    assert "yes" in repr(local)


def test_a_part_that_is_gone_is_seen_by_the_doctor_and_by_real(stack):
    with contextlib.closing(connect()) as lab:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lost"}}
        pod["spec"] = {"containers": [{"name": "c", "image": "no-such-image:1"}]}
        lab.cluster.apply(pod, lab.namespace)
        try:
            lab.cluster.wait_stuck(lab.namespace, 30)
            found = {one.topic: one for one in lab.doctor()}
            row = next(row for row in lab.real() if row.part == "lost")
        finally:
            lab.cluster.delete("pod/lost", lab.namespace)
    assert "lost: " in found["pods"].seen
    assert "pod/lost" in found["pods"].hint
    assert (row.runs, row.real) == ("nothing yet", "not told")
