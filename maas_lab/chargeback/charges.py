"""What the usage of a summary costs: as the gateway booked it, or by a price list."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd

from maas_lab.chargeback import periods
from maas_lab.chargeback.money import exact_sum, product
from maas_lab.chargeback.price_file import COMPLETION, PROMPT, Price
from maas_lab.chargeback.prices import PriceList, TokenPrice
from maas_lab.errors import UsageError
from maas_lab.windows import Window

BOOKED = "as the gateway booked each call, by its catalogue's prices at that moment"


def charges(frame: pd.DataFrame, prices: PriceList | None, window: Window) -> tuple[list[Decimal], list[Price]]:
    """Return the exact cost of each row of a summary, and the prices that were taken.

    Args:
        frame: as `frames.summary_of` returns it, grouped by `model` at least.
        prices: None for the costs that the gateway booked.
        window: the period; the day of a price is a day in its zone.

    Raises:
        MissingPrice: tokens of a model have no price on their day.
        UsageError: a price changes inside of the window, and the summary does not say in which hour tokens were used.
    """
    if prices is None:
        return list(frame["cost"]), []
    first, last = periods.days(window)
    found: dict[tuple[str, date], TokenPrice] = {}
    costs = []
    for row in frame.itertuples(index=False):
        # A name that was mistyped in a refused call has no price, and needs none.
        if not (row.prompt_tokens or row.completion_tokens):
            costs.append(Decimal(0))
            continue
        place = (row.model, _day(row.hour, window) if "hour" in frame else first)
        if place not in found:
            if "hour" not in frame and (changes := prices.changes(row.model, first, last)):
                raise _needs_hours(row.model, changes[0])
            found[place] = prices.model(*place)
        price = found[place]
        parts = product(row.prompt_tokens, price.prompt), product(row.completion_tokens, price.completion)
        costs.append(exact_sum(parts))
    taken = {prices.find(model, unit, day) for model, day in found for unit in (PROMPT, COMPLETION)}
    return costs, [row for row in prices.rows if row in taken]


def _day(hour: pd.Timestamp, window: Window) -> date:
    return max(hour.to_pydatetime(), window.since).astimezone(window.tz).date()


def _needs_hours(model: str, day: date) -> UsageError:
    why = "the summary does not say what was used before and after it"
    hint = 'make the summary by "hour" too: usage.summary(rows, by=("hour", "team", "application", "model"))'
    return UsageError(f"the price of {model} changes on {day}, inside of the period", why, hint)
