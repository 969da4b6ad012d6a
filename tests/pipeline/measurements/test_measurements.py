"""What `measure.also` asks for: its stages, its steps on a tiny system, and its records."""

import json
import textwrap
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import step_results
from added import Added
from scipy import stats
from step_results import stored
from tests_support import write_collection

from harness.errors import UserError
from harness.measure.open_loop import Offered
from harness.measure.workers.isolated import run_isolated
from harness.pipeline.measurements import Subject, load, registry
from harness.pipeline.results.optional_records import extra_notes, extra_records
from harness.pipeline.stage import Stage
from harness.pipeline.steps.service_memory import ServiceMemory
from harness.pipeline.steps.serving import BatchTimes, ColdTimes, LoadSearch
from harness.spec.models import MeasureSpec

MIB = 1 << 20


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """Arguments of a serving step for BM25 over six documents."""
    from harness.pipeline.steps import encode, fit, index, prepare

    folder = tmp_path_factory.mktemp("system")
    paths = {name: folder / name for name in ("collection", "model", "vectors", "index", "out")}
    for path in paths.values():
        path.mkdir()
    at = {name: str(path) for name, path in paths.items()}
    quiet = {"report": lambda *_: None, "type": "bm25", "params": {}, "threads": 1}
    prepare.prepare(
        out=at["collection"], type="beir", params={"path": str(write_collection(folder))}, report=quiet["report"]
    )
    fit.fit(out=at["model"], corpus=at["collection"], seed=0, **quiet)
    encode.encode(out=at["vectors"], model=at["model"], collection=at["collection"], **quiet)
    index.build(out=at["index"], type="inverted", params={}, vectors=at["vectors"], report=quiet["report"])
    served = {"encoder_type": "bm25", "encoder_params": {}, "index_type": "inverted", "k": 3, "threads": 1}
    return {**served, **{name: at[name] for name in ("collection", "model", "index", "out")}, "report": quiet["report"]}


def test_a_cold_start_says_how_cold_it_was(system):
    from harness.pipeline.steps.serving import cold_start

    found = cold_start(process=0, **system)
    assert found.cached_after <= found.cached_before <= found.size
    assert found.size > 1000
    assert min(found.load_seconds, found.first_query_seconds) > 0
    assert len(found.conditions.sentinel) == 2
    assert found.conditions.repeated == ()


def test_throughput_has_a_time_for_each_pass_and_side(system):
    from harness.pipeline.steps.serving import throughput

    found = throughput(queries=2, repeats=3, attempts=1, component="1", process=0, **system)
    assert found.queries == 2
    assert len(found.encode) == len(found.search) == 3
    assert min(found.encode + found.search) > 0
    assert len(found.conditions.sentinel) == 2


def test_shards_in_other_processes_are_told_of(system, monkeypatch):
    """A cold start is refused: what they read came from a page cache that nobody dropped."""
    from harness.pipeline.steps import serving

    def spread(*given, real=serving.open_index):
        engine = real(*given)
        engine.reach, engine.elsewhere = (lambda: None), (lambda: [("", ""), ("", "")])
        return engine

    monkeypatch.setattr(serving, "open_index", spread)
    found = serving.throughput(queries=2, repeats=1, attempts=1, component="1", process=0, **system)
    assert "2 other processes searched" in found.conditions.violation
    with pytest.raises(UserError, match="other processes opened the shards"):
        serving.cold_start(process=0, **system)


def test_the_highest_load_keeps_all_samples(system, monkeypatch):
    from pathlib import Path

    from harness.measure import open_loop
    from harness.pipeline.steps import serving

    asked = {"queries": None, "arrivals": 500, "servers": 1, "warmup": 2, "seed": 1, "process": 0}
    monkeypatch.setattr(open_loop, "BOUNDS", 1e-9)  # a bound that no machine is too busy for, and short tries
    found = serving.open_loop(bound=1000.0, **asked, **system)
    assert 0 <= found.rate < found.capacity
    first = found.tried[0]
    assert (first.rate, first.late, first.answered) == (pytest.approx(found.capacity / 5), 0, 500)
    latency, service, tried = (np.load(Path(system["out"]) / f"{n}.npy") for n in ("latency", "service", "tried"))
    assert np.bincount(tried).tolist() == [offered.answered for offered in found.tried]
    assert len(latency) == len(service) == len(tried)
    assert (latency >= service * (1 - 1e-6)).all()
    assert np.quantile(latency[tried == 0], 0.99) == pytest.approx(first.percentiles["p99"], rel=1e-5)
    impossible = serving.open_loop(bound=1e-9, **asked, **system)
    assert (impossible.rate, len(impossible.tried), impossible.tried[0].answered) == (0, 1, 1)


