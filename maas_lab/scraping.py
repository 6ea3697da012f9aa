"""Looks at the running model server's metrics: once, for a while, or while something else goes on."""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pandas as pd

from maas_lab import metrics, wait
from maas_lab.errors import MetricsError, UsageError
from maas_lab.keys import ApiKey
from maas_lab.metrics import Scrape
from maas_lab.refusals import plain
from maas_lab.rest import Service, address
from maas_lab.tables import Text

TIMEOUT = 10  # seconds for an answer: a busy llama.cpp answers between two steps
SHORTEST = 0.05  # seconds between two looks
LONGEST = 3600.0  # seconds that `watching` goes on at most, should its block never end
_POLICY = (
    "the model's NetworkPolicy may let only gateway and monitoring in: `kubectl get networkpolicy`, and "
    "manifests/README.md says how a provider lets a workbench look"
)


class EngineMetrics:
    """The metrics of one model server; nothing is sent before the first call.

    Every look raises a `MetricsError` when the server refuses, does not answer, or is no engine that the lab knows.

    Args:
        url: of the model server.
        key: the one that it wants; None where there is none, or where its metrics are open, as vLLM's are.
        verify: which certificate authorities to trust, as httpx takes it.
        transport: stands in for the network in tests (`httpx.MockTransport`).

    Raises:
        UsageError: the address is not one.
    """

    def __init__(
        self,
        url: str,
        key: ApiKey | None = None,
        *,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        self._rest = _Rest(address(url, "a model server", "http://host:8080"), headers, transport, TIMEOUT, verify)

    @property
    def url(self) -> str:
        """The model server's address."""
        return self._rest.url

    def close(self) -> None:
        """Close the connections."""
        self._rest.close()

    def __enter__(self) -> EngineMetrics:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EngineMetrics({self.url})"

    def scrape(self) -> Scrape:
        """Return what the model server tells now."""
        return metrics.read(self.text(), time=datetime.now(UTC))

    def text(self) -> Text:
        """Return all that the model server tells now, as it tells it: in the format of Prometheus."""
        return Text(self._rest.once("GET", "/metrics").text)

    def watch(self, seconds: float, every: float = 0.5) -> pd.DataFrame:
        """Look again and again for some seconds, and return what happened between the looks.

        Args:
            seconds: how long.
            every: seconds between two looks, at least 0.05.

        Returns:
            One row per interval, as `metrics.samples` describes them.

        Raises:
            UsageError: a number of seconds is too small.
        """
        _check(seconds=seconds, every=every)
        watched = Samples(self.scrape, every)
        watched.look_until(_after(seconds), threading.Event().wait)
        return watched.frame

    @contextmanager
    def watching(self, every: float = 0.5, longest: float = LONGEST) -> Iterator[Samples]:
        """Look again and again while the block runs, in a thread of its own.

        A look that fails makes an interval longer; when the last one fails, its error is raised at the end.

        Args:
            every: seconds between two looks, at least 0.05.
            longest: seconds after which it stops looking.

        Raises:
            MetricsError: the server cannot be looked at, at the beginning or at the end.
            UsageError: a number of seconds is too small.
        """
        _check(longest=longest, every=every)
        watched, ended, done = Samples(self.scrape, every), _after(longest), threading.Event()
        watched.look()

        def look_on() -> None:
            done.wait(every)
            watched.look_until(lambda: done.is_set() or ended(), done.wait)

        with ThreadPoolExecutor(1, thread_name_prefix="metrics") as threads:
            running = threads.submit(look_on)
            try:
                yield watched
            finally:
                done.set()
        running.result()


class Samples:
    """What has been seen so far; it may be read while looking goes on.

    Args:
        scrape: looks once.
        every: seconds between two looks.
    """

    def __init__(self, scrape: Callable[[], Scrape], every: float) -> None:
        self._scrape, self._every = scrape, every
        self._seen: list[Scrape] = []
        self._error: MetricsError | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """One row per interval, as `metrics.samples` describes them."""
        return metrics.samples(tuple(self._seen))

    @property
    def busy(self) -> float | None:
        """Share of the whole time in which it computed, as `metrics.utilisation` finds it."""
        return metrics.utilisation(tuple(self._seen))

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"Samples({len(self)} intervals)"

    def look_until(self, ended: Callable[[], bool], sleep: Callable[[float], object]) -> None:
        """Look every few seconds, the last time when it has ended.

        Raises:
            MetricsError: the first or the last look failed; others only make an interval longer.
        """

        def look() -> bool:
            is_over = ended()
            self.look()
            return is_over

        wait.until(look, what="the end of the looks", timeout=math.inf, every=self._every, sleep=sleep)
        if self._error:
            raise self._error

    def look(self) -> None:
        """Look once; a failure is raised when there is nothing yet, and else kept."""
        try:
            seen, self._error = self._scrape(), None
        except MetricsError as error:
            if not self._seen:
                raise
            self._error = error
        else:
            self._keep(seen)

    def _keep(self, seen: Scrape) -> None:
        # Of two looks close together, as at the end, the later one counts: rates over no time mean nothing.
        if len(self._seen) > 1 and (seen.time - self._seen[-1].time).total_seconds() < self._every / 4:
            self._seen.pop()
        self._seen.append(seen)


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _check(*, every: float, **numbers: float) -> None:
    if isinstance(every, int | float) and not every >= SHORTEST:
        raise UsageError(f"`every` is at least {SHORTEST} seconds", "looks take time of the model server", "every=0.5")
    for name, value in {"every": every, **numbers}.items():
        if not (isinstance(value, int | float) and 0 < value < math.inf):
            raise UsageError(f"`{name}` is a number of seconds above zero", hint=f"e.g. {name}=0.5")


def _refusal(status: int, body: bytes, headers: Mapping[str, str]) -> MetricsError:
    told = plain(body.decode("utf-8", "replace"))
    if status in (401, 403):
        hint = "it is in the Secret that the model's ServingRuntime names; ask its provider for the right to read it"
        return MetricsError("the model server wants its key", told, hint)
    if status == 503:
        return MetricsError("the model server is not ready", told, "wait until it is: `kubectl get isvc`")
    if status in (404, 501):
        return MetricsError("this server has no metrics", told, "start llama.cpp with `--metrics`")
    return MetricsError(f"the model server refused (HTTP {status})", told, "`kubectl logs` of its pod says more")


def _unreachable(cause: object, timed_out: bool = False) -> MetricsError:
    if timed_out:
        why = "it hangs, or something in between drops what is sent"
        return MetricsError("the model server's metrics did not come in time", why, _POLICY)
    hint = f"its name may be known only inside the cluster: run this in a workbench; there, {_POLICY}"
    return MetricsError("nothing answers at the model server's address", plain(cause), hint)


class _Rest(Service):
    refusal, unreachable = staticmethod(_refusal), staticmethod(_unreachable)
