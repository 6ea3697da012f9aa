"""The accountant's board: everybody's usage over a chosen time, live, with charts, the invoice and the caps."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from ipywidgets import HTML, Dropdown, HBox, Layout

from maas_lab import caps
from maas_lab.amounts import dollars
from maas_lab.caps import Cap
from maas_lab.errors import RoleMissing
from maas_lab.gateway import Gateway
from maas_lab.portal import Portal
from maas_lab.portal_rows import User
from maas_lab.widgets.cap_editor import CapEditor, gone, told
from maas_lab.widgets.capping import set_cap
from maas_lab.widgets.invoice import InvoiceFiles
from maas_lab.widgets.live import EVERY, LiveRefresh
from maas_lab.widgets.parts import Message, Panel, beside, button
from maas_lab.widgets.reading import Reader, Reading, Source
from maas_lab.widgets.windows import WINDOWS
from maas_lab.windows import zone

GROUPS = ("application", "team", "user", "model", "key", "outcome", "hour")


class AccountingBoard(Panel):
    """A board of everybody's usage: totals, a table, charts, the invoice, and caps.

    Args:
        portal: of a user who may see everybody's usage; caps are changed through it.
        source: of the numbers.
        gateway: of the caps; None means the source's own, where it has one.
        tz: name of the time zone of days and hours.
        every: seconds between two reads while it is live.

    Attributes:
        time: the field that chooses the span of time; its `value` is one of `WINDOWS`.
        group: the field that chooses what the table is by; its `value` is one of `GROUPS`.
        refresh: the button that reads again.
        live: reads again by itself while its `toggle` is on.
        message: what became of the last action.
        invoice: makes the files of the invoice.
        caps: shows a cap and changes it.
        reading: what the board shows; None before `load`.
        error: why the last action failed; None when it did not.
    """

    TEXT = """\
