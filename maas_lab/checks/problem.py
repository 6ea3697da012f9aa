"""The exercises of the problem: why pods wait, how busy a model is, what nobody knows, and how many would be enough."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from maas_lab import hoarding
from maas_lab.capacity import Load, Server, replicas_for, shared
from maas_lab.checks.exercise import Exercise
from maas_lab.metrics import Scrape
from maas_lab.objects import condition

if TYPE_CHECKING:
    from maas_lab.hoarding import Crowd
    from maas_lab.lab import Lab

PATIENT = 2.0  # seconds of waiting that exercise 1.4 allows 95 % of the questions


def unplaced(lab: Lab, namespace: str, reason: str, missing: str) -> None:
    """Check exercise 1.1: the scheduler's reason for pods without a place, and the resource that they lack."""
    exercise = Exercise(
        "1.1",
        "Find the scheduler's reason",
        (
            'lab.cluster.events(namespace, of=f"pod/{waiting}") tells what happened to a pod; read reason and message',
            "`reason` is one word of the event; `missing` stands in its message after the word Insufficient",
            "reason = event.reason; missing = lab.gpu_resource",
        ),
    )
    exercise.filled(reason=reason, missing=missing)
    events = list(_refusals(lab, namespace))
    if not events:
        exercise.wrong("no pod waits for a place here now", "run the cells that deploy again")
    told = {event.reason for event in events}
    if reason in ("Pending", "Unschedulable"):
        exercise.wrong(f"`reason` is {reason!r}", "that is the state it is in; the event says why")
    if reason not in told:
        exercise.wrong(f"`reason` is {reason!r}", "no event of a waiting pod has this reason")
    if not isinstance(missing, str) or missing.strip() != lab.gpu_resource:
        exercise.wrong(f"`missing` is {missing!r}", "it is the name of a resource, as the message has it")
    if not any(f"Insufficient {lab.gpu_resource}" in event.message for event in events):
        exercise.wrong("you are right, and yet the scheduler names something else now", events[-1].message)
    exercise.right(f"{reason}, because the nodes have no {missing} left")


def busy(lab: Lab, namespace: str, owner: str, first: Scrape, second: Scrape, busy: float) -> None:
    """Check exercise 1.2: the share of time in which an owner's model computed between two scrapes of its server."""
    exercise = Exercise(
        "1.2",
        "Measure how busy they are",
        (
            "the server counts the seconds in which it computed: `call_seconds`; a scrape also has its `time`",
            "how much did `call_seconds` grow, in how many seconds? A difference of two `time` has .total_seconds()",
            "busy = (second[owner].call_seconds - first[owner].call_seconds)"
            " / (second[owner].time - first[owner].time).total_seconds()",
        ),
    )
    exercise.filled(busy=busy)
    answer, passed = exercise.as_number("busy", busy), (second.time - first.time).total_seconds()
    with lab.engine(hoarding.server_name(lab.model, owner), namespace) as engine:
        now = engine.scrape()
    if passed <= 0 or now.restarted(second) or second.restarted(first):
        exercise.wrong(f"these are not two scrapes of {owner}'s server, one after the other", "run the cells again")
    worked = second.call_seconds - first.call_seconds
    if math.isclose(answer, worked, rel_tol=1e-3) and not math.isclose(passed, 1, rel_tol=0.01):
        exercise.wrong("`busy` is a number of seconds", "a share of time is divided by the time that passed")
    if math.isclose(answer, 100 * worked / passed, rel_tol=1e-3):
        exercise.wrong("`busy` is in percent", "asked is a share, from 0 to 1")
    if math.isclose(answer, second.call_seconds / passed, rel_tol=1e-3) and first.call_seconds:
        exercise.wrong("`busy` counts from the server's start", "take what was added between the two scrapes")
    if not math.isclose(answer, worked / passed, rel_tol=1e-3, abs_tol=1e-6):
        exercise.wrong(f"`busy` is {answer:.3f}", "the two scrapes say another share of the time between them")
    exercise.right("so much of its time the model computed; its slot was reserved all the time")


