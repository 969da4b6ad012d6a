"""Open-loop load on a clock of our own, against queueing theory; no test asserts a real time."""

import threading

import numpy as np
import pytest

from harness.measure.open_loop import arrivals, highest_load, serve


class Clock:
    """Goes on when somebody sleeps or works."""

    now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += max(seconds, 1e-6)


def served(intended, seconds):
    """Serve on a virtual clock, query i taking `seconds(i)`."""
    clock = Clock()
    numbers = iter(range(len(intended)))

    def answer(query):
        clock.now += seconds(next(numbers))

    return serve(answer, 10, intended, seed=0, clock=clock, sleep=clock.sleep)


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

    found = serve(answer, 7, arrivals(50_000.0, 400, seed=0), seed=9, servers=3)
    assert sorted(query for query, _ in seen) == sorted(found.query.tolist())
    assert set(found.query.tolist()) == set(range(7))
    assert (found.latency >= found.service - 1e-9).all()


def test_an_error_in_a_server_is_raised():
    def answer(query):
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        serve(answer, 3, arrivals(1e5, 50, seed=0), seed=0, servers=2)


def test_highest_load_is_found_by_halving():
    """p of M/M/1-like growth 1 / (100 - rate): under 0.1 exactly up to 90."""
    found = highest_load(lambda rate: 1 / max(100 - rate, 1e-9), 0.1, lowest=1, highest=100, steps=20)
    assert found.rate == pytest.approx(90, rel=1e-3)
    assert len(found.tried) == 22
    assert highest_load(lambda rate: 1.0, 0.1, lowest=1, highest=100).rate == 0
    assert highest_load(lambda rate: 0.0, 0.1, lowest=1, highest=100).rate == 100


@pytest.mark.parametrize("call", [lambda: arrivals(0, 1, 0), lambda: highest_load(float, 1, lowest=2, highest=1)])
def test_impossible_rates_are_refused(call):
    with pytest.raises(ValueError, match="rate"):
        call()
