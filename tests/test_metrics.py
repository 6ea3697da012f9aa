"""The model server's own metrics, read off recorded answers; the network is httpx's own stand-in."""

import ssl
import threading
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maas_lab import metrics, wait
from maas_lab.access import serving_key, serving_runtime, serving_url
from maas_lab.errors import LabError, MetricsError, NotFound, UsageError
from maas_lab.keys import ApiKey
from maas_lab.metrics import LLAMA, VLLM, Scrape
from maas_lab.scraping import EngineMetrics
from tests.made_up import MODEL_KEY

CAPTURES = Path(__file__).parent / "captures" / "model-server"
TEXTS = {LLAMA: (CAPTURES / "llamacpp.prom").read_text(), VLLM: (CAPTURES / "vllm.prom").read_text()}
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def llama(seconds=0.0, **told):
    """A scrape of llama.cpp some seconds after noon, one call having run for a second."""
    known = {"prompt_tokens": 30, "cached_tokens": 0, "completion_tokens": 20, "running": 0, "waiting": 0}
    known |= {"call_seconds": 1.0, "decodes": 20, "calls_per_decode": 1.0}
    return Scrape(LLAMA, NOON + timedelta(seconds=seconds), **(known | told))


def vllm(seconds=0.0, **told):
    known = {"prompt_tokens": 30, "cached_tokens": 0, "completion_tokens": 20, "running": 0, "waiting": 0, "born": 1e9}
    return Scrape(VLLM, NOON + timedelta(seconds=seconds), **(known | told))


# Reading


def test_llama_cpp_is_read_with_the_prompt_tokens_from_its_cache():
    scrape = metrics.read(TEXTS[LLAMA], time=NOON)
    assert (scrape.engine, scrape.time) == (LLAMA, NOON)
    assert (scrape.prompt_tokens, scrape.cached_tokens, scrape.completion_tokens) == (93, 60, 18)
    assert (scrape.running, scrape.waiting) == (0, 0)
    assert scrape.call_seconds == pytest.approx(0.232428 + 0.280966)
    assert scrape.steps == 18 == scrape.completion_tokens
    assert (scrape.finished, scrape.cache_use, scrape.born) == (None, None, None)


def test_vllm_is_read_and_its_prompt_tokens_hold_those_of_the_cache_already():
    scrape = metrics.read(TEXTS[VLLM])
    assert scrape.engine == VLLM
    assert (scrape.prompt_tokens, scrape.cached_tokens, scrape.completion_tokens) == (2696, 1024, 1096)
    assert (scrape.running, scrape.waiting, scrape.finished, scrape.cache_use) == (0, 0, 18, 0)
    assert scrape.born == 1.79544476706e9
    assert scrape.call_seconds == pytest.approx(74.81876438500012)
    assert (scrape.decodes, scrape.steps) == (None, None)


@pytest.mark.parametrize("engine", TEXTS)
def test_every_number_says_what_the_engine_calls_it(engine):
    frame = metrics.read(TEXTS[engine]).frame.set_index("meaning")
    assert set(frame.index) == {one.name for one in fields(Scrape)} - {"engine", "time", "born"}
    exposed = frame["name"] != "not exposed"
    assert exposed.equals(frame["value"].notna())
    names = [name for told in frame["name"][exposed] for name in told.split(" + ")]
    assert all(name in TEXTS[engine] for name in names)


@pytest.mark.parametrize("engine", TEXTS)
@pytest.mark.parametrize("meaning", metrics.NAMES)
def test_a_name_that_is_missing_is_not_zero(engine, meaning):
    for name in metrics.NAMES[meaning].get(engine, ()):
        left = [line for line in TEXTS[engine].splitlines() if metrics.PREFIXES[engine] + name not in line]
        assert getattr(metrics.read("\n".join(left)), meaning) is None


@pytest.mark.parametrize("engine", TEXTS)
def test_a_number_that_is_none_is_missing(engine):
    name = metrics.PREFIXES[engine] + metrics.NAMES["running"][engine][0]
    lines = [line for line in TEXTS[engine].splitlines() if not line.startswith(name)]
    assert metrics.read("\n".join([*lines, f"{name} NaN"])).running is None


def test_several_engines_behind_one_address_are_added_up_and_the_moments_of_creation_are_not():
    more = TEXTS[VLLM] + 'vllm:num_requests_running{engine="1",model_name="m"} 3.0\n'
    assert metrics.read(more).running == 3
    more += 'vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5\n'
    assert metrics.read(more).cache_use == 0.25  # of two caches one is half full
    assert "request_success_created" in TEXTS[VLLM]
    assert metrics.read(TEXTS[VLLM]).finished == 18


