"""Measures of quality in a spec: refused where wrong, and measured, claimed and shown where right."""

import gzip

import ir_measures
import pytest
from small_specs import CLAIM, HEAD, TABLES, load, refused, system, toml, write_spec

from harness.experiment import run_experiment
from reports.exports.paper_tables import table

CLAIM_ON_AP = {**CLAIM, "name": "on AP", "metric": "AP", "difference_at_least": 0.0}
del CLAIM_ON_AP["ratio_at_most"]


def claim_text(claim):
    return "[[claims]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in claim.items())


def test_an_unknown_measure_is_refused_with_file_key_and_nearest_name(tmp_path):
    error = refused(tmp_path, f'{HEAD}{TABLES}[measure]\nquality = ["AP", "ndgc@20"]\n')
    assert error.key == "measure.quality[1]"
    assert "'ndgc@20'" in error.what
    assert "did you mean 'nDCG@20'?" in error.remedy


def test_a_measure_that_looks_deeper_than_the_runs_is_refused(tmp_path):
    text = f'{HEAD}{TABLES}[measure]\ndepth = 100\nquality = ["P@5", "R@1000"]\n'
    error = refused(tmp_path, text)
    assert (error.key, error.remedy) == ("measure.quality[1]", "set measure.depth to 1000 or more")
    assert load(tmp_path, text, ["measure.depth=1000"]).head.measure.quality == ["P@5", "R@1000"]


def test_a_claim_needs_its_measure_to_be_measured(tmp_path):
    text = f"{HEAD}{TABLES}{claim_text(CLAIM_ON_AP)}"
    error = refused(tmp_path, text)
    assert error.key == "claims[0].metric"
    assert "'AP'" in error.remedy
    assert "measure.quality" in error.remedy
    assert load(tmp_path, f'{text}[measure]\nquality = ["AP"]\n').head.claims[0].metric == "AP"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run of two systems with further measures of quality and a claim on one."""
    folder = tmp_path_factory.mktemp("measured")
    systems = [system("first"), system("second", index="coarse")]
    claims = [{**CLAIM_ON_AP, "system": "first", "baseline": "second"}]
    spec = write_spec(
        folder, indexes={"inverted": {"type": "inverted"}, "coarse": {"type": "inverted", "weights": "u4"}},
        systems=systems, claims=claims,
        measure={"processes": 1, "repeats": 1, "quality": ["AP", "P@5", "nDCG@10", "Judged@10", "NumRet(rel=1)"]},
    )  # fmt: skip
    return folder, run_experiment(spec, store=folder / "store", out=folder / "run")


def test_values_of_a_run_are_those_of_ir_measures_on_its_file(measured):
    folder, run = measured
    file = sorted((folder / "run").rglob("*.trec.gz"))[0]
    with gzip.open(file, "rt") as lines:
        hits = list(ir_measures.read_trec_run(lines.read()))
    qrels = [
        ir_measures.Qrel(query, document, int(grade))
        for query, document, grade in (
            row.split("\t") for row in (folder / "data/qrels/test.tsv").read_text().splitlines()[1:]
        )
    ]
    for name in ("AP", "P@5", "nDCG@10", "Judged@10", "NumRet(rel=1)"):
        wanted = ir_measures.calc_aggregate([ir_measures.parse_measure(name)], qrels, hits)
        row = run.data.cells()["mine", "first", name]
        values = list(run.data.quality["mine", "first", name].values())
        total = sum(values) if name.startswith("NumRet") else sum(values) / len(values)  # it sums what counts
        assert total == pytest.approx(next(iter(wanted.values())), abs=1e-9), name
        assert row.value == pytest.approx(sum(values) / len(values))
        assert row.method.startswith(f"ir_measures {name}")
    cells = run.data.cells()
    assert cells["mine", "first", "nDCG@10"].value == cells["mine", "first", "ndcg@10"].value


def test_claims_tables_and_reports_use_them(measured):
    folder, run = measured
    (verdict,) = run.verdicts()
    assert "AP of first" in verdict.sentence
    assert "AP" in table(run.data, ("AP", "P@5"), "markdown")
    page = run.report(folder / "report.html").read_text()
    assert "More measures" in page
    for name in ("AP", "P@5"):
        assert page.count(f'id="metric-{name}"') == 1
    assert not run.data.foreign
