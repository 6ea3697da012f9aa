"""The portal inside the notebook: a form for the consumer, a board for the accountant.

Both are a thin skin over `maas_lab.portal`: each button is one call. What a notebook saves of them holds no key, and
where no live notebook shows them, their text says how to do the same in code.
"""

from maas_lab.widgets.board import UsageBoard, usage_board
from maas_lab.widgets.form import PortalForm, portal_form

__all__ = ["PortalForm", "UsageBoard", "portal_form", "usage_board"]
