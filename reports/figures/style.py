"""The styles of figures: the project's own, the page's, and the user's."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib import RcParams

FOLDER = Path(__file__).parent


@contextmanager
def house_style(user: str | Path | None = None, *, page: bool = False) -> Iterator[None]:
    """Draw in the project's style, whatever the user's own matplotlibrc says.

    Args:
        user: A file of matplotlib's settings, or the name of one of its styles, that is laid over the project's.
        page: Whether figures are for the page.

    Raises:
        UserError: There is no such style, it has settings that matplotlib refuses, or TeX shall set its texts.
    """
    import matplotlib

    own = None if user is None else _read(user)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for settings in (*_shipped(), own) if page else (_shipped()[0], own):
            if settings is not None:
                matplotlib.rcParams.update(settings)
        matplotlib.rcParams["text.parse_math"] = False  # a name with two dollar signs is no formula
        yield


@lru_cache
def _shipped() -> tuple[RcParams, RcParams]:
    """The style of the project, and what the page has besides."""
    import matplotlib

    house, page = (
        matplotlib.rc_params_from_file(FOLDER / f"{name}.mplstyle", use_default_template=False)
        for name in ("house", "page")
    )
    return house, page


def _read(user: str | Path) -> RcParams:
    settings = _settings(user)
    if settings.get("text.usetex"):  # texts are measured before they are LaTeX
        remedy = "leave text.usetex out; with --format pgf the paper's LaTeX sets the texts of figures"
        raise UserError("figures are not set by matplotlib's TeX", file=user, key="text.usetex", remedy=remedy)
    return settings


def _settings(user: str | Path) -> RcParams:
    import matplotlib
    from matplotlib import style

    if str(user) in style.library:
        return style.library[str(user)]
    remedy = "give a file of matplotlib's settings, or one of the names in matplotlib.style.available"
    if not Path(user).is_file():
        raise UserError("there is no such style", file=user, key="--style", remedy=remedy)
    try:
        return matplotlib.rc_params_from_file(user, fail_on_error=True, use_default_template=False)
    except (OSError, ValueError, KeyError, UnicodeError) as error:
        raise UserError(f"the style cannot be used: {error}", file=user, key="--style", remedy=remedy) from None
