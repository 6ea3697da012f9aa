"""The OpenAI SDK, real curl and many threads against a server on loopback that replays recorded answers."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import nbclient
import nbformat
import openai
import pytest

from maas_lab import client as client_module
from maas_lab import progress, shell
from maas_lab.client import Curl, ask, ask_many, classify, expect, openai_client
from maas_lab.errors import (
    BadRequest,
    BudgetExceeded,
    ClusterUnreachable,
    EnvironmentFault,
    GatewayError,
    GatewayUnreachable,
    InvalidKey,
    LabError,
    ModelNotAllowed,
    NotQuite,
    RateLimited,
    TookTooLong,
    UsageError,
)
from maas_lab.keys import ApiKey
from maas_lab.rollout import AROUND, Traffic, keep_asking
from maas_lab.tables import PodRow
from maas_lab.traffic import Calls

CAPTURES = Path(__file__).parent / "captures" / "litellm"
KEY = ApiKey("sk-abcdefghijklmnop-a1b2", "my app")
MODEL = "granite-3.1-8b-instruct"
NOBODY = "http://127.0.0.1:9/v1"  # the discard port: nothing listens there


def recorded(name):
    """A recorded answer as (status, headers, body)."""
    told = json.loads((CAPTURES / f"{name}.json").read_text())
    answer, headers = told["response"], dict(told.get("headers", {}))
    if isinstance(answer, list):  # a stream of server-sent events
        lines = [line if line == "[DONE]" else json.dumps(line) for line in answer]
        return told["status"], headers, "".join(f"data: {line}\n\n" for line in lines)
    return told["status"], headers | {"content-type": "application/json"}, json.dumps(answer)


class Replay(ThreadingHTTPServer):
    """A server whose answers a test chooses: `answer` turns a request's body into (status, headers, body)."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.at_once, self.most_at_once, self.lock = [], 0, 0, threading.Lock()
        self.answer = lambda body: recorded("POST_chat_ok")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def always(self, name):
        self.answer = lambda body: recorded(name)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.seen.append((self.path, self.headers["authorization"], body))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.at_once, self.server.most_at_once)
        status, headers, text = self.server.answer(body)
        with self.server.lock:
            self.server.at_once -= 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    replay = Replay()
    threading.Thread(target=replay.serve_forever, args=[0.01], daemon=True).start()
    yield replay
    replay.shutdown()
    replay.server_close()


@pytest.fixture
def client(server):
    with openai_client(server.url, KEY) as made:
        yield made


# ask


def test_a_reply_holds_the_answer_and_what_is_billed(server, client):
    reply = ask(client, "hi", model=MODEL, max_tokens=5, temperature=0.5)
    assert (reply.text, reply.model, reply.finish_reason) == ("Hello from the dummy model.", MODEL, "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.total_tokens) == (12, 6, 18)
    assert reply.id == "chatcmpl-c7ac54745b7f416895fb3a456857cb2a"
    assert (reply.seconds > 0, reply.first_token_s) == (True, None)
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": MODEL, "messages": messages, "max_tokens": 5, "temperature": 0.5}
    assert server.seen == [("/v1/chat/completions", f"Bearer {KEY.reveal()}", body)]


def test_a_streamed_reply_is_the_same_and_knows_its_first_token(server, client):
    server.always("POST_chat_stream")
    reply = ask(client, "hi", model=MODEL, stream=True)
    assert (reply.text, reply.finish_reason) == ("Hello from the dummy model.", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.total_tokens) == (12, 6, 18)
    assert reply.id == "chatcmpl-e82b65892e8441068bac5e2aa08f57da"
    assert 0 < reply.first_token_s <= reply.seconds
    assert server.seen[0][2]["stream_options"] == {"include_usage": True}


def test_a_reply_shows_one_stable_line_and_quotes_the_text(client):
    reply = ask(client, "hi", model=MODEL)
    assert repr(reply) == f"Reply(18 tokens from {MODEL}, stop)"
    assert reply._repr_markdown_() == "> Hello from the dummy model."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("POST_chat_bad_key", InvalidKey),
        ("POST_chat_model_not_allowed", ModelNotAllowed),
        ("POST_chat_model_not_allowed_1.106.2", ModelNotAllowed),
        ("POST_chat_rpm_exceeded", RateLimited),
        ("POST_chat_rpm_exceeded_1.106.2", RateLimited),
        ("POST_chat_budget_exceeded", BudgetExceeded),
        ("POST_chat_budget_exceeded_1.106.2", BudgetExceeded),
        ("POST_chat_prompt_too_long", BadRequest),
        ("POST_chat_dead_server", GatewayError),
    ],
)
def test_a_refusal_is_typed_and_asked_only_once(server, client, name, kind, stream):
    server.always(name)
    with pytest.raises(GatewayError) as caught:
        ask(client, "hi", model=MODEL, stream=stream)
    assert type(caught.value) is kind
    assert isinstance(caught.value.__cause__, openai.APIStatusError)
    assert len(server.seen) == 1


