"""Energy and cost: arithmetic, labels, and that no claim can rest on them."""

from importlib.metadata import PackageNotFoundError

import pytest
from pydantic import ValidationError
from small_specs import ONCE, beir, load_small
from step_results import energy, latency

from harness.errors import UserError
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.results.energy import cost_records
from harness.spec.models import MeasureSpec

POWER = {"watts_per_core": 4.0, "source": "a table"}
PRICE = {"per_hour": 0.36, "cores": 4, "currency": "EUR", "source": "a list"}


def records(results=(), **measure):
    found = cost_records("r", "c", "s", 0.02, results, MeasureSpec(**measure))
    return {row.metric: row for row in found}


def test_nothing_is_guessed_where_the_spec_gives_no_numbers():
    assert records([latency(energy=energy(None)), latency()]) == {}


def test_the_estimate_says_so_and_where_it_is_from():
    row = records(power=POWER, threads=2)["energy_query"]
    assert row.value == pytest.approx(0.02 * 2 * 4)
    assert row.source == "estimated"
    assert "4 W (a table)" in row.method


def test_a_meter_goes_before_an_estimate():
    metered = [latency(energy=energy(joules)) for joules in (3.0, 5.0)]
    row = records(metered, power=POWER)["energy_query"]
    assert (row.value, row.source, row.n) == (pytest.approx(0.4), "measured", 20)
    assert "RAPL" in row.method


def test_a_million_queries_cost_the_time_of_their_share_of_the_machine():
    row = records(price=PRICE, threads=2)["cost_million_queries"]
    assert row.value == pytest.approx(1e6 * 0.02 / 3600 * 0.36 * 2 / 4)
    assert row.source == "estimated"
    assert row.method.startswith("EUR")


def test_nothing_is_said_of_what_searched_in_processes_that_were_not_measured():
    assert records([latency(elsewhere=2)], power=POWER, price=PRICE) == {}


class Listed:
    """The distribution, as far as it is read."""

    version = "3.0"

    def __init__(self, folder):
        self.folder = folder

    def locate_file(self, path):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text("Name,TDP\nAMD EPYC 77,100\nAMD EPYC 7763,280.0\nIntel Core i7,45\n")
        return self.folder / path


def test_watts_are_looked_up_by_the_processor_s_name(monkeypatch, tmp_path):
    monkeypatch.setattr("harness.measure.energy.distribution", lambda name: Listed(tmp_path))
    monkeypatch.setattr("harness.measure.energy.cpu_model", lambda: "AMD EPYC 7763 64-Core Processor")
    row = records(power={"processor_cores": 64})["energy_query"]
    assert row.value == pytest.approx(0.02 * 280 / 64)
    assert row.source == "estimated"
    assert "280 W design power of AMD EPYC 7763 among 64 cores, codecarbon 3.0" in row.method
    named = records(power={"processor_cores": 4, "processor": "Intel(R) Core(TM) i7 CPU"})["energy_query"]
    assert named.value == pytest.approx(0.02 * 45 / 4)


@pytest.mark.parametrize(("listed", "message"), [(True, "does not list the processor 'Z80'"), (False, "not installed")])
def test_watts_that_cannot_be_looked_up_stop_a_run_before_it_begins(monkeypatch, tmp_path, listed, message):
    def found(name):
        if not listed:
            raise PackageNotFoundError(name)
        return Listed(tmp_path)

    monkeypatch.setattr("harness.measure.energy.distribution", found)
    measure = {**ONCE, "power": {"processor_cores": 2, "processor": "Z80"}}
    spec = load_small(tmp_path, collections={"mine": beir(tmp_path)}, measure=measure)
    with pytest.raises(UserError, match=message):
        system_stages(spec, "machine")


@pytest.mark.parametrize("power", [{}, {"watts_per_core": 4.0}, {"processor_cores": 2, **POWER}])
def test_watts_are_given_or_looked_up(power):
    with pytest.raises(ValidationError):
        MeasureSpec(power=power)


@pytest.mark.parametrize("metric", ["energy_query", "cost_million_queries"])
def test_no_claim_can_rest_on_them(tmp_path, metric):
    claim = {"name": "x", "metric": metric, "system": "lexical", "baseline": "lexical", "ratio_at_most": 1}
    with pytest.raises(UserError, match="a claim cannot use"):
        load_small(tmp_path, collections={"mine": beir(tmp_path)}, claims=[claim])
