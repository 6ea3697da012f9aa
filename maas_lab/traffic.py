"""Many calls at once: bounded threads, one row per call, in the order in which the calls were given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

import pandas as pd

from maas_lab.errors import UsageError
from maas_lab.refusals import OUTCOMES

_COUNTS = ("status", "prompt_tokens", "completion_tokens", "total_tokens")
_COLUMNS = ("prompt", "outcome", *_COUNTS, "started_s", "seconds", "request_id", "text")


class Calls:
    """Calls that were made, with what became of each.

    Attributes:
        frame: one row per call, in the order of the prompts. Columns: `prompt`; `outcome`, one of
            `refusals.OUTCOMES`; `status`, the HTTP status (missing when no answer came); `prompt_tokens`,
            `completion_tokens`, `total_tokens`; `started_s`, seconds since the first call began; `seconds`,
            from question to end of answer; `request_id`, as in spend rows (empty when the gateway did not
            tell); `text`, the answer, or why there is none.
    """

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        frame = pd.DataFrame(list(rows), columns=list(_COLUMNS))
        frame["started_s"] -= frame["started_s"].min()
        # Nullable integers: a call without an answer has no status.
        self.frame = frame.astype(dict.fromkeys(_COUNTS, "Int64") | {"started_s": float, "seconds": float})

    def counts(self) -> dict[str, int]:
        """Return how many calls ended in which way; ways that did not occur are left out."""
        found = self.frame["outcome"].value_counts()
        return {outcome: int(found[outcome]) for outcome in OUTCOMES if outcome in found}

    def tokens(self) -> int:
        """Return the tokens of all answered calls, prompts and answers together."""
        return int(self.frame["total_tokens"].sum())

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.counts().items())
        return f"{len(self)} calls: {counts}" if counts else "0 calls"


def drive(call: Callable[[str], dict[str, Any]], prompts: Sequence[str], *, concurrency: int, show: bool) -> Calls:
    """Make one call per prompt, some at a time.

    Args:
        call: makes the call for a prompt and returns its row; what it raises ends everything.
        prompts: what to ask.
        concurrency: the most calls at a time.
        show: whether to show a progress bar, where there is a notebook to show it in.

    Raises:
        UsageError: `prompts` is a single text, or `concurrency` is below 1.
    """
    if isinstance(prompts, str):
        raise UsageError("`prompts` is one text", "many calls take a list", "put it in brackets: [prompt]")
    if concurrency < 1:
        raise UsageError("`concurrency` is the number of calls at a time, at least 1", hint="e.g. concurrency=4")
    prompts = list(prompts)
    with _threads(concurrency) as pool:
        calls = [pool.submit(call, prompt) for prompt in prompts]
        _watch(calls, show)
    return Calls([done.result() for done in calls])


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(count, thread_name_prefix="ask")
    try:
        yield pool
    finally:
        # After an interrupt: begin no more calls, and don't wait for those on their way.
        pool.shutdown(wait=False, cancel_futures=True)


def _watch(calls: Sequence[Future], show: bool) -> None:
    step = _bar(len(calls)) if show else lambda: None
    for done in as_completed(calls):
        done.result()
        step()


def _bar(total: int) -> Callable[[], None]:
    from maas_lab.progress import Progress, in_notebook

    if not in_notebook():
        return lambda: None
    from IPython.display import display

    bar = Progress(total)
    display(bar)
    return bar.advance