def test_a_rate_limit_keeps_the_seconds_to_wait(server, client):
    server.always("POST_chat_rpm_exceeded")
    with pytest.raises(RateLimited, match="3 requests per minute") as caught:
        ask(client, "hi", model=MODEL)
    assert caught.value.retry_after == 60


def test_nobody_there_is_unreachable():
    with openai_client(NOBODY, KEY) as client, pytest.raises(GatewayUnreachable, match="nothing") as caught:
        ask(client, "hi", model=MODEL)
    assert caught.value.why == "Connection refused"


def test_too_slow_is_unreachable(server):
    server.answer = lambda body: time.sleep(1) or recorded("POST_chat_ok")
    with openai_client(server.url, KEY, timeout=0.1) as client, pytest.raises(GatewayUnreachable) as caught:
        ask(client, "hi", model=MODEL)
    assert caught.value.what == "the gateway did not answer in time"


@pytest.mark.parametrize("status", [200, 503])
def test_a_web_page_is_no_answer(server, client, status):
    server.answer = lambda body: (status, {"content-type": "text/html"}, "<html>log in</html>")
    with pytest.raises(GatewayError, match="web page"):
        ask(client, "hi", model=MODEL)


def test_a_stream_that_fails_midway_is_an_error(server, client):
    first = recorded("POST_chat_stream")[2].split("\n\n")[0]
    event = json.dumps({"error": {"message": "the server died", "type": None, "code": "500"}})
    server.answer = lambda body: (200, {"content-type": "text/event-stream"}, f"{first}\n\ndata: {event}\n\n")
    with pytest.raises(GatewayError, match="HTTP 500"):
        ask(client, "hi", model=MODEL, stream=True)


def test_a_stream_that_is_cut_off_is_unreachable(server, client):
    first = recorded("POST_chat_stream")[2].split("\n\n")[0]
    headers = {"content-type": "text/event-stream", "content-length": "9999"}
    server.answer = lambda body: (200, headers, f"{first}\n\n")
    with pytest.raises(GatewayUnreachable):
        ask(client, "hi", model=MODEL, stream=True)


def test_only_errors_of_the_sdk_are_classified():
    with pytest.raises(TypeError, match="ZeroDivisionError"):
        classify(ZeroDivisionError())
    assert type(classify(httpx.ReadTimeout("slow"))) is GatewayUnreachable


def test_a_client_does_not_retry_and_refuses_what_is_no_key():
    assert openai_client(NOBODY, "sk-abc").max_retries == 0
    with pytest.raises(UsageError):
        openai_client(NOBODY, "sk-…a1b2")


# expect


def test_an_expected_refusal_prints_one_line_and_is_kept(server, client, capsys):
    server.always("POST_chat_rpm_exceeded")
    with expect(RateLimited) as caught:
        ask(client, "hi", model=MODEL)
    assert capsys.readouterr() == ("RateLimited, as expected: this key allows 3 requests per minute\n", "")
    assert caught.error.status == 429


def test_an_expected_refusal_may_come_straight_from_the_sdk(server, client, capsys):
    server.always("POST_chat_budget_exceeded")
    with expect(RateLimited, BudgetExceeded):
        client.chat.completions.create(model=MODEL, messages=[])
    assert capsys.readouterr().out == "BudgetExceeded, as expected: this key has spent its budget\n"


def test_a_base_class_covers_its_kinds(server, client):
    server.always("POST_chat_bad_key")
    with expect(LabError) as caught:
        ask(client, "hi", model=MODEL)
    assert type(caught.error) is InvalidKey


def test_nothing_refused_is_not_what_was_expected(client):
    with pytest.raises(NotQuite, match="expected RateLimited, but nothing was refused"), expect(RateLimited):
        ask(client, "hi", model=MODEL)


