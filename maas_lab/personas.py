"""What each persona of the course may do on a cluster, and the RoleBinding to ask for where a right is missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any

import yaml

from maas_lab.access import own_namespace
from maas_lab.api import EVERYWHERE
from maas_lab.cluster import Cluster
from maas_lab.errors import UsageError
from maas_lab.rights import PROVIDER, Rule
from maas_lab.statuses import grant
from maas_lab.tables import Permission, Table, Text

ROLE = "maas-lab"  # the name of a Role begins with this
LESSONS = ("01", "02", "05", "06")  # those that make a namespace of their own, in the part of a provider
FOLLOWS = "02"  # the one whose platform follows Git
_RBAC = "rbac.authorization.k8s.io"
CONNECTING = "everybody"  # what `connect()` takes
# What the lessons do: everybody connects; a consumer reads a log once; an accountant asks model server and database.
# Providers also find out what nodes offer, what pods use, and who stands behind a Service.
EVERYBODY = ("get configmaps", "get secrets", "get routes.route.openshift.io")
CONSUMER = ("get deployments.apps", "list pods", "get pods/log")
ACCOUNTANT = (
    "get inferenceservices.serving.kserve.io",
    "get servingruntimes.serving.kserve.io",
    "list endpointslices.discovery.k8s.io",
)
PROVIDES = (
    *PROVIDER,
    # What is not there yet, an apply creates; and everything that is deployed brings an account.
    *(f"create {rule.partition(' ')[2]}" for rule in PROVIDER if rule.startswith("patch ")),
    *(f"{verb} serviceaccounts" for verb in ("get", "create", "patch", "delete")),
    "get pods",
    "list inferenceservices.serving.kserve.io",
    "list endpointslices.discovery.k8s.io",
    "list pods.metrics.k8s.io",
    "delete namespaces",
    "list nodes",
    *(f"{verb} applications.argoproj.io" for verb in ("get", "create", "patch", "delete")),
)
# Who makes a class does besides, in any namespace, all that the lessons do.
INSTRUCTOR = (
    *dict.fromkeys((*EVERYBODY, *PROVIDES, *CONSUMER, *ACCOUNTANT)),
    *(f"{verb} namespaces" for verb in ("get", "list", "patch")),
    "create serviceaccounts/token",
    "list resourcequotas",
    "create projectrequests.project.openshift.io",
    *(
        f"{verb} {resource}"
        for resource in (
            "appprojects.argoproj.io",
            "jobs.batch",
            "clusterresourcequotas.quota.openshift.io",
            *(f"{one}.{_RBAC}" for one in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
        )
        for verb in ("get", "list", "create", "patch", "delete")
    ),
)
COURSE = {CONNECTING: EVERYBODY, "provider": PROVIDES, "consumer": CONSUMER, "accountant": ACCOUNTANT}
_ASKED = {**COURSE, "instructor": INSTRUCTOR}
PERSONAS = tuple(COURSE)


@dataclass(frozen=True)
class Right:
    """What a persona does with some kinds of objects, and whether the connected user may.

    Attributes:
        persona: who does it in the lessons.
        verbs: e.g. `get`, `patch`.
        resources: plurals with their API groups.
        namespace: where; `the whole cluster` where it is in none, `maas-lab-{01,02}-alice` where it is in several.
        allowed: the cluster's own answer.
        permissions: the answers one by one, with the commands that give missing rights.
    """

    persona: str
    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    namespace: str
    allowed: bool
    permissions: tuple[Permission, ...] = field(repr=False)


class Rights(Table[Right]):
    """The rights of one user, persona by persona."""

    def __init__(self, rows: Iterable[Right], user: str) -> None:
        super().__init__(Right, list(rows))
        self.user = user

    @property
    def missing(self) -> list[Permission]:
        """The rights that the user lacks."""
        return [one for row in self if not row.allowed for one in row.permissions]

    def to_ask(self) -> Text:
        """Return what to send to an administrator: for each namespace a command, and a file that gives no more."""
        if not self.missing:
            return Text("nothing is missing: there is no RoleBinding to ask for")
        return _requests(self.missing, self.user)

    def request_for(self, user: str, persona: str) -> Text:
        """Return what gives somebody all rights of a persona, whatever they have already.

        Args:
            user: as the cluster knows them.
            persona: one of the first column.

        Raises:
            UsageError: there is no such persona.
        """
        wanted = [one for row in self if row.persona == persona for one in row.permissions]
        if not wanted:
            hint = f"there are: {', '.join(dict.fromkeys(row.persona for row in self))}"
            raise UsageError(f"there is no persona {persona!r}", hint=hint)
        theirs = dict(zip(_own_namespaces(self.user), _own_namespaces(user), strict=True))
        return _requests([replace(one, namespace=theirs.get(one.namespace, one.namespace)) for one in wanted], user)


def rights(cluster: Cluster, namespace: str, personas: Iterable[str] = PERSONAS) -> Rights:
    """Ask the cluster what the connected user may do of all that the lessons do.

    Args:
        cluster: as one user of it.
        namespace: of the platform.
        personas: whose part of it; all who take part in the lessons, when left out. There is also `instructor`.
    """
    user = cluster.whoami()
    rows: list[Right] = []
    for persona in personas:
        places = {"provider": _own_namespaces(user), "instructor": [EVERYWHERE]}.get(persona, [namespace])
        asked = partial(cluster.permissions, _ASKED[persona])
        with ThreadPoolExecutor(len(places)) as threads:  # more than a hundred questions, each a way there and back
            found = [one for answers in threads.map(asked, places) for one in answers]
        rows += _together(_rows(persona, dict.fromkeys(found)), user)
    return Rights(rows, user)


def _own_namespaces(user: str) -> list[str]:
    return [own_namespace(f"{ROLE}-{lesson}", user) for lesson in LESSONS]


def binding(permissions: Iterable[Permission], user: str, namespace: str) -> list[dict[str, Any]]:
    """Return a role with these rights and no more, and the object that gives it to a user.

    Args:
        permissions: all of one namespace, or all of the whole cluster.
        user: as the cluster knows them; a service account is `system:serviceaccount:NAMESPACE:NAME`.
        namespace: where; empty means the whole cluster.
    """
    prefix = "" if namespace else "Cluster"
    rules = _rules(permissions)
    # Another request of the same user must not replace what this one has given.
    digest = hashlib.sha256(json.dumps(rules).encode()).hexdigest()[:5]
    name = own_namespace(f"{ROLE}-{digest}", user)
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    head = {"apiVersion": f"{_RBAC}/v1"}
    return [
        {**head, "kind": f"{prefix}Role", "metadata": metadata, "rules": rules},
        {
            **head,
            "kind": f"{prefix}RoleBinding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": _RBAC, "kind": f"{prefix}Role", "name": name},
            "subjects": [_subject(user)],
        },
    ]


def _requests(permissions: list[Permission], user: str) -> Text:
    places = dict.fromkeys(one.namespace for one in permissions)
    requests = [_request([one for one in permissions if one.namespace == place], user, place) for place in places]
    return Text("---\n".join(requests).rstrip("\n"))


def _request(permissions: list[Permission], user: str, namespace: str) -> str:
    """Return one request: comments for people, and objects for `oc apply`."""
    where = f"in the namespace {namespace}" if namespace else "in the whole cluster"
    objects = binding(permissions, user, namespace)
    wanted = [f"#   {', '.join(one['verbs'])}: {', '.join(one['resources'])}" for one in objects[0]["rules"]]
    told = [f"# {user} needs, {where}:", *wanted]
    if namespace:
        told.append("# An administrator of OpenShift gives that, and more, with a role that is there already:")
        # Whoever may edit may view, and that command comes first in the alphabet.
        commands = [
            grant(one.verb, Rule.read(f"{one.verb} {one.resource}").resource, user, namespace) for one in permissions
        ]
        told.append(f"#   {min(commands)}")
    if namespace in _own_namespaces(user):
        objects.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    told.append("# Exactly that and no more: save these lines as rights.yaml, and `oc apply -f rights.yaml`.")
    return "\n".join(told) + "\n" + yaml.safe_dump_all(objects, sort_keys=False, default_flow_style=None, width=120)


def _subject(user: str) -> dict[str, str]:
    match user.split(":"):
        case ["system", "serviceaccount", namespace, name]:
            return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": _RBAC, "kind": "User", "name": user}


def _rules(permissions: Iterable[Permission]) -> list[dict[str, list[str]]]:
    """Return one rule for all resources of an API group that have the same verbs."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for one in permissions:
        rule = Rule.read(f"{one.verb} {one.resource}")
        resource = f"{rule.resource}/{rule.part}" if rule.part else rule.resource
        verbs.setdefault((rule.group, resource), []).append(rule.verb)
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), given in verbs.items():
        together.setdefault((group, tuple(given)), []).append(resource)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(given)}
        for (group, given), resources in together.items()
    ]


