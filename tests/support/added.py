"""What a measurement adds to a run, as it was given."""

from typing import NamedTuple


class Row(NamedTuple):
    """The arguments of one call."""

    name: str
    value: float
    method: str
    n: int
    interval: tuple[float, float] | None
    source: str


class Added(list):
    """An `harness.pipeline.measurements.Add` that keeps what it is given."""

    def __init__(self, confidence=0.95):
        super().__init__()
        self.confidence = confidence

    def __call__(self, name, value, method, *, n=1, interval=None, source="measured"):
        self.append(Row(name, value, method, n, interval, source))

    def by_name(self):
        """Each row by the name of its metric."""
        return {row.name: row for row in self}
