"""What several tests of the Kubernetes API's objects share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maas_lab.local.kube import kinds, schema

CAPTURES = Path(__file__).parent / "captures" / "kubernetes"
DEFINITIONS = "kubernetes_validate/kubernetes-json-schema/v1.32.0-local/_definitions.json"


@pytest.fixture(scope="session")
def schemas(runtime):
    """The types of all kinds, from the package in the runtime environment."""
    path = runtime.site_packages / DEFINITIONS
    if (
        not path.exists()
        and "kubernetes-validate" not in (Path(schema.__file__).parents[1] / "locks/python.in").read_text()
    ):
        pytest.skip("the runtime environment's lock does not hold kubernetes-validate yet")
    return schema.load(path)


@pytest.fixture(scope="session")
def captured():
    """Read what a real control plane answered."""
    return lambda name: json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def kind_of():
    """Find a served kind by its name."""
    return lambda name: next(kind for kind in kinds.KINDS if kind.kind == name)
