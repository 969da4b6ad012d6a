"""The table of families in docs/models.md: each row is a tiny random model of that layout, which works or not."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import families
import numpy as np
import pytest
import torch
from families import TEXTS
from hub_client import client, hub
from loopback_hub import files_of

from harness.encoders import registry
from harness.errors import UserError

__all__ = ["client", "hub"]

DENSE, SPARSE, LACONIC, BM25 = "sentence-transformer", "sparse-encoder", "laconic", "bm25"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Family:
    """A row of the table.

    Attributes:
        name: What models of it have in common.
        published: Examples.
        type: Of the encoder.
        build: Writes a model into a folder and returns the folder that a spec names.
        keys: More settings of the encoder.
        refused: Words of the message; "" where it works.
        says: The remedy in words, for the table.
    """

    name: str
    published: str
    type: str
    build: Callable
    keys: dict = field(default_factory=dict)
    refused: str = ""
    says: str = ""

    @property
    def row(self):
        """Of the table."""
        keys = "" if self.type == BM25 else "".join(f", `{key}`" for key in self.keys)
        outcome = f"refused: {self.says}" if self.refused else "same scores" if self.type == BM25 else "same vectors"
        return f"| {self.name} | {self.published} | `{self.type}`{keys} | {outcome} |"


def causal(kind, **changes):
    """A causal language model with its tokenizer, which adds a token before each text when it is let."""
    return lambda folder: families.network(folder, kind, "AutoModelForCausalLM", "[CLS] $A", **changes)


def adapted(folder):
    """A Llama and an adapter that peft has saved; the folder of the adapter."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(causal("llama")(folder))
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "down_proj"]))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder / "adapter")
    return folder / "adapter"


def configured(build, **changes):
    """The same model with other keys in its config.json."""

    def made(folder):
        place = build(folder)
        file = place / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
        return place

    return made


def dense(kind, *given, after=None, **more):
    return lambda folder: families.dense(folder, kind, *given, **more, **({"after": after()} if after else {}))


def own(type, name):
    """A configuration that points to code, as of a type or class that transformers does not have."""
    pointed = {"AutoConfig": f"{name}Config", "AutoModel": f"{name}Model"}
    return configured(
        dense("bert"), model_type=type, architectures=[name.rpartition(".")[2] + "Model"], auto_map=pointed
    )


def library(folder, **changes):
    """Other keys in the file that says how sentence-transformers uses the model."""
    place = families.dense(folder, "bert")
    file = place / "config_sentence_transformers.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return place


def word_vectors(folder):
    place = families.dense(folder, "bert")
    file = place / "modules.json"
    file.write_text(file.read_text().replace("base.modules.transformer.Transformer", "models.WordEmbeddings"))
    return place


def two_dense_sides(folder):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding

    table = StaticEmbedding(families.tokenizer(), embedding_dim=16)
    sides = Router.for_query_document([table], [families.transformer(folder, "bert"), Pooling(16, pooling_mode="mean")])
    return families.saved(SentenceTransformer(modules=[sides], device="cpu"), folder)


