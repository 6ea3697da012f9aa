"""Tables to figures, without a network; titles state the finding, figures describe themselves in words."""

from __future__ import annotations

from maas_lab.plots.calls import calls_by_outcome, rollout
from maas_lab.plots.capacity import capacity
from maas_lab.plots.caps import overspent
from maas_lab.plots.cost import cost_over_time, hoarded_and_shared
from maas_lab.plots.engine import utilisation
from maas_lab.plots.figure import STYLE, DescribedFigure
from maas_lab.plots.memory import memory
from maas_lab.plots.precisions import precisions
from maas_lab.plots.problem import slots_used
from maas_lab.plots.runs import runs_by_status
from maas_lab.plots.summary import before_after
from maas_lab.plots.usage import hits_by_hour, tokens_by

__all__ = [
    "STYLE",
    "DescribedFigure",
    "before_after",
    "calls_by_outcome",
    "capacity",
    "cost_over_time",
    "hits_by_hour",
    "hoarded_and_shared",
    "memory",
    "overspent",
    "precisions",
    "rollout",
    "runs_by_status",
    "slots_used",
    "tokens_by",
    "utilisation",
]
