"""Figures as files: fonts as fonts, the same bytes each time, and mistakes by name."""

import re
import shutil
import subprocess

import pytest
from matplotlib.backends.backend_pgf import LatexError
from matplotlib.figure import Figure
from whole_run import HOSTILE

from harness.errors import UserError
from harness.experiment import open_run
from harness.runs.read import load_run
from reports.exports import figure_files
from reports.exports.figure_files import write_figures
from reports.exports.latex_text import escape_texts
from reports.figures.style import house_style

TEXLESS = pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is missing")


def test_a_pdf_has_its_fonts_inside_as_outlines_that_scale_and_no_date(run_folder, tmp_path):
    run = load_run(run_folder)
    (path,) = write_figures(run, tmp_path / "one", only=["trade-off-alpha"])
    content = path.read_bytes()
    assert path.name == "trade-off-alpha.pdf"
    assert b"/FontFile2" in content  # TrueType, type 42
    assert b"/Type3" not in content
    assert b"CreationDate" not in content
    (again,) = write_figures(run, tmp_path / "two", only=["trade-off-alpha"])
    assert again.read_bytes() == content


def test_text_is_text_in_svg_and_the_width_is_that_of_the_column(run_folder, tmp_path):
    (path,) = write_figures(load_run(run_folder), tmp_path, "svg", "column", only=["trade-off-alpha"])
    text = path.read_text()
    assert float(re.search(r'width="([\d.]+)pt"', text)[1]) == pytest.approx(3.3 * 72)
    assert ">nDCG@10</text>" in text
    assert "dc:date" not in text


def test_a_picture_has_pixels_enough_to_print(run_folder, tmp_path):
    (path,) = write_figures(load_run(run_folder), tmp_path, "png", 4, only=["trade-off-alpha"])
    assert int.from_bytes(path.read_bytes()[16:20], "big") == 1200


def test_pgf_without_tex_says_what_to_install(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(figure_files.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="install xelatex, lualatex or pdflatex, or use pdf"):
        write_figures(load_run(run_folder), tmp_path, "pgf", only=["trade-off-alpha"])


def test_every_text_of_a_figure_becomes_latex_that_prints_it():
    figure = Figure()
    ax = figure.subplots()
    ax.set_xticks([0, 1], ["50 %", "a_b"])
    ax.set_yscale("log")
    ax.set_ylim(1, 100)
    ax.set_ylabel("cost in $\nof a & b")
    ax.plot([0, 1], [2, 50], label=r"{\input{x}}")
    ax.legend()
    escape_texts(figure)
    figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_xticklabels()] == [r"50 \%", r"a\_b"]
    assert ax.get_ylabel() == "cost in \\$\nof a \\& b"
    assert ax.get_legend().get_texts()[0].get_text() == r"\{\textbackslash{}input\{x\}\}"


@TEXLESS
def test_hostile_names_in_pgf_are_printed_as_they_are(run_folder, tmp_path):
    (path,) = write_figures(load_run(run_folder), tmp_path, "pgf", only=["latency-share-alpha"])
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{pgf}\\def\\mathdefault#1{#1}\n"
        f"\\begin{{document}}\\input{{{path.name}}}\\end{{document}}\n"
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "main.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout
    text = path.read_text()
    assert r"sparse \& co" in text
    assert r"dense\_1" in text
    if shutil.which("pdftotext"):
        printed = subprocess.run(["pdftotext", "main.pdf", "-"], cwd=tmp_path, capture_output=True, text=True).stdout
        assert {"sparse & co", "dense_1", HOSTILE} <= set(printed.split("\n"))


def test_what_tex_refuses_names_the_figure_the_format_and_what_to_do(run_folder, tmp_path, monkeypatch):
    def savefig(self, path, **options):
        path.write_text("half of a figure")
        raise LatexError("LaTeX process halted", "This is pdfTeX\n! LaTeX Error: File `pgf.sty' not found.\n\nl.1 x")

    monkeypatch.setattr(figure_files, "_tex", lambda: "pdflatex")
    monkeypatch.setattr(Figure, "savefig", savefig)
    message = r"--format: the figure trade-off-alpha cannot be written as pgf: LaTeX Error: File `pgf.sty' not found\."
    with pytest.raises(UserError, match=message) as error:
        write_figures(load_run(run_folder), tmp_path, "pgf", only=["trade-off-alpha"])
    assert error.value.remedy == "use --format pdf, which needs no TeX"
    assert not list(tmp_path.glob("*.pgf"))


def test_a_style_with_which_no_picture_can_be_drawn_is_named(run_folder, tmp_path):
    style = tmp_path / "own.mplstyle"
    style.write_text("savefig.dpi: 10000000\ntext.parse_math: True\n")
    with pytest.raises(UserError, match=r"the figure trade-off-alpha cannot be written as png: .*too large") as error:
        write_figures(load_run(run_folder), tmp_path, "png", only=["trade-off-alpha"], style=str(style))
    assert error.value.remedy == "leave out --style"


def test_a_name_with_two_dollar_signs_is_no_formula(tmp_path):
    style = tmp_path / "own.mplstyle"
    style.write_text("text.parse_math: True\n")
    with house_style(style):
        figure = Figure()
        figure.text(0, 0, r"$\what$")
        figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"form": "jpg"}, "--format"), ({"width": "broad"}, "--width"), ({"only": ["trade"]}, "did you mean 'trade-off'"),
     ({"style": "missing.mplstyle"}, "--style")],
)  # fmt: skip
def test_a_wrong_argument_is_named(run_folder, tmp_path, arguments, named):
    with pytest.raises(UserError, match=named):
        write_figures(load_run(run_folder), tmp_path, **arguments)


def test_from_python_a_figure_has_the_numbers_of_the_page(run_folder):
    run = open_run(run_folder)
    figure = run.figure("trade-off", collection="alpha", metric="latency_total/p50")
    (points,) = [artist for artist in figure.axes[0].collections if artist.get_gid() == "points"]
    wanted = run.records.query("collection == 'alpha' and metric == 'latency_total/p50'")["value"] * 1e3
    assert points.get_offsets()[:, 0].tolist() == pytest.approx(wanted.tolist())
    own = Figure()
    ax = own.subplots()
    assert run.figure("latency-share", ax=ax) is own
    assert ax.get_xlabel() == "milliseconds"
