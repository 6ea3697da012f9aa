"""Figures are looked at through their parts, never through their pixels."""

import itertools
import subprocess
import sys
import threading

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from maas_lab import plots
from maas_lab.refusals import OUTCOMES


def frame(*outcomes, seconds=0.5):
    rows = [{"outcome": name, "started_s": n * 0.25, "seconds": seconds} for n, name in enumerate(outcomes)]
    return pd.DataFrame(rows, columns=["outcome", "started_s", "seconds"])


MIXED = frame("answered", "rate limited", "answered", "rate limited", "rate limited", "unreachable")


def bars(figure):
    return {bars.get_label(): bars for bars in figure.axes[0].containers}


def test_there_is_a_bar_per_call_at_its_time_and_as_long_as_it_took():
    found = bars(plots.calls_by_outcome(MIXED))
    assert {name: len(lane) for name, lane in found.items()} == {
        "answered": 2,
        "rate limited": 3,
        "unreachable": 1,
    }
    assert [bar.get_x() for bar in found["rate limited"]] == [0.25, 0.75, 1.0]
    assert all(bar.get_width() == 0.5 for lane in found.values() for bar in lane)


def test_no_two_bars_cover_each_other_and_lanes_stand_in_order():
    found = bars(plots.calls_by_outcome(MIXED))
    edges = [(bar.get_y(), bar.get_y() + bar.get_height()) for lane in found.values() for bar in lane]
    assert all(upper[0] > lower[1] for upper, lower in itertools.pairwise(edges))


@pytest.mark.parametrize("count", [1, 300])
def test_a_small_lane_keeps_room_for_its_label(count):
    figure = plots.calls_by_outcome(frame(*["answered"] * count, "refused", "failed"))
    figure.draw_without_rendering()
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 3
    assert all(upper.y0 >= lower.y1 for upper, lower in itertools.pairwise(labels))


def test_labels_and_title_state_the_finding():
    axes = plots.calls_by_outcome(MIXED).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "answered: 2",
        "rate limited: 3",
        "unreachable: 1",
    ]
    assert axes.get_title(loc="left") == "2 of 6 calls answered, 3 rate limited, 1 unreachable"
    assert axes.get_xlabel() == "seconds since the first call"
    assert axes.get_ylabel()
    assert axes.get_xlim()[0] == 0


@pytest.mark.parametrize(
    ("calls", "title"),
    [
        (frame("answered"), "The call was answered"),
        (frame(*["answered"] * 4), "All 4 calls were answered"),
        (frame("refused"), "0 of 1 calls answered, 1 refused"),
        (frame(), "No calls were made"),
    ],
)
def test_titles_of_simple_cases(calls, title):
    figure = plots.calls_by_outcome(calls)
    assert figure.axes[0].get_title(loc="left") == title
    assert figure.description


def test_outcomes_differ_in_colour_and_in_marker():
    figure = plots.calls_by_outcome(frame(*OUTCOMES))
    colours = {to_hex(lane[0].get_facecolor()) for lane in bars(figure).values()}
    markers = [part for part in figure.axes[0].collections if isinstance(part, PathCollection)]
    shapes = {np.round(marker.get_paths()[0].vertices, 3).tobytes() for marker in markers}
    assert len(colours) == len(shapes) == len(OUTCOMES)


def test_the_description_says_it_in_words():
    figure = plots.calls_by_outcome(MIXED)
    assert figure.description == (
        "2 of 6 calls answered, 3 rate limited, 1 unreachable. "
        "Bars over 1.8 seconds, one per call, by outcome: answered 2, rate limited 3, unreachable 1."
    )
    assert figure._repr_mimebundle_() == ({}, {"image/png": {"alt": figure.description}})


def test_a_saved_png_holds_the_description(tmp_path):
    figure = plots.calls_by_outcome(MIXED)
    figure.savefig(tmp_path / "calls.png")
    assert figure.description.encode() in (tmp_path / "calls.png").read_bytes()
    figure.savefig(tmp_path / "calls.svg")
    assert (tmp_path / "calls.svg").stat().st_size > 0


def test_a_notebook_gets_a_picture_without_the_help_of_ipython():
    figure = plots.calls_by_outcome(MIXED)
    png = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert figure.description.encode() in png


def test_the_figure_is_closed_sized_and_leaves_the_style_alone():
    before = dict(plt.rcParams)
    figure = plots.calls_by_outcome(MIXED)
    assert plt.get_fignums() == []
    assert tuple(figure.get_size_inches()) == (8, 3.2)
    assert dict(plt.rcParams) == before


def test_calls_with_nullable_numbers_are_drawn():
    figure = plots.calls_by_outcome(MIXED.convert_dtypes())
    assert len(bars(figure)["answered"]) == 2


OLD, NEW = "litellm-7d-xk2", "litellm-5c-ab9"
PODS = pd.DataFrame(
    [(NEW, "starting", 1.0, 4.0), (OLD, "serving", -0.1, 4.5), (NEW, "serving", 4.0, 8.0), (OLD, "leaving", 4.5, 6.0)],
    columns=["pod", "state", "from_s", "to_s"],
)


def test_a_rollout_shows_every_call_with_its_time_and_every_pod_with_its_states():
    figure = plots.rollout(MIXED, PODS)
    upper, lower = figure.axes
    points = {dots.get_label(): dots.get_offsets().tolist() for dots in upper.collections}
    assert points["rate limited"] == [[0.25, 0.5], [0.75, 0.5], [1.0, 0.5]]
    assert {name: len(dots) for name, dots in points.items()} == {"answered": 2, "rate limited": 3, "unreachable": 1}
    assert upper.get_ylim()[0] == 0
    spans = {
        lane.get_label(): [(bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_width()) for bar in lane]
        for lane in lower.containers
    }
    assert spans == {
        "starting": [(-1, 1.0, 3.0)],
        "serving": [(0, -0.1, 4.6), (-1, 4.0, 4.0)],
        "leaving": [(0, 4.5, 1.5)],
    }
    assert [label.get_text() for label in lower.get_yticklabels()] == ["the old pod", "the new pod"]
    assert upper.get_title(loc="left") == (
        "2 of 6 calls answered, 3 rate limited, 1 unreachable while the pod was replaced"
    )
    assert figure.description.endswith(
        "the old pod serving from 0.0 to 4.5 seconds, leaving from 4.5 to 6.0 seconds; "
        "the new pod starting from 1.0 to 4.0 seconds, serving from 4.0 to 8.0 seconds."
    )
    assert plt.get_fignums() == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_rollout_of_any_number_of_pods_is_drawn(count):
    spans = [(f"pod-{n}", "serving", float(n), 9.0) for n in range(count)]
    figure = plots.rollout(frame("answered"), pd.DataFrame(spans, columns=PODS.columns))
    figure.draw_without_rendering()
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == [f"pod {n + 1}" for n in range(count)]


def test_plots_never_load_the_network():
    code = "import sys, maas_lab.plots; print(sorted({'httpx', 'openai', 'kubernetes'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_figures_can_be_drawn_in_threads_while_others_are_drawn():
    before, shown = dict(plt.rcParams), []

    def draw():
        figure = plots.calls_by_outcome(MIXED)
        shown.append((figure._repr_png_(), plt.get_fignums()))

    threads = [threading.Thread(target=draw) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert len(shown) == 6
    assert {png for png, _ in shown} == {shown[0][0]}
    assert [known for _, known in shown if known] == []  # a notebook shows what pyplot knows
    assert dict(plt.rcParams) == before
