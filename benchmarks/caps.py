"""Caps under load: what is served after a cap was reached, how fast one is refused then, and how fast a raise helps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import openai

from benchmarks.portal import LEARNERS, Site, Table, site
from maas_lab import wait
from maas_lab.caps import Overshoot, overshoot
from maas_lab.client import ask, openai_client
from maas_lab.errors import BudgetExceeded
from maas_lab.keys import ApiKey
from maas_lab.local import LocalCluster
from maas_lab.portal import Portal

CALLERS, ROUNDS = (1, 4, 16), 3
CAP, HIGHER, MOST = 0.4, 40.0, 64  # dollars of about eight calls; dollars; calls
HEADER = [
    "cap of",
    "callers",
    "answered after it, median (most)",
    "begun before it",
    "tokens",
    "dollars beyond it",
    "refusal, ms",
    "raised: s to an answer",
]


@dataclass(frozen=True)
class Run:
    """What one round measured.

    Attributes:
        found: what was served.
        refusal_ms: the median of ten refused calls.
        raised_s: seconds from the wish for a higher cap to the next answer.
    """

    found: Overshoot
    refusal_ms: float
    raised_s: float


@dataclass(frozen=True)
class Subject:
    """What is capped: keys, and how.

    Attributes:
        kind: `key`, `user` or `application`.
        keys: that together reach the cap.
        cap: caps them at so many dollars.
    """

    kind: str
    keys: list[ApiKey]
    cap: Callable[[float], object]


def measure(cluster: LocalCluster) -> Table:
    """Reach caps of keys, users and applications by 1, 4 and 16 callers, and raise them."""
    found, rows = site(cluster), []
    with found.log_in("carol") as admin:
        subjects = _subjects(found, admin)
        for kind in ("key", "user", "application"):
            for callers in CALLERS:
                rows.append(_row(kind, callers, [_run(found, next(subjects[kind]), callers) for _ in range(ROUNDS)]))
    title = f"caps of ${CAP:g}, reached by real calls of some $0.05 each, {ROUNDS} rounds; an application has two keys"
    return title, HEADER, rows


def _subjects(found: Site, admin: Portal) -> dict[str, Iterator[Subject]]:
    """Return new keys, users and applications without end; no user is taken twice."""
    people = iter(LEARNERS)

    def made(user: str, name: str) -> ApiKey:
        with found.log_in(user) as portal:
            portal.subscribe(found.model)
            return portal.create_key(name, [found.model], application=name)

    def key() -> Iterator[Subject]:
        for user in people:
            yield Subject(
                "key",
                [made(user, "capped")],
                lambda most, user=user: admin.admin.cap_key(user, "capped", max_budget=most),
            )

    def user() -> Iterator[Subject]:
        for user in people:
            keys = [made(user, name) for name in ("first", "second")]
            yield Subject("user", keys, lambda most, user=user: admin.admin.cap_user(user, max_budget=most))

    def application() -> Iterator[Subject]:
        for one, two in zip(people, people, strict=False):
            name = f"application of {one}"
            keys = [made(user, name) for user in (one, two)]
            yield Subject(
                "application", keys, lambda most, name=name: admin.admin.cap_application(name, max_budget=most)
            )

    return {"key": key(), "user": user(), "application": application()}


def _run(found: Site, subject: Subject, callers: int) -> Run:
    subject.cap(CAP)
    with ExitStack() as stack:
        clients = [stack.enter_context(openai_client(f"{found.gateway}/v1", key)) for key in subject.keys]
        for client in clients:  # the first call with a key makes the gateway read it
            client.models.list()
        seen = overshoot(clients, model=found.model, callers=callers, calls=MOST, cap=CAP)
        refused = statistics.median(_refused_ms(found, clients[0]) for _ in range(10))
        began = time.perf_counter()
        subject.cap(HIGHER)
        wait.until(
            lambda: ask(clients[0], "Say hello.", model=found.model, max_tokens=1),
            what="a raised cap to help",
            timeout=60,
            every=0.02,
            transient=(BudgetExceeded,),
        )
        return Run(seen, refused, time.perf_counter() - began)


def _refused_ms(found: Site, client: openai.OpenAI) -> float:
    began = time.perf_counter()
    try:
        ask(client, "Say hello.", model=found.model, max_tokens=1)
    except BudgetExceeded:
        return 1000 * (time.perf_counter() - began)
    raise RuntimeError("a call got through a cap that was reached")


def _row(kind: str, callers: int, runs: list[Run]) -> list[str]:
    if unreached := [run for run in runs if not run.found.reached]:
        raise RuntimeError(f"{len(unreached)} of {len(runs)} rounds did not reach the cap of a {kind}")

    def middle(value: Callable[[Run], float]) -> float:
        return statistics.median(map(value, runs))

    calls = [run.found.calls for run in runs]
    begun = f"{sum(run.found.on_their_way for run in runs)} of {sum(calls)}"
    dollars = middle(lambda run: run.found.dollars)
    numbers = [f"{middle(lambda run: run.found.tokens):.0f}", f"{dollars:.3f} ({100 * dollars / CAP:.0f} %)"]
    speeds = [f"{middle(lambda run: run.refusal_ms):.0f}", f"{middle(lambda run: run.raised_s):.2f}"]
    return [kind, str(callers), f"{statistics.median(calls):.0f} ({max(calls)})", begun, *numbers, *speeds]
