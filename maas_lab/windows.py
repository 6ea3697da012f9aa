"""Windows of time in which usage is counted: the last hours, a day, a month; daylight saving time is minded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maas_lab.errors import UsageError

_LONGEST_HOURS = 10 * 366 * 24
_ZONES = 'a zone has a name like "UTC", "Europe/Berlin" or "Asia/Kolkata"'


@dataclass(frozen=True)
class Window:
    """A span of time [since, until): a call that arrived at `until` is in the next one.

    Attributes:
        since: first moment, UTC.
        until: the moment after the last, UTC.
        running: the window has not ended yet: calls count as well that arrive after `until` while it is read, and
            those that a gateway whose clock is ahead has put there.
        name: in words, e.g. `the last 24 h`; the same in every run.
        tz: the zone in which people read it.

    Raises:
        UsageError: a time has no time zone, or the window ends before it begins.
    """

    since: datetime
    until: datetime
    running: bool = False
    name: str = field(default="", compare=False)
    tz: tzinfo = field(default=UTC, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            # In UTC, because Python subtracts two times of one zone as if its clocks never changed.
            object.__setattr__(self, name, utc(getattr(self, name)))
        if self.since >= self.until:
            why = f"it would begin at {self.since.isoformat()} and end at {self.until.isoformat()}"
            raise UsageError("a window ends after it begins", why, "give the earlier time first")
        if not self.name:
            told = (f"{one.astimezone(self.tz):%Y-%m-%d %H:%M:%S}" for one in (self.since, self.until))
            object.__setattr__(self, "name", f"{' to '.join(told)} ({self.tz})")

    def __repr__(self) -> str:
        return f"Window({self.name})"

    @property
    def hours(self) -> float:
        """How long it is; a day on which clocks change has 23 or 25."""
        return (self.until - self.since) / timedelta(hours=1)


def last(hours: float = 24) -> Window:
    """Return the window of the last hours, by this machine's clock, in which what arrives now still counts.

    A gateway whose clock is ahead books calls in this machine's future: they are in the window, too, because it is
    running. One whose clock is behind moves the window's beginning by as much.

    Raises:
        UsageError: this is not a number of hours, or it is more than ten years.
    """
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not math.isfinite(hours):
        raise UsageError(f"{hours!r} is not a number of hours", hint="usage.last(24)")
    if not 0 < hours <= _LONGEST_HOURS:
        raise UsageError(f"there is no window of {hours:g} hours", "from above 0 to 87840 are right", "usage.last(24)")
    now = datetime.now(UTC)
    return Window(now - timedelta(hours=hours), now, running=True, name=f"the last {hours:g} h")


def day(when: date | str, tz: str | tzinfo = "UTC") -> Window:
    """Return the window of a day, from midnight to midnight as clocks in a zone show it: 23, 24 or 25 hours.

    Args:
        when: a date, or a text like `2026-11-28`.
        tz: name of the zone, e.g. `Europe/Berlin`.

    Raises:
        UsageError: this is not a date or not a zone, or the zone has left this day out.
    """
    found, where = _date(when), zone(tz)
    return _window(found, found + timedelta(days=1) if found < date.max else None, where, f"{found.isoformat()}")


def month(year: int, month: int, tz: str | tzinfo = "UTC") -> Window:
    """Return the window of a month as calendars in a zone show it.

    Args:
        year: e.g. 2026.
        month: 1 to 12.
        tz: name of the zone, e.g. `Europe/Berlin`.

    Raises:
        UsageError: there is no such month or zone.
    """
    try:
        first = date(year, month, 1)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"there is no month {month!r} of {year!r}", str(error), "usage.month(2026, 11)") from error
    after = date(year + month // 12, month % 12 + 1, 1) if (year, month) < (9999, 12) else None
    return _window(first, after, zone(tz), f"{first:%Y-%m}")


def zone(tz: str | tzinfo) -> tzinfo:
    """Return a time zone.

    Raises:
        UsageError: there is none of this name.
    """
    if isinstance(tz, tzinfo):
        return tz
    try:
        return UTC if tz == "UTC" else ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise UsageError(f"there is no time zone {tz!r}", hint=_ZONES) from error


def utc(when: datetime) -> datetime:
    """Return a moment in UTC.

    Raises:
        UsageError: it has no time zone, or is no moment at all.
    """
    if not isinstance(when, datetime):
        raise UsageError(f"{when!r} is not a time", hint="datetime.now(UTC), or usage.day(date) for a whole day")
    if when.utcoffset() is None:
        raise UsageError(f"{when.isoformat()} has no time zone", hint="datetime.now(UTC) is a time in UTC")
    try:
        return when.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"{when.isoformat()} is too far away", str(error), "give a time of this century") from error


def _date(when: date | str) -> date:
    if isinstance(when, datetime):
        hint = "usage.day(when.date(), tz), or Window(since, until)"
        raise UsageError("this is a moment, not a day", "it may be another date in another zone", hint)
    try:
        return when if isinstance(when, date) else date.fromisoformat(when)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{when!r} is not a date", str(error), 'usage.day("2026-11-28")') from error


def _window(first: date, after: date | None, where: tzinfo, name: str) -> Window:
    if after is None:
        raise UsageError(f"{first} is the end of the calendar", hint="give a time of this century")
    since, until = (utc(datetime.combine(one, time(), where)) for one in (first, after))
    if since == until:
        raise UsageError(f"there was no {first} in {where}", "its calendar left this day out", "give another day")
    return Window(since, until, name=f"{name} ({where})", tz=where)
