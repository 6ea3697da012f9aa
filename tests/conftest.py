"""What several tests of the Kubernetes API's objects share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maas_lab.local.kube import kinds, schema

CAPTURES = Path(__file__).parent / "captures" / "kubernetes"


@pytest.fixture(scope="session")
def schemas(runtime):
    """The types of all kinds, from the published schemas in the runtime environment."""
    return schema.load(runtime.schemas)


@pytest.fixture(scope="session")
def captured():
    """Read what a real control plane answered."""
    return lambda name: json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def kind_of():
    """Find a served kind by its name."""
    return lambda name: next(kind for kind in kinds.KINDS if kind.kind == name)
