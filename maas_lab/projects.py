"""Namespaces for who may not make any: OpenShift gives them a project for the asking, and shows them only their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from maas_lab import wait
from maas_lab.errors import ClusterUnreachable, Conflict, NotAllowed, NotFound

if TYPE_CHECKING:
    from maas_lab.api import Api

Found = TypeVar("Found")
NAMESPACE = "Namespace"
_PATH = "/apis/project.openshift.io/v1"
_PATIENCE_S = 60  # an old project of the same name takes that long to end at most


class Projects:
    """The projects of a user who may ask for projects, and may not make namespaces.

    Args:
        api: of the cluster, as that user.
    """

    def __init__(self, api: Api) -> None:
        self._connection = api.connection

    def insist(self, name: str) -> None:
        """See that the user has a project.

        Raises:
            NotFound: there is none of this name, or it is somebody else's; a cluster does not tell which.
        """
        if name not in self.names():
            why = "a cluster shows nobody the projects of others"
            raise NotFound(f"there is no namespace `{name}` that you may enter", why, "`oc get projects` lists yours")

    def reading(self, name: str, read: Callable[[], Found]) -> Found:
        """Return what `read` returns of a project; the user's rights in one that is ending go before it does.

        Raises:
            NotFound: as `insist`.
        """
        self.insist(name)
        try:
            return read()
        except NotAllowed:
            self.insist(name)
            raise

    def names(self) -> set[str]:
        """Return the names of the projects that the user may enter."""
        listed = self._connection.call("GET", f"{_PATH}/projects", subject="list of projects").json()
        return {one["metadata"]["name"] for one in listed.get("items") or []}

    def ask(self, name: str, *, dry_run: bool = False) -> None:
        """Ask for a project, and have the role `admin` in it; an old one of this name that is ending is waited for.

        Raises:
            TookTooLong: somebody else has a project of this name, or the old one does not end.
        """
        body = {"apiVersion": "project.openshift.io/v1", "kind": "ProjectRequest", "metadata": {"name": name}}
        query = {"dryRun": "All"} if dry_run else {}

        def is_given() -> bool:
            path = f"{_PATH}/projectrequests"
            self._connection.call("POST", path, body=body, query=query, subject=f"project {name}")
            return True

        wait.until(
            is_given,
            what=f"the project {name}",
            timeout=_PATIENCE_S,
            transient=(Conflict, ClusterUnreachable),
            hint=f"if it is somebody else's, whoever runs the cluster can end it: oc delete project {name}",
        )

    def remove(self, name: str) -> str:
        """Delete a project, and return the uid that its namespace had; empty when the user has none of this name."""
        if name not in self.names():
            return ""
        path = f"{_PATH}/projects/{name}"
        uid = self._connection.call("GET", path, subject=f"project {name}").json()["metadata"]["uid"]
        self._connection.call("DELETE", path, subject=f"project {name}")
        return uid


def of(api: Api) -> Projects | None:
    """Return a user's projects; None where the user makes namespaces, or cannot ask for projects either."""
    try:
        if _may(api, "namespaces", "") or not _may(api, "projectrequests", "project.openshift.io"):
            return None
    except (NotAllowed, NotFound):  # a cluster that answers no such questions
        return None
    return Projects(api)


def has_more(body: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Tell whether a manifest of a namespace says more than the namespace has, which only administrators may write."""
    wanted, there = body.get("metadata") or {}, found.get("metadata") or {}
    parts = ("labels", "annotations")
    return any((wanted.get(part) or {}).items() - (there.get(part) or {}).items() for part in parts)


def _may(api: Api, resource: str, group: str) -> bool:
    asked = {"verb": "create", "resource": resource} | ({"group": group} if group else {})
    review = {"resourceAttributes": asked}
    return bool(api.ask("authorization.k8s.io/v1", "SelfSubjectAccessReview", review).get("allowed"))
