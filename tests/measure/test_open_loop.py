"""Open-loop load on a clock of our own, against queueing theory; no test asserts a real time."""

import itertools
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from harness.measure.open_loop import (
    BOUNDS,
    NEAR,
    SPIN_SECONDS,
    Offered,
    arrivals,
    capacity,
    highest_load,
    most_late,
    offer,
    serve,
)
from harness.stats.levels import hierarchical


class Clock:
    """Goes on when somebody sleeps or works."""

    now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += max(seconds, 1e-6)


class Exact(Clock):
    """Wakes up on time, and spins in one step."""

    def sleep(self, seconds):
        self.now += seconds if seconds > 1e-9 else SPIN_SECONDS


def served(intended, seconds):
    """Serve on a virtual clock, query i taking `seconds(i)`."""
    clock = Clock()
    numbers = iter(range(len(intended)))

    def answer(query):
        clock.now += seconds(next(numbers))

    return serve([answer], 10, intended, seed=0, clock=clock, sleep=clock.sleep)


def test_arrivals_are_a_poisson_process_of_the_seed():
    times = arrivals(200.0, 20_000, seed=1)
    gaps = np.diff(times, prepend=0.0)
    assert (gaps > 0).all()
    assert gaps.mean() == pytest.approx(1 / 200, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 200, rel=0.03)
    assert arrivals(200.0, 20_000, seed=1).tolist() == times.tolist()
    assert arrivals(200.0, 20_000, seed=2).tolist() != times.tolist()


def test_latencies_are_lindleys_recursion():
    rng = np.random.default_rng(3)
    intended, work = arrivals(90.0, 500, seed=4), rng.gamma(2.0, 0.005, 500)
    expected, free = [], 0.0
    for due, seconds in zip(intended, work, strict=True):
        free = max(free, due) + seconds
        expected.append(free - due)
    found = served(intended, lambda i: work[i])
    assert found.latency == pytest.approx(expected, abs=1e-4)
    assert found.service == pytest.approx(work, abs=1e-9)


def test_mean_wait_is_pollaczek_and_khinchines():
    """Constant service time s at load r: the mean wait is s r / (2 (1 - r))."""
    service, load = 0.01, 0.7
    found = served(arrivals(load / service, 60_000, seed=5), lambda i: service)
    assert (found.latency - found.service).mean() == pytest.approx(service * load / (2 * (1 - load)), rel=0.05)


def test_a_stall_is_charged_to_all_who_waited():
    """A loop that waits for answers would see one slow query of 300 here."""
    intended = np.arange(1, 301) * 0.01
    found = served(intended, lambda i: 0.5 if i == 100 else 0.001)
    assert (found.service > 0.1).sum() == 1
    assert (found.latency > 0.1).sum() > 40
    assert found.intended is not None


def test_every_arrival_is_served_once_by_several_servers():
    seen, lock = [], threading.Lock()

    def answer(query):
        with lock:
            seen.append((query, threading.get_ident()))

    found = serve([answer] * 3, 7, arrivals(50_000.0, 400, seed=0), seed=9)
    assert sorted(query for query, _ in seen) == sorted([0, 0, *found.query.tolist()])  # a new thread warms up
    assert set(found.query.tolist()) == set(range(7))
    assert (found.latency >= found.service - 1e-9).all()


def test_an_error_in_a_server_is_raised():
    def answer(query):
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        serve([answer] * 2, 3, arrivals(1e5, 50, seed=0), seed=0)


@pytest.mark.parametrize("broken", [0, 1])
def test_an_error_of_one_server_ends_the_others_before_they_begin_or_later(broken):
    """The second one fails as it warms up, the first one at its first query."""

    def fails(query):
        raise RuntimeError("boom")

    servers = [fails if place == broken else lambda query: None for place in range(3)]
    with pytest.raises(RuntimeError, match="boom"):
        serve(servers, 3, arrivals(1e5, 50, seed=0), seed=0)
    with pytest.raises(RuntimeError, match="boom"):
        capacity(servers, 50)


def test_serving_ends_where_too_many_were_late():
    """Each tenth query takes 0.5 s and makes its successors late, too."""
    clock, numbers = Clock(), iter(range(1000))

    def answer(query):
        clock.now += 0.5 if next(numbers) % 10 == 9 else 0.001

    intended = np.arange(1, 1001) * 0.2
    found = serve([answer], 10, intended, seed=0, give_up=(0.1, 20), clock=clock, sleep=clock.sleep)
    assert (found.latency > 0.1).sum() == 21
    assert found.latency[-1] > 0.1
    assert len(found.query) == len(found.intended) == len(found.latency) == len(found.service) < 1000


def test_all_that_several_servers_took_is_answered_where_they_give_up():
    found = serve([lambda query: None] * 3, 7, np.full(400, -1.0), seed=9, give_up=(0.5, 5))
    assert 6 <= len(found.latency) <= 8  # two others may each be at one more
    assert (found.latency > 0.5).all()
    assert (found.service >= 0).all()


@given(st.integers(1, 5000), st.sampled_from([0.9, 0.99, 0.999]), st.sampled_from([0.5, 0.95, 0.99]))
def test_the_most_late_answers_are_where_the_binomial_says(count, quantile, confidence):
    found = most_late(count, quantile, confidence)
    if found >= 0:
        assert stats.binom.cdf(found, count, 1 - quantile) <= 1 - confidence
    assert stats.binom.cdf(found + 1, count, 1 - quantile) > 1 - confidence


