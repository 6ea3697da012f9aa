"""A change under traffic: calls that go on while it happens, and the pods that come and go meanwhile."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai
import pandas as pd

from maas_lab import wait
from maas_lab.client import record
from maas_lab.tables import PodRow
from maas_lab.traffic import Calls

EVERY = 0.25  # seconds between two looks at the pods
AROUND = 6  # calls that end before the change begins, and again after it
PATIENCE = 120  # seconds for these calls


class Traffic:
    """Calls that were made, and pods that were there meanwhile; both are filled when the block has ended.

    Attributes:
        calls: one row per call, as `ask_many` returns them.
        pods: one row per span of time in which a pod was in one state: `pod`, its name; `state`, `starting`, `serving`
            or `leaving`; `from_s` and `to_s`, seconds since the first call began, as exact as a look every 0.25 s is.
    """

    def __init__(self) -> None:
        self.calls = Calls([])
        self.pods = pd.DataFrame(columns=["pod", "state", "from_s", "to_s"])

    def __repr__(self) -> str:
        return f"{self.calls!r}, while {self.pods['pod'].nunique()} pods were there"


@contextmanager
def keep_asking(
    client: openai.OpenAI,
    prompt: str,
    *,
    model: str,
    pods: Callable[[], Iterable[PodRow]],
    callers: int = 2,
    max_tokens: int = 8,
) -> Iterator[Traffic]:
    """Ask the same question again and again while the block runs; a call that fails is a row, not an error.

    The block begins when some calls have been answered, and its end waits for some more.

    Args:
        client: of `openai_client`.
        prompt: the question.
        model: the model's name in the catalogue.
        pods: returns the pods to watch meanwhile.
        callers: how many calls at a time.
        max_tokens: the longest answer, in tokens.
    """
    run, traffic = _Run(lambda: record(client, prompt, model=model, max_tokens=max_tokens), pods), Traffic()
    with ThreadPoolExecutor(callers + 1, thread_name_prefix="rollout") as threads:
        try:
            running = [threads.submit(run.watch), *(threads.submit(run.ask) for _ in range(callers))]
            run.some_more()
            yield traffic
            run.some_more()
        finally:
            run.done.set()
    for one in running:
        one.result()  # a bug, or a cluster that did not answer
    traffic.calls, traffic.pods = Calls(run.rows), _spans(run.looks, min(row["started_s"] for row in run.rows))


class _Run:
    """What the threads do until it is done, and what they have seen."""

    def __init__(self, call: Callable[[], dict[str, Any]], pods: Callable[[], Iterable[PodRow]]) -> None:
        self._call, self._pods, self.done = call, pods, threading.Event()
        self.rows: list[dict[str, Any]] = []
        self.looks: list[tuple[float, dict[str, str]]] = []

    def ask(self) -> None:
        while not self.done.is_set():
            self.rows.append(self._call())

    def watch(self) -> None:
        wait.until(self._look, what="the end of the traffic", timeout=math.inf, every=EVERY)

    def some_more(self) -> None:
        wanted = len(self.rows) + AROUND
        what = f"{AROUND} calls to end"
        wait.until(lambda: len(self.rows) >= wanted, what=what, timeout=PATIENCE, hint="./lab status")

    def _look(self) -> bool:
        self.looks.append((time.perf_counter(), {row.name: _state(row) for row in self._pods()}))
        return self.done.is_set()


def _state(pod: PodRow) -> str:
    if pod.phase == "Terminating":
        return "leaving"
    ready, _, total = pod.ready.partition("/")
    return "serving" if ready == total else "starting"


def _spans(looks: list[tuple[float, dict[str, str]]], zero: float) -> pd.DataFrame:
    """Join looks that saw a pod in the same state into spans; a state lasts until the next look."""
    spans: list[dict[str, Any]] = []
    latest: dict[str, dict[str, Any]] = {}
    for (at, seen), (until, _) in itertools.pairwise(looks):
        for pod, state in seen.items():
            span = latest.get(pod)
            if span is None or span["state"] != state:
                span = latest[pod] = {"pod": pod, "state": state, "from_s": at - zero}
                spans.append(span)
            span["to_s"] = until - zero
    return pd.DataFrame(spans, columns=["pod", "state", "from_s", "to_s"])
