"""Paper tables against golden files, and their marks."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.errors import UserError
from reports.load import load_run
from reports.tables import FORMS, table

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("metrics", [("ndcg@10",), ("ndcg@10", "index_bytes_per_document")])
def test_golden(run_folder, form, metrics, request):
    found = table(load_run(run_folder), metrics, form)
    path = GOLDEN / f"table-{len(metrics)}.{form}"
    assert found == path.read_text(), f"differs from {path.name}"


def test_latex_has_one_cell_a_column(run_folder):
    lines = table(load_run(run_folder), ("ndcg@10",), "latex").splitlines()
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len({row.replace(r"\&", "").count("&") for row in rows}) == 1
    assert r"\textless{}script" in "".join(lines)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_compiles(run_folder, tmp_path):
    body = table(load_run(run_folder), ("ndcg@10",), "latex")
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    )
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "t.tex"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0


def test_unknown_form_and_metric(run_folder):
    with pytest.raises(UserError, match="did you mean 'latex'"):
        table(load_run(run_folder), form="latx")
    with pytest.raises(UserError, match="did you mean 'ndcg@10'"):
        table(load_run(run_folder), ("ndcg@1",))


def test_spreadsheets_do_not_run_names(run_folder):
    text = (run_folder / "run.json").read_text().replace("dense_1", "=1+1")
    (run_folder / "run.json").write_text(text)
    assert "'=1+1" in table(load_run(run_folder), form="csv")
