"""The SQL that usage is read with; column for column the same as `usage_gateway` makes of the gateway's answers.

Tables and columns are those of LiteLLM 1.81.0 (`litellm_proxy_extras/schema.prisma`). Its index on `startTime` finds
the window. `metadata` of a spend row is kilobytes that PostgreSQL keeps compressed, so it is opened only where
nothing else tells: for refused calls, and for keys and teams that are gone without a trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from maas_lab.usage_frames import NO_KEY, NO_MODEL, NO_TEAM, NO_USER, SUMS, UNLABELLED

# A label in a key's metadata counts only where it is a text.
_LABEL = "nullif(case when jsonb_typeof(metadata->'{0}') = 'string' then metadata->>'{0}' end, '')"
_KEY = f"""token, nullif(key_alias, '') as name, nullif(user_id, '') as user_id, nullif(team_id, '') as team_id,
    {_LABEL.format("application")} as application, {_LABEL.format("team")} as team, created_at"""
# Deleted keys too: what they spent is still to be paid. The latest of a hash counts.
_KEYS = f"""(select distinct on (token) * from (
    select {_KEY}, false as gone from "LiteLLM_VerificationToken" union all
    select {_KEY}, true as gone from "LiteLLM_DeletedVerificationToken") as every
    order by token, gone, created_at desc nulls last)"""
_FROM = f"""
from "LiteLLM_SpendLogs" as s
left join {_KEYS} as k on k.token = s.api_key
left join "LiteLLM_UserTable" as u on u.user_id = coalesce(nullif(s."user", ''), k.user_id)
left join "LiteLLM_TeamTable" as t on t.team_id = coalesce(nullif(s.team_id, ''), k.team_id)
where s."startTime" >= %(since)s::timestamp and s."startTime" < %(until)s::timestamp"""

_STATUS = "coalesce(nullif(s.status, ''), 'success')"
_REFUSED = "s.metadata->'error_information'->>"
_ANSWERED = "s.status is distinct from 'failure'"
_DIMENSIONS = {
    "hour": "date_trunc('hour', s.\"startTime\")",
    "application": f"coalesce(k.application, '{UNLABELLED}')",
    "team": f"""coalesce(nullif(t.team_alias, ''),
        case when s.team_id <> '' then coalesce(nullif(s.metadata->>'user_api_key_team_alias', ''), s.team_id) end,
        k.team_id, k.team, '{NO_TEAM}')""",
    "user": f"""coalesce(nullif(u.user_alias, ''), nullif(u.user_email, ''), nullif(s."user", ''), k.user_id,
        '{NO_USER}')""",
    "key": f"coalesce(k.name, nullif(s.metadata->>'user_api_key_alias', ''), '{NO_KEY}')",
    "model": f"""coalesce(nullif(s.model_group, ''), nullif(regexp_replace(s.model, '^(hosted_vllm|openai)/', ''), ''),
        '{NO_MODEL}')""",
    "outcome": f"""case when {_ANSWERED} then 'answered'
        when {_REFUSED}'error_class' = 'BudgetExceededError' then 'budget exceeded'
        when {_REFUSED}'error_code' = '429' then 'rate limited'
        when {_REFUSED}'error_code' like '5%%' then 'failed' else 'refused' end""",
}
# PostgreSQL's cast of float8 to numeric keeps 15 digits, as `usage.money` does, and adds them up exactly.
_SUMS = {
    "hits": f"count(*) filter (where {_ANSWERED})",
    "rejected": f"count(*) filter (where not ({_ANSWERED}))",
    "prompt_tokens": "coalesce(sum(s.prompt_tokens), 0)",
    "completion_tokens": "coalesce(sum(s.completion_tokens), 0)",
    "total_tokens": "coalesce(sum(s.total_tokens), 0)",
    "unmetered": f"count(*) filter (where {_ANSWERED} and coalesce(s.total_tokens, 0) = 0)",
    "cost": "coalesce(sum(s.spend::numeric), 0)",
}
_COLUMNS = {
    "time": '(extract(epoch from s."startTime") * 1000000)::int8',
    "request_id": "s.request_id",
    **{name: _DIMENSIONS[name] for name in ("application", "team", "user", "key")},
    # What is no hash may be a secret that was sent by mistake: see rows.booked_hash.
    "key_hash": """case when s.api_key = '' or s.api_key ~ '^[0-9a-f]{64}$' then s.api_key
        else encode(sha256(convert_to(s.api_key, 'UTF8')), 'hex') end""",
    "model": _DIMENSIONS["model"],
    **{name: f"s.{name}" for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
    "cost": "s.spend",
    "status": _STATUS,
    "outcome": _DIMENSIONS["outcome"],
    "latency_s": 'extract(epoch from s."endTime" - s."startTime")::float8',
    "streamed": f"""case when {_STATUS} = 'success' and s.cache_key = 'Cache OFF'
        and s.call_type in ('acompletion', 'atext_completion')
        then case s.cache_hit when 'False' then 'True' when 'None' then 'False' end end""",
}

NAMES = tuple(_COLUMNS)
ROWS = f"select {', '.join(_COLUMNS.values())} {_FROM}"


def summary(by: Sequence[str]) -> str:
    """Return the statement that adds up a window's rows by dimensions; one row, where there are none."""
    told = [*(_DIMENSIONS[name] for name in by), *(_SUMS[name] for name in SUMS)]
    grouped = f" group by {', '.join(map(str, range(1, len(by) + 1)))}" if by else ""
    return f"select {', '.join(told)} {_FROM}{grouped}"
