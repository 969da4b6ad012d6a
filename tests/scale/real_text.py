"""Real text through the encoder path with a tiny model, in bounded memory.

python tests/scale/real_text.py [--documents 200000]

The text is that of this Python's own modules, cut into passages of 60 words; where it is used up it begins again, the
words of each passage shifted, so that tokens are real but repeated. The model is a random Llama of one layer with a
word-level tokenizer over the 2,000 most frequent words. Prints documents, tokens, and the peak of every stage.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]
from small_specs import beir, system, write_spec  # noqa: E402

PASSAGE = 60
SIZES = {"query_length": 32, "document_length": 96, "document_terms": 64, "batch_size": 64}
MEASURE = {
    "queries": 20, "processes": 1, "repeats": 1, "depth": 100, "timeout": 14400, "memory_limit": 6 << 30,
    "invalid_models": "report",
}  # fmt: skip


def words():
    """All words of the standard library's modules, endlessly."""
    found = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("**/*.py")):
        if "site-packages" not in path.parts:
            found += re.findall(r"[A-Za-z]+", path.read_text(encoding="utf-8", errors="replace").lower())
    return found


def write_collection(folder, documents, text):
    (folder / "qrels").mkdir(parents=True)
    with (folder / "corpus.jsonl").open("w") as file:
        for number in range(documents):
            begin = number * PASSAGE % (len(text) - PASSAGE) + number * PASSAGE // (len(text) - PASSAGE)
            passage = " ".join(text[begin : begin + PASSAGE])
            file.write(json.dumps({"_id": f"d{number}", "text": passage}) + "\n")
    with (folder / "queries.jsonl").open("w") as file:
        for number in range(50):
            begin = number * 7 * PASSAGE
            file.write(json.dumps({"_id": f"q{number}", "text": " ".join(text[begin : begin + 12])}) + "\n")
    rows = [f"q{number}\td{number * 7}\t1" for number in range(50)]
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(rows) + "\n")


def write_model(folder, text):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    frequent = [word for word, _ in collections.Counter(text).most_common(2000)]
    vocabulary = {token: place for place, token in enumerate(["<unk>", "<s>", "</s>", *frequent])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", pad_token="</s>").save_pretrained(folder)  # noqa: S106
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=128, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=200_000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, text = Path(name), words()
        write_collection(folder / "data", given.documents, text)
        write_model(folder / "model", text)
        del text
        tiny = {"type": "laconic", "backbone": {"model": str(folder / "model")}, **SIZES}
        write_spec(
            folder, file="spec.toml", name="real-text", collections={"text": beir(folder / "data")},
            encoders={"tiny": tiny}, systems=[system("tiny", "tiny")], measure=MEASURE,
        )  # fmt: skip
        command = [sys.executable, "-c", "from harness.start import main; main()", "run", "spec.toml"]
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        facts = json.loads((folder / "runs/real-text/run.json").read_text())
        result = next(
            json.loads(path.read_text())["result"]
            for path in folder.glob(".laconic-bench/objects/*/*/manifest.json")
            if json.loads(path.read_text())["kind"] == "encode"
        )
        rows, tokens = result["document"]["rows"], result["document"]["tokens"]
        print(f"{rows} documents, {rows * tokens:,.0f} tokens ({tokens:.0f} each), "
              f"{rows * tokens / result['document']['seconds']:,.0f} tokens/s")  # fmt: skip
        for stage in facts["stages"]:
            print(f"{stage['peak_bytes'] / 2**20:8.0f} MiB  {stage['seconds']:8.1f} s  {stage['label']}")


if __name__ == "__main__":
    main()
