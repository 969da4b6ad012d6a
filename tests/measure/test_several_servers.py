"""Several servers on a clock of their own: the queue that they serve, what they can do together, what they bear."""

import heapq
import itertools
import threading

import numpy as np
import pytest
from scipy import optimize, stats

from harness.measure import open_loop
from harness.measure.open_loop import NEAR, SPIN_SECONDS, OpenLoop, arrivals, capacity, highest_load, offer, serve
from harness.stats.levels import hierarchical


class Virtual:
    """A clock for several threads: it goes on when all of them sleep or work, to the first that wakes up.

    Args:
        threads: How many there are.
        count: How many queries they answer in all.
        alone: Whether one works while the others wait, as those do that hold Python's lock.
    """

    def __init__(self, threads, count, *, alone=False):
        self.now, self._running, self._count, self._alone = 0.0, threads, count, alone
        self._begun = self._waiting = 0
        self._free = 0.0
        self._changed, self._tickets = threading.Condition(), itertools.count()
        self._asleep, self._woken, self._warm, self._gone = [], set(), {threading.get_ident()}, {}

    def __call__(self):
        return self._gone.get(threading.get_ident(), self.now)

    def sleep(self, seconds):
        """What a server does that has taken a query and waits until it is due."""
        with self._changed:
            self._waiting += 1
            self._until(self.now + (seconds if seconds > 1e-9 else SPIN_SECONDS))
            self._waiting -= 1

    def work(self, seconds):
        """Answer a query; a new thread's first one takes no time."""
        if threading.get_ident() not in self._warm:
            self._warm.add(threading.get_ident())
            return
        with self._changed:
            self._begun += 1
            begin = max(self.now, self._free) if self._alone else self.now
            self._free = begin + seconds
            self._until(begin + seconds)
            if self._begun + self._waiting == self._count:  # nothing is left for this thread, and its time stands still
                self._gone[threading.get_ident()] = self.now
                self._running -= 1
                self._go_on()

    def _until(self, wake):
        ticket = next(self._tickets)
        heapq.heappush(self._asleep, (wake, ticket))
        self._running -= 1
        self._go_on()
        self._changed.wait_for(lambda: ticket in self._woken)

    def _go_on(self):
        if not self._running and self._asleep:
            self.now, ticket = heapq.heappop(self._asleep)
            self._running += 1
            self._woken.add(ticket)
            self._changed.notify_all()


def queue(servers, intended, seconds):
    """Latencies of a queue with several servers, first come first served (Kiefer and Wolfowitz 1955)."""
    free, latency = [0.0] * servers, []
    for due, needed in zip(intended.tolist(), seconds, strict=True):
        begin = max(heapq.heappop(free), due)
        heapq.heappush(free, begin + needed)
        latency.append(begin + needed - due)
    return np.asarray(latency)


@pytest.mark.parametrize("servers", [2, 3])
def test_latencies_are_those_of_a_queue_with_several_servers(servers):
    count, seconds = 400, 0.01
    intended = arrivals(0.8 * servers / seconds, count, seed=servers)
    time = Virtual(servers, count)
    answers = [lambda query: time.work(seconds)] * servers
    found = serve(answers, 5, intended, seed=0, clock=time, sleep=time.sleep)
    assert found.latency == pytest.approx(queue(servers, intended, [seconds] * count), abs=2 * SPIN_SECONDS)
    assert found.service == pytest.approx(seconds, abs=1e-9)
    assert found.latency.max() > 1.5 * seconds  # some had to wait


@pytest.mark.parametrize(("alone", "together"), [(False, 3.0), (True, 1.0)])
def test_servers_that_hold_the_lock_do_no_more_than_one(alone, together):
    queries, seconds = 40, 0.01
    time = Virtual(3, 3 * queries, alone=alone)
    answers = [lambda query: time.work(seconds)] * 3
    assert capacity(answers, queries, clock=lambda: time.now) == pytest.approx(together / seconds)


def test_each_server_answers_in_a_thread_of_its_own_and_all_queries_are_asked():
    asked = [[], []]
    answers = [lambda query, own=own: own.append((query, threading.get_ident())) for own in asked]
    assert capacity(answers, 200) > 0
    threads = [{thread for _, thread in own} for own in asked]
    assert threads[0] == {threading.get_ident()} or not threads[0]
    assert len(threads[1]) == 1
    assert not threads[0] & threads[1]
    counts = np.bincount([query for own in asked for query, _ in own], minlength=200)
    assert counts.tolist() == [3, *[2] * 199]  # once a server, and the first query to warm the new thread up


def late_share(load, servers, mean, bound):
    """Of M/M/c at a utilisation: the share of latencies beyond a bound, by Erlang's C."""
    offered = load * servers
    terms = np.cumprod([1.0, *(offered / place for place in range(1, servers + 1))])
    waits = terms[-1] / (1 - load) / (terms[:-1].sum() + terms[-1] / (1 - load))
    rate, drain = 1 / mean, servers * (1 - load) / mean
    both = (drain * np.exp(-rate * bound) - rate * np.exp(-drain * bound)) / (drain - rate)
    return (1 - waits) * np.exp(-rate * bound) + waits * both


def found_loads(monkeypatch, servers, seeds, *, mean=0.01, bound=0.1, least=10_000):
    """The highest loads of a simulated service with exponential times, as shares of what it can do."""

    def simulated(answers, queries, intended, *, seed, give_up, clock, sleep):
        seconds = np.random.default_rng(10**6 + seed).exponential(mean, len(intended))
        latency = queue(len(answers), intended, seconds.tolist())
        return OpenLoop(np.zeros(len(intended), np.int32), intended, latency, seconds)

    monkeypatch.setattr(open_loop, "serve", simulated)

    def one(first):
        numbers = itertools.count(first)

        def offered(rate):
            return offer([print] * servers, 1, rate, bound, least=least, seed=next(numbers))[0]

        found = highest_load(offered, capacity=servers / mean, steps=7)
        assert all(tried.rate <= NEAR * servers / mean for tried in found.tried)
        return found.rate * mean / servers

    return np.asarray([one(1000 * seed) for seed in seeds])


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_the_highest_load_of_several_servers_is_that_of_the_theory(monkeypatch, servers):
    """Intervals over three processes miss what the criterion asks for as rarely as they say.

    Of 10,000 latencies 77 may be late for p99 at 99 % confidence, so the rate at which 0.77 % are late is sought.
    """
    share = open_loop.most_late(10_000) / 10_000
    truth, asked = (
        optimize.brentq(lambda load, late=late: late_share(load, servers, 0.01, 0.1) - late, 0.2, 0.98)
        for late in (share, 0.01)
    )
    loads = found_loads(monkeypatch, servers, range(18))
    assert loads.mean() == pytest.approx(truth, abs=0.03)
    assert loads.mean() < asked + 0.01  # what it claims to bear is bearable
    missed = 0
    for three in loads.reshape(6, 3):
        _, low, high = hierarchical(three[:, None], {})["mean"]
        missed += not low <= truth <= high
    assert missed <= stats.binom.ppf(0.999, 6, 0.05)


def test_two_servers_bear_more_than_twice_the_load_of_one(monkeypatch):
    """Whoever comes while one is busy is served by the other."""
    one, two = (found_loads(monkeypatch, servers, range(6)).mean() for servers in (1, 2))
    assert 2 * two > 2.2 * one
