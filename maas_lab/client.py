"""The OpenAI SDK as a consumer uses it: bound to a key, with typed errors and quiet results."""

from __future__ import annotations

import importlib
import importlib.util
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import openai

from maas_lab import settings
from maas_lab.curl import Curl
from maas_lab.errors import GatewayError, LabError, NotQuite, UsageError
from maas_lab.keys import ApiKey
from maas_lab.refusals import outcome, refusal, unreachable
from maas_lab.rest import is_loopback
from maas_lab.traffic import Calls, drive

__all__ = ["Calls", "Curl", "Reply", "ask", "ask_many", "classify", "expect", "openai_client"]

# openai 2 stands on httpx, openai 3 on httpx2; while a stream is read their errors come through as they are.
_TRANSPORT = tuple(
    importlib.import_module(name).HTTPError for name in ("httpx", "httpx2") if importlib.util.find_spec(name)
)


def openai_client(
    base_url: str, key: ApiKey | str, *, timeout: float = 120, verify: ssl.SSLContext | bool = True
) -> openai.OpenAI:
    """Return a stock OpenAI client for this gateway and key.

    It does not retry: by default the SDK would wait out a rate limit in silence, for up to a minute.

    Args:
        base_url: of the OpenAI API, with `/v1`.
        key: the consumer's key.
        timeout: seconds to wait for an answer, or for the next part of a streamed one.
        verify: which certificate authorities to trust: those of this machine (or of `SSL_CERT_FILE`), or an
            `ssl.SSLContext`.

    Raises:
        UsageError: the key is not one.
    """
    if is_loopback(base_url):
        settings.never_proxy_inside()
    # The SDK's own kind of HTTP client: of httpx in release 2, of httpx2 in release 3.
    http = None if verify is True else openai.DefaultHttpxClient(verify=verify)
    return openai.OpenAI(
        base_url=base_url, api_key=ApiKey.of(key).reveal(), max_retries=0, timeout=timeout, http_client=http
    )


def classify(error: Exception) -> GatewayError:
    """Return the typed error for one that the OpenAI SDK raised.

    Raises:
        TypeError: the error is not of the SDK; it is a bug to look at, not a refusal.
    """
    if isinstance(error, openai.APIStatusError):
        return refusal(error.status_code, error.response.content, error.response.headers)
    if isinstance(error, (openai.APIConnectionError, *_TRANSPORT)):
        timed_out = isinstance(error, openai.APITimeoutError) or "Timeout" in type(error).__name__
        return unreachable(error.__cause__ or error, timed_out)
    if isinstance(error, openai.APIError):  # an error event in a stream: its HTTP status was 200
        body = error.body if isinstance(error.body, dict) else {"message": error.message}
        code = str(body.get("code") or "")
        return refusal(int(code) if code.isdecimal() else 500, {"error": body}, {})
    raise TypeError(f"{type(error).__name__} is not an error of the OpenAI SDK") from error


@contextmanager
def _typed() -> Iterator[None]:
    try:
        yield
    except (openai.APIError, *_TRANSPORT) as error:
        raise classify(error) from error


class expect:
    """Expect a refusal: `with expect(RateLimited): ...` passes only when the body is refused in this way.

    It prints one line that is the same in every run, e.g.
    `RateLimited, as expected: this key allows 3 requests per minute`. An error that is neither a `LabError`
    nor the OpenAI SDK's is a bug, and passes through untouched.

    Args:
        kinds: classes of `LabError`; one of them must be raised.

    Attributes:
        error: what was raised.

    Raises:
        UsageError: `kinds` are not such classes.
        NotQuite: nothing was raised, or an error of another kind.
    """

    error: LabError | None = None

    def __init__(self, *kinds: type[LabError]) -> None:
        if not kinds or not all(isinstance(kind, type) and issubclass(kind, LabError) for kind in kinds):
            raise UsageError("expect() takes kinds of errors", hint="e.g. `with expect(errors.RateLimited):`")
        self._kinds = kinds
        self._names = " or ".join(kind.__name__ for kind in kinds)

    def __enter__(self) -> expect:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            raise NotQuite(
                f"expected {self._names}, but nothing was refused", hint="look at what the call in this block returns"
            )
        if isinstance(error, (openai.APIError, *_TRANSPORT)):
            error = classify(error)
        if not isinstance(error, LabError):
            return False
        if not isinstance(error, self._kinds):
            met = f"{type(error).__name__}: {error.what}"
            raise NotQuite(f"expected {self._names}, but met {met}", error.why, error.hint) from error
        self.error = error
        print(f"{type(error).__name__}, as expected: {error.what}")
        return True


