"""The lab's platform follows a repository in the lab's home: on the running stack, as a learner does it."""

import shutil
import time
from types import SimpleNamespace

import pytest
import yaml

from maas_lab import settings, wait
from maas_lab.admission import Admission
from maas_lab.applications import own_project
from maas_lab.cluster import Cluster
from maas_lab.errors import NotAllowed, NotFound, Rejected, UsageError
from maas_lab.following import arrived
from maas_lab.git import Repository
from maas_lab.gitops import NAMESPACE, REFRESH, GitOps
from maas_lab.lab import Lab
from maas_lab.local import deploy
from maas_lab.tables import Permission
from tests.gitops_lab import SMALL, small_manifests

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
SERVICE = "manifests/models/base/smollm2-135m-instruct/inferenceservice.yaml"
MODEL, INFRASTRUCTURE = "maas-models", "maas-infrastructure"


@pytest.fixture
def gitops(stack, tmp_path, monkeypatch):
    """GitOps on the running stack, with a repository of the test's own; the platform goes on without it."""
    monkeypatch.setattr("maas_lab.gitops.settings.load", lambda: SimpleNamespace(home=tmp_path))
    with Cluster(stack.local.kubeconfig, namespace=settings.NAMESPACE) as cluster:
        lab = Lab(cluster, settings.NAMESPACE, stack.local)
        yield lab.gitops
        lab.gitops.remove()
        lab.gateway.close()


def changed(gitops, old, new, file=SERVICE):
    path = gitops.folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def asked(gitops):
    """What an Application is still asked for."""
    [app] = gitops._applications(MODEL)
    return "operation" in app or REFRESH in (app["metadata"].get("annotations") or {})


@needs_git
def test_the_platform_follows_its_repository(gitops, stack):
    gitops.create()
    assert [(row.sync, row.health) for row in gitops.wait()] == [("Synced", "Healthy")] * 2
    assert (gitops.diff(MODEL), gitops.diff(INFRASTRUCTURE)) == ("(nothing)", "(nothing)")
    changed(gitops, "display-name: SmolLM2", "display-name: My SmolLM2")
    told = gitops.diff(MODEL)
    assert "+    openshift.io/display-name: My SmolLM2-135M-Instruct" in told.splitlines()
    began = time.monotonic()
    commit = gitops.commit("Another name")
    gitops.wait(commit, MODEL)
    assert time.monotonic() - began < 20  # a second or so on a machine with nothing else to do
    newest = gitops.history(MODEL)[0]
    assert (newest.revision, newest.subject, newest.by) == (commit[:7], "Another name", "automatic")
    gitops.wait(gitops.revert())
    assert gitops.diff(MODEL) == "(nothing)"


@needs_git
def test_a_commit_that_is_wrong_is_told_with_its_file_and_mended(gitops, stack):
    gitops.create()
    gitops.wait()
    before = gitops._cluster.get("InferenceService", stack.model)
    changed(gitops, "  predictor:\n", "  predictor: {\n")
    with pytest.raises(Rejected, match=MODEL) as refused:
        gitops.wait(gitops.commit("Broken"), MODEL)
    assert f"{SERVICE}, line" in refused.value.why
    gitops.wait(gitops.revert())
    changed(gitops, "    minReplicas: 1\n", "    minReplica: 1\n")
    with pytest.raises(Rejected, match=MODEL) as refused:
        gitops.wait(gitops.commit("Misspelt"), MODEL)
    assert 'unknown field "spec.predictor.minReplica"' in refused.value.why
    gitops.wait(gitops.revert())
    after = gitops._cluster.get("InferenceService", stack.model)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


