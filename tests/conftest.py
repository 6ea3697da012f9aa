"""What several tests share: the Kubernetes API's objects, and keys, clients and a lab on the running stack."""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from maas_lab import settings
from maas_lab.client import openai_client
from maas_lab.cluster import Cluster
from maas_lab.lab import Lab
from maas_lab.local.kube import kinds, schema
from maas_lab.local.runtime import install

CAPTURES = Path(__file__).parent / "captures" / "kubernetes"


@pytest.fixture(scope="session")
def definitions(runtime) -> Path:
    """The file of published schemas: a part of the runtime environment, installed when first asked for."""
    return install(runtime.folder, lambda text, done, total: None, ["schemas"]).schemas


@pytest.fixture(scope="session")
def schemas(definitions):
    """The types of all kinds."""
    return schema.load(definitions)


@pytest.fixture(scope="session")
def captured():
    """Read what a real control plane answered."""
    return lambda name: json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def kind_of():
    """Find a served kind by its name."""
    return lambda name: next(kind for kind in kinds.KINDS if kind.kind == name)


@pytest.fixture
def mint(stack):
    """Make keys of this test only; all of them are deleted at the end."""
    made = []

    def make(**limits):
        made.append(stack.gateway.create_key(f"test-{uuid.uuid4().hex[:8]}", models=[stack.model], **limits))
        return made[-1]

    yield make
    stack.gateway.delete_key(*made)


@pytest.fixture
def client(stack):
    """Make OpenAI clients for keys; all of them are closed at the end."""
    with ExitStack() as clients:
        yield lambda key: clients.enter_context(openai_client(stack.url, key))


@pytest.fixture
def connected(stack):
    """The running stack as `connect()` gives it to a lesson."""
    with Cluster(stack.local.kubeconfig) as cluster:
        made = Lab(cluster, settings.NAMESPACE)
        yield made
        made.gateway.close()
