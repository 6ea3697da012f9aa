"""Figures of usage, cost and the model server, looked at through their parts; frames are made up here."""

import itertools
import warnings
from decimal import Decimal
from types import SimpleNamespace

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

from maas_lab import plots
from maas_lab.errors import UsageError
from maas_lab.plots import figure as parts
from maas_lab.plots.hours import bins
from maas_lab.refusals import OUTCOMES

NOON = pd.Timestamp("2026-11-27 12:00", tz="UTC")
COUNTS = ["hits", "rejected", "prompt_tokens", "completion_tokens", "total_tokens", "unmetered"]


def window(since, hours=24):
    since = pd.Timestamp(since) if isinstance(since, str) else since
    return SimpleNamespace(since=since, until=since + pd.Timedelta(hours=hours))


def summary(*rows):
    """Rows of a summary: hour after noon, application, model, hits, rejected, prompt tokens, answered tokens."""
    made = [
        (NOON + pd.Timedelta(hours=hour), app, model, hits, rejected, prompts, answers, prompts + answers, 0)
        for hour, app, model, hits, rejected, prompts, answers in rows
    ]
    frame = pd.DataFrame(made, columns=["hour", "application", "model", *COUNTS])
    frame["cost"] = [Decimal(one) / 1000 for one in frame["hits"]]
    return frame.astype({"hour": "datetime64[us, UTC]", **dict.fromkeys(COUNTS, "int64")})


DAY = summary(
    (0, "chat", "small", 5, 0, 100, 50),
    (0, "batch", "small", 20, 2, 400, 900),
    (1, "batch", "large", 30, 0, 600, 100),
    (1, "chat", "small", 0, 4, 0, 0),
    (5, "chat", "large", 10, 0, 200, 80),
)


def rows(*costs, outcomes=None, every=10):
    outcomes = outcomes or ["answered"] * len(costs)
    return pd.DataFrame(
        {
            "time": (NOON + pd.to_timedelta(np.arange(len(costs)) * every, unit="s")).astype("datetime64[us, UTC]"),
            "cost": pd.Series(costs, dtype="float64"),
            "outcome": pd.Series(outcomes, dtype="object"),
            "status": pd.Series(["success" if one == "answered" else "failure" for one in outcomes], dtype="object"),
            "total_tokens": pd.array([10 if one == "answered" else None for one in outcomes], dtype="Int64"),
        }
    )


def title(figure):
    return " ".join(figure.axes[0].get_title(loc="left").split())


def series(axes):
    return {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def overlaps(labels):
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    return [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def drawn(figure):
    """Draw it, where every warning is an error, and return it."""
    figure.draw_without_rendering()
    assert figure.description
    assert plt.get_fignums() == []
    return figure


# Hits


def test_every_hour_of_the_window_has_a_place_and_the_rejected_calls_a_series_of_their_own():
    axes = drawn(plots.hits_by_hour(DAY, window(NOON - pd.Timedelta(hours=2)))).axes[0]
    found = series(axes)
    assert list(found) == ["batch", "chat", "rejected"]
    assert {len(heights) for heights in found.values()} == {24}
    assert found["batch"][:4] == [0, 0, 20, 30]
    assert found["chat"][2:8] == [5, 0, 0, 0, 0, 10]
    assert found["rejected"][2:4] == [2, 4]
    assert sum(map(sum, found.values())) == 71
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylabel() == "calls per hour"
    assert axes.get_xlabel() == "hour, UTC"


def test_bars_stand_on_each_other():
    axes = plots.hits_by_hour(DAY).axes[0]
    batch, chat, rejected = axes.containers
    assert [bar.get_y() for bar in chat] == [bar.get_height() for bar in batch]
    assert [bar.get_y() for bar in rejected] == [
        a.get_height() + b.get_height() for a, b in zip(batch, chat, strict=True)
    ]


def test_the_rejected_are_told_apart_without_colour():
    *_, rejected = plots.hits_by_hour(DAY).axes[0].containers
    assert rejected[0].get_hatch()
    assert to_hex(rejected[0].get_facecolor()) == "#ffffff"


def test_what_lies_outside_the_window_is_left_out():
    figure = plots.hits_by_hour(DAY, window(NOON + pd.Timedelta(hours=1), 2))
    assert series(figure.axes[0]) == {"batch": [30, 0], "rejected": [4, 0]}
    assert title(figure) == "30 hits in 2 hours, 30 in the busiest hour, 13:00; 4 calls rejected"


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (DAY, "77 % of 65 hits in 6 hours by batch; 30 in the busiest hour, 13:00; 6 calls rejected"),
        (summary((0, "chat", "m", 1, 0, 1, 1)), "1 hit in 1 hour, 1 in the busiest hour, 12:00"),
        (summary((0, "chat", "m", 0, 1, 0, 0)), "No hits in 1 hour; 1 call rejected"),
        (summary(), "No hits"),
    ],
)
def test_the_title_says_who_called_most_and_when(frame, told):
    assert title(drawn(plots.hits_by_hour(frame))) == told


