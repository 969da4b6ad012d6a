"""Conditions of the timed processes: one line a system, the worst of its processes."""

from harness.runs.read import load_run
from reports.sections.conditions import COLUMNS, table


def column(cells, name):
    return cells[COLUMNS.index(name)]


def test_every_system_has_a_line_with_a_cell_for_each_column(run_folder):
    rows = table(load_run(run_folder).conditions)
    assert [row.name for row in rows] == ["sparse & co / alpha", "dense_1 / alpha"]
    assert all(len(row.cells) == len(COLUMNS) for row in rows)


def test_only_the_disturbed_system_says_so(run_folder):
    quiet, loud = (row.cells for row in table(load_run(run_folder).conditions))
    assert (column(quiet, "Disturbed"), column(loud, "Disturbed")) == ("0", "1")
    assert (column(quiet, "Waited for a processor"), column(loud, "Waited for a processor")) == ("0.0%", "50.0%")


def test_of_several_processes_the_worst_is_shown_and_counts_are_summed(run_folder):
    first = load_run(run_folder).conditions[0]
    other = {**first, "waited_share": 0.25, "involuntary_switches": 300, "processors": [2], "pinned": False}
    (row,) = table([first, other])
    assert column(row.cells, "Processes") == "2"
    assert column(row.cells, "Waited for a processor") == "25.0%"
    assert column(row.cells, "Put aside") == "1,500"
    assert column(row.cells, "Processors") == "1, any of 2"
