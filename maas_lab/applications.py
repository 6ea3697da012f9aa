"""Make the objects by which a cluster follows a repository: a project, and an Application for each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maas_lab import manifests

HOME = "openshift-gitops"  # where OpenShift GitOps keeps projects, and the Applications of administrators
REFRESH = "argocd.argoproj.io/refresh"  # the annotation by which an Application is asked to look again
PARTS = {"maas-infrastructure": "infrastructure", "maas-models": "models"}


@dataclass(frozen=True)
class Followers:
    """What makes a platform follow Git.

    Attributes:
        namespace: where the platform runs.
        place: the namespace of the Applications.
        project: the name of the AppProject.
        is_own: the platform is a learner's own, beside the lab's.
    """

    namespace: str
    place: str
    project: str
    is_own: bool

    @classmethod
    def of_the_lab(cls, namespace: str) -> Followers:
        """Return the platform that everybody uses."""
        return cls(namespace, HOME, "maas", is_own=False)

    @classmethod
    def of_ones_own(cls, namespace: str) -> Followers:
        """Return one in a namespace of one's own; its Applications are there as well, so they go with it."""
        return cls(namespace, namespace, namespace, is_own=True)

    def objects(
        self, folder: Path, overlays: Mapping[str, str], repository: str, revision: str, *, eager: bool
    ) -> list[dict[str, Any]]:
        """Return the Applications, after the project where the platform is the lab's; `own_project` is one's own.

        Args:
            folder: of the manifests.
            overlays: which one each part runs, as the platform's ConfigMap names them.
            repository: its address, as the cluster reaches it.
            revision: branch, tag or commit to follow.
            eager: what follows looks at Git again before it tries a sync once more, which not every Argo CD can.
        """
        found = manifests.render(folder / "gitops")
        for one in found:
            spec = one["spec"]
            if one["kind"] == "AppProject":
                spec["sourceRepos"] = [repository]
                spec["destinations"] = [{**spec["destinations"][0], "namespace": self.namespace}]
                continue
            path = f"manifests/{overlays[PARTS[one['metadata']['name']] + '-overlay']}"
            spec["source"] = {"repoURL": repository, "targetRevision": revision, "path": path}
            spec["destination"]["namespace"] = self.namespace
            # What it tells until then may be about a project or a repository that has changed since.
            one["metadata"].setdefault("annotations", {})[REFRESH] = "normal"
            if eager:  # the repair of a bad commit need not wait for the tries of that one
                spec["syncPolicy"]["retry"]["refresh"] = True
            if self.is_own:
                one["metadata"]["namespace"], spec["project"] = self.place, self.project
                spec["source"]["kustomize"] = {"namespace": self.namespace}  # not the one that the overlay names
        return [one for one in found if not (self.is_own and one["kind"] == "AppProject")]


def own_project(folder: Path, namespace: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the project of a platform of one's own: it has its namespace's name, and admits and reaches no other.

    Args:
        folder: of the manifests.
        namespace: of that platform, and of its Applications.
        labels: more of them.
    """
    [found] = manifests.render(folder / "gitops-learners")
    metadata, spec = found["metadata"], found["spec"]
    metadata["name"], metadata["labels"] = namespace, {**metadata["labels"], **(labels or {})}
    spec["sourceNamespaces"] = [namespace]
    spec["destinations"] = [{**spec["destinations"][0], "namespace": namespace}]
    return found
