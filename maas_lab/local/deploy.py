"""Deploy the platform on the local cluster as a provider does: Secrets once, then `apply`, then the model's price."""

from __future__ import annotations

import json
from pathlib import Path

from maas_lab import settings, wait
from maas_lab.cluster import Cluster
from maas_lab.errors import GatewayError, NotFound, PortalError
from maas_lab.gitops import NAMESPACE, PARTS, GitOps
from maas_lab.platform import Platform
from maas_lab.secrets import platform_secrets, users_secret

MANIFESTS = Path(__file__).parents[2] / "manifests"
ROUTES = "./lab status, ./lab logs network; then ./lab up again"
SHARED = "maas-learners"  # the project that all learners had, in homes made before each namespace had its own
OVERLAYS = ("infrastructure/overlays/local", "models/overlays/local")


def apply(
    kubeconfig: Path, users: Path, namespace: str = settings.NAMESPACE, repository_in: Path | None = None
) -> None:
    """Make what is missing and mend what differs; Secrets that are there stay as they are.

    A platform that follows Git already is left to that.

    Args:
        kubeconfig: of the cluster.
        users: the file of the cluster's users and their passwords.
        namespace: of the platform.
        repository_in: the home in which a deployment repository is made, for the platform to follow it.

    Raises:
        ClusterError: an object is refused.
    """
    with Cluster(kubeconfig, namespace=namespace) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for secret in platform_secrets():
            if not _exists(cluster, secret["metadata"]["name"]):
                cluster.apply(secret)
        known = json.loads(users.read_text(encoding="utf-8"))
        cluster.apply(users_secret({name: told["password"] for name, told in known.items()}), force=True)
        cluster.delete(f"appproject/{SHARED}", NAMESPACE)
        if repository_in:
            facts = {f"{overlay.partition('/')[0]}-overlay": overlay for overlay in OVERLAYS}
            GitOps(cluster, namespace, MANIFESTS, facts, is_here=True, home=repository_in).create()
        elif not _follows_git(cluster):
            for overlay in OVERLAYS:
                # By force: whoever types `./lab up` wants the platform as it was, whatever was tried on it.
                cluster.apply(MANIFESTS / overlay, namespace, force=True)


def register(kubeconfig: Path, chosen: settings.Settings, namespace: str = settings.NAMESPACE) -> None:
    """Make the catalogs of gateway and portal hold the model at the lab's prices.

    Raises:
        ClusterError: the cluster does not tell where the model is.
        GatewayError: the gateway refuses it.
        PortalError: the portal does not take it over.
    """
    with Cluster(kubeconfig, namespace=namespace) as cluster:
        platform = Platform(cluster, namespace)
        model = cluster.get("InferenceService", platform.model)
        with platform.gateway() as gateway:
            # The Route leads to the pod a moment after that is Ready.
            wait.until(gateway.version, what="the gateway's Route", timeout=30, transient=(GatewayError,), hint=ROUTES)
            gateway.register_model(
                platform.model,
                served=platform.model,
                api_base=model["status"]["address"]["url"] + "/v1",
                api_key=cluster.secret("model-secret", "api-key"),
                input_cost=chosen.prices.input,
                output_cost=chosen.prices.output,
                context=chosen.model.context,
                description=model["metadata"]["annotations"]["openshift.io/description"],
            )
        wait.until(
            lambda: _take_over(platform), what="the portal's Route", timeout=30, transient=(PortalError,), hint=ROUTES
        )


def _take_over(platform: Platform) -> bool:
    """Let the portal look at the gateway's models; otherwise it does so only now and then."""
    with platform.login("accountant") as portal:
        portal.admin.sync_models()
    return True


def _follows_git(cluster: Cluster) -> bool:
    return all(_exists(cluster, name, "Application", NAMESPACE) for name in PARTS)


def _exists(cluster: Cluster, name: str, kind: str = "Secret", namespace: str | None = None) -> bool:
    try:
        cluster.get(kind, name, namespace)
    except NotFound:
        return False
    return True
