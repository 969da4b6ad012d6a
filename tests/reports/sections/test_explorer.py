"""The data of the explorer are the records, in the words of the tables."""

import json
import math
from dataclasses import asdict, replace

from suite_runs import MEANS, write_suite_run

from harness.runs.read import load_run
from reports.formatting import number
from reports.pages.run_page import page
from reports.sections.explorer import ACROSS, explorer


def test_every_value_is_that_of_its_record(run_folder):
    run = load_run(run_folder)
    data = explorer(run)
    cells = run.cells()
    assert data.places == ["over 2 collections", "alpha", "beta"]
    shown = 0
    for place, systems in data.values.items():
        for system, row in systems.items():
            for metric, (text, value, *ends) in row.items():
                name = data.metrics[int(metric)]["name"]
                if place == "0":
                    continue
                record = cells[data.places[int(place)], data.systems[int(system)], name]
                assert math.isclose(value, record.value, rel_tol=1e-5)
                assert [end is None for end in ends or (None, None)] == [record.ci_low is None, record.ci_high is None]
                assert text.startswith(number(record.value, record.unit))
                assert text.endswith("(analytic)") == (record.source == "analytic")
                shown += 1
    names = {axis["name"] for axis in data.metrics}
    assert shown == sum(row.metric in names for row in run.records)
    assert data.metrics[data.across]["name"] == ACROSS[0]
    assert data.metrics[data.up]["name"] == "ndcg@10"
    assert "broken" in data.systems


def test_a_suite_is_explored_by_its_means_too(tmp_path):
    data = explorer(load_run(write_suite_run(tmp_path)))
    assert data.places[0] == "S, over 3 tasks"
    up = str(data.up)
    values = {data.systems[int(system)]: row[up][1] for system, row in data.values["0"].items()}
    assert all(math.isclose(values[system], mean, rel_tol=1e-5) for system, mean in MEANS.items())


def test_an_interval_without_end_has_no_end_and_names_cannot_leave_the_data(run_folder):
    run = load_run(run_folder)
    html = page(run)
    run.records[0] = replace(run.records[0], ci_high=math.inf)
    run.__dict__.pop("_cells")
    json.dumps(asdict(explorer(run)), allow_nan=False)
    data = html.partition('id="explore-data">')[2].partition("</script>")[0]
    assert "<" not in data
    assert "<script>alert(1)</script>" in json.loads(data)["systems"]


def test_a_run_with_nothing_to_set_against_each_other_has_no_explorer(run_folder):
    run = load_run(run_folder)
    run.records[:] = [row for row in run.records if row.metric == "ndcg@10"]
    assert explorer(run) is None
    assert 'id="explore"' not in page(run)
