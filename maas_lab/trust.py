"""Which certificate authorities to trust: this machine's, and those that a cluster names as its own."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from maas_lab.errors import NotAllowed, NotFound

if TYPE_CHECKING:
    from maas_lab.cluster import Cluster

POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")  # signs for the API, as every pod of a cluster sees
# ConfigMaps of every namespace: the first holds the API's authorities and, on OpenShift, the router's signer as well;
# the second signs for addresses that end in `.svc`.
OWN = (("kube-root-ca.crt", "ca.crt"), ("openshift-service-ca.crt", "service-ca.crt"))
# What the router of OpenShift shows, where somebody gave it a certificate of their own: (namespace, name, key).
ROUTER = ("openshift-config-managed", "default-ingress-cert", "ca-bundle.crt")


def machine(*more: str) -> ssl.SSLContext:
    """Return a context that trusts this machine's authorities (or those of `SSL_CERT_FILE`), and some more.

    Args:
        more: certificates in PEM; what is damaged is not trusted.
    """
    context = ssl.create_default_context()
    for one in filter(str.strip, more):
        with contextlib.suppress(ssl.SSLError, ValueError, TypeError):
            context.load_verify_locations(cadata=one)
    return context


def pod() -> list[str]:
    """Return the authorities of the cluster in which this process is a pod; none elsewhere."""
    return [POD.read_text(encoding="ascii")] if POD.is_file() else []


def of_cluster(cluster: Cluster, namespace: str, *, router: bool = False) -> list[str]:
    """Ask a cluster for its own authorities, in PEM; what the user may not read is left out.

    Args:
        cluster: as a user of it, over a connection that is trusted already.
        namespace: any in which the user may read ConfigMaps.
        router: whether to ask for the router's, too, which lie in a namespace of OpenShift's.
    """
    places = [(namespace, name, key) for name, key in OWN] + ([ROUTER] if router else [])
    found = []
    for place, name, key in places:
        with contextlib.suppress(NotFound, NotAllowed, KeyError):
            found.append(cluster.get("ConfigMap", name, place)["data"][key])
    return found


def bundle(authorities: Iterable[str]) -> str:
    """Return one file's text of this machine's authorities and these, for programs that take one file alone."""
    contexts = (httpx.create_ssl_context(), machine(*authorities))
    known = dict.fromkeys(one for context in contexts for one in context.get_ca_certs(binary_form=True))
    return "".join(map(ssl.DER_cert_to_PEM_cert, known))
