"""The AppProject that admits a platform of one's own: who makes it, and what to ask for where nobody has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from maas_lab import following, wait
from maas_lab.applications import HOME, own_project
from maas_lab.cluster import Cluster
from maas_lab.errors import ClusterUnreachable, NotAllowed, NotFound, Rejected, UsageError
from maas_lab.following import Object

_PATIENCE_S = 60  # Argo CD looks at what is new within seconds, if it looks into its namespace at all
_RESOURCE = "appprojects.argoproj.io"


class Admission:
    """The AppProject of one namespace, which has the namespace's name.

    Args:
        cluster: as somebody who may make projects, or may not.
        folder: of the manifests.
        namespace: where the platform and its Applications are.
        call: makes the project for who may make it, and goes on for who has got it.
    """

    def __init__(self, cluster: Cluster, folder: Path, namespace: str, call: str) -> None:
        self._cluster, self._folder, self._namespace, self._call = cluster, folder, namespace, call

    def make(self) -> bool:
        """Make the project, if the user may; return whether they may.

        Raises:
            NotFound: the cluster has no Argo CD.
            UsageError: there is a project of this name that is for others.
        """
        if not self._may("get", "create", "patch"):
            return False
        if self._admitted() not in (None, [self._namespace]):
            what = f"Argo CD has a project `{self._namespace}` that is not for this namespace alone"
            raise UsageError(what, "the project of a namespace has its name", "take a namespace of another name")
        self._cluster.apply(own_project(self._folder, self._namespace), force=True)
        return True

    def remove(self) -> None:
        """Delete the project, if the user may; one that is for others stays."""
        if self._may("get", "delete") and self._admitted() == [self._namespace]:
            self._cluster.delete(f"appproject/{self._namespace}", HOME)

    def insist(self, apps: Iterable[Object]) -> None:
        """See that a project admits the Applications, as far as the cluster has looked at them.

        Raises:
            NotAllowed: none does; the hint is what to ask an administrator for.
            Rejected: none does, and the user may make one.
        """
        if not (why := next(filter(None, map(following.unadmitted, apps)), "")):
            return
        what = f"no AppProject lets the namespace {self._namespace} follow Git"
        if self._may("get", "create", "patch"):
            raise Rejected(what, why, f"{self._call} makes it")
        hint = f"send this to an administrator, then call {self._call} again:\n{self._request()}"
        raise NotAllowed(what, f"{why}; you may not make AppProjects in {HOME}", hint)

    def wait_seen(self, find: Callable[[], list[Object]]) -> None:
        """Wait until the cluster has looked at the Applications, and see that a project admits them.

        Args:
            find: returns the Applications.

        Raises:
            NotAllowed: as `insist`.
            TookTooLong: nobody looks at them.
        """

        def is_done() -> bool:
            apps = find()
            self.insist(apps)
            return all(map(following.is_seen, apps))

        wait.until(
            is_done,
            what=f"Argo CD to look at the Applications in {self._namespace}",
            timeout=_PATIENCE_S,
            transient=(ClusterUnreachable,),
            hint="an administrator lets Argo CD look into this namespace: manifests/README.md, GitOps",
        )

    def _request(self) -> str:
        """Return one request: comments for people, and the object for `oc apply`."""
        told = [
            f"# {self._cluster.whoami()} needs, in the namespace {HOME}:",
            f"#   the AppProject {self._namespace}: what lies in that namespace may deploy there, and nowhere else",
            "# Exactly that and no more: save these lines as project.yaml, and `oc apply -f project.yaml`.",
        ]
        wanted = own_project(self._folder, self._namespace)
        return "\n".join(told) + "\n" + yaml.safe_dump(wanted, sort_keys=False, width=120).rstrip("\n")

    def _may(self, *verbs: str) -> bool:
        asked = self._cluster.permissions([f"{verb} {_RESOURCE}" for verb in verbs], HOME)
        return all(one.allowed for one in asked)

    def _admitted(self) -> list[str] | None:
        """Return the namespaces whose Applications the project admits; None where there is no project."""
        try:
            return self._cluster.get("AppProject", self._namespace, HOME)["spec"].get("sourceNamespaces") or []
        except NotFound:
            return None
