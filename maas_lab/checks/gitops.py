"""The provider's exercises with Git: a change that syncs, a Deployment that comes back, a mistake taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from maas_lab.api import MANAGER
from maas_lab.checks.exercise import Exercise
from maas_lab.errors import UsageError
from maas_lab.git import Repository
from maas_lab.manifests import render

if TYPE_CHECKING:
    from maas_lab.gitops import GitOps
    from maas_lab.lab import Lab

INFRASTRUCTURE, MODELS = "maas-infrastructure", "maas-models"
DISPLAYED = "openshift.io/display-name"
PAGES = "frontend"
HANDS = (MANAGER, "kubectl", "oc")  # who a field belongs to that was applied by hand


def synced(lab: Lab, gitops: GitOps, commit: str) -> None:
    """Check exercise 2.6: the cluster has the model's name from the commit, because it follows Git."""
    exercise = Exercise(
        "2.6",
        "Change it in Git",
        (
            "two steps: change the line in `file`, then commit; `gitops.diff(...)` shows whether the first has worked",
            "file.write_text(...) takes the whole new text: the old one, with `line` replaced by another line",
            'file.write_text(file.read_text().replace(line, f"{line}, for everybody"));'
            ' commit = gitops.commit("A name that says whom it is for")',
        ),
    )
    exercise.filled(commit=commit)
    wanted = _commit(exercise, gitops, "commit", commit)
    [row] = [one for one in gitops.status() if one.name == MODELS]
    if (row.sync, row.revision) != ("Synced", wanted[:7]):
        exercise.wrong(f"{MODELS} is {row.sync or 'not looked at yet'}, and not at your commit", row.message)
    if _displayed(render(lab.overlay("models"))) == _displayed(render(gitops.overlay("models"))):
        exercise.wrong("your commit is there, and the model's display name is still the one it came with")
    exercise.right("the cluster has what your commit says, and you applied nothing")


def healed(lab: Lab, gitops: GitOps, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Check exercise 2.7: a Deployment that was deleted by hand is there again, and not by the learner's hand."""
    exercise = Exercise(
        "2.7",
        "Delete it by hand",
        (
            f"lab.cluster.delete(...) takes a name like `deployment/{PAGES}`, and the namespace",
            "`after` is what lab.cluster.get(...) returns once it is there again, as `before` was got",
            f'lab.cluster.delete("deployment/{PAGES}", namespace);'
            f' lab.cluster.wait_ready("deployment/{PAGES}", patience, namespace=namespace);'
            f' after = lab.cluster.get("Deployment", "{PAGES}", namespace)',
        ),
    )
    exercise.filled(after=after)
    if not isinstance(after, Mapping) or (after.get("kind"), _metadata(after).get("name")) != ("Deployment", PAGES):
        exercise.wrong(f"`after` is not the Deployment `{PAGES}`", "get it as `before` was got")
    live = lab.cluster.get("Deployment", PAGES, before["metadata"]["namespace"])
    uid = live["metadata"]["uid"]
    if before["metadata"]["uid"] == uid:
        exercise.wrong(f"the Deployment `{PAGES}` was never away", "its uid is the one that it had before")
    if _metadata(after).get("uid") != uid:
        exercise.wrong("`after` is an earlier one than the one that is there now", "get it again, after the wait")
    if any(one.startswith(HANDS) for one in live.managers):
        exercise.wrong("it is there again, and you have applied it", "delete it once more, and only wait")
    [row] = [one for one in gitops.status() if one.name == INFRASTRUCTURE]
    if row.sync != "Synced":
        exercise.wrong(f"it is there again, and {INFRASTRUCTURE} is {row.sync}", row.message)
    exercise.right("another uid, and not your hand: what follows Git has made it again")


def mended(lab: Lab, gitops: GitOps, bad: str, repair: str) -> None:
    """Check exercise 2.8: the bad commit is taken back by another one, and the cluster follows again."""
    exercise = Exercise(
        "2.8",
        "Commit a mistake",
        (
            "do not apply anything: what is wrong stands in Git, and Git has a command that takes a commit back",
            "gitops.revert() makes a commit that undoes the last one, pushes it, and returns it",
            "repair = gitops.revert()",
        ),
    )
    exercise.filled(repair=repair)
    wanted = _commit(exercise, gitops, "repair", repair)
    if wanted == bad:
        exercise.wrong("`repair` is the bad commit itself", "asked is the one that takes it back")
    if not Repository(gitops.folder).holds(bad, wanted):
        exercise.wrong("the bad commit is not in the history of your repair", "who has it already keeps it")
    [row] = [one for one in gitops.status() if one.name == MODELS]
    if (row.sync, row.revision) != ("Synced", wanted[:7]):
        exercise.wrong(f"{MODELS} is {row.sync}, and not at your repair", row.message)
    exercise.right("the cluster follows again, and the history tells what was wrong and what mended it")


def _commit(exercise: Exercise, gitops: GitOps, name: str, given: Any) -> str:
    """Return the last commit that was pushed, which should be the one that was given."""
    if not isinstance(given, str):
        exercise.wrong(f"`{name}` is a {type(given).__name__}, not a commit", "gitops returns one as text")
    repository = Repository(gitops.folder)
    try:
        found = repository.revision(f"{given}^{{commit}}")
    except UsageError:
        exercise.wrong(f"`{name}` is {given!r}, and your clone has no such commit", "gitops returns one as text")
    if found != repository.pushed:
        exercise.wrong(f"`{name}` is not the last commit that was pushed", "the cluster knows only what was pushed")
    return found


def _displayed(objects: list[dict[str, Any]]) -> str:
    [service] = [one for one in objects if one["kind"] == "InferenceService"]
    return service["metadata"].get("annotations", {}).get(DISPLAYED, "")


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("metadata")
    return found if isinstance(found, Mapping) else {}
