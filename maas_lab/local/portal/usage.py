"""Usage for users, and statistics for administrators: every number is summed from what LiteLLM has booked."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from maas_lab.local.portal import analytics, fields
from maas_lab.local.portal.analytics import Books, Owner
from maas_lab.local.portal.calls import LARGEST_PAGE, LOGGED_IN, Answer, Call, Rule, now, pagination, stamp
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.fields import Fields
from maas_lab.local.portal.people import People
from maas_lab.local.portal.refusals import invalid
from maas_lab.local.portal.spend import Spend

USAGE = "admin:usage"
PATH, ADMIN_PATH = "/api/v1/usage", "/api/v1/admin/usage"
LONGEST_DAYS, LONGEST_EXPORT_DAYS = 90, 365
HEADER = "User ID,Username,Email,Total Requests,Total Tokens,Prompt Tokens,Completion Tokens,Total Cost (USD)"
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "cost": lambda row: row["metrics"]["cost"],
    "requests": lambda row: row["metrics"]["requests"],
    "tokens": lambda row: row["metrics"]["tokens"]["total"],
}
_OWNERS = """
select key_tokens.token, api_keys.id, api_keys.name, api_keys.alias, api_keys.metadata, users.id as user_id,
    users.username, users.email, users.roles
from key_tokens join api_keys on api_keys.id = key_id join users on users.id = user_id
where $1::uuid is null or users.id = $1"""


class Usage:
    """Answers who has used what."""

    def __init__(self, database: Database, spend: Spend, people: People) -> None:
        self._database, self._spend, self._people = database, spend, people

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        tables = {"user": analytics.user_rows, "model": analytics.model_rows, "provider": analytics.provider_rows}
        return [
            Rule("GET", PATH + "/budget", LOGGED_IN, self.budget),
            Rule("POST", PATH + "/analytics", LOGGED_IN, self.own),
            Rule("GET", PATH + "/hours", LOGGED_IN, self.own_hours),
            Rule("POST", ADMIN_PATH + "/refresh-today", USAGE, self.refresh),
            Rule("POST", ADMIN_PATH + "/analytics", USAGE, self.all, limit="analytics"),
            Rule("POST", ADMIN_PATH + "/export", USAGE, self.export, limit="export"),
            Rule("GET", ADMIN_PATH + "/hours", USAGE, self.hours),
            Rule("GET", ADMIN_PATH + "/filter-options", USAGE, self.options),
            *(Rule("POST", f"{ADMIN_PATH}/by-{name}", USAGE, self._table(rows)) for name, rows in tables.items()),
            Rule("POST", ADMIN_PATH + "/by-key", USAGE, self._table(_key_table)),
        ]

    async def budget(self, call: Call) -> dict[str, Any]:
        """Tell what the user who asks has spent and may spend."""
        return await self._people.limits(call.user)

    async def own(self, call: Call) -> dict[str, Any]:
        """Tell the statistics of one's own calls."""
        return await self._report(call, call.user)

    async def all(self, call: Call) -> dict[str, Any]:
        """Tell the statistics of everybody's calls."""
        return await self._report(call, None)

    async def own_hours(self, call: Call) -> dict[str, Any]:
        """Tell one's own hits by the hour."""
        return await self._hours(call, list(await self._owners(call.user)))

    async def hours(self, call: Call) -> dict[str, Any]:
        """Tell everybody's hits by the hour: LiteMaaS itself knows only days."""
        return await self._hours(call, None)

    async def refresh(self, call: Call) -> dict[str, Any]:
        """Nothing to do: what is told is read anew each time."""
        told = "Current day usage data refreshed successfully"
        return {"message": told, "refreshedAt": stamp(now()), "status": "success"}

    async def export(self, call: Call) -> Answer:
        """Return a file with one line per user."""
        body = call.fields
        kind = body.take("format", fields.choice("csv", "json"), "csv")
        first, last = _days(body, LONGEST_EXPORT_DAYS)
        books = await self._books(first, last, _filters(body), None)
        rows = analytics.user_rows(books)
        name = f"usage-{first}-{last}.{kind}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        if kind == "json":
            return Answer({"data": rows}, headers=headers)
        return Answer(_csv(rows), headers=headers | {"content-type": "text/csv; charset=utf-8"})

    async def options(self, call: Call) -> dict[str, Any]:
        """Tell by what the statistics of some days can be filtered."""
        last = fields.day("endDate", call.query.get("endDate", now().date().isoformat()))
        first = fields.day("startDate", call.query.get("startDate", (last - timedelta(days=30)).isoformat()))
        books = await self._books(first, last, {}, None)
        models = [{"id": name, "name": name, "provider": books.provider(name)} for name in books.by(books.model)]
        users = [{"userId": one.user, "username": one.username, "email": one.email} for one in books.people().values()]
        return {"models": models, "users": users}

    def _table(self, rows: Callable[[Books], list[dict[str, Any]]]) -> Callable[[Call], Any]:
        async def table(call: Call) -> dict[str, Any]:
            body = call.fields
            first, last = _days(body, LONGEST_DAYS)
            number, limit = body.take("page", fields.positive, 1), body.take("limit", fields.positive, 50)
            sort = SORTS[body.take("sortBy", fields.choice(*SORTS), "cost")]
            backwards = body.take("sortOrder", fields.choice("asc", "desc"), "desc") == "desc"
            if limit > LARGEST_PAGE:
                raise invalid(f"limit must be at most {LARGEST_PAGE}", "limit")
            found = rows(await self._books(first, last, _filters(body), None))
            found.sort(key=sort, reverse=backwards)
            part = found[(number - 1) * limit : number * limit]
            return {"data": part, "pagination": pagination(number, limit, len(found))}

        return table

    async def _report(self, call: Call, user: UUID | None) -> dict[str, Any]:
        body = call.fields
        first, last = _days(body, LONGEST_DAYS)
        filters = _filters(body, own=user is not None)
        begin = first - (last - first) - timedelta(days=1)
        both = await self._books(begin, last, filters, user)
        span = both.only(lambda row, owner: row.day >= first.isoformat())
        before = both.only(lambda row, owner: row.day < first.isoformat())
        return analytics.report(span, before, first.isoformat(), last.isoformat())

    async def _hours(self, call: Call, tokens: list[str] | None) -> dict[str, Any]:
        since = now() - timedelta(hours=call.number("hours", 24, 24 * 31))
        rows = await self._spend.hours(since, tokens)
        return {"since": stamp(since), "data": [row | {"hour": stamp(row["hour"])} for row in rows]}

    async def _books(self, first: date, last: date, filters: dict[str, set[str]], user: UUID | None) -> Books:
        owners = await self._owners(user)
        rows = await self._spend.days(first, last, owners if user else None)
        models = await self._database.rows("select id, provider from models")
        people = {} if user else await self._everybody()
        books = Books(rows, owners, people, {row["id"]: row["provider"] for row in models})
        return books.only(lambda row, owner: _passes(books, filters, row, owner)) if filters else books

    async def _owners(self, user: UUID | None) -> dict[str, Owner]:
        return {row["token"]: _owner(row) for row in await self._database.rows(_OWNERS, user)}

    async def _everybody(self) -> dict[str, Owner]:
        rows = await self._database.rows("select id, username, email, roles from users")
        return {str(row["id"]): Owner(str(row["id"]), row["username"], row["email"], _role(row)) for row in rows}


