"""The exercises of the summary: what fits on a card, and what a precision costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from maas_lab import capacity
from maas_lab.checks.exercise import Exercise
from maas_lab.client import ask
from maas_lab.quantisation.answers import agreement
from maas_lab.quantisation.servers import Server, servers, weights

if TYPE_CHECKING:
    import openai

    from maas_lab.lab import Lab
    from maas_lab.quantisation import Measured

PRECISIONS = ("bf16", "w8a8", "w4a16")
MARGIN = 0.01  # how far an answer in bits may be off


def fitting(card_gb: float, users: int, context: int, fitting: Sequence[str], most: int) -> None:
    """Check exercise 5.1: in which precisions Granite fits a card with so many users, and how many bf16 has room for.

    Args:
        card_gb: the card's memory in GB.
        users: who call at the same time.
        context: tokens of each call.
        fitting: the learner's list of precisions.
        most: the learner's number of users that bf16 has room for.
    """
    exercise = Exercise(
        "5.1",
        "Ask what fits before you buy",
        (
            "capacity.fits(model, precision, ...) is true where it fits, and it tells `users_max`",
            "fitting = [one for one in precisions if fits[one]]",
            'most = fits["bf16"].users_max',
        ),
    )
    exercise.filled(fitting=fitting, most=most)
    if isinstance(fitting, str) or not isinstance(fitting, Sequence):
        exercise.wrong(f"`fitting` is a {type(fitting).__name__}", 'a list of precisions, e.g. ["w8a8"]')
    number = exercise.as_count("most", most)
    found = {one: capacity.fits(capacity.GRANITE_3_1_8B, one, card_gb, users, context) for one in PRECISIONS}
    for one in PRECISIONS:
        if (one in fitting) != bool(found[one]):
            exercise.wrong(f"`fitting` is wrong about {one}", repr(found[one]))
    if unknown := [one for one in fitting if one not in found]:
        exercise.wrong(f"{unknown[0]!r} is none of {', '.join(PRECISIONS)}")
    if number != found["bf16"].users_max:
        why = f"{found['bf16'].tokens_max:,} tokens have room, and each call may take {context:,}"
        exercise.wrong(f"`most` is {number:.0f}", why)
    exercise.right(f"bf16 has room for {number:.0f} calls of {users}; {' and '.join(fitting)} for all of them")


def precisions(lab: Lab, namespace: str, measured: Measured, bits: Mapping[str, float], closest: str) -> None:
    """Check exercise 5.2: bits per weight of each server, and which quantised one says what the reference says.

    Args:
        lab: the lab.
        namespace: where the servers are.
        measured: what was measured of them.
        bits: the learner's bits per weight, by precision.
        closest: the learner's precision.
    """
    exercise = Exercise(
        "5.2",
        "Measure the same model in several precisions",
        (
            "a byte has eight bits, and `table` tells all bytes and how many weights they are for",
            'bits = 8 * table["bytes"] / table["parameters"]',
            'closest = table["same_words"].drop(measured.reference).idxmax()',
        ),
    )
    exercise.filled(bits=bits, closest=closest)
    found = {one.precision: one for one in servers(lab.cluster, namespace)}
    told = dict(bits) if hasattr(bits, "keys") else {}
    if missing := [one for one in found if one not in told]:
        exercise.wrong(f"`bits` says nothing of {missing[0]}", "it holds a number for each precision")
    for one in found.values():
        with lab.direct_client(one.name, namespace) as client:
            _right_bits(exercise, lab, one, client, told[one.precision], measured)
    _right_closest(exercise, lab, measured, found, closest)
    each = ", ".join(f"{one} {told[one]:.1f}" for one in measured.table["precision"])
    exercise.right(f"{each} bits per weight, and of the others this one says most of the same")


def _right_bits(
    exercise: Exercise, lab: Lab, server: Server, client: openai.OpenAI, answer: Any, measured: Measured
) -> None:
    number = exercise.as_number(f"bits[{server.precision!r}]", answer)
    told = weights(lab, server, client)
    parameters = told.parameters or measured.table.set_index("precision").loc[server.precision, "parameters"]
    if not told.bytes:
        return  # nothing that an answer could be compared with
    expected = 8 * told.bytes / parameters
    if math.isclose(number, expected, rel_tol=MARGIN):
        return
    if math.isclose(8 * number, expected, rel_tol=MARGIN):
        exercise.wrong(f"{number:.1f} are bytes per weight, not bits", "a byte has eight bits")
    why = f"its server tells {told.bytes:,} bytes for {parameters:,.0f} weights"
    exercise.wrong(f"`bits` says {number:.1f} for {server.precision}", why)


def _right_closest(
    exercise: Exercise, lab: Lab, measured: Measured, found: Mapping[str, Server], closest: object
) -> None:
    words = measured.table.set_index("precision")["same_words"].drop(measured.reference)
    if closest == measured.reference:
        exercise.wrong(f"`closest` is {closest}, the reference itself", "it always says what it says")
    if closest not in words.index:
        exercise.wrong(f"`closest` is {closest!r}", f"one of {', '.join(words.index)}")
    if words[closest] < words.max():
        exercise.wrong(f"`closest` is {closest}", "another one keeps more of the reference's words before they part")
    noted = measured.answers[measured.answers["precision"] == closest].iloc[0]
    with lab.direct_client(found[closest].name, found[closest].namespace) as client:
        again = ask(client, noted["question"], model=found[closest].name, max_tokens=int(noted["tokens"]))
    if not agreement([noted["text"]], [again.text]).words:
        exercise.wrong("the server gives another answer now than when it was measured", "run the measurement again")
