"""Paper tables against golden files, and their marks."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.runs.read import load_run
from reports.exports.latex_table import Cell, Float, Group, Row, Shown, _side_by_side, latex_table
from reports.exports.paper_tables import FORMS, _joined, _letter, table
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
    """What a LaTeX engine would trip over: braces, environments, rules, and as many cells as columns."""
    bare = text.replace(r"\{", "").replace(r"\}", "").replace(r"\&", "").replace(r"\$", "")
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    tabulars = bare.split(r"\begin{tabular}")[1:]
    assert tabulars
    for lines in (tabular.partition(r"\end{tabular}")[0].splitlines() for tabular in tabulars):
        columns = 2 + lines[0].count("S[")
        assert lines[0].startswith("{@{}l") and lines[0].endswith("@{}}")
        assert (lines[1], lines[-1]) == (r"\toprule", r"\bottomrule")
        for line in lines[2:-1]:
            if line.startswith((r"\midrule", r"\cmidrule")):
                continue
            assert line.endswith(r" \\")
            spanned = sum(int(n) - 1 for n in re.findall(r"\\multicolumn{(\d+)}", line))
            assert line.count("&") == columns - 1 - spanned
    for char in "_#":
        assert bare.count(char) == bare.count("\\" + char) + bare.count("#1") * (char == "#")


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
    assert above.startswith(table(run, ("ndcg@10",), form).split(r"\bottomrule")[0])
    assert "0.505" in below and "bfseries" not in below and "**" not in below


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
FOUR = ("ndcg@10", "index_bytes_per_document", "latency_total/p50", "flops_encode_query")


@pytest.mark.skipif(ENGINE is None, reason="no LaTeX engine is installed")
def test_latex_compiles_and_fits(run_folder, tmp_path):
    """All forms of the table in one document, and none is wider than its place."""
    run = load_run(run_folder)
    (tmp_path / "published.csv").write_text(QUOTED_FILE)
    quoted = read_quoted(tmp_path / "published.csv", run.collections())
    caption = Float(r"$\alpha$ in \emph{caption}", "tab:a")
    bodies = [
        table(run, ("ndcg@10",), "latex"),
        table(run, FOUR, "latex"),
        rf"\begin{{minipage}}{{3.3in}}{table(run, FOUR, 'latex', around=Float(width='column'))}\end{{minipage}}",
        table(run, ("ndcg@10",), "latex", quoted=quoted, around=caption),
    ]
    packages = r"\usepackage[T1]{fontenc}\usepackage{mathptmx,array,booktabs,siunitx}"
    page = r"\usepackage[textwidth=6.9in]{geometry}\parindent0pt"
    joined = "\\par\n".join(bodies)
    document = rf"\documentclass{{article}}{packages}{page}\begin{{document}}{joined}\end{{document}}"
    (tmp_path / "t.tex").write_text(document)
    arguments = [] if ENGINE == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([ENGINE, *arguments, "t.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 1000
    assert r"Overfull \hbox" not in done.stdout


def test_what_does_not_fit_stands_in_another_block(run_folder):
    run = load_run(run_folder)
    wide, narrow = (table(run, FOUR, "latex", around=Float(width=width)) for width in ("text", "column"))
    assert wide.count(r"\begin{tabular}") < narrow.count(r"\begin{tabular}")
    for text in (wide, narrow):
        structure(text)
        assert text.count(r"\bfseries 0.598") == 1
        blocks = text.split(r"\begin{tabular}")[1:]
        assert all(r"sparse \& co" in block for block in blocks), "each block names the systems"
    heads = [re.findall(r"\\multicolumn{\d}{c}{(\w+)}", block) for block in narrow.split(r"\begin{tabular}")[1:]]
    assert [name for own in heads for name in own][:1] == ["alpha"] and heads[-1] == ["beta"]


def test_columns_of_one_collection_stay_together_and_tall_tables_are_two():
    cells = [Cell("0.500")] * 4
    heads = [(name, f"metric {n}") for name in ("one", "two") for n in range(2)]
    for count, floats in ((8, 1), (40, 2)):
        rows = [Row(_letter(n), f"a system with a long name {n}", cells) for n in range(count)]
        shown = Shown(heads, [Group("", rows)])
        text = latex_table(shown, Float("Caption", "tab:x", "column"))
        structure(text)
        assert re.findall(r"multicolumn{(\d)}{c}{(\w+)}", text) == [("2", "one"), ("2", "two")]
        assert text.count(r"\begin{table}") == text.count(r"\end{table}") == floats
        assert text.count(r"\label{tab:x}") == 1
        assert (r"\caption{Table~\ref{tab:x}, continued}" in text) == (floats == 2)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(0, 3))
def test_every_column_stands_in_one_block(widths, several):
    heads = [(str(place % several) if several else "", "x" * width) for place, width in enumerate(widths)]
    shown = Shown(sorted(heads), [Group("", [Row("a", "s", [Cell("1")] * len(heads))])])
    blocks = _side_by_side(shown, 60)
    assert [place for block in blocks for place in block] == list(range(len(heads)))
    assert all(sum(len(shown.heads[place][1]) + 2 for place in block) <= 60 for block in blocks)
    if not several and len(set(widths)) == 1:
        assert max(map(len, blocks)) - min(map(len, blocks)) < len(blocks)


def test_a_caption_or_a_label_makes_it_float(run_folder):
    run = load_run(run_folder)
    assert r"\begin{table" not in table(run, form="latex")
    text = table(run, form="latex", around=Float(r"50\,\% of $x$", "tab:x", "column"))
    assert r"\begin{table}[tbp]" in text and r"\caption{50\,\% of $x$}\smallskip" in text and r"\label{tab:x}" in text
    wide = table(run, form="latex", around=Float(label="tab:x"))
    assert r"\begin{table*}[tbp]" in wide and wide.rstrip().endswith(r"\end{table*}") and r"\caption" not in wide
    with pytest.raises(UserError, match="no label"):
        Float(label="tab}:x")
    with pytest.raises(UserError, match="did you mean 'column'"):
        Float(width="colum")
    with pytest.raises(UserError, match="only a table in LaTeX"):
        table(run, form="markdown", around=Float("x"))


def test_systems_stand_in_groups(run_folder):
    lines = table(load_run(run_folder), ["ndcg@10"]).splitlines()[2:]
    titles = [line for line in lines if line.startswith("| | *")]
    assert [title.strip("| *") for title in titles] == ["Sparse", "Dense"]
    assert [line.split("|")[1].strip() for line in lines if line not in titles] == ["a", "b", "c", "d"]
    assert "broken" in lines[-1], "of the family that its encoder has in other systems"


@pytest.mark.parametrize(("count", "beaten", "text"), [
    (5, "bc", "bc"), (5, "bcd", "b–d"), (5, "ac", "ac"), (6, "acdef", "a,c–f"), (3, "", ""),
    (28, ["a", "z", "aa", "ab"], "a,z–ab"), (28, ["a", "aa"], "a,aa"),
])  # fmt: skip
def test_letters_of_many_systems_are_ranges(count, beaten, text):
    order = [_letter(place) for place in range(count)]
    assert _joined(order, set(beaten)) == text


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
    marked = {form: [line for line in text.splitlines() if "≈" in line or r"& {$\approx" in line]
              for form, text in texts.items()}  # fmt: skip
    assert {form: len(lines) for form, lines in marked.items()} == {"latex": 1, "markdown": 1, "csv": 0}
    assert marked["latex"][0].count(r"$\approx$") == marked["markdown"][0].count("≈") == 1
    assert "| b | dense" in marked["markdown"][0]
    structure(texts["latex"])
    average = table(run, ["latency_total/p50"])
    (row,) = [line for line in average.splitlines() if "≈" in line]
    assert row.count("≈") == 2, "of alpha and the mean"
