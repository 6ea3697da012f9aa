"""The usage board: who used what, in the last 24 hours where the portal counts hours, else in whole days."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from ipywidgets import HTML

from maas_lab.amounts import dollars
from maas_lab.errors import NoSuchEntry
from maas_lab.portal import Portal
from maas_lab.portal_hours import Hour
from maas_lab.portal_rows import User
from maas_lab.portal_usage import Usage
from maas_lab.tables import Table
from maas_lab.widgets.parts import Message, Panel, button, facts, table

_COUNTS = (">Requests (hits)", ">Tokens", ">Cost")
_TOP = 10  # the most rows of each kind that the portal tells
Line = tuple[str, int, int, float]


@dataclass(frozen=True)
class Summary:
    """What the board shows.

    Attributes:
        span: which time it is about, in words.
        requests: calls, the refused ones too.
        refused: those among them that got no answer.
        tokens: of prompts and answers.
        cost: dollars.
        models: name, requests, tokens and cost of each model, the most expensive first.
        usage: the same by whole days, yesterday and today, with applications and users.
    """

    span: str
    requests: int
    refused: int
    tokens: int
    cost: float
    models: tuple[Line, ...]
    usage: Usage

    @classmethod
    def of_hours(cls, rows: Iterable[Hour], usage: Usage) -> Summary:
        """Sum up hours."""
        rows = list(rows)
        models: dict[str, Line] = {}
        for row in rows:
            _, requests, tokens, cost = models.get(row.model, (row.model, 0, 0, 0.0))
            models[row.model] = (row.model, requests + row.requests, tokens + row.tokens, cost + row.cost)
        totals = [sum(line[column] for line in models.values()) for column in (1, 2, 3)]
        refused = sum(row.refused for row in rows)
        return cls("the last 24 hours", totals[0], refused, *totals[1:], _by_cost(models.values()), usage)

    @classmethod
    def of_days(cls, usage: Usage) -> Summary:
        """Take the days as they are."""
        models = [(row.name, row.requests, row.tokens.total, row.cost) for row in usage.models]
        refused = usage.requests - usage.answered
        return cls(_days(usage), usage.requests, refused, usage.tokens.total, usage.cost, _by_cost(models), usage)


class UsageBoard(Panel):
    """A board of requests (hits), tokens and cost: everybody's for those who may see it, else the user's own.

    Args:
        portal: the user's; `load` asks it.

    Attributes:
        summary: what the board shows; None before `load`.
        refresh: the button.
        message: what became of it.
        error: why the last refresh failed; None when it did not.
    """

    TEXT = """\
UsageBoard: in a running notebook, requests (hits), tokens and cost by application and by model.
The same in code, `since` being a datetime.date:
  portal.statistics.hours()           everybody's last 24 hours, for admins and auditors (portal.hours(): your own)
  portal.statistics.usage(since)      everybody's whole days, with .applications, .models and .users
  portal.usage(since)                 your own whole days"""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.summary: Summary | None = None
        self._title, self._totals, self._tables = HTML(), HTML(), HTML()
        self.refresh = button("Refresh", "Read the numbers from the portal again")
        self.message = Message()
        super().__init__([self._title, self._totals, self._tables, self.refresh, self.message], [self.refresh])
        self.refresh.on_click(lambda _: self._refresh())

    def load(self) -> None:
        """Read the numbers from the portal.

        Raises:
            PortalError: the portal refused, failed, or did not answer.
        """
        me = self.portal.me
        self.summary = _summary(self.portal, me)
        self._title.value = _title(me, self.summary)
        self._totals.value = _totals(self.summary)
        self._tables.value = _tables(self.summary, everybody=me.sees_usage)

    def _refresh(self) -> None:
        with self._action("Reading the numbers …", self.message):
            self.load()
            self.message.done(f"read at {datetime.now(UTC):%H:%M:%S} UTC")


def _summary(portal: Portal, me: User) -> Summary:
    read: Callable[[], Table[Hour]] = portal.statistics.hours if me.sees_usage else portal.hours
    since = datetime.now(UTC).date() - timedelta(days=1)
    usage = portal.statistics.usage(since) if me.sees_usage else portal.usage(since)
    try:
        return Summary.of_hours(read(), usage)
    except NoSuchEntry:  # LiteMaaS
        return Summary.of_days(usage)


def _by_cost(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: (-line[3], -line[1], line[0])))


def _days(usage: Usage) -> str:
    return f"whole days, {usage.since} to {usage.until} UTC"


def _title(me: User, summary: Summary) -> str:
    whose = "Usage of everybody" if me.sees_usage else "Your usage"
    roles = ", ".join(me.roles) or "none"
    stale = "" if summary.usage.fresh else " Numbers by whole days may be five minutes behind."
    told = f"Logged in as <b>{escape(me.name)}</b>, roles: {escape(roles)}."
    return f"<h3>{whose}: {escape(summary.span)}</h3><p>{told}{stale}</p>"


def _totals(summary: Summary) -> str:
    refused = f"{summary.refused:,} of them refused"
    shown = {
        f"Requests (hits), {refused}": f"{summary.requests:,}",
        "Total tokens": f"{summary.tokens:,}",
        "Cost": dollars(summary.cost),
    }
    return facts(shown)


def _tables(summary: Summary, *, everybody: bool) -> str:
    found, days = summary.usage, _days(summary.usage)
    models = table(f"By model ({summary.span})", ("Model", *_COUNTS), _shown(summary.models), "No calls.")
    users = [(row.name, row.requests, row.tokens.total, row.cost) for row in found.users]
    by_user = table(f"By user ({days})", ("User", *_COUNTS), _shown(users), "No calls.") if everybody else ""
    return _applications(found, days) + models + by_user


def _applications(usage: Usage, days: str) -> str:
    rows = usage.applications
    told = "This portal does not tell usage by application." if rows is None else "No calls."
    cells = [
        (row.name, row.id or "unknown", *counts[1:])
        for row in rows or ()
        for counts in _shown([(row.name, row.requests, row.tokens.total, row.cost)])
    ]
    most = f"By application ({days}; the {_TOP} keys that cost most)"
    return table(most, ("Application", "User", *_COUNTS), cells, told)


def _shown(lines: Iterable[Line]) -> list[tuple[str, str, str, str]]:
    return [(name or "(none)", f"{requests:,}", f"{tokens:,}", dollars(cost)) for name, requests, tokens, cost in lines]
