"""The table of loads by the number of servers: its figures are those of the records, and names stay text."""

from types import SimpleNamespace

import pytest

from harness.records import record, write_records
from harness.runs.read import load_run
from reports.formatting import label
from reports.pages.run_page import page
from reports.sections.load_ladder import Step, section

LOADS = {
    "fast": {"highest_load": 800.0, "highest_load/2": 1600.0, "loaded_latency/p99": 0.002,
             "loaded_latency/p99/2": 0.001, "loaded_latency/p99.9/2": 0.003},
    "locked": {"highest_load": 100.0, "highest_load/2": 95.0},
    "never": {"highest_load": 0.0, "highest_load/2": 0.0},
    "late": {"highest_load/2": 10.0},
    "unmeasured": {"ndcg@10": 0.5},
}  # fmt: skip


def rows_of(loads):
    return [
        record("r", "alpha", system, name, value, method="m", interval=(value * 0.75, value * 1.25) if value else None)
        for system, values in loads.items()
        for name, value in values.items()
    ]


def run_of(loads):
    rows = rows_of(loads)
    cells = {("alpha", row.system, row.metric): row for row in rows}
    return SimpleNamespace(cells=lambda: cells, names=lambda _: list(loads), records_of=lambda _: rows)


def test_each_system_has_a_step_for_each_number_of_servers():
    ladder = section(run_of(LOADS), "alpha")
    assert ladder.servers == [1, 2]
    assert dict(ladder.rows) == {
        "fast": [
            Step("800", "[600, 1,000]", "", "p99 2.00 ms"),
            Step("1,600", "[1,200, 2,000]", "2.00 times", "p99 1.00 ms, p99.9 3.00 ms"),
        ],
        "locked": [Step("100", "[75, 125]", "", ""), Step("95", "[71.2, 118.8]", "0.95 times", "")],
        "never": [Step("0", "", "", ""), Step("0", "", "", "")],
        "late": [None, Step("10", "[7.5, 12.5]", "", "")],
    }


@pytest.mark.parametrize("loads", [{}, {"s": {"ndcg@10": 0.5}}, {"s": {"highest_load": 80.0}}])
def test_a_run_with_one_server_has_no_table(loads):
    assert section(run_of(loads), "alpha") is None


def test_the_names_of_the_metrics_say_how_many_servers_there_are():
    assert label("highest_load") == "Highest bearable load"
    assert label("highest_load/2") == "Highest bearable load with 2 servers"
    assert label("loaded_latency/p99.9") == "Latency at the highest bearable load p99.9"
    assert label("loaded_latency/p99.9/16") == "Latency at the highest bearable load p99.9 with 16 servers"


def test_the_page_shows_it_among_the_latencies(run_folder):
    hostile = "<script>alert(1)</script>"
    rows = rows_of({hostile: LOADS["fast"]})
    assert "Load by the number of servers" not in page(load_run(run_folder))
    write_records(run_folder / "records.jsonl", [*load_run(run_folder).records, *rows])
    html = page(load_run(run_folder))
    latency = html[html.index(">Latency</h3>") : html.index(">Work</h3>")]
    table = latency[latency.index("<h4>Load by the number of servers</h4>") :]
    assert "<b>1,600</b><small>[1,200, 2,000]</small><small>2.00 times</small>" in table
    assert hostile not in html
