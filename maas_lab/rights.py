"""What the user may do, asked of the cluster itself before a lesson needs it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from maas_lab.access import own_namespace
from maas_lab.api import EVERYWHERE, Api
from maas_lab.errors import NotAllowed, NotFound, UsageError
from maas_lab.kinds import CLUSTER_WIDE, plural
from maas_lab.statuses import grant
from maas_lab.tables import Permission, Table

_CLUSTER_WIDE = frozenset(map(plural, CLUSTER_WIDE))
_BY_PROJECT = {("namespaces", verb) for verb in ("create", "delete")}  # what asking for a project stands for
# What a provider does in the lessons.
_PROVIDED = (
    "deployments.apps",
    "statefulsets.apps",
    "services",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "routes.route.openshift.io",
    "servingruntimes.serving.kserve.io",
    "inferenceservices.serving.kserve.io",
)
PROVIDER = (
    *(f"{verb} {resource}" for resource in _PROVIDED for verb in ("get", "patch", "delete")),
    "list pods",
    "get pods/log",
    "list events",
    "create namespaces",
)


class Rule(NamedTuple):
    """A verb on a kind of objects; `part` is a subresource, e.g. `log`."""

    verb: str
    resource: str
    group: str
    part: str

    @classmethod
    def read(cls, text: str) -> Rule:
        """Read `verb resource[.group][/part]`, e.g. `patch deployments.apps`, `get pods/log`.

        Raises:
            UsageError: it does not look like that.
        """
        words = text.split()
        if len(words) != 2:
            raise UsageError(f"`{text}` is no right", hint="write a verb and a plural, e.g. `patch deployments.apps`")
        whole, _, part = words[1].partition("/")
        resource, _, group = whole.partition(".")
        return cls(words[0], resource, group, part)

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        return f"{self.resource}{group}" + (f"/{self.part}" if self.part else "")


def permissions(api: Api, rules: Iterable[str], namespace: str | None = None, name: str = "") -> Table[Permission]:
    """Ask the cluster for each rule whether the user may.

    Who may not make namespaces but may ask for projects has in their own what OpenShift's role `admin` gives: it counts
    as allowed before they have asked.

    Args:
        api: of the cluster.
        rules: as `Rule.read` takes them.
        namespace: where; `*` is the whole cluster.
        name: of the one object that is meant; all of the kind, when left out.
    """
    rows = Table(Permission)
    read, user, is_new = [Rule.read(text) for text in rules], "", False
    wanted = namespace or api.namespace
    if api.projects:
        user = whoami(api)
        is_new = wanted.endswith(own_namespace("", user)) and wanted not in api.projects.names()
    for rule in read:
        is_wide = rule.resource in _CLUSTER_WIDE
        where = "" if is_wide or namespace == EVERYWHERE else wanted
        by_project = (rule.resource, rule.verb) in _BY_PROJECT if is_wide else is_new
        allowed = (by_project and api.projects is not None) or _may(api, rule, where, name)
        user = user or ("" if allowed else whoami(api))
        ask = "" if allowed else grant(rule.verb, rule.resource, user, where)
        rows.append(Permission(rule.verb, str(rule), where, allowed, ask))
    return rows


def whoami(api: Api) -> str:
    """Return the user's name as the cluster knows it."""
    try:
        status = api.ask("authentication.k8s.io/v1", "SelfSubjectReview", {})
        return status["userInfo"]["username"]
    except (NotFound, NotAllowed):
        # Older than Kubernetes 1.28, or it does not tell: OpenShift has a way of its own.
        return _openshift_user(api)


def _openshift_user(api: Api) -> str:
    try:
        return api.connection.call("GET", "/apis/user.openshift.io/v1/users/~").json()["metadata"]["name"]
    except (NotFound, NotAllowed):
        return api.connection.user


def _may(api: Api, rule: Rule, namespace: str, name: str) -> bool:
    asked = {"verb": rule.verb, "resource": rule.resource, "group": rule.group, "subresource": rule.part}
    asked |= {"namespace": namespace, "name": name}
    spec = {"resourceAttributes": {part: value for part, value in asked.items() if value}}
    return bool(api.ask("authorization.k8s.io/v1", "SelfSubjectAccessReview", spec).get("allowed"))
