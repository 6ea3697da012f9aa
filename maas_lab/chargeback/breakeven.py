"""Is a server of one's own worth it? Against hosted prices per token, and against one GPU per developer.

- price of 1M tokens = prompt_share x prompt price + (1 - prompt_share) x completion price
- tokens per month = monthly cost / price of one token
- utilisation needed = tokens per month / (throughput x seconds of 30 days); above 1 no such server is fast enough
- months = tokens per month / volume: how long today's usage takes to use up what one month must serve

The published bill: Red Hat's own MaaS paid $614 a month for the L40S under granite-3-2-8b and $3,314 with all overhead
(rhpds.litemaas, cost analysis, 2026-03-25). An L40S is slower than the H100 whose throughput is taken here, so the
utilisation that is needed in fact is higher.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from maas_lab.chargeback.money import amount
from maas_lab.chargeback.prices import PriceList
from maas_lab.errors import UsageError

_NEEDED = ["tokens_per_month", "utilisation", "reachable", "months"]
HOSTED = ("Llama-3.1-8B (Groq)", "GPT-4o-mini", "GPT-4.1-nano", "gpt-oss-20b (Vertex AI)")
OWN = ("granite-3-2-8b on one L40S (GPU only)", "granite-3-2-8b on one L40S (with overhead)")
SECONDS_A_MONTH = 30 * 24 * 3600
HOURS_A_MONTH = 30 * 24

# Tokens per second of Llama-3.1-8B on one H100-80, 16 calls at a time, vLLM 0.21.0: yobitel's benchmark of 2026-05-16
# (published, excerpt read).
THROUGHPUT = 1384.0
# granite-3-2-8b at Red Hat's MaaS: 135 M tokens in three months (rhpds.litemaas, cost analysis, 2026-03-25).
VOLUME = 135_000_000 / 3
# All of the bill over its GPU nodes: $116,984 / $21,665 in six months (the same analysis).
OVERHEAD = 5.40


def break_even(
    own: Mapping[str, Any] | None = None,
    *,
    prices: PriceList | None = None,
    on: date | None = None,
    hosted: Sequence[str] = HOSTED,
    prompt_share: float = 0.5,
    throughput: float = THROUGHPUT,
    volume: float = VOLUME,
) -> pd.DataFrame:
    """Return how many tokens a month a server of one's own must serve to be as cheap as a hosted model.

    Args:
        own: a monthly cost, in the list's currency, by what it pays for; None for the published bill.
        prices: None for the published prices that come with the lab.
        on: the day of the prices; None means today, UTC.
        hosted: items of the list to compare with; each has a price for prompts and one for answers.
        prompt_share: the share of prompts in all tokens, 0 to 1; a half where nobody has measured it.
        throughput: tokens per second that one server serves when it is never idle.
        volume: tokens that are used in a month today.

    Returns:
        One row per own cost and hosted model: `own`, `monthly_cost` (Decimal), `hosted`, `price_per_million` (Decimal),
        `tokens_per_month`, `utilisation` (1 is always busy), `reachable` and `months` (float).

    Raises:
        MissingPrice: the list has no price of an item on this day.
        UsageError: a share, a throughput or a volume is none, or a hosted model costs nothing.
    """
    prices, day = prices or PriceList.read(), on or datetime.now(UTC).date()
    rates = {model: prices.model(model, day).blended(prompt_share) for model in hosted}
    _check(rates, throughput, volume)
    costs = own or {item: prices.price(item, "month", day) for item in OWN}
    rows = [
        (name, monthly, model, rate * 1_000_000, *_needed(float(monthly / rate), throughput, volume))
        for name, monthly in ((name, amount(cost, f"the cost of {name}")) for name, cost in costs.items())
        for model, rate in rates.items()
    ]
    return pd.DataFrame(rows, columns=["own", "monthly_cost", "hosted", "price_per_million", *_NEEDED])


def _check(rates: Mapping[str, Decimal], throughput: float, volume: float) -> None:
    if throughput <= 0 or volume <= 0:
        raise UsageError("throughput and volume are above 0", hint="e.g. throughput=61 tokens per second, as measured")
    if free := [model for model, rate in rates.items() if rate <= 0]:
        raise UsageError(f"{free[0]} costs nothing", "nothing is cheaper than that", "choose another model")


def _needed(tokens: float, throughput: float, volume: float) -> tuple[float, float, bool, float]:
    utilisation = tokens / (throughput * SECONDS_A_MONTH)
    return tokens, utilisation, utilisation <= 1, tokens / volume


def verdict(frame: pd.DataFrame) -> str:
    """Say in words what a table of `break_even` shows.

    With the published figures: no, a single small server does not beat what a hosted model of its size costs.
    """
    if frame.empty:
        return "Nothing was compared."
    cheap = frame[frame["price_per_million"] == frame["price_per_million"].min()]
    row = cheap.loc[cheap["utilisation"].idxmin()]
    need = f"{row['hosted']} costs {float(row['price_per_million']):.3g} per million tokens: {row['own']} "
    need += f"must serve {_tokens(row['tokens_per_month'])} a month to be as cheap"
    if row["reachable"]:
        return f"{need}, {row['utilisation']:.0%} of what one such server can serve when it is never idle."
    most = _tokens(row["tokens_per_month"] / row["utilisation"])
    told = f"{need}, and one server that is never idle serves {most}. On price alone a single small server cannot win. "
    return told + "The case for it is utilisation (one server for all), privacy, and a cost that is capped."


def _tokens(count: float) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:.1f} {word} tokens"
    return f"{count:,.0f} tokens"


def hoarded_and_shared(
    developers: int = 7,
    gpu: str = "NVIDIA L40S (low)",
    *,
    prices: PriceList | None = None,
    on: date | None = None,
    shared_gpus: int = 1,
    overhead: float = OVERHEAD,
) -> pd.DataFrame:
    """Return what a GPU for each developer costs a month, and what GPUs cost that all share, for `plots`.

    Each costs GPUs x price of a GPU hour x hours of 30 days; sharing is told once more with all its overhead.

    Args:
        developers: how many have a GPU each; seven in the story.
        gpu: an item of the price list with a price per `GPU hour`.
        prices: None for the published prices that come with the lab.
        on: the day of the price; None means today, UTC.
        shared_gpus: GPUs that serve all together, if they are enough.
        overhead: everything that sharing costs, over its GPUs alone.

    Returns:
        One row per bar: `label`, `cost` (Decimal), `source` and `kind` (`hoarded` or `shared`).

    Raises:
        MissingPrice: the list has no price of this GPU on this day.
        UsageError: a number is not possible.
    """
    if developers < 1 or shared_gpus < 1 or overhead < 1:
        raise UsageError("these numbers describe no platform", hint="each of them is 1 or more")
    price = (prices or PriceList.read()).find(gpu, "GPU hour", on or datetime.now(UTC).date())
    source = f"{price.source}, {price.valid_from}"
    month, factor = price.price * HOURS_A_MONTH, Decimal(str(overhead))
    gpus = "one shared GPU" if shared_gpus == 1 else f"{shared_gpus} shared GPUs"
    rows = [
        (f"{developers} developers, a GPU each", developers * month, source, "hoarded"),
        (gpus, shared_gpus * month, source, "shared"),
        (f"{gpus}, with all overhead", shared_gpus * month * factor, f"{source}; overhead x{overhead:g}", "shared"),
    ]
    return pd.DataFrame(rows, columns=["label", "cost", "source", "kind"])


def developers_at_break_even(shared_gpus: int = 1, overhead: float = OVERHEAD) -> int:
    """Return from how many developers on sharing is cheaper than a GPU for each: above shared_gpus x overhead.

    With all of the published overhead one shared GPU is cheaper from six developers on, if it is enough for them.
    """
    return math.floor(Decimal(shared_gpus) * Decimal(str(overhead))) + 1
