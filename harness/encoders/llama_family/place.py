"""Making a model that is not trained: its files are taken over, or written anew tensor by tensor in their own dtype.

A model of 8 billion parameters is 16 GB in bfloat16. Reading all of it, converting it and saving it would take three
times that in memory, and as much on the disk.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.encoders.llama_family.make import check_shapes, configure
from harness.encoders.weights.peft_adapter import read_changes
from harness.encoders.weights.pretrained import layer_of, usual_name
from harness.encoders.weights.sentence_transformers_folder import Saved, write_settings
from harness.encoders.weights.stored import FLOATS, INDEX, most_used, read_header, take_over, write_tensors

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from harness.encoders.llama_family.params import LlamaParams
    from harness.encoders.weights.peft_adapter import Change
    from harness.encoders.weights.pretrained import Pretrained
    from harness.encoders.weights.sentence_transformers_folder import Contract
    from harness.encoders.weights.stored import StoredTensor

HEAD = "lm_head.weight"


def place(published: Pretrained, params: LlamaParams, contract: Contract, folder: Path) -> bool:
    """Write the model's folder without holding the model, as far as its settings allow; whether it was done.

    A file that needs no change becomes another name of the published one, or a copy on another disk. The others are
    written with the layers that are used and with the adapter's products added, in the dtype that they have. It is not
    done for weights that are no safetensors, and where `embedding_scale` changes the weights themselves.

    Args:
        published: The backbone, and an adapter saved by peft.
        params: Of an encoder that is not trained and has no bias of its terms.
        contract: How to encode.
        folder: Existing and empty.

    Raises:
        UserError: The weights do not fit the configuration, or the adapter does not fit the weights.
    """
    if not published.files or params.embedding_scale != 1.0:
        return False
    config = configure(published.config, params)
    layers = config["num_hidden_layers"]
    files = [[(usual_name(tensor.name), tensor) for tensor in read_header(file)] for file in published.files]
    used = {name: tensor for own in files for name, tensor in own if layer_of(name) < layers}
    if any(tensor.dtype not in FLOATS for tensor in used.values()):
        return False
    shapes = {name: tensor.shape for name, tensor in used.items()}
    changes = {} if published.adapter is None else read_changes(published.adapter, shapes, layers)
    own_head = HEAD in used and not config.get("tie_word_embeddings", False)
    wanted = {name: tensor for name, tensor in used.items() if name != HEAD or (own_head and contract.kind == "sparse")}
    check_shapes(config, {name.removeprefix("model."): shape for name, shape in shapes.items() if name != HEAD})
    saved = Saved(most_used(list(wanted.values())), tied=not own_head, biased=False)
    write_settings(folder, contract, config, published.tokenizer, saved)
    changed = [(own, [(name, tensor) for name, tensor in own if name in wanted]) for own in files]
    _write([(own, some) for own, some in changed if some], changes, folder)
    return True


def _write(
    files: list[tuple[list[tuple[str, StoredTensor]], list[tuple[str, StoredTensor]]]],
    changes: dict[str, Change],
    folder: Path,
) -> None:
    def value(name: str, stored: StoredTensor) -> torch.Tensor:
        weight = stored.read()
        return changes[name].added_to(weight).to(weight.dtype) if name in changes else weight

    places: dict[str, str] = {}
    for number, (own, wanted) in enumerate(files, start=1):
        several = f"model-{number:05}-of-{len(files):05}.safetensors"
        target = folder / (several if len(files) > 1 else "model.safetensors")
        as_it_is = own == wanted and all(name == tensor.name and name not in changes for name, tensor in own)
        if as_it_is:
            take_over(own[0][1].file, target)
        else:
            write_tensors(target, wanted, value)
        places |= dict.fromkeys((name for name, _ in wanted), target.name)
    if len(files) > 1:
        size = sum(tensor.size for _, wanted in files for _, tensor in wanted)
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
