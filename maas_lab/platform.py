"""What the platform in a namespace says of itself: its gateway, who may administer that, and the model."""

from __future__ import annotations

from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound
from maas_lab.gateway import Gateway
from maas_lab.settings import FACTS


class Platform:
    """The platform in one namespace of a cluster.

    Args:
        cluster: the cluster, as one user of it.
        namespace: where the platform lives.

    Attributes:
        facts: what its ConfigMap `maas-lab` says.
        model: the name consumers call the model by.

    Raises:
        NotFound: there is no platform in this namespace.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.facts = self._facts()
        self.model = self.facts["model"]

    def gateway(self) -> Gateway:
        """Return the gateway with its administrator's key.

        Raises:
            NotAllowed: the user may not read the gateway's Secret.
        """
        key = self.cluster.secret(self.facts["gateway-secret"], self.facts["gateway-secret-key"], self.namespace)
        return Gateway(self.cluster.route_url(self.facts["gateway-route"], self.namespace), key)

    def _facts(self) -> dict[str, str]:
        try:
            return self.cluster.get("ConfigMap", FACTS, self.namespace)["data"]
        except NotFound as error:
            raise NotFound(
                f"{self.cluster.server} has no lab in the namespace {self.namespace}",
                f"there is no ConfigMap {FACTS} in it",
                "name its namespace: connect(namespace=...); manifests/README.md says how a provider makes one",
            ) from error
