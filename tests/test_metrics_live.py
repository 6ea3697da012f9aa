"""The running model server's metrics: found through the Kubernetes API, idle when idle and busy when busy."""

import time
import uuid

import pytest

from maas_lab import plots, wait
from maas_lab.client import ask, ask_many, openai_client
from maas_lab.errors import NotFound
from maas_lab.lab import Lab


@pytest.fixture
def engine(stack):
    with stack.platform.engine() as found:
        yield found


@pytest.fixture
def client(stack):
    name = f"test-metrics-{uuid.uuid4().hex[:8]}"
    key = stack.gateway.create_key(name, models=[stack.model])
    yield openai_client(stack.url, key)
    stack.gateway.delete_key(key)


def test_the_model_server_is_found_through_the_api_and_needs_its_key(stack, engine):
    scrape = engine.scrape()
    assert scrape.engine == "llama.cpp"
    assert scrape.running is not None
    assert engine.url == stack.platform.cluster.get("InferenceService", stack.model, "maas-system")["status"]["url"]
    assert "sk-" not in repr(engine) + repr(vars(engine))
    lab = Lab(stack.platform.cluster, "maas-system")
    with lab.engine() as found:
        assert found.url == engine.url


def test_a_model_server_that_is_not_there_is_told(stack):
    with pytest.raises(NotFound, match="granite") as caught:
        stack.platform.engine("granite")
    assert "lab.engine(name)" in caught.value.hint


def test_the_tokens_of_a_call_are_those_that_the_engine_counts(stack, engine, client):
    before = engine.scrape()
    replies = [ask(client, f"Count to {n}.", model=stack.model, max_tokens=12, stream=bool(n % 2)) for n in (5, 6)]
    wait.until(lambda: engine.scrape().running == 0, what="the end of the calls", timeout=10)
    after = engine.scrape()
    assert after.prompt_tokens - before.prompt_tokens == sum(reply.prompt_tokens for reply in replies)
    assert after.completion_tokens - before.completion_tokens == sum(reply.completion_tokens for reply in replies)
    # As they come: to the digits that are printed.
    assert after.steps - before.steps == pytest.approx(sum(reply.completion_tokens for reply in replies), abs=1)


def test_an_idle_engine_is_idle(engine):
    frame = engine.watch(1, every=0.25)
    assert len(frame) >= 3
    assert frame["busy"].max() == 0
    assert frame["completion_tokens_per_s"].sum() == 0


def test_a_saturated_engine_is_busy_in_the_looks_and_in_its_own_seconds(stack, engine, client):
    before = engine.scrape()
    with engine.watching(every=0.25) as seen:
        calls = ask_many(
            client, [f"Tell a story of {n}." for n in range(8)], model=stack.model, concurrency=4, show=False
        )
        live = seen.frame
    rates = engine.scrape().since(before)
    assert calls.counts() == {"answered": 8}
    looked = float((seen.frame["busy"] * seen.frame["seconds"]).sum() / seen.frame["seconds"].sum())
    assert looked > 0.8
    assert 0.7 < rates.busy <= 1
    assert live["running"].max() >= 2
    answered = calls.frame["completion_tokens"].sum()
    assert (seen.frame["completion_tokens_per_s"] * seen.frame["seconds"]).sum() == pytest.approx(answered, rel=0.05)
    assert plots.utilisation(seen.frame).axes[0].get_title(loc="left").startswith("llama.cpp was busy")


def test_calls_in_half_of_the_time_are_half_of_the_time_busy(stack, engine, client):
    def use_half() -> float:
        spent = 0.0
        for n in range(4):
            begun = time.perf_counter()
            ask(client, f"Tell me of {n}.", model=stack.model, max_tokens=24)
            took = time.perf_counter() - begun
            spent += took
            wait.until(lambda end=begun + 2 * took: time.perf_counter() >= end, what="a pause", timeout=60)
        return spent

    before, begun = engine.scrape(), time.perf_counter()
    spent = use_half()
    share = spent / (time.perf_counter() - begun)
    # Of a call, a part is the gateway's, in which the engine rests.
    assert share / 2 < engine.scrape().since(before).busy <= share + 0.05
