"""The charts of capacity, tested by what they draw."""

import pytest

from maas_lab import plots
from maas_lab.capacity import GRANITE_3_1_8B, Load, Server, fits, shared
from maas_lab.errors import UsageError

COMPANY, SLOW = Load(19_000, 0.05, 20, 200), Server(40)


def title(figure):
    return " ".join(figure.axes[0].get_title(loc="left").split())


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.fixture(scope="module")
def figure():
    return plots.capacity(COMPANY, SLOW, p95=2.0)


def bars(axes):
    return {bars.get_label(): [round(bar.get_x() + 0.35) for bar in bars] for bars in axes.containers}


def test_the_upper_chart_sets_a_gpu_each_beside_shared_ones(figure):
    upper = figure.axes[0]
    assert [bar.get_width() for bar in upper.patches] == [19_000, 31]
    assert [label.get_text() for label in upper.get_yticklabels()] == ["a GPU each", "shared"]
    assert texts(upper) == [" 19,000 GPUs, under 1 % used", " 31 GPUs, 85 % used"]
    assert upper.get_xlim()[0] == 0


def test_the_lower_chart_has_a_bar_for_each_number_around_what_is_enough(figure):
    lower = figure.axes[1]
    assert [label.get_text() for label in lower.get_xticklabels()] == [str(n) for n in range(27, 36)]
    waits = [shared(COMPANY, SLOW, n).wait_p95 for n in range(27, 36)]
    heights = {bar.get_x(): bar.get_height() for bar in lower.patches}
    assert [heights[x] for x in sorted(heights)] == pytest.approx([min(wait, 12) for wait in waits])
    found = bars(lower)
    assert found["too long"] == [0, 1, 2, 3]
    assert found["enough"] == [4, 5, 6, 7, 8]
    assert lower.get_ylim()[0] == 0


def test_bars_are_labelled_and_those_that_are_cut_say_so(figure):
    lower = figure.axes[1]
    assert texts(lower)[0] == "8.4 s"
    assert texts(lower)[4] == "1.7 s"
    strict = plots.capacity(COMPANY, SLOW, p95=0.2).axes[1]
    assert texts(strict)[0] == "1.7 s ↑"
    assert max(bar.get_height() for bar in strict.patches) == pytest.approx(1.2)
    [line] = [one for one in lower.lines if one.get_label() == "wanted: 2.0 s"]
    assert set(line.get_ydata()) == {2.0}
    assert {text.get_text() for text in lower.get_legend().get_texts()} == {"enough", "too long", "wanted: 2.0 s"}
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in lower.patches}
    assert len(looks) == len({look[1] for look in looks}) == 2, "colour is not alone"


def test_the_title_is_the_finding_and_the_description_has_all_numbers(figure):
    assert title(figure) == (
        "19,000 GPUs with one for each person; shared, 31 do, and 95 % of the questions wait 1.7 s at most"
    )
    assert "31 GPUs 1.7 s, enough" in figure.description
    assert "30 GPUs 2.5 s, too long" in figure.description


def test_overloaded_servers_are_told_apart():
    figure = plots.capacity(Load(19_000, 1, 20, 200), SLOW, p95=60)
    lower = figure.axes[1]
    assert bars(lower)["overloaded"]
    [overloaded] = [one for one in lower.containers if one.get_label() == "overloaded"]
    assert {bar.get_height() for bar in overloaded} == {max(bar.get_height() for bar in lower.patches)}
    assert "overloaded" in figure.description


def test_overloaded_servers_with_a_slot_for_everybody_are_called_slow():
    lower = plots.capacity(COMPANY, Server(40, 8, 61)).axes[1]
    found = dict(zip(texts(lower), [text.get_position()[1] for text in lower.texts], strict=True))
    assert found["slow"] == max(bar.get_height() for bar in lower.patches) > 0


@pytest.mark.parametrize(
    ("load", "server", "expected"),
    [
        (Load(1, 1, 20, 200), SLOW, "Sharing saves nothing here: 1 GPU either way"),
        (Load(7, 1, 3600, 200), SLOW, "Sharing saves nothing here: 7 GPUs either way"),
        (
            Load(7, 1, 1, 10),
            SLOW,
            "7 GPUs with one for each person; shared, 1 does, and at most 5 % of the questions wait",
        ),
        (Load(7, 1, 20, 200), Server(40, 8, 60), None),
    ],
)
def test_small_cases_are_charts_too(load, server, expected, tmp_path):
    figure = plots.capacity(load, server)
    assert expected is None or title(figure) == expected
    assert figure.description
    assert "nan" not in figure.description
    figure.savefig(tmp_path / "chart.png")


def test_no_label_leaves_the_figure(figure):
    figure.draw_without_rendering()
    box = figure.bbox
    for axes in figure.axes:
        for text in [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]:
            extent = text.get_window_extent()
            assert extent.x0 >= box.x0
            assert extent.x1 <= box.x1


def test_a_target_that_is_none_is_refused():
    with pytest.raises(UsageError):
        plots.capacity(COMPANY, SLOW, p95=-1)


# Memory


def fit(precision="w4a16", card=24, users=8):
    return fits(GRANITE_3_1_8B, precision, card, users, 4096)


def test_the_parts_of_a_card_fill_it():
    axes = plots.memory(fit()).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert sum(widths) == pytest.approx(24)
    lefts = [bar.get_x() for bar in axes.patches]
    assert lefts == pytest.approx([sum(widths[:n]) for n in range(len(widths))])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert set(labels) == {"weights", "calls (KV cache)", "program", "left to others", "free", "end of card"}


def test_what_is_missing_stands_beyond_the_end_of_the_card():
    figure = plots.memory(fit("bf16"))
    [axes] = figure.axes
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(24 + 1.61, abs=0.01)
    assert texts(axes) == [" 1.6 missing"]
    assert title(figure) == (
        "Granite-3.1-8b-Instruct bf16 and 8 calls of 4,096 tokens do not fit a 24 GB card: 1.6 GB are missing"
    )
    assert "1.6 missing" in figure.description


def test_several_cards_are_bars_and_the_title_sorts_them():
    figure = plots.memory(fit("bf16"), fit("w8a8"), fit("w4a16"))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["bf16 on 24 GB", "w8a8 on 24 GB", "w4a16 on 24 GB"]
    assert title(figure) == "w8a8 on 24 GB and w4a16 on 24 GB: fit; bf16 on 24 GB: does not"
    assert title(plots.memory(fit(), fit(card=80))) == "w4a16 on 24 GB and w4a16 on 80 GB: all fit"
    assert title(plots.memory(fit("bf16"), fit("bf16", card=16))) == "bf16 on 24 GB and bf16 on 16 GB: none fits"
    assert title(plots.memory(*[fit()] * 5, *[fit("bf16")] * 3)) == "5 of 8 fit"


def test_parts_differ_by_more_than_their_colour():
    looks = [(bar.get_facecolor(), bar.get_hatch()) for bar in plots.memory(fit()).axes[0].patches]
    assert len({hatch for _, hatch in looks}) >= 4
    assert len(set(looks)) == 5


def test_nothing_to_draw_is_refused():
    with pytest.raises(UsageError):
        plots.memory()