def test_each_process_has_arrivals_of_its_own(system, monkeypatch):
    from harness.measure import open_loop
    from harness.pipeline.steps import serving

    seeds = []

    def offer(*given, seed, real=open_loop.offer, **more):
        seeds.append(seed)
        return real(*given, seed=seed, **more)

    monkeypatch.setattr(open_loop, "BOUNDS", 1e-9)
    monkeypatch.setattr(open_loop, "offer", offer)
    for process in (0, 1):
        serving.open_loop(queries=2, arrivals=500, servers=1, warmup=0, seed=1, process=process, bound=1e-9, **system)
    assert len(seeds) == len(set(seeds)) == 2


def test_each_of_several_servers_has_an_encoder_and_a_searcher_of_its_own(system, monkeypatch):
    import threading

    from harness.measure import open_loop
    from harness.pipeline.steps import serving

    used = {}

    def answer(self, text, real=serving.Served.answer):
        # by the thread itself: the number of a thread that has ended is given to a new one
        thread = threading.current_thread()
        used.setdefault(thread, set()).add((id(self.encoder), id(self.searcher), id(self.engine)))
        return real(self, text)

    monkeypatch.setattr(open_loop, "BOUNDS", 1e-9)
    monkeypatch.setattr(serving.Served, "answer", answer)
    asked = {"queries": None, "arrivals": 500, "warmup": 0, "seed": 1, "process": 0}
    found = serving.open_loop(bound=1e-9, servers=3, **asked, **system)
    assert (found.servers, found.conditions.threads_asked) == (3, 3)
    here = used.pop(threading.current_thread())  # warm-up of all, and the first server's own
    assert len(here) == 3
    assert all(len(own) == 1 and own < here for own in used.values())
    encoders, searchers, engines = (set(column) for column in zip(*here, strict=True))
    assert (len(encoders), len(searchers), len(engines)) == (3, 3, 1)


def load_search(*rates, bound=0.1, servers=1):
    """What processes give that bore these rates."""
    percentiles = {"p50": 0.01, "p99": 0.08}
    return [
        LoadSearch(
            step_results.conditions(),
            rate,
            capacity=100.0,
            tried=(
                Offered(20.0, 1000, 1000, 0, percentiles, 0.2, rate >= 20),
                *((Offered(rate, 1000, 1000, 2, {"p50": 0.02, "p99": 0.09}, rate / 100, True),) if rate else ()),
            ),
            bound=bound,
            servers=servers,
        )
        for rate in rates
    ]


def recorded_load(*rates):
    added = Added()
    registry.get("load")().records({"load": load_search(*rates)}, added)
    return added.by_name()


def test_the_highest_load_is_a_mean_over_processes_with_an_interval():
    rows = recorded_load(70.0, 80.0, 75.0)
    highest = rows["highest_load"]
    assert highest.value == pytest.approx(75)
    low, high = highest.interval
    half = stats.t.ppf(0.975, 2) * np.std(np.log([70, 80, 75]), ddof=1) / np.sqrt(3)
    assert (low, high) == pytest.approx((75 * np.exp(-half), 75 * np.exp(half)))
    assert highest.n == 3
    assert "at most 100 ms" in highest.method
    assert "at least 1,000 arrivals" in highest.method
    assert rows["loaded_latency/p99"].value == pytest.approx(0.09)
    assert "loaded_latency/p99.9" not in rows
    assert recorded_load(70.0)["highest_load"].interval is None
    assert "servers" not in highest.method


def test_each_number_of_servers_has_records_of_its_own():
    added = Added()
    registry.get("load")().records(
        {"load": load_search(70.0, 80.0), "load/2": load_search(140.0, 150.0, servers=2)}, added
    )
    rows = added.by_name()
    names = ["highest_load", "loaded_latency/p50", "loaded_latency/p99"]
    assert [*rows] == [*names, *(f"{name}/2" for name in names)]
    assert [rows[name].value for name in ("highest_load", "highest_load/2")] == pytest.approx([75, 145], rel=1e-3)
    assert "2 servers in threads of one process" in rows["highest_load/2"].method


def test_each_number_of_servers_is_measured_by_processes_of_its_own(monkeypatch):
    monkeypatch.setattr(load, "usable_cores", lambda: 8)
    subject, _ = subject_of(load_servers=[1, 2, 4], threads=2)
    stages = registry.get("load")().stages(subject)
    assert [stage.kind for stage in stages] == ["load", "load/2", "load/4"] * 2
    assert [stage.arguments["servers"] for stage in stages] == [1, 2, 4] * 2
    assert {(stage.threads, stage.arguments["threads"]) for stage in stages} == {(2, 2)}
    assert len({stage.key for stage in stages}) == 6
    pinned = registry.get("load")().stages(replace(subject, latency=replace(subject.latency, pinned=True)))
    assert [stage.pinned for stage in pinned] == [True, False, False] * 2


