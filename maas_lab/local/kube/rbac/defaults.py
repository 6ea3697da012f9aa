"""The roles that every cluster has, and who has them: what is written here is made when a cluster begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from maas_lab.local.kube.kinds import ALL, KINDS, READ, STATUS, Kind
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.rbac import rules
from maas_lab.local.kube.rbac.authorizer import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, EVERYTHING, GROUP
from maas_lab.local.kube.rbac.rules import Rule
from maas_lab.local.kube.store import Object

WRITE = tuple(verb for verb in ALL if verb not in READ)
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_SECRET = ("Secret",)  # whoever may only view, sees no passwords
_LIMITS = ("ResourceQuota", "LimitRange")  # whoever is limited does not set the limits
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_PUBLIC)
_AUTHENTICATED, _ANYBODY = "system:authenticated", "system:unauthenticated"


def cluster_roles() -> dict[str, tuple[Rule, ...]]:
    """Return the rules of each ClusterRole that a cluster begins with."""
    kinds = [kind for kind in KINDS if kind.namespaced and kind.group != GROUP and not _is_asked(kind)]
    shown = [kind for kind in kinds if kind.kind not in _SECRET]
    view = (*_rules(shown, READ), *_parts(shown, READ, "log", "scale", STATUS), *_view_of_namespaces())
    edit = (
        *_rules([kind for kind in kinds if kind.kind in _SECRET], READ),
        *_rules([kind for kind in kinds if kind.kind not in _LIMITS], WRITE),
        *_parts(kinds, ("patch", "update"), "scale"),
        _rule("", ("serviceaccounts/token",), ("create",)),
    )
    admin = (
        _rule(GROUP, ("roles", "rolebindings"), ALL),
        _rule("authorization.k8s.io", ("localsubjectaccessreviews",), ("create",)),
        _rule("project.openshift.io", ("projects",), ("delete",)),
    )
    asks = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
    return {
        "cluster-admin": EVERYTHING,
        "admin": (*view, *edit, *admin),
        "edit": (*view, *edit),
        "view": view,
        "basic-user": (
            {**_rule("user.openshift.io", ("users",), ("get",)), "resourceNames": ["~"]},
            _rule("project.openshift.io", ("projects",), ("list", "watch")),
            _rule("authorization.k8s.io", asks, ("create",)),
        ),
        "self-provisioner": (_rule("project.openshift.io", ("projectrequests",), ("create",)),),
        "system:basic-user": (
            _rule("authorization.k8s.io", asks, ("create",)),
            _rule("authentication.k8s.io", ("selfsubjectreviews",), ("create",)),
        ),
        "system:discovery": ({"nonResourceURLs": list(_DISCOVERY), "verbs": ["get"]},),
        "system:public-info-viewer": ({"nonResourceURLs": list(_PUBLIC), "verbs": ["get"]},),
    }


BINDINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cluster-admin": ("cluster-admin", ("system:masters",)),
    "basic-users": ("basic-user", (_AUTHENTICATED,)),
    "self-provisioners": ("self-provisioner", ("system:authenticated:oauth",)),
    "system:basic-user": ("system:basic-user", (_AUTHENTICATED,)),
    "system:discovery": ("system:discovery", (_AUTHENTICATED,)),
    "system:public-info-viewer": ("system:public-info-viewer", (_AUTHENTICATED, _ANYBODY)),
}


def ensure(objects: Objects) -> None:
    """Make the roles and bindings that are missing, and add rules that a role of before lacks.

    A role or binding whose annotation `rbac.authorization.kubernetes.io/autoupdate` is `false` stays as it is.
    """
    for name, wanted in cluster_roles().items():
        _ensure_role(objects, name, wanted)
    for name, (role, groups) in BINDINGS.items():
        if objects.store.get(CLUSTER_ROLE_BINDING, "", name) is None:
            body = {
                "metadata": _metadata(name),
                "roleRef": {"apiGroup": GROUP, "kind": CLUSTER_ROLE.kind, "name": role},
                "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": one} for one in groups],
            }
            objects.create(Target(CLUSTER_ROLE_BINDING), body, _OPTIONS)


_OPTIONS = WriteOptions(manager="kube-apiserver")


def _ensure_role(objects: Objects, name: str, wanted: tuple[Rule, ...]) -> None:
    role = objects.store.get(CLUSTER_ROLE, "", name)
    if role is None:
        body = {"metadata": _metadata(name), "rules": [dict(one) for one in wanted]}
        objects.create(Target(CLUSTER_ROLE), body, _OPTIONS)
        return
    annotations = role["metadata"].get("annotations") or {}
    lacks = rules.missing(role.get("rules") or (), wanted)
    if lacks and annotations.get(AUTOUPDATE) == "true":
        body = {**role, "rules": [*(role.get("rules") or ()), *lacks]}
        objects.update(Target(CLUSTER_ROLE, "", name), body, _OPTIONS)


def _metadata(name: str) -> Object:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    return {"name": name, "labels": labels, "annotations": {AUTOUPDATE: "true"}}


def _is_asked(kind: Kind) -> bool:
    """Tell whether a kind is a question, which is no object of its namespace."""
    return kind.verbs == ("create",)


def _rules(kinds: Iterable[Kind], verbs: tuple[str, ...]) -> Iterator[Rule]:
    """Yield one rule for the kinds of an API group that have the same of these verbs."""
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for kind in kinds:
        if given := tuple(verb for verb in verbs if verb in kind.verbs):
            together.setdefault((kind.group, given), []).append(kind.plural)
    for (group, given), plurals in together.items():
        yield _rule(group, plurals, given)


def _parts(kinds: Iterable[Kind], verbs: tuple[str, ...], *parts: str) -> Iterator[Rule]:
    together: dict[str, list[str]] = {}
    for kind in kinds:
        together.setdefault(kind.group, []).extend(
            f"{kind.plural}/{part}" for part in parts if part in kind.subresources
        )
    for group, resources in together.items():
        if resources:
            yield _rule(group, resources, verbs)


def _view_of_namespaces() -> tuple[Rule, ...]:
    return _rule("", ("namespaces",), READ), _rule("project.openshift.io", ("projects",), ("get",))


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str]) -> Rule:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources)}
