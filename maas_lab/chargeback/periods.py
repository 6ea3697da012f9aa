"""Periods: what lies in one, and how it is written; for the windows of `maas_lab.usage`."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd

from maas_lab.errors import UsageError
from maas_lab.windows import Window


def check(window: Window) -> None:
    """Look whether this is a window.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(window, Window):
        hint = "usage.last(24), usage.day(date) and usage.month(2026, 11) return one"
        raise UsageError(f"{window!r} is not a window of time", "", hint)


def contains(window: Window, times: pd.Series, slack: timedelta = timedelta(0)) -> pd.Series:
    """Tell which times lie in a window: from `since`, and before `until` unless the window is still running.

    Args:
        window: the period.
        times: aware.
        slack: how much before `since` counts, too: an hour that began earlier may hold calls of the window.
    """
    inside = times > window.since - slack if slack else times >= window.since
    return inside if window.running else inside & (times < window.until)


def days(window: Window) -> tuple[date, date]:
    """Return the first and the last day of a window, in its zone."""
    last = window.until - timedelta(microseconds=1)
    return window.since.astimezone(window.tz).date(), last.astimezone(window.tz).date()


def words(window: Window) -> str:
    """Write a window with its zone: `2026-11-01 00:00 CET up to 2026-12-01 00:00 CET`."""
    return f"{_moment(window.since, window)} up to {_moment(window.until, window)}"


def _moment(time: datetime, window: Window) -> str:
    seconds = "" if (time.second, time.microsecond) == (0, 0) else ":%S"
    return time.astimezone(window.tz).strftime(f"%Y-%m-%d %H:%M{seconds} %Z")


def length(window: Window) -> str:
    """Write how long a window is, e.g. `24 hours` or `30 days`; a month in which clocks change has whole days, too."""
    span = window.until - window.since
    if span < timedelta(hours=2):
        minutes = max(1, round(span / timedelta(minutes=1)))
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    if span <= timedelta(hours=48):
        return f"{round(span / timedelta(hours=1), 1):g} hours"
    begin, end = (one.astimezone(window.tz).replace(tzinfo=None) for one in (window.since, window.until))
    return f"{round((end - begin) / timedelta(days=1), 1):g} days"
