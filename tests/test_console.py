"""What a terminal shows while something takes its time."""

import io

import pytest
from rich.console import Console

from maas_lab import console


@pytest.fixture
def terminal(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=shown, force_terminal=True, width=100))
    return shown


def test_a_step_of_unknown_length_shows_no_numbers_of_the_one_before(terminal):
    with console.progress() as report:
        report("the last of three", 3, 3)
        report("something else", 0, 0)
    last = terminal.getvalue().rpartition("something else")[0].splitlines()[-1]
    assert "0/3" not in last
    assert "0/?" in last
