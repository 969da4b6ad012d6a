"""Figures as inline SVG: text can be selected, colours follow the page, nothing depends on the date."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.stats.pareto import pareto_front
from reports.values import label

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.load import RunData

# Okabe and Ito's colours, told apart by the colour-blind; blue and orange first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = "osD^vPX"
INK = "#123456"
"""Stands for the page's own text colour until the SVG is written."""


def trade_off(run: RunData, collection: str, cost: str, gain: str, name: str) -> str | None:
    """Gain against cost, one point a system with intervals; those that none beats are joined."""
    cells = run.cells()
    points = [
        (system, cells[collection, system, cost], cells[collection, system, gain])
        for system in run.names(collection)
        if (collection, system, cost) in cells and (collection, system, gain) in cells
    ]
    if not points:
        return None

    def draw(axes: Any) -> None:
        factor = 1e3 if points[0][1].unit == "seconds" else 1.0
        front = pareto_front([c.value for _, c, _ in points], [g.value for _, _, g in points])
        best = sorted((c.value * factor, g.value) for (_, c, g), on in zip(points, front, strict=True) if on)
        axes.step([x for x, _ in best], [y for _, y in best], where="post", color=INK, lw=0.8, ls=":", zorder=1)
        for place, (system, c, g) in enumerate(points):
            errors = {}
            if g.ci_low is not None and g.ci_high is not None:
                errors["yerr"] = [[g.value - g.ci_low], [g.ci_high - g.value]]
            if c.ci_low is not None and c.ci_high is not None:
                errors["xerr"] = [[(c.value - c.ci_low) * factor], [(c.ci_high - c.value) * factor]]
            axes.errorbar(
                c.value * factor, g.value, fmt=MARKERS[place % len(MARKERS)], ms=7, lw=1.2, label=_short(system),
                color=COLOURS[place % len(COLOURS)], **errors,
            )  # fmt: skip
        _logarithmic(axes)
        axes.set_xlabel(label(cost) + (" (ms)" if factor != 1 else ""))
        axes.set_ylabel(label(gain))
        _legend(axes)

    return _svg(draw, name)


def latency_curves(run: RunData, collection: str, side: str, name: str) -> str | None:
    """Share of queries answered within a time, one curve a system."""
    systems = [s for s in run.names(collection) if (collection, s) in run.latency]
    if not systems:
        return None

    def draw(axes: Any) -> None:
        for place, system in enumerate(systems):
            times = np.sort(run.latency[collection, system][side].ravel()) * 1e3
            shown = times[np.linspace(0, len(times) - 1, min(len(times), 300)).astype(int)]
            axes.plot(
                shown, np.linspace(0, 1, len(shown)), label=_short(system), lw=1.6,
                color=COLOURS[place % len(COLOURS)], ls=("-", "--", "-.", ":")[place % 4],
            )  # fmt: skip
        _logarithmic(axes)
        axes.set_xlabel("milliseconds")
        axes.set_ylabel("share of queries")
        _legend(axes)

    return _svg(draw, name)


def memory_bars(run: RunData, collection: str, name: str) -> str | None:
    """Bytes of the index by component, stacked, one bar a system."""
    parts: dict[str, dict[str, float]] = {}
    for row in run.records:
        base, _, part = row.metric.partition("/")
        if row.collection == collection and base == "index_bytes" and part:
            parts.setdefault(part, {})[row.system] = row.value / 2**20
    systems = [s for s in run.names(collection) if any(s in values for values in parts.values())]
    if not systems:
        return None

    def draw(axes: Any) -> None:
        left = np.zeros(len(systems))
        for place, (part, values) in enumerate(parts.items()):
            widths = np.asarray([values.get(system, 0.0) for system in systems])
            axes.barh(
                range(len(systems)), widths, left=left, label=part, color=COLOURS[place % len(COLOURS)], height=0.6
            )
            left += widths
        axes.set_yticks(range(len(systems)), [_short(system) for system in systems])
        axes.invert_yaxis()
        axes.set_xlabel("MiB")
        _legend(axes)

    return _svg(draw, name, height=0.9 + 0.45 * len(systems))


def training_curves(run: RunData, name: str) -> str | None:
    """Loss by step, each encoder divided by its own first loss: losses of different scores are not comparable."""
    curves = {
        encoder: [(row["step"], row["loss"]) for row in rows if "step" in row and "loss" in row]
        for encoder, rows in run.training.items()
    }
    curves = {encoder: points for encoder, points in curves.items() if points and points[0][1]}
    if not curves:
        return None

    def draw(axes: Any) -> None:
        for place, (encoder, points) in enumerate(curves.items()):
            losses = [loss / points[0][1] for _, loss in points]
            axes.plot(
                [s for s, _ in points], losses, label=_short(encoder), color=COLOURS[place % len(COLOURS)], lw=1.6
            )
        axes.set_xlabel("step")
        axes.set_ylabel("loss / first loss")
        _legend(axes)

    return _svg(draw, name)


def _legend(axes: Any) -> None:
    """Beside the axes, where it hides nothing."""
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _logarithmic(axes: Any) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _short(name: str) -> str:
    text = " ".join(name.split())
    text = text if len(text) <= 40 else text[:39] + "…"
    return text.replace("$", r"\$").lstrip("_")


def _svg(draw: Callable[[Any], None], name: str, height: float = 3.2) -> str:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings = {
        "svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 9,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
        "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    with mpl.rc_context(settings):
        figure = Figure(figsize=(6.2, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several figures share a page: their identifiers must differ, and their size is the page's business.
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="|href="|url\()#', rf"\1#{name}-", text)
    opening = (
        r'<svg viewBox="\1" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        r'aria-hidden="true" focusable="false">'
    )
    text = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', opening, text, count=1)
    return re.sub(INK, "currentColor", text, flags=re.IGNORECASE)
