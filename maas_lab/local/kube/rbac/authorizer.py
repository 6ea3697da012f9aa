"""Decide who may do what, from the roles and bindings that the store holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from maas_lab.local.kube.kinds import Kind, of
from maas_lab.local.kube.rbac.rules import Asked, Rule, allows
from maas_lab.local.kube.status import ApiError, forbidden
from maas_lab.local.kube.store import Change, Object, Store
from maas_lab.local.kube.users import User

GROUP = "rbac.authorization.k8s.io"
ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING = (
    of(f"{GROUP}/v1", kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
)
EVERYTHING: tuple[Rule, ...] = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)


class Decision(NamedTuple):
    """The answer to a request; the reason is empty where there is none to tell."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class Given:
    """What a binding gives: the rules of its role, or the name of a role that there is not."""

    rules: tuple[Rule, ...]
    reason: str
    missing: str = ""


class Authorizer:
    """Answers from roles and bindings; `system:masters` may do everything.

    Args:
        store: whose roles and bindings count, as they are at the moment of the question.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bindings: dict[str, list[Object]] | None = None
        store.listeners.append(self._note)

    def decide(self, user: User, asked: Asked) -> Decision:
        """Tell whether somebody may do something, and why."""
        if user.is_admin:
            return Decision(True)
        absent = []
        for given in self._given(user, asked.namespace):
            if given.missing:
                absent.append(given.missing)
            if any(allows(rule, asked) for rule in given.rules):
                return Decision(True, given.reason)
        return Decision(False, f"RBAC: {_list(absent)}" if absent else "")

    def check(self, user: User, asked: Asked, kind: Kind) -> None:
        """Insist on a right to objects.

        Args:
            user: who wants to.
            asked: what.
            kind: of the objects.

        Raises:
            ApiError: 403.
        """
        decision = self.decide(user, asked)
        if decision.allowed:
            return
        where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
        what = f'cannot {asked.verb} resource "{asked.whole}" in API group "{kind.group}" {where}'
        raise forbidden(kind, asked.name, f'User "{user.name}" {what}' + _because(decision))

    def check_path(self, user: User, asked: Asked) -> None:
        """Insist on the right to a path that is no object.

        Raises:
            ApiError: 403.
        """
        decision = self.decide(user, asked)
        if not decision.allowed:
            told = f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"'
            raise ApiError(403, "Forbidden", told + _because(decision), {})

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """Return all rules that somebody has in a namespace, those for the whole cluster first."""
        own = list(EVERYTHING) if user.is_admin else []
        return own + [rule for given in self._given(user, namespace) for rule in given.rules if rule not in own]

    def role_rules(self, ref: Object, namespace: str) -> list[Rule] | None:
        """Return the rules of the role that a binding names, None if there is no such role."""
        name = ref.get("name", "")
        if ref.get("kind") == ROLE.kind:
            role = self._store.get(ROLE, namespace, name)
        else:
            role = self._store.get(CLUSTER_ROLE, "", name)
        return None if role is None else role.get("rules") or []

    def _given(self, user: User, namespace: str) -> Iterator[Given]:
        for place in dict.fromkeys(("", namespace)):
            for binding in self._all_bindings().get(place, ()):
                subject = next((one for one in binding.get("subjects") or () if _is(one, user, place)), None)
                if subject is not None:
                    yield self._gives(binding, subject, place)

    def _gives(self, binding: Object, subject: Object, namespace: str) -> Given:
        ref, name = binding["roleRef"], binding["metadata"]["name"]
        rules = self.role_rules(ref, namespace)
        if rules is None:
            return Given((), "", f'{ref["kind"].lower()}.{GROUP} "{ref["name"]}" not found')
        who = subject["name"]
        if subject["kind"] == "ServiceAccount":
            who = f"{who}/{subject.get('namespace') or namespace}"
        whole = f"{name}/{namespace}" if namespace else name
        told = f'{binding["kind"]} "{whole}" of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{who}"'
        return Given(tuple(rules), f"RBAC: allowed by {told}")

    def _all_bindings(self) -> dict[str, list[Object]]:
        """Return the bindings of each namespace, those for the whole cluster under an empty name."""
        if self._bindings is None:
            self._bindings = {}
            for kind in (CLUSTER_ROLE_BINDING, ROLE_BINDING):
                for key, obj, _ in self._store.list(kind):
                    self._bindings.setdefault(key.namespace, []).append(obj)
        return self._bindings

    def _note(self, change: Change) -> None:
        if change.key.resource in (ROLE_BINDING.resource, CLUSTER_ROLE_BINDING.resource):
            self._bindings = None


def _is(subject: Object, user: User, namespace: str) -> bool:
    """Tell whether a binding in a namespace means somebody."""
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return name == user.name
        case "Group":
            return name in user.groups
        case "ServiceAccount":
            place = subject.get("namespace") or namespace
            return bool(place) and user.name == f"system:serviceaccount:{place}:{name}"
    return False


def _because(decision: Decision) -> str:
    return f": {decision.reason}" if decision.reason else ""


def _list(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
