"""Count requests, so that nobody asks more often than agreed."""

from __future__ import annotations

import math
import time
from collections import deque

from maas_lab.local.portal.refusals import too_many


class Limiter:
    """Lets so many requests pass in a span of time, for each asker.

    Args:
        most: requests; 0 means any number.
        seconds: the span.
        what: what is asked for, in the refusal.
    """

    def __init__(self, most: int, seconds: float, what: str) -> None:
        self._most, self._seconds, self._what = most, seconds, what
        self._seen: dict[str, deque[float]] = {}

    def check(self, asker: str) -> None:
        """Count a request.

        Raises:
            Refused: 429.
        """
        if not self._most:
            return
        moment = time.monotonic()
        if len(self._seen) > 10_000:
            self._seen = {name: one for name, one in self._seen.items() if one[-1] > moment - self._seconds}
        seen = self._seen.setdefault(asker, deque())
        while seen and seen[0] <= moment - self._seconds:
            seen.popleft()
        if len(seen) >= self._most:
            raise too_many(self._what, math.ceil(seen[0] + self._seconds - moment))
        seen.append(moment)