@pytest.mark.parametrize(
    ("servers", "threads", "cores", "most"), [([1, 3], 1, 2, 2), ([2], 2, 3, 1), ([4], 1, 1, 1), ([1, 9], 2, 16, 8)]
)
def test_more_servers_than_processors_are_refused_before_any_work(monkeypatch, servers, threads, cores, most):
    monkeypatch.setattr(load, "usable_cores", lambda: cores)
    subject, _ = subject_of(load_servers=servers, threads=threads)
    with pytest.raises(UserError, match="cannot work at the same time") as error:
        registry.get("load")().stages(subject)
    assert error.value.key == "measure.load_servers"
    assert error.value.remedy == f"give no number above {most}"


def test_one_server_is_taken_on_any_machine(monkeypatch):
    monkeypatch.setattr(load, "usable_cores", lambda: 1)
    subject, _ = subject_of(threads=2)
    assert registry.get("load")().stages(subject)


def test_a_process_that_bore_nothing_leaves_the_highest_load_without_an_interval():
    rows = recorded_load(0.0, 80.0)
    assert (rows["highest_load"].value, rows["highest_load"].n, rows["highest_load"].interval) == (40, 2, None)
    assert rows.keys() == {"highest_load"}
    assert recorded_load(0.0, 0.0)["highest_load"].value == 0


def test_a_service_is_opened_part_by_part_and_answers(system, tmp_path):
    from harness.pipeline.steps import encode
    from harness.pipeline.steps.service_memory import service_memory

    of_encoder = {"type": "bm25", "params": {}, "model": system["model"], "threads": 1}
    encode.encode(out=str(tmp_path), collection=system["collection"], report=system["report"], **of_encoder)
    measured = service_memory(index_params={}, vectors=str(tmp_path), queries=None, process=0, **system)
    assert measured.documents == 6
    assert measured.queries >= 2
    assert measured.query >= 0


