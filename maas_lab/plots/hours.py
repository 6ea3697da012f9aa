"""Hours and days as a clock on the wall shows them: every one of a window, also the empty ones and a night's change."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from maas_lab import windows
from maas_lab.plots.figure import count

LONGEST = 96  # hours that are shown as hours; longer windows are shown in days
HOUR = pd.Timedelta(hours=1)


class Bins(NamedTuple):
    """The spans of time that a chart has a bar for.

    Attributes:
        starts: of the spans, in the time zone of the reader, ascending.
        unit: `hour` or `day`.
        of_hour: for each row of the data, the number of its span; -1 for rows outside the window.
        long: how long the window is, in words, e.g. `24 hours`: of the first and the last hour it may hold a part.
    """

    starts: pd.DatetimeIndex
    unit: str
    of_hour: pd.Series
    long: str = "no time"

    def ticks(self, most: int = 9) -> dict[int, str]:
        """Return labels for at most so many bars, by their numbers.

        Hours are labelled at even times of the clock, with the date where it changes, and with the name of the zone
        when the clocks are changed meanwhile.
        """
        if self.unit == "day":
            step = -(-len(self.starts) // most)
            return {n: f"{day:%a}\n{day.day} {day:%b}" for n, day in enumerate(self.starts) if n % step == 0}
        step = next(step for step in (1, 2, 3, 4, 6, 12, 24) if len(self.starts) <= step * (most - 1) or step == 24)
        shown = {n: start for n, start in enumerate(self.starts) if start.hour % step == 0}
        clock = "%H:%M\n%Z" if len({start.utcoffset() for start in self.starts}) > 1 else "%H:%M"
        before = [None, *(start.date() for start in shown.values())]
        dates = [
            "" if start.date() == last else f"\n{start.day} {start:%b}"
            for start, last in zip(shown.values(), before, strict=False)
        ]
        return {n: f"{start:{clock}}{date}" for (n, start), date in zip(shown.items(), dates, strict=True)}

    def name(self, number: int) -> str:
        """Return the name of a span in a sentence, e.g. `14:00` or `Thu 26 Nov`."""
        start = self.starts[number]
        if self.unit == "day":
            return f"{start:%a} {start.day} {start:%b}"
        return f"{start:%H:%M}" if len({one.date() for one in self.starts}) <= 2 else f"{start:%a %H:%M}"


def bins(hours: pd.Series, window: Any, zone: str) -> Bins:
    """Return the spans of a window: its hours, or its days when there are more than 96 hours.

    Args:
        hours: the start of each row's hour, aware.
        window: with aware `since` and `until`; None for all hours from the first to the last one in the data.
        zone: the reader's time zone, e.g. `Europe/Berlin`.
    """
    hours = pd.to_datetime(hours, utc=True)
    if window is None and hours.empty:
        return Bins(local(pd.DatetimeIndex([], tz="UTC"), zone), "hour", pd.Series(dtype="int64"))
    since, until = (hours.min(), hours.max() + HOUR) if window is None else (window.since, window.until)
    first, end = pd.Timestamp(since).tz_convert("UTC").floor("h"), pd.Timestamp(until).tz_convert("UTC")
    every = pd.date_range(first, end, freq="h", inclusive="left")
    number = pd.Series(range(len(every)), index=every, dtype="int64").reindex(hours).fillna(-1).astype("int64")
    starts, number = local(every, zone), pd.Series(number.to_numpy(), index=hours.index)
    whole = (end - pd.Timestamp(since)) / HOUR
    if len(every) > LONGEST:
        return _days(starts, number, count(round(whole / 24), "day"))
    return Bins(starts, "hour", number, count(round(whole), "hour"))


def local(times: pd.DatetimeIndex, zone: str) -> pd.DatetimeIndex:
    """Return times as the clocks of a zone show them.

    Raises:
        UsageError: there is no such zone.
    """
    return times.tz_convert(windows.zone(zone))


def _days(starts: pd.DatetimeIndex, number: pd.Series, long: str) -> Bins:
    dates = pd.Index([start.date() for start in starts])
    first = ~dates.duplicated()
    of_start = [*(first.cumsum() - 1), -1]  # a row outside has -1 and stays outside
    of_day = pd.Series([of_start[n] for n in number], index=number.index, dtype="int64")
    return Bins(starts[first], "day", of_day, long)
