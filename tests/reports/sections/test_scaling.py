"""The section on growth: the right series, the right law, honest about its error."""

import json
import math

import pytest

from harness.claims.memory import DENSE, MS_MARCO, SPARSE
from harness.records import record, write_records
from harness.runs.read import load_run
from harness.stats.scaling import predict
from reports.figures.growth import GROWING, TARGETS, growths
from reports.formatting import number
from reports.pages.run_page import page
from reports.sections.scaling import law_text, needs, section

SIZES = (40_000, 80_000, 120_000, 200_000)


@pytest.fixture
def sizes_run(run_folder):
    """The known run, with a series of four sizes: bytes are affine, and latency is a tenth above its law at the end."""
    facts, rows = json.loads((run_folder / "run.json").read_text()), []
    for size in SIZES:
        name = f"drawn[documents={size}]"
        facts["collections"][name] = {**facts["collections"]["alpha"], "documents": size}
        facts["systems"].append({**facts["systems"][0], "name": "inverted", "collection": name})
        late = 1.1 if size == SIZES[-1] else 1.0
        rows.append(record("r", name, "inverted", "index_bytes", 1e6 + 400 * size, method="m"))
        rows.append(record("r", name, "inverted", "latency_search/p50", (1e-4 + 2e-8 * size) * late, method="m"))
    for size in SIZES[:2]:  # two sizes make no law
        rows.append(record("r", f"drawn[documents={size}]", "other", "index_bytes", 1e6, method="m"))
    (run_folder / "run.json").write_text(json.dumps(facts))
    with (run_folder / "records.jsonl").open("a") as file:
        write_records(run_folder / "more.jsonl", rows)
        file.write((run_folder / "more.jsonl").read_text())
    return load_run(run_folder)


def test_laws_and_errors(sizes_run):
    found = {one.metric: one for one in growths(sizes_run)}
    assert set(found) == {"index_bytes", "latency_search/p50"}
    first = found["index_bytes"].predictions()[0]
    assert first.size == MS_MARCO
    assert first.value == pytest.approx(1e6 + 400 * MS_MARCO, rel=1e-6)
    assert found["index_bytes"].check()[2] == pytest.approx(0, abs=1e-6)
    assert found["latency_search/p50"].check()[2] == pytest.approx(1 / 1.1 - 1, rel=1e-6)
    assert found["latency_search/p50"].check(share=0.5) is None


def test_several_samples_of_one_size_all_count(sizes_run):
    """Each seed's sample is a measurement of its own: its spread widens the interval."""
    (before,) = (one for one in growths(sizes_run) if one.metric == "index_bytes")
    facts, rows = sizes_run.facts, sizes_run.records
    for size in SIZES:
        name = f"drawn[documents={size}, seed=2]"
        facts["collections"][name] = {"documents": size}
        rows.append(record("r", name, "inverted", "index_bytes", 1.1 * (1e6 + 400 * size), method="m"))
    (after,) = (one for one in growths(sizes_run) if one.metric == "index_bytes")
    assert len(after.values) == 2 * len(before.values)
    assert section(sizes_run).rows[0].sizes.startswith("4 sizes")
    (old, *_), (new, *_) = before.predictions(), after.predictions()
    assert old.value < new.value < 1.1 * old.value
    assert new.high - new.low > 0.1 * new.value > old.high - old.low


def test_page_has_the_section(sizes_run):
    text = page(sizes_run)
    assert "Growth with the collection" in text
    assert "8,841,823 documents" in text
    assert "1 MiB" not in section(sizes_run).rows[0].cells[0][0]
    assert "-9.1%" in text


def test_no_section_without_sizes(run_folder):
    assert section(load_run(run_folder)) is None


def test_needs_on_ms_marco():
    rows = {(side, codec): cells for side, codec, cells in needs()}
    size, machines = rows["dense", "float32"][0]
    assert size == pytest.approx(MS_MARCO * 4096 * 4 / 1e9)
    assert machines == 3  # 144.9 GB in parts of 51.2
    assert rows["sparse", "32-bit numbers, float16 weights"][0][0] == pytest.approx(27.16, abs=0.01)


def test_all_kinds_of_growing_costs_come_in_their_order_and_no_others(sizes_run):
    for size in SIZES:
        name = f"drawn[documents={size}]"
        for metric in (*reversed(GROWING), "ndcg@10", "load_seconds"):
            sizes_run.records.append(record("r", name, "all", metric, float(size), method="m"))
    found = [one.metric for one in growths(sizes_run) if one.system == "all"]
    assert found == list(GROWING)


def test_a_cost_of_nothing_makes_no_point(sizes_run):
    """A logarithm of 0 has no value: sizes with a cost of 0 do not count."""
    for size, value in zip(SIZES, (0.0, 5.0, 6.0, 7.0), strict=True):
        sizes_run.records.append(record("r", f"drawn[documents={size}]", "zero", "postings_touched", value, method="m"))
    (found,) = (one for one in growths(sizes_run) if one.system == "zero")
    assert list(found.sizes) == list(SIZES[1:])
    assert found.check() is None  # two sizes are left to predict the third from


def test_each_prediction_and_its_interval_stand_in_their_columns(sizes_run):
    found = section(sizes_run)
    assert found.targets == [f"{size:,}" for size in TARGETS]
    for row, growth in zip(found.rows, growths(sizes_run), strict=True):
        assert row.anchor == growth.metric.partition("/")[0]
        for (value, interval), target in zip(row.cells, TARGETS, strict=True):
            expected = predict(growth.law, target)
            assert value == number(expected.value, growth.unit)
            assert interval == f"[{number(expected.low, growth.unit)}, {number(expected.high, growth.unit)}]"
            assert expected.low <= expected.value <= expected.high


def test_a_late_size_lies_outside_of_what_the_others_predict(sizes_run):
    rows = {row.anchor: row for row in section(sizes_run).rows}
    assert rows["index_bytes"].inside
    assert rows["index_bytes"].error == "+0.0%"
    assert not rows["latency_search"].inside


def test_the_law_is_put_in_words_by_its_form(sizes_run):
    for size in SIZES:
        name = f"drawn[documents={size}]"
        sizes_run.records.append(record("r", name, "root", "build_seconds", 1e-3 * size**0.5, method="m"))
    laws = {(one.system, one.metric): law_text(one.law, one.unit) for one in growths(sizes_run)}
    assert laws["root", "build_seconds"] == "grows as documents to the power 0.50"
    assert laws["inverted", "index_bytes"] == "976.56 KiB + 381.47 MiB a million documents"


def test_figures_tell_measured_from_extrapolated(sizes_run):
    first, second = section(sizes_run).figures
    assert first.table().head[2] == "Index size"
    assert "latency" in second.caption.lower()
    for figure in (first, second):
        sources = [row[3] for row in figure.table().rows]
        assert sources == ["measured"] * len(SIZES) + ["extrapolated"] * len(TARGETS)
        assert [row[1] for row in figure.table().rows] == [f"{size:,}" for size in (*SIZES, *TARGETS)]


def test_machines_are_counted_whole_and_every_codec_stands_once():
    rows = needs((1, 10_000_000, 1_000_000_000))
    assert len({(side, codec) for side, codec, _ in rows}) == len(rows) == len(SPARSE) + len(DENSE)
    for _, _, cells in rows:
        assert [machines for _, machines in cells] == [math.ceil(size * 1e9 / (0.8 * 64e9)) for size, _ in cells]
        assert all(machines >= 1 for _, machines in cells)
