"""What the checks of lesson 02's part with Git say: a real repository, and a cluster that tells what the test wants."""

import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from maas_lab import checks
from maas_lab.errors import NotDoneYet, NotQuite
from maas_lab.following import Followed
from maas_lab.git import Repository
from maas_lab.objects import KubeObject

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
ROOT = Path(__file__).parents[1]
SERVICE = "manifests/models/base/smollm2-135m-instruct/inferenceservice.yaml"
OVERLAY = "models/overlays/local"


class GitOps:
    """A clone, and Applications that stand as the test says."""

    def __init__(self, folder):
        self.repository = Repository(folder / "clone")
        self.repository.create(ROOT / "manifests", "manifests")
        self.folder, self.at, self.sync, self.message = self.repository.folder, "", "Synced", "told"

    def overlay(self, part):
        return self.folder / "manifests" / OVERLAY

    def change(self, old, new, message="change"):
        file = self.folder / SERVICE
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        self.at = self.repository.commit(message)
        return self.at

    def revert(self):
        self.at = self.repository.revert()
        return self.at

    def status(self):
        names = ("maas-infrastructure", "maas-models")
        return [Followed(name, self.sync, "Healthy", self.at[:7], self.message) for name in names]


@pytest.fixture
def gitops(tmp_path):
    return GitOps(tmp_path)


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())
    there = {}
    cluster = SimpleNamespace(get=lambda kind, name, namespace: there[kind, name, namespace], there=there)
    return SimpleNamespace(cluster=cluster, overlay=lambda part: ROOT / "manifests" / OVERLAY)


def wrong(check, *arguments):
    with pytest.raises(NotQuite) as error:
        check(*arguments)
    assert error.value.hint
    return "\n".join(error.value.lines())


def test_a_change_that_is_synced(lab, gitops, capsys):
    first = gitops.repository.revision()
    commit = gitops.change("display-name: Smol", "display-name: My Smol")
    checks.synced(lab, gitops, commit)
    checks.synced(lab, gitops, commit[:10])
    said = "Exercise 2.6 is right: the cluster has what your commit says, and you applied nothing\n"
    assert capsys.readouterr().out == said * 2
    assert "is not the last commit that was pushed" in wrong(checks.synced, lab, gitops, first)
    assert "your clone has no such commit" in wrong(checks.synced, lab, gitops, "A better name")
    assert "`commit` is a NoneType, not a commit" in wrong(checks.synced, lab, gitops, None)
    gitops.at = first
    assert "maas-models is Synced, and not at your commit" in wrong(checks.synced, lab, gitops, commit)
    gitops.at, gitops.sync, gitops.message = commit, "OutOfSync", "one or more objects failed to apply"
    assert "why: one or more objects failed" in wrong(checks.synced, lab, gitops, commit)


def test_a_change_of_something_else(lab, gitops):
    commit = gitops.change("A very small model", "A tiny model")
    assert "display name is still the one it came with" in wrong(checks.synced, lab, gitops, commit)


def deployment(uid, *makers, name="frontend"):
    fields = [{"manager": one, "operation": "Apply"} for one in makers]
    metadata = {"name": name, "namespace": "mine", "uid": uid, "managedFields": fields}
    return KubeObject.of({"kind": "Deployment", "metadata": metadata})


def test_a_deployment_that_came_back(lab, gitops, capsys):
    before, after = deployment("1", "maas-lab", "argocd-controller"), deployment("2", "argocd-controller")
    live = ("Deployment", "frontend", "mine")
    lab.cluster.there[live] = after
    checks.healed(lab, gitops, before, after)
    said = "Exercise 2.7 is right: another uid, and not your hand: what follows Git has made it again\n"
    assert capsys.readouterr().out == said
    assert "not the Deployment `frontend`" in wrong(checks.healed, lab, gitops, before, "2")
    assert "not the Deployment `frontend`" in wrong(checks.healed, lab, gitops, before, deployment("2", name="backend"))
    assert "an earlier one than the one that is there" in wrong(checks.healed, lab, gitops, before, before)
    gitops.sync = "OutOfSync"
    assert "maas-infrastructure is OutOfSync" in wrong(checks.healed, lab, gitops, before, after)
    lab.cluster.there[live] = by_hand = deployment("2", "argocd-controller", "kubectl-client-side-apply")
    assert "you have applied it" in wrong(checks.healed, lab, gitops, before, by_hand)
    lab.cluster.there[live] = before
    assert "was never away" in wrong(checks.healed, lab, gitops, before, before)


def test_a_mistake_that_is_taken_back(lab, gitops, capsys):
    bad = gitops.change("minReplicas:", "minReplicas", "Tidy up")
    assert "is the bad commit itself" in wrong(checks.mended, lab, gitops, bad, bad)
    repair = gitops.revert()
    checks.mended(lab, gitops, bad, repair)
    assert capsys.readouterr().out.startswith("Exercise 2.8 is right: the cluster follows again, and the history tells")
    assert "`repair` is not the last commit" in wrong(checks.mended, lab, gitops, bad, bad)
    gitops.at = bad
    assert "and not at your repair" in wrong(checks.mended, lab, gitops, bad, repair)


def test_a_mistake_that_was_wiped_out_of_the_history(lab, gitops):
    bad = gitops.change("minReplicas:", "minReplicas")
    gitops.repository.git("reset", "-q", "--hard", "HEAD^")
    gitops.repository.git("push", "-q", "--force", "origin", "HEAD:main")
    repair = gitops.at = gitops.repository.revision()
    assert "not in the history of your repair" in wrong(checks.mended, lab, gitops, bad, repair)


@pytest.mark.parametrize(
    ("check", "given", "name", "exact"),
    [
        ("synced", (), "commit", 'gitops.commit("A name that says whom it is for")'),
        ("healed", (deployment("1"),), "after", 'lab.cluster.delete("deployment/frontend", namespace);'),
        ("mended", ("bad",), "repair", "repair = gitops.revert()"),
    ],
)
def test_blanks_get_three_hints_and_the_last_one_is_exact(lab, check, given, name, exact):
    hints = []
    for _ in range(4):
        with pytest.raises(NotDoneYet, match=f"`{name}` is still") as error:
            getattr(checks, check)(lab, None, *given, ...)
        hints.append(error.value.hint)
    assert len(set(hints)) == 4
    assert exact in hints[2]
    assert hints[3].startswith("read the section “")
