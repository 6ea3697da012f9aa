"""The spans of time that a board offers, and how they read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo

from maas_lab import usage

Make = Callable[[datetime, tzinfo], usage.Window]
# When a day and a month begin depends on the zone.
WINDOWS: dict[str, Make] = {
    "the last hour": lambda now, tz: usage.last(1),
    "the last 24 hours": lambda now, tz: usage.last(24),
    "the last 7 days": lambda now, tz: usage.last(7 * 24),
    "today": lambda now, tz: usage.day(now.date(), tz),
    "this month": lambda now, tz: usage.month(now.year, now.month, tz),
}


def window(choice: str, tz: tzinfo) -> usage.Window:
    """Return the span of time that a choice means now.

    Args:
        choice: a key of `WINDOWS`.
        tz: the zone whose midnights count.
    """
    return WINDOWS[choice](datetime.now(tz), tz)


def span(window: usage.Window, tz: tzinfo) -> str:
    """Return a span of time in words."""
    since, until = (f"{moment.astimezone(tz):%Y-%m-%d %H:%M}" for moment in (window.since, window.until))
    return f"{since} to {until} {tz}"


def filename(window: usage.Window, ending: str) -> str:
    """Return the name of an invoice's file: the same for the same span of time; its times are UTC."""
    since, until = (f"{moment:%Y%m%dT%H%MZ}" for moment in (window.since, window.until))
    return f"invoice_{since}_{until}.{ending}"
