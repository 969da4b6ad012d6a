"""What a kind of figure is: tidy data, how they are drawn, and a table of the same numbers.

A kind is one module of this package, or an entry point of the group `laconic_bench.figures`. Its class says which
figures a run has; their panels hold the data of one pair of axes and draw them into matplotlib's axes. The page, papers
and Python use the same panels, so they show the same numbers.

No module of this package imports matplotlib before something is drawn: the commands start without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from harness.errors import UserError, allowed
from harness.registry import Registry, hooks_of
from harness.runs.names import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from harness.runs.read import RunData


@dataclass(frozen=True)
class Table:
    """The numbers of a drawing as text, with units."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Key:
    """A line of a legend.

    Attributes:
        text: What the sign stands for.
        sign: A marker, a line, or the fill of a bar or an area.
        colour: Place of the series whose colour it has, from 0; None for the colour of text.
        shape: Place of its marker, dashes or hatch, where that is not the place of its colour.
        hollow: Whether a marker is not filled.
    """

    text: str
    sign: Literal["marker", "line", "fill"] = "marker"
    colour: int | None = 0
    shape: int | None = None
    hollow: bool = False


class Name(NamedTuple):
    """A text beside a point of the data."""

    x: float
    y: float
    text: str


@dataclass
class Drawn:
    """What a panel did to its axes.

    Attributes:
        keys: The legend.
        names: Texts beside points, instead of the legend; the legend is shown where they would cover each other.
        tips: By an artist's gid: a sentence for each thing that it draws, in order. The page shows them on hovering.
        links: By an artist's gid: where each thing that it draws leads to, "" for nowhere.
    """

    keys: list[Key] = field(default_factory=list)
    names: list[Name] = field(default_factory=list)
    tips: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Panel(ABC):
    """Tidy data of one pair of axes. Subclasses add their data as fields that `repr` shows in full.

    Attributes:
        caption: One or two sentences.
        collection: Whose data these are; "" for those of a whole run.
        metric: Which of the panels of its kind and collection this is, such as ``index_bytes``.
    """

    caption: str
    collection: str = ""
    metric: str = ""

    aspect: ClassVar[float] = 0.61
    """Height of a panel by its width, where the vertical axis is a scale."""
    row_height: ClassVar[float] = 2.2
    """Height of a row by the size of the font, where the vertical axis is a list."""

    @abstractmethod
    def table(self) -> Table:
        """The numbers that are drawn."""

    @abstractmethod
    def draw(self, ax: Axes) -> Drawn:
        """Draw into empty axes: scales, ticks, labels and data, but no title and no legend."""

    def row_names(self) -> Sequence[str] | None:
        """Names of the rows from the top, where the vertical axis is a list; None where it is a scale."""
        return None

    def share(self) -> float:
        """Width on a page, as a share of that of a figure: a small one has text as large as the others."""
        return 1.0

    def summary(self) -> str:
        """A sentence for those who cannot see the figure, beside the axes and their ends."""
        return ""


@dataclass(frozen=True)
class Sheet:
    """Panels of one kind that share a canvas and a legend.

    Attributes:
        kind: Name of the kind.
        panels: One or more.
        heading: Part of a collection's page where they stand, such as "Memory"; the page itself places those without.
        collection: Whose data these are; "" for those of a whole run.
        part: Tells sheets of one kind and collection apart; "" for the first.
        distinct: Its name where another sheet has the name that is made of these; see `sheets_of`.
    """

    kind: str
    panels: Sequence[Panel]
    heading: str = ""
    collection: str = ""
    part: str = ""
    distinct: str = ""

    @property
    def name(self) -> str:
        """Of a file, such as ``trade-off-equal-scifact``: letters, digits, dots, hyphens and underscores.

        `sheets_of` numbers equal names, so that no two files have one name.
        """
        if self.distinct:
            return self.distinct
        parts = (self.kind, self.part, self.collection)
        text = "-".join(part for part in parts if part)
        return "".join(sign if sign.isalnum() or sign in ".-_" else "-" for sign in text).strip("-.") or "figure"

    @property
    def caption(self) -> str:
        """Of all panels; each is named by a letter where there are several."""
        if len(self.panels) == 1:
            return self.panels[0].caption
        return " ".join(f"({chr(97 + place)}) {panel.caption}" for place, panel in enumerate(self.panels))


