"""Stacked bars: the table has every length that is drawn, and the parts of a bar adjoin."""

from types import SimpleNamespace

import pytest
from drawn import Drawing
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.records import record
from harness.runs.read import load_run
from reports.figures.components import SERVICE, ComponentsKind, components, service_parts

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


def bars_of(parts, unit="bytes"):
    """The panel of these values."""
    run = SimpleNamespace(names=lambda _: ["y", "x", "none"])
    return components(run, "c", "m", parts, "Caption.", unit)


@given(PARTS)
@settings(max_examples=25)
def test_bars_adjoin_and_are_as_long_as_their_values(parts):
    panel = bars_of(parts)
    drawing = Drawing(panel)
    size = {"GiB": 2.0**30, "MiB": 2.0**20, "KiB": 2.0**10}[drawing.ax.get_xlabel()]
    starts = [0.0] * len(panel.systems)
    for place, (part, values) in enumerate(parts.items()):
        (artist,) = drawing.artists(f"part-{place}")
        bars = [(path.vertices[:, 0].min(), path.vertices[:, 0].max(), path.vertices[:, 1].mean()) for path in
                artist.get_paths()]  # fmt: skip
        shown = [system for system in panel.systems if system in values]
        assert len(bars) == len(shown) == len(drawing.drawn.tips[f"part-{place}"])
        for system, (left, right, _), tip in zip(shown, bars, drawing.drawn.tips[f"part-{place}"], strict=True):
            row = panel.systems.index(system)
            assert left == pytest.approx(starts[row])
            assert right - left == pytest.approx(values[system] / size)
            assert tip.startswith(f"{system}, {part}: ")
            starts[row] = right


def test_the_table_has_each_part_and_the_sum():
    parts = {"encoder": {"x": 3 * 2.0**20, "y": 2.0**20}, "index": {"x": 2.0**20}}
    panel = bars_of(parts)
    assert panel.table().head == ("System", "encoder", "index", "Sum")
    assert panel.table().rows == [["y", "1.00 MiB", "–", "1.00 MiB"], ["x", "3.00 MiB", "1.00 MiB", "4.00 MiB"]]
    assert [key.text for key in Drawing(panel).drawn.keys] == ["encoder", "index"]


@pytest.mark.parametrize(
    ("value", "unit", "axis"),
    [(5e9, "bytes", "GiB"), (5e6, "bytes", "MiB"), (5e3, "bytes", "KiB"), (5, "bytes", "KiB"), (2, "seconds", "s"),
     (2e-3, "seconds", "ms"), (2e-6, "seconds", "µs"), (2e-9, "seconds", "µs")],
)  # fmt: skip
def test_the_axis_has_the_unit_of_the_longest_bar(value, unit, axis):
    assert Drawing(bars_of({"a": {"x": value}}, unit)).ax.get_xlabel() == axis


def test_nothing_is_drawn_without_values(run_folder):
    run = load_run(run_folder)
    assert ComponentsKind.panel(run, "alpha", "service_bytes") is None
    assert ComponentsKind.panel(run, "alpha", "latency_total") is None
    assert bars_of({"a": {}}) is None
    with pytest.raises(UserError, match="did you mean 'index_bytes'"):
        ComponentsKind.panel(run, "alpha", "index_byte")


def test_the_index_is_drawn_by_its_own_components(run_folder):
    table = ComponentsKind.panel(load_run(run_folder), "alpha", "index_bytes").table()
    assert table.head == ("System", "ids", "Sum")
    assert table.rows[0] == ["sparse & co", "283.20 KiB", "283.20 KiB"]


def test_a_service_is_drawn_of_systems_that_have_all_parts():
    whole = {("x", f"service_bytes/{part}"): 2.0**20 * (place + 1) for place, part in enumerate(SERVICE)}
    run = run_of({**whole, ("y", "service_bytes/encoder"): 2.0**20})
    panel = ComponentsKind.panel(run, "c", "service_bytes")
    assert panel.table().rows == [["x", "1.00 MiB", "2.00 MiB", "3.00 MiB", "4.00 MiB", "10.00 MiB"]]
    assert all(list(values) == ["x"] for values in service_parts(run, "c").values())


def test_the_mean_time_of_a_query_is_encoding_and_search():
    run = run_of(
        {("x", "latency_encode/mean"): 3e-3, ("x", "latency_search/mean"): 1e-3, ("y", "latency_encode/mean"): 1}
    )
    assert ComponentsKind.panel(run, "c", "latency_total").table().rows == [["x", "3.00 ms", "1.00 ms", "4.00 ms"]]
