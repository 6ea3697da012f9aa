import subprocess
import sys
import threading

import pytest

from maas_lab import wait
from maas_lab.errors import TookTooLong


def test_the_first_true_result_is_returned():
    answers = iter([None, 0, "yes"])
    assert wait.until(lambda: next(answers), what="x", timeout=5, every=0, sleep=lambda s: None) == "yes"


def test_time_up_says_what_and_why():
    def refuse():
        raise ConnectionError("nobody there")

    with pytest.raises(TookTooLong) as caught:
        wait.until(refuse, what="the gateway", timeout=0, transient=(ConnectionError,), hint="./lab up")
    assert caught.value.lines() == [
        "TookTooLong: waited 0 s for the gateway",
        "  why: ConnectionError: nobody there",
        "  try: ./lab up",
    ]


def test_an_unlisted_exception_is_raised_at_once():
    with pytest.raises(ZeroDivisionError):
        wait.until(lambda: 1 / 0, what="x", timeout=60, transient=(ConnectionError,))


def test_sleep_may_break_off():
    class Enough(Exception):
        pass

    def stop(seconds):
        raise Enough

    with pytest.raises(Enough):
        wait.until(lambda: False, what="x", timeout=60, sleep=stop)


class Steps:
    """What a ticker is to do, seen from outside of its thread."""

    def __init__(self, pause=0.0):
        self.pause, self.calls, self.running, self.most = pause, 0, 0, 0
        self.go = threading.Semaphore(0)
        self.done = threading.Semaphore(0)

    def __call__(self, ticker):
        self.running += 1
        self.most = max(self.most, self.running)
        assert self.go.acquire(timeout=10)
        self.calls, self.running = self.calls + 1, self.running - 1
        self.done.release()
        return self.pause

    def step(self):
        self.go.release()
        assert self.done.acquire(timeout=10)


def test_a_ticker_calls_again_and_again_until_it_is_stopped():
    steps = Steps()
    ticker = wait.Ticker(steps, "test")
    for _ in range(3):
        steps.step()
    assert (steps.calls, ticker.alive, ticker.stopped) == (3, True, False)
    ticker.stop()
    steps.go.release()  # for a call that is on its way
    wait.until(lambda: not ticker.alive, what="the thread to end", timeout=10)
    assert steps.calls <= 4
    assert steps.most == 1


def test_a_ticker_that_pauses_stops_at_once():
    steps = Steps(pause=3600)
    ticker = wait.Ticker(steps, "test")
    steps.step()
    ticker.stop()
    wait.until(lambda: not ticker.alive, what="the thread to end", timeout=10)
    assert steps.calls == 1


def test_a_ticker_may_stop_itself():
    def once(ticker):
        ticker.stop()
        return 0.0

    ticker = wait.Ticker(once, "test")
    wait.until(lambda: not ticker.alive, what="the thread to end", timeout=10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_ends_a_ticker():
    ticker = wait.Ticker(lambda one: 1 / 0, "test")
    wait.until(lambda: not ticker.alive, what="the thread to end", timeout=10)


def test_a_ticker_ends_with_its_process():
    code = "from maas_lab.wait import Ticker; Ticker(lambda one: 0.01, 'test'); print('end')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("end\n", "")
