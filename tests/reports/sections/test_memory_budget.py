"""The best of each family within a budget of memory."""

import json

import pytest
from runs import write_run

from harness.runs.read import load_run
from reports.sections.memory_budget import FACTORS, BudgetCell, budget

# name: bytes a document, nDCG@10, seconds, codec, terms
SYSTEMS = {
    "flat": (1000.0, 0.80, 4e-3, "float32", None),
    "wide": (2000.0, 0.81, 5e-3, "float32", None),
    "int8": (260.0, 0.79, 2e-3, "int8", None),
    "binary": (40.0, 0.60, 1e-3, "binary", None),
    "cut": (300.0, 0.70, 6e-3, "u8", 60.0),
    "whole": (430.0, 0.75, 3e-3, "u8", 90.0),
}


@pytest.fixture
def run(tmp_path):
    names = ("index_bytes_per_document", "ndcg@10", "latency_total/p50")
    values = {(name, metric): facts[place] for name, facts in SYSTEMS.items() for place, metric in enumerate(names)}
    values |= {(name, "active_terms_document"): facts[4] for name, facts in SYSTEMS.items() if facts[4]}
    folder = write_run(tmp_path / "run", values=values)
    facts = json.loads((folder / "run.json").read_text())
    for system in facts["systems"]:
        system["codec"] = SYSTEMS[system["name"]][3]
    (folder / "run.json").write_text(json.dumps(facts))
    return load_run(folder)


def best(bound_bytes, family, place, better):
    """Brute force over the table above."""
    fit = [(f[place], n) for n, f in SYSTEMS.items() if f[0] <= bound_bytes and (f[4] is not None) is (family == 0)]
    return better(fit)[1] if fit else None


def test_each_cell_is_the_best_that_fits(run):
    table = budget(run, "alpha", 0.71, ["flat"])
    assert (table.twin, table.twin_bytes, table.share) == ("flat", "1000 B", "29%")
    assert [row.factor for row in table.rows] == ["1 ×", "1.25 ×", "1.5 ×"]
    assert [row.bytes for row in table.rows] == ["290 B", "363 B", "435 B"]
    for factor, row in zip(FACTORS, table.rows, strict=True):
        for family in (0, 1):
            for place, better in ((1, max), (2, min)):
                cell = row.cells[2 * family + place - 1]
                assert (cell.system.partition(",")[0] or None) == best(290 * factor, family, place, better)


def test_a_cell_says_what_the_best_one_costs(run):
    sparse_quality, sparse_latency, dense_quality, dense_latency = budget(run, "alpha", 0.71, ["flat"]).rows[2].cells
    assert sparse_quality == BudgetCell("0.750", "", "whole, 430 B")
    assert sparse_latency == BudgetCell("3.00 ms", "", "whole, 430 B, nDCG@10 0.750")
    assert dense_quality == BudgetCell("0.790", "", "int8, 260 B")
    assert dense_latency == BudgetCell("1.00 ms", "", "binary, 40 B, nDCG@10 0.600")
    assert budget(run, "alpha", 0.71, ["flat"]).rows[0].cells[0].text == "none fits"


def test_the_twin_is_what_the_claim_compares_with_or_the_largest(run):
    assert budget(run, "alpha", 0.71, ["int8", "flat"]).twin == "flat"
    assert budget(run, "alpha", 0.71, ["cut"]).twin == "wide"


def test_disturbed_timing_is_named(run):
    run.disturbed["alpha", "binary"] = "steal"
    assert budget(run, "alpha", 0.71, ["flat"]).rows[2].cells[3].system.endswith(", timing disturbed")


def test_without_a_float32_index_there_is_no_budget(run):
    run.facts["systems"] = [system for system in run.systems if system["name"] not in ("flat", "wide")]
    assert budget(run, "alpha", 0.71, []) is None
    assert budget(run, "beta", 0.71, []) is None


def test_a_family_that_was_not_measured_so_has_a_dash(run):
    run.records[:] = [row for row in run.records if not row.metric.startswith("latency")]
    cells = budget(run, "alpha", 0.71, ["flat"]).rows[2].cells
    assert (cells[1].text, cells[3].text) == ("–", "–")


def test_a_fusion_is_of_neither_family(run):
    """It has an index of either kind, and would be the best of the dense ones."""
    before = budget(run, "alpha", 0.71, ["flat"])
    for system in run.systems:
        if system["name"] == "int8":
            system["fused"] = ["cut", "binary"]
    after = budget(run, "alpha", 0.71, ["flat"])
    assert "int8" in before.rows[0].cells[2].system
    assert not any("int8" in cell.system for row in after.rows for cell in row.cells)
