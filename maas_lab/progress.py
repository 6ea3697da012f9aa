"""A progress bar for a notebook whose text is the same in every run."""

from __future__ import annotations

import sys

from ipywidgets import IntProgress


class Progress(IntProgress):
    """A bar that counts calls; its text form, which notebooks store and compare, does not move.

    Args:
        total: how many calls are expected.
        name: what is counted, for a total that differs from run to run.
    """

    def __init__(self, total: int, name: str = "") -> None:
        super().__init__(max=max(1, total))
        self.total, self._told = total, name or f"{total} calls"
        self.advance(0)

    def advance(self, calls: int = 1) -> None:
        """Count calls that ended."""
        self.value += calls
        self.description = f"{self.value} of {self.total}"

    def __repr__(self) -> str:
        return f"Progress({self._told})"


def in_notebook() -> bool:
    """Return whether a kernel runs this code, so that a widget can be seen."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None
