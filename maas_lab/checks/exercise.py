"""What all checks share: an exercise, its hints, and how it is told that it is solved or not."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from dataclasses import dataclass
from numbers import Number
from typing import Any, NoReturn

from maas_lab import passes
from maas_lab.errors import LabError, NotDoneYet, NotQuite

_asked: Counter[str] = Counter()


@dataclass(frozen=True)
class Exercise:
    """An exercise: its number, where it is explained, and its hints from small to large."""

    number: str
    section: str
    hints: tuple[str, ...]

    def filled(self, **answers: object) -> None:
        """Refuse blanks."""
        for name, value in answers.items():
            if value is ...:
                raise NotDoneYet(f"Exercise {self.number}: `{name}` is still `...`", hint=self._next_hint())

    def as_number(self, name: str, answer: Any) -> float:
        """Return an answer as a number; a table, a text, a yes and NaN are none."""
        if isinstance(answer, bool | complex) or not isinstance(answer, Number):
            why = "of a table, take one cell: .loc[row, column]" if hasattr(answer, "loc") else ""
            self.wrong(f"`{name}` is a {type(answer).__name__}, not a number", why)
        if not math.isfinite(float(answer)):
            self.wrong(f"`{name}` is {float(answer)}", "what it was computed from is missing or zero")
        return float(answer)

    def as_count(self, name: str, answer: Any) -> float:
        """Return an answer as a whole number of calls or tokens."""
        number = self.as_number(name, answer)
        if number != int(number):
            self.wrong(f"`{name}` is {number}", "calls and tokens are whole numbers")
        return number

    def wrong(self, saw: str, why: str = "") -> NoReturn:
        """Say what the check saw, why that is not enough, and the smallest next step."""
        raise NotQuite(f"Exercise {self.number}: {saw}", why, self._next_hint())

    def right(self, sentence: str) -> None:
        """Print the one line of a solved exercise, and record that it is solved; where that fails, a second line."""
        shown = self.shown
        del _asked[self.number]
        print(f"Exercise {self.number} is right: {sentence}")
        try:
            passes.passed(self.number, shown, len(self.hints))
        except (LabError, OSError) as error:  # what is right stays right where nothing can be written
            told = error.lines() if isinstance(error, LabError) else [str(error)]
            print("It is not in your record:", "; ".join(line.strip() for line in told))

    @property
    def shown(self) -> int:
        """How many of its hints were given since it was last solved."""
        return min(_asked[self.number], len(self.hints))

    def _next_hint(self) -> str:
        """Return the next hint; after the last one the section to read, and then they begin again."""
        asked = _asked[self.number]
        _asked[self.number] += 1
        with contextlib.suppress(LabError, OSError):  # `right` counts them again, and says what fails
            passes.hinted(self.number, min(asked + 1, len(self.hints)))
        return (*self.hints, f"read the section “{self.section}” again")[asked % (len(self.hints) + 1)]