@dataclass(frozen=True, repr=False)
class Reply:
    """A model's answer.

    Attributes:
        text: what the model said.
        model: the model that was asked.
        id: of the call, as in spend rows.
        prompt_tokens: tokens of the prompt, the chat template's own included.
        completion_tokens: tokens of the answer.
        total_tokens: both: what is billed.
        finish_reason: `stop`, or `length` when `max_tokens` cut the answer.
        seconds: from question to end of answer.
        first_token_s: from question to first word; None when the answer was not streamed.
    """

    text: str
    model: str
    id: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    finish_reason: str
    seconds: float
    first_token_s: float | None = None

    def __repr__(self) -> str:
        return f"Reply({self.total_tokens} tokens from {self.model}, {self.finish_reason})"

    def _repr_markdown_(self) -> str:
        # Quoted, so that headings and lists of the model are not taken for the lesson's.
        return "\n".join(f"> {line}" for line in self.text.splitlines())


def ask(
    client: openai.OpenAI,
    prompt: str,
    *,
    model: str,
    max_tokens: int = 64,
    temperature: float = 0,
    stream: bool = False,
) -> Reply:
    """Ask a model one question.

    Args:
        client: of `openai_client`, or any OpenAI client.
        prompt: the question.
        model: the model's name in the catalogue.
        max_tokens: the longest answer, in tokens.
        temperature: 0 for the likeliest answer, up to 2 for surprising ones.
        stream: whether the answer comes word by word; then `first_token_s` is measured.

    Raises:
        GatewayError: the gateway refused, failed, or did not answer; its subclass says which.
    """
    messages = [{"role": "user", "content": prompt}]
    asked = {"model": model, "messages": messages, "max_tokens": max_tokens, "temperature": temperature}
    started = time.perf_counter()
    with _typed():
        told = _streamed(client, asked) if stream else _whole(client, asked)
    first = told.pop("first", None)
    seconds = time.perf_counter() - started
    return Reply(model=model, seconds=seconds, first_token_s=first and first - started, **told)


def _whole(client: openai.OpenAI, asked: dict[str, Any]) -> dict[str, Any]:
    answer = client.chat.completions.create(**asked)
    if isinstance(answer, str):  # the SDK hands out a web page as text
        raise refusal(200, answer, {"content-type": "text/html"})
    choice = answer.choices[0]
    told = {"id": answer.id, "text": choice.message.content or "", "finish_reason": choice.finish_reason}
    return told | tokens_of(answer.usage)


def _streamed(client: openai.OpenAI, asked: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"id": "", "text": "", "finish_reason": "", "first": None}
    usage = None
    asked |= {"stream": True, "stream_options": {"include_usage": True}}
    with client.chat.completions.create(**asked) as chunks:
        for chunk in chunks:
            usage = chunk.usage or usage
            told["id"] = chunk.id or told["id"]
            for choice in chunk.choices:
                if choice.delta.content:
                    told["first"] = told["first"] or time.perf_counter()
                    told["text"] += choice.delta.content
                told["finish_reason"] = choice.finish_reason or told["finish_reason"]
    return told | tokens_of(usage)


def tokens_of(usage: Any) -> dict[str, int]:
    """Return the tokens that an answer tells.

    Raises:
        GatewayError: it tells none.
    """
    if usage is None:
        raise GatewayError(
            "the answer has no usage",
            "without it nobody can bill or check this call",
            "call again; `./lab logs gateway`",
        )
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: getattr(usage, name) for name in names}


def ask_many(
    client: openai.OpenAI,
    prompts: Sequence[str],
    *,
    model: str,
    concurrency: int = 4,
    max_tokens: int = 32,
    stream: bool = False,
    show: bool = True,
) -> Calls:
    """Ask many questions, some at a time; a refused call is a row of the result, not an error.

    An interrupt stops it at once: no new call begins, calls on their way end unseen (and are billed).

    Args:
        client: of `openai_client`.
        prompts: the questions, one call each.
        model: the model's name in the catalogue.
        concurrency: the most calls at a time.
        max_tokens: the longest answer, in tokens.
        stream: whether the answers come word by word; the usage is the model server's own either way.
        show: whether to show a progress bar in a notebook.

    Raises:
        UsageError: `prompts` is a single text, or `concurrency` is below 1.
    """
    call = partial(record, client, model=model, max_tokens=max_tokens, stream=stream)
    return drive(call, prompts, concurrency=concurrency, show=show)


def record(client: openai.OpenAI, prompt: str, **options: Any) -> dict[str, Any]:
    """Ask a model one question, and return what became of it as a row of `Calls`; options as in `ask`."""
    row = {"prompt": prompt, "started_s": time.perf_counter()}
    try:
        reply = ask(client, prompt, **options)
    except GatewayError as error:
        row |= {"outcome": outcome(error), "status": error.status, "text": error.what}
        row |= dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
        row["request_id"] = _call_id(error.__cause__)
    else:
        row |= {"outcome": "answered", "status": 200, "text": reply.text, "request_id": reply.id}
        row |= {name: getattr(reply, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return row | {"seconds": time.perf_counter() - row["started_s"]}


def _call_id(error: BaseException | None) -> str:
    """Return the id under which the gateway books a refused call."""
    response = getattr(error, "response", None)
    return response.headers.get("x-litellm-call-id", "") if response is not None else ""
