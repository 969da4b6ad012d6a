"""Tiny random models with a tokenizer of their own, made on the spot."""

# ruff: noqa: S106
import pytest

WORDS = (  # noqa: SIM905
    "the a of list sort number graph node path matrix sum mean fast slow tree find passage query é 日 🙂 :"
).split()


def save_tokenizer(folder, bos=False, size=0):
    """One token for each of WORDS, and others up to `size`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokens = ["<unk>", "<s>", "</s>", *WORDS]
    tokens += [f"<{place}>" for place in range(len(tokens), size)]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if bos:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", pad_token="</s>").save_pretrained(folder)
    return len(vocabulary)


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory):
    """A random Llama with grouped queries as transformers saves it; its tokenizer adds a BOS when let."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("llama")
    size = save_tokenizer(folder, bos=True)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


TEXTS = [
    "sort the list fast",
    "",
    "graph",
    "日 🙂 é unknown words",
    "find a path of a tree " * 9,
    "mean of the matrix",
    "sum",
]


@pytest.fixture
def texts():
    return list(TEXTS)
