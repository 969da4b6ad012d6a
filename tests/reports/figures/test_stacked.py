"""Stacked bars: the table has every length that is drawn, and the parts of a bar adjoin."""

import itertools
import re
from types import SimpleNamespace
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import record
from harness.runs.read import load_run
from reports.figures.stacked import SERVICE, index_memory, query_time, service_memory, service_parts, stacked

PARTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(["x", "y"]), st.floats(1, 1e12), min_size=1),
    min_size=1,
)


def run_of(values):
    """A run with these values by (system, metric)."""
    rows = [record("r", "c", system, name, value, method="m") for (system, name), value in values.items()]
    names = list(dict.fromkeys(system for system, _ in values))
    cells = {("c", row.system, row.metric): row for row in rows}
    return SimpleNamespace(cells=lambda: cells, names=lambda _: names, records_of=lambda _: rows)


def bars(figure):
    """(left, width, title) of each bar."""
    drawn = Xml.fromstring(figure.svg).iter("rect")  # noqa: S314 - our own drawing
    return [(float(bar.get("x")), float(bar.get("width")), bar[0].text) for bar in drawn]


@given(PARTS)
def test_bars_adjoin_and_are_as_long_as_their_values(parts):
    figure = stacked(["x", "y"], parts, "bytes", "Caption.")
    drawn, totals = bars(figure), {}
    for system in ("x", "y"):
        own = [bar for bar in drawn if bar[2].startswith(f"{system}, ")]
        assert len(own) == sum(system in values for values in parts.values())
        for (left, width, _), (following, _, _) in itertools.pairwise(own):
            assert left + width == pytest.approx(following, abs=0.11)
        totals[system] = sum(values.get(system, 0) for values in parts.values())
    longest = max(totals.values())
    widest = max(sum(width for _, width, title in drawn if title.startswith(system)) for system in totals)
    for left, width, title in drawn:
        system, part = re.match(r"(\w), (\w):", title).groups()
        assert width == pytest.approx(parts[part][system] / longest * widest, abs=0.5), left


def test_the_table_has_each_part_and_the_sum():
    parts = {"encoder": {"x": 3 * 2.0**20, "y": 2.0**20}, "index": {"x": 2.0**20}}
    figure = stacked(["y", "x", "none"], parts, "bytes", "Caption.")
    assert figure.head == ("System", "encoder", "index", "Sum")
    assert figure.rows == [["y", "1.00 MiB", "–", "1.00 MiB"], ["x", "3.00 MiB", "1.00 MiB", "4.00 MiB"]]
    assert [text for _, text in figure.legend] == ["encoder", "index"]


@pytest.mark.parametrize(
    ("value", "unit", "axis"),
    [(5e9, "bytes", "GiB"), (5e6, "bytes", "MiB"), (5e3, "bytes", "KiB"), (5, "bytes", "KiB"), (2, "seconds", "s"),
     (2e-3, "seconds", "ms"), (2e-6, "seconds", "µs"), (2e-9, "seconds", "µs")],
)  # fmt: skip
def test_the_axis_has_the_unit_of_the_longest_bar(value, unit, axis):
    assert f">{axis}</text>" in stacked(["x"], {"a": {"x": value}}, unit, "Caption.").svg


def test_nothing_is_drawn_without_values(run_folder):
    run = load_run(run_folder)
    assert service_memory(run, "alpha") is None
    assert query_time(run, "alpha") is None
    assert stacked(["x"], {"a": {}}, "bytes", "Caption.") is None


def test_the_index_is_drawn_by_its_own_components(run_folder):
    figure = index_memory(load_run(run_folder), "alpha")
    assert figure.head == ("System", "ids", "Sum")
    assert figure.rows[0] == ["sparse & co", "283.20 KiB", "283.20 KiB"]


def test_a_service_is_drawn_of_systems_that_have_all_parts():
    whole = {("x", f"service_bytes/{part}"): 2.0**20 * (place + 1) for place, part in enumerate(SERVICE)}
    run = run_of({**whole, ("y", "service_bytes/encoder"): 2.0**20})
    figure = service_memory(run, "c")
    assert figure.rows == [["x", "1.00 MiB", "2.00 MiB", "3.00 MiB", "4.00 MiB", "10.00 MiB"]]
    assert all(list(values) == ["x"] for values in service_parts(run, "c").values())


def test_the_mean_time_of_a_query_is_encoding_and_search():
    run = run_of(
        {("x", "latency_encode/mean"): 3e-3, ("x", "latency_search/mean"): 1e-3, ("y", "latency_encode/mean"): 1}
    )
    assert query_time(run, "c").rows == [["x", "3.00 ms", "1.00 ms", "4.00 ms"]]
