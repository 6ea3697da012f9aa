"""One model in several precisions: what each costs in bytes, memory and time, and whether it still says the same.

measured = quantisation.measure(lab, namespace, questions)  # of all model servers in a namespace that tell theirs
measured.table  # one row per precision
"""

from maas_lab.quantisation.answers import Agreement, agreement
from maas_lab.quantisation.measuring import Measured, measure
from maas_lab.quantisation.servers import PRECISION, Server, refuse_gpus, servers

__all__ = ["PRECISION", "Agreement", "Measured", "Server", "agreement", "measure", "refuse_gpus", "servers"]