def test_a_window_without_calls_is_not_an_empty_frame():
    figure = drawn(plots.hits_by_hour(summary(), window(NOON)))
    assert title(figure) == "No hits in 24 hours"
    assert [text.get_text() for text in figure.axes[0].texts] == ["no calls"]
    assert figure.axes[0].get_xlim() == (-0.6, 23.6)


def test_a_window_of_24_hours_is_24_hours_though_it_begins_within_one():
    figure = plots.hits_by_hour(DAY, window(NOON - pd.Timedelta(minutes=90)))
    assert title(figure).startswith("77 % of 65 hits in 24 hours by batch")
    assert {len(heights) for heights in series(figure.axes[0]).values()} == {25}


def test_hours_are_those_of_the_readers_clock():
    span = bins(DAY["hour"], window("2026-11-27 18:40+05:30", 3), "Asia/Kolkata")
    # 13:10 UTC lies in the hour that began at 13:00, which is half past six in India.
    assert [f"{start:%H:%M}" for start in span.starts] == ["18:30", "19:30", "20:30", "21:30"]
    assert list(span.of_hour) == [-1, -1, 0, 0, -1]


def test_the_hour_that_comes_twice_in_autumn_has_two_bars_that_can_be_told_apart():
    hours = pd.Series(pd.to_datetime(["2026-10-25 00:00", "2026-10-25 01:00"], utc=True))
    span = bins(hours, window("2026-10-25 00:00+02:00", 25), "Europe/Berlin")
    assert len(span.starts) == 25
    assert list(span.of_hour) == [2, 3]
    assert [f"{start:%H:%M %Z}" for start in span.starts[2:4]] == ["02:00 CEST", "02:00 CET"]
    assert list(span.ticks().values())[:3] == ["00:00\nCEST\n25 Oct", "04:00\nCET", "08:00\nCET"]


def test_the_hour_that_is_missing_in_spring_is_missing():
    span = bins(pd.Series(dtype="datetime64[us, UTC]"), window("2026-03-29 00:00+01:00", 4), "Europe/Berlin")
    assert [f"{start:%H}" for start in span.starts] == ["00", "01", "03", "04"]


def test_a_month_is_shown_in_days_of_the_readers_clock():
    late = summary((11, "chat", "m", 7, 0, 1, 1), (12, "chat", "m", 5, 0, 1, 1))  # 23:00 and 24:00 UTC
    axes = drawn(plots.hits_by_hour(late, window("2026-11-01 00:00+01:00", 720), tz="Europe/Berlin")).axes[0]
    (heights,) = series(axes).values()
    assert len(heights) == 30
    assert heights[26:28] == [0, 12]
    assert axes.get_ylabel() == "calls per day"


@pytest.mark.parametrize("zone", ["America/Santiago", "Asia/Beirut", "Pacific/Apia"])
def test_days_without_a_midnight_are_days_too(zone):
    span = bins(pd.Series(dtype="datetime64[us, UTC]"), window("2026-01-01 00:00+00:00", 24 * 365), zone)
    assert span.unit == "day"
    assert 365 <= len(span.starts) <= 367


