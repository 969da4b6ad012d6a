"""What is said of queries without a model: against which system, and only what the run has measured."""

import numpy as np
import pytest
from runs import write_run

from harness.runs.read import load_run
from harness.stats.means import difference
from reports.sections.looked_up import HEADING, SHOWN, on_all, sentences

RNG = np.random.default_rng(5)
MODEL = {f"q{n}": float(value) for n, value in enumerate(RNG.random(40))}
LOOKED = {name: float(np.clip(value - 0.1 + RNG.normal(0, 0.05), 0, 1)) for name, value in MODEL.items()}
SETTINGS = {"model": "m", "queries": "model", "lookup": "root-idf", "query_terms": 9}
VALUES = {
    ("looked", "latency_encode/p50"): 1e-4, ("model", "latency_encode/p50"): 1e-2,
    ("looked", "latency_total/p50"): 1e-3, ("model", "latency_total/p50"): 1.1e-2,
    ("looked", "service_bytes"): 2.0**20, ("model", "service_bytes"): 2.0**24,
}  # fmt: skip


def run_of(folder, settings=None, index="inverted", values=VALUES, quality=True):
    looked = SETTINGS | {"queries": "lookup", "query_terms": None} | (settings or {})
    systems = [
        {"name": name, "collection": "alpha", "encoder": name, "encoder_type": "sparse-encoder",
         "status": "ok", "reason": "", "encoder_params": params, "index": "i", "index_type": kind, "index_params": {}}
        for name, params, kind in (("model", SETTINGS, "inverted"), ("looked", looked, index))
    ]  # fmt: skip
    given = {"looked": LOOKED, "model": MODEL} if quality else None
    return load_run(write_run(folder, values=dict(values), quality=given, systems=systems, measure={"confidence": 0.9}))


def test_a_sentence_has_what_is_lost_and_what_is_gained(tmp_path):
    ((heading, text),) = sentences(run_of(tmp_path), "alpha")
    value, low, high = difference(list(LOOKED.values()), list(MODEL.values()), confidence=0.9)
    assert heading == HEADING and high < 0
    assert text == (
        f"looked against model: nDCG@10 {value:+.3f} [{low:+.3f}, {high:+.3f}]; encoding a query takes 0.100 ms "
        "instead of 10.0 ms (100 times as fast); a whole query takes 1.00 ms instead of 11.0 ms (11 times as fast); "
        "the service holds 1.00 MiB instead of 16.00 MiB."
    )


def test_what_was_not_measured_is_left_out(tmp_path):
    values = {key: value for key, value in VALUES.items() if key[1] == "service_bytes"}
    ((_, text),) = sentences(run_of(tmp_path / "memory", values=values, quality=False), "alpha")
    assert text == "looked against model: the service holds 1.00 MiB instead of 16.00 MiB."
    assert sentences(run_of(tmp_path / "nothing", values={}, quality=False), "alpha") == []


@pytest.mark.parametrize("change", [{"settings": {"model": "other"}}, {"index": "scipy"}])
def test_another_model_or_index_is_no_counterpart(tmp_path, change):
    assert sentences(run_of(tmp_path, **change), "alpha") == []


def test_a_folder_without_settings_of_encoders_gives_nothing(tmp_path):
    assert sentences(load_run(write_run(tmp_path, quality={"looked": LOOKED})), "alpha") == []


def test_an_overview_has_few_of_them(tmp_path):
    run = run_of(tmp_path)
    ((_, text),) = on_all(run, ["alpha", "beta"])
    assert text.startswith("On alpha, looked against model: ")
    assert on_all(run, ["alpha"] * (SHOWN + 1)) == []