@needs_git
def test_what_is_deleted_by_hand_comes_back_and_a_tag_promotes(gitops, stack):
    gitops.create()
    gitops.wait()
    cluster = gitops._cluster
    uid = cluster.get("Deployment", "frontend")["metadata"]["uid"]
    cluster.delete("deployment/frontend", wait=False)

    def is_back():
        return cluster.get("Deployment", "frontend")["metadata"]["uid"] != uid

    wait.until(is_back, what="the Deployment", timeout=30, transient=(NotFound,))
    cluster.wait_ready("deployment/frontend")
    first = gitops.tag("prod")
    gitops.follow("prod")
    gitops.wait(first)
    changed(gitops, "display-name: SmolLM2", "display-name: Next SmolLM2")
    second = gitops.commit("The next release")
    assert gitops.tag("prod", second) == second
    gitops.wait(second)
    gitops.tag("1.2.0", first)
    gitops.follow("1.*")
    gitops.wait(first)
    gitops.sync(MODEL)
    gitops.refresh(MODEL, hard=True)
    wait.until(lambda: not asked(gitops), what="sync and refresh by hand", timeout=30)
    assert gitops._applications(MODEL)[0]["status"]["operationState"]["operation"]["initiatedBy"]["username"]
    gitops.remove()
    with pytest.raises(NotFound, match="does not follow Git"):
        gitops.status()
    assert cluster.get("Deployment", "frontend")


@needs_git
def test_the_lab_comes_up_by_its_repository(gitops, stack, tmp_path):
    """As `./lab up --gitops` does; a later `./lab up` leaves the platform to Git."""
    shared = own_project(deploy.MANIFESTS, "maas-learners")  # as in a home of before, where all learners had this one
    gitops._cluster.apply(shared, force=True)
    deploy.apply(stack.local.kubeconfig, stack.local.users, repository_in=tmp_path)
    with pytest.raises(NotFound):
        gitops._cluster.get("AppProject", "maas-learners", NAMESPACE)
    gitops.wait()
    changed(gitops, "display-name: SmolLM2", "display-name: Kept SmolLM2")
    gitops.wait(gitops.commit("Kept"))
    gitops.follow(commit := gitops._repository.revision())
    deploy.apply(stack.local.kubeconfig, stack.local.users)
    [app] = gitops._applications(MODEL)
    assert app["spec"]["source"]["targetRevision"] == commit
    assert gitops.diff(MODEL) == "(nothing)"
    gitops.follow("main")
    gitops.wait(gitops.revert())


@needs_git
def test_who_may_make_projects_brings_one_along_and_takes_it_away(stack, tmp_path):
    """A platform of one's own, as lesson 02 has it; here it is two ConfigMaps."""
    cluster, place = stack.platform.cluster, "maas-lab-02-of-the-test"
    gitops = GitOps(cluster, "n", small_manifests(tmp_path / "manifests"), SMALL, is_here=True, home=tmp_path)
    own = gitops.in_namespace(place)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
    for _ in range(2):
        own.create()
        assert [(row.sync, row.health) for row in own.wait()] == [("Synced", "Healthy")] * 2
    assert cluster.get("AppProject", place, NAMESPACE)["spec"]["sourceNamespaces"] == [place]
    own.remove()
    with pytest.raises(NotFound):
        cluster.get("AppProject", place, NAMESPACE)
    assert cluster.get("ConfigMap", "models", place)
    cluster.delete(f"namespace/{place}")


# Without a cluster


class Recorder:
    """A cluster that remembers what was applied and deleted."""

    def __init__(self, may=True):
        self.applied, self.deleted, self._may = [], [], may

    def permissions(self, rules, namespace):
        return [Permission(*rule.split(), namespace, self._may) for rule in rules]

    def whoami(self):
        return "bob"

    def apply(self, objects, force):
        self.applied += [objects] if isinstance(objects, dict) else objects

    def delete(self, names, namespace):
        self.deleted += [f"{namespace}/{name}" for name in ([names] if isinstance(names, str) else names)]

    def get(self, kind, name, namespace):
        for one in self.applied[::-1]:
            if (one["kind"], one["metadata"]["name"], one["metadata"]["namespace"]) == (kind, name, namespace):
                return one
        raise NotFound(name)


BOB = "maas-lab-02-bob"
OVERLAYS = {"infrastructure-overlay": "infrastructure/overlays/local", "models-overlay": "models/overlays/local"}


