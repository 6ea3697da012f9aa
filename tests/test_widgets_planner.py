"""The capacity planner and the memory calculator, moved in code."""

import html
import re

import nbformat
import pytest
from ipywidgets import Widget
from nbconvert import HTMLExporter

from maas_lab import widgets
from maas_lab.capacity import GRANITE_3_1_8B, SMOLLM2_135M, Load, Server, fits, replicas_for, shared
from maas_lab.errors import UsageError

STORY, SLOW = Load(people=7, active=1, questions_per_hour=90, tokens_per_answer=400), Server(tokens_per_second=40)


@pytest.fixture(autouse=True)
def _only_these_widgets():
    Widget.close_all()
    yield
    Widget.close_all()


def told(widget):
    parts = [told(one) for one in getattr(widget, "children", ())]
    values = [getattr(widget, name, "") or "" for name in ("description", "value")]
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", " ".join(map(str, values)), flags=re.DOTALL)
    return " ".join([html.unescape(text), *parts])


def fields(planner):
    return planner.people, planner.active, planner.questions, planner.tokens, planner.p95


def test_the_planner_begins_with_the_load_it_was_given():
    planner = widgets.capacity_planner(STORY, SLOW)
    assert [field.value for field in fields(planner)] == [7, 1, 90, 400, 2.0]
    assert planner.load == STORY
    assert planner.needed == replicas_for(STORY, SLOW, 2.0)
    assert planner.queue == shared(STORY, SLOW, planner.needed)
    text = told(planner)
    assert "7 people work at a time." in text
    assert "An answer takes 10.0 s on a GPU of one's own, 10.0 s on a shared one" in text
    assert f"{100 * planner.queue.utilisation:.1f} %" in text


def test_a_moved_slider_tells_everything_anew():
    planner = widgets.capacity_planner(STORY, SLOW)
    before = planner._chart.value
    planner.people.value, planner.active.value = 19_000, 0.05
    planner.questions.value, planner.tokens.value = 20, 200
    assert planner.load == Load(19_000, 0.05, 20, 200)
    assert planner.needed == 31
    assert planner.alone.replicas == 19_000
    assert "95 % of the questions wait 1.7 s at most" in html.unescape(planner._chart.value)
    assert planner._chart.value != before
    planner.p95.value = 30
    assert planner.needed < 31


def test_sliders_are_wide_enough_for_what_was_measured():
    planner = widgets.capacity_planner(Load(50_000, 0.001, 500.5, 3.25), SLOW, p95=90)
    assert [field.value for field in fields(planner)] == [50_000, 0.001, 500.5, 3.25, 90]
    assert planner.load == Load(50_000, 0.001, 500.5, 3.25)


def test_every_end_of_every_slider_is_a_plan():
    planner = widgets.capacity_planner(STORY, SLOW)
    for end in ("min", "max"):
        for field in fields(planner):
            field.value = getattr(field, end)
            assert 1 <= planner.needed <= planner.alone.replicas
    assert planner.load == Load(19_000, 1, 120, 2000)


def test_a_slider_and_its_field_are_one():
    planner = widgets.capacity_planner(STORY, SLOW)
    planner.sliders[0].value = 700
    assert (planner.people.value, planner.load.people) == (700, 700)
    planner.people.value = 70
    assert planner.sliders[0].value == 70
    for field, slider in zip(fields(planner), planner.sliders, strict=True):
        assert (field.min, field.max, field.step) == (slider.min, slider.max, slider.step)
        assert not slider.continuous_update


def test_fields_have_labels_and_what_comes_of_them_is_announced():
    planner = widgets.capacity_planner(STORY, SLOW)
    labels = [field.description for field in fields(planner)]
    assert all(labels)
    assert len(set(labels)) == 5
    assert 'role="status"' in planner._told.value
    assert re.search(r'<img [^>]*alt="7 GPUs with one for each person', planner._chart.value)


def test_a_planner_without_a_load_or_a_server_is_refused():
    with pytest.raises(UsageError):
        widgets.capacity_planner(SLOW, STORY)
    with pytest.raises(UsageError):
        widgets.capacity_planner(STORY, SLOW, p95=-1)


# Memory


def test_the_calculator_answers_the_question_of_the_course():
    calculator = widgets.memory_calculator()
    assert calculator.fit == fits(GRANITE_3_1_8B, "bf16", 24, users=8, context=4096)
    assert "It fits no" in " ".join(told(calculator).split())
    calculator.precision.value = "w4a16"
    assert calculator.fit
    assert "It fits yes" in " ".join(told(calculator).split())
    assert "Users it has room for 22" in " ".join(told(calculator).split())
    assert "9.8 GB are free" in html.unescape(calculator._chart.value)


def test_every_field_counts():
    calculator = widgets.memory_calculator(precision="w8a8")
    for field, value in ((calculator.card, 80), (calculator.users, 20), (calculator.context, 8192)):
        before = calculator.fit
        field.value = value
        assert calculator.fit != before
    assert calculator.fit == fits(GRANITE_3_1_8B, "w8a8", 80, users=20, context=8192)


def test_a_small_model_a_card_of_another_size_and_an_odd_context_are_offered_too():
    calculator = widgets.memory_calculator(SMOLLM2_135M, "Q4_1", card_gb=3.5, users=2, context=1000)
    assert calculator.fit == fits(SMOLLM2_135M, "Q4_1", 3.5, users=2, context=1000)
    assert ("3.5 GB", 3.5) in calculator.card.options
    assert max(size for _, size in calculator.context.options) == SMOLLM2_135M.context


@pytest.mark.parametrize("change", [{"precision": "int3"}, {"card_gb": 0}, {"users": 0}, {"context": 10**7}])
def test_what_cannot_be_is_refused(change):
    with pytest.raises(UsageError) as error:
        widgets.memory_calculator(**change)
    assert error.value.hint


def test_fields_have_labels():
    calculator = widgets.memory_calculator()
    assert all(field.description for field in (calculator.card, calculator.precision, calculator.users))
    assert 'role="status"' in calculator._told.value


# In a notebook that nobody runs


@pytest.mark.parametrize("make", [lambda: widgets.capacity_planner(STORY, SLOW), widgets.memory_calculator])
def test_a_saved_notebook_says_how_to_do_the_same_in_code(make):
    widget = make()
    text = repr(widget)
    assert text == type(widget).TEXT
    assert "capacity." in text
    bundle = widget._repr_mimebundle_()
    assert bundle["text/plain"] == text
    output = nbformat.v4.new_output("display_data", data=bundle)
    cell = nbformat.v4.new_code_cell("widget", outputs=[output])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert "The same in code" in page
