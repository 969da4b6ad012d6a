"""A backbone as a graph that onnxruntime computes on a processor, in place of torch.

The graph reads the tokens of one text: see `harness.encoders.backbones.onnx_export`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from harness.encoders.hardware import ONNX_LIBRARIES
from harness.errors import UserError, line_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "backbone.onnx"
"""Beside a model's own files."""


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
                f"onnxruntime does not open the graph: {line_of(error)}",
                file=file,
                key="backend",
                remedy="make the model again, by the version of onnxruntime that opens it",
            ) from None
        about = self.session.get_modelmeta().custom_metadata_map
        self.values, self.size = int(about["values"]), int(about["size"])
        self.version = f"onnxruntime {onnxruntime.__version__}, opset {about['opset']}"

    def forward(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Tokens x hidden size of all texts, one after the other.

        Each text is computed alone. That is faster than a batch with padding, whose attention scores leave the cache,
        and a vector does not depend on what it is encoded together with: int8 inputs have one scale for all tokens.
        """
        return torch.cat([torch.from_numpy(self._states(part.numpy())) for part in ids.split(list(lengths))])

    def _states(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        feed = {"ids": ids, "positions": np.arange(len(ids), dtype=np.int64)}
        states: NDArray[np.float32] = self.session.run(["states"], feed)[0]
        return states


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
