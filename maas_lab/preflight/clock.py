"""Clocks that differ: tokens are too old or not valid yet, and spend rows fall into the wrong hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from maas_lab.preflight.rows import FAIL, OK, WARN, Row

WARN_AFTER, FAIL_AFTER = 5.0, 60.0  # seconds
_MEND = "sudo chronyc makestep  # on the machine that is off; `timedatectl` shows which"


def row(what: str, headers: Mapping[str, str], before: datetime, after: datetime) -> Row:
    """Return how far a server's clock is from ours.

    Args:
        what: has answered.
        headers: of its answer; RFC 9110, 6.6.1: `Date` has whole seconds.
        before: our time when the question was sent.
        after: our time when the answer was there.
    """
    told = next((value for name, value in headers.items() if name.lower() == "date"), None)
    try:
        theirs = parsedate_to_datetime(told or "")
    except (ValueError, TypeError):
        return Row("clock", what, WARN, "its answer has no date", "look at its clock yourself")
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    # What lies between sending and answering, and the second that the header leaves out, is no difference.
    ahead, behind = (theirs - after).total_seconds(), (before - theirs).total_seconds() - 1
    off = max(ahead, behind, 0.0)
    if off <= WARN_AFTER:
        return Row("clock", what, OK, "as this machine's" if off < 1 else f"{off:.0f} s from this machine's")
    words = f"{_span(off)} {'ahead of' if ahead > behind else 'behind'} this machine's"
    return Row("clock", what, FAIL if off > FAIL_AFTER else WARN, words, _MEND)


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
