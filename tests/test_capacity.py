"""Waiting for shared servers: against textbooks, exact arithmetic, linear algebra and a simulation."""

import math
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maas_lab import capacity
from maas_lab.capacity import Load, Server, hoarded, replicas_for, shared
from maas_lab.errors import UsageError
from tests.queue_simulation import simulate

STORY = Load(people=7, active=1, questions_per_hour=90, tokens_per_answer=400)
SLOW = Server(tokens_per_second=40)  # 10 s an answer
BATCHING = Server(tokens_per_second=40, slots=4, total=100)


def waits(queue):
    return queue.wait_p50, queue.wait_p95, queue.wait_mean


# Textbooks


def crowd(offered, seconds=1.0):
    """So many people that one more or less changes nothing: they keep `offered` servers busy."""
    return Load(100_000, 1, offered * 3600 / seconds / 100_000, 40 * seconds)


@pytest.mark.parametrize("busy", [0.3, 0.5, 0.8])
def test_one_server_and_a_crowd_are_the_queue_m_m_1(busy):
    queue = shared(crowd(busy, seconds=2), Server(40), 1)
    assert queue.utilisation == pytest.approx(busy, rel=1e-3)
    assert queue.wait_mean == pytest.approx(2 * busy / (1 - busy), rel=1e-3)
    assert queue.waiting == pytest.approx(busy, rel=1e-3)
    p50, p95 = (max(0.0, 2 / (1 - busy) * math.log(busy / late)) for late in (0.5, 0.05))
    assert (queue.wait_p50, queue.wait_p95) == pytest.approx((p50, p95), rel=2e-3)


def erlang_b(servers, offered):
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked


def erlang_c(servers, offered):
    blocked = erlang_b(servers, offered)
    return servers * blocked / (servers - offered * (1 - blocked))


def test_the_formulas_these_tests_use_are_those_of_the_printed_tables():
    assert erlang_b(2, 1) == pytest.approx(0.2)
    assert erlang_b(5, 1.361) == pytest.approx(0.01, rel=1e-3)
    assert erlang_b(10, 4.461) == pytest.approx(0.01, rel=1e-3)
    assert erlang_b(100, 84.06) == pytest.approx(0.01, rel=1e-3)
    assert erlang_c(2, 1) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("servers", "offered"), [(2, 1), (5, 4), (10, 8), (31, 26.4), (100, 90), (1000, 950)])
def test_a_crowd_waits_as_erlang_c_says(servers, offered):
    queue = shared(crowd(offered), Server(40), servers)
    delayed, rate = erlang_c(servers, offered), servers - offered  # P(wait > t) = C exp(-(c m - l) t)
    assert queue.waiting == pytest.approx(delayed, rel=0.03)
    assert queue.wait_mean == pytest.approx(delayed / rate, rel=0.05)
    assert queue.wait_p95 == pytest.approx(max(0.0, math.log(delayed / 0.05) / rate), rel=0.1)  # no crowd is infinite
    assert queue.utilisation == pytest.approx(offered / servers, rel=1e-3)
    assert not queue.overloaded


def repairman(people, servers, ratio):
    """Shares of time with 0, 1, ... machines broken, exactly: Gross and Harris; ratio = repair time / time to fail."""
    weights = [Fraction(1)]
    for n in range(people):
        weights.append(weights[-1] * (people - n) * ratio / min(n + 1, servers))
    return [weight / sum(weights) for weight in weights]


def late(people, servers, ratio, seconds, t):
    """P(wait > t): who asks sees the others; n answers end before t as a Poisson number says."""
    mean = servers / seconds * t
    return sum(
        float(share) * sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(found - servers + 1))
        for found, share in enumerate(repairman(people - 1, servers, ratio))
        if found >= servers
    )


@pytest.mark.parametrize("servers", [1, 2, 3, 6])
def test_seven_people_are_the_machine_repairman(servers):
    queue, ratio = shared(STORY, SLOW, servers), Fraction(10, 30)  # 90 questions an hour: every 40 s, 10 of them answer
    shares = repairman(7, servers, ratio)
    busy = sum(share * min(n, servers) for n, share in enumerate(shares))
    waiting = sum(share * max(n - servers, 0) for n, share in enumerate(shares))
    assert queue.utilisation == pytest.approx(float(busy / servers), rel=1e-12)
    assert queue.questions_per_hour == pytest.approx(float(busy * 360), rel=1e-12)
    assert queue.wait_mean == pytest.approx(float(waiting / busy * 10), rel=1e-9)
    assert queue.waiting == pytest.approx(float(sum(repairman(6, servers, ratio)[servers:])), rel=1e-12)
    for share, wait in ((0.5, queue.wait_p50), (0.05, queue.wait_p95)):
        assert late(7, servers, ratio, 10, wait) == pytest.approx(share, rel=1e-9) or (
            wait == 0 and queue.waiting <= share
        )


