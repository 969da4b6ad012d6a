"""Energy counters as files say they are, estimates that say so, and the price of queries by hand."""

import pytest

from harness.measure.energy import Meter, cost_per_million, estimated


def package(folder, name, joules, span=1000.0):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "energy_uj").write_text(str(int(joules * 1e6)))
    (folder / name / "max_energy_range_uj").write_text(str(int(span * 1e6)))


def test_packages_are_summed_and_their_parts_left_out(tmp_path):
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        package(tmp_path, name, 10)
    found = Meter(tmp_path)
    found.go()
    package(tmp_path, "intel-rapl:0", 13)
    package(tmp_path, "intel-rapl:1", 14.5)
    package(tmp_path, "intel-rapl:0:0", 99)
    found.halt()
    assert found.joules == pytest.approx(7.5)
    assert found.method == "RAPL, 2 package(s)"


def test_what_others_use_while_it_halts_does_not_count(tmp_path):
    package(tmp_path, "intel-rapl:0", 10)
    found = Meter(tmp_path)
    for used, by_others in ((1, 50), (2, 70)):
        found.go()
        joules = int((tmp_path / "intel-rapl:0/energy_uj").read_text()) * 1e-6
        package(tmp_path, "intel-rapl:0", joules + used)
        found.halt()
        package(tmp_path, "intel-rapl:0", joules + used + by_others)
    assert found.joules == pytest.approx(3)


def test_a_counter_that_began_anew(tmp_path):
    package(tmp_path, "intel-rapl:0", 998)
    found = Meter(tmp_path)
    found.go()
    package(tmp_path, "intel-rapl:0", 3)
    found.halt()
    assert found.joules == pytest.approx(5, abs=1e-5)


def test_no_meter_gives_nothing(tmp_path):
    found = Meter(tmp_path)
    found.go()
    found.halt()
    assert found.joules is None


def test_an_estimate_says_so():
    found = estimated(120.0, 15.0, "data sheet")
    assert found.joules == 1800
    assert found.source == "estimated"
    assert "data sheet" in found.method


def test_cost_by_hand():
    """A million queries of 36 ms are 10 hours; at 2 an hour for 4 cores, one of them used: 5."""
    assert cost_per_million(0.036, 2.0, cores_used=1, cores_priced=4) == pytest.approx(5.0)
    with pytest.raises(ValueError, match="cores"):
        cost_per_million(0.036, 2.0, cores_used=5, cores_priced=4)
