"""One GPU against the processor: encoding with every type of encoder and dtype, and every kind of training.

It is made for ten minutes of one GPU. No GPU was at hand when it was written: it has run on a processor alone.

    python tests/bench/bench_cuda.py                     # cuda:0
    python tests/bench/bench_cuda.py --device cuda:1 --documents 4096
    python tests/bench/bench_cuda.py --device cpu --documents 64 --quick    # does the script run at all?

The models are random ones in the layouts of published ones, and the texts are random words, so that nothing is
downloaded: vectors and speed do not depend on what a model has learnt. Each is made once and encodes the same texts on
both sides. The processor computes in float32, and its vectors are what all others are held against. Printed are, for
each encoder, device and dtype: the largest difference as a share of the largest value, the least cosine of a
document's two vectors, documents a second, and the ratio to the processor's. With several GPUs the last rows share the
texts among all of them. Then a small random Llama is trained in each way on both sides (`cuda_training.py`): losses and
weights are compared, and how often the sparse head makes the processor wait. The exit status is 1 if anything differs
by more than rounding.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import sparse

ALLOWED = {"float32": 1e-3, "bfloat16": 0.15, "float16": 0.03}
"""Largest difference from the processor's float32 vectors, as a share of the largest value. Rounding of each layer
adds up, so it is more than the checks of a model allow between two batches of one device."""
VOCABULARY = 4096
SMALL = {"hidden": 32, "layers": 1, "terms": 96, "length": 8, "pairs": 8, "steps": 2}
WHOLE = {"hidden": 256, "layers": 4, "terms": 8192, "length": 64, "pairs": 32, "steps": 6}
"""Sizes of the trainings."""


def texts(count: int, longest: int) -> list[str]:
    """Random words, of lengths as passages have them."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(longest / 3), 0.6, count).astype(int), 1, longest - 2)
    return [" ".join(f"w{n}" for n in rng.integers(0, VOCABULARY - 10, length)) for length in lengths]


def tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query:", "passage:", *(f"w{n}" for n in range(VOCABULARY - 6))]
    made = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")} | {"eos_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)


