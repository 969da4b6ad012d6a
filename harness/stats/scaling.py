"""How a cost grows with the number of documents: a law fitted to several sizes, and what it says of larger ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Form: TypeAlias = Literal["affine", "power"]
FORMS: tuple[Form, ...] = ("affine", "power")
FLOOR = 1e-12
"""Relative residuals below this are rounding."""


@dataclass(frozen=True)
class Law:
    """A fitted law: ``a + b n`` (affine, both at least 0) or ``a n^b`` (power).

    `sizes` and `values` are what it was fitted to; `spread` is the standard deviation of relative residuals with
    n - 2 degrees of freedom (of their logarithms for a power law); `cross` the inverse of the normal equations' matrix.
    """

    form: Form
    a: float
    b: float
    sizes: NDArray[np.float64]
    values: NDArray[np.float64]
    spread: float
    cross: NDArray[np.float64]

    def at(self, size: float) -> float:
        """The value that the law gives at this size."""
        return self.a + self.b * size if self.form == "affine" else self.a * size**self.b


@dataclass(frozen=True)
class Prediction:
    """A value at a size with its prediction interval: where one new measurement would fall."""

    size: float
    value: float
    low: float
    high: float


def fit(sizes: Sequence[float], values: Sequence[float], form: Form) -> Law:
    """Least squares of relative residuals (affine), or of logarithms (power).

    Costs span orders of magnitude and their noise is relative, so that plain least squares would look at the largest
    alone.

    Args:
        sizes: Positive, at least three different ones.
        values: Positive, one a size.
        form: Which law.

    Raises:
        ValueError: Fewer than three different sizes, or something is not positive.
    """
    x, y = np.asarray(sizes, np.float64), np.asarray(values, np.float64)
    if len(x) != len(y) or len(np.unique(x)) < 3:
        raise ValueError("a law needs at least three different sizes, with one value each")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all() and (y > 0).all()):
        raise ValueError("sizes and values must be positive")
    if form == "power":
        rows, wanted = np.stack([np.ones_like(x), np.log(x)], axis=1), np.log(y)
        (a, b), cross = _least_squares(rows, wanted)
        left = wanted - rows @ np.array([a, b])
        return Law(form, float(np.exp(a)), b, x, y, _spread(left, len(x)), cross)
    rows, wanted = np.stack([1 / y, x / y], axis=1), np.ones_like(x)
    (a, b), cross = _least_squares(rows, wanted)
    if a < 0 or b < 0:  # a cost is neither negative at 0 nor does it fall: the boundary fits best
        by_size, flat = rows[:, 1], rows[:, 0]
        options = [(0.0, float(by_size.sum() / (by_size**2).sum())), (float(flat.sum() / (flat**2).sum()), 0.0)]
        a, b = min(options, key=lambda ab: float(((rows @ np.array(ab) - 1) ** 2).sum()))
    left = wanted - rows @ np.array([a, b])
    return Law(form, a, b, x, y, _spread(left, len(x)), cross)


def predict(law: Law, size: float, confidence: float = 0.95) -> Prediction:
    """The law's value at a size with a prediction interval (Student's t, n - 2 degrees of freedom).

    It covers the noise of the measurements and of the fit, not a law of another form than the fitted one.
    """
    from scipy.special import stdtrit  # a tenth of the import time of scipy.stats

    reach = float(stdtrit(len(law.sizes) - 2, 0.5 + confidence / 2)) * law.spread
    value = law.at(size)
    if law.form == "power":
        row = np.array([1.0, np.log(size)])
        width = reach * float(np.sqrt(1 + row @ law.cross @ row))
        return Prediction(size, value, value * float(np.exp(-width)), value * float(np.exp(width)))
    row = np.array([1.0, size]) / value
    width = reach * float(np.sqrt(1 + row @ law.cross @ row))
    return Prediction(size, value, max(value * (1 - width), 0.0), value * (1 + width))


def choose(sizes: Sequence[float], values: Sequence[float]) -> Law:
    """The law that better predicts the largest size from the others; affine where they are equal or sizes are few.

    With three sizes there is nothing to choose by.
    """
    order = np.argsort(np.asarray(sizes, np.float64), kind="stable")
    x, y = np.asarray(sizes, np.float64)[order], np.asarray(values, np.float64)[order]
    rest = x < x[-1]
    if len(np.unique(x[rest])) < 3:
        return fit(x.tolist(), y.tolist(), "affine")
    errors = {
        form: float(np.abs(np.log(max(fit(x[rest].tolist(), y[rest].tolist(), form).at(float(x[-1])), 1e-300)
                                  / y[~rest])).mean())
        for form in FORMS
    }  # fmt: skip
    best: Form = "power" if errors["power"] < 0.8 * errors["affine"] else "affine"
    return fit(x.tolist(), y.tolist(), best)


def held_out(sizes: Sequence[float], values: Sequence[float], share: float = 1.0) -> tuple[Prediction, float, float]:
    """Predict the largest size from all that are at most `share` of it.

    Returns:
        The prediction, what was measured there (mean), and the relative error.

    Raises:
        ValueError: Fewer than three different smaller sizes.
    """
    x, y = np.asarray(sizes, np.float64), np.asarray(values, np.float64)
    largest = x.max()
    rest = (x < largest) & (x <= share * largest)
    prediction = predict(choose(x[rest].tolist(), y[rest].tolist()), float(largest))
    real = float(y[x == largest].mean())
    return prediction, real, prediction.value / real - 1


def _least_squares(
    rows: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    scale = np.linalg.norm(rows, axis=0)  # columns differ by orders of magnitude
    cross = np.linalg.inv((rows / scale).T @ (rows / scale)) / np.outer(scale, scale)
    a, b = np.linalg.lstsq(rows / scale, wanted, rcond=None)[0] / scale
    return (float(a), float(b)), cross


def _spread(left: NDArray[np.float64], count: int) -> float:
    return max(float(np.sqrt((left**2).sum() / (count - 2))), FLOOR)