def test_a_typing_error_in_a_time_zone_is_told():
    with pytest.raises(UsageError, match="Europe/Berln"):
        plots.hits_by_hour(DAY, tz="Europe/Berln")


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Europe/Berlin"])
@pytest.mark.parametrize("hours", [1, 24, 96, 24 * 31])
def test_the_labels_of_hours_and_days_do_not_touch(zone, hours):
    axes = drawn(plots.hits_by_hour(DAY, window(NOON, hours), tz=zone)).axes[0]
    assert overlaps(axes.get_xticklabels()) == []


# Tokens


def widths(axes):
    return {bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers}


def test_tokens_are_told_by_application_model_and_part():
    axes = drawn(plots.tokens_by(DAY)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["batch", "chat"]
    assert widths(axes) == {
        "small, prompts": [400, 100],
        "small, answers": [900, 50],
        "large, prompts": [600, 200],
        "large, answers": [100, 80],
    }
    assert [text.get_text().strip() for text in axes.texts] == ["2,000", "430"]
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlabel() == "tokens"


def test_the_title_and_the_words_tell_the_tokens():
    figure = plots.tokens_by(DAY)
    assert title(figure) == "batch used 82 % of 2,430 tokens, 47 % of them for answers"
    assert "batch with small: 400 for prompts and 900 for answers" in figure.description
    assert title(plots.tokens_by(DAY, "model", None)) == "small used 60 % of 2,430 tokens, 47 % of them for answers"


@pytest.mark.parametrize("split", [None, "model", "application"])
def test_tokens_can_be_told_without_a_second_dimension(split):
    axes = drawn(plots.tokens_by(DAY, split=split)).axes[0]
    assert sum(map(sum, widths(axes).values())) == 2430


def test_answers_that_booked_no_tokens_are_not_hidden():
    figure = plots.tokens_by(DAY.assign(unmetered=[1, 0, 0, 0, 1]))
    assert title(figure).endswith("; 2 answered calls booked none")
    none = summary((0, "chat", "m", 1, 0, 0, 0)).assign(unmetered=1)
    assert title(drawn(plots.tokens_by(none))) == "No tokens were used; 1 answered call booked none"


def test_no_rows_are_no_tokens():
    figure = drawn(plots.tokens_by(summary()))
    assert title(figure) == "No tokens were used"
    assert [text.get_text() for text in figure.axes[0].texts] == ["no tokens"]


def test_of_many_applications_the_smallest_are_one_and_nothing_is_lost():
    many = summary(*[(0, f"app {n}", "m", 100 - n, 0, 1000 - n, 10) for n in range(30)])
    axes = drawn(plots.tokens_by(many)).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [*(f"app {n}" for n in range(7)), "others (23)"]
    assert sum(map(sum, widths(axes).values())) == many["total_tokens"].sum()
    hits = series(drawn(plots.hits_by_hour(many)).axes[0])
    assert list(hits) == [*(f"app {n}" for n in range(6)), "others (24)"]
    assert sum(map(sum, hits.values())) == many["hits"].sum()


def test_looks_differ_in_colour_and_in_pattern():
    looks = [*parts.CATEGORIES, parts.OTHERS]
    assert len({look.color for look in looks}) == len({look.hatch for look in looks}) == len(looks)
    outcomes = [parts.LOOKS[outcome] for outcome in OUTCOMES]
    assert all(len({look[n] for look in outcomes}) == len(OUTCOMES) for n in range(3))


# Names that people type


HOSTILE = ["$x_1$ and $y$", "two\nlines\t", "🚀🚀", "_hidden", "", "日本", "a" * 300, r"\frac{1}{0}$", "\x00"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_neither_break_a_chart_nor_vanish_from_it(name):
    frame = summary((0, name, f"m {name}", 5, 1, 10, 20), (1, "plain", name, 1, 0, 1, 1))
    for made in (plots.hits_by_hour(frame), plots.tokens_by(frame), plots.hits_by_hour(frame, by="model")):
        axes = drawn(made).axes[0]
        told = [text.get_text() for text in axes.get_legend().get_texts()]
        assert all(told)
        assert len(made.axes[0].get_legend().get_texts()) == len(axes.get_legend().legend_handles)
    assert len(plots.hits_by_hour(frame).axes[0].get_legend().get_texts()) == 3
    costs = pd.DataFrame([(name, 5, name, name), ("b", 1, "c", "d")], columns=["label", "cost", "source", "kind"])
    drawn(plots.hoarded_and_shared(costs))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("_x", "\N{NO-BREAK SPACE}_x"),  # matplotlib 3.8 leaves out of a legend what begins with an underscore
        ("a\n b", "a b"),
        ("🚀", "\N{REPLACEMENT CHARACTER}"),
        ("", "(empty)"),
        ("a" * 40, "a" * 27 + "…"),
        ("Grüße, Δ", "Grüße, Δ"),
    ],
)
def test_names_as_charts_show_them(name, told):
    assert parts.shown(name) == told