@pytest.mark.parametrize("people", [1, 2, 7, 40])
def test_one_server_is_as_mean_value_analysis_says(people):
    load = replace(STORY, people=people)
    inside = 0.0
    for n in range(1, people + 1):
        passing = 10 * (1 + inside)  # who comes sees the others (Reiser and Lavenberg)
        through = n / (30 + passing)
        inside = through * passing
    queue = shared(load, SLOW, 1)
    assert queue.wait_mean == pytest.approx(passing - 10, rel=1e-9, abs=1e-9)
    assert queue.questions_per_hour == pytest.approx(3600 * through, rel=1e-9)


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_batching_is_the_balance_of_coming_and_going(replicas):
    """The shares of time from the generator of the Markov chain, by linear algebra instead of the product formula."""
    people, think = 13, 40 - 10
    rates = [BATCHING.rate(np.array([n]), replicas)[0] / 400 for n in range(people + 1)]
    flow = np.zeros((people + 1, people + 1))
    for n in range(people):
        flow[n, n + 1], flow[n + 1, n] = (people - n) / think, rates[n + 1]
    np.fill_diagonal(flow, -flow.sum(axis=1))
    shares = np.linalg.lstsq(np.vstack([flow.T, np.ones(people + 1)]), np.r_[np.zeros(people + 1), 1.0], rcond=None)[0]
    busy = shares @ np.minimum(np.arange(people + 1), 4 * replicas)
    queue = shared(replace(STORY, people=people), BATCHING, replicas)
    assert queue.questions_per_hour == pytest.approx(3600 * (shares @ rates), rel=1e-9)
    assert queue.answer == pytest.approx(busy / (shares @ rates), rel=1e-9)


# Simulation: 3.5 standard errors, so that one of some 2,000 seeds fails; the seeds are fixed.

SCENES = {
    "seven people, one server": (STORY, SLOW, 1),
    "seven people, two servers": (STORY, SLOW, 2),
    "everybody always in line": (replace(STORY, questions_per_hour=3600), SLOW, 3),
    "seven people, batching": (STORY, BATCHING, 1),
    "a department": (replace(STORY, people=300, questions_per_hour=12), SLOW, 11),
    "a department, batching": (replace(STORY, people=300, questions_per_hour=10), BATCHING, 4),
}


def simulated(load, server, replicas, **options):
    def rate(calls):
        return float(server.rate(np.array([calls]), replicas)[0])

    rates = [rate(n) for n in range(load.at_once + 1)]
    think = load.think(server.seconds(load.tokens_per_answer))
    slots = replicas * server.slots
    return simulate(load.at_once, think, load.tokens_per_answer, rates.__getitem__, slots, **options)


@pytest.mark.parametrize("scene", SCENES)
def test_a_simulation_waits_as_long(scene):
    queue, found = shared(*SCENES[scene]), simulated(*SCENES[scene], questions=30_000)
    mean, error = found.batches(found.waits)
    assert queue.wait_mean == pytest.approx(mean, abs=3.5 * error + 1e-9)
    for share, wait in ((0.5, queue.wait_p50), (0.95, queue.wait_p95)):
        within, error = found.batches(found.waits <= wait + 1e-9)
        if wait:
            assert within == pytest.approx(share, abs=3.5 * error)
        else:
            assert within >= share - 3.5 * error
    delayed, error = found.batches(found.waits > 1e-9)
    assert queue.waiting == pytest.approx(delayed, abs=3.5 * error + 1e-9)
    answering = queue.questions_per_hour / 3600 * queue.answer
    assert answering == pytest.approx(found.busy, rel=0.03)


def test_answers_of_one_length_wait_less_than_the_model_says():
    scene = (replace(STORY, people=300, questions_per_hour=1), SLOW, 1)  # five of six seconds busy
    queue, found = shared(*scene), simulated(*scene, questions=30_000, constant=True)
    mean, error = found.batches(found.waits)
    assert mean + 3.5 * error < queue.wait_mean
    assert mean == pytest.approx(queue.wait_mean / 2, rel=0.15)  # Pollaczek and Khinchine: half, for a crowd
    assert found.batches(found.waits <= queue.wait_p95)[0] > 0.95


