"""Writing a backbone as an ONNX graph, in float32 or with int8 weights, and holding it against torch.

The library's own ONNX backends need optimum, which does not take the transformers of today. So torch's exporter traces
our own network on the tokens of one text, and onnxruntime rounds the weights of its products: one scale a channel, and
7 bits, so that no sum of two products overflows 16 bits. Inputs have one scale for all tokens of a text.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import nn

from harness.encoders.backbones.onnx_backbone import FILE, OnnxBackbone, require_extra
from harness.encoders.backbones.packed_attention import Layout
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.encoders.backbones.packed_encoder import Model
    from harness.encoders.hardware import Hardware

OPSET = 17
"""The first that has a norm as one operation."""
LARGEST = 2**31 - 2**24
"""Bytes of weights in one file: protobuf has a limit of 2 GiB."""
BOUNDS = {"float32": 1e-4, "int8": 0.5}
"""Norm of the difference of states over their norm, at most. MiniLM-L6 has 1e-6 and 0.2; a wrong graph 1 or more."""
LENGTHS = (1, 9, 33)
"""Tokens of the texts that a graph is held against torch with."""


class Traceable(Protocol):
    """A network that is computed from a layout."""

    def states(self, ids: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Packed token ids to packed states."""
        ...


class TracedLayout(Layout):
    """One text whose length is no constant of a graph.

    Args:
        positions: The place of each token, an input of the graph.
        causal: Whether a token sees none after it.
    """

    def __init__(self, positions: torch.Tensor, causal: bool) -> None:
        self.positions, self.causal = positions, causal

    def attend(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Two products and a softmax: the fused kernel has no counterpart in the format."""
        _, heads, size = queries.shape
        scores = (queries.transpose(0, 1) * size**-0.5) @ keys.permute(1, 2, 0)
        if self.causal:
            scores = scores.masked_fill(self.positions[:, None] < self.positions, float("-inf"))
        mixed = scores.softmax(-1) @ values.transpose(0, 1)
        return mixed.transpose(0, 1).reshape(-1, heads * size)


class OneText(nn.Module):
    """What is traced: ids and places of a text's tokens to their states."""

    def __init__(self, network: Traceable, causal: bool) -> None:
        super().__init__()
        self.network, self.causal = network, causal

    def forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Tokens x hidden size."""
        return self.network.states(ids, TracedLayout(positions, self.causal))


def export(model: Model, folder: Path, hardware: Hardware) -> dict[str, object]:
    """Write the graph of a model's backbone and hold it against torch; return facts of it. Nothing without `backend`.

    Args:
        model: On a processor, in float32.
        folder: Gets the file.
        hardware: Says whether there is a graph, and whether its weights are rounded.

    Raises:
        UserError: The extra is not installed; the model is not float32 on a processor, is too large for the format, or
            has a backbone that is not ours; or the graph gives other states than torch.
    """
    if hardware.backend != "onnx":
        return {}
    require_extra()
    dtype = str(model.head.dtype).removeprefix("torch.")
    if hardware.devices != ["cpu"] or dtype != "float32":
        raise _refused("onnxruntime computes here on a processor, in float32", 'use device = "cpu", dtype = "float32"')
    network = model.backbone
    if not hasattr(network, "states"):
        raise _refused("transformers runs this backbone, and it is not exported here", "leave backend out")
    plain = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    if plain > LARGEST:
        raise _refused(f"the backbone has {plain / 1e9:.1f} GB, and an ONNX file holds 2 at most", "leave backend out")
    causal, rounded = bool(model.config.get("is_causal", False)), hardware.quantise == "int8"
    with TemporaryDirectory(dir=folder) as scratch:
        whole = Path(scratch) / "whole.onnx"
        _trace(network, whole, causal=causal)
        about = {"values": sum(weight.numel() for weight in network.parameters()), "opset": OPSET}
        _describe(whole, about)
        graph = OnnxBackbone(whole, 1)
        differences = {"float32": _difference(graph, model)}
        made = whole
        if rounded:
            made = Path(scratch) / "small.onnx"
            _round(whole, made)
            _describe(made, about)
            graph = OnnxBackbone(made, 1)
            differences["int8"] = _difference(graph, model)
        for name, difference in differences.items():
            if not difference <= BOUNDS[name]:
                raise _refused(
                    f"the exported graph in {name} gives other states than torch: they differ by {difference:.2g} of "
                    f"their size, and {BOUNDS[name]:g} is allowed",
                    "leave backend out",
                )
        made.rename(folder / FILE)
    return {"onnx": {"version": graph.version, "weight_bytes": graph.size, "difference": differences}}


def _trace(network: nn.Module, file: Path, *, causal: bool) -> None:
    torch.onnx.register_custom_op_symbolic("aten::rms_norm", _rms_norm, OPSET)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes that are constants of the network, and the exporter's age
        torch.onnx.export(
            OneText(network, causal).eval(),
            (torch.arange(3), torch.arange(3)),
            str(file),
            input_names=["ids", "positions"],
            output_names=["states"],
            dynamic_axes={name: {0: "tokens"} for name in ("ids", "positions", "states")},
            opset_version=OPSET,
            dynamo=False,
        )


def _rms_norm(
    graph: torch._C.Graph, states: torch._C.Value, _: torch._C.Value, weight: torch._C.Value, eps: torch._C.Value
) -> torch._C.Value:
    """The norm's formula in operations that the opset has."""
    from torch.onnx import symbolic_helper

    def constant(value: float) -> torch._C.Value:
        return graph.op("Constant", value_t=torch.tensor(value))

    squares = graph.op("ReduceMean", graph.op("Pow", states, constant(2.0)), axes_i=[-1], keepdims_i=1)
    root = graph.op("Sqrt", graph.op("Add", squares, constant(float(symbolic_helper._maybe_get_const(eps, "f")))))
    return graph.op("Mul", graph.op("Div", states, root), weight)


def _round(whole: Path, small: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends preparations for networks of pictures
    try:
        quantize_dynamic(
            whole,
            small,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
    finally:
        logging.disable(before)


def _describe(file: Path, about: Mapping[str, object]) -> None:
    """Write into a graph what whoever opens it must know, and the bytes of its weights."""
    import onnx

    graph = onnx.load(file)
    size = sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in graph.graph.initializer)
    onnx.helper.set_model_props(graph, {key: str(value) for key, value in {**about, "size": size}.items()})
    onnx.save(graph, file)


def _difference(graph: OnnxBackbone, model: Model) -> float:
    """Norm of the difference of states over their norm, of texts of random tokens."""
    drawn = np.random.default_rng(0)
    limit = min(model.contract.document_length, model.contract.query_length)
    lengths = [min(length, limit) for length in LENGTHS]
    ids = torch.from_numpy(drawn.integers(0, len(model.head), sum(lengths)))
    with torch.inference_mode():
        expected: NDArray[np.float32] = model.backbone(ids, lengths).numpy()
        states: NDArray[np.float32] = graph(ids, lengths).numpy()
    return float(np.linalg.norm(states - expected) / np.linalg.norm(expected))


def _refused(what: str, remedy: str) -> UserError:
    return UserError(what, key="backend", remedy=remedy)
