"""Look at a cluster before class: what is ready for N learners, what is not, and the command that mends it.

`doctor` looks at this machine; this looks at whichever cluster is meant. Nothing is changed, except that one key is
made for one call of the model, and deleted.
"""

from __future__ import annotations

from maas_lab.preflight.looks import examine, not_running
from maas_lab.preflight.rows import Report, Row

__all__ = ["Report", "Row", "examine", "not_running"]