def _rows(persona: str, permissions: Iterable[Permission]) -> Iterator[Right]:
    """Gather the answers: first the verbs of each resource, then the resources with the same verbs."""
    ordered = sorted(permissions, key=lambda one: (one.namespace == "", not one.allowed))
    for (namespace, allowed), found in groupby(ordered, key=lambda one: (one.namespace, one.allowed)):
        given = list(found)
        verbs: dict[str, tuple[str, ...]] = {}
        for one in given:
            verbs[one.resource] = (*verbs.get(one.resource, ()), one.verb)
        for same in dict.fromkeys(verbs.values()):
            resources = tuple(resource for resource, some in verbs.items() if some == same)
            where = namespace or "the whole cluster"
            these = tuple(one for one in given if one.resource in resources)
            yield Right(persona, same, resources, where, allowed, these)


def _together(rows: Iterable[Right], user: str) -> Iterator[Right]:
    """Make one row of those that say the same of several namespaces of one's own."""
    same: dict[tuple[Any, ...], list[Right]] = {}
    for row in rows:
        same.setdefault((row.verbs, row.resources, row.allowed), []).append(row)
    for found in same.values():
        permissions = tuple(one for row in found for one in row.permissions)
        yield replace(found[0], namespace=_place([row.namespace for row in found], user), permissions=permissions)


def _place(namespaces: list[str], user: str) -> str:
    if len(namespaces) == 1:
        return namespaces[0]
    lessons = [lesson for lesson, own in zip(LESSONS, _own_namespaces(user), strict=True) if own in namespaces]
    return own_namespace(f"{ROLE}-{{{','.join(lessons)}}}", user)
