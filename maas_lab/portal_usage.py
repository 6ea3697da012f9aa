"""The portal's own statistics of a span of days, as typed rows.

They are convenient, not exact: what is billed is the gateway's spend rows. LiteMaaS counts refused calls as requests,
adds prompt and answered tokens twice in its administrators' view, names models as the model server does, and files
the calls of deleted keys under nobody (here `(deleted keys)`: to avoid it, block keys or let them expire). Rows here
say where that happens instead of repeating it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from maas_lab.errors import UsageError
from maas_lab.portal_rows import NOBODY, OfferedModel, number


class Names:
    """The two names of each model: the catalogue's, and the one under which usage is filed.

    Args:
        models: the portal's catalogue.
    """

    def __init__(self, models: Iterable[OfferedModel]) -> None:
        offered = list(models)
        self._filed = {model.name: f"{model.provider}/{model.served}" for model in offered}
        # Where two models share a server's name, usage does not tell them apart, so it keeps that name.
        filed = list(self._filed.values())
        self._names = {told: name for name, told in self._filed.items() if filed.count(told) == 1}

    def name(self, filed: str) -> str:
        """Return the catalogue's name of a model in a usage row."""
        return self._names.get(filed, filed)

    def known(self, filed: str) -> bool:
        """Return whether the catalogue has it: a name mistyped in a call becomes a row of usage, too."""
        return filed in self._filed or filed in self._filed.values()

    def filters(self, names: Iterable[str]) -> list[str]:
        """Return what to ask for, to get the usage of models of the catalogue."""
        asked = list(names)
        return list(dict.fromkeys([*asked, *(self._filed[name] for name in asked if name in self._filed)]))


@dataclass(frozen=True)
class Tokens:
    """How many tokens.

    Attributes:
        total: prompts and answers together.
        prompt: of prompts; None where the portal's numbers do not add up, so that nobody bills by them.
        completion: of answers; None likewise.
    """

    total: int
    prompt: int | None
    completion: int | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Tokens:
        """Read `{total, prompt, completion}`, or `{tokens, prompt_tokens, completion_tokens}`."""
        parts = row["tokens"] if isinstance(row.get("tokens"), Mapping) else row.get("totalTokens") or row
        names = ("total", "prompt", "completion") if "total" in parts else _FLAT
        total, prompt, completion = (int(number(parts.get(name)) or 0) for name in names)
        adds_up = prompt + completion == total
        return cls(total, prompt if adds_up else None, completion if adds_up else None)

    def __add__(self, other: Tokens) -> Tokens:
        parts = (self.prompt, other.prompt, self.completion, other.completion)
        known = None not in parts
        sums = (self.prompt + other.prompt, self.completion + other.completion) if known else (None, None)
        return Tokens(self.total + other.total, *sums)


_FLAT = ("tokens", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True)
class UsageRow:
    """The usage of one model, of one user, of one application, or of one day.

    Attributes:
        name: of the model, of the user, of the application, or the day (`2026-11-23`).
        requests: calls, the refused ones too.
        tokens: of the answered calls.
        cost: dollars.
        known: whether the name stands for something: not for a mistyped model, nor for the owner of deleted keys.
        id: the user's id; the model's name as it is filed; the name of the application's owner; empty for a day.
    """

    name: str
    requests: int
    tokens: Tokens
    cost: float
    known: bool = field(repr=False)
    id: str = field(repr=False)

    @classmethod
    def read(cls, row: Mapping[str, Any], name: str, known: bool, id: str) -> UsageRow:
        """Read a row with `requests`, `tokens` and `cost`, in it or in its `metrics`."""
        counts = row.get("metrics") or row
        requests, cost = int(number(counts.get("requests")) or 0), number(counts.get("cost")) or 0.0
        return cls(name, requests, Tokens.read(counts), cost, known, id)

    @classmethod
    def of_model(cls, row: Mapping[str, Any], names: Names) -> UsageRow:
        """Read a row about a model."""
        filed = row["modelId"]
        return cls.read(row, names.name(filed), names.known(filed), filed)

    @classmethod
    def of_user(cls, row: Mapping[str, Any]) -> UsageRow:
        """Read a row about a user."""
        known = row["userId"] != NOBODY
        return cls.read(row, row["username"] if known else "(deleted keys)", known, row["userId"])

    @classmethod
    def of_key(cls, row: Mapping[str, Any]) -> UsageRow:
        """Read a row about a key as one about its application."""
        name = row.get("application") or ""
        return cls.read(row, name or "(no application)", bool(name), row.get("username") or "")

    def __add__(self, other: UsageRow) -> UsageRow:
        """Add up two rows about the same thing."""
        requests, cost = self.requests + other.requests, self.cost + other.cost
        return replace(self, requests=requests, tokens=self.tokens + other.tokens, cost=cost)

    @classmethod
    def of_day(cls, row: Mapping[str, Any]) -> UsageRow:
        """Read a row about a day."""
        return cls.read(row, row["date"], True, "")