@needs_git
def test_a_platform_of_ones_own_has_applications_and_a_repository_of_its_own(tmp_path):
    cluster = Recorder()
    gitops = GitOps(cluster, "maas-system", deploy.MANIFESTS, OVERLAYS, is_here=True, home=tmp_path)
    own = gitops.in_namespace("maas-lab-02-bob")
    assert own.clone() == "branch main: The platform as the lab ships it"
    assert [row.name for row in own.create()] == [INFRASTRUCTURE, MODEL]
    assert [one["kind"] for one in cluster.applied] == ["AppProject", "Application", "Application"]
    project, *apps = cluster.applied
    assert project["metadata"] | {"labels": {}} == {"name": BOB, "namespace": NAMESPACE, "labels": {}}
    assert project["spec"]["sourceNamespaces"] == [BOB]
    assert [one["namespace"] for one in project["spec"]["destinations"]] == [BOB]
    for one in apps:
        spec = one["spec"]
        assert (one["metadata"]["namespace"], spec["project"]) == (BOB, BOB)
        assert spec["source"]["kustomize"] == {"namespace": "maas-lab-02-bob"}
        assert (spec["destination"]["namespace"], spec["source"]["targetRevision"]) == ("maas-lab-02-bob", "main")
    own.remove(repository=True)
    gone = [f"{BOB}/application/{name}" for name in (INFRASTRUCTURE, MODEL)]
    assert cluster.deleted == [*gone, f"{NAMESPACE}/appproject/{BOB}"]
    with pytest.raises(NotFound) as error:
        own.commit("x")
    assert error.value.hint == 'lab.gitops.in_namespace("maas-lab-02-bob").clone(), or .create()'


@needs_git
def test_the_project_of_others_is_neither_replaced_nor_deleted(tmp_path):
    """Whoever may make projects may call their namespace as one that is there, e.g. as that of the lab's platform."""
    cluster = Recorder()
    gitops = GitOps(cluster, "maas-system", deploy.MANIFESTS, OVERLAYS, is_here=True, home=tmp_path)
    gitops.create()
    before = len(cluster.applied)
    with pytest.raises(UsageError, match="a project `maas` that is not for this namespace alone"):
        gitops.in_namespace("maas").create()
    gitops.in_namespace("maas").remove()
    assert (len(cluster.applied), f"{NAMESPACE}/appproject/maas" in cluster.deleted) == (before, False)


def told_by(message, **metadata):
    """An Application of which the cluster says something."""
    status = {"sync": {"status": "Unknown"}, "conditions": [{"type": "SomeError", "message": message}]}
    return {"metadata": {"name": "a", "namespace": BOB, **metadata}, "status": status}


ABSENT = f"Application referencing project {BOB} which does not exist"
FOREIGN = f"application 'a' in namespace '{BOB}' is not allowed to use project {BOB}"


@pytest.mark.parametrize("message", [ABSENT, FOREIGN])
def test_a_missing_project_is_told_with_what_to_ask_for(message):
    admission = Admission(Recorder(may=False), deploy.MANIFESTS, BOB, "create()")
    with pytest.raises(NotAllowed, match=f"no AppProject lets the namespace {BOB}") as refused:
        admission.wait_seen(lambda: [told_by(message)])
    assert message in refused.value.why
    first, text = refused.value.hint.split("\n", 1)
    assert first == "send this to an administrator, then call create() again:"
    assert yaml.safe_load(text) == own_project(deploy.MANIFESTS, BOB)
    assert not admission.make()
    with pytest.raises(Rejected) as refused:
        Admission(Recorder(), deploy.MANIFESTS, BOB, "create()").insist([told_by(message)])
    assert refused.value.hint == "create() makes it"


def test_what_is_told_from_before_the_project_was_there_counts_no_more():
    admission = Admission(Recorder(may=False), deploy.MANIFESTS, BOB, "create()")
    admission.insist([told_by(ABSENT, annotations={REFRESH: "normal"}), told_by("not permitted"), {"metadata": {}}])


