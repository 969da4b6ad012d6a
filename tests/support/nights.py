"""Simulated histories, with noise of the kind that measured nights have."""

from dataclasses import dataclass

import numpy as np

from harness.stats.changes import SUSPICION, newest


@dataclass(frozen=True)
class Kind:
    """Noise of a night's value, relative.

    `within`: of one measurement, Student's t with `freedom` degrees. `between`: of the night, for all systems of a
    machine together, autoregressive with `correlation`. `spikes`: share of measurements that a neighbour slows down,
    by `spike` on average (exponential). `changes`: chance a night that the machine is exchanged, for another speed.
    """

    within: float = 0.008
    freedom: float = 3.0
    between: float = 0.006
    correlation: float = 0.5
    spikes: float = 0.03
    spike: float = 0.10
    changes: float = 1 / 60


@dataclass
class Page:
    """`values` and `again` (a second measurement of the same night): nights x series; `machines` a label a night."""

    values: np.ndarray
    again: np.ndarray
    machines: list


def simulate(rng, nights, series, kind, step_at=None, step=0.05):
    """A page of series; from night `step_at` on, the first series is slower by `step`."""
    machines = np.cumsum(rng.random(nights) < kind.changes) % 3
    speed = rng.uniform(0.7, 1.4, (3, series))
    common = np.zeros(nights)
    for night in range(1, nights):
        common[night] = kind.correlation * common[night - 1] + rng.normal(
            0, kind.between * np.sqrt(1 - kind.correlation**2)
        )
    level = speed[machines] * np.exp(common)[:, None]
    if step_at is not None:
        level[step_at:, 0] *= 1 + step
    scale = kind.within / np.sqrt(kind.freedom / (kind.freedom - 2))

    def measured():
        noise = scale * rng.standard_t(kind.freedom, (nights, series))
        spikes = (rng.random((nights, series)) < kind.spikes) * rng.exponential(kind.spike, (nights, series))
        return level * np.exp(noise + spikes)

    return Page(measured(), measured(), [f"m{m}" for m in machines])


def alarms(page):
    """(night, series, first night after the step) of every alarm that a nightly run would give on this page.

    As the nightly run does it: what tonight's value suggests is measured again, and of both the one counts that says
    less; it is an alarm where that one still says enough.
    """
    found = []
    for series in range(page.values.shape[1]):
        stretches = {}
        for night, machine in enumerate(page.machines):
            places, stretch = stretches.setdefault(machine, ([], []))
            places.append(night)
            first, second = page.values[night, series], page.again[night, series]
            stretch.append(first)
            suspected = newest(np.asarray(stretch), SUSPICION, 0.0)
            if suspected is None:
                continue
            stretch[-1] = min(first, second) if suspected.score > 0 else max(first, second)
            step = newest(np.asarray(stretch))
            if step is None:
                continue
            if step.score > 0:
                found.append((night, series, places[step.first]))
            stretches[machine] = (places[step.first :], stretch[step.first :])
    return found
