"""The portal inside the notebook: a form for the consumer, boards for the accountant; calculators; a login.

All are a thin skin over `maas_lab.portal`, `usage` and `capacity`: each button is one call. What a notebook saves of
them holds no key, and where no live notebook shows them, their text says how to do the same in code.
"""

from __future__ import annotations

from typing import Any

from maas_lab.errors import UsageError
from maas_lab.portal import Portal
from maas_lab.widgets.accounting import AccountingBoard
from maas_lab.widgets.board import UsageBoard
from maas_lab.widgets.cluster_login import ClusterLogin, cluster_login
from maas_lab.widgets.form import PortalForm, portal_form
from maas_lab.widgets.memory import MemoryCalculator, memory_calculator
from maas_lab.widgets.planner import CapacityPlanner, capacity_planner
from maas_lab.widgets.reading import Source

__all__ = [
    "AccountingBoard",
    "CapacityPlanner",
    "ClusterLogin",
    "MemoryCalculator",
    "PortalForm",
    "UsageBoard",
    "capacity_planner",
    "cluster_login",
    "memory_calculator",
    "portal_form",
    "usage_board",
]


def usage_board(portal: Portal, usage: Source | None = None, **options: Any) -> UsageBoard | AccountingBoard:
    """Return a board of what the portal's users used.

    Args:
        portal: of `lab.login(...)` or `Portal.login(...)`.
        usage: `lab.usage` or `lab.usage_database()`: then the numbers are the gateway's own, of any time, live, with
            charts, the invoice and the caps; for those who may see everybody's usage. None means the portal's
            statistics: everybody's for admins and auditors, else the user's own.
        options: with `usage`: `gateway`, whose caps are shown (`lab.gateway`; left out: the source's own, where it
            has one); `tz`, name of the time zone of days and hours; `every`, seconds between two reads when it is live.

    Raises:
        UsageError: there is no such option, or no such time zone.
        RoleMissing: with `usage`, the user sees only their own.
        LabError: portal or source refused, failed, or did not answer.
    """
    if usage is None and options:
        hint = "widgets.usage_board(portal, lab.usage, ...)"
        raise UsageError(f"without `usage` the board has no {', '.join(options)}", hint=hint)
    board = UsageBoard(portal) if usage is None else AccountingBoard(portal, usage, **options)
    board.load()
    return board