def test_a_scrape_says_what_it_is():
    assert repr(metrics.read(TEXTS[LLAMA])) == "Scrape(llama.cpp, 0 running, 0 waiting)"
    assert repr(Scrape(VLLM, NOON)) == "Scrape(vLLM)"


@pytest.mark.parametrize(
    "text", ["<!DOCTYPE html>\n<html><body>Log in</body></html>", '{"detail": "Not Found"}', "a b c d"]
)
def test_a_page_is_not_taken_for_metrics(text):
    with pytest.raises(MetricsError, match="not what a model server answers") as caught:
        metrics.read(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "none of its names"),
        ("python_info 1\n", "none of its names"),
        ("sglang:num_running_reqs 1\ntgi:x 2\n", "begin with sglang, tgi"),
    ],
)
def test_an_unknown_engine_is_told(text, why):
    with pytest.raises(MetricsError, match="does not know this engine") as caught:
        metrics.read(text)
    assert why in caught.value.why
    assert caught.value.hint == "it reads llama.cpp and vLLM"


@given(st.text())
def test_any_text_is_read_or_refused(text):
    refused = None
    try:
        metrics.read(text)
    except LabError as error:
        refused = error
    assert refused is None or refused.hint


# Between two scrapes


def test_rates_are_what_grew_divided_by_the_time():
    later = llama(10, prompt_tokens=130, completion_tokens=220, call_seconds=5.0, decodes=220)
    rates = later.since(llama())
    assert rates == (10, pytest.approx(0.4), 10, 20)


def test_the_seconds_of_calls_that_ran_side_by_side_are_not_counted_twice():
    # Four calls of 8 seconds each in the same 8 seconds: 100 steps, each a token for all four.
    later = llama(10, completion_tokens=420, call_seconds=33.0, decodes=120, calls_per_decode=420 / 120)
    assert later.since(llama()).busy == pytest.approx(0.8)


def test_tokens_count_as_they_come_not_when_the_answer_is_booked():
    later = llama(1, running=1, decodes=70)
    assert later.completion_tokens == llama().completion_tokens
    assert later.since(llama()).completion_tokens_per_s == 50


def test_an_idle_engine_is_not_busy_and_none_is_busier_than_all_the_time():
    assert llama(10).since(llama()).busy == 0
    assert llama(10, call_seconds=99.0, decodes=30).since(llama()).busy == 1


def test_vllm_does_not_tell_busy_seconds_and_so_they_are_missing():
    rates = vllm(10, prompt_tokens=130, completion_tokens=220).since(vllm())
    assert rates == (10, None, 10, 20)


def test_what_is_not_exposed_has_no_rate():
    rates = Scrape(LLAMA, NOON + timedelta(seconds=1)).since(Scrape(LLAMA, NOON))
    assert rates == (1, None, None, None)


def test_digits_that_were_cut_off_are_no_negative_tokens():
    before, now = (
        llama(decodes=1_000_000, calls_per_decode=2.06061),
        llama(1, decodes=1_000_001, calls_per_decode=2.0606),
    )
    assert now.since(before).completion_tokens_per_s == 0


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (llama(), llama(1, completion_tokens=19)),
        (llama(), llama(1, call_seconds=0.5)),
        (llama(), llama(1, decodes=None)),
        (vllm(), vllm(1, born=1e9 + 60, completion_tokens=999, prompt_tokens=999)),
        (llama(), vllm(1, prompt_tokens=99, completion_tokens=99)),
    ],
)
def test_a_server_that_was_started_anew_is_noticed(before, now):
    with pytest.raises(MetricsError, match="started anew") as caught:
        now.since(before)
    assert caught.value.hint
    (row,) = metrics.samples([before, now]).to_dict("records")
    assert row["seconds"] == 1
    assert row["engine"] == now.engine
    assert all(pd.isna(row[name]) for name in ("busy", "prompt_tokens_per_s", "completion_tokens_per_s"))


@pytest.mark.parametrize("seconds", [0, -1])
def test_only_an_earlier_scrape_can_be_compared(seconds):
    with pytest.raises(UsageError, match="not later"):
        llama(seconds).since(llama())


# Samples


def test_samples_tell_what_happened_between_looks():
    looks = [
        llama(),
        llama(1, running=2, waiting=1, decodes=40),
        llama(2, running=4, decodes=90),
        llama(3, call_seconds=9.0, decodes=100, completion_tokens=100, prompt_tokens=60),
    ]
    frame = metrics.samples(looks)
    assert list(frame.columns) == list(metrics.COLUMNS)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == metrics.COLUMNS | {
        "engine": frame["engine"].dtype.name
    }
    assert list(frame["busy"]) == [0.5, 1, 0.5]
    assert list(frame["completion_tokens_per_s"]) == [20, 50, 10]
    assert list(frame["prompt_tokens_per_s"]) == [0, 0, 30]
    assert list(frame["running"]) == [2, 4, 0]
    assert list(frame["waiting"]) == [1, 0, 0]
    assert frame["time"].iloc[-1] == pd.Timestamp(NOON + timedelta(seconds=3))


