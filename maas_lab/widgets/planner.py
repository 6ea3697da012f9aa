"""The capacity planner: sliders for people and their questions, and how many GPUs that takes."""

from __future__ import annotations

from html import escape
from typing import Any

from ipywidgets import HTML, BoundedFloatText, BoundedIntText, FloatSlider, HBox, IntSlider, Layout, VBox, link

from maas_lab import plots
from maas_lab.capacity import Load, Queue, Server, hoarded, replicas_for, shared
from maas_lab.widgets.parts import Panel, beside, facts

_PEOPLE = 19_000


class CapacityPlanner(Panel):
    """Sliders over `capacity` and `plots.capacity`: move one, and GPUs and waiting are told anew.

    Each slider has a field beside it with the same number, to type it in, and for those who do not see the slider.

    Args:
        load: where the sliders begin.
        server: what one GPU does.
        p95: seconds that 95 % of the questions may wait at most.

    Attributes:
        people: the field of all who may ask.
        active: the field of the share of them that works at the same time, 0.01 to 1.
        questions: the field of questions per hour of an active person.
        tokens: the field of tokens per answer.
        p95: the field of the seconds that 95 % of the questions may wait.
        sliders: one for each of the fields.
        load: as the fields are set.
        needed: GPUs it takes when they are shared.
        alone: how it is with a GPU for each person.
        queue: how it is when all share `needed` GPUs.
    """

    TEXT = """\
CapacityPlanner: in a running notebook, sliders for people and their questions, and the GPUs that takes.
The same in code, `load` being capacity.Load(people=..., active=..., questions_per_hour=..., tokens_per_answer=...):
  capacity.hoarded(load, server)              a GPU for each person
  capacity.replicas_for(load, server, p95=2)  the fewest GPUs that all can share
  capacity.shared(load, server, replicas=2)   how long people wait for them
  plots.capacity(load, server)                both as a chart"""

    def __init__(self, load: Load, server: Server, p95: float = 2.0) -> None:
        replicas_for(load, server, p95)  # says what is wrong, before a slider does in its own words
        self.server = server
        self.people = _field(BoundedIntText, "People:", load.people, 1, _PEOPLE, 1)
        self.active = _field(BoundedFloatText, "Share active at a time:", load.active, 0.01, 1, 0.01)
        self.questions = _field(BoundedFloatText, "Questions per hour, each:", load.questions_per_hour, 1, 120, 1)
        self.tokens = _field(BoundedFloatText, "Tokens per answer:", load.tokens_per_answer, 10, 2000, 10)
        self.p95 = _field(BoundedFloatText, "Seconds 95 % may wait:", p95, 0.5, 30, 0.5)
        self._fields = (self.people, self.active, self.questions, self.tokens, self.p95)
        self.sliders = tuple(map(_slider, self._fields))
        self._told, self._chart = HTML(), HTML()
        wrap = {"flex_flow": "row wrap"}
        pairs = [HBox(pair, layout=Layout(**wrap)) for pair in zip(self._fields, self.sliders, strict=True)]
        super().__init__([HTML("<h3>How many GPUs?</h3>"), VBox(pairs), self._told, self._chart], [])
        for field in self._fields:
            field.observe(lambda _: self._plan(), "value")
        self._plan()

    def _plan(self) -> None:
        people, active, questions, tokens, p95 = (field.value for field in self._fields)
        self.load = Load(people, active, questions, tokens)
        self.needed = replicas_for(self.load, self.server, p95)
        self.alone, self.queue = hoarded(self.load, self.server), shared(self.load, self.server, self.needed)
        self._told.value = f'<div role="status">{_told(self.load, self.alone, self.queue)}</div>'
        chart = plots.capacity(self.load, self.server, p95)
        self._chart.value = f'<div class="charts">{chart.to_html()}</div>'


def capacity_planner(load: Load, server: Server, p95: float = 2.0) -> CapacityPlanner:
    """Return sliders that tell how many GPUs people take, one each and shared.

    Args:
        load: where the sliders begin, e.g. `capacity.Load(7, 1, 30, 200)`; their ends are wide enough for it.
        server: what one GPU does, as measured: `capacity.Server(tokens_per_second=40)`.
        p95: seconds that 95 % of the questions may wait at most.

    Raises:
        UsageError: a number is not possible.
    """
    return CapacityPlanner(load, server, p95)


def _field(kind: Any, label: str, value: float, least: float, most: float, step: float) -> Any:
    """Make a field that can hold its first value, whatever that is."""
    ends = {"min": min(least, value), "max": max(most, value), "step": step}
    return kind(value=value, description=label, **ends, **beside("22em", "13em"))


def _slider(field: Any) -> Any:
    """Make a slider that always shows what the field holds; it acts when it is let go."""
    kind = IntSlider if isinstance(field, BoundedIntText) else FloatSlider
    ends = {"min": field.min, "max": field.max, "step": field.step, "value": field.value}
    place = Layout(width="min(calc(100% - 4px), 20em)")
    slider = kind(readout=False, continuous_update=False, layout=place, **ends)
    link((field, "value"), (slider, "value"))
    return slider


def _told(load: Load, alone: Queue, queue: Queue) -> str:
    numbers = {
        "GPUs, one for each person": f"{alone.replicas:,}",
        "GPUs, shared": f"{queue.replicas:,}",
        "Used, with one each": f"{100 * alone.utilisation:.1f} %",
        "Used, shared": f"{100 * queue.utilisation:.1f} %",
        "95 % wait at most": f"{queue.wait_p95:.1f} s",
    }
    people = "One person works" if load.at_once == 1 else f"{load.at_once:,} people work"
    text = f"{people} at a time. An answer takes {alone.answer:.1f} s on a GPU of one's own"
    return facts(numbers) + f"<p>{escape(text)}, {queue.answer:.1f} s on a shared one, without the waiting.</p>"
