"""Energy and cost: arithmetic, labels, and that no claim can rest on them."""

import pytest
from tests_support import SPEC

from harness.errors import UserError
from harness.pipeline.axes import REGISTRIES
from harness.pipeline.cost import cost_records
from harness.spec.load import load_spec
from harness.spec.models import MeasureSpec

POWER = {"watts_per_core": 4.0, "source": "a table"}
PRICE = {"per_hour": 0.36, "cores": 4, "currency": "EUR", "source": "a list"}


def records(results=(), **measure):
    found = cost_records("r", "c", "s", 0.02, results, MeasureSpec(**measure))
    return {row.metric: row for row in found}


def test_nothing_is_guessed_where_the_spec_gives_no_numbers():
    assert records([{"energy": {"joules": None, "method": "no meter", "queries": 10}}, {}]) == {}


def test_the_estimate_says_so_and_where_it_is_from():
    row = records(power=POWER, threads=2)["energy_query"]
    assert row.value == pytest.approx(0.02 * 2 * 4)
    assert row.source == "estimated"
    assert "4 W (a table)" in row.method


def test_a_meter_goes_before_an_estimate():
    metered = [{"energy": {"joules": j, "method": "RAPL, 1 package(s)", "queries": 10}} for j in (3.0, 5.0)]
    row = records(metered, power=POWER)["energy_query"]
    assert (row.value, row.source, row.n) == (pytest.approx(0.4), "measured", 20)
    assert "RAPL" in row.method


def test_a_million_queries_cost_the_time_of_their_share_of_the_machine():
    row = records(price=PRICE, threads=2)["cost_million_queries"]
    assert row.value == pytest.approx(1e6 * 0.02 / 3600 * 0.36 * 2 / 4)
    assert row.source == "estimated"
    assert row.method.startswith("EUR")


@pytest.mark.parametrize("metric", ["energy_query", "cost_million_queries"])
def test_no_claim_can_rest_on_them(tmp_path, metric):
    file = tmp_path / "spec.toml"
    system = "<script>alert(1)</script>"
    claim = f'[[claims]]\nname="x"\nmetric="{metric}"\nsystem="{system}"\nbaseline="{system}"\nratio_at_most=1\n'
    file.write_text(SPEC.format(folder=tmp_path) + claim)
    with pytest.raises(UserError, match="no claim can rest on"):
        load_spec(file, REGISTRIES)
