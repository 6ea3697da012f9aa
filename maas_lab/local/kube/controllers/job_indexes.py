"""The indexes of an Indexed Job: which there are, which a pod has, and how a status writes them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.kube.jobs import INDEX_LABEL, INDEXED, PREFIX
from maas_lab.local.kube.store import Object

FAILURES = f"{PREFIX}job-index-failure-count"


def is_indexed(job: Object) -> bool:
    """Tell whether each pod of a Job has a number."""
    return job["spec"].get("completionMode") == INDEXED


def has_limit(job: Object) -> bool:
    """Tell whether failures are limited for each index."""
    return is_indexed(job) and job["spec"].get("backoffLimitPerIndex") is not None


def of(pod: Object, job: Object) -> int | None:
    """Return the index of a pod; None for one that a Job has no use for."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX_LABEL, "")
    number = int(text) if text.isdecimal() and text.isascii() else None
    return number if number is not None and number < job["spec"].get("completions", 0) else None


def failures(pod: Object) -> int:
    """Return how many pods of the same index had failed before this one was made."""
    text = (pod["metadata"].get("annotations") or {}).get(FAILURES, "0")
    return int(text) if text.isdecimal() and text.isascii() else 0


def read(text: str, below: int) -> set[int]:
    """Return the numbers that a status lists, e.g. `0-2,5`, as far as they are below a limit."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), min(below, int(last or first) + 1)))
    return found


def written(numbers: Iterable[int]) -> str:
    """Return numbers as a status lists them: three and more in a row as a range, `0-2,5,7,8` as Go writes it."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(_run(first, last) for first, last in runs)


def _run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
