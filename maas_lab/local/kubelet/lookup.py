"""Read what a container refers to: Secrets, ConfigMaps and fields of its pod; tell what is missing as a kubelet."""

from __future__ import annotations

import base64
import math
import re
from typing import Any

from maas_lab.local.kube import quantities
from maas_lab.local.kube.controllers.client import NODE, Client
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.store import Object
from maas_lab.settings import LOOPBACK

CONFIG_MAP, SECRET = of("v1", "ConfigMap"), of("v1", "Secret")
NODE_NAME = "local"
_ITEM = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_DEFAULT_DIVISOR = "1"


class Missing(Exception):
    """Something that a pod refers to is not there; the message is a kubelet's."""


class Lookup:
    """Finds what the pods of one namespace refer to."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self.namespace = client, namespace

    def secret(self, name: str) -> dict[str, bytes]:
        """Return a Secret's entries.

        Raises:
            Missing: there is no such Secret.
        """
        found = self._client.get(SECRET, self.namespace, name)
        if found is None:
            raise Missing(f'secret "{name}" not found')
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}

    def config_map(self, name: str) -> dict[str, bytes]:
        """Return a ConfigMap's entries.

        Raises:
            Missing: there is no such ConfigMap.
        """
        found = self._client.get(CONFIG_MAP, self.namespace, name)
        if found is None:
            raise Missing(f'configmap "{name}" not found')
        binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
        return binary | {key: value.encode() for key, value in (found.get("data") or {}).items()}

    def resource(self, container: Object, asked: Object) -> str:
        """Return a container's request or limit as a number; without a limit, what the node offers."""
        kind, _, name = asked["resource"].partition(".")
        given = (container.get("resources") or {}).get(kind) or {}
        node = self._client.get(NODE, "", NODE_NAME) or {}
        offered = (node.get("status") or {}).get("allocatable") or {}
        value = given.get(name) or (offered.get(name, "0") if kind == "limits" else "0")
        divisor = quantities.value(str(asked.get("divisor") or "0")) or quantities.value(_DEFAULT_DIVISOR)
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


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
