"""Models-as-a-Service, hands on: `from maas_lab import connect` and `lab = connect()`."""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

# Names are loaded when first used: the local cluster's own environment has no pandas and no matplotlib.
_HOME = {
    "ApiKey": "maas_lab.keys",
    "Cluster": "maas_lab.cluster",
    "Gateway": "maas_lab.gateway",
    "Lab": "maas_lab.lab",
    "ask": "maas_lab.client",
    "ask_many": "maas_lab.client",
    "capacity": "maas_lab.capacity",
    "caps": "maas_lab.caps",
    "chargeback": "maas_lab.chargeback",
    "checks": "maas_lab.checks",
    "connect": "maas_lab.connecting",
    "errors": "maas_lab.errors",
    "expect": "maas_lab.client",
    "faults": "maas_lab.faults",
    "hoarding": "maas_lab.hoarding",
    "keep_asking": "maas_lab.rollout",
    "manifests": "maas_lab.manifests",
    "metrics": "maas_lab.metrics",
    "openai_client": "maas_lab.client",
    "overlays": "maas_lab.overlays",
    "platform_secrets": "maas_lab.secrets",
    "plots": "maas_lab.plots",
    "quantisation": "maas_lab.quantisation",
    "record": "maas_lab.record",
    "report": "maas_lab.report",
    "usage": "maas_lab.usage",
    "widgets": "maas_lab.widgets",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"maas_lab has no {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(_HOME[name])
    return module if module.__name__ == f"maas_lab.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