# What must hold for every load

LOADS = st.builds(
    Load,
    people=st.integers(1, 400),
    active=st.sampled_from([0.05, 0.5, 1.0]),
    questions_per_hour=st.floats(0.1, 3600),
    tokens_per_answer=st.floats(1, 5000),
)
SERVERS = st.builds(
    lambda speed, slots, gain: Server(speed, slots, speed * (1 + gain * (slots - 1))),
    speed=st.floats(1, 500),
    slots=st.integers(1, 32),
    gain=st.floats(0, 1),
)


@settings(deadline=None, max_examples=200)
@given(LOADS, SERVERS, st.integers(1, 60))
def test_littles_law_holds_and_shares_are_shares(load, server, replicas):
    queue = shared(load, server, replicas)
    think = load.think(server.seconds(load.tokens_per_answer))
    around = queue.questions_per_hour / 3600 * (think + queue.wait_mean + queue.answer)
    assert around == pytest.approx(load.at_once, rel=1e-6)
    assert 0 < queue.utilisation <= 1 + 1e-9
    assert 0 <= queue.waiting <= 1 + 1e-9
    assert 0 <= queue.wait_p50 <= queue.wait_p95
    assert queue.questions_per_hour <= load.at_once * load.questions_per_hour * (1 + 1e-9)
    assert queue.answer >= server.seconds(load.tokens_per_answer) * (1 - 1e-9)


@settings(deadline=None, max_examples=200)
@given(LOADS, SERVERS, st.integers(1, 60))
def test_more_servers_wait_less_and_more_people_wait_more(load, server, replicas):
    queue, slack = shared(load, server, replicas), 1e-9
    more = shared(load, server, replicas + 1)
    assert all(after <= before * (1 + slack) + slack for after, before in zip(waits(more), waits(queue), strict=True))
    assert more.utilisation <= queue.utilisation * (1 + slack)
    assert more.questions_per_hour >= queue.questions_per_hour * (1 - slack)
    crowd = shared(replace(load, people=2 * load.people), server, replicas)
    assert all(after >= before * (1 - slack) - slack for after, before in zip(waits(crowd), waits(queue), strict=True))


@settings(deadline=None, max_examples=100)
@given(LOADS, SERVERS, st.floats(0.01, 60))
def test_one_server_fewer_than_the_fewest_is_not_enough(load, server, p95):
    fewest = replicas_for(load, server, p95)
    queue = shared(load, server, fewest)
    assert 1 <= fewest <= load.at_once
    assert fewest == load.at_once or (queue.wait_p95 <= p95 and not queue.overloaded)
    if fewest > 1:
        fewer = shared(load, server, fewest - 1)
        assert fewer.wait_p95 > p95 or fewer.overloaded


# The story


def test_a_server_each_is_idle_most_of_the_time_and_two_shared_ones_do():
    alone, together = hoarded(STORY, SLOW), shared(STORY, SLOW, 3)
    assert (alone.replicas, alone.wait_p95, alone.answer) == (7, 0, 10)
    assert alone.utilisation == pytest.approx(10 / 40)
    assert together.utilisation > 2 * alone.utilisation
    assert replicas_for(STORY, SLOW, 2.0) < 7


def test_those_who_are_not_active_hold_a_server_too():
    many = Load(19_000, 0.05, 20, 200)
    queue = hoarded(many, SLOW)
    assert queue.replicas == 19_000
    assert queue.utilisation == pytest.approx(0.05 * 20 * 5 / 3600)
    assert replicas_for(many, SLOW) == 31


def test_too_few_servers_say_so_and_people_ask_less():
    load = Load(19_000, 0.05, 20, 200)
    queue = shared(load, SLOW, 15)
    assert queue.overloaded
    assert "overloaded" in repr(queue)
    assert queue.utilisation == pytest.approx(1)
    assert queue.questions_per_hour == pytest.approx(15 * 720)
    # All 950 are in a circle: its length is what 15 servers need for 950 answers.
    assert queue.wait_mean == pytest.approx(950 / 15 * 5 - 180, rel=1e-6)


