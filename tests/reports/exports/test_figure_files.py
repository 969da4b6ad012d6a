"""Figures as files: fonts as fonts, the same bytes each time, and mistakes by name."""

import re

import pytest

from harness.errors import UserError
from harness.experiment import open_run
from harness.runs.read import load_run
from reports.exports import figure_files
from reports.exports.figure_files import write_figures


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
    from matplotlib.figure import Figure

    own = Figure()
    ax = own.subplots()
    assert run.figure("latency-share", ax=ax) is own
    assert ax.get_xlabel() == "milliseconds"
