"""The model server's own metrics: one map of names for llama.cpp and vLLM, and what two looks tell together.

What a name map does not find is missing (None), never zero: the engine does not expose it. Pure; `scraping` asks.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import pandas as pd
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from maas_lab.errors import MetricsError, UsageError

LLAMA, VLLM = "llama.cpp", "vLLM"
PREFIXES = {LLAMA: "llamacpp:", VLLM: "vllm:"}

# What each engine calls it, without its prefix; several names are added up, as are several engines behind an address.
# Read off llama.cpp (xllamacpp 2026.10.11549) and vLLM 0.32.0. llama.cpp's prompt tokens leave out those from the
# cache, vLLM's do not.
NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "prompt_tokens": {LLAMA: ("prompt_tokens_total", "prompt_tokens_cached_total"), VLLM: ("prompt_tokens_total",)},
    "cached_tokens": {LLAMA: ("prompt_tokens_cached_total",), VLLM: ("prompt_tokens_cached_total",)},
    "completion_tokens": {LLAMA: ("tokens_predicted_total",), VLLM: ("generation_tokens_total",)},
    "running": {LLAMA: ("requests_processing",), VLLM: ("num_requests_running",)},
    "waiting": {LLAMA: ("requests_deferred",), VLLM: ("num_requests_waiting",)},
    "finished": {VLLM: ("request_success_total",)},
    "call_seconds": {
        LLAMA: ("prompt_seconds_total", "tokens_predicted_seconds_total"),
        VLLM: ("request_inference_time_seconds_sum",),
    },
    "decodes": {LLAMA: ("n_decode_total",)},
    "calls_per_decode": {LLAMA: ("n_busy_slots_per_decode",)},
    "cache_use": {VLLM: ("kv_cache_usage_perc",)},
}
_COUNTERS = ("prompt_tokens", "cached_tokens", "completion_tokens", "finished", "call_seconds", "decodes")
_SHARES = ("cache_use",)  # of several engines the mean is told
_BORN = "process_start_time_seconds"  # of vLLM, without a prefix; llama.cpp does not tell
COLUMNS = {
    "time": "datetime64[us, UTC]",
    "seconds": "float64",
    "engine": "object",
    "busy": "Float64",
    "prompt_tokens_per_s": "Float64",
    "completion_tokens_per_s": "Float64",
    "running": "Int64",
    "waiting": "Int64",
}


class Rates(NamedTuple):
    """What an engine did between two scrapes; None is what it does not expose.

    Attributes:
        seconds: between them.
        busy: share of this time in which it computed, 0 to 1, as its own counters tell it.
        prompt_tokens_per_s: tokens of prompts, those from the cache included.
        completion_tokens_per_s: tokens of answers.
    """

    seconds: float
    busy: float | None
    prompt_tokens_per_s: float | None
    completion_tokens_per_s: float | None


@dataclass(frozen=True)
class Scrape:
    """What a model server told at one moment; None is what its engine does not expose.

    Attributes:
        engine: `llama.cpp` or `vLLM`.
        time: when, UTC.
        prompt_tokens: of all calls so far, those from the cache included.
        cached_tokens: those of them that came from the cache.
        completion_tokens: of all answers so far; llama.cpp counts an answer when it is complete.
        running: calls that are computed now.
        waiting: calls that wait for a place.
        finished: calls so far (vLLM).
        call_seconds: seconds of computing so far, added up over calls that ran side by side, and counted when a call's
            prompt or answer was done (llama.cpp), or the whole call (vLLM).
        decodes: steps so far, each of which gives a token to every call that runs (llama.cpp).
        calls_per_decode: their mean over all steps so far (llama.cpp).
        cache_use: share of the memory for calls that is in use, 0 to 1 (vLLM).
        born: when the process started, seconds since 1970 (vLLM).
    """

    engine: str
    time: datetime
    prompt_tokens: float | None = None
    cached_tokens: float | None = None
    completion_tokens: float | None = None
    running: float | None = None
    waiting: float | None = None
    finished: float | None = None
    call_seconds: float | None = None
    decodes: float | None = None
    calls_per_decode: float | None = None
    cache_use: float | None = None
    born: float | None = None

    @property
    def steps(self) -> float | None:
        """Return the tokens of answers so far, also of those that are not complete (llama.cpp).

        Every step of its decoder gives one token to each call that runs, so steps times calls per step are tokens:
        with 4 calls at a time they added up to exactly what was booked. Printed with six digits, so after a million
        steps it is some five tokens wrong.
        """
        known = self.decodes is not None and self.calls_per_decode is not None
        return self.decodes * self.calls_per_decode if known else None

    @property
    def is_busy(self) -> bool | None:
        """Return whether a call was computed at this moment, None where the engine does not tell."""
        return None if self.running is None else self.running > 0

    def restarted(self, earlier: Scrape) -> bool:
        """Return whether the server has been started anew, or another one answers, since an earlier scrape."""
        if self.engine != earlier.engine or self.born != earlier.born:
            return True
        pairs = [(getattr(earlier, name), getattr(self, name)) for name in _COUNTERS]
        return any(before is not None and (now is None or now < before) for before, now in pairs)

    def since(self, earlier: Scrape) -> Rates:
        """Return what happened since an earlier scrape.

        `busy` of llama.cpp is the growth of `call_seconds` divided by how many calls shared a step on average, and by
        the time: 0 when idle; measured 0.94 to 0.99 under 1, 4 and 8 callers, who never let it rest but at the edges.
        It is at most 1. As seconds are booked when a prompt or an answer is done, it is exact where no call ran at
        either end, and else only for a time much longer than a call. vLLM does not tell how many calls shared a
        step: None; `watch` looks often instead.

        Raises:
            MetricsError: the server has been started anew meanwhile, so its counters began at zero.
            UsageError: the other scrape is not an earlier one.
        """
        seconds = (self.time - earlier.time).total_seconds()
        if seconds <= 0:
            raise UsageError("this scrape is not later than the other one", hint="second.since(first)")
        if self.restarted(earlier):
            why = "its counters went back, or it has another start time or engine"
            raise MetricsError("the model server was started anew between the two scrapes", why, "scrape both again")
        return self._rates(earlier, seconds)

    def _rates(self, earlier: Scrape, seconds: float) -> Rates:
        steps = _grown(earlier.steps, self.steps)
        answered = _grown(earlier.completion_tokens, self.completion_tokens) if steps is None else steps
        prompts = _grown(earlier.prompt_tokens, self.prompt_tokens)
        per_second = [None if grown is None else grown / seconds for grown in (prompts, answered)]
        return Rates(seconds, self._busy(earlier, seconds), *per_second)

    def _busy(self, earlier: Scrape, seconds: float) -> float | None:
        worked, decodes = (_grown(getattr(earlier, n), getattr(self, n)) for n in ("call_seconds", "decodes"))
        steps = _grown(earlier.steps, self.steps)
        if worked is None or decodes is None or steps is None:
            return None
        together = max(1.0, steps / decodes) if decodes else 1.0
        return min(1.0, worked / together / seconds)

    @property
    def frame(self) -> pd.DataFrame:
        """Return the numbers as a table: `meaning`, `value`, and `name`, what this engine calls it."""
        prefix = PREFIXES[self.engine]
        told = {name: names.get(self.engine, ()) for name, names in NAMES.items()}
        rows = [
            (name, getattr(self, name), " + ".join(prefix + one for one in names) or "not exposed")
            for name, names in told.items()
        ]
        return pd.DataFrame(rows, columns=["meaning", "value", "name"]).astype({"value": "Float64"})

    def __repr__(self) -> str:
        calls = (self.running, "running"), (self.waiting, "waiting")
        return f"Scrape({', '.join([self.engine, *(f'{n:.0f} {word}' for n, word in calls if n is not None)])})"


def read(text: str, time: datetime | None = None) -> Scrape:
    """Read what a model server answers at `/metrics`.

    Args:
        text: in the format of Prometheus.
        time: when it was answered, aware; now when left out.

    Raises:
        MetricsError: this is no such text, or of an engine that the lab does not know.
    """
    values = _values(text)
    engine = _engine(values)
    born = next(iter(values.get(_BORN, ())), None)
    return Scrape(engine, time or datetime.now(UTC), **{one: _told(values, engine, one) for one in NAMES}, born=born)


def label_names(text: str) -> list[str]:
    """Return by what a model server tells its numbers apart: the names of all labels, in alphabetical order.

    Args:
        text: in the format of Prometheus.

    Raises:
        MetricsError: this is no such text.
    """
    return sorted({label for sample in _samples(text) for label in sample.labels})


def utilisation(scrapes: Sequence[Scrape]) -> float | None:
    """Return the share of time, 0 to 1, in which an engine computed, from many scrapes in their order.

    It is what the engine's counters say from the first to the last, and where they cannot tell, the mean over time of
    what the looks have met; None where neither tells, or there are not two scrapes.
    """
    frame = samples(scrapes)
    known = frame[frame["busy"].notna()]
    if not len(known):
        return None
    if len(known) == len(frame) and (told := scrapes[-1].since(scrapes[0]).busy) is not None:
        return told
    return float((known["busy"] * known["seconds"]).sum() / known["seconds"].sum())


def samples(scrapes: Sequence[Scrape]) -> pd.DataFrame:
    """Return what happened between each two of many scrapes, in their order.

    Returns:
        One row per pair of neighbours. Columns: `time`, of the later one, UTC; `seconds` between them; `engine`;
        `busy`, 0 to 1: the share of the two moments at which a call ran, so its mean over time is the utilisation as
        frequent looks find it; where no look met a call, what `since` says, if it can; `prompt_tokens_per_s`;
        `completion_tokens_per_s`; `running` and `waiting`, calls at the later moment. What the engine does not expose
        is missing, and all of a row in which it was started anew.
    """
    pairs = [(a, b) for a, b in itertools.pairwise(scrapes) if b.time > a.time]
    return pd.DataFrame([_row(*pair) for pair in pairs], columns=list(COLUMNS)).astype(COLUMNS)


def _row(first: Scrape, second: Scrape) -> Mapping[str, object]:
    seconds = (second.time - first.time).total_seconds()
    row = {"time": second.time, "seconds": seconds, "engine": second.engine}
    if second.restarted(first):
        return row
    rates, seen = second.since(first)._asdict(), _seen_busy(first, second)
    busy = {} if seen == 0 and rates["busy"] is not None else {"busy": seen}
    return row | rates | busy | {"running": second.running, "waiting": second.waiting}


def _seen_busy(first: Scrape, second: Scrape) -> float | None:
    both = [one.is_busy for one in (first, second)]
    return None if None in both else sum(both) / 2


def _values(text: str) -> dict[str, list[float]]:
    """Return samples by name, whatever their labels, e.g. for each reason for which calls ended."""
    values: dict[str, list[float]] = {}
    for sample in _samples(text):
        if math.isfinite(sample.value):
            values.setdefault(sample.name, []).append(sample.value)
    return values


def _samples(text: str) -> list[Sample]:
    try:
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        why = f"{str(error)[:120]}; a proxy or a login page may stand in front of it"
        hint = "open its `/metrics` yourself; `lab.engine()` shows the address"
        raise MetricsError("this is not what a model server answers at /metrics", why, hint) from None


def _engine(values: Mapping[str, list[float]]) -> str:
    for engine, prefix in PREFIXES.items():
        if any(name.startswith(prefix) for name in values):
            return engine
    prefixes = sorted({name.partition(":")[0] for name in values if ":" in name})
    why = f"its names begin with {', '.join(prefixes)}" if prefixes else "none of its names says which engine it is of"
    raise MetricsError("the lab does not know this engine", why, f"it reads {' and '.join(PREFIXES)}")


def _told(values: Mapping[str, list[float]], engine: str, meaning: str) -> float | None:
    found = [values.get(PREFIXES[engine] + name) for name in NAMES[meaning].get(engine, ())]
    if not found or None in found:
        return None
    every = list(itertools.chain.from_iterable(found))
    return statistics.fmean(every) if meaning in _SHARES else math.fsum(every)


def _grown(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else max(0.0, now - before)
