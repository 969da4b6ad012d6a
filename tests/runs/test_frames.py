"""Tables of a run as DataFrames: what is written comes back, a row for each number, query and process."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import write_run
from suite_runs import MEANS, write_suite_run

from harness.runs import frames
from harness.runs.read import RunData, load_run

finite = st.floats(min_value=1e-9, max_value=1e6)


def test_a_folder_without_samples_gives_empty_tables_with_all_columns(tmp_path):
    run = load_run(write_run(tmp_path / "run"))
    for name in ("per_query", "suites", "latencies", "conditions"):
        table = getattr(frames, name)(run)
        assert table.empty
        assert list(table.columns) == list(frames.COLUMNS[name])
    assert len(frames.records(run)) == 1


def test_records_keep_unit_direction_and_missing_intervals(tmp_path):
    table = frames.records(load_run(write_run(tmp_path / "run", values={("s", "index_bytes"): 12.0})))
    row = table.iloc[0]
    assert (row["system"], row["metric"], row["value"], row["unit"], row["direction"]) == (
        "s", "index_bytes", 12.0, "bytes", "lower",
    )  # fmt: skip
    assert pd.isna(row["ci_low"])
    assert pd.isna(row["ci_high"])


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.floats(0, 1), min_size=1, max_size=6))
def test_quality_of_every_query_is_a_row(tmp_path_factory, quality):
    run = load_run(write_run(tmp_path_factory.mktemp("run"), quality={"s": quality}))
    table = frames.per_query(run)
    assert dict(zip(table["query"], table["value"], strict=True)) == quality
    assert set(table["metric"]) == {"ndcg@10"}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.data())
def test_every_time_is_a_row_at_its_place(tmp_path_factory, processes, queries, repeats, data):
    count = processes * queries * repeats
    seconds = np.asarray(data.draw(st.lists(finite, min_size=count, max_size=count))).reshape(
        processes, queries, repeats
    )
    table = frames.latencies(load_run(write_run(tmp_path_factory.mktemp("run"), latency={"s": seconds})))
    assert len(table) == count
    for row in table.itertuples():
        assert row.total == pytest.approx(seconds[row.process, row.query, row.repeat])
        assert row.total == row.encode + row.search
    assert not table.duplicated(["collection", "system", "process", "query", "repeat"]).any()


def test_tables_of_several_systems_stand_below_each_other(tmp_path):
    latency = {"a": np.full((1, 2, 1), 0.5), "b": np.full((2, 2, 2), 0.25)}
    table = frames.latencies(load_run(write_run(tmp_path / "run", latency=latency)))
    assert table.groupby("system")["total"].agg(["size", "mean"]).to_dict("index") == {
        "a": {"size": 2, "mean": 0.5},
        "b": {"size": 8, "mean": 0.25},
    }
    assert list(table.index) == list(range(10))


def test_conditions_leave_out_lists_and_fill_what_a_process_lacks(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "conditions.jsonl").write_text(
        '{"collection": "c", "system": "s", "kind": "latency", "seconds": 1.5, "sentinel": [1], "pinned": true}\n'
        '{"collection": "c", "system": "s", "kind": "build", "seconds": 0.5}\n'
    )
    table = frames.conditions(load_run(folder))
    assert list(table["seconds"]) == [1.5, 0.5]
    assert "sentinel" not in table
    assert table["pinned"].isna().tolist() == [False, True]
    assert table["disturbance"].isna().all()


def test_values_over_suites(tmp_path):
    table = frames.suites(load_run(write_suite_run(tmp_path, failed={("p2", "good"): "no memory"})))
    rows = table.set_index(["system", "metric"])
    other = rows.loc["other", "ndcg@10"]
    assert other["value"] == pytest.approx(MEANS["other"])
    assert other["ci_low"] < other["value"] < other["ci_high"]
    assert (other["tasks"], other["there"], other["missing"]) == (3, 3, "")
    assert other["partial"] == other["value"]
    good = rows.loc["good", "ndcg@10"]
    assert np.isnan(good["value"])
    assert (good["there"], good["missing"]) == (2, "p2 (failed: no memory)")
    assert good["partial"] == pytest.approx(0.7)
    assert np.isnan(rows.loc["good", "index_bytes"]["partial"])
    assert rows.loc["other", "index_bytes"]["method"] == "sum over 4 collections"


def test_a_run_of_records_alone_has_its_records(tmp_path):
    run = load_run(write_run(tmp_path / "run", values={("a", "index_bytes"): 1.0, ("b", "index_bytes"): 2.0}))
    bare = RunData.of_records(tmp_path, run.records, revision="f" * 40)
    pd.testing.assert_frame_equal(frames.records(bare), frames.records(run))
    assert [system["name"] for system in bare.systems] == ["a", "b"]
    assert {system["status"] for system in bare.systems} == {"ok"}
    assert bare.facts["provenance"]["git revision"] == "f" * 40
    assert frames.latencies(bare).empty
