"""What is served after a cap was reached: measured with real calls, or read off rows that the gateway booked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Semaphore
from typing import Any

import openai
import pandas as pd

from maas_lab.client import classify, tokens_of
from maas_lab.errors import GatewayError, UsageError
from maas_lab.refusals import outcome

_COST = "x-litellm-response-cost"
_COLUMNS = ("caller", "started_s", "ended_s", "outcome", "total_tokens", "cost", "request_id")


@dataclass(frozen=True)
class Overshoot:
    """What was served after a cap was reached.

    Calls are put in the order in which their answers ended, and their costs are added up on what was spent before. The
    answer with which the sum gets to the cap reaches it; all later answers were served after the cap was reached.

    Attributes:
        cap: dollars.
        spent: dollars in the end, with what was spent before.
        answered: calls that got an answer.
        refused: calls that got none.
        reached: whether the cap was reached.
        calls: answers after the one that reached the cap.
        tokens: of these calls.
        on_their_way: how many of these calls had begun before the cap was reached; the others were let in after it,
            because the gateway adds a cost a moment after the answer, or divides the cap among several keys.
        dollars: beyond the cap: the cost of these calls, and what the answer that reached the cap cost beyond it.
        frame: one row per call in the order of their ends: `caller` (a number), `started_s` and `ended_s` (seconds
            since the first call began), `outcome`, `total_tokens`, `cost` (dollars), `request_id`.
    """

    cap: float
    spent: float
    answered: int
    refused: int
    reached: bool
    calls: int
    tokens: int
    on_their_way: int
    dollars: float
    frame: pd.DataFrame = field(repr=False, compare=False)

    @classmethod
    def of(cls, frame: pd.DataFrame, *, cap: float, spent: float = 0.0) -> Overshoot:
        """Return what rows of calls say.

        Args:
            frame: of `overshoot`, or rows of a usage source: their calls end at `time` + `latency_s`.
            cap: dollars.
            spent: dollars that were spent before the first of them.
        """
        frame = _in_order(frame)
        served = frame[frame["outcome"] == "answered"]
        sums = spent + served["cost"].cumsum()
        # A double has 15 good digits: 0.1 + 0.2 reaches 0.3.
        reaching = served[sums >= cap * (1 - 1e-12)].head(1)
        after = served.loc[reaching.index[0] :].iloc[1:] if len(reaching) else served.head(0)
        total = float(f"{sums.iloc[-1] if len(served) else spent:.12g}")
        return cls(
            cap=cap,
            spent=total,
            answered=len(served),
            refused=len(frame) - len(served),
            reached=bool(len(reaching)),
            calls=len(after),
            tokens=int(after["total_tokens"].fillna(0).sum()),
            on_their_way=int((after["started_s"] < reaching["ended_s"].iloc[0]).sum()) if len(reaching) else 0,
            dollars=max(0.0, float(f"{total - cap:.12g}")),
            frame=frame,
        )


def overshoot(
    client: openai.OpenAI | Sequence[openai.OpenAI],
    *,
    model: str,
    callers: int,
    calls: int,
    cap: float,
    spent: float = 0.0,
    prompt: str = "Say hello.",
    max_tokens: int = 8,
) -> Overshoot:
    """Let callers call at the same time until each is refused, and return what was served after the cap was reached.

    Each caller sends its next call when it has the answer to the last one, and stops when it is refused. Calls are
    real, and billed. When the cap is reached, the calls of the other callers are on their way, and are served: that is
    what a cap can be overspent by, as long as prompt and `max_tokens` bound the cost of one call.

    Args:
        client: an OpenAI client with the key whose cap, or whose user's or application's, is to be reached; or several,
            with the keys of one user or application: a caller takes the next one when it is refused with one.
        model: the model's name in the catalogue.
        callers: how many call at the same time.
        calls: the most calls of all callers together; when they are used up, the cap may not be reached.
        cap: dollars, as it was set; this sets none.
        spent: dollars that count against it already.
        prompt: what all of them ask.
        max_tokens: the longest answer, in tokens.

    Raises:
        UsageError: `callers` or `calls` is below 1.
        GatewayError: the gateway does not tell what a call costs.
    """
    if min(callers, calls) < 1:
        why, hint = f"{callers} and {calls}", "e.g. callers=4, calls=64"
        raise UsageError("`callers` and `calls` are numbers from 1 on", why, hint)
    asked = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens}
    spenders = _Spenders([client] if isinstance(client, openai.OpenAI) else list(client), asked, calls)
    with ThreadPoolExecutor(callers, thread_name_prefix="caller") as pool:
        rows = [row for own in pool.map(spenders.spend, range(callers)) for row in own]
    return Overshoot.of(pd.DataFrame(rows, columns=list(_COLUMNS)), cap=cap, spent=spent)


class _Spenders:
    """Callers with a number of calls to make between them.

    Args:
        clients: one per key.
        asked: what each call sends.
        calls: the most calls of all of them.
    """

    def __init__(self, clients: Sequence[openai.OpenAI], asked: dict[str, Any], calls: int) -> None:
        self._clients, self._asked = clients, asked
        self._left, self._began = Semaphore(calls), time.perf_counter()

    def spend(self, number: int) -> list[dict[str, Any]]:
        """Call with one key after the other until each is refused, and return the calls of this caller."""
        rows: list[dict[str, Any]] = []
        for turn in range(len(self._clients)):
            while self._left.acquire(blocking=False):
                rows.append({"caller": number} | self._once(self._clients[(number + turn) % len(self._clients)]))
                if rows[-1]["outcome"] != "answered":
                    break
        return rows

    def _once(self, client: openai.OpenAI) -> dict[str, Any]:
        started = time.perf_counter() - self._began
        told = _call(client, self._asked)
        return {"started_s": started, "ended_s": time.perf_counter() - self._began, **told}


def _call(client: openai.OpenAI, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = client.chat.completions.with_raw_response.create(**asked, temperature=0)
    except openai.APIError as error:
        return {"outcome": outcome(classify(error)), "total_tokens": 0, "cost": 0.0, "request_id": ""}
    if _COST not in answer.headers:
        hint = "look at gateway.spend_rows(since) some seconds later: Overshoot.of(rows, cap=...)"
        raise GatewayError("the gateway does not tell what this call costs", f"no header {_COST}", hint)
    told = answer.parse()
    tokens, cost = tokens_of(told.usage)["total_tokens"], float(answer.headers[_COST])
    return {"outcome": "answered", "total_tokens": tokens, "cost": cost, "request_id": told.id}


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return calls in the order of their ends; rows of a usage source get the seconds of both their ends."""
    if "ended_s" not in frame:
        started = (frame["time"] - frame["time"].min()).dt.total_seconds()
        frame = frame.assign(started_s=started, ended_s=started + frame["latency_s"])
    return frame.sort_values(["ended_s", "request_id"], kind="stable").reset_index(drop=True)
