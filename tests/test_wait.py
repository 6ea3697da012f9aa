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