def test_a_pair_of_dollars_in_names_is_no_formula():
    figure = drawn(plots.tokens_by(summary((0, "$5 or $6", "m", 1, 0, 1, 1))))
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["$5 or $6"]
    assert not any(label.get_parse_math() for label in labels)
    assert not figure.axes[0].title.get_parse_math()


def test_names_that_look_alike_when_cut_are_not_added_up():
    frame = summary((0, "a" * 100, "m", 1, 0, 10, 0), (0, "a" * 101, "m", 1, 0, 20, 0))
    assert widths(plots.tokens_by(frame).axes[0])["m, prompts"] == [20, 10]


# Cost


def test_the_line_is_the_sum_so_far_and_the_cap_is_a_line():
    figure = drawn(plots.cost_over_time(rows(0.1, 0.2, 0.3, 0.4), cap=0.5))
    axes = figure.axes[0]
    found = lines(axes)
    assert found["_spent so far"].get_ydata().tolist() == pytest.approx([0, 0.1, 0.3, 0.6, 1.0, 1.0])
    assert found["_spent so far"].get_drawstyle() == "steps-post"
    assert set(found["_cap"].get_ydata()) == {0.5}
    assert [text.get_text() for text in axes.texts] == ["cap $0.50"]
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 1
    assert axes.get_ylabel() == "dollars spent so far"
    assert axes.get_xlabel() == "time, UTC, 27 Nov 2026"


def test_the_moment_at_which_the_cap_was_reached_is_marked():
    figure = plots.cost_over_time(rows(0.1, 0.2, 0.3, 0.4), cap=0.6, tz="Asia/Tokyo")
    (mark,) = figure.axes[0].collections
    ((at, height),) = mark.get_offsets().tolist()
    assert mdates.num2date(at) == NOON + pd.Timedelta(seconds=20)
    assert height == pytest.approx(0.6)
    assert mark.get_label() == "cap reached at 21:00:20"
    assert title(figure) == "The cap of $0.60 was reached at 21:00:20, $0.40 more was spent"


def test_refused_calls_stand_on_the_line_and_are_counted():
    outcomes = ["answered", "answered", "budget exceeded", "rate limited", "budget exceeded"]
    figure = plots.cost_over_time(rows(0.1, 0.2, 0, 0, 0, outcomes=outcomes), cap=0.3)
    *_, refused = figure.axes[0].collections
    assert refused.get_offsets()[:, 1].tolist() == pytest.approx([0.3, 0.3])
    assert refused.get_label() == "2 refused calls"
    assert title(figure) == "The cap of $0.30 was reached at 12:00:10; 2 calls refused"


@pytest.mark.parametrize(
    ("frame", "cap", "told"),
    [
        (rows(0.25, 0.25), 2, "$0.50 spent, 25 % of the cap of $2.00"),
        (rows(0.25, 0.25), None, "$0.50 spent"),
        (rows(0.000001), None, "$0.000001 spent"),
        (rows(), None, "Nothing was spent"),
        (rows(), 5, "$0.00 spent, 0 % of the cap of $5.00"),
        (rows(-0.5), 5, "−$0.50 spent, 0 % of the cap of $5.00"),
        (rows(-0.5), 0, "−$0.50 spent, below the cap of $0.00"),
        (rows(0.0), 0, "The cap of $0.00 was reached at 12:00:00"),
        (rows(0.9999999), 1, "$1.00 spent, over 99 % of the cap of $1.00"),
    ],
)
def test_titles_of_what_was_spent(frame, cap, told):
    assert title(drawn(plots.cost_over_time(frame, cap))) == told