def test_a_short_call_that_no_look_has_met_is_found_in_the_seconds_of_llama_cpp():
    frame = metrics.samples([llama(), llama(1, call_seconds=1.25, decodes=30, completion_tokens=30)])
    assert list(frame["busy"]) == [0.25]


def test_vllm_is_as_busy_as_it_is_seen():
    frame = metrics.samples([vllm(), vllm(1, running=3), vllm(2, running=3)])
    assert list(frame["busy"]) == [0.5, 1]
    assert metrics.samples([replace(vllm(), running=None), vllm(1)])["busy"].isna().all()


def test_the_utilisation_is_what_counters_say_and_else_what_looks_have_met():
    llamas = [llama(), llama(4, running=1), llama(10, call_seconds=3.0, decodes=60, completion_tokens=60)]
    assert metrics.utilisation(llamas) == pytest.approx(0.2)
    assert metrics.utilisation([vllm(), vllm(1, running=1), vllm(4)]) == pytest.approx(0.5)
    # A server that was started anew in between: the intervals before and after it count.
    anew = [llama(), llama(10, call_seconds=6.0, decodes=60), llama(20, call_seconds=0.0, decodes=0), llama(30)]
    assert metrics.utilisation(anew) == pytest.approx((0.5 + 0.1) / 2)
    assert metrics.utilisation(llamas[:1]) is None
    assert metrics.utilisation([vllm(running=None), vllm(5, running=None)]) is None


def test_labels_are_what_tells_numbers_apart():
    assert metrics.label_names(TEXTS[LLAMA]) == []
    assert {"engine", "model_name", "finished_reason"} <= set(metrics.label_names(TEXTS[VLLM]))
    with pytest.raises(MetricsError, match="not what a model server answers"):
        metrics.label_names("<html>{")


@pytest.mark.parametrize("looks", [[], [llama()], [llama(), llama()]])
def test_too_few_looks_are_no_samples_but_have_their_columns(looks):
    frame = metrics.samples(looks)
    assert frame.empty
    assert list(frame.columns) == list(metrics.COLUMNS)


# Looking


def engine(answer, key=None):
    return EngineMetrics("http://model:8080", key, transport=httpx.MockTransport(answer))


def counting(count=0):
    """An engine that answers five more tokens at every look."""
    looks = iter(range(count, 10_000))

    def answer(request):
        tokens = 5 * next(looks)
        lines = TEXTS[LLAMA].splitlines()
        told = {"n_decode_total": tokens, "tokens_predicted_total": tokens, "requests_processing": 1}
        kept = [line for line in lines if not any(line.startswith(f"llamacpp:{name}") for name in told)]
        return httpx.Response(200, text="\n".join([*kept, *(f"llamacpp:{n} {v}" for n, v in told.items()), ""]))

    return answer


def test_the_key_is_sent_and_never_shown():
    seen = []

    def answer(request):
        seen.append((request.url.path, request.headers["authorization"]))
        return httpx.Response(200, text=TEXTS[LLAMA])

    with engine(answer, ApiKey(MODEL_KEY)) as looked:
        assert looked.scrape().completion_tokens == 18
        assert repr(looked) == "EngineMetrics(http://model:8080)"
        assert looked.text() == TEXTS[LLAMA]
    assert seen == 2 * [("/metrics", f"Bearer {MODEL_KEY}")]


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (401, '{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}', "wants its key"),
        (403, "Forbidden", "wants its key"),
        (503, '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}', "not ready"),
        (501, '{"error":{"message":"This server does not support metrics endpoint."}}', "has no metrics"),
        (404, "<html>no</html>", "has no metrics"),
        (500, "", "refused"),
        (200, "<html>log in</html>", "not what a model server answers"),
        (302, "", "does not know this engine"),
    ],
)
def test_a_refusal_says_what_to_do(status, body, what):
    with pytest.raises(MetricsError, match=what) as caught:
        engine(lambda request: httpx.Response(status, text=body)).scrape()
    assert caught.value.hint


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("[Errno -2] Name or service not known"), httpx.ReadTimeout("slow")]
)
def test_no_answer_says_what_may_be_in_between(error):
    def answer(request):
        raise error

    with pytest.raises(MetricsError) as caught:
        engine(answer).scrape()
    assert "NetworkPolicy" in caught.value.hint


def test_an_address_that_is_none_is_told():
    with pytest.raises(UsageError, match="not the address of a model server"):
        EngineMetrics("model:8080")


