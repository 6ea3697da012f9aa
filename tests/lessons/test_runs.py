"""`./lab run` on the real stack: every solution passes, beside nbval's run of it, and a failing lesson is named."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from maas_lab import manifests, personas, settings
from maas_lab.access import own_namespace
from maas_lab.applications import own_project
from maas_lab.local.kube.rbac import defaults
from maas_lab.local.kube.rbac.rules import Asked, allows
from maas_lab.private import write_private

ROOT = Path(__file__).parents[2]
RBAC = ROOT / "manifests" / "rbac"
HOME, NAME = "students", "ann"
ACCOUNT = f"system:serviceaccount:{HOME}:{NAME}"
SOLUTIONS = sorted(path.stem for path in (ROOT / "solutions").glob("*.py"))


def run(*arguments, **environment):
    argv = [sys.executable, "-m", "maas_lab", "run", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def results(done):
    """What a run says of its lessons, without its progress: a failed test should show this, and it is cut when long."""
    return "\n".join(line for line in done.stdout.splitlines() if not re.match(r"\w+: cell \d+ of ", line))


def given_to_the_learner():
    """The bindings that manifests/README.md names for somebody who takes the course alone on a platform."""
    head = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": HOME}
    for role, namespace in (
        ("learner", settings.NAMESPACE),
        ("accountant", settings.NAMESPACE),
        ("learner-cluster", ""),
    ):
        metadata = {"name": f"{HOME}-{role}"} | ({"namespace": namespace} if namespace else {})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"maas-lab-{role}"}
        kind = "RoleBinding" if namespace else "ClusterRoleBinding"
        yield {**head, "kind": kind, "metadata": metadata, "roleRef": reference, "subjects": [subject]}


@pytest.fixture
def learner(stack, tmp_path_factory):
    """The kubeconfig of an account that has the roles of manifests/rbac, and no other right."""
    cluster, bindings = stack.platform.cluster, list(given_to_the_learner())
    cluster.apply(RBAC, force=True)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
    cluster.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}}], HOME)
    cluster.apply(bindings)
    # As a class gets it: who asks for a namespace may not say where its Applications deploy.
    project = own_project(ROOT / "manifests", own_namespace(f"maas-lab-{personas.FOLLOWS}", ACCOUNT))
    cluster.apply(project)
    path = f"/api/v1/namespaces/{HOME}/serviceaccounts/{NAME}/token"
    asked = {"spec": {"expirationSeconds": 3600}}
    token = cluster._api.connection.call("POST", path, body=asked).json()["status"]["token"]
    told = json.loads(stack.local.kubeconfig.read_text(encoding="utf-8"))
    told["users"][0]["user"] = {"token": token}
    file = tmp_path_factory.mktemp("learner") / "kubeconfig"
    write_private(file, json.dumps(told))
    yield file
    cluster.delete([*bindings, project, f"namespace/{HOME}"])


def requests_of_the_learner(stack):
    """What the cluster's request log says of this account: events of audit.k8s.io/v1."""
    files = [stack.local.home.root / "kube" / name for name in ("audit.log.1", "audit.log")]
    lines = [line for file in files if file.exists() for line in file.read_text(encoding="utf-8").splitlines()]
    return [one for one in map(json.loads, lines) if one["user"].get("username") == ACCOUNT]


def is_given(event):
    """Tell whether the roles of manifests/rbac give a request, with what a cluster gives to all who are known there."""
    roles = {one["metadata"]["name"]: one["rules"] for one in manifests.render(RBAC)}
    known, about = defaults.cluster_roles(), event.get("objectRef")
    everybody = [*known["basic-user"], *known["system:basic-user"], *known["system:discovery"]]
    if about is None:
        return event["annotations"]["authorization.k8s.io/decision"] == "allow"
    namespace, name = about.get("namespace", ""), about.get("name", "")
    part = about.get("subresource", "")
    asked = Asked(event["verb"], about.get("apiGroup", ""), about["resource"], part, namespace, name)
    if namespace == settings.NAMESPACE:
        rules = [*roles["maas-lab-learner"], *roles["maas-lab-accountant"]]
    elif namespace in [own_namespace(f"maas-lab-{lesson}", ACCOUNT) for lesson in personas.LESSONS]:
        # Who asks for a project sees it, and may delete it.
        its_own = (("get", "namespaces"), ("get", "projects"), ("delete", "projects"))
        rules = roles["maas-lab-provider"] + [
            {"verbs": [verb], "apiGroups": ["*"], "resources": [resource]} for verb, resource in its_own
        ]
    else:
        rules = [*everybody, *roles["maas-lab-learner-cluster"]]
    return any(allows(rule, asked) for rule in rules)


