"""Waiting for a server that others use too: a finite-source queue, in closed form.

The model is the machine repairman of queueing theory (M/M/c//N) with servers whose speed depends on how many calls they
have. N people are either thinking, for Z seconds on average, or have one call in the system; nobody asks again before
the last answer is there. With j calls in it the system answers at the rate m(j): it grows up to all slots being busy,
and is R from then on. Then (Gross and Harris, Fundamentals of Queueing Theory, chapter 2):

- the share of time with j calls is p_N(j) = p_N(0) * product over i = 1..j of (N - i + 1) / (Z m(i));
- a person who asks finds j calls of others with the share p_{N-1}(j), as if they were not there themselves (the
  arrival theorem: Sevcik and Mitrani 1981, Lavenberg and Reiser 1980);
- who finds all S slots busy waits for j - S + 1 answers at the rate R, which is an Erlang distribution. Summed over j:
  P(wait > t) = D * Q(n, z + R t) / Q(n, z), where D is the share that waits at all, n = N - 1 - S, z = Z R, and Q(n, m)
  is the probability that a Poisson number with mean m is at most n.

With many people it becomes the open queue M/M/c (Erlang C); with one person per server nobody waits. Assumed are random
moments of asking, random lengths of answers (exponential: many short, some long), one line for all servers, first come
first served. Answers that are all of one length wait less, about half as long in a busy system: the model errs on the
safe side. Batching is simplified as `Server` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maas_lab.capacity.demand import HOUR, Load, Server
from maas_lab.capacity.numbers import positive, whole
from maas_lab.errors import UsageError

_MOST = 1_000_000  # servers
_SAME = 1 + 1e-9  # what differs by less is a rounding error


@dataclass(frozen=True)
class Queue:
    """How it is to ask, and how busy the servers are. Times are seconds.

    Attributes:
        replicas: servers, each on a GPU.
        utilisation: tokens that are written, as a share of those the servers could write in the same time.
        wait_p50: half of all questions wait no longer than this until an answer begins.
        wait_p95: 95 % of all questions wait no longer.
        wait_mean: of all questions, with those that do not wait.
        waiting: the share of questions that wait at all.
        answer: how long an answer takes on average from its beginning to its end.
        questions_per_hour: that all people together get answered.
        overloaded: people want more than the servers can write, so all ask less often than they would like. Waits are
            long and not infinite, because who waits does not ask.
    """

    replicas: int
    utilisation: float
    wait_p50: float
    wait_p95: float
    wait_mean: float
    waiting: float
    answer: float
    questions_per_hour: float
    overloaded: bool = False

    def __repr__(self) -> str:
        servers = f"{self.replicas:,} server{'s' if self.replicas > 1 else ''}"
        state = ", overloaded" if self.overloaded else ""
        waits = f"waiting p50 {self.wait_p50:,.1f} s, p95 {self.wait_p95:,.1f} s"
        return f"Queue({servers}, {self.utilisation:.1%} used{state}, {waits})"


def shared(load: Load, server: Server, replicas: int = 1) -> Queue:
    """Return how it is when all people share some servers.

    Args:
        load: who asks how much.
        server: each of them.
        replicas: how many there are.

    Raises:
        UsageError: there are not so many servers.
    """
    line = _Line(load, server, whole("replicas", replicas, most=_MOST))
    calls, busy = np.arange(line.people + 1), np.minimum(np.arange(line.people + 1), line.slots)
    share = line.states(line.people)
    answered = float(share @ line.answers(calls))  # per second
    return Queue(
        replicas=line.replicas,
        utilisation=answered * load.tokens_per_answer / (line.replicas * server.peak),
        wait_p50=line.wait(0.50),
        wait_p95=line.wait(0.95),
        wait_mean=float(share @ (calls - busy)) / answered,
        waiting=line.waiting,
        answer=float(share @ busy) / answered,
        questions_per_hour=answered * HOUR,
        overloaded=line.overloaded,
    )


def hoarded(load: Load, server: Server) -> Queue:
    """Return how it is when each of the people has a server, whether they are active or not: nobody ever waits."""
    answered = _Line(load, server, 1).wanted
    return Queue(
        replicas=load.people,
        utilisation=answered * load.tokens_per_answer / (load.people * server.peak),
        wait_p50=0.0,
        wait_p95=0.0,
        wait_mean=0.0,
        waiting=0.0,
        answer=server.seconds(load.tokens_per_answer),
        questions_per_hour=answered * HOUR,
    )


def replicas_for(load: Load, server: Server, p95: float = 2.0) -> int:
    """Return the fewest servers that do the work and let 95 % of the questions wait no longer than `p95` seconds.

    Raises:
        UsageError: `p95` is no number of seconds above 0.
    """
    target = positive("p95, seconds of waiting,", p95)

    def enough(replicas: int) -> bool:
        line = _Line(load, server, replicas)
        return replicas >= line.people or (not line.overloaded and line.wait(0.95) <= target)

    # The answer is near the number that can do the work at all: look at 1, 2, 4, ... more, then between the last two.
    low = max(1, math.floor(_Line(load, server, 1).wanted * load.tokens_per_answer / server.peak)) - 1
    step = 1
    while not enough(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


class _Line:
    """People in front of some servers."""

    def __init__(self, load: Load, server: Server, replicas: int) -> None:
        if not isinstance(load, Load) or not isinstance(server, Server):
            kinds = f"{type(load).__name__} and {type(server).__name__}"
            raise UsageError(f"these are {kinds}", hint="first a capacity.Load, then a capacity.Server")
        self.people, self.replicas, self.slots = load.at_once, replicas, replicas * server.slots
        self._tokens, self._server = load.tokens_per_answer, server
        alone = server.seconds(load.tokens_per_answer)
        self.think = load.think(alone)
        self.wanted = self.people / (self.think + alone)  # questions per second, if nobody waited

    def answers(self, calls: np.ndarray) -> np.ndarray:
        """Return answers per second with so many calls in the system."""
        return self._server.rate(calls, self.replicas) / self._tokens

    def states(self, people: int) -> np.ndarray:
        """Return the shares of time with 0, 1, ... calls in the system; in logarithms, because they span 1e±10000."""
        calls = np.arange(1, people + 1)
        logs = np.r_[0.0, np.cumsum(np.log((people - calls + 1) / (self.think * self.answers(calls))))]
        shares = np.exp(logs - logs.max())
        return shares / shares.sum()

    @property
    def overloaded(self) -> bool:
        """Whether the servers cannot write all that people want, even with everybody in line."""
        return self.wanted > _SAME * float(self.answers(np.array([self.people]))[0])

    @cached_property
    def waiting(self) -> float:
        """The share of questions that find all slots busy."""
        return float(self.states(self.people - 1)[self.slots :].sum()) if self.people > self.slots else 0.0

    def wait(self, share: float) -> float:
        """Return the seconds that this share of the questions waits at most."""
        late = 1 - share
        if self.waiting <= late:
            return 0.0
        rate = self.replicas * self._server.total / self._tokens
        tail = _Poisson(self.people - 1 - self.slots)
        begin = self.think * rate
        return max(0.0, tail.mean(math.log(late / self.waiting) + tail.log(begin)[0]) - begin) / rate


class _Poisson:
    """The probability that a Poisson number is at most n, as a function of its mean."""

    def __init__(self, n: int) -> None:
        self._n, self._steps = n, np.arange(n + 1)
        # log of n (n-1) ... (n-k+1), for k = 0..n
        self._falling = np.r_[0.0, np.cumsum(np.log(np.arange(n, 0, -1)))]

    def log(self, mean: float) -> tuple[float, float]:
        """Return the logarithm of the probability, and how fast it falls when the mean grows.

        P(at most n) = P(n) * (1 + n/mean + n(n-1)/mean^2 + ...), and its derivative is -P(n).
        """
        terms = self._falling - self._steps * math.log(mean)
        top = float(terms.max())
        total = top + math.log(float(np.exp(terms - top).sum()))
        return self._n * math.log(mean) - mean - math.lgamma(self._n + 1) + total, -math.exp(-total)

    def mean(self, log: float) -> float:
        """Return the mean with this logarithm of the probability.

        The logarithm is concave, so that Newton's method comes down from the right without ever passing the root; the
        Chernoff bound P(at most n) <= exp(-(mean - n)^2 / (2 mean)) says where to start.
        """
        mean = self._n - log + math.sqrt(log * log - 2 * self._n * log)
        for _ in range(100):
            found, slope = self.log(mean)
            step = (found - log) / slope
            mean -= step
            if abs(step) <= 1e-12 * mean:
                break
        return mean