def test_a_summary_tells_the_hour_at_whose_end_it_was_spent():
    figure = drawn(plots.cost_over_time(DAY, Decimal("0.05")))
    line = lines(figure.axes[0])["_spent so far"]
    assert mdates.num2date(line.get_xdata()[0]) == NOON + pd.Timedelta(hours=1)
    assert line.get_ydata()[-1] == pytest.approx(0.065)
    assert title(figure) == "The cap of $0.05 was reached by 14:00, $0.015 more was spent; 6 calls refused"


def test_a_summary_with_outcomes_tells_who_was_refused_by_the_budget():
    frame = DAY.assign(outcome=["answered", "budget exceeded", "answered", "rate limited", "answered"])
    assert title(plots.cost_over_time(frame)) == "$0.065 spent; 2 calls refused"


def test_costs_that_are_no_numbers_are_counted_not_hidden():
    figure = drawn(plots.cost_over_time(rows(0.1, float("nan"), float("inf"), 0.2)))
    assert lines(figure.axes[0])["_spent so far"].get_ydata()[-1] == pytest.approx(0.3)
    assert figure.description.endswith("2 answered rows had no cost.")


def test_a_refund_goes_below_zero_and_zero_stays_on_the_axis():
    axes = drawn(plots.cost_over_time(rows(-5, 2))).axes[0]
    assert axes.get_ylim()[0] < -5
    assert axes.get_ylim()[1] > 0


@pytest.mark.parametrize("seconds", [0, 1, 3, 20, *range(140, 185, 5), 200, 400, 3000, *range(9000, 11000, 250)])
@pytest.mark.parametrize("scale", [1, 24, 24 * 30, 24 * 365])
def test_the_clock_below_the_cost_has_its_ticks_whatever_the_span(seconds, scale):
    frame = rows(0.1, 0.2, every=seconds * scale)
    axes = drawn(plots.cost_over_time(frame)).axes[0]
    assert len(axes.get_xticks()) >= 2
    assert overlaps(axes.get_xticklabels()) == []


def test_a_million_rows_are_not_a_million_points():
    figure = plots.cost_over_time(rows(*[0.001] * 100_000, every=0.01), cap=50)
    line = lines(figure.axes[0])["_spent so far"]
    assert len(line.get_xdata()) < 2100
    assert line.get_ydata()[-1] == pytest.approx(100)
    assert "reached at 12:08:19" in title(figure)


@pytest.mark.parametrize("costs", [[1e-9] * 3, [1e12] * 3, [-9e14, 9e14], [3.1e-6] * 40])
def test_little_and_much_money_can_be_read(costs):
    axes = drawn(plots.cost_over_time(rows(*costs), cap=abs(costs[0]))).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    low, high = axes.get_ylim()
    inside = [text for at, text in zip(axes.get_yticks(), labels, strict=True) if low <= at <= high]
    assert len(set(inside)) == len(inside) >= 2
    assert overlaps(axes.get_xticklabels()) == []


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (0, "$0.00"),
        (Decimal("12.5"), "$12.50"),
        (0.0012345, "$0.001234"),
        (1e-9, "$0.000000001"),
        (-3, "−$3.00"),
        (1234567.891, "$1,234,567.89"),
        (2.5e9, "$2.5 billion"),
        (1e20, "$1.000e+20"),
    ],
)
def test_amounts(amount, told):
    assert parts.dollars(amount) == told


# Hoarded and shared


GPUS = pd.DataFrame(
    [("7 of 7", Decimal("4298"), "7 × $614, 2026-03-25", "hoarded"), ("shared", 614.0, "RHDP, 2026-03-25", "shared")],
    columns=["label", "cost", "source", "kind"],
)


def test_costs_are_bars_with_their_sources():
    figure = drawn(plots.hoarded_and_shared(GPUS))
    axes = figure.axes[0]
    assert widths(axes) == {"hoarded": [4298], "shared": [614]}
    texts = [text.get_text().strip() for text in axes.texts]
    assert texts == ["$4,298.00", "7 × $614, 2026-03-25", "$614.00", "RHDP, 2026-03-25"]
    assert title(figure) == "“7 of 7” costs 7.0 times as much as “shared”"
    assert figure.description.endswith("7 of 7: $4,298.00 (7 × $614, 2026-03-25); shared: $614.00 (RHDP, 2026-03-25).")
    assert axes.get_xlabel() == "dollars per month"
    assert axes.get_xlim()[0] == 0


