"""The consumer's exercises: calls, spend rows, refusals and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import openai

from maas_lab.checks.exercise import Exercise
from maas_lab.errors import GatewayError, InvalidKey, NotQuite

if TYPE_CHECKING:
    from maas_lab.keys import ApiKey
    from maas_lab.lab import Lab
    from maas_lab.rows import SpendRow
    from maas_lab.traffic import Calls


def booked(lab: Lab, answer: Mapping[str, Any], row: SpendRow) -> None:
    """Check exercise 3.1: `row` is the spend row of the call that `answer` came from."""
    exercise = Exercise(
        "3.1",
        "Look behind the curtain, once",
        (
            "the gateway keeps one row per call: lab.gateway.spend_row(...) takes the call's id",
            "the id is in the answer: row = lab.gateway.spend_row(answer['id'])",
        ),
    )
    exercise.filled(row=row)
    if not hasattr(row, "request_id"):
        exercise.wrong(f"`row` is a {type(row).__name__}, not a spend row", "the gateway keeps them: lab.gateway")
    if row.request_id != answer["id"]:
        exercise.wrong("this row belongs to another call", "its `request_id` is not the `id` of curl's answer")
    stored = lab.gateway.spend_row(answer["id"], timeout=1)
    if stored.total_tokens != answer["usage"]["total_tokens"]:
        exercise.wrong("the row has other tokens than the answer", "report this: the gateway would bill a wrong sum")
    exercise.right("the gateway booked this call under the id that curl received, with the same tokens")


def sdk(lab: Lab, client: openai.OpenAI) -> None:
    """Check exercise 3.2: `client` is the OpenAI SDK, bound to this gateway, without silent retries."""
    exercise = Exercise(
        "3.2",
        "Call it from Python",
        (
            "OpenAI(...) takes base_url, api_key and max_retries",
            "client = OpenAI(base_url=lab.url, api_key=key.reveal(), max_retries=0)",
        ),
    )
    exercise.filled(client=client)
    if not isinstance(client, openai.OpenAI):
        exercise.wrong(f"`client` is a {type(client).__name__}", "it should be an openai.OpenAI")
    if (base := str(client.base_url).rstrip("/")) != lab.url:
        what = "another path at" if base.startswith(lab.gateway.url) else "another server than"
        exercise.wrong(f"`client` calls {what} this lab's gateway", f"its base_url is {base}, and lab.url is {lab.url}")
    if not isinstance(client.api_key, str) or not client.api_key.isascii() or not client.api_key:
        exercise.wrong("`client` holds no key that the gateway could read", "a key shows its secret by .reveal() only")
    if client.max_retries:
        exercise.wrong("`client` repeats refused calls in silence", "a lesson wants to see each refusal")
    try:
        offered = lab.gateway.available_models(client.api_key)
    except GatewayError as error:
        exercise.wrong("the gateway refuses this client's key", error.what)
    if lab.model not in offered:
        exercise.wrong(f"this key does not open {lab.model}")
    exercise.right(f"the stock SDK reaches the gateway, and its key opens {', '.join(offered)}")


def stream(lab: Lab, arrivals: list[float], row: SpendRow, first_token_s: float, tokens_per_s: float) -> None:
    """Check exercise 3.3: speed of a stream, from the moments at which its parts arrived.

    Args:
        lab: the lab.
        arrivals: seconds from the question to each part with text.
        row: the stream's spend row.
        first_token_s: the learner's time to the first token, seconds.
        tokens_per_s: the learner's tokens per second, from first part to last.
    """
    exercise = Exercise(
        "3.3",
        "Let it stream",
        (
            "`arrivals` holds seconds since the question: the first is the time to the first token",
            "speed counts the time in which tokens came, from the first part to the last",
            "first_token_s = arrivals[0]; tokens_per_s = stream_row.completion_tokens / (arrivals[-1] - arrivals[0])",
        ),
    )
    exercise.filled(first_token_s=first_token_s, tokens_per_s=tokens_per_s)
    first_token_s = exercise.as_number("first_token_s", first_token_s)
    tokens_per_s = exercise.as_number("tokens_per_s", tokens_per_s)
    if abs(first_token_s - arrivals[0]) > 1e-6:
        exercise.wrong("`first_token_s` is not the moment at which the first text arrived")
    stored = lab.gateway.spend_row(row.request_id, timeout=1)
    took = arrivals[-1] - arrivals[0]
    expected = stored.completion_tokens / took
    if not 0.9 * expected <= tokens_per_s <= 1.1 * expected:
        exercise.wrong(
            f"`tokens_per_s` is {tokens_per_s:.1f}",
            f"the gateway booked {stored.completion_tokens} tokens, and they came within {took:.2f} s",
        )
    exercise.right("your numbers agree with the tokens that the gateway booked for this stream")


def tickets(lab: Lab, key: ApiKey, calls: Calls, count: int) -> None:
    """Check exercise 3.4: `count` tickets were summarised with this key, several at a time, and all are booked."""
    exercise = Exercise(
        "3.4",
        "Build a small program",
        (
            "ask_many(client, prompts, ...) makes many calls; it wants the model's name and how many at a time",
            "calls = ask_many(client, prompts, model=lab.model, concurrency=4)",
        ),
    )
    exercise.filled(calls=calls)
    if not hasattr(calls, "counts"):
        exercise.wrong(f"`calls` is a {type(calls).__name__}", "it should be what `ask_many` returns")
    if calls.counts() != {"answered": count}:
        exercise.wrong(f"{calls!r}, of {count} tickets", "every ticket needs an answer")
    frame = calls.frame
    if not (frame["started_s"].iloc[1:] < frame["seconds"].iloc[0]).any():
        exercise.wrong("the calls were made one after the other", "the model server batches calls that come together")
    known = {row.request_id: row for row in lab.gateway.spend_rows(_day_ago(), key=key)}
    missing = [one for one in frame["request_id"] if one not in known]
    if missing:
        why = "they were made with another key than the application's, or it takes a few seconds more"
        exercise.wrong(f"the gateway has not booked {len(missing)} of the calls with this key", why)
    tokens = sum(known[one].total_tokens for one in frame["request_id"])
    if tokens != calls.tokens():
        exercise.wrong("your tokens and the gateway's differ", "report this: the gateway would bill a wrong sum")
    exercise.right(f"{count} tickets summarised, and the gateway booked exactly the tokens that you counted")


def retries(lab: Lab, should_retry: Callable[[Exception], bool]) -> None:
    """Check exercise 3.5: `should_retry` is asked about refusals that the gateway makes now."""
    exercise = Exercise(
        "3.5",
        "Be refused, and know why",
        (
            "which of the four refusals goes away by itself if you only wait a little?",
            "waiting helps against a rate limit only: return isinstance(error, errors.RateLimited)",
        ),
    )
    if not callable(should_retry):
        exercise.wrong(f"`should_retry` is a {type(should_retry).__name__}, not a function")
    for name, (error, worth_it) in _provoke(lab).items():
        answer = should_retry(error)
        exercise.filled(should_retry=answer)
        if answer is None:
            exercise.wrong(f"`should_retry` returns nothing when it is asked about {name}", "end it with `return`")
        if bool(answer) is not worth_it:
            exercise.wrong(
                f"`should_retry` says {bool(answer)} to {name}",
                "the same call can pass in a moment" if worth_it else "the same call would be refused again and again",
            )
    exercise.right("it repeats what waiting can mend, and nothing else")


def rotated(lab: Lab, old: ApiKey, new: ApiKey) -> None:
    """Check exercise 3.6: the new key works, the old one is dead."""
    exercise = Exercise(
        "3.6",
        "Keep your key clean",
        (
            "the portal can replace a key by a fresh one: portal.rotate_key(...)",
            "new_key = portal.rotate_key(application)",
        ),
    )
    exercise.filled(new_key=new)
    if not hasattr(new, "reveal"):
        exercise.wrong(f"`new_key` is a {type(new).__name__}, not a key", "the portal returns the key that it made")
    if new == old:
        exercise.wrong("`new_key` is the old key")
    try:
        offered = lab.gateway.available_models(new)
    except InvalidKey:
        exercise.wrong("the gateway does not know `new_key`")
    if offered != [lab.model]:
        exercise.wrong("`new_key` opens other models than the old key did")
    try:
        lab.gateway.available_models(old)
    except InvalidKey:
        exercise.right("the new key works, and the old one is dead")
    else:
        exercise.wrong("the old key still works", "whoever found it can go on calling at your expense")


def _provoke(lab: Lab) -> dict[str, tuple[Exception, bool]]:
    """Let the gateway refuse calls in several ways; maps a name to the error and whether a retry is worth it."""
    import uuid

    from maas_lab.client import ask

    def refused(key: ApiKey | str, model: str, calls: int) -> GatewayError:
        for _ in range(calls):
            try:
                ask(lab.client(key), "hi", model=model, max_tokens=1)
            except GatewayError as error:
                return error
        raise NotQuite("the gateway refused nothing", "the check could not provoke a refusal", "./lab doctor")

    made = f"check 3.5 {uuid.uuid4().hex[:8]}"
    key = lab.gateway.create_key(made, models=[lab.model], application="check 3.5", rpm_limit=1)
    try:
        return {
            "an unknown key": (refused("sk-nobody-has-this-key", lab.model, 1), False),
            "a model that the key does not open": (refused(key, "no-such-model", 1), False),
            "a rate limit": (refused(key, lab.model, 3), True),
        }
    finally:
        lab.gateway.delete_key(key)


def _day_ago() -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) - timedelta(days=1)
