"""One encoder on several devices: each has the whole model, and they share the texts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from harness.encoders.hardware import described, present

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.encoders.base import Encoder, Probe, Role
    from harness.encoders.hardware import Hardware
    from harness.vectors import Kind, Vectors

Part: TypeAlias = tuple[list[int], list[str]]
"""Places in the whole, and the texts at these places."""


def on_devices(hardware: Hardware, threads: int, load: Callable[[str], Encoder]) -> Encoder:
    """The encoder on its device, or on each of its devices.

    Args:
        hardware: Names the devices.
        threads: Of torch, on a processor.
        load: Opens the encoder on a device, by torch's name.

    Raises:
        UserError: A device is not there; nothing was loaded.
    """
    import torch

    torch.set_num_threads(threads)
    devices = present(hardware.devices)
    return load(devices[0]) if len(devices) == 1 else Replicas(devices, load)


class Replicas:
    """Texts of a call are sorted by length and dealt out in turns; vectors change by rounding alone.

    The first device's model is loaded at once. The others follow with the first call that has several texts: a process
    that encodes one query at a time does not need them.

    Args:
        devices: By torch's names, at least one.
        load: A device to an encoder on it; called from one thread at a time.
    """

    def __init__(self, devices: Sequence[str], load: Callable[[str], Encoder]) -> None:
        self.devices, self.load = list(devices), load
        self.replicas = [load(self.devices[0])]
        self.first = self.replicas[0]
        self.kind: Kind = self.first.kind
        self.width = self.first.width
        self._pool = ThreadPoolExecutor(len(self.devices), "device")
        self._expected: list[tuple[Sequence[str], list[Part]]] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Rows in the order of `texts`."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Rows in the order of `texts`."""
        return self._encode(texts, "query")

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """Each replica gets the texts that it will be given."""
        parts = self._parts(texts)
        self._expected = [*self._expected[-1:], (texts, parts)]
        for replica, (_, own) in zip(self.replicas, parts, strict=False):
            replica.expect(own, role)

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """By the replicas that encode the texts: they have tokenised them."""
        counts = [0] * len(texts)
        for replica, (places, own) in zip(self._loaded(len(texts)), self._parts(texts), strict=False):
            for place, count in zip(places, replica.count_tokens(own, role), strict=True):
                counts[place] = count
        return counts

    def count_flops(self, tokens: int) -> float:
        """Of one text, on whichever device."""
        return self.first.count_flops(tokens)

    def count_query_flops(self, tokens: int) -> float:
        """Of one query, on whichever device."""
        return self.first.count_query_flops(tokens)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Of the model."""
        return self.first.terms(columns)

    def parameters(self) -> Mapping[str, float | str]:
        """Of the model, with all devices by name."""
        return {**self.first.parameters(), "device": ", ".join(map(described, self.devices))}

    def probe(self) -> Probe | None:
        """Of the model on the first device."""
        return self.first.probe()

    def _encode(self, texts: Sequence[str], role: Role) -> Vectors:
        def encode(replica: Encoder, own: list[str]) -> Vectors:
            return replica.encode_queries(own) if role == "query" else replica.encode_documents(own)

        if len(texts) < 2:
            return encode(self.first, list(texts))
        parts = self._parts(texts)
        replicas = self._loaded(len(texts))[: len(parts)]
        blocks = list(self._pool.map(encode, replicas, [own for _, own in parts]))
        order = np.argsort(np.concatenate([places for places, _ in parts]), kind="stable")
        dense = [block for block in blocks if isinstance(block, np.ndarray)]
        if dense:
            return np.ascontiguousarray(np.concatenate(dense)[order])
        return sparse.csr_matrix(sparse.vstack(list(map(sparse.csr_matrix, blocks)), format="csr")[order])

    def _loaded(self, texts: int) -> list[Encoder]:
        """The encoders on all devices, or on the first where there is one text or none."""
        if texts > 1:
            self.replicas += [self.load(device) for device in self.devices[len(self.replicas) :]]
        return self.replicas

    def _parts(self, texts: Sequence[str]) -> list[Part]:
        """A part for each device, longest texts first; the same lists as were expected."""
        for expected, parts in self._expected:
            if expected is texts:
                return parts
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        dealt = [order[number :: len(self.devices)] for number in range(len(self.devices))]
        return [(places, [texts[place] for place in places]) for places in dealt if places]
