"""What a look says: a row with its area, how it is, what was found, and the command that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from maas_lab.errors import NotAllowed
from maas_lab.refusals import plain

OK, WARN, FAIL = "ok", "warn", "fail"
FORMAT, VERSION = "maas-lab-preflight", 1
UNSEEN = "not visible with these rights"


@dataclass(frozen=True)
class Row:
    """One thing that was looked at.

    Attributes:
        area: what it belongs to, e.g. `gateway`.
        what: was looked at.
        state: `ok`, `warn` (a class can be held) or `fail` (it cannot).
        found: what there is.
        mend: the command that mends it, or who can; empty where nothing is to be done.
    """

    area: str
    what: str
    state: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Report:
    """All rows of one look.

    Attributes:
        rows: in the order of the areas.
        learners: for how many.
        seconds: it took, by area; areas are looked at at the same time.
        total: seconds of all.
    """

    rows: Sequence[Row]
    learners: int
    seconds: dict[str, float]
    total: float

    @property
    def is_red(self) -> bool:
        """Whether a class cannot be held."""
        return any(row.state == FAIL for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON's values; a change of what a field means is another version."""
        head = {"format": FORMAT, "version": VERSION, "ok": not self.is_red, "learners": self.learners}
        return {**head, "seconds": round(self.total, 3), "rows": [asdict(row) for row in self.rows]}


def refused(area: str, what: str, error: Exception, mend: str) -> Row:
    """Return the row for a look that raised.

    Args:
        area: of the look.
        what: was looked at.
        error: what it raised; a missing right is no failure of the room.
        mend: the command where the error does not name what to do.
    """
    if isinstance(error, NotAllowed):
        return Row(area, what, WARN, UNSEEN, error.hint)
    why = getattr(error, "why", "")
    found = ": ".join(filter(None, (plain(error), plain(why))))
    hint = getattr(error, "hint", "")
    # Nothing of the platform is to be mended where this side does not trust it.
    return Row(area, what, FAIL, found, hint if hint and "certificate verify failed" in found else mend or hint)
