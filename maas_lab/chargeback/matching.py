"""Calls of clients and rows of the gateway, matched one by one; what does not match, by its cause.

Each finding is an application, a cause, a number of calls, and the tokens by which the next account differs from the
one before: client + findings = booked, booked + findings = invoiced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from maas_lab.usage_frames import NO_KEY, UNLABELLED
from maas_lab.windows import Window

BOOKING_S = 60  # LiteLLM books a call at most half a minute after its end; twice that is too late

# Causes in the order in which they are told, with what they mean and what to do.
CAUSES = {
    "rejected": "the client was refused, and no tokens were used",
    "in flight": f"answered less than {BOOKING_S} s before the rows were read; fetch them again",
    "answer lost": "the gateway served and booked it, but the client got no answer, e.g. because it stopped waiting",
    "stream without usage": "the stream told no count of tokens, so the gateway estimated one by its own tokenizer; "
    "ask with stream_options.include_usage",
    "no token count": "the gateway booked the call without tokens; the client knows how many",
    "key deleted": "the gateway no longer knows whose key this was; block or expire keys instead of deleting them",
    "key without label": "the key does not say which application it belongs to; make keys with application=",
    "another key": "the client called with the key of another application",
    "reported twice": "the client's list holds the same call more than once",
    "booked twice": "the gateway's rows hold the same call more than once",
    "not reported": "booked with this application's key, but in no client's list: somebody else has the key, or an SDK "
    "has called again by itself",
    "outside the period": "the call does not lie in the invoice's period",
    "counted differently": "client and gateway count different tokens, and the rows do not show why",
    "not booked": f"answered, but not in the rows; if that was less than {BOOKING_S} s ago, fetch them again",
    "other rows": "the invoice was made of other rows than these; make both of the same",
}
UNEXPLAINED = frozenset({"counted differently", "not booked", "other rows"})


@dataclass(frozen=True)
class Finding:
    """A difference between two accounts.

    Attributes:
        application: whose account it is in.
        cause: one of `CAUSES`.
        tokens: by which the later account differs from the earlier one.
        calls: how many.
        other: the application on the other side, where there is one.
    """

    application: str
    cause: str
    tokens: int
    calls: int = 1
    other: str = ""


def findings(calls: pd.DataFrame, rows: pd.DataFrame, window: Window, as_of: datetime) -> Iterator[Finding]:
    """Compare what clients saw with what the gateway booked.

    Args:
        calls: `application`, `outcome`, `tokens`, `counted` (whether the client was told how many), `request_id`, and
            `ended` (when it ended by the gateway's clock; NaT where nobody knows).
        rows: of the gateway, with `tokens` (never missing) and `streamed` (bool).
        window: the invoice's period.
        as_of: when the rows were read.
    """
    told = (calls["request_id"] != "") & calls.duplicated("request_id")
    for call in calls[told].itertuples():
        yield Finding(call.application, "reported twice", -call.tokens)
    again = (rows["request_id"] != "") & rows.duplicated("request_id")
    yield from added("booked twice", rows[again])
    mine = ~again & rows["request_id"].isin(set(calls["request_id"]) - {""})
    booked = {row.request_id: row for row in rows[mine].itertuples()}
    for call in calls[~told].itertuples():
        row = booked.get(call.request_id)
        yield from _unmatched(call, window, as_of) if row is None else _matched(call, row)
    rest = rows[~again & ~mine]
    yield from added("not reported", rest.drop(_refused_without_id(calls, rest)))


def added(cause: str, rows: pd.DataFrame, sign: int = 1) -> Iterator[Finding]:
    """Yield a finding per application of rows that have a cause in common."""
    for name, tokens in rows.groupby("application", observed=True)["tokens"]:
        yield Finding(str(name), cause, sign * int(tokens.sum()), len(tokens))


def _refused_without_id(calls: pd.DataFrame, rest: pd.DataFrame) -> list[Any]:
    """Return which rows left over are of clients' refused calls: not every refusal tells the client its id.

    No tokens are at stake, so they are paired by number: first of an application, then those of which the gateway
    knows no key.
    """
    untold = calls[(calls["request_id"] == "") & ~calls["outcome"].isin(["answered", "unreachable"])]
    left = untold["application"].value_counts().to_dict()
    refused = rest[(rest["outcome"] != "answered") & (rest["tokens"] == 0)]
    paired: list[Any] = []
    for name, part in refused.groupby("application", observed=True):
        taken = part.index[: left.get(name, 0)]
        left[name] = left.get(name, 0) - len(taken)
        paired += list(taken)
    unknown = refused[refused["key"] == NO_KEY].index.difference(paired)
    return paired + list(unknown[: sum(left.values())])


def _unmatched(call: Any, window: Window, as_of: datetime) -> Iterator[Finding]:
    if call.outcome != "answered":
        cause = "rejected"
    elif pd.isna(call.ended):
        cause = "not booked"
    elif call.ended < window.since or (call.ended >= window.until and not window.running):
        cause = "outside the period"
    else:
        cause = "in flight" if (as_of - call.ended).total_seconds() < BOOKING_S else "not booked"
    yield Finding(call.application, cause, -call.tokens)


def _matched(call: Any, row: Any) -> Iterator[Finding]:
    more = row.tokens - call.tokens
    if call.outcome != "answered" and not more:
        # Of a call with a wrong key the gateway knows no application, and nobody has to pay for it.
        yield Finding(call.application, "rejected", 0)
        return
    if row.application != call.application:
        cause = _stray(row)
        yield Finding(call.application, cause, -call.tokens, other=row.application)
        yield Finding(row.application, cause, call.tokens, other=call.application)
    if call.outcome != "answered":
        yield Finding(row.application, "answer lost", more)
    elif more or not row.tokens:
        yield Finding(row.application, _count(call, row), more)


def _stray(row: Any) -> str:
    if row.application != UNLABELLED:
        return "another key"
    return "key deleted" if row.key == NO_KEY else "key without label"


def _count(call: Any, row: Any) -> str:
    if not row.tokens:
        return "no token count"
    # Only a stream leaves its count out, so a client that was told none has read one.
    return "stream without usage" if row.streamed or not call.counted else "counted differently"


def ended(calls: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Return when each call ended, by the gateway's clock; NaT where no other call of its application tells.

    Clients count seconds from the first call of a run, and the gateway's rows have the time, so the next booked call
    of the same run in a client's list shows how the two go together.

    Args:
        calls: `application`, `request_id`, `started_s`, `seconds`, in the order in which they were made.
        rows: `request_id`, `time`.
    """
    booked = rows.drop_duplicates("request_id").set_index("request_id")["time"]
    arrived = booked.reindex(calls["request_id"]).set_axis(calls.index)
    begin = arrived - pd.to_timedelta(calls["started_s"].astype(float), unit="s")
    runs = begin.groupby(calls["application"], sort=False)
    begin = runs.ffill().fillna(runs.bfill())
    return begin + pd.to_timedelta((calls["started_s"] + calls["seconds"]).astype(float), unit="s")
