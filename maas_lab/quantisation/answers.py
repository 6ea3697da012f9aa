"""Whether two models say the same: pure comparison of their answers to the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maas_lab.errors import UsageError


@dataclass(frozen=True)
class Agreement:
    """How far answers agree with those of a reference.

    Attributes:
        answers: share of the answers that are the same to the letter, 0 to 1.
        words: share of the reference's words that come before the first difference, 0 to 1, over all answers. From the
            first difference on, a model goes on from other words, so what follows says little.
    """

    answers: float
    words: float


def agreement(reference: Sequence[str], others: Sequence[str]) -> Agreement:
    """Compare answers with a reference's answers to the same questions, in the same order.

    Raises:
        UsageError: there are none, or not as many of one as of the other, or a single text was given.
    """
    if isinstance(reference, str) or isinstance(others, str) or len(reference) != len(others) or not reference:
        told = f"{_told(reference)} and {_told(others)}"
        raise UsageError("these answers cannot be compared", told, "give two lists, an answer to each question in each")
    pairs = list(zip(reference, others, strict=True))
    words = [len(one.split()) for one in reference]
    kept = [_until_they_part(one.split(), other.split()) for one, other in pairs]
    same = sum(one == other for one, other in pairs) / len(pairs)
    return Agreement(same, sum(kept) / sum(words) if sum(words) else same)


def _until_they_part(reference: list[str], other: list[str]) -> int:
    """Return how many words are the same from the beginning on."""
    for number, (one, two) in enumerate(zip(reference, other, strict=False)):
        if one != two:
            return number
    return min(len(reference), len(other))


def _told(answers: Sequence[str]) -> str:
    return "one text" if isinstance(answers, str) else f"{len(answers)} answers"
