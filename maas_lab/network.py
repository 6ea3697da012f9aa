"""What stands between this machine and a server: a proxy, and an authority that opens TLS."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from maas_lab import settings


def proxy(url: str, env: Mapping[str, str] | None = None) -> str | None:
    """Return the proxy for addresses of this scheme, as curl and httpx choose it; None without one.

    Whether the address is one of `NO_PROXY`, is for the client to look at.

    Args:
        url: of the server.
        env: the environment; this process's own, when left out.
    """
    env = settings.own_environment() if env is None else env
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    return next(filter(None, (env.get(form) for name in names for form in (name, name.upper()))), None)


def authority_hint(env: Mapping[str, str] | None = None) -> str:
    """Return what to do where a certificate's authority is not known.

    Args:
        env: the environment; this process's own, when left out.
    """
    env = settings.own_environment() if env is None else env
    if env.get("SSL_CERT_FILE"):
        told = "add the authority that signed it to the file that SSL_CERT_FILE names"
    elif env.get("REQUESTS_CA_BUNDLE"):
        told = "REQUESTS_CA_BUNDLE alone is not read by all clients: export SSL_CERT_FILE=$REQUESTS_CA_BUNDLE"
    else:
        told = "set SSL_CERT_FILE to the file with your cluster's certificate authority"
    return f"{told}, and start Jupyter again"
