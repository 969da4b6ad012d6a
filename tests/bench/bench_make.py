"""Memory and writing of making a LACONIC that is not trained: from its files, and through memory.

    python tests/bench/bench_make.py --size 600

A random Llama in bfloat16, in four files. Each way runs in a process of its own. Printed are its peak of anonymous
memory (RssAnon) above what it had when all libraries were loaded, the bytes that it handed to the system for writing
(wchar), and the bytes of new files, all as shares of the model's bytes. `through memory` is how a model is made that is
trained or scaled: the weights are read, converted to float32 and saved.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

WAYS = ("unchanged", "unchanged, other disk", "half of the layers", "LoRA adapter", "LoRA adapter, through memory",
        "through memory")  # fmt: skip
LAYERS, HIDDEN = 12, 1536


def random_llama(folder: Path, megabytes: int) -> None:
    """Of about this size: the vocabulary takes what the layers leave."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    layers = LAYERS * (4 * HIDDEN**2 + 3 * HIDDEN * 2 * HIDDEN)
    vocabulary = max((megabytes * 500_000 - layers) // HIDDEN, 1000)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=HIDDEN, intermediate_size=2 * HIDDEN, num_hidden_layers=LAYERS,
        num_attention_heads=12, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size=f"{megabytes // 4 + 20}MB")
    torch.set_default_dtype(torch.float32)
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3}, unk_token="<unk>"))  # noqa: S106
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>").save_pretrained(folder)  # noqa: S106


def adapter(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 32}))
    sizes = {"self_attn.q_proj": HIDDEN, "self_attn.o_proj": HIDDEN, "mlp.up_proj": 2 * HIDDEN}
    name = "base_model.model.model.layers.{}.{}.lora_{}.weight"
    tensors = {}
    for layer in range(LAYERS):
        for module, rows in sizes.items():
            tensors[name.format(layer, module, "A")] = torch.randn(16, HIDDEN)
            tensors[name.format(layer, module, "B")] = torch.randn(rows, 16)
    save_file(tensors, folder / "adapter_model.safetensors")


def status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def written() -> int:
    return int(Path("/proc/self/io").read_text().splitlines()[1].split()[1])


def child(way: str, root: Path) -> None:
    import torch  # noqa: F401
    import transformers  # noqa: F401

    from harness.encoders import registry
    from harness.encoders.llama_family import place
    from harness.encoders.weights import stored

    maker = registry.get("laconic")
    backbone = {"model": str(root / "model")} | ({"adapter": str(root / "adapter")} if "LoRA" in way else {})
    settings = {"layers": LAYERS // 2} if "half" in way else {}

    def make(out: Path, settings) -> None:
        out.mkdir()
        maker(maker.Params(backbone=backbone, **settings)).fit(out)

    make(root / "warm" / way.replace(" ", "-"), {"layers": 1})
    if "through memory" in way:
        place.place = lambda *_: False
    if "other disk" in way:
        stored.os.link = lambda *_: (_ for _ in ()).throw(OSError("another disk"))
    peak, before, bytes_before, done = 0, status("RssAnon"), written(), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, status("RssAnon"))
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    out = root / "out" / way.replace(" ", "-")
    make(out, settings)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    new = sum(file.stat().st_size for file in out.rglob("*") if file.is_file() and file.stat().st_nlink == 1)
    print(json.dumps({"peak": peak - before, "written": written() - bytes_before, "new": new, "seconds": seconds}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=600, help="megabytes of the model")
    parser.add_argument("--child", nargs=2)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child[0], Path(asked.child[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        random_llama(root / "model", asked.size)
        adapter(root / "adapter")
        for name in ("warm", "out"):
            (root / name).mkdir()
        files = sorted((root / "model").glob("*.safetensors"))
        size = sum(file.stat().st_size for file in files)
        print(f"{size / 1e6:.0f} MB of bfloat16 in {len(files)} files; shares of that", flush=True)
        print(f"{'made':30} {'peak memory':>12} {'written':>9} {'new files':>10} {'seconds':>8}", flush=True)
        for way in WAYS:
            call = [sys.executable, __file__, "--child", way, folder]
            output = subprocess.run(call, check=True, capture_output=True, text=True).stdout
            row = json.loads(output.splitlines()[-1])
            shares = (row[name] / size for name in ("peak", "written", "new"))
            print("{:30} {:12.2f} {:9.2f} {:10.2f} {:8.1f}".format(way, *shares, row["seconds"]), flush=True)


if __name__ == "__main__":
    main()
