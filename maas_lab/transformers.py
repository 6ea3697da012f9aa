"""What a kustomization does to resources: namespace, labels, images, generated ConfigMaps, hashes, order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maas_lab import yamlfile
from maas_lab.errors import ManifestError
from maas_lab.kinds import CLUSTER_WIDE

DEFAULT_NAMESPACE = "default"  # where an object is that names none
WORKLOADS = {"DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}
# The order in which kustomize prints: what others need comes first.
FIRST = [
    *("Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount", "PodSecurityPolicy"),
    *("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "Endpoints", "Service"),
    *("LimitRange", "PriorityClass", "PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet"),
    *("CronJob", "PodDisruptionBudget"),
]
LAST = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
HASH_LETTERS = str.maketrans("013ae", "ghkmt")  # no vowels and no look-alikes: a hash spells no word


@dataclass
class Resource:
    """One object on its way through the kustomizations.

    Attributes:
        body: the object.
        file: where it comes from.
        hashed: its name ends in a hash of its content.
        namespaces: those that it is or was in; a patch may name any of them.
        names: those that it has or had.
    """

    body: dict[str, Any]
    file: Path
    hashed: bool = False
    namespaces: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names.add(self.metadata["name"])
        self.namespaces.add(self.metadata.get("namespace") or DEFAULT_NAMESPACE)

    @property
    def kind(self) -> str:
        """The object's kind."""
        return self.body["kind"]

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.body["apiVersion"].rpartition("/")[0]

    @property
    def version(self) -> str:
        """The API version without the group."""
        return self.body["apiVersion"].rpartition("/")[2]

    @property
    def metadata(self) -> dict[str, Any]:
        """The object's metadata."""
        return self.body["metadata"]

    @property
    def id(self) -> tuple[str, ...]:
        """What no two objects may share."""
        return (self.group, self.version, self.kind, self.metadata.get("namespace") or "", self.metadata["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.metadata['name']}"


def set_namespace(resources: list[Resource], namespace: str) -> None:
    """Put every object that lives in a namespace into this one; a Namespace itself is renamed."""
    for one in resources:
        if one.kind == "Namespace":
            one.metadata["name"] = namespace
        elif one.kind not in CLUSTER_WIDE:
            one.metadata["namespace"] = namespace
            one.namespaces.add(namespace)


def add_labels(resources: list[Resource], labels: dict[str, Any], file: Path) -> None:
    """Add labels to every object, and to the pods of workloads with `includeTemplates`; never to selectors."""
    if labels.get("includeSelectors"):
        why = "a selector can never be changed again, and old and new pods would not find each other"
        raise ManifestError(f"{file}: `includeSelectors` is not supported", why, "use `includeTemplates: true`")
    pairs = labels.get("pairs", {})
    for one in resources if pairs else []:
        holders = [one.metadata]
        if labels.get("includeTemplates"):
            holders += list(template_metadata(one))
        for metadata in holders:
            metadata["labels"] = {**mapping(one, metadata, "labels"), **pairs}


def template_metadata(one: Resource, *, claims: bool = True) -> Iterator[dict[str, Any]]:
    """Find the metadata of the pods, jobs and, maybe, volume claims that a workload makes."""
    if one.kind in WORKLOADS:
        yield mapping(one, one.body, "spec", "template", "metadata")
    if one.kind == "StatefulSet" and claims:
        made = one.body["spec"].get("volumeClaimTemplates") or []
        yield from (mapping(one, claim, "metadata") for claim in made)
    if one.kind == "CronJob":
        yield mapping(one, one.body, "spec", "jobTemplate", "metadata")
        yield mapping(one, one.body, "spec", "jobTemplate", "spec", "template", "metadata")


def mapping(one: Resource, holder: Any, *names: str) -> dict[str, Any]:
    """Follow the names into an object, and make the mappings that are missing on the way."""
    for name in names:
        if not isinstance(holder, dict):
            break
        if holder.get(name) is None:
            holder[name] = {}
        holder = holder[name]
    if not isinstance(holder, dict):
        raise ManifestError(f"{one.file}: `{'.'.join(names)}` of {one} is not a mapping", hint="check its indentation")
    return holder


def set_images(resources: list[Resource], images: list[dict[str, Any]], file: Path) -> None:
    """Give containers other images: another name, tag or digest."""
    for image in images:
        if "name" not in image:
            raise ManifestError(f"{file}: an entry of `images` has no `name`", hint="name the image to replace")
        for one in resources:
            for container in _containers(one.body):
                if isinstance(container.get("image"), str):
                    container["image"] = _renamed(container["image"], image)


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Find every named value in an object, however deep it lies."""
    if isinstance(value, list):
        for entry in value:
            yield from members(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield name, entry
            yield from members(entry)


def _containers(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Find the containers in an object."""
    for name, entry in members(body):
        if name in ("containers", "initContainers") and isinstance(entry, list):
            yield from (one for one in entry if isinstance(one, dict))


def _renamed(reference: str, image: dict[str, str]) -> str:
    found = re.fullmatch(rf"({re.escape(image['name'])})(:[\w.-]+)?(@sha256:\w+)?", reference)
    if not found:
        return reference
    name, tag, digest = found[1], found[2] or "", found[3] or ""
    if "newTag" in image or "digest" in image:
        tag = f":{image['newTag']}" if "newTag" in image else ""
        digest = f"@{image['digest']}" if "digest" in image else ""
    return image.get("newName", name) + tag + digest


def config_map(generator: dict[str, Any], path: Callable[[str], Path], file: Path) -> Resource:
    """Make the ConfigMap that a `configMapGenerator` entry describes.

    Args:
        generator: the entry.
        path: finds a file that the entry names.
        file: the kustomization.
    """
    if not generator.get("name"):
        raise ManifestError(f"{file}: an entry of `configMapGenerator` has no `name`", hint="add `name:`")
    data: dict[str, str] = {}
    for key, value, source in _pairs(generator, path):
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
            hint = "use letters, digits, `-`, `_` and `.` only"
            raise ManifestError(f"{source}: `{key}` cannot be a key", hint=hint)
        if key in data:
            raise ManifestError(f"{source}: the key `{key}` is there twice", hint="take one of them out")
        data[key] = value
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}}
    body |= {"data": data} if data else {}
    return Resource(body, file, hashed=not generator.get("options", {}).get("disableNameSuffixHash", False))


