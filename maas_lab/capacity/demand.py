"""Who asks how much, and what a server does for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maas_lab.capacity.numbers import positive, whole
from maas_lab.errors import UsageError

HOUR = 3600.0  # seconds
_BREATH = 0.001  # seconds that pass at least between an answer and the next question
_MOST_PEOPLE = 100_000


@dataclass(frozen=True)
class Load:
    """People who ask, read the answer, think, and ask again.

    Args:
        people: all who may ask.
        active: the share of them that works at the same time, above 0 and at most 1.
        questions_per_hour: of one active person whom nobody makes wait.
        tokens_per_answer: on average.

    Raises:
        UsageError: a number is not possible.
    """

    people: int
    active: float
    questions_per_hour: float
    tokens_per_answer: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", whole("people", self.people, most=_MOST_PEOPLE))
        object.__setattr__(self, "active", positive("active, a share of the people,", self.active, most=1))
        rate = positive("questions_per_hour", self.questions_per_hour, most=HOUR)
        object.__setattr__(self, "questions_per_hour", rate)
        tokens = positive("tokens_per_answer", self.tokens_per_answer, most=1e6)
        object.__setattr__(self, "tokens_per_answer", tokens)

    @property
    def at_once(self) -> int:
        """People who work at the same time: at least one."""
        return max(1, round(self.people * self.active))

    def think(self, answer: float) -> float:
        """Return the seconds between an answer and the same person's next question.

        An hour holds `questions_per_hour` rounds of answer and pause. Where answers take too long for that, people
        ask again at once, and less often than they would like.

        Args:
            answer: seconds that an answer takes.
        """
        return max(_BREATH, HOUR / self.questions_per_hour - answer)


@dataclass(frozen=True)
class Server:
    """One copy of the model on one GPU (or on one slot of the local cluster).

    A server answers up to `slots` calls at once (continuous batching), each slower than alone, all together faster:
    between one call and all slots busy its speed is taken to grow in a straight line from `tokens_per_second` to
    `total`. Both can be measured. For Llama-3.1-8B on an H100 with 80 GB: 122 alone and 1,384 in 16 slots (published by
    yobitel for vLLM 0.21.0, 2026-05-16). Prompts are not counted: reading one is much faster than writing an answer.

    Args:
        tokens_per_second: of a call that has the server to itself.
        slots: calls it works on at once; the next one waits.
        total: tokens per second of all slots together when all are busy; None means `slots` times as many as one,
            which is batching that costs nothing.

    Raises:
        UsageError: a number is not possible.
    """

    tokens_per_second: float
    slots: int = 1
    total: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens_per_second", positive("tokens_per_second", self.tokens_per_second, most=1e6))
        object.__setattr__(self, "slots", whole("slots", self.slots, most=10_000))
        total = self.tokens_per_second * self.slots if self.total is None else self.total
        object.__setattr__(self, "total", positive("total, tokens per second of all slots,", total, most=1e10))
        if self.slots == 1 and self.total != self.tokens_per_second:
            hint = "leave `total` out, or say how many slots it is the total of"
            raise UsageError("a server with one slot has one speed", hint=hint)

    @property
    def peak(self) -> float:
        """The most tokens per second it ever makes."""
        return max(self.tokens_per_second, self.total)

    def seconds(self, tokens: float, calls: int = 1) -> float:
        """Return how long an answer takes while so many calls are answered at once, itself among them.

        Raises:
            UsageError: a number is not possible, or there are not so many slots.
        """
        calls = whole("calls, answered at once by one server,", calls, most=self.slots)
        return positive("tokens", tokens) * calls / float(self.rate(np.array([calls]), 1)[0])

    def rate(self, calls: np.ndarray, replicas: int) -> np.ndarray:
        """Return the tokens per second of some servers while they have so many calls, spread evenly."""
        at = [0, replicas, replicas * self.slots][: 2 if self.slots == 1 else 3]
        return np.interp(calls, at, [0.0, replicas * self.tokens_per_second, replicas * self.total][: len(at)])
