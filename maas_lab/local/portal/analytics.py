"""Sum up what was used: by day, model, provider, user and key. Pure: rows in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from maas_lab.local.portal.spend import Spent

UNKNOWN_USER = "00000000-0000-0000-0000-000000000000"
TOP, TOP_KEYS = 10, 200  # each application of a whole course has a key


@dataclass(frozen=True)
class Owner:
    """Whose a key is.

    Attributes:
        key: the key's id in the portal; empty for a key that the portal did not make.
    """

    user: str
    username: str
    email: str = ""
    role: str = "user"
    key: str = ""
    key_name: str = ""
    alias: str = ""
    application: str = ""


NOBODY = Owner(UNKNOWN_USER, "Unknown User")


@dataclass
class Total:
    """A sum of calls.

    Attributes:
        requests: all calls; `failures` are those among them that were refused or broke.
        users: whose calls they were.
        last_day: when the last one was.
    """

    requests: int = 0
    successes: int = 0
    failures: int = 0
    prompt: int = 0
    completion: int = 0
    cost: float = 0.0
    users: set[str] = field(default_factory=set)
    last_day: str = ""

    def add(self, row: Spent, user: str = "") -> Total:
        """Add a row and return the sum."""
        self.requests += row.requests
        self.successes += row.successes
        self.failures += row.failures
        self.prompt += row.prompt
        self.completion += row.completion
        self.cost += row.cost
        self.users |= {user} if user else set()
        self.last_day = max(self.last_day, row.day)
        return self

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt + self.completion

    @property
    def success_rate(self) -> float:
        """The part of the calls that succeeded, in percent; 0 without any call."""
        return 100 * self.successes / self.requests if self.requests else 0.0

    def flat(self) -> dict[str, Any]:
        """Return it as lists of days and tops have it."""
        told = {"requests": self.requests, "successfulRequests": self.successes, "failedRequests": self.failures}
        tokens = {"tokens": self.tokens, "prompt_tokens": self.prompt, "completion_tokens": self.completion}
        return told | tokens | {"cost": self.cost}

    def metrics(self) -> dict[str, Any]:
        """Return it as the tables have it."""
        told = {"requests": self.requests, "successfulRequests": self.successes, "failedRequests": self.failures}
        tokens = {"total": self.tokens, "prompt": self.prompt, "completion": self.completion}
        return told | {"tokens": tokens, "cost": self.cost, "successRate": self.success_rate}


class Books:
    """Rows of what was used, with the owners of the keys.

    Args:
        rows: of one span of days.
        owners: of keys, by their hashes.
        users: the portal's users by id, for keys that the portal did not make.
        models: the catalog's names with their providers; what was mistyped is no model.
    """

    def __init__(
        self,
        rows: Iterable[Spent],
        owners: Mapping[str, Owner],
        users: Mapping[str, Owner],
        models: Mapping[str, str],
    ) -> None:
        self.rows, self._owners, self._users, self._models = list(rows), owners, users, models

    def owner(self, row: Spent) -> Owner:
        """Return whose call it was; a key that was deleted keeps its owner."""
        return self._owners.get(row.token) or self._users.get(row.user) or NOBODY

    def provider(self, model: str) -> str:
        """Return a model's provider."""
        return self._models.get(model, "unknown")

    def only(self, keep: Callable[[Spent, Owner], bool]) -> Books:
        """Return a part of it."""
        rows = [row for row in self.rows if keep(row, self.owner(row))]
        return Books(rows, self._owners, self._users, self._models)

    def total(self) -> Total:
        """Return the sum of everything."""
        whole = Total()
        for row in self.rows:
            whole.add(row, self.owner(row).user)
        return whole

    def by(self, name: Callable[[Spent], str]) -> dict[str, Total]:
        """Return the sums by something, what costs most first."""
        found: dict[str, Total] = {}
        for row in self.rows:
            if key := name(row):
                found.setdefault(key, Total()).add(row, self.owner(row).user)
        return dict(sorted(found.items(), key=lambda one: (-one[1].cost, -one[1].requests, one[0])))

    def model(self, row: Spent) -> str:
        """Return the model of a row; nothing for a call that named none that there is or was."""
        return row.model if row.successes or row.cost or row.model in self._models else ""

    def parts(self, name: Callable[[Spent], str]) -> dict[str, Books]:
        """Return the books of each value of something."""
        found: dict[str, list[Spent]] = {}
        for row in self.rows:
            found.setdefault(name(row), []).append(row)
        return {key: Books(rows, self._owners, self._users, self._models) for key, rows in found.items()}

    def people(self) -> dict[str, Owner]:
        """Return the owners by user id."""
        return {one.user: one for one in map(self.owner, self.rows)}


