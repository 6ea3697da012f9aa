"""Tell clients what there is: both forms of discovery, and the version."""

from __future__ import annotations

import hashlib
from typing import Any

from maas_lab.local.kube.kinds import KINDS, Kind, part_verbs

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+maas-lab-local",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
PART_KINDS = {"scale": ("autoscaling", "v1", "Scale"), "token": ("authentication.k8s.io", "v1", "TokenRequest")}


def groups() -> list[str]:
    """Return the names of the API groups, without the core group."""
    return list(dict.fromkeys(kind.group for kind in KINDS if kind.group))


def versions(group: str) -> list[str]:
    """Return the versions of a group, the preferred one first."""
    return list(dict.fromkeys(kind.version for kind in KINDS if kind.group == group))


def wants_aggregated(accept: str) -> bool:
    """Tell whether a client asks for everything in one answer."""
    return any("as=APIGroupDiscoveryList" in one and "v=v2" in one.split(";") for one in accept.split(","))


def etag(text: bytes) -> str:
    """Return a tag by which a client can tell that it knows this document."""
    return f'"{hashlib.sha256(text).hexdigest().upper()}"'


def aggregated(*, core: bool) -> dict[str, Any]:
    """Return all groups with all their kinds, or the core group with its."""
    names = [""] if core else groups()
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_group_discovery(name) for name in names],
    }


def api_versions(address: str) -> dict[str, Any]:
    """Return the versions of the core group."""
    told = {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [told]}


def group_list() -> dict[str, Any]:
    """Return all groups."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in groups()]}


def group(name: str) -> dict[str, Any] | None:
    """Return one group, None where there is none."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)} if name in groups() else None


def resource_list(group: str, version: str) -> dict[str, Any] | None:
    """Return the kinds of one version of a group, None where there is none."""
    kinds = [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]
    if not kinds:
        return None
    rows = [row for kind in sorted(kinds, key=lambda one: one.plural) for row in _rows(kind)]
    told = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": kinds[0].api_version, "resources": rows}
    return told if group else {name: value for name, value in told.items() if name != "apiVersion"}


def _group(name: str) -> dict[str, Any]:
    found = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions(name)]
    return {"name": name, "versions": found, "preferredVersion": found[0]}


def _rows(kind: Kind) -> list[dict[str, Any]]:
    row = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
    }
    rows = [{name: value for name, value in row.items() if value != []}]
    for part in kind.subresources:
        below = {"name": f"{kind.plural}/{part}", "singularName": "", "namespaced": kind.namespaced}
        if part in PART_KINDS:
            group, version, named = PART_KINDS[part]
            below.update(group=group, version=version, kind=named)
        below.setdefault("kind", kind.kind)
        rows.append({**below, "verbs": list(part_verbs(part))})
    return rows


def _group_discovery(name: str) -> dict[str, Any]:
    found = []
    for version in versions(name):
        kinds = [kind for kind in KINDS if (kind.group, kind.version) == (name, version)]
        resources = [_discovered(kind) for kind in sorted(kinds, key=lambda one: one.plural)]
        found.append({"version": version, "resources": resources, "freshness": "Current"})
    return {"metadata": {"name": name} if name else {}, "versions": found}


def _discovered(kind: Kind) -> dict[str, Any]:
    own = {"group": kind.group, "version": kind.version} if kind.custom else {"group": "", "version": ""}
    told: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": {**own, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        told["shortNames"] = list(kind.short_names)
    if kind.categories:
        told["categories"] = list(kind.categories)
    if kind.subresources:
        told["subresources"] = [_part(kind, part, own) for part in kind.subresources]
    return told


def _part(kind: Kind, part: str, own: dict[str, str]) -> dict[str, Any]:
    group, version, named = PART_KINDS.get(part, (own["group"], own["version"], kind.kind))
    response = {"group": group, "version": version, "kind": named}
    return {"subresource": part, "responseKind": response, "verbs": list(part_verbs(part))}