HEADS = "AutoModelForMaskedLM"
EVERY = os.environ.get("LACONIC_HUB") == "all"
"""`nox -s hub` opens every family by a name on a hub, other runs a handful."""
BY_NAME = {"OpenSearch doc-v3", "CSPLADE", "LaBSE", "model2vec", "a network alone"}
NEEDS = "it needs code of its own; `code_revision` pins and runs it"
CODE = r"needs code of its own(.|\n)*code_revision = "
FAMILIES = [
    Family("BM25", "made of the collection itself", BM25, lambda folder: folder,
        keys={"stemming": "none", "stop_words": False}),
    Family("SPLADE v2, v3", "naver/splade-cocondenser-ensembledistil, naver/splade-v3", SPARSE,
        lambda folder: families.older_names(families.splade(folder, "bert"))),
    Family("SPLADE on DistilBERT", "naver/splade-v3-distilbert", SPARSE,
        lambda folder: families.splade(folder, "distilbert")),
    Family("a masked language model alone", "naver/splade_v2_distil", SPARSE,
        lambda folder: families.network(folder, "bert", HEADS)),
    Family("efficient-splade", "naver/efficient-splade-V-large-doc with its query encoder, in a Router", SPARSE,
        families.two_encoders),
    Family("OpenSearch doc-v1", "opensearch-project/opensearch-neural-sparse-encoding-doc-v1", SPARSE,
        lambda folder: families.inference_free(folder, "bert")),
    Family("OpenSearch doc-v2", "opensearch-project/opensearch-neural-sparse-encoding-doc-v2-distill", SPARSE,
        lambda folder: families.inference_free(folder, "distilbert")),
    Family("OpenSearch doc-v3", "opensearch-project/opensearch-neural-sparse-encoding-doc-v3-distill", SPARSE,
        lambda folder: families.inference_free(folder, "distilbert", "log1p_relu")),
    Family("Granite sparse", "ibm-granite/granite-embedding-30m-sparse", SPARSE,
        lambda folder: families.splade(folder, "roberta", dtype=torch.bfloat16)),
    Family("CSR", "tomaarsen/csr-mxbai-embed-large-v1-nq", SPARSE, families.autoencoder),
    Family("sparse autoencoder on ModernBERT", "your own", SPARSE,
        lambda folder: families.autoencoder(folder, "modernbert")),
    Family("LACONIC-1B, 3B", "utahnlp/laconic-1b, utahnlp/laconic-3b", LACONIC,
        causal("llama", tie_word_embeddings=True)),
    Family("LACONIC-8B", "utahnlp/laconic-8b", LACONIC, causal("llama", tie_word_embeddings=False)),
    Family("CSPLADE", "a LoRA adapter of a Llama that attends in both directions", LACONIC, adapted),
    Family("Qwen2 as a backbone", "Qwen/Qwen2.5-1.5B", LACONIC, causal("qwen2")),
    Family("Qwen3 as a backbone", "Qwen/Qwen3-0.6B", LACONIC, causal("qwen3", dtype=torch.bfloat16)),
    Family("Mistral as a backbone", "mistralai/Mistral-7B-v0.1", LACONIC, causal("mistral")),
    Family("SPARSEUP", "linkup-sparseup-embed-v1", SPARSE, own("sparseup", "modeling_sparseup.Sparseup"),
        refused=CODE, says=NEEDS),
    Family("MiniLM, GTE v1", "sentence-transformers/all-MiniLM-L6-v2, thenlper/gte-base", DENSE,
        lambda folder: families.older_names(families.dense(folder, "bert"))),
    Family("E5", "intfloat/e5-base-v2", DENSE, dense("bert"),
        keys={"query_prefix": "query: ", "document_prefix": "passage: "}),
    Family("BGE, Arctic Embed", "BAAI/bge-base-en-v1.5, Snowflake/snowflake-arctic-embed-m", DENSE,
        dense("bert", "cls", prompts={"query": "find : "})),
    Family("MPNet", "sentence-transformers/all-mpnet-base-v2", DENSE, dense("mpnet")),
    Family("XLM-R", "intfloat/multilingual-e5-base, BAAI/bge-m3", DENSE, dense("xlm-roberta", "cls")),
    Family("RoBERTa", "sentence-transformers/all-distilroberta-v1", DENSE, dense("roberta")),
    Family("DistilBERT, compared by inner product", "sentence-transformers/msmarco-distilbert-base-tas-b", DENSE,
        dense("distilbert", "cls", normalise=False), keys={"similarity": "dot"}),
    Family("ModernBERT", "Alibaba-NLP/gte-modernbert-base, nomic-ai/modernbert-embed-base", DENSE,
        dense("modernbert", "cls")),
    Family("LaBSE", "sentence-transformers/LaBSE", DENSE,
        dense("bert", "cls", after=lambda: [families.projection(16, 16)])),
    Family("T5", "sentence-transformers/sentence-t5-base, sentence-transformers/gtr-t5-base", DENSE,
        dense("t5", head="T5EncoderModel", after=lambda: [families.projection(16, 8)])),
    Family("EmbeddingGemma", "google/embeddinggemma-300m", DENSE,
        dense("gemma3_text", use_bidirectional_attention=True,
            after=lambda: [families.projection(16, 24), families.projection(24, 16)])),
    Family("Qwen3-Embedding", "Qwen/Qwen3-Embedding-0.6B", DENSE,
        dense("qwen3", "lasttoken", prompts={"query": "query :"}, template="$A [SEP]", dtype=torch.bfloat16)),
    Family("GTE on Qwen2", "Alibaba-NLP/gte-Qwen2-1.5B-instruct", DENSE,
        configured(dense("qwen2", "lasttoken", head="AutoModelForCausalLM", template="$A [SEP]"), is_causal=False,
            architectures=["Qwen2ForCausalLM"], auto_map={"AutoModel": "modeling_qwen.Qwen2Model"})),
    Family("E5-Mistral", "intfloat/e5-mistral-7b-instruct", DENSE, dense("mistral", "lasttoken", template="$A [SEP]")),
    Family("nomic-embed", "nomic-ai/nomic-embed-text-v1.5", DENSE,
        configured(dense("nomic_bert"), auto_map={"AutoModel": "nomic-ai/nomic-bert-2048--modeling.NomicBertModel"})),
    Family("NV-Embed", "nvidia/NV-Embed-v2", DENSE, own("nvembed", "modeling_nvembed.NVEmbed"),
        refused=CODE, says=NEEDS),
    Family("GTE v1.5, OpenSearch doc-v3-gte", "Alibaba-NLP/gte-base-en-v1.5", DENSE,
        own("new", "Alibaba-NLP/new-impl--modeling.New"), refused=CODE, says=NEEDS),
    Family("Jina v2", "jinaai/jina-embeddings-v2-base-en", DENSE,
        own("bert", "jinaai/jina-bert-implementation--modeling_bert.JinaBert"), refused=CODE, says=NEEDS),
    Family("Jina v3", "jinaai/jina-embeddings-v3", DENSE,
        configured(dense("bert"), model_type="xlm-roberta", architectures=["XLMRobertaModel"], num_hidden_layers=3),
        refused=r"weights are not there(.|\n)*code_revision", says="transformers' XLM-R has other weights; " + NEEDS),
    Family("static retrieval models, WordLlama", "sentence-transformers/static-retrieval-mrl-en-v1", DENSE,
        families.static),
    Family("model2vec", "minishlab/potion-retrieval-32M", DENSE,
        lambda folder: families.static(folder, model2vec=True)),
    Family("static queries, a network for documents", "your own, in a Router", DENSE, two_dense_sides),
    Family("a network alone", "facebook/contriever", DENSE, lambda folder: families.network(folder, "bert"),
        keys={"pooling": "mean", "similarity": "dot"}),
    Family("an adapter of a dense model", "a folder of peft", DENSE,
        lambda folder: families.adapter_alone(folder), refused="LoRA adapter without its base model",
        says="merge it into its base model first"),
    Family("weights as pickles", "older folders with pytorch_model.bin alone", DENSE,
        lambda folder: families.as_pickles(families.dense(folder, "bert")), refused=r"python -c",
        says="the message has the command that converts them"),
    Family("ColBERT", "lightonai/GTE-ModernColBERT-v1", DENSE,
        lambda folder: library(folder, similarity_fn_name="MaxSim"), refused="gives a vector for each token",
        says="a vector for each token"),
    Family("rerankers", "cross-encoder/ms-marco-MiniLM-L6-v2", DENSE,
        lambda folder: library(folder, model_type="CrossEncoder"), refused="scores pairs of texts",
        says="they score pairs of texts"),
    Family("averaged word vectors", "sentence-transformers/average_word_embeddings_glove.6B.300d", DENSE, word_vectors,
        refused="module WordEmbeddings are not supported", says="its tokens are words"),
]  # fmt: skip