def needs_only_the_roles(stack):
    events = requests_of_the_learner(stack)
    places = {one["objectRef"].get("namespace", "") for one in events if "objectRef" in one}
    assert {own_namespace(f"maas-lab-{lesson}", ACCOUNT) for lesson in personas.LESSONS} <= places
    refused = [one for one in events if one.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"]
    assert refused == []
    known = [one for one in events if one.get("annotations")]  # others ask for a kind that there is not
    assert len(known) > 500
    assert [one for one in known if not is_given(one)] == []


def test_every_solution_passes_with_a_learners_rights_and_leaves_its_executed_copy(stack, learner, tmp_path):
    """On the lab where nbval executes the same lessons: each passes twice, and finds what the first time has left.

    This time as an account with the roles of manifests/rbac: the request log shows that no other right is needed.
    """
    done = run("--out", tmp_path, MAAS_LAB_KUBECONFIG=str(learner))
    assert (done.returncode, done.stderr) == (0, ""), results(done)
    for lesson in SOLUTIONS:
        assert f"passed {lesson}: " in done.stdout
        cells = nbformat.read(tmp_path / f"{lesson}.ipynb", 4).cells
        assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    keys = stack.gateway.keys()
    names = [key.name for key in keys]
    left = [name for name in names if name.startswith("My GenAI App") or " 04" in name or "maas-lab-01" in name]
    assert left == [], "a lesson removes what it made"
    report = (ROOT / "solutions" / "report.html").read_text(encoding="utf-8")
    assert "Research agent 04" in report, "what lesson 04 leaves beside itself"
    assert not re.search(r"https?://|file:|/home/|/tmp/", report), "it stands alone"
    post_mortem = (ROOT / "solutions" / "post-mortem.md").read_text(encoding="utf-8")
    assert "6 of 6 tickets closed, 0 hints used" in post_mortem, "what lesson 06 leaves beside itself"
    # Who has no right in a namespace that ends sees it no more, and so cannot wait for the last of it.
    places = [one.name for one in stack.platform.cluster.list("Namespace") if one.name.startswith("maas-lab-")]
    stack.platform.cluster.wait_gone([f"namespace/{name}" for name in places], timeout=60)
    needs_only_the_roles(stack)


def test_a_parameter_reaches_the_lesson(stack, tmp_path):
    done = run("00", "-p", "wrong_answer", "77", "--out", tmp_path)
    assert done.returncode == 0, results(done)
    shown = "".join(str(cell.get("outputs")) for cell in nbformat.read(tmp_path / "00_start.ipynb", 4).cells)
    assert "`pods` is 77" in shown


def test_a_parameter_that_no_lesson_has_is_refused_before_anything_runs(stack, tmp_path):
    done = run("-p", "bursts", "3", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no lesson here has a parameter `bursts`" in done.stderr
    assert "did you mean `burst`?" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_lesson_that_fails_exits_1_and_names_the_exercise(stack, tmp_path):
    done = run("notebooks/03_consumer.ipynb", "--out", tmp_path)
    assert done.returncode == 1
    assert "FAILED 03_consumer" in done.stdout
    assert "at Exercise 3.1, cell " in done.stdout
    assert "NotDoneYet: Exercise 3.1: `row` is still `...`" in done.stdout
    assert f"summary: {tmp_path / 'summary.html'}" in done.stdout
    [lesson] = json.loads((tmp_path / "summary.json").read_text())["lessons"]
    assert (lesson["state"], lesson["failure"]["exercise"]) == ("failed", "Exercise 3.1")
    assert [one["state"] for one in lesson["exercises"]] == [
        "failed",
        *["not reached"] * (len(lesson["exercises"]) - 1),
    ]
