"""What opens the cluster for a learner: a token that ends by itself, and the kubeconfig with it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

from maas_lab.classroom.learners import ACCOUNT, Learner
from maas_lab.cluster import Cluster
from maas_lab.keys import ApiKey
from maas_lab.kinds import Ref, kind

DAY_S = 86_400


def new_token(cluster: Cluster, learner: Learner, days: int) -> tuple[ApiKey, datetime]:
    """Ask for a token of a learner's account; return it, and when it ends, UTC: a cluster may make that sooner."""
    place = Ref(kind("ServiceAccount"), ACCOUNT, learner.namespace)
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": days * DAY_S},
    }
    path, told = cluster.api.path(place, "token"), f"token of {learner.name}"
    status = cluster.api.connection.call("POST", path, body=body, subject=told).json()["status"]
    return ApiKey(status["token"], told), datetime.fromisoformat(status["expirationTimestamp"]).astimezone(UTC)


def kubeconfig(cluster: Cluster, learner: Learner, token: ApiKey) -> str:
    """Return a kubeconfig with a learner's token, whose namespace is the learner's own; JSON is YAML too."""
    server: dict[str, str] = {"server": cluster.server}
    if cluster.api.connection.authority:
        trusted = Path(cluster.api.connection.authority).read_bytes()
        server["certificate-authority-data"] = base64.b64encode(trusted).decode()
    context = {"cluster": "maas-lab", "user": learner.name, "namespace": learner.namespace}
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "maas-lab", "cluster": server}],
        "users": [{"name": learner.name, "user": {"token": token.reveal()}}],
        "contexts": [{"name": learner.name, "context": context}],
        "current-context": learner.name,
    }
    return json.dumps(told, indent=2) + "\n"