def test_kinds_differ_in_pattern():
    hoarded, shared = plots.hoarded_and_shared(GPUS).axes[0].containers
    assert hoarded[0].get_hatch() != shared[0].get_hatch()


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ([], "No costs to compare"),
        ([5], "“a” costs $5.00"),
        ([5, 5], "All cost the same: $5.00"),
        ([5, 0], "“a” costs $5.00 more than “b”"),
        ([5, -1], "“a” costs $6.00 more than “b”"),
        ([float("nan"), 2], "“b” costs $2.00"),
        ([float("nan")], "No costs to compare"),
        ([1e14, 1], "“a” costs 100,000,000,000,000.0 times as much as “b”"),
    ],
)
def test_titles_of_compared_costs(costs, told):
    frame = pd.DataFrame({"label": list("ab")[: len(costs)], "cost": costs, "source": ["made up"] * len(costs)})
    assert title(drawn(plots.hoarded_and_shared(frame))) == told


# Runs


CALLS = pd.DataFrame(
    {
        "outcome": ["answered", "answered", "budget exceeded", "rate limited"],
        "status": pd.array([200, 200, 422, 429], dtype="Int64"),
        "total_tokens": pd.array([10, 15, 0, 0], dtype="Int64"),
        "started_s": [0.0, 0.5, 2.0, 1.0],
        "seconds": 0.4,
    }
)


def test_there_is_a_bar_per_call_in_order_and_in_its_lane():
    figure = drawn(plots.runs_by_status(CALLS))
    upper, lower = figure.axes
    found = {
        bars.get_label(): [round(bar.get_x() + bar.get_width() / 2, 9) for bar in bars] for bars in lower.containers
    }
    assert found == {"answered": [1, 2], "rate limited": [3], "budget exceeded": [4]}
    assert [label.get_text() for label in lower.get_yticklabels()] == [
        "answered (200): 2",
        "rate limited (429): 1",
        "budget exceeded (422): 1",
    ]
    (line,) = upper.get_lines()
    assert line.get_xdata().tolist() == [0.5, 1, 2, 3, 4, 4.5]
    assert line.get_ydata().tolist() == [0, 10, 25, 25, 25, 25]
    assert upper.get_ylim()[0] == 0
    assert title(figure) == "2 of 4 calls answered, 1 rate limited, 1 budget exceeded; 25 tokens in all"
    assert "First rate limited from call 3 on and budget exceeded from call 4 on." in figure.description


def test_lanes_differ_in_colour_and_pattern():
    lower = plots.runs_by_status(CALLS).axes[1]
    looks = [(to_hex(bars[0].get_facecolor()), bars[0].get_hatch()) for bars in lower.containers]
    assert len({colour for colour, _ in looks}) == len({hatch for _, hatch in looks}) == 3


def test_booked_rows_have_no_codes_and_may_lack_tokens():
    figure = drawn(plots.runs_by_status(rows(0, 0, 0, outcomes=["answered", "answered", "failed"])))
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["answered: 2", "failed: 1"]
    unmetered = rows(0, 0).assign(total_tokens=pd.array([None, 4], dtype="Int64"))
    assert plots.runs_by_status(unmetered).description.endswith("1 answered call had no tokens booked.")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_runs_of_few_calls(count):
    figure = drawn(plots.runs_by_status(CALLS.iloc[:count]))
    told = ["No calls were made", "The call was answered; 10 tokens", "All 2 calls were answered; 25 tokens"]
    assert title(figure).removesuffix(" in all") == told[count]


def test_many_calls_are_drawn_with_few_bars_and_none_is_lost():
    outcomes = ["answered"] * 9_999 + ["failed"]
    lower = plots.runs_by_status(rows(*[0] * 10_000, outcomes=outcomes)).axes[1]
    answered, failed = lower.containers
    assert len(answered) == 400
    assert len(failed) == 1
    assert failed[0].get_x() + failed[0].get_width() == 10_000.5
    assert [label.get_text() for label in lower.get_yticklabels()] == ["answered: 9,999", "failed: 1"]


