"""What several tests of the Kubernetes API's objects share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
