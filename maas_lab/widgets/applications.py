"""The list of a user's applications, and what can be done to the key of one of them."""

from __future__ import annotations

from collections.abc import Sequence

from ipywidgets import HTML, Dropdown, HBox, Layout, VBox

from maas_lab.amounts import dollars
from maas_lab.portal import Application
from maas_lab.widgets.parts import Message, beside, button, offer, table

_COLUMNS = ("Application", "Models", "State", ">Budget", ">Requests per minute", ">Spent")


class Applications(VBox):
    """Applications with the buttons for the chosen one; it shows and asks, the form acts.

    Attributes:
        chosen: the field that chooses one; its `value` is the key's id at the portal.
        rotate: replaces the chosen application's key.
        block: refuses its calls, or accepts them again.
        revoke: asks whether to delete it.
        confirm: deletes it.
        keep: does not.
        refresh: reads the list again.
        message: what became of the last action.
    """

    def __init__(self) -> None:
        self._rows: dict[str, Application] = {}
        self._table = HTML()
        self.chosen = Dropdown(description="Application:", **beside())
        self.rotate = button("Rotate key", "Replace the chosen application's key; the old one dies at once")
        self.block = button("Block", "Refuse the calls of the chosen application, and keep its key")
        self.revoke = button("Revoke…", "Delete the chosen application's key for good; asks first")
        self.refresh = button("Refresh", "Read the list of applications from the portal again")
        self.confirm = button("Revoke for good", "Delete the key now", "danger")
        self.keep = button("Keep it", "Do not delete the key")
        self._question, self.message = HTML(), Message()
        self._asking = VBox([self._question, HBox([self.confirm, self.keep])])
        actions = HBox([self.rotate, self.block, self.revoke, self.refresh], layout=Layout(flex_flow="row wrap"))
        super().__init__([self._table, self.chosen, actions, self._asking, self.message])
        self.revoke.on_click(lambda _: self._ask())
        self.keep.on_click(lambda _: self.enable())
        self.chosen.observe(lambda _: self.enable(), "value")
        self.show([])

    @property
    def buttons(self) -> tuple:
        """All of them."""
        return self.rotate, self.block, self.revoke, self.refresh, self.confirm, self.keep

    @property
    def application(self) -> Application | None:
        """The chosen application; None when there is none."""
        return self._rows.get(self.chosen.value or "")

    def show(self, applications: Sequence[Application], choose: Application | None = None) -> None:
        """Show applications, and choose one of them; the chosen one stays, if none is given and it is still there."""
        self._rows = {one.info.id: one for one in applications}
        offer(self.chosen, [(f"{one.name} ({state(one)})", id) for id, one in self._rows.items()])
        if choose and choose.info.id in self._rows:
            self.chosen.value = choose.info.id
        self._table.value = table("Your applications", _COLUMNS, [_row(one) for one in applications], "None yet.")
        self.enable()

    def enable(self) -> None:
        """Enable what can be done to the chosen application, and no longer ask."""
        found = self.application
        for one in self.buttons:
            one.disabled = found is None and one is not self.refresh
        blocked = found is not None and found.info.blocked
        self.block.description = "Unblock" if blocked else "Block"
        self._asking.layout.display = "none"

    def _ask(self) -> None:
        if self.application is None:
            return
        why = "Its key dies for good, and the portal may file what it spent under nobody; block it to keep the account."
        self._question.value = table(f"Revoke “{self.application.name}”?", (), (), why)
        self._asking.layout.display = "flex"


def state(application: Application) -> str:
    """Return in one word whether calls of an application are answered."""
    if application.info.blocked:
        return "blocked"
    return "live" if application.info.active else "ended"


def _row(one: Application) -> tuple[str, ...]:
    budget = "none" if one.info.max_budget is None else dollars(one.info.max_budget)
    per_minute = "no limit" if one.info.rpm_limit is None else f"{one.info.rpm_limit:,}"
    return one.name, ", ".join(one.models), state(one), budget, per_minute, dollars(one.info.spend)
