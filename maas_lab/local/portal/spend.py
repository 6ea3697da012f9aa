"""Read what LiteLLM has booked, where it keeps it: in its database, which this never changes.

Its REST API serves some 60 requests a second and counts a day's rows anew each time; these queries take a millisecond.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from maas_lab.local.portal.database import Database, Row


@dataclass(frozen=True, slots=True)
class Spent:
    """What one key has used of one model on one day.

    Attributes:
        token: the key's hash.
        user: LiteLLM's user id, empty for rejected calls.
        model: as the catalog names it; for rejected calls what was asked for.
        requests: all of them, `failures` too.
        cost: dollars.
    """

    day: str
    token: str
    user: str
    model: str
    requests: int
    successes: int
    failures: int
    prompt: int
    completion: int
    cost: float


_DAYS = """
select date, api_key, coalesce(user_id, ''), coalesce(nullif(model_group, ''), model, ''),
    sum(api_requests)::bigint, sum(successful_requests)::bigint, sum(failed_requests)::bigint,
    sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, sum(spend)
from "LiteLLM_DailyUserSpend"
where date between $1 and $2 and ($3::text[] is null or api_key = any($3)) and ($4::text is null or user_id = $4)
group by 1, 2, 3, 4"""
_HOURS = """
select date_trunc('hour', "startTime") as hour, coalesce(nullif(model_group, ''), model) as model,
    count(*) filter (where status is distinct from 'failure') as requests,
    count(*) filter (where status = 'failure') as rejected,
    sum(total_tokens)::bigint as tokens, sum(spend) as cost
from "LiteLLM_SpendLogs"
where "startTime" >= $1 and ($2::text[] is null or api_key = any($2))
group by 1, 2 order by 1, 2"""
_KEYS = """
select token, spend, models, max_budget, budget_duration, budget_reset_at, tpm_limit, rpm_limit, blocked, expires,
    metadata->'model_rpm_limit' as model_rpm, metadata->'model_tpm_limit' as model_tpm
from "LiteLLM_VerificationToken" where token = any($1)"""
_USER = """
select user_id, spend, max_budget, tpm_limit, rpm_limit, budget_duration, budget_reset_at
from "LiteLLM_UserTable" where user_id = $1"""


class Spend:
    """LiteLLM's books.

    Args:
        database: LiteLLM's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def days(
        self, first: date, last: date, tokens: Collection[str] | None = None, user: str | None = None
    ) -> list[Spent]:
        """Return what was used from one day to another: all, or that of some keys, or of a user.

        What was rejected has a key, and not always a user.

        Raises:
            Refused: 503.
        """
        only = None if tokens is None else list(tokens)
        rows = await self._database.rows(_DAYS, first.isoformat(), last.isoformat(), only, user)
        return [Spent(*row) for row in rows]

    async def hours(self, since: datetime, tokens: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Return hits, rejections, tokens and dollars of each hour and model.

        Raises:
            Refused: 503.
        """
        only = None if tokens is None else list(tokens)
        begin = since.astimezone(UTC).replace(tzinfo=None)  # LiteLLM's columns know no time zone
        return [dict(row) for row in await self._database.rows(_HOURS, begin, only)]

    async def keys(self, tokens: Iterable[str]) -> dict[str, Row]:
        """Return spend and limits of keys, by their hashes.

        Raises:
            Refused: 503.
        """
        return {row["token"]: row for row in await self._database.rows(_KEYS, list(tokens))}

    async def user(self, user: str) -> Row | None:
        """Return spend and limits of a user, None for one that LiteLLM does not know yet.

        Raises:
            Refused: 503.
        """
        return await self._database.row(_USER, user)