def opened(family, folder, place, model=None, adapter=None):
    """The model of the family as a spec would open it, from its folder or by a name on the Hub."""
    source = {"model": model or str(folder)}
    if family.type == LACONIC:
        base = {"model": model or str(folder.parent), "adapter": adapter or str(folder)}
        source = {"backbone": base if folder.name == "adapter" else model or str(folder)}
    maker = registry.get(family.type)
    source |= {"batch_size": 2}
    made = maker(maker.Params(**family.keys, **({} if family.type == BM25 else source)))
    place.mkdir()
    made.fit(place, **({"corpus": TEXTS} if family.type == BM25 else {}))
    return made.load(place)


def expected(family, folder):
    """Vectors of queries and documents, by the library or, of a causal language model, by transformers alone."""
    if family.type == LACONIC:
        return [plain(folder, prefix) for prefix in ("query: ", "passage: ")]
    from sentence_transformers import SentenceTransformer, SparseEncoder
    from sentence_transformers.sentence_transformer.modules import Pooling

    settings = {"device": "cpu", "model_kwargs": {"dtype": torch.float32}}
    if family.type == SPARSE:
        model, how = SparseEncoder(str(folder), **settings), {"convert_to_sparse_tensor": False}
    else:
        model = SentenceTransformer(str(folder), **settings)
        how = {"normalize_embeddings": family.keys.get("similarity") != "dot"}
    assert "pooling" not in family.keys or isinstance(model[1], Pooling)
    given = [family.keys.get(f"{role}_prefix") for role in ("query", "document")]
    methods = (model.encode_query, model.encode_document)
    return [encode(TEXTS, prompt=prompt, **how) for encode, prompt in zip(methods, given, strict=True)]


