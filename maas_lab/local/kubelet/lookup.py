"""Read what a container refers to: Secrets, ConfigMaps and fields of its pod, or say what a kubelet says."""

from __future__ import annotations

import base64
import math
import re
from typing import Any

from maas_lab.local.kube import quantities
from maas_lab.local.kube.controllers.client import CONFIG_MAP, NODE, SECRET, Client
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.store import Object
from maas_lab.settings import LOOPBACK

NODE_NAME = "local"
_ITEM = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class Missing(Exception):
    """Something that a pod refers to is not there; the message is a kubelet's."""


class Lookup:
    """Finds what the pods of one namespace refer to."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self.namespace = client, namespace

    def secret(self, reference: Object) -> dict[str, bytes]:
        """Return a Secret's entries; none of one that is not there and is `optional`.

        Raises:
            Missing: there is no such Secret.
        """
        return _decoded(self._found(SECRET, reference).get("data"))

    def config_map(self, reference: Object) -> dict[str, bytes]:
        """Return a ConfigMap's entries; none of one that is not there and is `optional`.

        Raises:
            Missing: there is no such ConfigMap.
        """
        found = self._found(CONFIG_MAP, reference)
        texts = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        return _decoded(found.get("binaryData")) | texts

    def _found(self, kind: Kind, reference: Object) -> Object:
        name = reference.get("name", "")
        found = self._client.get(kind, self.namespace, name)
        if found is None and not reference.get("optional"):
            raise Missing(f'{kind.singular} "{name}" not found')
        return found or {}

    def resource(self, container: Object, asked: Object) -> str:
        """Return a container's request or limit as a number; without a limit, what the node offers."""
        kind, _, name = asked["resource"].partition(".")
        given = (container.get("resources") or {}).get(kind) or {}
        node = self._client.get(NODE, "", NODE_NAME) or {}
        offered = (node.get("status") or {}).get("allocatable") or {}
        value = given.get(name) or (offered.get(name, "0") if kind == "limits" else "0")
        divisor = quantities.value(str(asked.get("divisor") or "0")) or 1
        return str(math.ceil(quantities.value(str(value)) / divisor))


def field(pod: Object, path: str) -> str:
    """Return a field of a pod as the downward API tells it."""
    metadata, spec = pod["metadata"], pod["spec"]
    if one := _ITEM.fullmatch(path):
        return (metadata.get(one[1]) or {}).get(one[2], "")
    if path in ("metadata.labels", "metadata.annotations"):
        entries = (metadata.get(path.removeprefix("metadata.")) or {}).items()
        return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted(entries))
    known: dict[str, Any] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        **dict.fromkeys(("status.hostIP", "status.podIP", "status.hostIPs", "status.podIPs"), LOOPBACK),
    }
    if path not in known:
        raise Missing(f"unsupported fieldPath: {path}")
    return known[path]


def _decoded(entries: dict[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (entries or {}).items()}


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
