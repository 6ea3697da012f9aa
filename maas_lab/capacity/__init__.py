"""How many GPUs does it take? One for each person against a few for all, and what fits on a card; pure arithmetic.

load = capacity.Load(people=19_000, active=0.05, questions_per_hour=20, tokens_per_answer=200)
server = capacity.Server(tokens_per_second=122, slots=16, total=1384)
capacity.hoarded(load, server)
capacity.shared(load, server, replicas=2)
capacity.replicas_for(load, server, p95=2.0)

capacity.footprint(capacity.GRANITE_3_1_8B, "w4a16")
capacity.fits(capacity.GRANITE_3_1_8B, "w4a16", card_gb=24, users=8, context=4096)
"""

from __future__ import annotations

from maas_lab.capacity.cards import Fit, fits
from maas_lab.capacity.demand import Load, Server
from maas_lab.capacity.models import GRANITE_3_1_8B, PRECISIONS, SMOLLM2_135M, Model, footprint, kv_cache
from maas_lab.capacity.queueing import Queue, hoarded, replicas_for, shared

__all__ = [
    "GRANITE_3_1_8B",
    "PRECISIONS",
    "SMOLLM2_135M",
    "Fit",
    "Load",
    "Model",
    "Queue",
    "Server",
    "fits",
    "footprint",
    "hoarded",
    "kv_cache",
    "replicas_for",
    "shared",
]
