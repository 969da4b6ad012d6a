"""Models of mteb's registry: what mteb loads and prompts, this program encodes the same."""

import numpy as np
import pytest
from families import dense
from hub_client import client, hub

from harness.encoders import registry
from harness.encoders.mteb_model import registered_model
from harness.errors import UnavailableError, UserError

__all__ = ["client", "hub"]

mteb = pytest.importorskip("mteb")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TEXTS = ["sort the list", "a graph", "mean of the matrix fast", "path"]
PROMPTS = {"SciFact-query": "find ", "query": "query ", "document": "passage "}
LIKE = {
    "plain": (
        "intfloat/e5-small-v2",
        {"model_prompts": {"SciFact-query": "find ", "query": "query ", "document": "passage "}},
    ),
    "instructed": ("intfloat/multilingual-e5-large-instruct", {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return dense(tmp_path_factory.mktemp("mteb") / "model", "bert", normalise=False, similarity="cosine")


@pytest.fixture
def entry(monkeypatch, folder):
    """Put a model into mteb's registry whose weights are a tiny random model."""
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
    from mteb.models.model_implementations import MODEL_REGISTRY
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

    def put(like="plain", **changes):
        known, given = LIKE[like]

        def load(name, revision=None, device=None, **more):
            if like == "plain":
                return SentenceTransformerEncoderWrapper(str(folder), device=device, **more)
            template = "Instruct: {instruction}\nQuery: "
            return InstructSentenceTransformerModel(
                str(folder), None, device=device, instruction_template=template, apply_instruction_to_passages=False
            )

        own = {"name": "tiny/model", "loader": load, "loader_kwargs": dict(given), "revision": COMMIT, **changes}
        monkeypatch.setitem(MODEL_REGISTRY, "tiny/model", MODEL_REGISTRY[known].model_copy(update=own))

    return put


def opened(tmp_path, on=None, **params):
    kind = registry.get("mteb-model")
    maker = kind(kind(kind.Params(model="tiny/model", **params)).params_on("suite", on))
    tmp_path.mkdir(exist_ok=True)
    facts = maker.fit(tmp_path)
    return maker.load(tmp_path), facts


def by_mteb(task, role):
    from datasets import Dataset
    from mteb.types import PromptType
    from torch.utils.data import DataLoader

    rows = mteb.get_model("tiny/model", device="cpu").encode(
        DataLoader(Dataset.from_dict({"text": TEXTS}), batch_size=2),
        task_metadata=mteb.get_task(task).metadata,
        hf_split="test",
        hf_subset="default",
        prompt_type=PromptType(role),
    )
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("like", ["plain", "instructed"])
@pytest.mark.parametrize("task", ["SciFact", "ArguAna"])
def test_vectors_are_those_of_mteb_with_its_prompts_for_the_task(entry, tmp_path, like, task):
    entry(like)
    encoder, facts = opened(tmp_path, task)
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), by_mteb(task, "query"), atol=1e-6)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), by_mteb(task, "document"), atol=1e-6)
    assert (encoder.width, facts["commits"]) == (16, {"tiny/model": COMMIT})


def test_the_task_of_the_collection_decides_the_prompt_unless_the_spec_names_another(entry, tmp_path):
    entry()
    assert opened(tmp_path / "a", "SciFact")[0].prompt("query") == "find "
    assert opened(tmp_path / "b", "ArguAna")[0].prompt("query") == "query "
    assert opened(tmp_path / "c", None)[0].prompt("document") == "passage "
    assert opened(tmp_path / "d", "ArguAna", task="SciFact")[0].prompt("query") == "find "


def test_tokens_count_the_prompt(entry, tmp_path):
    entry()
    encoder, _ = opened(tmp_path, "SciFact")
    with_prompt, without = encoder.count_tokens(["a graph"], "query"), encoder.sides["query"].ids(["a graph"])
    assert with_prompt == [len(without[0]) + 1]
    assert encoder.count_flops(8) > encoder.count_flops(4) > 0
    assert encoder.parameters()["parameters"] > 0


def test_what_cannot_be_measured_is_refused_by_name(entry, tmp_path):
    with pytest.raises(UserError, match="mteb has no model 'intfloat/e5-smal-v2'") as error:
        registered_model("intfloat/e5-smal-v2")
    assert "'intfloat/e5-small-v2'" in str(error.value.remedy)
    with pytest.raises(UserError, match="is a sparse model") as error:
        registered_model("naver/splade-v3")
    assert 'type = "sparse-encoder"' in str(error.value.remedy)
    entry(loader_kwargs={"trust_remote_code": True})
    with pytest.raises(UserError, match="code of its own") as error:
        opened(tmp_path)
    assert error.value.key == "code_revision" and COMMIT in str(error.value.remedy)
    with pytest.raises(UserError, match="code of its own"):
        opened(tmp_path, code_revision="f" * 40)


def test_a_limit_that_mteb_would_not_see_is_refused():
    with pytest.raises(ValueError, match="use batch_size"):
        registry.get("mteb-model").Params(model="intfloat/e5-small-v2", batch_tokens=4096)


def test_a_loader_that_mteb_wrote_anew_is_refused_since_its_tokens_cannot_be_counted(entry, tmp_path):
    class Other:
        mteb_model_meta = None

        def encode(self, inputs, **more):
            raise AssertionError

    entry(loader=lambda name, revision=None, device=None, **more: Other())
    with pytest.raises(UserError, match="tokens cannot be counted"):
        opened(tmp_path)


def test_the_registry_names_path_and_commit_on_the_hub(client, folder, tmp_path, monkeypatch):
    from huggingface_hub import constants
    from sentence_transformers import SentenceTransformer

    name = "sentence-transformers/all-MiniLM-L6-v2"
    commit = registered_model(name).revision
    client.hub.model(name, folder, sha=commit)
    client.hub.model(name, {"config.json": b"{}"}, sha="f" * 40)  # the branch has moved on since
    kind = registry.get("mteb-model")
    maker = kind(kind.Params(model=name))
    client.hub.repositories["models", name].gated = True
    with pytest.raises(UnavailableError, match=r"model: the model (.|\n)*accepted its licence(.|\n)*401"):
        maker.fit(tmp_path)
    client.hub.repositories["models", name].gated = False
    client.hub.damaged.add("model.safetensors")
    with pytest.raises(UnavailableError, match=r"SHA-256 of model.safetensors differs"):
        maker.fit(tmp_path)
    load = mteb.get_model

    def unreadable(*given, **named):
        load(*given, **named)
        raise ValueError("the weights cannot be read")

    with monkeypatch.context() as patched:
        patched.setattr(mteb, "get_model", unreadable)
        with pytest.raises(UnavailableError, match=r"SHA-256 of model.safetensors differs"):
            maker.fit(tmp_path)
    client.hub.mend()
    assert maker.fit(tmp_path)["commits"] == {name: commit}
    assert {path for path in client.hub.sent if path.endswith("safetensors")} == {"model.safetensors"}
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    rows = maker.load(tmp_path).encode_documents(TEXTS)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(rows, expected, atol=1e-6)
