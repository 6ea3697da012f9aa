"""The exercises of the orientation: a warm-up, and what one is connected to."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from maas_lab.checks.exercise import Exercise
from maas_lab.errors import NotFound

if TYPE_CHECKING:
    from maas_lab.lab import Lab


def pods(lab: Lab, count: int) -> None:
    """Check exercise 0.1: how many pods the platform has."""
    exercise = Exercise(
        "0.1",
        "Be wrong first, on purpose",
        (
            "the cluster lists them: lab.cluster.pods(lab.namespace) has one row per pod",
            "a Python list tells its length: len(...)",
            "pods = len(lab.cluster.pods(lab.namespace))",
        ),
    )
    exercise.filled(pods=count)
    if isinstance(count, list | tuple):
        exercise.wrong("`pods` is the list of the pods", "asked is how many there are")
    if not isinstance(count, int) or isinstance(count, bool):
        exercise.wrong(f"`pods` is a {type(count).__name__}, not a whole number")
    there = lab.cluster.pods(lab.namespace)
    if count != len(there):
        few_or_many = "fewer" if len(there) < count else "more"
        exercise.wrong(f"`pods` is {count}", f"the cluster has {few_or_many} in the namespace {lab.namespace} now")
    exercise.right("you asked the cluster, and it counts as you do")


def connected(lab: Lab, cluster: str, gateway: str, model: str) -> None:
    """Check exercise 0.2: the addresses of cluster and gateway, and the model's name."""
    exercise = Exercise(
        "0.2",
        "Know what you are connected to",
        (
            "`lab` prints gateway and model, and `lab.cluster` prints the address of the cluster's API",
            "an address is text: lab.cluster.server, lab.gateway.url",
            "cluster, gateway, model = lab.cluster.server, lab.gateway.url, lab.model",
        ),
    )
    exercise.filled(cluster=cluster, gateway=gateway, model=model)
    given = {"cluster": cluster, "gateway": gateway, "model": model}
    for name, answer in given.items():
        if not isinstance(answer, str):
            exercise.wrong(f"`{name}` is a {type(answer).__name__}, not text")
    known = _known(lab)
    for name, answer in given.items():
        _compare(exercise, known, name, answer)
    if lab.model not in [one.name for one in lab.gateway.models()]:
        exercise.wrong("you are right, and the gateway does not offer this model now", "lab.doctor() says more")
    exercise.right("you know which cluster, which gateway and which model answer you")


def _known(lab: Lab) -> dict[str, str]:
    """Return what an answer may be, or be taken for."""
    known = {"cluster": lab.cluster.server, "gateway": lab.gateway.url, "model": lab.model}
    known |= {"namespace": lab.namespace, "cluster's version": lab.cluster.version(), "user": lab.cluster.whoami()}
    with contextlib.suppress(NotFound):  # a platform may have none
        known["portal"] = lab.portal_url
    return known


def _compare(exercise: Exercise, known: dict[str, str], name: str, answer: str) -> None:
    """Refuse an answer that is another thing's name, or nobody's."""
    told = answer.strip().rstrip("/")
    told = told.removesuffix("/v1") if name == "gateway" else told  # where its OpenAI API begins: right as well
    if told == known[name]:
        return
    other = next((one for one, value in known.items() if told in (value, f"{value}/v1")), None)
    if other:
        exercise.wrong(f"`{name}` is the {other}")
    if name == "model":
        exercise.wrong(f"`model` is {answer!r}", "this lab's model has another name, and the gateway wants it exactly")
    exercise.wrong(f"`{name}` is {answer!r}", f"the {name} of this lab has another address")