def report(books: Books, before: Books, first: str, last: str) -> dict[str, Any]:
    """Return the whole statistics of a span of days.

    Args:
        books: of the span.
        first: its first day.
        last: its last day.
        before: the books of the span of the same length before it, for the trends.
    """
    whole, models = books.total(), books.by(books.model)
    users, people = books.by(lambda row: books.owner(row).user), books.people()
    by_model = [_model(books, name, one) for name, one in models.items()]
    by_user = [_user(people[name], one) for name, one in users.items()]
    keys = key_rows(books)
    return {
        "period": {"startDate": first, "endDate": last},
        "totalUsers": len(users),
        "activeUsers": len([one for one in users.values() if one.successes]),
        "totalRequests": whole.requests,
        "successfulRequests": whole.successes,
        "failedRequests": whole.failures,
        "totalTokens": {"total": whole.tokens, "prompt": whole.prompt, "completion": whole.completion},
        "totalCost": {
            "total": whole.cost,
            "byProvider": {name: one.cost for name, one in by_provider(books).items()},
            "byModel": {name: one.cost for name, one in models.items()},
            "byUser": {name: one.cost for name, one in users.items()},
        },
        "successRate": whole.success_rate,
        "averageLatency": None,
        "topMetrics": {"topUser": _first(by_user), "topModel": _first(by_model), "topApiKey": _first(keys)},
        "trends": _trends(whole, before.total()),
        "dailyUsage": _days(books),
        "dailyModelUsage": _model_days(books),
        "topModels": by_model[:TOP],
        "topUsers": by_user[:TOP],
        "topApiKeys": keys[:TOP_KEYS],
    }


def user_rows(books: Books) -> list[dict[str, Any]]:
    """Return one row per user, with models and keys."""
    people, parts = books.people(), books.parts(lambda row: books.owner(row).user)
    totals = books.by(lambda row: books.owner(row).user)
    return [_user_row(parts[user], people[user], one) for user, one in totals.items()]


def model_rows(books: Books) -> list[dict[str, Any]]:
    """Return one row per model."""
    totals = books.by(books.model).items()
    return [_named(books, name) | {"metrics": one.metrics() | {"users": len(one.users)}} for name, one in totals]


def provider_rows(books: Books) -> list[dict[str, Any]]:
    """Return one row per provider."""
    totals = by_provider(books).items()
    return [{"provider": name, "metrics": one.metrics() | {"users": len(one.users)}} for name, one in totals]


def by_provider(books: Books) -> dict[str, Total]:
    """Return the sums by provider."""
    return books.by(lambda row: books.provider(books.model(row)) if books.model(row) else "")


def key_rows(books: Books) -> list[dict[str, Any]]:
    """Return one row per key."""
    owners = {row.token: books.owner(row) for row in books.rows}
    return [_key(owners[token], token, one) for token, one in books.by(lambda row: row.token).items()]


def _user_row(own: Books, owner: Owner, whole: Total) -> dict[str, Any]:
    metrics = whole.metrics() | {
        "models": [_named(own, name) | one.metrics() for name, one in own.by(own.model).items()],
        "apiKeys": key_rows(own),
        "lastActive": f"{whole.last_day}T00:00:00.000Z",
    }
    return _person(owner) | {"metrics": metrics}


def _named(books: Books, name: str) -> dict[str, Any]:
    return {"modelId": name, "modelName": name, "provider": books.provider(name)}


def _person(owner: Owner) -> dict[str, Any]:
    return {"userId": owner.user, "username": owner.username, "email": owner.email, "role": owner.role}


def _model(books: Books, name: str, total: Total) -> dict[str, Any]:
    return _named(books, name) | total.flat()


def _user(owner: Owner, total: Total) -> dict[str, Any]:
    return _person(owner) | total.flat()


def _key(owner: Owner, token: str, total: Total) -> dict[str, Any]:
    told = {"keyId": owner.key, "keyName": owner.key_name or "Unknown key", "keyAlias": owner.alias, "tokenHash": token}
    return told | {"application": owner.application, "username": owner.username} | total.flat()


def _first(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    return rows[0] if rows else None


def _days(books: Books) -> list[dict[str, Any]]:
    totals = books.by(lambda row: row.day)
    return [{"date": day, **totals[day].flat()} for day in sorted(totals)]


def _model_days(books: Books) -> list[dict[str, Any]]:
    found = []
    for day, part in sorted(books.parts(lambda row: row.day).items()):
        models = [_model(part, name, one) for name, one in part.by(part.model).items()]
        found.append({"date": day, "models": models})
    return found


def _trends(current: Total, previous: Total) -> dict[str, Any]:
    sizes: dict[str, Callable[[Total], float]] = {
        "requests": lambda one: one.requests,
        "cost": lambda one: one.cost,
        "users": lambda one: len(one.users),
        "totalTokens": lambda one: one.tokens,
        "promptTokens": lambda one: one.prompt,
        "completionTokens": lambda one: one.completion,
    }
    return {f"{name}Trend": _trend(name, size(current), size(previous)) for name, size in sizes.items()}


def _trend(name: str, current: float, previous: float) -> dict[str, Any]:
    change = 100 * (current - previous) / previous if previous else 0.0
    direction = "up" if current > previous else "down" if current < previous else "stable"
    numbers = {"current": current, "previous": previous, "percentageChange": change}
    return {"metric": name, **numbers, "direction": direction}