def test_who_asks_faster_than_an_answer_comes_asks_again_at_once():
    load = replace(STORY, questions_per_hour=3600)  # every second, and an answer takes ten
    assert load.think(10) == 0.001
    assert not hoarded(load, SLOW).overloaded
    assert hoarded(load, SLOW).utilisation == pytest.approx(1, rel=1e-3)
    assert replicas_for(load, SLOW) == 7


def test_as_many_slots_as_people_wait_for_nothing():
    for queue in (shared(STORY, SLOW, 7), shared(STORY, BATCHING, 2), shared(STORY, SLOW, 5000)):
        assert (*waits(queue), queue.waiting) == (0, 0, 0, 0)


def test_a_queue_reads_as_one_line():
    assert repr(shared(STORY, SLOW, 2)) == "Queue(2 servers, 77.9% used, waiting p50 0.8 s, p95 20.8 s)"
    assert repr(shared(STORY, SLOW, 7)).startswith("Queue(7 servers, 25.0% used, waiting p50 0.0 s")


# The server


def test_a_slot_alone_is_fast_and_all_of_them_together_are_faster():
    assert BATCHING.seconds(400) == 10
    assert BATCHING.seconds(400, calls=4) == 16
    assert list(BATCHING.rate(np.array([0, 1, 2, 4, 9]), 1)) == [0, 40, 60, 100, 100]
    # Two servers with three calls: one at 40, one with two at 60.
    assert BATCHING.rate(np.array([3]), 2)[0] == 100
    assert Server(40, slots=4).total == 160
    assert Server(50, slots=4, total=45).peak == 50


# Extremes


@pytest.mark.parametrize(
    ("load", "server", "replicas"),
    [
        (Load(100_000, 1, 3600, 1e6), Server(0.001), 1),
        (Load(100_000, 1, 0.001, 1), Server(1e6, 10_000), 1_000_000),
        (Load(19_000, 1, 20, 200), Server(40), 528),
        (Load(19_000, 1, 20, 200), Server(40, 1000, 60), 5),
        (Load(1, 1, 1, 1), Server(1), 1),
    ],
)
def test_extremes_are_numbers(load, server, replicas):
    queue = shared(load, server, replicas)
    numbers = [*waits(queue), queue.utilisation, queue.waiting, queue.answer, queue.questions_per_hour]
    assert all(math.isfinite(number) and number >= 0 for number in numbers)
    assert 1 <= replicas_for(load, server) <= load.at_once


def test_a_slider_does_not_stutter():
    load = Load(19_000, 1, 20, 200)

    def took():
        begin = time.process_time()
        shared(load, SLOW, replicas_for(load, SLOW))
        return time.process_time() - begin

    assert min(took() for _ in range(3)) < 0.05


# Mistakes


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"people": 0}, "1 to 100,000"),
        ({"people": 7.5}, "whole number"),
        ({"people": True}, "whole number"),
        ({"people": "7"}, "whole number"),
        ({"people": 10**9}, "1 to 100,000"),
        ({"active": 0}, "at most 1"),
        ({"active": 5}, "at most 1"),
        ({"active": math.nan}, "above 0"),
        ({"questions_per_hour": -1}, "above 0"),
        ({"questions_per_hour": math.inf}, "at most 3,600"),
        ({"tokens_per_answer": None}, "above 0"),
    ],
)
def test_a_load_that_cannot_be_is_refused(change, hint):
    with pytest.raises(UsageError) as error:
        replace(STORY, **change)
    assert hint in error.value.hint
    assert next(iter(change)) in error.value.what


@pytest.mark.parametrize(
    "make",
    [
        lambda: Server(0),
        lambda: Server(40, slots=0),
        lambda: Server(40, slots=4, total=-1),
        lambda: Server(40, total=60),
        lambda: BATCHING.seconds(400, calls=5),
        lambda: BATCHING.seconds(-1),
        lambda: shared(STORY, SLOW, 0),
        lambda: shared(STORY, SLOW, 1.5),
        lambda: shared(SLOW, STORY, 1),
        lambda: hoarded(STORY, None),
        lambda: replicas_for(STORY, SLOW, 0),
        lambda: replicas_for(STORY, SLOW, math.nan),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(make):
    with pytest.raises(UsageError) as error:
        make()
    assert error.value.hint


def test_whole_numbers_of_sliders_and_measurements_are_whole_numbers():
    assert replace(STORY, people=7.0).people == 7
    assert shared(STORY, SLOW, np.int64(2)) == shared(STORY, SLOW, 2)
    assert capacity.Load is Load
