"""The runaway: an agent that asks, adds to its notes, and asks again with all of them, until somebody stops it."""

from __future__ import annotations

import time
from typing import Any

import openai

from maas_lab import wait
from maas_lab.client import record

PAUSE = 1.0  # seconds between two calls: a runaway does not have to be fast
MINUTES, CALLS = 45, 1500  # after which it ends by itself, whatever nobody has done
ALONE = 20  # calls in a row that nobody counts, e.g. with a key that is gone: there is nothing to spend any more
STEPS = 12  # of its notes; then it begins a new task, so that a call never gets longer than a model's context
_TASK = "Find out why the build fails. "
_FOUND = "A tool was called, and this is what it found: the log ends with a line that says that a file is missing. "
_COUNTED = ("answered", "budget exceeded", "rate limited")

_running: dict[str, Spender] = {}


class Spender:
    """A loop of calls in a thread of this kernel; it ends with the kernel, too.

    Args:
        client: the agent's.
        model: the name that it asks for.
    """

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        self._client, self._model = client, model
        self._made = self._lost = 0
        self._until = time.monotonic() + 60 * MINUTES
        self._ticker = wait.Ticker(self._call, "challenge runaway")

    @property
    def alive(self) -> bool:
        """Whether it still calls."""
        return self._ticker.alive and not self._ticker.stopped

    def stop(self) -> None:
        """Make no more calls, and wait for the one that is on its way."""
        self._ticker.stop()
        wait.until(lambda: not self._ticker.alive, what="the runaway's last call", timeout=40)
        self._client.close()

    def _call(self, ticker: wait.Ticker) -> float:
        row: dict[str, Any] = record(self._client, prompt(self._made), model=self._model, max_tokens=4)
        self._made += 1
        self._lost = 0 if row["outcome"] in _COUNTED else self._lost + 1
        if self._made >= CALLS or self._lost >= ALONE or time.monotonic() >= self._until:
            ticker.stop()
        return PAUSE


def prompt(step: int) -> str:
    """Return what an agent asks at a step: its task, and all that it has found so far. Pure."""
    return _TASK + _FOUND * (2 + step % STEPS)


def let_run(place: str, client: openai.OpenAI, model: str) -> None:
    """Let an agent run away; where one of this kernel runs already, nothing happens.

    Args:
        place: whose spender it is.
        client: the agent's.
        model: the name that it asks for.
    """
    if runs(place):
        client.close()
    else:
        _running[place] = Spender(client, model)


def runs(place: str) -> bool:
    """Return whether a spender of this kernel still calls."""
    return place in _running and _running[place].alive


def stop(place: str) -> None:
    """End a spender of this kernel; without one, nothing happens."""
    if spender := _running.pop(place, None):
        spender.stop()
