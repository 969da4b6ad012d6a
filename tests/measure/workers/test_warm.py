"""Processes that take one order after another: who gets which, what they forget, and when they end."""

import textwrap
from pathlib import Path

import pytest
from tests_support import run_warm

from harness.measure.workers.warm import WarmWorkers
from harness.measure.workers.worker_process import Order, first_to_stop

FUNCTIONS = """
import gc, os, random, sys, time
def state():
    import faiss, numba, numpy, torch
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "collects": [gc.isenabled(), gc.get_freeze_count()],
        "threads": [faiss.omp_get_max_threads(), numba.get_num_threads(), torch.get_num_threads()],
        "dtype": str(torch.get_default_dtype()),
        "grad": [torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()],
        "precision": torch.get_float32_matmul_precision(),
    }
def look(report): return state()
def spoil(report):
    import faiss, numba, numpy, torch
    os.environ["OMP_NUM_THREADS"] = "7"
    os.environ["LEFT"] = "behind"
    os.chdir("/")
    gc.disable()
    gc.freeze()
    random.seed(1)
    numpy.random.seed(1)
    torch.manual_seed(1)
    torch.rand(5)
    torch.set_num_threads(3)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("medium")
    faiss.omp_set_num_threads(3)
    numba.set_num_threads(1)
def draw(seed, report):
    import numpy, torch
    if seed: random.seed(seed); numpy.random.seed(seed); torch.manual_seed(seed)
    return [random.random(), numpy.random.random(), torch.rand(1).item()]
def pid(report): return os.getpid()
def keep(mib, report):
    sys.held = b"x" * (mib << 20)
    return os.getpid()
def farewell(path, report):
    import atexit
    atexit.register(lambda: open(path, "w").close())
    return os.getpid()
def wait(report, seconds=600):
    report(0, 1, "at work")
    time.sleep(seconds)
"""


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """Warm workers for functions of the module above."""
    (tmp_path / "warm_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(str(tmp_path))
    workers = WarmWorkers()
    yield workers
    workers.close()


def order(name, arguments=None, **limits):
    return Order(f"warm_functions:{name}", arguments or {}, allow=("warm_functions",), **limits)


def result(workers, *given, **limits):
    outcome = run_warm(workers, order(*given, **limits))
    assert outcome.status == "ok", outcome.reason
    return outcome.result


def test_a_process_that_was_used_is_as_a_fresh_one(workers):
    """Environment, folder, collector, threads, seeds and settings of the libraries."""
    fresh = result(workers, "look", threads=2)
    result(workers, "spoil", threads=2)
    assert result(workers, "look", threads=2) == fresh


def test_seeds_of_one_order_do_not_decide_what_the_next_draws(workers):
    seeded = result(workers, "draw", {"seed": 5})
    assert result(workers, "draw", {"seed": 5}) == seeded
    first = result(workers, "draw", {"seed": None})
    result(workers, "draw", {"seed": 5})
    second = result(workers, "draw", {"seed": None})
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_a_process_that_has_grown_is_replaced(workers):
    workers.most_held = 300 << 20
    small = result(workers, "keep", {"mib": 1})
    assert result(workers, "keep", {"mib": 400}) == small
    assert result(workers, "pid") != small
    assert not Path(f"/proc/{small}").exists()


def test_two_orders_at_once_have_a_process_each_and_only_so_many_wait(workers):
    both = [workers.begin(order("pid")), workers.begin(order("pid"))]
    for worker in both:
        workers.end(worker, worker.resume())
    first, second = (worker.child.pid for worker in both)
    assert first != second
    assert not Path(f"/proc/{first}").exists(), "it has waited longest"
    assert result(workers, "pid") == second


def test_one_ends_while_another_works(workers):
    heard = []
    slow = workers.begin(order("wait", on_progress=lambda *got: heard.append(got)))
    quick = workers.begin(order("pid"))
    stopped = first_to_stop([slow, quick])
    assert [worker for worker, _ in stopped] == [quick]
    assert first_to_stop([slow], 0.01) == []
    assert slow.child.poll() is None


def test_each_has_its_own_time_limit(workers):
    slow = workers.begin(order("wait", timeout=600))
    stops = workers.begin(order("wait", timeout=0.5))
    ((worker, outcome),) = first_to_stop([slow, stops])
    assert (worker, outcome.status) == (stops, "timeout")


def test_closing_ends_those_at_work_and_those_that_wait(workers):
    idle = result(workers, "pid")
    busy = [workers.begin(order("wait")).child.pid, workers.begin(order("wait")).child.pid]
    assert idle in busy
    workers.close()
    assert not [pid for pid in busy if Path(f"/proc/{pid}").exists()]
    workers.close()  # once more does no harm


def test_a_process_that_waits_is_ended_without_waiting_for_what_it_does_when_it_leaves(workers, tmp_path):
    pid = result(workers, "farewell", {"path": str(tmp_path / "left")})
    workers.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not (tmp_path / "left").exists()


def test_those_that_wait_can_be_ended_alone(workers):
    idle = result(workers, "pid")
    workers.close_idle(1 << 40)
    assert result(workers, "pid") == idle, "it is small"
    workers.close_idle()
    assert not Path(f"/proc/{idle}").exists()
    assert result(workers, "pid") != idle