def test_an_encoder_of_known_size_is_weighed(tmp_path, monkeypatch):
    (tmp_path / "heavy_library.py").write_text("import numpy\nHELD = numpy.ones(60 << 20, numpy.uint8)\n")
    (tmp_path / "weigh_functions.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from types import SimpleNamespace
            from harness.pipeline.steps import footprint
            class Fake:
                def load(self, directory, threads):
                    import heavy_library  # 60 MiB, but not the encoder's
                    self.weights = np.ones(50 << 20, np.uint8); return self
                def encode_documents(self, texts): np.ones(len(texts) * (10 << 20), np.uint8)
                def count_tokens(self, texts, role): return [1 for _ in texts]
            def weigh(collection, report):
                footprint.open_type = lambda type, params: Fake()
                return footprint.encoder_memory(out="", encoder_type="", encoder_params={}, model=collection,
                    collection=collection, threads=1, batch=4, report=report)
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = [json.dumps({"id": str(i), "text": "words"}) for i in range(6)]
    (tmp_path / "documents.jsonl").write_text("\n".join(rows) + "\n")
    found = run_isolated("weigh_functions:weigh", {"collection": str(tmp_path)}, allow=("weigh_functions",)).result
    assert found["anonymous"] == pytest.approx(50 * MIB, rel=0.1)
    assert abs(found["file"]) < 5 * MIB
    assert found["activation"] == pytest.approx(40 * MIB, rel=0.1)
    assert (found["batch"], found["tokens"]) == (4, 4)


def batch(encode, search):
    """What one process of 10 queries and one thread gives."""
    return BatchTimes(step_results.conditions(), encode, search, queries=10, threads=1, component="1")


def subject_of(**also):
    arguments = {"encoder_type": "bm25", "encoder_params": {}, "index_type": "inverted", "k": 3, "seed": 1}
    function = "harness.pipeline.steps.timing:latency"
    make = Stage("make", "make", function, {})
    inputs = dict.fromkeys(("model", "index", "collection"), make)
    latency = Stage("latency", "latency", function, arguments, inputs, measures="time")
    memory = Stage("memory", "memory", function, {"type": "inverted", "params": {}}, about={"machine": "m"})
    measure = MeasureSpec(processes=2, **also)
    subject = Subject("s / c", measure, latency, make, make, make, memory, exact=True)
    return subject, latency


def pattern(**also):
    subject, latency = subject_of(**also)
    return latency, {name: registry.get(name)().stages(subject) for name in subject.measure.also}


def test_nothing_else_is_measured_unless_it_is_asked_for():
    assert pattern()[1] == {}
    assert [name for name in registry.names() if registry.get(name)().implied(subject_of()[0])] == ["service-memory"]
    asked = pattern(also=["cold", "throughput", "load", "encoder-memory"])[1]
    kinds = [stage.kind for stages in asked.values() for stage in stages]
    both = ["throughput/1", "throughput/all"]
    assert kinds == ["cold", "cold", *both, *both, "load", "load", "encoder-memory"]


def test_each_has_a_key_of_its_own_and_a_process_of_its_own():
    _, by_name = pattern(also=["cold", "throughput", "load", "encoder-memory"])
    stages = [stage for each in by_name.values() for stage in each]
    assert len({stage.key for stage in stages}) == len(stages)
    memory = {"encoder-memory", "service-memory"}
    assert all(stage.measures == ("memory" if stage.kind in memory else "time") for stage in stages)
    one, many = ([s for s in stages if s.kind == f"throughput/{threads}"] for threads in ("1", "all"))
    assert [(stage.threads, stage.arguments["threads"]) for stage in one] == [(1, 1), (1, 1)]
    assert all(stage.threads == stage.arguments["threads"] >= 1 for stage in many)
    assert [stage.arguments["process"] for stage in many] == [0, 1]


def results(first, stages, **by_kind):
    """A system with these results, and one failure where a kind has none."""
    done = {}
    for stage in (first, *(stage for each in stages.values() for stage in each)):
        found = by_kind.get(stage.kind)
        artefact = stored(found) if found else None
        done[stage.key] = SimpleNamespace(artefact=artefact, status="ok" if found else "timeout", reason="too long")
    extras = tuple(stage for each in stages.values() for stage in each)
    about = {"collection": "c", "system": SimpleNamespace(name="s")}
    one = SimpleNamespace(latency=(first,), extras=extras, measurements=stages, **about)
    return one, done


def test_records_are_worked_out_from_the_results_and_a_failure_is_noted():
    latency, stages = pattern(also=["cold", "throughput", "load"])
    one, done = results(
        latency,
        stages,
        latency=step_results.latency(load_seconds=2.0, first_query_seconds=0.5),
        cold=ColdTimes(step_results.conditions(), 100, 100, 3, load_seconds=4.0, first_query_seconds=1.0),
        **{"throughput/1": batch((2.0, 2.0), (0.5, 0.5))},
    )
    rows = {row.metric: row for row in extra_records("r", one, done, 0.95)}
    values = {name: row.value for name, row in rows.items()}
    assert values == {
        "load_seconds": 2.0, "first_query_seconds": 0.5, "timer_overhead": 60e-9,
        "cold_load_seconds": 4.0, "cold_first_query_seconds": 1.0,
        "throughput_encode/1": 5.0, "throughput_search/1": 20.0,
    }  # fmt: skip
    assert "3.0% of the files' bytes stayed" in rows["cold_load_seconds"].method
    assert rows["load_seconds"].ci_low is None
    assert rows["throughput_search/1"].n == 2  # processes, of two passes each
    failed = [note.partition(":")[0] for note in extra_notes([one], done)]
    assert failed == [
        "throughput at all thread(s), process 1, of s / c",
        "throughput at all thread(s), process 2, of s / c",
        "highest load, process 1, of s / c",
        "highest load, process 2, of s / c",
    ]


def test_a_service_takes_what_its_parts_take():
    latency, stages = pattern(also=["service-memory"])
    one, done = results(latency, stages)
    sizes = iter([(100, 30, -4, 10), (120, 30, 0, 10)])
    for stage in stages["service-memory"]:
        result = ServiceMemory(*next(sizes), documents=6, queries=2)
        done[stage.key] = SimpleNamespace(artefact=stored(result), status="ok", reason="")
    rows = {row.metric: row for row in extra_records("r", one, done, 0.95)}
    assert {name.partition("/")[2]: row.value for name, row in rows.items()} == {
        "": 150.0, "encoder": 110.0, "index": 30.0, "identifiers": 0.0, "query": 10.0,
    }  # fmt: skip
    whole = rows["service_bytes"]
    assert (whole.n, whole.source, whole.unit) == (2, "measured", "bytes")
    assert whole.ci_low < 140 < 160 < whole.ci_high
    assert rows["service_bytes/identifiers"].ci_low is None
    surer = {row.metric: row for row in extra_records("r", one, done, 0.99)}["service_bytes"]
    assert surer.ci_low < whole.ci_low < whole.ci_high < surer.ci_high


def test_a_service_is_measured_once_for_systems_that_differ_in_name_alone():
    subject, latency = subject_of()
    named = replace(latency, about={"machine": "m", "system": "other"})
    measurement = registry.get("service-memory")()
    first, second = measurement.stages(subject)
    assert first.key != second.key
    assert [stage.key for stage in measurement.stages(replace(subject, latency=named))] == [first.key, second.key]
    assert first.inputs.keys() == {"model", "index", "collection", "vectors"}
