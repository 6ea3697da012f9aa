"""Drive controllers: a queue of keys that changes of the store fill, one reconciliation at a time, no polling."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from maas_lab.local.kube.quota import limits
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import ADDED, Change, Key, Store

Clock = Callable[[], datetime]
LONGEST_PAUSE_S = 60
log = logging.getLogger(__name__)


def utc() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Controller(Protocol):
    """What the queue needs to know of a controller."""

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield the keys that must be looked at after a change."""

    def reconcile(self, key: Key) -> float | None:
        """Do what one object needs, and return after how many seconds it must be looked at again, None for never."""


Task = tuple[int, Key]


class Work:
    """The queue of all controllers of one cluster; it belongs to the thread that owns the store.

    Args:
        store: whose changes fill the queue; everything that is already there counts as changed.
        controllers: who works.
        clock: what deadlines are measured with.
    """

    def __init__(self, store: Store, controllers: Iterable[Controller], clock: Clock = utc) -> None:
        self._store, self._controllers, self._clock = store, tuple(controllers), clock
        self._tasks: dict[Task, None] = {}  # a set that remembers its order
        self._due: dict[Task, datetime] = {}
        self._failures: dict[Task, int] = {}
        self._wake = asyncio.Event()
        for key, obj in store.everything():
            self._note(Change(0, ADDED, key, obj, b"", None))
        store.listeners.append(self._note)

    def close(self) -> None:
        """Listen no longer."""
        self._store.listeners.remove(self._note)

    def add(self, key: Key) -> None:
        """Let every controller look at a key for a reason that no change of the store tells."""
        for index in range(len(self._controllers)):
            self._tasks[index, key] = None
        self._wake.set()

    def step(self) -> bool:
        """Reconcile one object, and tell whether there was one to reconcile."""
        self._collect_due()
        if not self._tasks:
            return False
        task = next(iter(self._tasks))
        del self._tasks[task]
        self._attempt(task)
        return True

    def run_until_idle(self, most: int = 10_000) -> int:
        """Work until nothing is left to do now, and return the number of steps.

        Raises:
            RuntimeError: controllers do not come to rest.
        """
        for steps in range(most):
            if not self.step():
                return steps
        raise RuntimeError(f"controllers are still busy after {most} steps")

    async def run(self) -> None:
        """Work until cancelled; other requests are served between two steps."""
        while True:
            self._wake.clear()
            while self.step():
                await asyncio.sleep(0)
            # Not `wait_for`: in Python 3.11 it forgets that it was cancelled when what it waits for comes just then.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()

    def _note(self, change: Change) -> None:
        for index, controller in enumerate(self._controllers):
            for key in controller.affected(change):
                self._tasks[index, key] = None
        if limits.frees(change):  # a cluster's controllers know nothing of quotas, and wait for the end of their pause
            self._tasks.update(dict.fromkeys(self._failures))
        if self._tasks:
            self._wake.set()

    def _attempt(self, task: Task) -> None:
        index, key = task
        self._due.pop(task, None)
        try:
            pause_s = self._controllers[index].reconcile(key)
            self._failures.pop(task, None)
        except ApiError as error:
            log.info("%s: %s", key, error)
            pause_s = self._back_off_s(task)
        except Exception:
            log.error("%s\n%s", key, traceback.format_exc())
            pause_s = self._back_off_s(task)
        if pause_s is not None:
            self._due[task] = self._clock() + timedelta(seconds=pause_s)

    def _back_off_s(self, task: Task) -> float:
        failures = self._failures[task] = self._failures.get(task, 0) + 1
        return min(LONGEST_PAUSE_S, 0.1 * 2 ** min(failures, 10))

    def _collect_due(self) -> None:
        if self._due:
            at = self._clock()
            for task in [task for task, due in self._due.items() if due <= at]:
                del self._due[task]
                self._tasks[task] = None

    def _pause_s(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, (min(self._due.values()) - self._clock()).total_seconds())