@dataclass(frozen=True)
class Usage:
    """What happened between two days.

    Attributes:
        since: the first day, as the gateway's clock has it.
        until: the last day.
        requests: calls, the refused ones too.
        answered: calls that got an answer.
        tokens: of the answered calls.
        cost: dollars.
        models: by model, the most used first; at most the portal's top ten.
        users: by user; at most the portal's top ten. In a user's own usage it is them alone.
        days: by day.
        applications: by application and owner, of at most the portal's top 200 keys; None where the portal does not
            tell (LiteMaaS).
        fresh: whether the portal was made to look at today again; otherwise it may be five minutes behind.
        raw: the portal's answer as it came, with its own arithmetic.
    """

    since: date
    until: date
    requests: int
    answered: int
    tokens: Tokens
    cost: float
    models: tuple[UsageRow, ...] = field(repr=False)
    users: tuple[UsageRow, ...] = field(repr=False)
    days: tuple[UsageRow, ...] = field(repr=False)
    applications: tuple[UsageRow, ...] | None = field(repr=False)
    fresh: bool = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, told: Mapping[str, Any], names: Names, fresh: bool) -> Usage:
        """Read the answer of `/usage/analytics` or `/admin/usage/analytics`."""
        requests = int(number(told["totalRequests"]) or 0)
        period = told["period"]
        return cls(
            since=date.fromisoformat(period["startDate"][:10]),
            until=date.fromisoformat(period["endDate"][:10]),
            requests=requests,
            # The rate is a percentage, and nothing else counts the answered calls.
            answered=round(requests * (number(told.get("successRate")) or 0.0) / 100),
            tokens=Tokens.read(told),
            cost=number(told["totalCost"]["total"]) or 0.0,
            models=tuple(UsageRow.of_model(row, names) for row in told.get("topModels") or ()),
            users=tuple(UsageRow.of_user(row) for row in told.get("topUsers") or ()),
            days=tuple(UsageRow.of_day(row) for row in told.get("dailyUsage") or ()),
            applications=_applications(told.get("topApiKeys")),
            fresh=fresh,
            raw=told,
        )


def _applications(keys: Iterable[Mapping[str, Any]] | None) -> tuple[UsageRow, ...] | None:
    """Add up the keys of each application: a rotated key counts twice, and so does one that was made anew."""
    if keys is None:
        return None
    found: dict[tuple[str, str], UsageRow] = {}
    for row in map(UsageRow.of_key, keys):
        place = (row.name, row.id)
        found[place] = found[place] + row if place in found else row
    return tuple(found.values())


def span(since: date, until: date | None, today: date) -> dict[str, str]:
    """Return two days as the portal wants them.

    Args:
        since: the first day.
        until: the last day; None means today.
        today: by the gateway's clock, UTC.

    Raises:
        UsageError: they are not days, or in the wrong order: the portal counts whole days only.
    """
    last = until or today
    if any(isinstance(day, datetime) or not isinstance(day, date) for day in (since, last)):
        hint = "give a datetime.date; hours and minutes are in gateway.spend_rows(since)"
        raise UsageError("the portal counts whole days", "this is not a day", hint)
    if since > last:
        raise UsageError("the first day is after the last one", f"{since} to {last}", "exchange them")
    return {"startDate": since.isoformat(), "endDate": last.isoformat()}
