"""The editor of caps: choose a user, an application or a key, see what is spent of its cap, and set another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from ipywidgets import HTML, Dropdown, HBox, Text, VBox

from maas_lab.amounts import dollars
from maas_lab.cap_shares import WARN_AT, Cap
from maas_lab.errors import NoSuchEntry, UsageError
from maas_lab.widgets import limits
from maas_lab.widgets.parts import Message, beside, button, offer, table

KINDS = {"Application": "application", "User": "user", "Key": "key"}
_STAYS = "then it stays as it is"
_MOST = 10  # caps that are told without being asked for
_COLUMNS = (">Spent", ">Soft cap", ">Cap", "State")


class CapEditor(VBox):
    """Caps with the fields to change one; it shows and asks, the board acts.

    Attributes:
        kind: the field that chooses what is capped: a user, an application or a key.
        chosen: the field that chooses whose cap; its `value` is what the gateway calls it.
        cap: the field for the new cap in dollars; empty leaves it as it is, as in the other three.
        soft: the field for the soft cap in dollars, from which on there is a warning.
        rpm: the field for requests per minute.
        tpm: the field for tokens per minute.
        set: sets what was typed.
        confirm: sets a cap below what is spent.
        keep: does not.
        message: what became of the last action.
    """

    def __init__(self) -> None:
        self._caps: dict[tuple[str, str], Cap] = {}
        self._reason: str | None = None
        self._head, self._alarms, self._shown = HTML(), HTML(), HTML()
        self._question, self.message = HTML(), Message()
        self.kind = Dropdown(description="Cap of:", options=list(KINDS.items()), **beside())
        self.chosen = Dropdown(description="Name:", **beside())
        self.cap = Text(description="New cap in dollars:", placeholder="e.g. 2.50; empty: it stays", **beside())
        self.soft = Text(description="Soft cap in dollars:", placeholder="e.g. 2.00; empty: it stays", **beside())
        self.rpm = Text(description="Requests per minute:", placeholder="e.g. 60; empty: it stays", **beside())
        self.tpm = Text(description="Tokens per minute:", placeholder="e.g. 5000; empty: it stays", **beside())
        self.set = button("Set cap", "Change the cap of what is chosen, from the next call on", "primary")
        self.confirm = button("Set it all the same", "Set the cap although more than that is spent", "danger")
        self.keep = button("Keep the old cap", "Do not change the cap")
        self.set.layout.margin = "2px 2px 2px calc(11em + 10px)"
        self._asking = VBox([self._question, HBox([self.confirm, self.keep])])
        parts = [self._head, self._alarms, self.kind, self.chosen, self._shown, *self.fields.values(), self.set]
        self._parts = (*parts, self._asking, self.message)
        super().__init__(self._parts)
        self.kind.observe(lambda _: self._offer(), "value")
        self.chosen.observe(lambda _: self._tell(), "value")
        self.keep.on_click(lambda _: self._keep())
        for field in self.fields.values():
            field.observe(lambda _: self._unask(), "value")  # the question was about another number
        self.enable()

    @property
    def fields(self) -> dict[str, Text]:
        """The fields that hold a limit, by its name in Python."""
        return {"max_budget": self.cap, "soft_budget": self.soft, "rpm_limit": self.rpm, "tpm_limit": self.tpm}

    @property
    def buttons(self) -> tuple:
        """All of them."""
        return self.set, self.confirm, self.keep

    @property
    def current(self) -> Cap | None:
        """The chosen cap; None when there is none."""
        return self._caps.get((self.kind.value, self.chosen.value or ""))

    def show(self, caps: Iterable[Cap] | None, reason: str | None = None) -> None:
        """Show caps, and offer those whose cap they are.

        Args:
            caps: all there are; None when nobody knows, and nothing is shown but the reason.
            reason: why caps may not be changed; None when they may.
        """
        self._reason = reason
        self.children = self._parts if caps is not None else self._parts[:1]
        self.update(caps or ())
        behind = "What is spent is some seconds behind the calls." if caps is not None else ""
        told = "".join(f"<p>{escape(text)}</p>" for text in (behind, reason) if text)
        self._head.value = f"<h3>Caps</h3>{told}"
        self._offer()

    def update(self, caps: Iterable[Cap]) -> None:
        """Show caps with what is spent now; the fields and what they offer stay, because somebody may be in them."""
        self._caps = {(one.kind, one.name): one for one in caps}
        self._alarms.value = _alarms(self._caps.values())
        self._tell_spend()

    def wanted(self) -> dict[str, Any]:
        """Return the limits that were typed.

        Raises:
            UsageError: one is not a limit, they contradict each other, or nothing was typed.
            NoSuchEntry: what was chosen is not there any more.
        """
        if self.current is None:
            raise gone(f"{self.kind.value} “{self.chosen.value}”")
        typed = {
            "max_budget": limits.budget(self.cap.value, _STAYS),
            # A user has none, and its field is not shown then.
            "soft_budget": None if self.kind.value == "user" else limits.budget(self.soft.value, _STAYS),
            "rpm_limit": limits.per_minute(self.rpm.value, "requests", _STAYS),
            "tpm_limit": limits.per_minute(self.tpm.value, "tokens", _STAYS),
        }
        found = {name: value for name, value in typed.items() if value is not None}
        _must_fit(found, self.current)
        return found

    def ask(self, question: str) -> None:
        """Ask before something is done that will refuse calls."""
        self._question.value = f'<div class="told" role="alert">{escape(question)}</div>'
        self._asking.layout.display = "flex"

    def clear(self) -> None:
        """Empty the fields and no longer ask."""
        for field in self.fields.values():
            field.value = ""
        self.enable()

    def enable(self) -> None:
        """Enable what can be done to the chosen cap, and no longer ask."""
        for one in (*self.buttons, *self.fields.values()):
            one.disabled = self.current is None or self._reason is not None
        self._unask()

    def name(self, cap: Cap) -> str:
        """Return whose cap it is, in words."""
        return f"{cap.kind} “{cap.name}”"

    def _unask(self) -> None:
        self._asking.layout.display = "none"

    def _keep(self) -> None:
        self.message.done("nothing was changed")
        self.enable()

    def _offer(self) -> None:
        names = sorted(name for kind, name in self._caps if kind == self.kind.value)
        offer(self.chosen, [(name or "(without a name)", name) for name in names])
        self.soft.layout.display = "none" if self.kind.value == "user" else None
        self._tell()

    def _tell(self) -> None:
        self._tell_spend()
        self.enable()

    def _tell_spend(self) -> None:
        found = self.current
        rows = [_row(found)] if found else []
        caption = f"Cap of {self.name(found)}" if found else "Cap"
        self._shown.value = table(caption, _COLUMNS, rows, f"There is no {self.kind.value}.")


def gone(what: str) -> NoSuchEntry:
    """Return the error that something is not there any more."""
    return NoSuchEntry(f"there is no {what} any more", "it was deleted since the board read the names", "press Refresh")


def _alarms(caps: Iterable[Cap]) -> str:
    """Return the caps that are reached, and those that are nearly, the worst first."""
    found = [cap for cap in caps if cap.state != "within"]
    found.sort(key=lambda cap: (cap.state != "reached", -cap.spend, cap.kind, cap.name))
    rows = [(f"{cap.kind} {cap.name}", dollars(cap.spend), _amount(cap.cap), _state(cap)) for cap in found[:_MOST]]
    if len(found) > _MOST:
        rows.append((f"({len(found) - _MOST:,} more)", "", "", ""))
    return table("Reached, or nearly", ("Whose cap", ">Spent", ">Cap", "State"), rows, "No cap is reached, or nearly.")


def told(cap: Cap) -> str:
    """Return what a cap allows now, in words."""
    of = "" if cap.cap is None else f" of {dollars(cap.cap)}"
    return f"{dollars(cap.spend)}{of} is spent; {_state(cap)}"


def _state(cap: Cap) -> str:
    if cap.state == "reached":
        return "cap reached: calls are refused"
    if cap.state == "warning":
        passed = f"{WARN_AT:.0%} of the cap is spent" if cap.soft is None else "soft cap passed"
        return f"warning, {passed}: calls are still answered"
    return "within the cap: calls are answered" if cap.cap is not None else "there is no cap"


def _row(cap: Cap) -> tuple[str, ...]:
    return dollars(cap.spend), _amount(cap.soft), _amount(cap.cap), _state(cap)


def _amount(limit: float | None) -> str:
    return "none" if limit is None else dollars(limit)


def _must_fit(found: Mapping[str, Any], now: Cap) -> None:
    """Refuse limits that are none, or contradict each other."""
    soft, hard = found.get("soft_budget"), found.get("max_budget", now.cap)
    if not found or (now.kind == "application" and hard is None):
        why = "an application's limits need a cap" if found else "all fields are empty"
        raise UsageError("there is no new cap", why, "type a number of dollars, such as 2.50")
    if soft is not None and hard is not None and soft >= hard:
        what = f"the soft cap {dollars(soft)} is not below the cap {dollars(hard)}"
        raise UsageError(what, "nobody would be warned before calls are refused", "type a smaller soft cap")