def test_watching_for_a_while_gives_a_row_per_interval():
    frame = engine(counting()).watch(0.5, every=0.1)
    assert 4 <= len(frame) <= 6
    assert frame["seconds"].sum() == pytest.approx(0.5, abs=0.15)
    assert (frame["completion_tokens_per_s"] > 0).all()
    assert (frame["busy"] == 1).all()


def test_watching_goes_on_beside_other_work_and_ends_with_it():
    before = threading.active_count()
    with engine(counting()).watching(every=0.05) as seen:
        wait.until(lambda: len(seen) >= 3, what="three looks", timeout=10)
        live = len(seen.frame)
    assert threading.active_count() == before
    ended = len(seen)
    assert ended >= live >= 3
    assert repr(seen) == f"Samples({ended} intervals)"
    assert seen.busy == 0, "five tokens more at every look, and no seconds of computing"
    assert list(seen.frame.columns) == list(metrics.COLUMNS)


def test_watching_ends_with_the_error_of_its_block_and_leaves_no_thread():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), engine(counting()).watching(every=60):
        _ = 1 / 0
    assert threading.active_count() == before


def test_watching_is_bounded():
    with engine(counting()).watching(every=0.05, longest=0.2) as seen:
        threading.Event().wait(0.6)
        ended = len(seen)
        threading.Event().wait(0.2)
        assert 2 <= ended <= 5
        assert len(seen) == ended


def sometimes(broken):
    """An engine that refuses the looks of these numbers."""
    answer, looks = counting(), iter(range(10_000))
    return lambda request: httpx.Response(503, text="busy") if next(looks) in broken else answer(request)


def test_a_look_that_fails_in_between_only_makes_an_interval_longer():
    frame = engine(sometimes({2})).watch(0.5, every=0.1)
    assert frame["seconds"].max() == pytest.approx(0.2, abs=0.08)
    assert frame["seconds"].sum() == pytest.approx(0.5, abs=0.15)


def test_an_engine_that_cannot_be_looked_at_is_told_before_the_work_begins():
    begun = []
    with pytest.raises(MetricsError, match="not ready"), engine(sometimes({0})).watching():
        begun.append(True)
    assert not begun
    with pytest.raises(MetricsError, match="not ready"):
        engine(sometimes({0})).watch(1)


def test_an_engine_that_is_gone_at_the_end_is_told():
    with (
        pytest.raises(MetricsError, match="not ready"),
        engine(sometimes(range(2, 10_000))).watching(every=0.05) as seen,
    ):
        wait.until(lambda: len(seen) >= 1, what="a look", timeout=10)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "numbers", [{"every": 0}, {"every": 0.001}, {"every": "1"}, {"longest": -1}, {"longest": float("inf")}]
)
def test_spans_of_time_are_checked(numbers):
    with pytest.raises(UsageError, match="seconds"), engine(counting()).watching(**numbers):
        pass
    with pytest.raises(UsageError, match="`seconds`"):
        engine(counting()).watch(0)


def test_certificates_are_checked_against_whom_the_platform_trusts():
    trusted = ssl.create_default_context()
    with EngineMetrics("https://model.example.com", verify=trusted) as looked:
        assert looked.url == "https://model.example.com"


# Finding


SERVICE = {
    "metadata": {"name": "granite"},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "vLLM"}}}},
    "status": {"url": "https://granite.example.com", "servingRuntimeName": "vllm-cuda"},
}
FROM_SECRET = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "model-secret", "key": "api-key"}}}


def runtime(*env):
    return {"spec": {"containers": [{"name": "kserve-container", "env": list(env)}]}}


def test_the_key_is_where_the_recipe_or_the_service_says():
    assert serving_key(SERVICE, runtime({"name": "HF_HOME", "value": "/tmp"}, FROM_SECRET)) == (
        "model-secret",
        "api-key",
    )
    own = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}
    service = {**SERVICE, "spec": {"predictor": {"model": {"env": [own]}}}}
    assert serving_key(service, runtime(FROM_SECRET)) == ("other", "k")


def test_an_open_model_server_has_no_key():
    assert serving_key(SERVICE, runtime()) is None
    assert serving_key(SERVICE, {"spec": {"containers": [{"name": "kserve-container"}]}}) is None


def test_the_recipe_is_the_one_that_was_chosen_or_asked_for():
    assert serving_runtime(SERVICE) == "vllm-cuda"
    assert serving_runtime({**SERVICE, "spec": {"predictor": {"model": {"runtime": "vllm-cpu"}}}}) == "vllm-cpu"
    assert serving_runtime({"spec": {"predictor": {}}}) == ""


def test_a_model_server_without_an_address_is_told():
    assert serving_url(SERVICE) == "https://granite.example.com"
    with pytest.raises(NotFound, match="no address yet") as caught:
        serving_url({**SERVICE, "status": {}})
    assert "granite" in caught.value.hint
