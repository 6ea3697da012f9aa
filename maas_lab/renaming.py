"""Give the objects of a kustomization other names, also where others refer to them: `namePrefix` and `nameSuffix`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maas_lab.transformers import WORKLOADS, Resource, members

KEPT = {"Namespace", "CustomResourceDefinition", "APIService"}  # kustomize leaves their names alone
# Where a pod refers to other objects: field, kind, and the field of the name below it.
_REFERENCES = {
    "configMap": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "configMapRef": ("ConfigMap", "name"),
    "imagePullSecrets": ("Secret", "name"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    "secretKeyRef": ("Secret", "name"),
    "secretRef": ("Secret", "name"),
}
Place = tuple[str, dict[str, Any], str]


def rename(resources: list[Resource], prefix: str, suffix: str) -> None:
    """Put a prefix and a suffix to every name, and to the references to it that kustomize knows."""
    if not prefix and not suffix:
        return
    renamed: dict[tuple[str, Any, str], str] = {}
    for one in resources:
        if one.kind not in KEPT:
            old = one.metadata["name"]
            one.metadata["name"] = renamed[one.kind, one.metadata.get("namespace"), old] = f"{prefix}{old}{suffix}"
            one.names.add(one.metadata["name"])
    for one in resources:
        namespace = one.metadata.get("namespace")
        for kind, holder, field in _references(one):
            found = renamed.get((kind, holder.get("namespace", namespace), str(holder[field])))
            holder[field] = found or renamed.get((kind, None, str(holder[field])), holder[field])


def _references(one: Resource) -> Iterator[Place]:
    """Find where an object names others."""
    spec = one.body.get("spec")
    if one.kind in WORKLOADS | {"CronJob", "Pod"}:
        yield from _of_pods(spec)
    if one.kind == "StatefulSet" and isinstance(spec, dict) and "serviceName" in spec:
        yield "Service", spec, "serviceName"
    if one.kind == "ServiceAccount":  # kustomize leaves `secrets` alone
        yield from (("Secret", each, "name") for each in _named(one.body.get("imagePullSecrets")))
    if one.kind in ("RoleBinding", "ClusterRoleBinding"):
        yield from (("ServiceAccount", each, "name") for each in _named(one.body.get("subjects")))
        yield from ((str(each.get("kind")), each, "name") for each in _named(one.body.get("roleRef")))


def _of_pods(spec: Any) -> Iterator[Place]:
    for name, entry in members(spec):
        if name in _REFERENCES:
            kind, field = _REFERENCES[name]
            yield from ((kind, each, field) for each in _named(entry, field))
        elif name == "secret":
            yield from (("Secret", each, field) for field in ("secretName", "name") for each in _named(entry, field))
        if isinstance(entry, dict) and isinstance(entry.get("serviceAccountName"), str):
            yield "ServiceAccount", entry, "serviceAccountName"


def _named(entry: Any, field: str = "name") -> Iterator[dict[str, Any]]:
    """Find the mappings with a name in an entry, which may be a list of them."""
    if isinstance(entry, list):
        for each in entry:
            yield from _named(each, field)
    elif isinstance(entry, dict) and isinstance(entry.get(field), str):
        yield entry
