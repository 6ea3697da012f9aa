"""Proxies and certificate files, as the environment names them, and what a Route shows for itself. For doctor, too."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import proxy_bypass_environment

import httpx

from maas_lab.preflight.rows import FAIL, OK, WARN, Row
from maas_lab.refusals import plain
from maas_lab.rest import is_loopback
from maas_lab.trust import ROUTER

FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
SOON = timedelta(days=14)
_AREA = "CA and proxy"


def without_password(value: str) -> str:
    """Return a proxy's address without the name and the password in it."""
    scheme, at, rest = value.rpartition("@")
    return f"{scheme.split('//')[0]}//…@{rest}" if at else value


def told(chosen: Mapping[str, str]) -> str:
    """Return the variables that are set, in one line, without passwords."""
    shown = ", ".join(f"{name}={without_password(value)}" for name, value in chosen.items())
    return shown or "no proxy and no certificate variable set"


def missing_files(chosen: Mapping[str, str]) -> list[str]:
    """Return the variables that name a file which is not there."""
    return [name for name in FILES if name in chosen and not Path(chosen[name]).exists()]


def files(chosen: Mapping[str, str]) -> list[Row]:
    """Return a row for each certificate file that the environment names, and one where it names none."""
    rows = [_file(name, chosen[name]) for name in FILES if name in chosen]
    if "REQUESTS_CA_BUNDLE" in chosen and "SSL_CERT_FILE" not in chosen:
        # Measured: OpenAI's SDK reads SSL_CERT_FILE only, in its releases 2 and 3.
        found = "REQUESTS_CA_BUNDLE alone is not read by OpenAI's SDK"
        rows.append(Row(_AREA, "SSL_CERT_FILE", WARN, found, 'export SSL_CERT_FILE="$REQUESTS_CA_BUNDLE"'))
    return rows or [Row(_AREA, "certificate files", OK, "none is named: the usual authorities count")]


def _file(name: str, path: str) -> Row:
    try:
        context = ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        words = getattr(error, "strerror", None) or "it holds no certificate"
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else words
        return Row(_AREA, name, FAIL, f"{path} cannot be used: {why}", f"unset {name}  # or correct it")
    return Row(_AREA, name, OK, f"{path}: {len(context.get_ca_certs())} authorities")


def proxies(chosen: Mapping[str, str], inside: Iterable[str], *, in_cluster: bool) -> Row:
    """Return whether what is inside of the cluster is reached past the proxy.

    Args:
        chosen: the variables that are set.
        inside: hosts that only the cluster itself knows.
        in_cluster: whether this process is a pod, so that it calls them.
    """
    named = {name: without_password(chosen[name]) for name in ("HTTP_PROXY", "HTTPS_PROXY") if name in chosen}
    if not named:
        return Row(_AREA, "proxy", OK, "none is set")
    shown = ", ".join(f"{name}={value}" for name, value in named.items())
    if not in_cluster:
        return Row(_AREA, "proxy", OK, f"{shown}; what answers below was reached by it")
    lost = [host for host in inside if not proxy_bypass_environment(host, {"no": chosen.get("NO_PROXY", "")})]
    if not lost:
        return Row(_AREA, "proxy", OK, f"{shown}; hosts of the cluster go past it")
    mend = 'export NO_PROXY="$NO_PROXY,.svc,.cluster.local"'
    return Row(_AREA, "proxy", FAIL, f"{shown} would be asked for {', '.join(lost)}", mend)


def certificate(url: str, verify: ssl.SSLContext | bool, namespace: str, now: datetime | None = None) -> Row:
    """Return whether a Route's certificate is trusted, as a notebook's clients check it, and for how long.

    Args:
        url: the Route's address.
        verify: whom to trust, as httpx takes it.
        namespace: of the platform.
        now: the time; today when left out.
    """
    what = "the gateway's certificate"
    if url.startswith("http:"):
        state = OK if is_loopback(url) else WARN
        mend = (
            ""
            if is_loopback(url)
            else f"kubectl patch route litellm -n {namespace} --type merge -p "
            + ("""'{"spec":{"tls":{"termination":"edge"}}}'""")
        )
        return Row(_AREA, what, state, "plain HTTP" + (" on loopback: it needs none" if not mend else ""), mend)
    try:
        with (
            httpx.Client(verify=verify, timeout=3, trust_env=not is_loopback(url)) as client,
            client.stream("GET", url) as answer,
        ):
            found = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
    except httpx.ConnectError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise
        return Row(_AREA, what, FAIL, _reason(error), _trust(str(error), url))
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    left = ends - (now or datetime.now(UTC))
    if left < SOON:
        return Row(_AREA, what, WARN, f"trusted, and it ends on {ends:%Y-%m-%d}", _dates(url))
    return Row(_AREA, what, OK, f"trusted until {ends:%Y-%m-%d}")


def _reason(error: Exception) -> str:
    reason = str(error).rpartition("certificate verify failed: ")[2].partition(" (_ssl")[0]
    return f"not trusted: {plain(reason) or 'no reason told'}"


def _trust(error: str, url: str) -> str:
    if "expired" in error or "not yet valid" in error or "mismatch" in error:
        return _dates(url)
    namespace, name, key = ROUTER
    path = key.replace(".", "\\.")
    get = f"oc get configmap {name} -n {namespace} -o jsonpath='{{.data.{path}}}' > ca.pem"
    return f"{get} && export SSL_CERT_FILE=$PWD/ca.pem"


def _dates(url: str) -> str:
    host = httpx.URL(url)
    shown = f"openssl s_client -connect {host.host}:{host.port or 443} </dev/null | openssl x509 -noout -subject -dates"
    return f"{shown}  # send this to who runs the router: it needs a new certificate"
