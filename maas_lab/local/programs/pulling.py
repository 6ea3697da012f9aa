"""Pull an image that is a part of the runtime environment, and tell how far that has got."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from maas_lab.local import runtime as installation
from maas_lab.local.packages import Report
from maas_lab.local.runtime import Runtime

TOLD_S = 10.0  # between two lines: each is an Event
Pull = Callable[[Callable[[str], None]], None]


def pull(runtime: Runtime, parts: Sequence[str]) -> Pull | None:
    """Return what installs parts of the runtime environment; None where they are there already."""

    def install(report: Callable[[str], None]) -> None:
        installation.install(runtime.folder, seldom(report), parts)

    return install if runtime.missing(parts) else None


def seldom(report: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Report:
    """Return a report that tells every new step, and how far a step has got once in `TOLD_S` seconds."""
    last = float("-inf")

    def tell(text: str, done: int, total: int) -> None:
        nonlocal last
        if not total or clock() - last >= TOLD_S:
            last = clock()
            report(f"{text} ({done} of {total})" if total else text)

    return tell