def unknown(
    lab: Lab, namespace: str, crowd: Crowd, asked: Mapping[str, Any], named: Sequence[str], booked: int
) -> None:
    """Check exercise 1.3: no place names who asked, and the gateway has booked none of the calls.

    Args:
        lab: the lab.
        namespace: of the lesson.
        crowd: who runs, and who borrowed.
        asked: `owner`, `borrower`, the moment `since` and the `ids` of the calls.
        named: the learner's: places that name the borrower.
        booked: the learner's: of these calls, how many the gateway has a spend row of.
    """
    exercise = Exercise(
        "1.3",
        "Ask who used it",
        (
            "in which of the texts of `places` does the borrower's name occur? And look at the gateway's rows",
            "named = [place for place, text in places.items() if borrower in text]",
            '`booked` counts rows: rows["request_id"].isin(ids).sum()',
        ),
    )
    exercise.filled(named=named, booked=booked)
    if isinstance(named, str) or not isinstance(named, list | tuple | set):
        exercise.wrong(f"`named` is a {type(named).__name__}", "it is a list of places, and it may be empty")
    places = hoarding.witnesses(lab, namespace, crowd, asked["owner"])
    if strange := [one for one in named if one not in places]:
        exercise.wrong(f"`named` holds {strange[0]!r}", f"places are: {', '.join(places)}")
    found = [place for place, text in places.items() if asked["borrower"] in text]
    if set(named) != set(found):
        exercise.wrong(f"`named` is {list(named)}", f"look for the name {asked['borrower']!r} in each of the texts")
    answer = exercise.as_count("booked", booked)
    there = [row for row in lab.gateway.spend_rows(asked["since"]) if row.request_id in asked["ids"]]
    if answer != len(there):
        exercise.wrong(f"`booked` is {answer:.0f}", f"the gateway has rows of {len(there)} of these calls")
    if found or there:
        exercise.wrong("you are right, and somebody does know here", "this cluster logs more than the lesson expects")
    exercise.right("no place names who asked, and the gateway has not seen one of the calls")


def replicas(load: Load, server: Server, replicas: int) -> None:
    """Check exercise 1.4: the fewest shared copies with which 95 % of the questions wait less than two seconds."""
    exercise = Exercise(
        "1.4",
        "How many would be enough?",
        (
            "capacity.shared(load, server, 10) tells how it is with ten copies; look at `wait_p95` and `overloaded`",
            "go up until wait_p95 is below 2 and it is not overloaded; one copy less must be too few",
            "replicas = capacity.replicas_for(load, server, p95=2.0)",
        ),
    )
    exercise.filled(replicas=replicas)
    answer = exercise.as_number("replicas", replicas)
    if answer != int(answer) or answer < 1:
        exercise.wrong(f"`replicas` is {answer:g}", "copies are whole, and there is at least one")
    enough = replicas_for(load, server, p95=PATIENT)
    if answer < enough:
        queue = shared(load, server, int(answer))
        why = "it is overloaded: they want more than it can write" if queue.overloaded else "they wait longer than that"
        exercise.wrong(f"{int(answer)} are not enough", why)
    if answer > enough:
        exercise.wrong(f"{int(answer)} are enough, and one less is too", "asked are the fewest")
    exercise.right("with one copy less, too many would wait too long")


def _refusals(lab: Lab, namespace: str) -> Iterator[Any]:
    """Yield the warnings of the scheduler about pods that wait for a place now."""
    for pod in lab.cluster.list("Pod", namespace):
        if (condition(pod, "PodScheduled") or {}).get("reason") == "Unschedulable":
            events = lab.cluster.events(namespace, of=f"pod/{pod.name}")
            yield from (event for event in events if event.type == "Warning")