def test_another_refusal_is_not_what_was_expected(server, client, capsys):
    server.always("POST_chat_budget_exceeded")
    with pytest.raises(NotQuite) as caught, expect(RateLimited, InvalidKey):
        ask(client, "hi", model=MODEL)
    assert caught.value.what == (
        "expected RateLimited or InvalidKey, but met BudgetExceeded: this key has spent its budget"
    )
    assert isinstance(caught.value.__cause__, BudgetExceeded)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("bug", [TypeError("a bug"), KeyboardInterrupt()])
def test_a_bug_passes_through_untouched(bug):
    with pytest.raises(type(bug)) as caught, expect(LabError):
        raise bug
    assert caught.value is bug


@pytest.mark.parametrize("kinds", [(), (ValueError,), ("RateLimited",), (RateLimited, 429)])
def test_only_kinds_of_lab_errors_can_be_expected(kinds):
    with pytest.raises(UsageError):
        expect(*kinds)


# ask_many


def by_prompt(body):
    """Refuse as the prompt says: the name of a capture, else a real answer."""
    prompt = body["messages"][0]["content"]
    return recorded(prompt if prompt.startswith("POST") else "POST_chat_ok")


def test_every_call_becomes_a_row_in_the_order_of_the_prompts(server, client):
    server.answer = by_prompt
    prompts = [
        "a",
        "POST_chat_rpm_exceeded",
        "b",
        "POST_chat_budget_exceeded",
        "POST_chat_bad_key",
        "POST_chat_dead_server",
    ]
    calls = ask_many(client, prompts, model=MODEL, concurrency=3)
    frame = calls.frame
    assert list(frame["prompt"]) == prompts
    outcomes = ["answered", "rate limited", "answered", "budget exceeded", "refused", "failed"]
    assert list(frame["outcome"]) == outcomes
    assert list(frame["status"]) == [200, 429, 200, 400, 401, 500]
    assert list(frame["total_tokens"]) == [18, 0, 18, 0, 0, 0]
    assert calls.tokens() == 36
    assert list(calls.counts()) == ["answered", "rate limited", "budget exceeded", "refused", "failed"]
    assert calls.counts()["answered"] == 2
    assert repr(calls) == "6 calls: 2 answered, 1 rate limited, 1 budget exceeded, 1 refused, 1 failed"
    assert frame["request_id"][0] == "chatcmpl-c7ac54745b7f416895fb3a456857cb2a"
    assert frame["request_id"][1] == "9d736d32-bcbe-46d5-9a65-2dcd187c1f8b"
    assert frame["started_s"].min() == 0
    assert (frame["seconds"] > 0).all()
    assert (frame["text"][0], frame["text"][3]) == (
        "Hello from the dummy model.",
        "this key has spent its budget",
    )


def test_streamed_calls_are_rows_with_the_usage_that_the_server_tells(server, client):
    server.always("POST_chat_stream")
    calls = ask_many(client, ["a", "b"], model=MODEL, stream=True)
    asked = [body for _, _, body in server.seen]
    assert [(body["stream"], body["stream_options"]) for body in asked] == [(True, {"include_usage": True})] * 2
    assert calls.counts() == {"answered": 2}
    assert calls.tokens() == 2 * ask(client, "a", model=MODEL, stream=True).total_tokens > 0


def test_unreachable_calls_are_rows_without_a_status():
    with openai_client(NOBODY, KEY) as client:
        calls = ask_many(client, ["a", "b"], model=MODEL)
    assert calls.counts() == {"unreachable": 2}
    assert calls.frame["status"].isna().all()
    assert calls.tokens() == 0


def test_no_more_calls_at_a_time_than_asked_for(server, client):
    def slow(body):
        time.sleep(0.05)
        return recorded("POST_chat_ok")

    server.answer = slow
    assert len(ask_many(client, ["x"] * 12, model=MODEL, concurrency=3)) == 12
    assert server.most_at_once == 3


def test_no_prompts_are_no_calls(client):
    calls = ask_many(client, [], model=MODEL)
    assert (len(calls), repr(calls), calls.counts(), calls.tokens()) == (0, "0 calls", {}, 0)


@pytest.mark.parametrize("wrong", [{"prompts": "one text"}, {"prompts": ["a"], "concurrency": 0}])
def test_wrong_use_of_ask_many_is_refused(client, wrong):
    with pytest.raises(UsageError):
        ask_many(client, model=MODEL, **wrong)


def test_a_bug_in_the_calling_code_is_not_swallowed(server, client):
    with pytest.raises(TypeError):
        ask_many(client, ["a", object(), "b"], model=MODEL)


