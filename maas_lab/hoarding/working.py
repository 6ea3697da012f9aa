"""A day's work in small: people ask, read, think, and ask again; the same questions and pauses wherever they ask."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from maas_lab.client import record
from maas_lab.errors import UsageError
from maas_lab.hoarding.servers import server_name
from maas_lab.traffic import Calls

if TYPE_CHECKING:
    import openai

    from maas_lab.hoarding.places import Crowd
    from maas_lab.lab import Lab

QUESTIONS = (
    "What is a unit test?",
    "How do I undo a commit?",
    "When do I use a queue?",
    "What does an index do in a database?",
    "Why is this loop slow?",
    "How do I name a function?",
    "What is a race condition?",
    "How do I read a stack trace?",
)


class Turn(NamedTuple):
    """Seconds to think, and then a question."""

    think_s: float
    question: str


class Desk(NamedTuple):
    """Where somebody asks: a client, and the model's name there."""

    client: openai.OpenAI
    model: str


def days(people: Iterable[str], questions: int = 4, think: float = 2.5) -> dict[str, list[Turn]]:
    """Return what each person does: the same in every run, and different from person to person.

    Args:
        people: their names.
        questions: of each of them.
        think: seconds that they read and think before a question, on average: exponentially distributed, a quantile
            for each question in random order, so that everybody's pauses are equally long in sum.

    Raises:
        UsageError: a number is not above zero.
    """
    if questions < 1 or not think > 0:
        raise UsageError("`questions` is 1 or more, and `think` a number of seconds above zero", hint="think = 2.5")
    return {name: _day(random.Random(name), questions, think) for name in people}


def _day(chance: random.Random, questions: int, think: float) -> list[Turn]:
    asked = (chance.sample(QUESTIONS, len(QUESTIONS)) * questions)[:questions]
    pauses = [-think * math.log(1 - (number + 0.5) / questions) for number in range(questions)]
    return list(map(Turn, chance.sample(pauses, questions), asked))


def desk(lab: Lab, namespace: str, developer: str) -> Desk:
    """Return where a developer with a server of their own asks: at it, past the gateway.

    Raises:
        NotFound: there is no such server.
    """
    name = server_name(lab.model, developer)
    return Desk(lab.direct_client(name, namespace), name)


def work(days: Mapping[str, Sequence[Turn]], desks: Mapping[str, Desk], *, max_tokens: int = 16) -> Calls:
    """Let everybody who has a desk do their day's work, side by side; a refused call is a row, not an error.

    An interrupt stops it: calls on their way end unseen.

    Args:
        days: of everybody, as `days` makes them.
        desks: by person; who has none does not ask.
        max_tokens: the longest answer, in tokens.

    Returns:
        One row per call as `ask_many` returns them, and a column `person`.

    Raises:
        UsageError: nobody has a desk, or somebody has one and nothing to do.
    """
    if not desks or not set(desks) <= set(days):
        raise UsageError("`desks` names nobody, or somebody who has no day", hint="desks = {name: Desk(client, model)}")
    stopped = threading.Event()

    def live(person: str) -> list[dict[str, Any]]:
        where = desks[person]
        options = {"model": where.model, "max_tokens": max_tokens}
        turns = (turn for turn in days[person] if not stopped.wait(turn.think_s))
        return [record(where.client, turn.question, **options) | {"person": person} for turn in turns]

    with ThreadPoolExecutor(len(desks), thread_name_prefix="work") as threads:
        try:
            rows = [row for lived in threads.map(live, desks) for row in lived]
        finally:
            stopped.set()
    made = Calls(rows)
    made.frame.insert(0, "person", [row["person"] for row in rows])
    return made


def witnesses(lab: Lab, namespace: str, crowd: Crowd, owner: str) -> dict[str, str]:
    """Return all that tells what an owner's server has done, as text: its metrics, its log, and the pod's events.

    Raises:
        NotFound: the owner has no server.
        MetricsError: its metrics cannot be read.
    """
    pod = crowd.pods[owner]
    with lab.engine(server_name(lab.model, owner), namespace) as engine:
        told = {"metrics": engine.text(), "log": lab.cluster.logs(pod, namespace)}
    return told | {"events": repr(lab.cluster.events(namespace, of=f"pod/{pod}"))}
