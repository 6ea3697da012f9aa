"""Deploy the platform on the local cluster as a provider does: Secrets once, then `apply`, then the model's price."""

from __future__ import annotations

from pathlib import Path

from maas_lab import settings, wait
from maas_lab.cluster import Cluster
from maas_lab.errors import GatewayError, NotFound
from maas_lab.platform import Platform
from maas_lab.secrets import platform_secrets

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = ("infrastructure/overlays/local", "models/overlays/local")


def apply(kubeconfig: Path, namespace: str = settings.NAMESPACE) -> None:
    """Make what is missing and mend what differs; Secrets that are there stay as they are.

    Raises:
        ClusterError: an object is refused.
    """
    with Cluster(kubeconfig, namespace=namespace) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for secret in platform_secrets():
            if not _exists(cluster, secret["metadata"]["name"]):
                cluster.apply(secret)
        for overlay in OVERLAYS:
            # By force: whoever types `./lab up` wants the platform as it was, whatever was tried on it.
            cluster.apply(MANIFESTS / overlay, namespace, force=True)


def register(kubeconfig: Path, prices: settings.Prices, namespace: str = settings.NAMESPACE) -> None:
    """Make the gateway's catalog hold the model at the lab's prices.

    Raises:
        ClusterError: the cluster does not tell where the model is.
        GatewayError: the gateway refuses it.
    """
    with Cluster(kubeconfig, namespace=namespace) as cluster:
        platform = Platform(cluster, namespace)
        model = cluster.get("InferenceService", platform.model)
        with platform.gateway() as gateway:
            # The Route leads to the pod a moment after that is Ready.
            wait.until(gateway.version, what="the gateway's Route", timeout=30, transient=(GatewayError,))
            gateway.register_model(
                platform.model,
                served=platform.model,
                api_base=model["status"]["address"]["url"] + "/v1",
                api_key=cluster.secret("model-secret", "api-key"),
                input_cost=prices.input,
                output_cost=prices.output,
            )


def _exists(cluster: Cluster, secret: str) -> bool:
    try:
        cluster.get("Secret", secret)
    except NotFound:
        return False
    return True