AccountingBoard: in a running notebook, everybody's hits, tokens and cost, live, with charts, the invoice and the caps.
The same in code, `source` being lab.usage or lab.usage_database():
  summary = source.summary(usage.last(24), by=("hour", "team", "application", "model"))
  plots.hits_by_hour(summary)                            hits over the last 24 hours, as a chart
  chargeback.invoice(summary, window=usage.last(24))     the invoice: .html(), .csv(), .xlsx(path)
  caps.state(lab)                                        what is spent of which cap
  portal.admin.cap_user(name, max_budget=2.5)            what a user may spend, for admins
  portal.admin.cap_application(name, max_budget=2.5)     what an application may spend
  portal.admin.cap_key(user, name, max_budget=2.5)       what a key of a user may spend"""

    def __init__(
        self,
        portal: Portal,
        source: Source,
        *,
        gateway: Gateway | None = None,
        tz: str = "UTC",
        every: float = EVERY,
    ) -> None:
        self.portal, self.tz = portal, zone(tz)
        self._gateway = gateway or getattr(source, "gateway", None)
        self._reader = Reader(source, self._gateway, self.tz)
        self.reading: Reading | None = None
        self._title, self._about, self._totals, self._charts = (HTML() for _ in range(4))
        self._table = HTML(tabbable=True)  # it scrolls where it is wider than its place: by keyboard, too
        self._table.add_class("maas-lab-scrolls")
        self.time = Dropdown(
            description="Time:", options=list(WINDOWS), value="the last 24 hours", **beside("22em", "6em")
        )
        self.group = Dropdown(description="Group by:", options=list(GROUPS), **beside("22em", "6em"))
        self.refresh = button("Refresh", "Read the numbers again, and the names of whom caps can be set for")
        self.live, self.message = LiveRefresh(self._read, every=every), Message()
        self.invoice, self.caps = InvoiceFiles(), CapEditor()
        choices = HBox([self.time, self.group], layout=Layout(flex_flow="row wrap"))
        reads = HBox([self.refresh, self.live], layout=Layout(flex_flow="row wrap", align_items="flex-start"))
        shown = [self._about, self._totals, self._table, self._charts]
        parts = [self._title, choices, reads, self.message, *shown, self.invoice, self.caps]
        super().__init__(parts, [self.refresh, self.invoice.make, *self.caps.buttons])
        self.add_class("maas-lab-wide")
        self._connect()

    def load(self) -> None:
        """Read everything: who is logged in, the numbers and the caps.

        Raises:
            RoleMissing: the user sees only their own usage.
            LabError: portal, source or gateway refused, failed, or did not answer.
        """
        me = self.portal.me
        if not me.sees_usage:
            hint = 'lab.login("accountant"), or widgets.usage_board(portal) for your own usage'
            raise RoleMissing(f"`{me.name}` does not see everybody's usage", "that takes an admin or an auditor", hint)
        self._title.value = _title(me)
        self._read()()
        self._offer_caps(me)

    def close(self) -> None:
        """Stop reading, and close the board."""
        if live := getattr(self, "live", None):  # not there, when its making failed
            live.close()
            self._reader.close()
        super().close()

    def _connect(self) -> None:
        self.time.observe(lambda _: self.invoice.clear(), "value")
        self.time.observe(lambda _: self._choose(), "value")
        self.group.observe(lambda _: self._choose(), "value")
        self.refresh.on_click(lambda _: self._refresh())
        self.invoice.make.on_click(lambda _: self._invoice())
        self.caps.set.on_click(lambda _: self._cap())
        self.caps.confirm.on_click(lambda _: self._cap(sure=True))

    def _enable(self) -> None:
        super()._enable()
        self.caps.enable()

    def _read(self) -> Callable[[], None]:
        """Read what is chosen now, in whichever thread, and return what shows it."""
        found = self._reader.read(self.time.value, self.group.value)
        return lambda: self._show(found)

    def _show(self, found: Reading) -> None:
        """Show numbers, unless something else has been chosen meanwhile; no field is touched."""
        if found.asked != (self.time.value, self.group.value):
            return
        self.reading = found
        self._about.value, self._totals.value = found.about, found.totals
        self._table.value, self._charts.value = found.table, found.charts
        if found.caps is not None:
            self.caps.update(found.caps)

    def _offer_caps(self, me: User) -> None:
        reason = None if me.is_admin else "You may look at caps; to change one takes the role admin."
        if self._gateway is None:
            reason = "Caps are not shown: this source knows no gateway (usage_board(..., gateway=lab.gateway) does)."
        self.caps.show(self.reading.caps, reason)

    # Each field and each button is one call.

    def _choose(self) -> None:
        with self._action("Reading the numbers …", self.message):
            self._read()()
            self.message.clear()

    def _refresh(self) -> None:
        with self._action("Reading the numbers …", self.message):
            self.load()
            self.message.done("the numbers were read again")

    def _invoice(self) -> None:
        with self._action("Making the invoice …", self.invoice.message):
            shown = self.reading
            self.invoice.show(shown.summary, shown.window, self.tz)
            self.invoice.message.done("the invoice is made; save it with the links above")

    def _cap(self, *, sure: bool = False) -> None:
        editor, question = self.caps, ""
        with self._action("Setting the cap …", editor.message):
            wanted, now = editor.wanted(), self._now(editor.current)
            question = "" if sure else _question(now, wanted)
            if question:
                editor.message.clear()
            else:
                set_cap(self.portal.admin, self._gateway, now, wanted)
                done = f"{editor.name(now)}: {told(self._now(now))}"
                editor.clear()
                editor.message.done(done)
        if question:
            editor.ask(question)

    def _now(self, cap: Cap) -> Cap:
        """Read the caps again, show them, and return one of them as it is now."""
        found = tuple(caps.state(self._gateway))
        self.caps.update(found)
        if same := next((one for one in found if (one.kind, one.name) == (cap.kind, cap.name)), None):
            return same
        raise gone(self.caps.name(cap))


def _title(me: User) -> str:
    roles = ", ".join(me.roles)
    return f"<h3>Usage of everybody</h3><p>Logged in as <b>{escape(me.name)}</b>, roles: {escape(roles)}.</p>"


def _question(cap: Cap, wanted: dict[str, Any]) -> str:
    """Return what to ask before a cap is set; empty when there is nothing to ask."""
    new = wanted.get("max_budget")
    if new is None or cap.spend < new:
        return ""
    spent, limit = dollars(cap.spend), dollars(new)
    return f"{spent} is spent already, and the new cap is {limit}: the next call will be refused. Set it?"
