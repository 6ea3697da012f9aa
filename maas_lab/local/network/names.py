"""Names inside the cluster: there is no DNS here, so names of Services and Routes become loopback addresses."""

from __future__ import annotations

import re
from typing import Protocol

from maas_lab.local.kube.controllers import serving
from maas_lab.local.kube.controllers.client import SERVICE
from maas_lab.local.kube.controllers.routes import DOMAIN
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.store import Object
from maas_lab.local.network.ports import Ports
from maas_lab.settings import LOOPBACK

SUFFIXES = ([], ["svc"], ["svc", "cluster", "local"])
SCHEMES = {"http://": "80", "https://": "443"}
API = ("default", "kubernetes", "443")  # a cluster's API in every cluster; no Service stands for it here
_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
# A host with a port, or one whose port the scheme says. What stands before an `@` is a user and a password.
_HOST = re.compile(
    rf"(?P<scheme>\bhttps?://(?:[^\s/?#@]*@)?)?(?<![\w.-])(?P<host>{_LABEL}(?:\.{_LABEL})*)\.?"
    r"(?::(?P<port>\d{1,5})\b(?![.:-]\w)|(?![\w.:-]))(?![^\s/?#,]*@)"
)


class Reader(Protocol):
    """Finds objects: a store, or a controller's client."""

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""


class Names:
    """Knows the loopback address of each Service and Route.

    Args:
        reader: finds Services.
        ports: gives their ports.
    """

    def __init__(self, reader: Reader, ports: Ports) -> None:
        self._reader, self._ports = reader, ports

    def resolve(self, text: str, namespace: str) -> str:
        """Return a text with loopback addresses for the names of Services, e.g. for `postgres:5432` in a URL.

        The host that a router would give to a Route of the namespace, e.g. `litellm-maas-system.apps.localhost` for
        the Route `litellm`, becomes the one that leads there.

        Args:
            text: such as a variable's value.
            namespace: in which short names are looked up.
        """
        return _HOST.sub(lambda found: self._replaced(found, namespace), text)

    def host(self, route: Object) -> str:
        """Return the host of a Route that names none."""
        return self._routed(route["metadata"]["namespace"], route["metadata"]["name"])

    def address(self, inference_service: Object) -> str:
        """Return the URL of an InferenceService's predictor."""
        namespace = inference_service["metadata"]["namespace"]
        return f"http://{self._loopback(namespace, serving.name(inference_service), str(serving.PORT))}"

    def pod(self, uid: str, port: int) -> str:
        """Return the address at which a port of a pod is reached."""
        return f"{LOOPBACK}:{self._ports.of('pod', uid, str(port))}"

    def _replaced(self, found: re.Match, namespace: str) -> str:
        scheme, text = found["scheme"] or "", found[0]
        if scheme and not found["port"] and found["host"].endswith(f"-{namespace}.{DOMAIN}"):
            return scheme + self._routed(namespace, found["host"].removesuffix(f"-{namespace}.{DOMAIN}"))
        is_in_path = not scheme and re.search(r"(?<!/)/$", found.string[: found.start()])
        port = found["port"] or SCHEMES.get(scheme[: scheme.find("//") + 2])
        service = self._service(found["host"].split("."), namespace)
        if port is None or service is None or is_in_path:
            return text
        return scheme + self._loopback(*service, str(int(port)))

    def _service(self, parts: list[str], namespace: str) -> tuple[str, str] | None:
        """Return namespace and name of the Service that is meant, None for any other host."""
        name, where, suffix = parts[0], (parts[1:2] or [namespace])[0], parts[2:]
        if suffix not in SUFFIXES:
            return None
        if not suffix and self._reader.get(SERVICE, where, name) is None:
            return None
        return where, name

    def _routed(self, namespace: str, route: str) -> str:
        return f"{LOOPBACK}:{self._ports.of('route', namespace, route)}"

    def _loopback(self, namespace: str, name: str, port: str) -> str:
        if (namespace, name, port) == API:
            return f"{LOOPBACK}:{self._ports.of('kubernetes')}"
        return f"{LOOPBACK}:{self._ports.of('service', namespace, name, port)}"