# The model server


def samples(*busy, engine="llama.cpp", seconds=0.5):
    return pd.DataFrame(
        {
            "time": NOON + pd.to_timedelta(np.arange(1, len(busy) + 1) * seconds, unit="s"),
            "seconds": seconds,
            "engine": engine,
            "busy": pd.array(busy, dtype="Float64"),
            "prompt_tokens_per_s": 20.0,
            "completion_tokens_per_s": 50.0,
            "running": 1,
            "waiting": 0,
        }
    )


def steps(axes):
    return {step.get_label(): step.get_data() for step in axes.patches if isinstance(step, StepPatch)}


def test_the_busy_share_and_the_tokens_are_steps_over_the_intervals():
    figure = drawn(plots.utilisation(samples(0, 1, 0.5)))
    upper, lower = figure.axes
    assert steps(upper)["llama.cpp busy"].values.tolist() == [0, 1, 0.5]
    assert steps(upper)["llama.cpp busy"].edges.tolist() == [0, 0.5, 1, 1.5]
    assert upper.get_ylim() == (0, 1.05)
    assert list(steps(lower)) == ["prompt tokens", "answered tokens"]
    assert lower.get_ylim()[0] == 0
    assert lower.get_xlabel() == "seconds since the first look at llama.cpp"
    assert title(figure) == "llama.cpp was busy 50 % of 1.5 seconds, 50.0 answered tokens per second"


def test_the_mean_weighs_intervals_by_their_length():
    frame = samples(0, 1).assign(seconds=[9.0, 1.0])
    assert title(plots.utilisation(frame)).startswith("llama.cpp was busy 10 % of 10 seconds")


def test_what_an_engine_does_not_tell_is_not_drawn_as_zero():
    figure = drawn(plots.utilisation(samples(None, None, engine="vLLM")))
    assert [text.get_text() for text in figure.axes[0].texts] == ["vLLM does not tell how busy it is"]
    assert title(figure) == "vLLM in 1.0 seconds, 50.0 answered tokens per second"
    gap = steps(drawn(plots.utilisation(samples(1, None, 1))).axes[0])
    assert any(np.isnan(step.values).any() for step in gap.values())
    silent = samples(None).assign(completion_tokens_per_s=float("nan"), prompt_tokens_per_s=float("nan"))
    assert [text.get_text() for text in drawn(plots.utilisation(silent)).axes[1].texts] == ["no tokens are told"]


def test_nothing_measured_is_told():
    figure = drawn(plots.utilisation(samples()))
    assert title(figure) == "The model server was not looked at"
    assert all(axes.texts[0].get_text() == "nothing was measured" for axes in figure.axes)


@pytest.mark.parametrize(("seconds", "unit"), [(4, "seconds"), (400, "minutes"), (40_000, "hours")])
def test_long_measurements_have_a_unit_that_suits(seconds, unit):
    lower = plots.utilisation(samples(0, 1, 1, 0, seconds=seconds / 4)).axes[1]
    assert lower.get_xlabel().startswith(f"{unit} since")
    assert lower.get_xlim()[1] == pytest.approx(seconds / {"seconds": 1, "minutes": 60, "hours": 3600}[unit])


# All of them


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8), st.none() | st.floats(-1e9, 1e9))
@settings(max_examples=12, deadline=None)
def test_any_cost_has_a_title_and_a_picture(costs, cap):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.cost_over_time(rows(*costs), cap)
        figure.draw_without_rendering()
    assert title(figure)


@pytest.mark.parametrize(
    ("make", "frame"),
    [
        (plots.hits_by_hour, DAY),
        (plots.tokens_by, DAY),
        (plots.cost_over_time, DAY),
        (plots.runs_by_status, CALLS),
        (plots.utilisation, samples(0, 1)),
        (plots.hoarded_and_shared, GPUS),
    ],
)
def test_figures_leave_the_frame_and_the_style_as_they_were(make, frame):
    before, style = frame.copy(deep=True), dict(plt.rcParams)
    figure = make(frame)
    assert isinstance(figure, plots.DescribedFigure)
    pd.testing.assert_frame_equal(frame, before)
    assert dict(plt.rcParams) == style
    assert figure.description.startswith(title(figure))
