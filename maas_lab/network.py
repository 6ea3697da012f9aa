"""What stands between this machine and a server: a proxy, and an authority that opens TLS."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment

from maas_lab import settings


def proxy(url: str, env: Mapping[str, str] | None = None) -> str | None:
    """Return the proxy by which an address is reached, as curl and httpx choose it; None without one.

    The Kubernetes client chooses otherwise: HTTP_PROXY before HTTPS_PROXY, and its release 35 knows no NO_PROXY.

    Args:
        url: of the server.
        env: the environment; this process's own, when left out.
    """
    env = settings.own_environment() if env is None else env
    never = env.get("no_proxy") or env.get("NO_PROXY"), *settings.INSIDE, env.get("KUBERNETES_SERVICE_HOST")
    if proxy_bypass_environment(urlsplit(url).hostname or "", {"no": ",".join(filter(None, never))}):
        return None
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    return next(filter(None, (env.get(form) for name in names for form in (name, name.upper()))), None)


def proxy_headers(proxy: str) -> dict[str, str]:
    """Return the headers by which a proxy knows who calls; none where its address holds no name and password."""
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"proxy-authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


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
