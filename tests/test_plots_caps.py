"""The chart of what a cap lets through, tested by what it draws."""

import numpy as np
import pandas as pd
import pytest

from maas_lab import plots

COLUMNS = ["caller", "started_s", "ended_s", "outcome", "total_tokens", "cost", "request_id"]
COST = 0.125  # exact in a double, so that sums are


def calls(answered, refused):
    """Calls that end one after the other: answers, then refusals; the first is listed last."""
    rows = [(0, n, n + 1.0, "answered", 41, COST, f"c{n}") for n in range(answered)]
    rows += [(0, answered, answered + 1.5, "budget exceeded", 0, 0.0, "")] * refused
    return pd.DataFrame(rows[::-1], columns=COLUMNS)


def lines(figure):
    return {one.get_label(): one for one in figure.axes[0].lines if not one.get_label().startswith("_")}


@pytest.fixture
def figure():
    return plots.overspent({1: calls(3, 1), 16: calls(18, 16)}, cap=0.3)


def test_each_line_rises_with_its_answers_and_ends_with_the_refusals(figure):
    drawn = lines(figure)
    assert list(drawn) == ["1 caller: $0.375", "16 callers: $2.25"]
    np.testing.assert_array_equal(drawn["1 caller: $0.375"].get_xdata(), [0, 1, 2, 3, 4.5])
    np.testing.assert_array_equal(drawn["1 caller: $0.375"].get_ydata(), [0, 0.125, 0.25, 0.375, 0.375])
    assert {one.get_drawstyle() for one in drawn.values()} == {"steps-post"}
    assert len({one.get_linestyle() for one in drawn.values()}) == 2, "colour is not alone"


def test_every_refusal_is_a_mark_where_the_line_ends(figure):
    first, second = (one.get_offsets() for one in figure.axes[0].collections)
    assert first.tolist() == [[4.5, 0.375]]
    assert len(second) == 16
    assert set(second[:, 1].tolist()) == {2.25}


def test_a_refusal_while_others_are_answered_is_on_the_line_as_it_is_then():
    frame = calls(4, 1).assign(ended_s=[2.5, 4, 3, 2, 1])
    [marks] = plots.overspent({4: frame}, cap=0.3).axes[0].collections
    assert marks.get_offsets().tolist() == [[2.5, 0.25]]


def test_the_cap_is_a_line_and_everything_is_on_the_chart(figure):
    [axes] = figure.axes
    [cap] = [one for one in axes.lines if one.get_label() == "_cap"]
    assert set(cap.get_ydata()) == {0.3}
    assert [text.get_text() for text in axes.texts] == ["cap $0.30"]
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 2.25
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*lines(figure), "refused"]
    assert axes.get_ylabel() == "dollars spent so far"
    assert axes.get_xlabel() == "seconds since the first call"


def test_the_title_says_what_came_of_it_and_the_description_more(figure):
    title = figure.axes[0].get_title(loc="left")
    assert " ".join(title.split()) == "A cap of $0.30 let through $0.375 with 1 caller and $2.25 with 16 callers"
    assert "16 callers: 18 answered and 16 refused in 19.5 seconds" in figure.description


def test_a_cap_that_nobody_reached_is_drawn_above():
    figure = plots.overspent({2: calls(2, 0)}, cap=9)
    assert figure.axes[0].get_ylim()[1] > 9
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["2 callers: $0.25"]


@pytest.mark.parametrize("empty", [{}, {4: calls(0, 0)}, {4: calls(0, 4)}])
def test_without_answers_there_is_a_chart_that_says_so(empty, tmp_path):
    figure = plots.overspent(empty, cap=1.0)
    assert figure.description
    assert "nan" not in figure.description
    figure.savefig(tmp_path / "chart.png")
    if not empty:
        assert "no calls" in [text.get_text() for text in figure.axes[0].texts]
