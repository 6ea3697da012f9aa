"""Who has used what: the gateway's spend rows as frames, for a window of time.

    from maas_lab import connect, usage
    lab = connect()
    lab.usage.rows(usage.last(24))                                  # one row per call
    lab.usage.summary(usage.last(24), by=["application", "model"])  # added up

`lab.usage_database()`, or `usage.DatabaseUsage(url)`, reads the same from the gateway's database, a hundred times as
fast, for those who may read its credentials.

Charts, invoices and reports take these two frames and nothing else. Texts are never missing, so a `groupby` loses
nothing: what is not known is named `(no application)`, `(no team)`, `(no user)`, `(unknown key)` or `(no model)`.

**Rows**: one row per booked call, sorted by `time` and `request_id`.

| column | type | what |
|---|---|---|
| `time` | datetime64[us, UTC] | when the call arrived, by the gateway's clock |
| `request_id` | text | the `id` of the answer; of a refused call the header `x-litellm-call-id` |
| `application` | text | what its key is used for: `metadata.application` of the key |
| `team` | text | the key's LiteLLM team, else `metadata.team` of the key |
| `user` | text | the key's owner: alias, else mail address, else id |
| `key` | text | the key's name; a deleted key keeps it |
| `key_hash` | text | SHA-256 of the key; empty when the call had none |
| `model` | text | the catalogue's name; of a refused call the name that it asked for |
| `prompt_tokens`, `completion_tokens`, `total_tokens` | Int64 | as booked; missing where the gateway booked none |
| `cost` | float64 | dollars, as booked |
| `status` | text | `success` or `failure` |
| `outcome` | text | one of `refusals.OUTCOMES`: `answered`, or why not |
| `latency_s` | float64 | seconds from arrival to the answer's end |
| `streamed` | boolean | missing where the row does not tell, e.g. for refused calls |

**Summary**: rows added up by any of `DIMENSIONS`, one row per combination that occurs: the dimensions (`hour` is the
hour's start, UTC), then `hits` (answered calls), `rejected` (all others), the three sums of tokens, `unmetered`
(answered calls without tokens), all int64, and `cost` (Decimal, exact).

LiteLLM has sums of its own, `/user/daily/activity/aggregated`: by whole days in UTC, by model, provider or key, without
hours, applications and a window's exact ends; refused calls are its `failed_requests`. `python -m benchmarks usage`
times all three over a million generated rows of 30 days. On two idle cores, 2026-11-28: 24 h (33,000 rows) by hour,
application and model 0.3 s from the database and 42 s through the gateway; the sums by day 8 s for the month.

A call is booked some seconds after it has ended, under the time at which it arrived. So the latest rows of a running
window are not all there yet, and a window is settled a quarter of an hour after its end (`GatewayUsage.settled`).
"""

from maas_lab.usage_database import DatabaseError, DatabaseUsage
from maas_lab.usage_frames import (
    DIMENSIONS,
    NO_KEY,
    NO_MODEL,
    NO_TEAM,
    NO_USER,
    UNLABELLED,
    empty_rows,
    money,
    regroup,
    summary,
)
from maas_lab.usage_gateway import GatewayUsage
from maas_lab.windows import Window, day, last, month

__all__ = [
    "DIMENSIONS",
    "NO_KEY",
    "NO_MODEL",
    "NO_TEAM",
    "NO_USER",
    "UNLABELLED",
    "DatabaseError",
    "DatabaseUsage",
    "GatewayUsage",
    "Window",
    "day",
    "empty_rows",
    "last",
    "money",
    "month",
    "regroup",
    "summary",
]