def bm25():
    """Scores of each text as a query for each text as a document, by the formula with k1 = 0.9 and b = 0.4."""
    words = [text.replace(".", "").split() for text in TEXTS]
    mean = sum(map(len, words)) / len(words)

    def score(query, document):
        total = 0.0
        for word in query:
            of = sum(word in other for other in words)
            count = document.count(word)
            norm = count + 0.9 * (0.6 + 0.4 * len(document) / mean)
            total += math.log(1 + (len(words) - of + 0.5) / (of + 0.5)) * count * 1.9 / norm
        return total

    return [[score(query, document) for document in words] for query in words]


def plain(folder, prefix):
    """log(1 + max(0, largest logit over the tokens)), text by text, every token seeing every other."""
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    base = folder.parent if folder.name == "adapter" else folder
    # As the file has it: for some types, transformers puts a splitting of its own in its place.
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if base is not folder:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, folder).merge_and_unload()
    model.config.is_causal = False
    result = []
    for text in TEXTS:
        ids = tokenizer.encode(prefix + text, add_special_tokens=False).ids
        with torch.inference_mode():
            result.append(model(input_ids=torch.tensor([ids])).logits[0].max(0).values.clamp(min=0).log1p())
    return torch.stack(result)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_model_of_the_family(tmp_path, family):
    folder = family.build(tmp_path / "model")
    if family.refused:
        with pytest.raises(UserError, match=family.refused) as error:
            opened(family, folder, tmp_path / "out")
        assert error.value.key and error.value.remedy
        return
    encoder = opened(family, folder, tmp_path / "out")
    if family.type == BM25:
        scores = (encoder.encode_queries(TEXTS) @ encoder.encode_documents(TEXTS).T).toarray()
        np.testing.assert_allclose(scores, bm25(), rtol=1e-5)
        return
    for found, wanted in zip(
        (encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS)), expected(family, folder), strict=True
    ):
        rows, wanted = found if isinstance(found, np.ndarray) else found.toarray(), np.asarray(wanted)
        assert rows.dtype == np.float32 and rows.shape == (len(TEXTS), encoder.width)
        np.testing.assert_allclose(rows, wanted, atol=1e-5 * np.abs(wanted).max(), rtol=1e-5)
        assert np.abs(rows - rows[0]).max() > 0.01, "all texts have one vector"
    assert encoder.count_flops(8) >= encoder.count_query_flops(8) >= 0
    assert min(encoder.count_tokens(TEXTS, "query")) > 0
    if family.type == LACONIC or family.name == "GTE on Qwen2":
        assert sees_later_tokens(encoder)
    if family.name in {"E5-Mistral", "Qwen3-Embedding"}:
        assert not sees_later_tokens(encoder)


@pytest.mark.parametrize(
    "family",
    [one for one in FAMILIES if not one.refused and one.type != BM25 and (EVERY or one.name in BY_NAME)],
    ids=lambda family: family.name,
)
def test_a_model_by_its_name_on_a_hub(tmp_path, client, family):
    folder = family.build(tmp_path / "model")
    adapted = folder.name == "adapter"
    client.hub.model("o/base", files_of(folder.parent if adapted else folder))
    client.hub.model("o/adapter", files_of(folder) if adapted else {})
    local = opened(family, folder, tmp_path / "local")
    named = opened(family, folder, tmp_path / "named", "o/base", "o/adapter")
    for role in ("encode_queries", "encode_documents"):
        here, there = (getattr(encoder, role)(TEXTS) for encoder in (local, named))
        here, there = (rows if isinstance(rows, np.ndarray) else rows.toarray() for rows in (here, there))
        np.testing.assert_array_equal(here, there)


def sees_later_tokens(encoder):
    """Whether another last token changes the first state."""
    states = encoder.probe().states
    first, second = (states([5, 6, last])[0] for last in (7, 8))
    return bool(np.abs(first - second).max() > 1e-3)


def table():
    """The table of docs/models.md."""
    head = ["| family | published, for example | type and keys | here |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *(family.row for family in FAMILIES)])


def test_the_table_has_these_rows():
    text = (ROOT / "docs" / "models.md").read_text()
    assert table() in text, f"docs/models.md must have this table:\n{table()}"
