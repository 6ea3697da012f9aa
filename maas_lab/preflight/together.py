"""Look at many things at the same time, each for a few seconds at most: what hangs is a row that says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import NamedTuple

import httpx

from maas_lab.errors import LabError
from maas_lab.preflight.rows import FAIL, Row, refused


class Look(NamedTuple):
    """Something to look at.

    Attributes:
        area: of its rows.
        what: is looked at, for the row of a look that fails or hangs.
        call: looks, and returns rows.
        limit: seconds after which there is no answer.
        mend: the command for a look that fails, where the error does not name a better one.
    """

    area: str
    what: str
    call: Callable[[], Sequence[Row]]
    limit: float = 3.0
    mend: str = ""


class Seen(NamedTuple):
    """What a look found, and the seconds it took."""

    area: str
    rows: Sequence[Row]
    seconds: float


def together(looks: Iterable[Look], within: float) -> list[Seen]:
    """Look at the same time, and return what was seen in the order of the looks.

    A look that hangs is left to itself: its thread ends with the process.

    Args:
        looks: what to look at.
        within: seconds for all of them.
    """
    begun = time.monotonic()
    running = [(one, _started(one, begun)) for one in looks]
    return [_result(one, future, begun, within) for one, future in running]


def _started(one: Look, begun: float) -> Future[Seen]:
    future: Future[Seen] = Future()

    def look() -> None:
        try:
            future.set_result(Seen(one.area, _rows(one), time.monotonic() - begun))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=look, name=f"preflight {one.area}", daemon=True).start()
    return future


def _rows(one: Look) -> Sequence[Row]:
    try:
        return one.call()
    except (LabError, OSError, httpx.HTTPError) as error:
        return [refused(one.area, one.what, error, one.mend)]


def _result(one: Look, future: Future[Seen], begun: float, within: float) -> Seen:
    limit = min(one.limit, within)
    try:
        return future.result(max(0.0, begun + limit - time.monotonic()))
    except TooLate:
        mend = one.mend or "try again; the network, or a proxy on the way, keeps the answer"
        return Seen(one.area, [Row(one.area, one.what, FAIL, f"no answer in {round(limit, 1):g} s", mend)], limit)
