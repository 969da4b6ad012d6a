"""Tiny random models in the layouts of published families, saved as their authors save them."""

import json

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "list", "sort", "the", "a", "graph", "node", "path", "sum"]
WORDS += ["mean", "tree", "find", "of", "query", "passage", ":", "fast", "##s", "##ing", ".", "é", "日"]
TEXTS = ["sort the lists fast .", "graph", "a path of unknown things", "find the tree of a path " * 9]
SIZES = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2} | {
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "initializer_range": 0.5,
}
DECODER = SIZES | {"num_key_value_heads": 1, "head_dim": 8}
OTHER_NAMES = {
    "distilbert": {"dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2},
    "t5": {"d_model": 16, "d_ff": 24, "num_layers": 2, "num_heads": 2, "d_kv": 8},
}


def tokenizer(template="[CLS] $A [SEP]"):
    """Word pieces; the template says which special tokens stand around a text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordPiece({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))  # noqa: S106
    made.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if template:
        special = [(word, WORDS.index(word)) for word in ("[CLS]", "[SEP]")]
        made.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    return made


def save_tokenizer(folder, template="[CLS] $A [SEP]", **more):
    from transformers import PreTrainedTokenizerFast

    names = {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")}
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer(template), **names, **more)
    made.save_pretrained(folder)
    return made


def network(folder, kind, head="AutoModel", template="[CLS] $A [SEP]", dtype=None, **changes):
    """A random network of a type of transformers with its tokenizer, as transformers saves them."""
    import torch
    import transformers

    torch.manual_seed(0)
    sizes = DECODER if kind in {"qwen2", "qwen3", "mistral", "llama", "gemma3_text"} else SIZES
    settings = sizes | OTHER_NAMES.get(kind, {}) | changes
    config = transformers.AutoConfig.for_model(kind, **settings)
    maker = getattr(transformers, head)
    made = maker.from_config(config) if head.startswith("Auto") else maker(config)
    for name, parameter in made.named_parameters():
        if "bias" in name or "norm" in name.lower():  # nothing may stay at what it starts with, or a slip goes unseen
            torch.nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.3)
    made.to(dtype or torch.float32).save_pretrained(folder)
    save_tokenizer(folder, template)
    return folder


def saved(model, folder, **more):
    model.save(str(folder), create_model_card=False)
    for name, change in more.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    return folder


def transformer(folder, kind, head="AutoModel", task="feature-extraction", **changes):
    from sentence_transformers.base.modules import Transformer

    network(folder.with_name(f"{folder.name}-bare"), kind, head, **changes)
    return Transformer(str(folder.with_name(f"{folder.name}-bare")), transformer_task=task)


def dense(folder, kind, mode="mean", normalise=True, after=(), prompts=None, similarity=None, **changes):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import Pooling

    modules = [transformer(folder, kind, **changes), Pooling(16, pooling_mode=mode), *after]
    modules += [Normalize()] if normalise else []
    made = SentenceTransformer(modules=modules, prompts=prompts, similarity_fn_name=similarity, device="cpu")
    return saved(made, folder)


def projection(size, out):
    import torch
    from sentence_transformers.base.modules import Dense

    torch.manual_seed(1)
    return Dense(size, out, bias=False, activation_function=torch.nn.Identity())


def splade(folder, kind, **changes):
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    backbone = transformer(folder, kind, "AutoModelForMaskedLM", "fill-mask", **changes)
    return saved(SparseEncoder(modules=[backbone, SpladePooling("max")], device="cpu"), folder)


def older_names(folder):
    """The names of modules before version 5.4 of the library, as most published folders have them."""
    file = folder / "modules.json"
    modules = json.loads(file.read_text())
    for module in modules:
        name = module["type"].rpartition(".")[2]
        base = "sparse_encoder.models" if name == "SpladePooling" else "models"
        module["type"] = f"sentence_transformers.{base}.{name}"
    if modules[-1]["type"].endswith("SpladePooling"):
        modules[0]["type"] = "sentence_transformers.sparse_encoder.models.MLMTransformer"
    file.write_text(json.dumps(modules))
    return folder


def inference_free(folder, kind, activation="relu"):
    """Documents through a masked language model, queries through a table of weights (a Router of OpenSearch)."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling

    backbone = transformer(folder, kind, "AutoModelForMaskedLM", "fill-mask")
    table = SparseStaticEmbedding(save_tokenizer(folder.with_name("t")), torch.rand(len(WORDS)), frozen=True)
    sides = Router.for_query_document([table], [backbone, SpladePooling("max", activation)])
    return saved(SparseEncoder(modules=[sides], similarity_fn_name="dot", device="cpu"), folder)


def two_encoders(folder):
    """A small masked language model for queries and another one for documents (efficient-splade)."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    sides = [
        [
            transformer(folder.with_name(name), "distilbert", "AutoModelForMaskedLM", "fill-mask", num_hidden_layers=n),
            SpladePooling(),
        ]
        for name, n in (("q", 1), ("d", 2))
    ]
    return saved(SparseEncoder(modules=[Router.for_query_document(*sides)], device="cpu"), folder)


def autoencoder(folder, kind="bert"):
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.sparse_encoder.modules import SparseAutoEncoder

    modules = [transformer(folder, kind), Pooling(16, pooling_mode="mean"), SparseAutoEncoder(16, 64, k=8, k_aux=8)]
    torch.nn.init.normal_(modules[-1].latent_bias, std=0.3)
    return saved(SparseEncoder(modules=modules, device="cpu"), folder)


def static(folder, model2vec=False):
    """A table of vectors; as model2vec saves it, with a normalisation whose folder is not there."""
    import torch
    from safetensors.torch import save_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(0)
    table = torch.randn(len(WORDS), 16)
    if not model2vec:
        modules = [StaticEmbedding(tokenizer(), embedding_weights=table)]
        return saved(SentenceTransformer(modules=modules, device="cpu"), folder)
    folder.mkdir()
    save_file({"embeddings": table}, str(folder / "model.safetensors"))
    tokenizer().save(str(folder / "tokenizer.json"))
    about = {"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": True, "hidden_dim": 16}
    (folder / "config.json").write_text(json.dumps(about))
    names = [("StaticEmbedding", "."), ("Normalize", "1_Normalize")]
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{name}"}
        for n, (name, path) in enumerate(names)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def as_pickles(folder):
    """The same model with weights as pickles alone."""
    import torch
    from safetensors.torch import load_file

    for file in sorted(folder.rglob("*.safetensors")):
        torch.save(load_file(file), file.with_name("pytorch_model.bin"))
        file.unlink()
    return folder


COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = """
from transformers import BertConfig, BertModel


class TinyConfig(BertConfig):
    model_type = "tiny-own"


class TinyModel(BertModel):
    config_class = TinyConfig

    def forward(self, *args, **kwargs):
        result = super().forward(*args, **kwargs)
        result["last_hidden_state"] = result["last_hidden_state"] * 2 + 1
        return result
"""
"""A network that transformers does not have: BERT with other states."""


def own_code(folder, repository=None):
    """A model with code in its own folder or in another repository, as the Hub's cache keeps it."""
    place = folder / "snapshots" / COMMIT
    place.parent.mkdir(parents=True)
    dense(place, "bert")
    prefix = f"{repository}--" if repository else ""
    about = json.loads((place / "config.json").read_text())
    names = {"AutoConfig": f"{prefix}modeling_tiny.TinyConfig", "AutoModel": f"{prefix}modeling_tiny.TinyModel"}
    changed = about | {"model_type": "tiny-own", "architectures": ["TinyModel"], "auto_map": names}
    (place / "config.json").write_text(json.dumps(changed))
    if repository is None:
        (place / "modeling_tiny.py").write_text(CODE)
    return place


def adapter_alone(folder):
    """A folder of sentence-transformers with an adapter in place of the weights."""
    dense(folder, "bert")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "maker/base"}))
    return folder
