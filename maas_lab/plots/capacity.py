"""How many GPUs it takes: one for each person against a few for all, and the waiting that goes with fewer and more."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from maas_lab import palette
from maas_lab.capacity import Load, Queue, Server, hoarded, replicas_for, shared
from maas_lab.plots.figure import BOX, CATEGORIES, REJECTED, DescribedFigure, count, drawing, finish, legend, percent

_AROUND = 4  # bars on either side of the number that is enough
_CUT = 6  # times the target: a longer bar is cut
# What a bar of waiting means, and how it looks.
_STATES = {"enough": CATEGORIES[0], "too long": CATEGORIES[1], "overloaded": REJECTED}


def capacity(load: Load, server: Server, p95: float = 2.0) -> DescribedFigure:
    """Draw the GPUs of a GPU for each person and of shared ones, and below them p95 of the waiting by shared GPUs.

    Args:
        load: who asks how much.
        server: what one GPU does.
        p95: seconds that 95 % of the questions may wait at most.

    Returns:
        A figure whose title says how many GPUs it takes each way. Bars much longer than `p95` are cut, and say so;
        those of overloaded servers, which write less than people want, are as high as the chart.

    Raises:
        UsageError: `p95` is no number of seconds above 0.
    """
    alone, queues = hoarded(load, server), _queues(load, server, p95)
    needed = next(queue for queue in queues if _state(queue, load, p95) == "enough")
    title = _finding(alone, needed)
    states = [_state(queue, load, p95) for queue in queues]
    options = {"figsize": (8, 4.6), "gridspec_kw": {"height_ratios": [1, 2]}}
    with drawing(title, _words(title, queues, states, p95), 2, **options) as (figure, (upper, lower)):
        _gpus(upper, alone, needed)
        _waits(lower, queues, states, p95)
        lower.set_xlabel("GPUs that all share")
    return figure


def _queues(load: Load, server: Server, p95: float) -> list[Queue]:
    """Return what it is like with the GPUs that are needed, with a few more, and with a few less."""
    needed = replicas_for(load, server, p95)
    step = max(1, round(math.sqrt(needed) / 4))
    counts = (needed + n * step for n in range(-_AROUND, _AROUND + 1))
    return [shared(load, server, n) for n in counts if 1 <= n <= max(needed, load.at_once)]


def _state(queue: Queue, load: Load, p95: float) -> str:
    if queue.replicas >= load.at_once:
        return "enough"
    return "overloaded" if queue.overloaded else "enough" if queue.wait_p95 <= p95 else "too long"


def _gpus(axes: Axes, alone: Queue, needed: Queue) -> None:
    for row, (queue, look) in enumerate(((alone, CATEGORIES[1]), (needed, CATEGORIES[0]))):
        axes.barh([-row], [queue.replicas], 0.6, **look.bar)
        told = f" {count(queue.replicas, 'GPU')}, {percent(queue.utilisation)} used"
        axes.text(queue.replicas, -row, told, va="center")
    axes.set_yticks([0, -1], ["a GPU each", "shared"])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.4 * alone.replicas)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _waits(axes: Axes, queues: list[Queue], states: list[str], p95: float) -> None:
    top = min(max(p95, *(queue.wait_p95 for queue in queues)), _CUT * p95)
    for state, look in _STATES.items():
        places = [n for n, one in enumerate(states) if one == state]
        heights = [top if state == "overloaded" else min(queues[n].wait_p95, top) for n in places]
        axes.bar(places, heights, 0.7, label=state if places else "", **look.bar)
    for n, (queue, state) in enumerate(zip(queues, states, strict=True)):
        height = top if state == "overloaded" else min(queue.wait_p95, top)
        place = {"ha": "center", "va": "bottom", "fontsize": 9, "bbox": BOX}
        axes.text(n, height, _label(queue, state, top, p95), **place)
    axes.axhline(p95, color=palette.INK, linestyle="--", linewidth=1.2, label=f"wanted: {_seconds(p95)}")
    axes.set_xticks(range(len(queues)), [f"{queue.replicas:,}" for queue in queues])
    axes.set_xlim(-0.6, max(len(queues), 3) - 0.4)
    axes.set_ylim(0, 1.15 * top)
    axes.set_ylabel("waiting, p95, seconds")
    finish(axes)
    legend(axes)


def _label(queue: Queue, state: str, top: float, p95: float) -> str:
    """Return how long people wait; of servers that are overloaded though nobody waits, that their answers are slow."""
    if state == "overloaded" and queue.wait_p95 <= p95:
        return "slow"
    return _seconds(queue.wait_p95) + (" ↑" if queue.wait_p95 > top else "")


def _finding(alone: Queue, needed: Queue) -> str:
    waits = f"and 95 % of the questions wait {_seconds(needed.wait_p95)} at most"
    if needed.wait_p95 == 0:
        waits = "and at most 5 % of the questions wait"
    if alone.replicas == needed.replicas:
        return f"Sharing saves nothing here: {count(alone.replicas, 'GPU')} either way"
    return f"{count(alone.replicas, 'GPU')} with one for each person; shared, {_do(needed.replicas)}, {waits}"


def _words(title: str, queues: list[Queue], states: list[str], p95: float) -> str:
    each = "; ".join(
        f"{count(queue.replicas, 'GPU')} {_seconds(queue.wait_p95)}, {state}"
        for queue, state in zip(queues, states, strict=True)
    )
    return (
        f"{title}. Above, a bar for each way. Below, p95 of the waiting by shared GPUs, {_seconds(p95)} wanted: {each}."
    )


def _do(replicas: int) -> str:
    return f"{replicas:,} do" if replicas > 1 else "1 does"


def _seconds(seconds: float) -> str:
    """Return a time as a label has room for it."""
    if 0 < seconds < 0.05:
        return "under 0.1 s"
    return f"{seconds:,.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.1f} s"