def test_so_many_queries_are_needed_as_loadgen_says():
    """With no late query 459, as loadgen's reports say of p99; the next ones by its own function of the beta."""
    assert [most_late(count) for count in (458, 459)] == [-1, 0]
    assert [most_late(count, 0.999) for count in (4602, 4603)] == [-1, 0]
    for late in (1, 10, 100):
        count = next(n for n in itertools.count(100 * late) if special.betainc(n - late, late + 1, 0.99) <= 0.01)
        assert [most_late(n) for n in (count - 1, count)] == [late - 1, late]


def offered(rate, seconds, bound=0.1, *, least=500, seed=0):
    """Offer a rate on a virtual clock, every query taking as long."""
    clock = Exact()

    def answer(query):
        clock.now += seconds

    return offer([answer], 10, rate, bound, least=least, seed=seed, clock=clock, sleep=clock.sleep)[0]


def late_share(load, seconds, bound):
    """Of M/D/1 at a utilisation: the share of latencies beyond a bound (Erlang 1909)."""
    wait, rate = bound - seconds, load / seconds
    terms = [
        (-rate * (wait - k * seconds)) ** k / math.factorial(k) * math.exp(rate * (wait - k * seconds))
        for k in range(int(wait / seconds + 1e-9) + 1)
    ]
    return 1 - (1 - load) * sum(terms)


def search(seconds, bound, seed, capacity=None, least=500):
    """The highest load of a service that takes as long for every query, as a share of what it can do."""
    seeds = itertools.count(1000 * seed)
    found = highest_load(
        lambda rate: offered(rate, seconds, bound, least=least, seed=next(seeds)),
        capacity=capacity or 1 / seconds,
        steps=7,
    )
    return found.rate * seconds


def test_the_share_of_late_answers_is_that_of_the_theory():
    clock = Exact()

    def answer(query):
        clock.now += 0.01

    load = serve([answer], 10, arrivals(80.0, 300_000, seed=2), seed=0, clock=clock, sleep=clock.sleep)
    for bound, error in ((0.03, 0.04), (0.06, 0.08), (0.1, 0.2)):  # long waits come in few clusters
        assert (load.latency > bound).mean() == pytest.approx(late_share(0.8, 0.01, bound), rel=error)


def test_the_highest_load_of_a_constant_service_is_that_of_the_theory():
    """10 ms at most 100 ms: 77 % of what it can do. Intervals over three processes miss it as rarely as they say."""
    truth = optimize.brentq(lambda load: late_share(load, 0.01, 0.1) - 0.01, 0.2, 0.99)
    assert truth == pytest.approx(0.773, abs=0.001)
    loads = np.asarray([search(0.01, 0.1, seed) for seed in range(60)])
    assert loads.mean() == pytest.approx(truth, abs=0.02)  # 3 standard errors
    assert (loads > 0.6).all()
    assert (loads < 0.92).all()
    missed = 0
    for three in loads.reshape(20, 3):
        _, low, high = hierarchical(three[:, None], {})["mean"]
        missed += not low <= truth <= high
    assert missed <= stats.binom.ppf(0.999, 20, 0.05)


def test_a_fast_service_can_be_overloaded():
    """0.04 ms at most 100 ms: 500 arrivals at five times its capacity would wait 16 ms at most."""
    five_times = offered(5 / 4e-5, 4e-5)
    assert not five_times.bearable
    assert five_times.arrivals == pytest.approx(5 / 4e-5 * BOUNDS * 0.1)
    assert five_times.answered < five_times.arrivals / 20  # it was certain long before the end
    assert five_times.utilisation == pytest.approx(5)
    assert not offered(1.05 / 4e-5, 4e-5).bearable
    half = offered(0.5 / 4e-5, 4e-5)
    assert (half.bearable, half.late, half.answered) == (True, 0, half.arrivals)
    assert half.percentiles.keys() == {"p50", "p99", "p99.9"}
    assert half.percentiles["p99.9"] < 1e-3


def test_no_rate_beyond_what_is_answered_is_bearable_whatever_its_first_latencies():
    """A bound so long that no queue reaches it; and a capacity that was measured too high."""
    over = offered(1.001 / 0.01, 0.01, bound=10.0)
    assert (over.late, over.bearable) == (0, False)
    assert search(4e-4, 0.1, 3) == pytest.approx(NEAR)
    assert 0.9 < search(4e-4, 0.1, 3, capacity=2 / 4e-4) < 1


def test_a_percentile_beyond_the_sample_is_left_out():
    few, many = offered(20.0, 0.01, least=1000), offered(20.0, 0.01, least=4603)
    assert few.percentiles.keys() == {"p50", "p99"}
    assert many.percentiles.keys() == {"p50", "p99", "p99.9"}


def test_highest_load_is_found_by_halving():
    """A threshold at 90 of 100, at 20 and beyond both ends."""

    def found(threshold, steps=20):
        def known(rate):
            return Offered(rate, 500, 500, 0, {}, rate / 100, rate <= threshold)

        return highest_load(known, capacity=100.0, steps=steps)

    assert found(90).rate == pytest.approx(90, rel=1e-4)
    assert found(90).rate <= 90
    assert len(found(90).tried) == 22
    assert found(100).rate == 100 * NEAR
    assert len(found(100).tried) == 2
    assert found(19.9).rate == 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: arrivals(0, 1, 0), "rate"),
        (lambda: highest_load(offered, capacity=0.0), "rate"),
        (lambda: offered(1.0, 0.01, 0.1, least=458), "458 arrivals cannot support"),
    ],
)
def test_impossible_rates_and_samples_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
