"""Find what a path is about."""

from __future__ import annotations

from collections.abc import Mapping

from maas_lab.local.kube.kinds import KINDS, Kind, find, part_verbs
from maas_lab.local.kube.lifecycle import NAMESPACE, Target
from maas_lab.local.kube.rbac.rules import Asked
from maas_lab.local.kube.status import ApiError, method_not_allowed, no_such_resource

NOT_FOUND = "the server could not find the requested resource"
UNSERVED_PARTS = {
    "attach": "no terminal can be attached to a local process",
    "exec": "commands cannot be run inside a local process",
    "portforward": "a local process listens on this machine already; no forwarding is needed",
    "proxy": "local processes are reached directly",
    "eviction": "pods are deleted, not evicted",
    "ephemeralcontainers": "a local process has no containers to add to",
    "resize": "pods are replaced, not resized",
    "binding": "the local scheduler alone places pods",
    "finalize": "the cluster itself finishes namespaces",
}
BY_METHOD = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def is_resource(path: str) -> bool:
    """Tell whether a path is below a version of a group, where objects are."""
    parts = _parts(path)
    return (parts[:1] == ["api"] and len(parts) > 2) or (parts[:1] == ["apis"] and len(parts) > 3)


def target(path: str) -> Target:
    """Return what a path is about.

    Raises:
        ApiError: 404, nothing is served there.
    """
    parts = _parts(path)
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    if (
        rest[0] == "namespaces"
        and len(rest) > 2
        and not (not group and rest[2] in (*NAMESPACE.subresources, "finalize"))
    ):
        return _found(group, version, rest[1], rest[2:])
    return _found(group, version, "", rest)


def verb(method: str, about: Target, *, watch: bool) -> str:
    """Return what a method does to a target.

    Raises:
        ApiError: 405, that cannot be done.
    """
    if method in ("GET", "HEAD"):
        name = "get" if about.name else "watch" if watch else "list"
    elif method == "DELETE":
        name = "delete" if about.name else "deletecollection"
    else:
        name = BY_METHOD.get(method, "")
    if name not in _verbs(about):
        raise method_not_allowed()
    return name


def asked(about: Target, verb: str, query: Mapping[str, str]) -> Asked:
    """Return what must be allowed for a request; what is asked of one namespace must be allowed in it."""
    name = about.name or _selected(query.get("fieldSelector", ""))
    is_namespace = about.kind.plural in ("namespaces", "projects")
    place = about.name if is_namespace else about.namespace
    return Asked(verb, about.kind.group, about.kind.plural, about.part, place, name)


def _selected(fields: str) -> str:
    """Return the name of the only object that a field selector can fit, empty where it may be any."""
    for term in fields.split(","):
        path, sign, value = term.strip().partition("=")
        if path == "metadata.name" and sign:
            return value.removeprefix("=")
    return ""


def _verbs(about: Target) -> tuple[str, ...]:
    """Return what can be done at a path."""
    if about.part:
        return part_verbs(about.part)
    single = ("get", "update", "patch", "delete") if about.name else ("list", "watch", "create", "deletecollection")
    verbs = [one for one in about.kind.verbs if one in single]
    if about.kind.namespaced and not about.namespace:
        verbs = [one for one in verbs if one in ("list", "watch", "deletecollection")]
    return tuple(verbs)


def _found(group: str, version: str, namespace: str, rest: list[str]) -> Target:
    kind = find(group, version, rest[0])
    if kind is None:
        raise _unserved(group, version, rest[0])
    if kind.namespaced != bool(namespace) and not (kind.namespaced and len(rest) == 1):
        raise no_such_resource()
    if len(rest) > 3 or (len(rest) == 3 and rest[2] not in kind.subresources):
        raise _unserved_part(kind, rest[2])
    return Target(kind, namespace, *rest[1:])


def _unserved(group: str, version: str, plural: str) -> ApiError:
    """Say that the closed surface ends here, and where the kind is served instead, if anywhere."""
    other = next((one for one in KINDS if one.plural == plural), None)
    where = f"{group}/{version}" if group else version
    if other is not None:
        return no_such_resource(f'{NOT_FOUND} (the local lab serves "{plural}" in {other.api_version}, not in {where})')
    hint = "`kubectl api-resources` lists what the local lab serves"
    return no_such_resource(f'{NOT_FOUND} (the local lab has no "{plural}" in {where}; {hint})')


def _unserved_part(kind: Kind, part: str) -> ApiError:
    if why := UNSERVED_PARTS.get(part):
        return no_such_resource(f'{NOT_FOUND} (the local lab has no "{kind.plural}/{part}": {why})')
    return no_such_resource()


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")
