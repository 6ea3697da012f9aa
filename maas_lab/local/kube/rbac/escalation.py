"""Let nobody write a role or a binding that gives more than they have themselves."""

from __future__ import annotations

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.rbac import rules
from maas_lab.local.kube.rbac.authorizer import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    EVERYTHING,
    ROLE,
    ROLE_BINDING,
    Authorizer,
)
from maas_lab.local.kube.rbac.rules import Asked, Rule
from maas_lab.local.kube.status import forbidden, not_found
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.users import User


class Guard:
    """Looks at what one user is about to write, after it has been found valid and before it is kept.

    Args:
        authorizer: knows what the user may.
        user: who writes.
    """

    def __init__(self, authorizer: Authorizer, user: User) -> None:
        self._authorizer, self._user = authorizer, user

    def __call__(self, kind: Kind, new: Object, old: Object | None) -> None:
        """Look at a new state of an object; without an old one it is to be created, by whatever verb.

        Raises:
            ApiError: 403.
        """
        if self._user.is_admin:
            return
        metadata = new["metadata"]
        namespace = metadata.get("namespace", "")
        if old is None:
            # A server-side apply patches what is there; what is not there it creates, which is another right.
            place = namespace or (metadata["name"] if kind.kind == "Namespace" else "")
            asked = Asked("create", kind.group, kind.plural, namespace=place, name=metadata["name"])
            self._authorizer.check(self._user, asked, kind)
        if kind in (ROLE, CLUSTER_ROLE):
            self._role(kind, new, old, namespace)
        elif kind in (ROLE_BINDING, CLUSTER_ROLE_BINDING):
            self._binding(kind, new, old, namespace)

    def _role(self, kind: Kind, new: Object, old: Object | None, namespace: str) -> None:
        if old is not None and _what(new) == _what(old):
            return
        name = new["metadata"]["name"]
        if self._may("escalate", kind, namespace, name):
            return
        wanted = EVERYTHING if new.get("aggregationRule") else new.get("rules") or ()
        self._insist(kind, name, wanted, namespace)

    def _binding(self, kind: Kind, new: Object, old: Object | None, namespace: str) -> None:
        if old is not None and new.get("subjects") == old.get("subjects"):
            return
        ref = new["roleRef"]
        role = ROLE if ref["kind"] == ROLE.kind else CLUSTER_ROLE
        if self._may("bind", role, namespace, ref["name"]):
            return
        wanted = self._authorizer.role_rules(ref, namespace)
        if wanted is None:
            raise not_found(role, ref["name"])
        self._insist(kind, new["metadata"]["name"], wanted, namespace)

    def _may(self, verb: str, kind: Kind, namespace: str, name: str) -> bool:
        asked = Asked(verb, kind.group, kind.plural, namespace=namespace, name=name)
        return self._authorizer.decide(self._user, asked).allowed

    def _insist(self, kind: Kind, name: str, wanted: list[Rule] | tuple[Rule, ...], namespace: str) -> None:
        left = rules.missing(self._authorizer.rules(self._user, namespace), wanted)
        if left:
            who = f'user "{self._user.name}" (groups={rules.quoted(self._user.groups)})'
            told = "\n".join(sorted({rules.shown(one) for one in left}))
            why = f"{who} is attempting to grant RBAC permissions not currently held:\n{told}"
            raise forbidden(kind, name, why)


def _what(role: Object) -> tuple[object, object]:
    return role.get("rules"), role.get("aggregationRule")
