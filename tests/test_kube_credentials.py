"""Certificates and lasting tokens: what the cluster puts into namespaces and Secrets by itself."""

import base64
from pathlib import Path
from types import SimpleNamespace

import pytest

from maas_lab.local.kube import deletion
from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.credentials import Credentials
from maas_lab.local.kube.controllers.work import Work
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.store import Key, Store

NAMESPACE = "o1"


class Signer:
    """Tells for whom it was asked to sign; that the cluster accepts real tokens is tested where they are used."""

    def for_service_account(self, namespace, name, uid, seconds):
        return f"{namespace}/{name} {uid}", 0.0


SECRET, ACCOUNT, CONFIG_MAP = (of("v1", kind) for kind in ("Secret", "ServiceAccount", "ConfigMap"))
ASKS = {"type": "kubernetes.io/service-account-token"}


@pytest.fixture
def cluster(schemas):
    objects = Objects(Store(Path(":memory:")), Rules(schemas))
    client = Client(objects, "test")
    client.create(of("v1", "Namespace"), {"metadata": {"name": NAMESPACE}})
    return SimpleNamespace(objects=objects, client=client, get=lambda kind, name: client.get(kind, NAMESPACE, name))


@pytest.fixture
def credentials(cluster):
    """The work of the controller of certificates and tokens."""
    client = Client(cluster.objects, "kube-controller-manager")
    work = Work(cluster.objects.store, [Credentials(client, Signer(), "PEM")])
    yield work
    work.close()


def asking(cluster, account):
    annotations = {"kubernetes.io/service-account.name": account}
    body = {"metadata": {"name": "lasting", "namespace": NAMESPACE, "annotations": annotations}, **ASKS}
    return cluster.client.create(SECRET, body)


def value(cluster, name):
    return base64.b64decode((cluster.get(SECRET, "lasting").get("data") or {}).get(name, "")).decode()


def test_a_secret_gets_a_lasting_token_of_its_account(cluster, credentials):
    work = credentials
    asking(cluster, "robot")
    work.run_until_idle()
    assert value(cluster, "token") == ""
    account = cluster.client.create(ACCOUNT, {"metadata": {"name": "robot", "namespace": NAMESPACE}})
    work.run_until_idle()
    assert (value(cluster, "namespace"), value(cluster, "ca.crt")) == (NAMESPACE, "PEM")
    assert value(cluster, "token") == f"{NAMESPACE}/robot {account['metadata']['uid']}"
    before = cluster.get(SECRET, "lasting")
    work.add(Key(SECRET.resource, NAMESPACE, "lasting"))
    work.run_until_idle()
    assert cluster.get(SECRET, "lasting") == before
    cluster.client.delete(ACCOUNT, account)
    another = cluster.client.create(ACCOUNT, {"metadata": {"name": "robot", "namespace": NAMESPACE}})
    work.run_until_idle()
    assert value(cluster, "token") == f"{NAMESPACE}/robot {another['metadata']['uid']}"


def test_other_secrets_stay_as_they_are(cluster, credentials):
    work = credentials
    made = cluster.client.create(SECRET, {"metadata": {"name": "plain", "namespace": NAMESPACE}})
    work.run_until_idle()
    assert cluster.get(SECRET, "plain") == made


def test_each_namespace_has_the_clusters_certificate(cluster, credentials):
    work = credentials
    work.run_until_idle()
    first = cluster.get(CONFIG_MAP, "kube-root-ca.crt")
    assert first["data"] == {"ca.crt": "PEM"}
    cluster.client.update(CONFIG_MAP, {**first, "data": {"ca.crt": "forged"}})
    work.run_until_idle()
    assert cluster.get(CONFIG_MAP, "kube-root-ca.crt")["data"] == {"ca.crt": "PEM"}
    cluster.client.delete(CONFIG_MAP, cluster.get(CONFIG_MAP, "kube-root-ca.crt"))
    work.run_until_idle()
    assert cluster.get(CONFIG_MAP, "kube-root-ca.crt") is not None
    deletion.delete(cluster.objects, Target(of("v1", "Namespace"), "", NAMESPACE), deletion.DeleteOptions())
    work.run_until_idle()
