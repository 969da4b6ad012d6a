"""A random BERT of a few words, as transformers saves it."""

import torch

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *["list", "sort", "the", "a", "graph", "node", "path", "sum", "e"],
    "##s",
    "##ing",
    ".",
    "日",
]


def bert(folder, model="BertModel", **config):
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    torch.manual_seed(0)
    sizes = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 24, "max_position_embeddings": 40}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.5}
    if model.startswith("Distil"):
        sizes = {"vocab_size": len(WORDS), "dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2}
    family = model.removesuffix("Model").removesuffix("ForMaskedLM")
    made = getattr(transformers, model)(getattr(transformers, f"{family}Config")(**sizes | config))
    for name, parameter in made.named_parameters():
        if "LayerNorm" in name or "bias" in name:  # nothing may stay at what it starts with, or a slip goes unseen
            torch.nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.3)
    made.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    names = {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep")}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return folder
