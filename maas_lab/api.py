"""Read and change single objects through a connection: the verbs on which a `Cluster` stands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from maas_lab import projects
from maas_lab.connection import Connection, secret_values
from maas_lab.errors import NotFound, UsageError
from maas_lab.kinds import Ref
from maas_lab.objects import KubeObject
from maas_lab.projects import Projects

MANAGER = "maas-lab"
EVERYWHERE = "*"
_PAGE = 500
# What changes without anybody changing the object.
_BOOKKEEPING = ("managedFields", "resourceVersion", "generation")


class Api:
    """The objects of a cluster.

    Every method raises a `ClusterError`, as `Connection.call`.

    Args:
        connection: to the cluster.
        namespace: where objects are that do not say so; the connection's when left out.
    """

    def __init__(self, connection: Connection, namespace: str | None = None) -> None:
        self.connection, self.namespace = connection, namespace or connection.namespace

    @cached_property
    def projects(self) -> Projects | None:
        """The user's projects, where they take the place of namespaces that the user may not make."""
        return projects.of(self)

    def placed(self, ref: Ref) -> Ref:
        """Return a reference with the namespace filled in, if its kind has one."""
        namespaced = self.connection.resource(ref.kind).namespaced
        return ref._replace(namespace=(ref.namespace or self.namespace) if namespaced else "")

    def path(self, ref: Ref, part: str = "") -> str:
        """Return the address of an object, or of all of its kind when it has no name.

        Args:
            ref: where it is.
            part: a subresource, e.g. `log`.
        """
        resource = self.connection.resource(ref.kind)
        namespace = "" if ref.namespace == EVERYWHERE else quote(ref.namespace, safe="")
        # A dot or two are folders to a server.
        name = quote(ref.name, safe="").replace(".", "%2E") if set(ref.name) == {"."} else quote(ref.name, safe="")
        return resource.path(name=name, namespace=namespace) + (f"/{part}" if part else "")

    def get(self, ref: Ref) -> KubeObject:
        """Return an object.

        Raises:
            UsageError: its name is empty; a cluster would answer with all objects of the kind.
        """
        if not ref.name:
            raise UsageError(f"this names no {ref.kind.name}", "its name is empty", "cluster.list(...) has them all")
        if ref.kind.name == projects.NAMESPACE and self.projects:
            return self.projects.reading(ref.name, lambda: self._read(ref))
        return self._read(ref)

    def _read(self, ref: Ref) -> KubeObject:
        return KubeObject.of(self.connection.call("GET", self.path(ref), subject=str(ref)).json(), *ref.kind)

    def find(self, ref: Ref) -> KubeObject | None:
        """Return an object; None when there is none."""
        try:
            return self.get(ref)
        except NotFound:
            return None

    def items(self, ref: Ref, selector: str | None = None, fields: str | None = None) -> list[KubeObject]:
        """Return all objects of a kind, by namespace and name, however many pages they fill.

        Args:
            ref: kind and namespace; `*` is everywhere.
            selector: of labels.
            fields: a field selector.
        """
        query: dict[str, Any] = {"labelSelector": selector, "fieldSelector": fields, "limit": _PAGE}
        found: list[KubeObject] = []
        path, subject = self.path(ref), f"list of the kind {ref.kind.name}"
        while True:
            page = self.connection.call("GET", path, query=query, subject=subject).json()
            found += [KubeObject.of(one, *ref.kind) for one in page.get("items") or []]
            query["continue"] = (page.get("metadata") or {}).get("continue") or None
            if query["continue"] is None:
                return sorted(found, key=lambda one: (one["metadata"].get("namespace", ""), one.name))

    def apply(self, ref: Ref, body: Mapping[str, Any], *, dry_run: bool, force: bool) -> str:
        """Apply an object on the server's side, and return what that did: `created`, `configured` or `unchanged`."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        query |= ({"dryRun": "All"} if dry_run else {}) | ({"force": "true"} if force else {})
        before = self.find(ref)
        if ref.kind.name == projects.NAMESPACE and self.projects:
            if before is None:
                self.projects.ask(ref.name, dry_run=dry_run)
            if before is None or not projects.has_more(body, before):
                return "unchanged" if before else "created"
        answer = self.connection.call(
            "PATCH",
            self.path(ref),
            body=body,
            query=query,
            subject=str(ref),
            secrets=secret_values(body),
            content_type="application/apply-patch+yaml",
        )
        if before is None or answer.status == 201:
            return "created"
        after = KubeObject.of(answer.json(), *ref.kind)
        return "unchanged" if _content(before) == _content(after) else "configured"

    def delete(self, ref: Ref, *, foreground: bool) -> str:
        """Delete an object, and return the uid that it had; empty when there was none.

        Args:
            ref: where it is.
            foreground: it goes after what belongs to it: when it is gone, its pods are.
        """
        if ref.kind.name == projects.NAMESPACE and self.projects:
            return self.projects.remove(ref.name)
        options = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options["propagationPolicy"] = "Foreground" if foreground else "Background"
        try:
            told = self.connection.call("DELETE", self.path(ref), body=options, subject=str(ref)).json()
        except NotFound:
            return ""
        return told.get("metadata", {}).get("uid") or told.get("details", {}).get("uid") or "unknown"

    def ask(self, version: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a question that is answered and forgotten, and return the answer's status.

        Args:
            version: group and version, e.g. `authorization.k8s.io/v1`.
            kind: e.g. `SelfSubjectAccessReview`.
            spec: the question.
        """
        body = {"apiVersion": version, "kind": kind, "spec": spec}
        answer = self.connection.call("POST", f"/apis/{version}/{kind.lower()}s", body=body, subject=f"a {kind}")
        return answer.json().get("status") or {}


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what people have written into an object."""
    meta = {name: value for name, value in body["metadata"].items() if name not in _BOOKKEEPING}
    return {name: value for name, value in body.items() if name not in ("status", "metadata")} | {"metadata": meta}
