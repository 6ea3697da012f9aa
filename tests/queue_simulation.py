"""People who think, ask, wait and read, simulated event by event: what `maas_lab.capacity` is held against.

All calls that are answered run at the same speed, so one clock of work done serves for all: a call that enters at W
ends when the clock reads W + its length.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass

import numpy as np

BATCHES = 20


@dataclass(frozen=True)
class Simulated:
    waits: np.ndarray  # seconds, in the order of asking
    busy: float  # calls that are answered, on average over time
    seconds: float

    def batches(self, values: np.ndarray) -> tuple[float, float]:
        """Return the mean of values and its standard error, by batch means: neighbours depend on each other."""
        means = np.array([part.mean() for part in np.array_split(values, BATCHES)])
        return float(means.mean()), float(means.std(ddof=1) / BATCHES**0.5)


def simulate(people, think, tokens, rate, slots, *, questions, constant=False, seed=1) -> Simulated:
    """Let people ask so many questions.

    Args:
        rate: tokens per second of all servers together, as a function of the calls in the system.
        constant: whether all answers are of one length; otherwise their lengths are exponential.
    """
    chance = random.Random(seed)
    asking = [chance.expovariate(1 / think) for _ in range(people)]  # when each thinking person asks
    heapq.heapify(asking)
    line, answering, waits = deque(), [], []
    now = done = area = 0.0
    while len(waits) < questions * 1.1:  # the first tenth is thrown away
        calls = len(answering) + len(line)
        speed = rate(calls) / len(answering) if answering else 0.0
        ends = now + (answering[0] - done) / speed if answering else float("inf")
        comes = asking[0] if asking else float("inf")
        moment = min(ends, comes)
        done += speed * (moment - now)
        area += len(answering) * (moment - now)
        now = moment
        if comes < ends:
            heapq.heappop(asking)
            line.append(now)
        else:
            heapq.heappop(answering)
            heapq.heappush(asking, now + chance.expovariate(1 / think))
        if line and len(answering) < slots:
            waits.append(now - line.popleft())
            heapq.heappush(answering, done + (tokens if constant else chance.expovariate(1 / tokens)))
    return Simulated(np.array(waits[-questions:]), area / now, now)