@needs_git
def test_a_fork_is_worked_on_in_a_branch_of_ones_own(tmp_path):
    """As on a cluster that cannot read this machine's files."""
    fork = Repository(tmp_path / "fork")
    fork.create(deploy.MANIFESTS, "manifests")
    first, address = fork.revision(), str(fork.server)
    cluster = Recorder()
    gitops = GitOps(cluster, "maas-system", deploy.MANIFESTS, OVERLAYS, is_here=False, home=tmp_path)
    own = gitops.in_namespace("maas-lab-02-bob")
    assert "git push -u origin main" in own.create()
    assert cluster.applied == []
    for _ in range(2):
        assert own.clone(address) == "branch maas-lab-02-bob: The platform as the lab ships it"
        own.create()
        source = cluster.applied[-1]["spec"]["source"]
        assert (source["repoURL"], source["targetRevision"]) == (address, "maas-lab-02-bob")
        (own.folder / "manifests" / "new").write_text("new")
        commit = own.commit("New")
        assert fork.git("ls-remote", "origin", "maas-lab-02-bob").split()[0] == commit
        with pytest.raises(UsageError, match="is a clone of"):
            own.clone(f"{address}2")
        own.remove(repository=True)
    assert fork.git("ls-remote", "origin", "main").split()[0] == first
    assert gitops.clone(address) == "branch main: The platform as the lab ships it"
    with pytest.raises(UsageError, match="git clone failed"):
        gitops.in_namespace("n").clone("--upload-pack=x")


def test_on_a_cluster_elsewhere_the_commands_are_told(tmp_path):
    gitops = GitOps(None, "n", tmp_path / "manifests", {}, is_here=False, home=tmp_path)
    assert f"cp -r {tmp_path}/manifests" in gitops.create()
    with pytest.raises(NotFound, match="there is no deployment repository"):
        gitops.commit("x")
    with pytest.raises(UsageError, match="there is no Application `x`"):
        gitops.history("x")


@needs_git
def test_a_repository_is_made_once_and_keeps_what_is_in_it(tmp_path):
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "a").write_text("1")
    repository = Repository(tmp_path / "deployment")
    repository.create(tmp_path / "content", "manifests")
    first = repository.revision("origin/main")
    (repository.folder / "manifests" / "a").write_text("2")
    repository.create(tmp_path / "content", "manifests")
    second = repository.commit("two")
    assert (repository.revision("origin/main"), repository.subject(second)) == (second, "two")
    with pytest.raises(UsageError, match="nothing has changed"):
        repository.commit("three")
    repository.revert()
    assert (repository.folder / "manifests" / "a").read_text() == "1"
    assert repository.tag("prod", first) == first
    with pytest.raises(UsageError, match="git rev-parse failed") as refused:
        repository.revision("--output=x")
    assert "Needed a single revision" in refused.value.why
    shutil.rmtree(repository.server)
    with pytest.raises(UsageError, match="is in the way"):
        repository.create(tmp_path / "content", "manifests")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({}, ""),
        ({"sync": {"status": "Synced", "revision": "b" * 40}, "health": {"status": "Healthy"}}, ""),
        ({"sync": {"status": "Synced", "revision": "a" * 40}, "health": {"status": "Progressing"}}, ""),
        ({"conditions": [{"type": "ComparisonError", "message": "... aaaaaaa: f.yaml, line 3"}]}, "f.yaml, line 3"),
        ({"conditions": [{"type": "ComparisonError", "message": "... bbbbbbb: an older one"}]}, ""),
        ({"conditions": [{"type": "InvalidSpecError", "message": "not permitted"}]}, "not permitted"),
        ({"operationState": {"phase": "Failed", "message": "no", "syncResult": {"revision": "a" * 40}}}, "no"),
        ({"operationState": {"phase": "Failed", "message": "no", "syncResult": {"revision": "b" * 40}}}, ""),
    ],
)
def test_whether_a_commit_has_arrived(status, error):
    app = {"metadata": {"name": "a", "namespace": NAMESPACE}, "status": status}
    asked = {**app["metadata"], "annotations": {REFRESH: "normal"}}
    assert not arrived({**app, "metadata": asked}, "a" * 40), "it tells of before"
    if error:
        with pytest.raises(Rejected) as refused:
            arrived(app, "a" * 40)
        assert error in refused.value.why
    else:
        assert not arrived(app, "a" * 40)
    good = {"sync": {"status": "Synced", "revision": "a" * 40}, "health": {"status": "Healthy"}}
    assert arrived({**app, "status": good}, "a" * 40)
