"""Paper tables against golden files, and their marks."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.runs.read import load_run
from reports.exports.paper_tables import FORMS, table
from reports.exports.quoted import read_quoted

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("metrics", [("ndcg@10",), ("ndcg@10", "index_bytes_per_document")])
def test_golden(run_folder, form, metrics, request):
    found = table(load_run(run_folder), metrics, form)
    path = GOLDEN / f"table-{len(metrics)}.{form}"
    assert found == path.read_text(), f"differs from {path.name}"


QUOTED_FILE = "model,ALPHA,Beta,other\nbig & old,45.5,55.5,1\nhalf,45.5,,1\nnone,,,1\n"


def structure(text):
    """What a LaTeX engine would trip over: braces, one environment, rules, and as many cells as columns."""
    bare = text.replace(r"\{", "").replace(r"\}", "").replace(r"\&", "").replace(r"\$", "")
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    lines = bare.splitlines()
    columns = len(lines[0].removeprefix(r"\begin{tabular}{").removesuffix("}"))
    assert lines[0].startswith(r"\begin{tabular}{ll") and lines[-1] == r"\end{tabular}"
    assert (lines[1], lines[-2]) == (r"\toprule", r"\bottomrule")
    for line in lines[2:-2]:
        if line == r"\midrule":
            continue
        assert line.endswith(r" \\")
        spanned = line.startswith(rf"\multicolumn{{{columns}}}")
        assert line.count("&") == (0 if spanned else columns - 1)
    for char in "_#%":
        assert bare.count(char) == bare.count("\\" + char)


@pytest.mark.parametrize("metrics", [("ndcg@10",), ("ndcg@10", "index_bytes_per_document", "latency_total/p50")])
def test_latex_has_the_structure_that_an_engine_needs(run_folder, metrics):
    text = table(load_run(run_folder), metrics, "latex")
    structure(text)
    assert r"\textless{}script" in text


@pytest.mark.parametrize("form", FORMS)
def test_quoted_numbers_are_set_apart(run_folder, tmp_path, form):
    run = load_run(run_folder)
    (tmp_path / "published.csv").write_text(QUOTED_FILE)
    quoted = read_quoted(tmp_path / "published.csv", run.collections())
    assert [name for name, _ in quoted] == ["big & old", "half"]
    found = table(run, ("ndcg@10",), form, quoted=quoted)
    assert found == (GOLDEN / f"table-quoted.{form}").read_text()
    if form == "latex":
        structure(found)
    above, below = found.split("Quoted") if form != "csv" else found.split("quoted", 1)
    assert above.startswith(table(run, ("ndcg@10",), form).rsplit("\n", 4)[0])
    assert "0.505" in below and "textbf" not in below and "**" not in below


def test_mistakes_in_quoted_files_are_named(run_folder, tmp_path):
    path = tmp_path / "published.csv"
    for text, why in [
        ("model,gamma\nx,1\n", "no column"),
        ("model,alpha\nx,high\n", "'high' is not a score"),
        ("", "no column"),
    ]:
        path.write_text(text)
        with pytest.raises(UserError, match=why):
            read_quoted(path, ["alpha"])
    with pytest.raises(UserError, match="cannot read"):
        read_quoted(tmp_path / "nowhere.csv", ["alpha"])
    with pytest.raises(UserError, match="one metric"):
        table(load_run(run_folder), ("ndcg@10", "index_bytes"), quoted=[("x", {"alpha": 0.5})])


ENGINE = next(filter(shutil.which, ("tectonic", "pdflatex", "lualatex", "xelatex")), None)


@pytest.mark.skipif(ENGINE is None, reason="no LaTeX engine is installed")
def test_latex_compiles(run_folder, tmp_path):
    """All forms of the table in one document."""
    run = load_run(run_folder)
    (tmp_path / "published.csv").write_text(QUOTED_FILE)
    quoted = read_quoted(tmp_path / "published.csv", run.collections())
    bodies = [
        table(run, ("ndcg@10",), "latex"),
        table(run, ("ndcg@10", "index_bytes_per_document", "latency_total/p50"), "latex"),
        table(run, ("ndcg@10",), "latex", quoted=quoted),
    ]
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs}"
    joined = r"\par ".join(bodies)
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{joined}\end{{document}}"
    (tmp_path / "t.tex").write_text(document)
    arguments = [] if ENGINE == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([ENGINE, *arguments, "t.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 1000


def test_unknown_form_and_metric(run_folder):
    with pytest.raises(UserError, match="did you mean 'latex'"):
        table(load_run(run_folder), form="latx")
    with pytest.raises(UserError, match="did you mean 'ndcg@10'"):
        table(load_run(run_folder), ("ndcg@1",))


def test_spreadsheets_do_not_run_names(run_folder):
    text = (run_folder / "run.json").read_text().replace("dense_1", "=1+1")
    (run_folder / "run.json").write_text(text)
    assert "'=1+1" in table(load_run(run_folder), form="csv")


def test_an_estimate_is_marked_but_in_a_csv(run_folder):
    run = load_run(run_folder)
    place = next(n for n, row in enumerate(run.records)
                 if (row.collection, row.system, row.metric) == ("alpha", "dense_1", "latency_total/p50"))  # fmt: skip
    run.records[place] = replace(run.records[place], source="estimated")
    texts = {form: table(run, ["latency_total/p50", "ndcg@10"], form) for form in FORMS}
    marked = {form: [line for line in text.splitlines() if "≈" in line or "approx" in line]
              for form, text in texts.items()}  # fmt: skip
    assert {form: len(lines) for form, lines in marked.items()} == {"latex": 1, "markdown": 1, "csv": 0}
    assert marked["latex"][0].count(r"$\approx$") == marked["markdown"][0].count("≈") == 1
    assert "| b | dense" in marked["markdown"][0]
    structure(texts["latex"])
    average = table(run, ["latency_total/p50"])
    (row,) = [line for line in average.splitlines() if "≈" in line]
    assert row.count("≈") == 2, "of alpha and the mean"