@runtime_checkable
class FigureKind(Protocol):
    """A kind of figure. The class itself is registered, and the first line of its docstring says what it shows."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """What the page and papers show of a run; empty where the run has no such numbers."""

    @classmethod
    def panel(cls, run: RunData, collection: str, metric: str) -> Panel | None:
        """One panel, by its metric ("" for the first); None where the run has no such numbers."""


class FigureKindBase(ABC):
    """Defaults: a kind has the panels of its sheets."""

    @classmethod
    @abstractmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """What the page and papers show of a run."""

    @classmethod
    def panel(cls, run: RunData, collection: str, metric: str) -> Panel | None:
        """The first panel of the sheets with this collection and metric.

        Raises:
            UserError: There are such panels, and none has this metric.
        """
        own = [panel for sheet in cls.sheets(run) for panel in sheet.panels if panel.collection in ("", collection)]
        fitting = [panel for panel in own if metric in ("", panel.metric)]
        if own and not fitting:
            raise no_metric(metric, [panel.metric for panel in own])
        return fitting[0] if fitting else None


def no_metric(metric: str, names: Iterable[str]) -> UserError:
    """The message for a metric that a kind has no panel of."""
    return UserError(f"there is no such figure of {metric!r}", key="metric", remedy=allowed(metric, names))


KINDS: Registry[type[FigureKind]] = Registry(
    "figure", "reports.figures", "laconic_bench.figures", hooks=hooks_of(FigureKind)
)
register = KINDS.register


def sheets_of(run: RunData, only: Sequence[str] = ()) -> list[Sheet]:
    """All figures of a run, kind by kind; `only` names kinds or single figures (`Sheet.name`).

    Raises:
        UserError: `only` names neither a kind nor a figure of this run.
    """
    kinds = KINDS.names()
    if only and set(only) <= set(kinds):
        return [sheet for kind in kinds if kind in only for sheet in _sheets(run, kind)]
    sheets = _distinct([sheet for kind in kinds for sheet in _sheets(run, kind)])
    names = [*kinds, *(sheet.name for sheet in sheets)]
    for name in only:
        if name not in names:
            raise UserError(f"there is no figure {name!r}", key="--only", remedy=allowed(name, names))
    return [sheet for sheet in sheets if not only or sheet.kind in only or sheet.name in only]


def _sheets(run: RunData, kind: str) -> list[Sheet]:
    """Of one kind: sections of the page ask for them again and again."""
    return run.once(("sheets", kind), lambda: _distinct(KINDS.get(kind).sheets(run)))


def _distinct(sheets: Sequence[Sheet]) -> list[Sheet]:
    names = distinct([sheet.name for sheet in sheets])
    return [
        sheet if sheet.name == name else replace(sheet, distinct=name)
        for sheet, name in zip(sheets, names, strict=True)
    ]


def of_run(run: RunData, kind: str) -> list[Panel]:
    """The panels of one kind that are of the whole run."""
    return [panel for sheet in sheets_of(run, [kind]) if not sheet.collection for panel in sheet.panels]


def under(run: RunData, collection: str, heading: str) -> list[Panel]:
    """The panels that stand under a heading of a collection's page."""
    return [
        panel
        for sheet in sheets_of(run)
        if sheet.collection == collection and sheet.heading == heading
        for panel in sheet.panels
    ]


def panel_of(run: RunData, kind: str, collection: str | None = None, metric: str = "") -> Panel:
    """One panel of a run.

    Args:
        run: The run.
        kind: Name of a kind.
        collection: The first of the run by default.
        metric: Of the panel; the first by default.

    Raises:
        UserError: There is no such kind, collection or metric, or the run has not the numbers.
    """
    chosen = KINDS.get(kind)
    names = run.collections()
    if collection is not None and collection not in names:
        raise UserError(f"the run has no collection {collection!r}", remedy=allowed(collection, names))
    panel = chosen.panel(run, names[0] if collection is None and names else collection or "", metric)
    if panel is None:
        raise UserError(
            f"the run has not the numbers of the figure {kind!r}", remedy=(chosen.__doc__ or "").partition("\n")[0]
        )
    return panel
