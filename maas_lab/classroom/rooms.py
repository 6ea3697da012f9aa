"""What of a learner is in the cluster: namespace, account, rights and limits. Objects only; nothing is sent here."""

from __future__ import annotations

from typing import Any

from maas_lab.classroom.learners import ACCOUNT, LOGIN, Learner
from maas_lab.platform import OWN

RBAC = "rbac.authorization.k8s.io"
KEPT = OWN  # the Secret in a learner's namespace with what is theirs; `connect()` looks there
REQUESTER = "openshift.io/requester"  # the annotation of a namespace that says who asked for it
QUOTA_KIND = ("ClusterResourceQuota", "quota.openshift.io/v1")
# Of all namespaces that a learner asks for, together: enough for every lesson, and no place to mine in.
MOST = {"pods": "30", "persistentvolumeclaims": "10", "services": "30", "count/routes.route.openshift.io": "10"}
# Pods that wait ask for a GPU, too: lesson 01 is about seven of them, of which most wait. Lesson 02 deploys one more.
GPUS = 8
# Roles of manifests/rbac: on the platform, in the whole cluster, and what an accountant has on the platform besides.
LEARNERS, ANYWHERE, ACCOUNTANTS = "maas-lab-learner", "maas-lab-learner-cluster", "maas-lab-accountant"


def home(learner: Learner) -> list[dict[str, Any]]:
    """Return a learner's own namespace, their account in it, and the right to read what is kept for them there."""
    where, labels = learner.namespace, learner.labels
    marked = {"name": where, "labels": labels, "annotations": {LOGIN: learner.login}}
    rules = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [KEPT], "verbs": ["get"]}]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": marked},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(ACCOUNT, labels, where)},
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": _metadata(KEPT, labels, where), "rules": rules},
        _binding(learner, KEPT, {"kind": "Role", "name": KEPT}, where),
    ]


def rights(learner: Learner, platform: str, *, accountant: bool) -> list[dict[str, Any]]:
    """Return the bindings of a learner: what the lessons ask of the platform, and namespaces of their own.

    Args:
        learner: who gets them.
        platform: the platform's namespace.
        accountant: also all that an accountant reads, the gateway's administration among it.
    """
    found = [
        _binding(learner, learner.namespace, {"kind": "ClusterRole", "name": LEARNERS}, platform),
        _binding(learner, learner.namespace, {"kind": "ClusterRole", "name": ANYWHERE}),
    ]
    return found + ([accountants(learner, platform)] if accountant else [])


def accountants(learner: Learner, platform: str) -> dict[str, Any]:
    """Return the binding that makes an accountant of a learner."""
    name = f"{learner.namespace}-accountant"
    return _binding(learner, name, {"kind": "ClusterRole", "name": ACCOUNTANTS}, platform)


def quotas(learner: Learner, gpu: str) -> list[dict[str, Any]]:
    """Return the limits over all namespaces that a learner asks for, by kubeconfig or logged in.

    OpenShift marks a namespace with who asked for it.

    Args:
        learner: whose limits they are.
        gpu: what pods ask for to get a GPU.
    """
    (kind, version), hard = QUOTA_KIND, MOST | {f"requests.{gpu}": str(GPUS)}
    names = {learner.namespace: learner.user, f"{learner.namespace}-login": learner.login}
    return [
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": _metadata(name, learner.labels),
            "spec": {"selector": {"annotations": {REQUESTER: who}}, "quota": {"hard": hard}},
        }
        for name, who in names.items()
    ]


def _binding(learner: Learner, name: str, role: dict[str, str], namespace: str = "") -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": learner.namespace}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": _metadata(name, learner.labels, namespace),
        "roleRef": {"apiGroup": RBAC, **role},
        "subjects": [subject],
    }


def _metadata(name: str, labels: dict[str, str], namespace: str = "") -> dict[str, Any]:
    return {"name": name, "labels": labels} | ({"namespace": namespace} if namespace else {})