def test_an_interrupt_ends_the_traffic_soon(server, client):
    release = threading.Event()
    server.answer = lambda body: release.wait(20) and recorded("POST_chat_ok")

    def interrupt():
        while len(server.seen) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    # Python loses an interrupt that comes while it collects what earlier tests have left.
    gc.collect()
    gc.disable()
    threading.Thread(target=interrupt, daemon=True).start()
    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            ask_many(client, ["x"] * 6, model=MODEL, concurrency=2)
    finally:
        gc.enable()
    assert time.monotonic() - begun < 15
    release.set()
    time.sleep(0.3)
    assert len(server.seen) == 2


def test_traffic_outside_a_notebook_is_silent(client, capfd):
    ask_many(client, ["a"], model=MODEL)
    assert capfd.readouterr() == ("", "")
    assert not progress.in_notebook()


def test_progress_has_a_text_that_does_not_move():
    bar = progress.Progress(20)
    before = repr(bar)
    bar.advance(7)
    assert (before, repr(bar), bar.value, bar.description) == (
        "Progress(20 calls)",
        "Progress(20 calls)",
        7,
        "7 of 20",
    )


def test_in_a_notebook_there_is_one_bar_and_one_described_picture(server):
    code = f"""
from maas_lab import plots
from maas_lab.client import ask_many, openai_client
calls = ask_many(openai_client({server.url!r}, "sk-abc"), ["a", "b", "c"], model="m")
plots.calls_by_outcome(calls.frame)
"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    root = str(Path(client_module.__file__).parents[1])
    nbclient.NotebookClient(book, resources={"metadata": {"path": root}}, store_widget_state=False).execute()
    bar, picture = book.cells[0].outputs
    assert bar["data"]["text/plain"] == "Progress(3 calls)"
    assert set(picture["data"]) == {"image/png", "text/plain"}
    assert picture["metadata"]["image/png"]["alt"].startswith("All 3 calls were answered")


def test_calls_need_no_network():
    row = {"prompt": "a", "outcome": "refused", "status": None, "started_s": 5.0, "seconds": 1.0}
    assert Calls([row]).counts() == {"refused": 1}


# curl


def test_the_shown_command_hides_the_key_and_works_when_pasted(server):
    curl = Curl(server.url, KEY, "What's `this`, $HOME?", model=MODEL, max_tokens=9)
    assert str(curl) == repr(curl)
    assert KEY.reveal() not in str(curl)
    assert "sk-…a1b2" in str(curl)
    env = {"PATH": os.environ["PATH"], "MAAS_API_KEY": KEY.reveal(), "NO_PROXY": "127.0.0.1"}
    pasted = subprocess.run(["sh", "-c", str(curl)], env=env, capture_output=True, text=True, check=True)
    assert json.loads(pasted.stdout) == curl.run()
    assert server.seen[0] == server.seen[1]
    message = {"role": "user", "content": "What's `this`, $HOME?"}
    assert server.seen[0] == (
        "/v1/chat/completions",
        f"Bearer {KEY.reveal()}",
        {"model": MODEL, "messages": [message], "max_tokens": 9},
    )


@pytest.fixture
def fake_curl(tmp_path, monkeypatch):
    """A `curl` that writes down what it was given and answers what a test puts into `answer`."""
    (tmp_path / "curl").write_text(
        f'#!/bin/sh\ncd {tmp_path}\nprintf "%s\\n" "$@" > argv\n/bin/cat > stdin\n/bin/cat answer\n'
    )
    (tmp_path / "curl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_secret_is_on_standard_input_and_not_among_the_arguments(fake_curl):
    (fake_curl / "answer").write_bytes(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n{}")
    assert Curl(NOBODY, KEY, "hi", model=MODEL).run() == {}
    assert KEY.reveal() not in (fake_curl / "argv").read_text()
    assert (fake_curl / "stdin").read_text() == f'header = "Authorization: Bearer {KEY.reveal()}"\n'


def test_blocks_of_headers_before_the_real_one_are_skipped(fake_curl):
    (fake_curl / "answer").write_bytes(
        b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/2 429 \r\nretry-after: 7\r\nrate_limit_type: requests\r\n\r\n"
        b'{"error": {"message": "Rate limit exceeded for api_key: 1. Current limit: 3, ", "type": "None"}}'
    )
    with pytest.raises(RateLimited, match="3 requests per minute") as caught:
        Curl(NOBODY, KEY, "hi", model=MODEL).run()
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("POST_chat_bad_key", InvalidKey),
        ("POST_chat_rpm_exceeded", RateLimited),
        ("POST_chat_budget_exceeded_1.106.2", BudgetExceeded),
    ],
)
def test_a_refusal_of_curl_is_typed(server, name, kind):
    server.always(name)
    with pytest.raises(kind):
        Curl(server.url, KEY, "hi", model=MODEL).run()


def test_curl_meets_nobody_or_a_web_page(server):
    with pytest.raises(GatewayUnreachable, match="nothing answers"):
        Curl(NOBODY, KEY, "hi", model=MODEL).run()
    server.answer = lambda body: (200, {"content-type": "text/html"}, "<html>log in</html>")
    with pytest.raises(GatewayError, match="web page"):
        Curl(server.url, KEY, "hi", model=MODEL).run()


def test_curl_that_waits_too_long_says_so(server):
    server.answer = lambda body: time.sleep(3) or recorded("POST_chat_ok")
    with pytest.raises(GatewayUnreachable, match="did not answer in time"):
        Curl(server.url, KEY, "hi", model=MODEL).run(timeout=0.2)


# shell


def test_a_missing_program_is_a_fault_of_this_machine():
    with pytest.raises(EnvironmentFault, match="`no-such-program` is not installed") as caught:
        shell.run(["no-such-program"])
    assert "install" in caught.value.hint


def test_a_program_is_ended_when_the_time_is_up():
    with pytest.raises(TookTooLong, match=r"did not end within 0\.2 s"):
        shell.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_a_program_gets_its_input_and_gives_code_and_output():
    code = "import sys; sys.stderr.write('e'); print(sys.stdin.read()); sys.exit(3)"
    assert shell.run([sys.executable, "-c", code], stdin="é") == (3, "é\n", "e")


# keep_asking: traffic that goes on during a change; pods are as they are told


def pod(name, ready="1/1", phase="Running"):
    return PodRow(name, ready, phase, 0, "")


class Pods:
    """Pods that change when the test says so, and a way to wait until they were looked at."""

    def __init__(self, *pods):
        self.pods, self._looked = list(pods), threading.Condition()

    def __call__(self):
        with self._looked:
            self._looked.notify_all()
            return list(self.pods)

    def become(self, *pods):
        with self._looked:
            self.pods = list(pods)
            assert self._looked.wait(5)
            assert self._looked.wait(5)  # the next look is where the first one's span ends


def test_calls_go_on_while_pods_come_and_go(server, client):
    pods = Pods(pod("old"))
    with keep_asking(client, "hi", model=MODEL, pods=pods) as traffic:
        assert len(server.seen) >= AROUND
        pods.become(pod("old"), pod("new", "0/1", "Pending"))
        pods.become(pod("old", phase="Terminating"), pod("new"))
        pods.become(pod("new"))
        before = len(server.seen)
    assert len(server.seen) >= before + AROUND
    assert traffic.calls.counts() == {"answered": len(server.seen)}
    assert traffic.calls.frame["started_s"].min() == 0
    spans = traffic.pods
    assert list(zip(spans["pod"], spans["state"], strict=True)) == [
        ("old", "serving"),
        ("new", "starting"),
        ("old", "leaving"),
        ("new", "serving"),
    ]
    assert (spans["to_s"] > spans["from_s"]).all()
    assert spans["from_s"].iloc[2] == spans["to_s"].iloc[0], "one state ends where the next begins"
    assert repr(traffic).endswith("answered, while 2 pods were there")


def test_a_failed_call_is_a_row_and_the_traffic_goes_on(server, client):
    server.answer = by_prompt
    with keep_asking(client, "POST_chat_dead_server", model=MODEL, pods=list) as traffic:
        pass
    assert list(traffic.calls.counts()) == ["failed"]
    assert len(traffic.calls) >= 2 * AROUND


def test_what_the_block_raises_ends_the_traffic(server, client):
    with pytest.raises(ZeroDivisionError), keep_asking(client, "hi", model=MODEL, pods=list):
        1 / 0  # noqa: B018
    seen = len(server.seen)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rollout")]
    assert len(server.seen) == seen


def test_a_cluster_that_does_not_answer_is_told(server, client):
    def nobody():
        raise ClusterUnreachable("nothing answers", hint="./lab up")

    with pytest.raises(ClusterUnreachable), keep_asking(client, "hi", model=MODEL, pods=nobody):
        pass


def test_before_it_has_run_there_is_nothing_to_see():
    assert repr(Traffic()) == "0 calls, while 0 pods were there"
