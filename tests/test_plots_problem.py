"""The chart of slots: what each way to serve people holds and uses."""

import itertools

import pandas as pd
import pytest

from maas_lab import plots
from maas_lab.errors import UsageError

COLUMNS = ["label", "people", "asked", "held", "busy"]
BARS = pd.DataFrame([("a model each", 2, 7, 2, 0.15), ("one for all", 7, 1, 1, 0.5)], columns=COLUMNS)


def lengths(figure):
    axes = figure.axes[0]
    return {one.get_label(): [bar.get_width() for bar in one] for one in axes.containers}


def test_each_bar_is_busy_idle_and_asked_for_in_vain():
    found = lengths(plots.slots_used(BARS))
    assert found["busy"] == pytest.approx([0.3, 0.5])
    assert found["idle"] == pytest.approx([1.7, 0.5])
    assert found["asked for and not given"] == [5, 0]


def test_parts_stand_one_behind_the_other_and_are_told_apart_without_colours():
    axes = plots.slots_used(BARS).axes[0]
    for row, whole in enumerate((7, 1)):
        parts = [one[row] for one in axes.containers]
        edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in parts]
        assert edges[0][0] == 0
        assert edges[-1][1] == pytest.approx(whole)
        assert all(left[1] == pytest.approx(right[0]) for left, right in itertools.pairwise(edges))
    assert len({one[0].get_hatch() for one in axes.containers}) == 3
    assert axes.get_xlabel() == "GPU slots"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a model each", "one for all"]


def test_title_and_description_state_the_finding():
    figure = plots.slots_used(BARS)
    told = "A model each: 2 slots for 2 people, busy 15 %. One for all: 1 slot for 7 people, busy 50 %"
    assert figure.axes[0].get_title(loc="left").replace("\n", " ") == told
    assert figure.description.startswith(f"{told}. Bars of GPU slots")
    assert "a model each 5 of 7" in figure.description


def test_an_empty_frame_says_so():
    figure = plots.slots_used(BARS[:0])
    assert figure.axes[0].get_title(loc="left") == "No slots were asked for"
    assert figure.description == "An empty chart: nothing was measured."


@pytest.mark.parametrize(
    ("column", "value"), [("held", 8), ("busy", 1.5), ("busy", float("nan")), ("people", -1), ("asked", float("inf"))]
)
def test_numbers_that_are_not_possible_are_refused(column, value):
    with pytest.raises(UsageError, match="'a model each' are not possible"):
        plots.slots_used(BARS.assign(**{column: [value, *BARS[column][1:]]}))


def test_a_missing_column_is_told():
    with pytest.raises(UsageError, match="no 'busy'"):
        plots.slots_used(BARS.drop(columns="busy"))
