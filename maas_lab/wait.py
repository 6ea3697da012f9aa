"""The only polling loop: wait until something is true, or say what it was waiting for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from maas_lab.errors import TookTooLong

T = TypeVar("T")


def until(
    check: Callable[[], T],
    *,
    what: str,
    timeout: float,
    every: float = 0.1,
    transient: tuple[type[Exception], ...] = (),
    sleep: Callable[[float], object] = time.sleep,
    hint: str = "",
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
