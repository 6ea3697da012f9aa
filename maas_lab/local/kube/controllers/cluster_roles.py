"""Fill the rules of a ClusterRole that is made of others, as its controller does."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.common import selects
from maas_lab.local.kube.rbac.authorizer import CLUSTER_ROLE
from maas_lab.local.kube.rbac.rules import Rule
from maas_lab.local.kube.store import Change, Key, Object


class ClusterRoles:
    """Keeps the rules of such roles equal to those of the roles that their selectors name.

    Args:
        client: reads and writes objects.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield all roles that are made of others, when any ClusterRole changes."""
        if change.key.resource == CLUSTER_ROLE.resource:
            for role in self._client.list(CLUSTER_ROLE):
                if role.get("aggregationRule"):
                    yield Key(CLUSTER_ROLE.resource, "", role["metadata"]["name"])

    def reconcile(self, key: Key) -> float | None:
        """Write the rules of one role if they are not as they must be."""
        role = self._client.get(CLUSTER_ROLE, "", key.name)
        if role is not None and role.get("aggregationRule"):
            rules = self._rules(role)
            if rules != (role.get("rules") or []):
                self._client.update(CLUSTER_ROLE, {**role, "rules": rules})
        return None

    def _rules(self, role: Object) -> list[Rule]:
        """Return the rules of all roles that the selectors name, each rule once, in the order of the roles' names."""
        wanted = role["aggregationRule"].get("clusterRoleSelectors") or ()
        found: list[Rule] = []
        for other in self._client.list(CLUSTER_ROLE):
            is_other = other["metadata"]["name"] != role["metadata"]["name"]
            if is_other and any(selects(one, other["metadata"].get("labels") or {}) for one in wanted):
                found += [rule for rule in other.get("rules") or () if rule not in found]
        return found
