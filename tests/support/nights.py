"""Simulated histories, with noise of the kind that measured nights have."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.stats.changes import SUSPICION, newest


@dataclass(frozen=True)
class Kind:
    """Noise of a night's value, relative; spreads are robust (of a normal distribution's middle).

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
    scale = kind.within / (1.4826 * stats.t.ppf(0.75, kind.freedom))

    def measured():
        noise = scale * rng.standard_t(kind.freedom, (nights, series))
        spikes = (rng.random((nights, series)) < kind.spikes) * rng.exponential(kind.spike, (nights, series))
        return level * np.exp(noise + spikes)

    return Page(measured(), measured(), [f"m{m}" for m in machines])


def ours(stretch, *, twice):
    """(first night after the step, sign) of a step found with the last night, None where there is none."""
    step = newest(np.asarray(stretch)) if twice else newest(np.asarray(stretch), SUSPICION, 0.0)
    return None if step is None else (step.first, step.score)


def alarms(page, method=ours):
    """(night, series, first night after the step) of every alarm that a nightly run would give on this page.

    As the nightly run does it: what tonight's value suggests is measured again, and of both the one counts that says
    less; it is an alarm where that one still says enough. `method` is called with the values of one machine since the
    last step, tonight's last.
    """
    found = []
    for series in range(page.values.shape[1]):
        stretches = {}
        for night, machine in enumerate(page.machines):
            places, stretch = stretches.setdefault(machine, ([], []))
            places.append(night)
            first, second = page.values[night, series], page.again[night, series]
            stretch.append(first)
            suspected = method(stretch, twice=False)
            if suspected is None:
                continue
            stretch[-1] = min(first, second) if suspected[1] > 0 else max(first, second)
            step = method(stretch, twice=True)
            if step is None:
                continue
            if step[1] > 0:
                found.append((night, series, places[step[0]]))
            stretches[machine] = (places[step[0] :], stretch[step[0] :])
    return found


def fitted(folder, metrics=("encode_least", "search_least", "total_least")):
    """The noise of a history's nights, of these metrics: of the night in common, and of each series on top of it.

    Series of which a step was found are left out: what is fitted is noise.
    """
    from harness.history import History
    from harness.history.series import series

    known = series(History(folder).table().to_pylist())
    rows = [
        np.log([night.value for night in nights if night.label == nights[-1].label])
        for (_, system, metric), nights in known.items()
        if metric in metrics and "(again)" not in system
    ]
    nights = min(len(row) for row in rows)
    values = np.stack([row[-nights:] - np.median(row[-nights:]) for row in rows], axis=1)
    common = np.median(values, axis=1)
    own = (values - common[:, None]).ravel()
    spread, between = (1.4826 * np.median(np.abs(part - np.median(part))) for part in (own, common))
    clipped = np.clip(common / max(between, 1e-9), -4, 4)
    correlation = float(np.corrcoef(clipped[:-1], clipped[1:])[0, 1]) if between else 0.0
    freedom = float(np.clip(stats.t.fit(own / spread, floc=0)[0], 2.1, 30))
    far = own > 5 * spread
    return Kind(
        within=float(spread), freedom=freedom, between=float(between), correlation=float(np.clip(correlation, 0, 0.9)),
        spikes=float(far.mean()), spike=float(own[far].mean()) if far.any() else 0.0,
    )  # fmt: skip


MEASURED = Kind(within=0.007, between=0.021)
"""Spreads of the shortest times of seven nights (two processes of five passes over 100 queries each) on two cores that
up to 40 other processes wanted. So few nights say nothing of tails and correlation: those are as assumed."""
