"""A toggle that reads numbers again every few seconds while it is on, and says how that goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

from ipywidgets import HTML, HBox, Layout, ToggleButton, VBox

from maas_lab.errors import LabError
from maas_lab.wait import Ticker
from maas_lab.widgets.parts import Message

EVERY = 5.0  # seconds between the end of one read and the begin of the next
SHARE = 3.0  # as many times as long as a read took, it rests at least: who reads is a quarter of the load at most
_ON, _OFF = "Live refresh: on", "Live refresh: off"
SLOWEST = 120.0  # seconds between two tries, however often reads failed
LASTING = 3600.0  # seconds after which it ends: a board that nobody sees any more reads on


class LiveRefresh(VBox):
    """Reads again and again while its toggle is on: in one thread of its own, never two reads at a time.

    A read that fails changes nothing of what is shown: the next try is later each time, and as late as the server
    wants. It ends when it is switched off, when it is closed, after an hour, and with the kernel.

    Args:
        read: reads, in the thread, and returns what shows the numbers; it is called only if the toggle is still on.
        every: seconds between two reads.
        lasting: seconds after which it ends.

    Attributes:
        toggle: switches it on and off.
        message: that it began, ended or fails; announced by screen readers.
        error: why the last read failed; None when it did not.
        reads: how many reads were shown since it was switched on.
    """

    def __init__(
        self, read: Callable[[], Callable[[], None]], *, every: float = EVERY, lasting: float = LASTING
    ) -> None:
        self._read, self._every, self._lasting = read, every, lasting
        self._lock = threading.RLock()
        self._ticker: Ticker | None = None
        self._failures, self._ends, self._seen = 0, 0.0, ""
        self.error: LabError | None = None
        self.reads = 0
        about = f"Read the numbers again every {every:g} seconds, until this is switched off"
        fit = Layout(width="auto", align_self="flex-start")
        self.toggle = ToggleButton(description=_OFF, tooltip=about, layout=fit)
        # The time of each read is for eyes; screen readers would announce it every few seconds.
        self._clock, self.message = HTML(), Message()
        row = HBox([self.toggle, self._clock], layout=Layout(flex_flow="row wrap", align_items="center"))
        super().__init__([row, self.message])
        self.toggle.observe(self._toggled, "value")

    @property
    def running(self) -> bool:
        """Whether it reads."""
        return self._ticker is not None and not self._ticker.stopped

    def close(self) -> None:
        """Stop reading, and close the widget."""
        self._stop()
        super().close()

    def _toggled(self, change: dict[str, bool]) -> None:
        self.toggle.description = _ON if change["new"] else _OFF  # not only by its colour
        if change["new"]:
            self._start()
        else:
            self._stop()

    def _start(self) -> None:
        with self._lock:
            self._stop()
            self.error, self.reads, self._failures = None, 0, 0
            self._ends = time.monotonic() + self._lasting
            self.message.done(f"live refresh is on: the numbers are read every {self._every:g} seconds or more")
            self._ticker = Ticker(self._tick, "usage board")

    def _stop(self) -> None:
        with self._lock:
            if self.running:
                self._ticker.stop()
                self.message.done("live refresh is off; the numbers stay as they are")

    def _tick(self, ticker: Ticker) -> float:
        """Read and show; return how long to wait then."""
        began = time.monotonic()
        try:
            show = self._read()
        except LabError as error:
            return self._failed(ticker, error)
        except BaseException as error:
            self._broke(ticker, error)
            raise
        with self._lock:
            if not ticker.stopped:
                show()
                self._worked()
        return max(self._every, SHARE * (time.monotonic() - began))

    def _worked(self) -> None:
        self._seen = f"{datetime.now(UTC):%H:%M:%S} UTC"
        self._clock.value = f"<p>Live: read at {self._seen}.</p>"
        if self.error:
            self.message.done("the numbers can be read again")
        self.error, self._failures, self.reads = None, 0, self.reads + 1
        if time.monotonic() >= self._ends:
            self.toggle.value = False
            self.message.done(f"live refresh ended by itself after {self._lasting / 60:g} minutes; switch it on again")

    def _failed(self, ticker: Ticker, error: LabError) -> float:
        """Say why there are no new numbers; return how long to wait before the next try."""
        with self._lock:
            self._failures += 1
            asked = getattr(error, "retry_after", None) or 0.0
            pause = max(min(SLOWEST, self._every * 2**self._failures), asked)
            if not ticker.stopped:
                self.error = error
                kept = f"the numbers shown are those of {self._seen}" if self._seen else "nothing was read so far"
                self._clock.value = f"<p>Live: {escape(kept)}; the next try is in {pause:.0f} seconds.</p>"
                self.message.failed(error.lines())
        return pause

    def _broke(self, ticker: Ticker, error: BaseException) -> None:
        with self._lock:
            if not ticker.stopped:
                self.toggle.value = False
                self.message.failed([f"{type(error).__name__} in the notebook's code: live refresh is off"])