def _pairs(generator: dict[str, Any], path: Callable[[str], Path]) -> Iterator[tuple[str, str, str]]:
    """Return key, value and source of each entry; the sources in kustomize's order."""
    for entry in generator.get("envs", []):
        lines = (line.lstrip() for line in yamlfile.read_text(path(entry)).splitlines())
        for line in lines:
            if line and not line.startswith("#"):
                yield *_split(line, entry), entry
    for entry in generator.get("files", []):
        key, equals, name = entry.partition("=")
        yield key if equals else Path(entry).name, yamlfile.read_text(path(name if equals else entry)), entry
    for entry in generator.get("literals", []):
        key, value = _split(entry, f"literal {entry}")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        yield key, value[1:-1] if quoted else value, f"literal {entry}"


def _split(line: str, source: str) -> tuple[str, str]:
    key, equals, value = line.partition("=")
    if not equals:
        raise ManifestError(f"{source}: `{line}` is not KEY=VALUE", hint="add `=` and the value")
    return key, value


def add_hashes(resources: list[Resource]) -> None:
    """Put the hash of their content into the names of generated ConfigMaps, also where pods refer to them."""
    renamed = {}
    for one in resources:
        if one.hashed:
            old = one.metadata["name"]
            one.metadata["name"] = f"{old}-{_hash(one.body)}"
            renamed[one.metadata.get("namespace"), old] = one.metadata["name"]
    for one in resources:
        if one.kind in WORKLOADS | {"CronJob", "Pod"}:
            for reference in _references(one.body.get("spec")):
                key = (one.metadata.get("namespace"), reference.get("name"))
                reference["name"] = renamed.get(key, reference.get("name"))


def _references(spec: Any) -> Iterator[dict[str, Any]]:
    """Find where a pod refers to ConfigMaps: `envFrom`, `env`, volumes."""
    for name, entry in members(spec):
        if name in ("configMapRef", "configMapKeyRef", "configMap") and isinstance(entry, dict):
            yield entry


def _hash(body: dict[str, Any]) -> str:
    """Return kustomize's ten letters for a ConfigMap: of its JSON as Go writes it, always with an empty name."""
    told = {"data": body.get("data", ""), "kind": body["kind"], "name": ""}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(HASH_LETTERS)


def order(one: Resource) -> tuple[Any, ...]:
    """Return what `kubectl kustomize` sorts by."""
    rank = FIRST.index(one.kind) - len(FIRST) if one.kind in FIRST else int(one.kind in LAST)
    return (rank, f"{one.group or '~G'}_{one.version}_{one.kind}", one.metadata.get("namespace") or "~X", one.id[-1])
