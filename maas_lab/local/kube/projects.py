"""OpenShift's projects: namespaces as those see them who may enter them, and new ones for the asking."""

from __future__ import annotations

from maas_lab.local.kube.kinds import Kind, of
from maas_lab.local.kube.lifecycle import NAMESPACE, Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.rbac.authorizer import CLUSTER_ROLE, GROUP, ROLE_BINDING, Authorizer
from maas_lab.local.kube.rbac.rules import Asked
from maas_lab.local.kube.status import ApiError, already_exists, forbidden
from maas_lab.local.kube.store import Key, Object
from maas_lab.local.kube.users import User

PROJECT = of("project.openshift.io/v1", "Project")
TOLD = {"displayName": "openshift.io/display-name", "description": "openshift.io/description"}
REQUESTER = "openshift.io/requester"
_RESERVED = ("openshift", "kubernetes", "kube", "default")  # the cluster's own: nobody may be given one of these
_CONFLICT = 409


def shown(namespace: Object) -> Object:
    """Return a namespace as the project that OpenShift shows."""
    metadata = {name: value for name, value in namespace["metadata"].items() if name != "managedFields"}
    told = {"kind": PROJECT.kind, "apiVersion": PROJECT.api_version, "metadata": metadata}
    return {**told, "spec": namespace.get("spec", {}), "status": namespace.get("status", {})}


class Projects:
    """The projects of one cluster.

    Args:
        objects: the writes of the API.
        authorizer: knows who may enter which.
    """

    def __init__(self, objects: Objects, authorizer: Authorizer) -> None:
        self._objects, self._authorizer = objects, authorizer

    def seen_by(self, user: User) -> list[tuple[Key, Object]]:
        """Return the projects whose namespaces somebody may look at."""
        found = self._objects.store.list(NAMESPACE)
        return [(key, shown(obj)) for key, obj, _ in found if self._sees(user, key.name)]

    def request(self, user: User, kind: Kind, request: Object, options: WriteOptions) -> Object:
        """Make a namespace for somebody, give them its role `admin`, and return it as a project.

        Args:
            user: who asks.
            kind: of the request.
            request: a ProjectRequest.
            options: of the write; whether somebody may ask at all has been found out before.

        Raises:
            ApiError: 403, the name is the cluster's own; 409, it is taken; 422, it is none.
        """
        name, given = request["metadata"].get("name", ""), request
        for prefix in _RESERVED:
            if name == prefix or name.startswith(f"{prefix}-"):
                raise forbidden(kind, name, f'cannot request a project starting with "{prefix}-"')
        annotations = {key: given[field] for field, key in TOLD.items() if isinstance(given.get(field), str)}
        body = {"metadata": {"name": name, "annotations": {**annotations, REQUESTER: user.name}}}
        # The cluster itself does this for them: it asks for no right to namespaces.
        own = WriteOptions(dry_run=options.dry_run, manager="openshift-apiserver")
        try:
            made = self._objects.create(Target(NAMESPACE), body, own).object
        except ApiError as error:
            if error.code == _CONFLICT:
                raise already_exists(PROJECT, name) from error
            raise
        if not options.dry_run:
            self._objects.create(Target(ROLE_BINDING, name), _binding(user), own)
        return shown(made)

    def _sees(self, user: User, namespace: str) -> bool:
        asked = Asked("get", NAMESPACE.group, NAMESPACE.plural, namespace=namespace, name=namespace)
        return self._authorizer.decide(user, asked).allowed


def _binding(user: User) -> Object:
    return {
        "metadata": {"name": "admin"},
        "roleRef": {"apiGroup": GROUP, "kind": CLUSTER_ROLE.kind, "name": "admin"},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user.name}],
    }
