"""The post-mortem: what was measured is filled in, what only people know is left blank. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from maas_lab.tables import EventRow

BLANK = "_(yours to fill in)_"
_EVENTS = 12  # of the cluster, at most
QUESTIONS = (
    "What happened, in two sentences that management understands?",
    "What did people lose, and how do you know?",
    "Which of the six should a test or an alarm have found before a person did? Which one?",
    "What helped, what misled you, and where were you lucky?",
)


@dataclass(frozen=True)
class Repair:
    """What became of one ticket.

    Attributes:
        number: of the ticket.
        topic: in a few words.
        sender: who wrote it.
        met: what they saw when the shift began.
        found: what you found; empty as long as the ticket is open.
        at: when the check was content; None as long as the ticket is open.
        hints: used for it.
    """

    number: int
    topic: str
    sender: str
    met: str
    found: str = ""
    at: datetime | None = None
    hints: int = 0


@dataclass(frozen=True)
class Shift:
    """What a post-mortem tells.

    Attributes:
        namespace: of the platform.
        began: when the faults were planted.
        ended: when this was written.
        repairs: one per ticket.
        warnings: what the cluster complained about meanwhile.
    """

    namespace: str
    began: datetime
    ended: datetime
    repairs: Sequence[Repair]
    warnings: Sequence[EventRow] = ()


def written(shift: Shift) -> str:
    """Return the post-mortem in Markdown."""
    done = [one for one in shift.repairs if one.at]
    told = ("ticket", "people saw", "found", "repaired after", "hints")
    parts = [
        "# Post-mortem",
        f"Platform in `{shift.namespace}`, {_day(shift.began)}. {len(done)} of {len(shift.repairs)} tickets closed, "
        f"{sum(one.hints for one in shift.repairs)} hints used, {_minutes(shift.began, shift.ended)}. Nobody is blamed "
        "here: whoever made a mistake met a system that let it through.",
        "## Summary",
        BLANK,
        "## Timeline (UTC)",
        _table(("time", "what"), _timeline(shift)),
        "## Causes and repairs",
        _table(told, [_repair(shift, one) for one in shift.repairs]),
        *_warned(shift.warnings),
        "## Questions",
        *[f"**{question}**\n\n{BLANK}" for question in QUESTIONS],
        "## What we change",
        _table(("ticket", "change, so that it cannot happen again", "who", "by when"), _changes(shift.repairs)),
    ]
    return _sealed("\n\n".join(parts) + "\n")


def is_untouched(text: str) -> bool:
    """Return whether a post-mortem is as the lab wrote it, so that nothing is lost with it. Pure."""
    body, _, _ = text.rpartition("\n<!-- ")
    return bool(re.search(r"\n<!-- \w+ -->\n\Z", text)) and text == _sealed(body)


def gaps(text: str, shift: Shift) -> list[str]:
    """Return what of the measured parts a post-mortem lacks; people may add what they like. Pure."""
    missing = [f"ticket {one.number} is still open" for one in shift.repairs if not one.at]
    wanted = {f"ticket {one.number}, {name}": value for one in shift.repairs if one.at for name, value in _told(one)}
    return missing + [f"{name}: `{value}`" for name, value in wanted.items() if _cell(value) not in text]


def _sealed(body: str) -> str:
    return f"{body}\n<!-- {hashlib.sha256(body.encode()).hexdigest()[:16]} -->\n"


def _told(one: Repair) -> Iterable[tuple[str, str]]:
    yield from (("what people saw", one.met), ("what you found", one.found), ("when it was repaired", _clock(one.at)))


def _timeline(shift: Shift) -> list[tuple[str, ...]]:
    closed = [(one.at, f"ticket {one.number} closed: {one.topic}") for one in shift.repairs if one.at]
    moments = [(shift.began, "the shift begins; six tickets are open"), *closed, (shift.ended, "this was written")]
    return [(_clock(at), what) for at, what in sorted(moments, key=lambda moment: moment[0])]


def _repair(shift: Shift, one: Repair) -> tuple[str, ...]:
    after = _minutes(shift.began, one.at) if one.at else "open"
    return (f"{one.number}, {one.sender}: {one.topic}", one.met, one.found or BLANK, after, str(one.hints))


def _changes(repairs: Iterable[Repair]) -> list[tuple[str, ...]]:
    return [(str(one.number), BLANK, BLANK, BLANK) for one in repairs]


def _warned(warnings: Sequence[EventRow]) -> list[str]:
    if not warnings:
        return []
    rows = [(one.reason, one.object, str(one.count), one.message) for one in warnings[-_EVENTS:]]
    return ["## What the cluster complained about", _table(("reason", "object", "count", "message"), rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _minutes(since: datetime, until: datetime) -> str:
    minutes, seconds = divmod(max(0, round((until - since).total_seconds())), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