def models(folder: Path, quick: bool):
    """Encoder -> type and settings; each model lies in a folder of its own."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    hidden, layers = (64, 2) if quick else (768, 12)
    sizes = {"vocab_size": VOCABULARY, "hidden_size": hidden, "intermediate_size": 4 * hidden,
             "num_hidden_layers": layers, "num_attention_heads": hidden // 32, "initializer_range": 0.05}  # fmt: skip
    bert = {**sizes, "max_position_embeddings": 520}
    llama = {**sizes, "num_key_value_heads": hidden // 64, "max_position_embeddings": 520, "tie_word_embeddings": True,
             "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}  # fmt: skip
    made = {
        "bert": transformers.BertForMaskedLM(transformers.BertConfig(**bert)),
        "roberta": transformers.XLMRobertaForMaskedLM(transformers.XLMRobertaConfig(**bert, pad_token_id=0)),
        "llama": transformers.LlamaForCausalLM(transformers.LlamaConfig(**llama)),
        "qwen3": transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**llama, head_dim=32)),
    }
    for name, model in made.items():
        torch.manual_seed(0)
        model.save_pretrained(folder / name)
        tokenizer(folder / name)
    for name, backbone, mode in (("bert-mean", "bert", "mean"), ("qwen3-last", "qwen3", "lasttoken")):
        pooling = Pooling(hidden, pooling_mode=mode)
        modules = [Transformer(str(folder / backbone)), pooling]
        SentenceTransformer(modules=modules, device="cpu").save(str(folder / name))
    common = {"max_length": 256}
    lengths = {"query_length": 256, "document_length": 256, "special_tokens": True}
    return {
        "BERT, mean": ("sentence-transformer", {"model": str(folder / "bert-mean"), **common}),
        "Qwen3, last token": ("sentence-transformer", {"model": str(folder / "qwen3-last"), **common}),
        "SPLADE, BERT": ("sparse-encoder", {"model": str(folder / "bert"), **common}),
        "SPLADE, XLM-RoBERTa": ("sparse-encoder", {"model": str(folder / "roberta"), **common}),
        "LACONIC, Llama": ("laconic", {"backbone": str(folder / "llama"), **lengths, "document_terms": VOCABULARY}),
        "LACONIC, Qwen3": ("laconic", {"backbone": str(folder / "qwen3"), **lengths, "document_terms": VOCABULARY}),
        "twin, Llama": ("dense-twin", {"backbone": str(folder / "llama"), **lengths}),
    }


def encoded(encoder, documents: list[str]):
    """Rows as one array, and documents a second, after a first pass over some of them."""
    encoder.encode_documents(documents[: len(documents) // 8 + 1])
    started = time.perf_counter()
    rows = encoder.encode_documents(documents)
    seconds = time.perf_counter() - started
    return rows.toarray() if sparse.issparse(rows) else rows, len(documents) / seconds


def compared(rows, expected) -> tuple[float, float]:
    """Largest difference as a share of the largest value, and the least cosine of a row with its like."""
    difference = float(np.abs(rows - expected).max() / np.abs(expected).max())
    sizes = np.linalg.norm(rows, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = np.einsum("ij,ij->i", rows, expected)[sizes > 0] / sizes[sizes > 0]
    return difference, float(cosines.min(initial=1.0))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", help="cuda:0 where it is left out")
    parser.add_argument("--documents", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--batch-tokens", type=int, default=32_768)
    parser.add_argument("--quick", action="store_true", help="models of a toy's size")
    asked = parser.parse_args()
    import torch
    import transformers
    from cuda_training import checks

    from harness.encoders import registry
    from harness.encoders.hardware import described, present
    from harness.errors import UserError

    transformers.logging.set_verbosity_error()
    if asked.device is None and not torch.cuda.is_available():
        print("there is no GPU here, and nothing to compare; --device cpu --documents 64 --quick tries the script")
        return 0
    torch.set_num_threads(asked.threads)
    try:
        device = present([asked.device or "cuda:0"])[0]
    except UserError as error:
        print(error)
        return 1
    several = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if device.startswith("cuda") else [device] * 2
    print(f"{described(device)} against the processor, {asked.threads} threads; torch {torch.__version__}", flush=True)
    print(f"{asked.documents} documents of at most 256 tokens; the processor encodes a quarter of them\n", flush=True)
    documents, wrong = texts(asked.documents, 256), []
    few = documents[::4]
    with tempfile.TemporaryDirectory() as root:
        table = "{:20} {:9} {:28} {:>11} {:>9} {:>8} {:>7}"
        print(table.format("encoder", "dtype", "device", "difference", "cosine", "docs/s", "ratio"), flush=True)
        for name, (type, settings) in models(Path(root), asked.quick).items():
            maker = registry.get(type)
            out = Path(root) / "made" / name
            out.mkdir(parents=True)
            maker(maker.Params(**settings)).fit(out)
            processor = maker(maker.Params(**settings)).load(out, threads=asked.threads)
            expected, slow = encoded(processor, few)
            print(table.format(name, "float32", "cpu", "", "", f"{slow:,.0f}", "1.0"), flush=True)
            del processor
            fast = {"batch_size": 1024, "batch_tokens": asked.batch_tokens}
            runs = [(dtype, device) for dtype in ALLOWED]
            runs += [("bfloat16", several)] if len(several) > 1 else []
            for dtype, places in runs:
                params = maker.Params(**settings, **fast, dtype=dtype, device=places)
                encoder = maker(params).load(out, threads=asked.threads)
                rows, speed = encoded(encoder, documents)
                facts = encoder.parameters()
                difference, cosine = compared(rows[::4], expected)
                where = facts["device"] if places is device else ", ".join(several)
                values = (f"{difference:.2g}", f"{cosine:.5f}", f"{speed:,.0f}", f"{speed / slow:.1f}")
                print(table.format(name, facts["dtype"], str(where)[:28], *values), flush=True)
                if not difference <= ALLOWED[dtype]:
                    wrong.append(f"{name}, {dtype}: {difference:.2g} is more than {ALLOWED[dtype]:g}")
                del encoder
    print("\ntraining", flush=True)
    for check in checks(device, SMALL if asked.quick else WHOLE):
        print(f"{'ok   ' if check.passed else 'WRONG'} {check.name}: {check.result}", flush=True)
        if not check.passed:
            wrong.append(f"{check.name}: {check.result}")
    for text in wrong:
        print(f"WRONG: {text}")
    print("\nall that was compared is as on the processor, up to rounding" if not wrong else "")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
