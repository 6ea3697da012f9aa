"""The only polling loops: wait until something is true, or say what it was waiting for; and do it again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from maas_lab.errors import TookTooLong

T = TypeVar("T")
AGAIN = "look at what runs (`./lab status`), then try again"


def until(
    check: Callable[[], T],
    *,
    what: str,
    timeout: float,
    every: float = 0.1,
    transient: tuple[type[Exception], ...] = (),
    sleep: Callable[[float], object] = time.sleep,
    hint: str = AGAIN,
) -> T:
    """Call `check` until it returns something true, and return that.

    Args:
        check: called at once and then every `every` seconds.
        what: what is awaited, as it completes the sentence "waited 20 s for ...".
        timeout: seconds after which to give up; `check` is called at least once.
        every: seconds between two calls.
        transient: exceptions that mean "not yet"; every other exception is raised at once.
        sleep: waits between two calls; may raise to break off.
        hint: what to try when the time is up.

    Raises:
        TookTooLong: the time is up; `why` is the last transient exception.
    """
    deadline = time.monotonic() + timeout
    while True:
        last = ""
        try:
            if result := check():
                return result
        except transient as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() >= deadline:
            raise TookTooLong(f"waited {timeout:g} s for {what}", last, hint)
        sleep(min(every, max(0.0, deadline - time.monotonic())))


class Ticker:
    """Calls something again and again in a thread of its own, one call at a time, until it is stopped.

    The thread ends with the process. An exception of the call ends it, too, and is reported as any thread's.

    Args:
        call: given this ticker, does the work and returns how many seconds to wait before the next call; the first is
            made at once.
        name: of the thread.
    """

    def __init__(self, call: Callable[[Ticker], float], name: str) -> None:
        self._call, self._stopped = call, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop; a call may still be on its way."""
        return self._stopped.is_set()

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Make no more calls; one that is on its way goes on, and can look at `stopped`."""
        self._stopped.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            pause = self._call(self)
