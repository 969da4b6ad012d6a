"""A run's figures as files for papers, slides and other pages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from harness.errors import UserError, allowed
from reports.figures.base import sheets_of
from reports.figures.canvas import compose, inches
from reports.figures.style import house_style

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.runs.read import RunData
    from reports.figures.base import Sheet

FORMATS = ("pdf", "pgf", "svg", "png")
TEX = ("xelatex", "lualatex", "pdflatex")
"""Programs that measure the text of a figure for pgf, the best first."""
NO_DATE: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Producer": None}, "svg": {"Date": None}, "png": {"Software": None},
}  # fmt: skip
"""Files of the same numbers are the same, byte for byte."""
PREAMBLE = r"\ifdefined\pdftexversion\usepackage[T1]{fontenc}\fi"
"""What LaTeX needs for every letter and sign that `reports.latex.escaped` writes; XeTeX and LuaTeX have them."""


def write_figures(
    run: RunData,
    out: Path,
    form: str = "pdf",
    width: float | str = "column",
    *,
    only: Sequence[str] = (),
    style: str | None = None,
) -> list[Path]:
    r"""Write every figure of a run to a file of its own, ``NAME.FORM``.

    Args:
        run: The run.
        out: A folder, made where it is missing.
        form: One of `FORMATS`. Fonts are embedded in "pdf"; "pgf" needs TeX here, and is set in the paper's font with
            ``\usepackage[T1]{fontenc}``.
        width: "column" (3.3 inches), "text" (6.9 inches) or inches.
        only: Names of kinds or of single figures; by default all.
        style: A file of matplotlib's settings, laid over the project's own.

    Returns:
        The files, in the order of the figures.

    Raises:
        UserError: An argument is wrong, the run has no figure, TeX is missing or refuses a figure, or a file cannot be
            written.
    """
    if form not in FORMATS:
        raise UserError(f"there is no format {form!r} of figures", key="--format", remedy=allowed(form, FORMATS))
    wide, sheets = inches(width), sheets_of(run, only)
    if not sheets:
        raise UserError("the run has no numbers that a figure shows", file=run.folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with house_style(style):
            return [_write(sheet, out / f"{sheet.name}.{form}", form, wide) for sheet in sheets]
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", file=out, remedy="give another --out") from None


def _write(sheet: Sheet, path: Path, form: str, wide: float) -> Path:
    import matplotlib
    from matplotlib.backends.backend_pgf import LatexError

    if form == "pgf":
        own = matplotlib.rcParams["pgf.preamble"]
        matplotlib.rcParams.update(
            {"pgf.texsystem": _tex(), "pgf.rcfonts": False, "pgf.preamble": f"{PREAMBLE}\n{own}"}
        )
    figure = compose(sheet.panels, wide).figure
    if form == "pgf":
        from reports.exports.latex_text import escape_texts

        escape_texts(figure)
    try:
        if form in NO_DATE:
            figure.savefig(path, format=form, metadata=NO_DATE[form])
        else:
            figure.savefig(path, format=form)
    except (ValueError, RuntimeError, MemoryError, LatexError) as error:  # of TeX, or a picture that is too large
        path.unlink(missing_ok=True)
        raise UserError(
            f"the figure {sheet.name} cannot be written as {form}: {_reason(error)}",
            file=path,
            key="--format",
            remedy="use --format pdf, which needs no TeX" if form == "pgf" else "leave out --style",
        ) from error
    return path


def _reason(error: Exception) -> str:
    """The first line of TeX's own complaint where there is one, otherwise the last line of the message."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()] or [type(error).__name__]
    return next((line[2:] for line in lines if line.startswith("! ")), lines[-1])


def _tex() -> str:
    for program in TEX:
        if shutil.which(program):
            return program
    raise UserError(
        "a figure for pgf needs TeX, which measures its text; there is none here",
        key="--format",
        remedy="install xelatex, lualatex or pdflatex, or use pdf",
    )
