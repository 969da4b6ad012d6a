"""Where a training runs: one device, or one in each of several processes that share every batch (accelerate)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch.distributed.device_mesh import DeviceMesh


@dataclass(frozen=True)
class Devices:
    """One process of a training.

    Each process holds the whole model and the same order of batches, and makes the vectors of its share of a batch's
    texts. These are gathered, so that every query has the passages of all processes as negatives, and the gradients
    are summed: the step differs from that of one process only by the order of additions.

    Args:
        device: Of this process.
        number: Its number, from 0.
        count: Processes in all.
        sharded: Whether each process holds a part of the frozen weights (`harness.training.placement`).
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    number: int = 0
    count: int = 1
    sharded: bool = False

    def share(self, texts: int) -> range:
        """Places of the texts that this process encodes."""
        return range(self.number, texts, self.count)

    def gather(self, rows: torch.Tensor, texts: int) -> torch.Tensor:
        """The rows of all processes, each at the place of its text."""
        if self.count == 1:
            return rows
        from accelerate.utils import gather

        largest = -(-texts // self.count)
        padded = rows.new_zeros(largest, rows.shape[1])
        padded[: len(rows)] = rows
        by_process = gather(padded).view(self.count, largest, -1)
        return by_process.transpose(0, 1).reshape(self.count * largest, -1)[:texts]

    def add(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum the gradients over all processes."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        for parameter in parameters:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = reduce(gradient, "sum")

    def total(self, figures: dict[str, float]) -> dict[str, float]:
        """Sums of these figures over all processes."""
        if self.count == 1:
            return figures
        from accelerate.utils import reduce

        summed = reduce(torch.tensor(list(figures.values()), dtype=torch.float32, device=self.device), "sum")
        return dict(zip(figures, summed.tolist(), strict=True))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def mesh(self) -> DeviceMesh:
        """All processes in one row, as sharding takes them."""
        from torch.distributed.device_mesh import init_device_mesh

        return init_device_mesh(self.kind, (self.count,))

    @property
    def first(self) -> bool:
        """Whether this process reports and writes what all of them know."""
        return self.number == 0

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda``, ..."""
        return str(self.device.type)


ALONE = Devices()
"""One process on the processor."""


def find(device: str = "cpu", *, sharded: bool = False) -> Devices:
    """Of this process, alone or as torchrun or `accelerate launch` started it.

    Args:
        device: As a spec names it.
        sharded: Whether processes share the frozen weights; one alone has nobody to share them with.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Devices(torch.device(device))
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    return Devices(state.device, state.process_index, state.num_processes, sharded)


def writes() -> bool:
    """Whether this process writes what several processes made."""
    return os.environ.get("RANK", "0") == "0"
