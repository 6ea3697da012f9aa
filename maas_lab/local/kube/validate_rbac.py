"""Check roles and bindings, in the words of the API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maas_lab.local.kube import syntax
from maas_lab.local.kube.status import Cause

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
_FORBIDDEN_PARTS = ("/", "%")


def path_segment(text: str) -> list[str]:
    """Return what is wrong with a name of a role or a binding, which may hold more than other names."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{one}'" for one in _FORBIDDEN_PARTS if one in text]


def role(obj: Object) -> Iterator[Cause]:
    """Check a Role."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]", is_namespaced=True)


def cluster_role(obj: Object) -> Iterator[Cause]:
    """Check a ClusterRole."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]", is_namespaced=False)
    made_of = obj.get("aggregationRule")
    if made_of is not None and not made_of.get("clusterRoleSelectors"):
        why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield syntax.required("aggregationRule.clusterRoleSelectors", why)


def role_binding(obj: Object) -> Iterator[Cause]:
    """Check a RoleBinding."""
    yield from _reference(obj.get("roleRef") or {}, ("Role", "ClusterRole"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", is_namespaced=True)


def cluster_role_binding(obj: Object) -> Iterator[Cause]:
    """Check a ClusterRoleBinding."""
    yield from _reference(obj.get("roleRef") or {}, ("ClusterRole",))
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", is_namespaced=False)


def binding_changes(new: Object, old: Object) -> Iterator[Cause]:
    """Check that a binding is still one of the same role."""
    if new.get("roleRef") != old.get("roleRef"):
        yield syntax.invalid("roleRef", new.get("roleRef"), "cannot change roleRef")


def _rule(rule: Object, field: str, *, is_namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield syntax.required(f"{field}.verbs", "verbs must contain at least one value")
    if paths := rule.get("nonResourceURLs"):
        if is_namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
            yield syntax.invalid(f"{field}.nonResourceURLs", paths, why)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield syntax.invalid(f"{field}.nonResourceURLs", paths, why)
        return
    if not rule.get("apiGroups"):
        yield syntax.required(f"{field}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield syntax.required(f"{field}.resources", "resource rules must supply at least one resource")


def _reference(ref: Object, kinds: tuple[str, ...]) -> Iterator[Cause]:
    yield from syntax.one_of("roleRef.apiGroup", ref.get("apiGroup", ""), (GROUP,))
    yield from syntax.one_of("roleRef.kind", ref.get("kind", ""), kinds)
    if name := ref.get("name"):
        yield from syntax.all_invalid("roleRef.name", name, path_segment(name))
    else:
        yield syntax.required("roleRef.name")


def _subject(subject: Object, field: str, *, is_namespaced: bool) -> Iterator[Cause]:
    name, group = subject.get("name", ""), subject.get("apiGroup", "")
    if not name:
        yield syntax.required(f"{field}.name")
    if subject.get("kind") == "ServiceAccount":
        if name:
            yield from syntax.all_invalid(f"{field}.name", name, syntax.subdomain(name))
        yield from syntax.one_of(f"{field}.apiGroup", group, ("",))
        if not is_namespaced and not subject.get("namespace"):
            yield syntax.required(f"{field}.namespace")
    elif subject.get("kind") in ("User", "Group"):
        yield from syntax.one_of(f"{field}.apiGroup", group, (GROUP,))
    else:
        yield syntax.unsupported(f"{field}.kind", subject.get("kind", ""), ("ServiceAccount", "User", "Group"))