def _key_table(books: Books) -> list[dict[str, Any]]:
    totals = books.by(lambda row: row.token)
    return [row | {"metrics": totals[row["tokenHash"]].metrics()} for row in analytics.key_rows(books)]


def _owner(row: Row) -> Owner:
    application = str(row["metadata"].get("application") or row["name"])
    key = (str(row["id"]), row["name"], row["alias"], application)
    return Owner(str(row["user_id"]), row["username"], row["email"], _role(row), *key)


def _role(row: Row) -> str:
    return next((role for role in ("admin", "admin-readonly") if role in row["roles"]), "user")


def _days(body: Fields, longest: int) -> tuple[date, date]:
    """Read the span of days.

    Raises:
        Refused: 400, it is too long or ends before it begins.
    """
    first = body.take("startDate", fields.day, needed=True)
    last = body.take("endDate", fields.day, needed=True)
    if last < first or first.year < 2000:
        raise invalid("endDate must not be before startDate", "endDate")
    if (last - first).days > longest:
        raise invalid(f"Date range cannot exceed {longest} days", "startDate")
    return first, last


def _filters(body: Fields, *, own: bool = False) -> dict[str, set[str]]:
    """Read by what is filtered, and refuse fields that nobody has read."""
    names = ("modelIds", "apiKeyIds") if own else ("modelIds", "apiKeyIds", "userIds", "providerIds")
    found = {name: set(body.take(name, fields.names, [])) for name in names}
    body.end()
    return {name: values for name, values in found.items() if values}


def _passes(books: Books, filters: dict[str, set[str]], row: Any, owner: Owner) -> bool:
    """Return whether a row is wanted; a model may be named as LiteMaaS does, `openai/` and its name."""
    is_ = {
        "modelIds": {row.model, f"{books.provider(row.model)}/{row.model}", f"openai/{row.model}"},
        "providerIds": {books.provider(row.model)},
        "userIds": {owner.user},
        "apiKeyIds": {owner.key, owner.alias, owner.key_name, row.token},
    }
    return all(values & is_[name] for name, values in filters.items())


def _csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for row in rows:
        metrics, tokens = row["metrics"], row["metrics"]["tokens"]
        who = [_harmless(row[name]) for name in ("userId", "username", "email")]
        sums = (metrics["requests"], tokens["total"], tokens["prompt"], tokens["completion"], metrics["cost"])
        writer.writerow([*who, *sums])
    return f"{HEADER}\n{file.getvalue()}".rstrip("\n")


def _harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
