"""A backbone as a graph that onnxruntime computes on a processor, in place of torch.

The graph reads packed tokens, as the network that it was exported from: see `harness.encoders.backbones.onnx_export`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from torch import nn

from harness.encoders.hardware import ONNX_LIBRARIES
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "backbone.onnx"
"""Beside a model's own files."""


class Inputs(TypedDict):
    """What a graph reads of the texts of a batch.

    Attributes:
        ids: Token ids of all texts, one after the other, int64.
        positions: The place of each token in its text, int64.
        slots: Where each token lies in texts x longest, int64.
        source: The token at each place of texts x longest, and the first one where there is padding, int64.
        mask: Texts x 1 x longest: where there are tokens. Of a causal model, texts x longest x longest: which token
            sees which. Boolean.
    """

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    slots: NDArray[np.int64]
    source: NDArray[np.int64]
    mask: NDArray[np.bool_]


class OnnxBackbone(nn.Module):
    """Packed token ids to packed states, float32.

    Args:
        file: That `onnx_export.export` wrote.
        threads: Of a product.

    Raises:
        UserError: The extra is not installed, or the file is damaged.
    """

    def __init__(self, file: Path, threads: int) -> None:
        super().__init__()
        require_extra()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Threads that wait for work must not take time from whatever is measured beside them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise UserError(
                f"onnxruntime does not open the graph: {str(error).splitlines()[0]}",
                file=file,
                key="backend",
                remedy="make the model again, by the version of onnxruntime that opens it",
            ) from None
        about = self.session.get_modelmeta().custom_metadata_map
        self.causal, self.rounded = about["causal"] == "True", about["rounded"] == "True"
        self.values, self.size = int(about["values"]), int(about["size"])
        self.version = f"onnxruntime {onnxruntime.__version__}, opset {about['opset']}"

    def forward(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Tokens x hidden size of all texts, one after the other.

        A graph in int8 takes one scale for all its inputs, so it reads each text alone: a vector does not depend on
        what it is encoded together with.
        """
        if self.rounded and len(lengths) > 1:
            return torch.cat([self._run(part, [len(part)]) for part in ids.split(list(lengths))])
        return self._run(ids, lengths)

    def _run(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        feed = dict(inputs_of(ids.numpy(), lengths, causal=self.causal))
        return torch.from_numpy(self.session.run(["states"], feed)[0])


def inputs_of(ids: NDArray[np.int64], lengths: Sequence[int], *, causal: bool) -> Inputs:
    """The inputs of a graph for packed token ids of texts of these lengths."""
    texts, longest = len(lengths), max(lengths)
    positions = np.concatenate([np.arange(length, dtype=np.int64) for length in lengths])
    slots = np.repeat(np.arange(texts, dtype=np.int64) * longest, lengths) + positions
    source = np.zeros(texts * longest, np.int64)
    source[slots] = np.arange(len(ids))
    mask = (np.arange(longest) < np.asarray(lengths)[:, None])[:, None]
    if causal:
        mask = mask & np.tril(np.ones((longest, longest), bool))
    return Inputs(ids=ids, positions=positions, slots=slots, source=source, mask=mask)


def require_extra() -> None:
    """See to it that the packages are there.

    Raises:
        UserError: One is not installed.
    """
    for name in ONNX_LIBRARIES:
        try:
            import_module(name)
        except ImportError as error:
            raise UserError(
                f"{name} is not installed, or not whole: {error}",
                key="backend",
                remedy='python -m pip install "laconic-bench[onnx]", or leave backend out',
            ) from None
