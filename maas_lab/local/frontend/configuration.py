"""What the pages are told by their container's environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from maas_lab.errors import UsageError
from maas_lab.settings import LOOPBACK

HINT = "set it in the frontend's `env`, as manifests/infrastructure/base/portal/frontend.yaml does"


@dataclass(frozen=True)
class Configuration:
    """How the pages are served.

    Attributes:
        host: where they listen.
        backend: the address of the portal's backend.
        issuer: the address of the cluster's login; empty where people are sent there themselves.
        authority: file of certificates to trust; None means those of the system.
    """

    host: str
    port: int
    backend: str
    issuer: str
    authority: str | None

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Configuration:
        """Read the variables of a container.

        Raises:
            UsageError: one is missing or wrong.
        """
        port = env.get("PORT") or "8080"
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
            raise UsageError(f"PORT is {port!r}", "it takes a number from 1 to 65535", HINT)
        return cls(
            host=env.get("HOST") or LOOPBACK,
            port=int(port),
            backend=_origin(env, "BACKEND_URL", ("http", "https")),
            issuer=_origin(env, "OAUTH_ISSUER", ("https",)) if env.get("OAUTH_ISSUER") else "",
            authority=env.get("NODE_EXTRA_CA_CERTS") or None,
        )


def _origin(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    """Return a scheme, a host and a port: paths are those of the requests that are passed on."""
    text = env.get(name, "").rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname or f"{parts.scheme}://{parts.netloc}" != text:
        why = f"it takes an address without a path, e.g. {schemes[0]}://backend:8080"
        raise UsageError(f"{name} is {text!r}", why, HINT)
    return text
