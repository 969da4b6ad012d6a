"""What a plan says will be fetched: sizes by a hub on loopback, the cache, and what is not known."""

import re

import pytest
from commands import call
from hub_client import client, hub
from small_specs import FLAT, load_small, system

from harness.collections import registry
from harness.encoders.weights.hub_files import from_hub
from harness.pipeline.plan.fetches import Fetch, fetches
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.store.local import Store

__all__ = ["client", "hub"]

FILES = {"config.json": b"{}", "model.safetensors": b"w" * 3000, "README.md": b"words", "pytorch_model.bin": b"x"}


@pytest.fixture
def planned(tmp_path):
    """What a spec with dense models of these names and revisions fetches."""

    def plan(*models, store=None, **tables):
        encoders = {
            f"m{number}": {"type": "sentence-transformer", "model": name, **({"revision": at} if at else {})}
            for number, (name, at) in enumerate(models)
        }
        systems = [system(name, name, "flat") for name in encoders]
        spec = load_small(tmp_path, encoders=encoders, indexes=FLAT, systems=systems, **tables)
        return fetches(spec, system_stages(spec, "machine"), store or Store(tmp_path / "store"))

    return plan


def test_what_is_not_in_the_cache_is_named_with_its_commit_and_size(client, planned, capsys):
    commit = client.hub.model("o/m", FILES)
    assert planned(("o/m", None)) == [Fetch("model", "o/m", None, ("encoders.m0",), commit, 3002)]
    assert client.hub.sent == []
    assert not list(client.cache.rglob("*.safetensors"))
    assert capsys.readouterr().err == ""


def test_what_is_in_the_cache_has_no_size_left(client, planned):
    commit = client.hub.model("o/m", FILES)
    from_hub("o/m", None, "model")
    assert planned(("o/m", commit)) == [Fetch("model", "o/m", commit, ("encoders.m0",), commit, 0)]


def test_one_repository_is_asked_for_once_and_all_its_users_are_named(client, planned):
    client.hub.model("o/m", FILES)
    (fetch,) = planned(("o/m", None), ("o/m", None))
    assert fetch.users == ("encoders.m0", "encoders.m1")


def test_without_a_hub_sizes_are_unknown_and_it_is_not_asked_again(client, planned, monkeypatch):
    import huggingface_hub

    commit = client.hub.model("o/cached", FILES)
    from_hub("o/cached", None, "model")
    asked = []
    real = huggingface_hub.snapshot_download

    def unreachable(name, **options):
        if options.get("dry_run"):
            asked.append(name)
            raise ConnectionError("nobody listens")
        return real(name, **options)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    first, second, third = planned(("o/m", None), ("o/cached", commit), ("o/cached", None))
    assert asked == ["o/m"]
    assert (first.bytes, first.unknown) == (None, "the Hugging Face Hub is not reached")
    assert (second.bytes, second.commit) == (0, commit)
    assert third.bytes is None
    assert third.unknown == f"{commit[:12]} is in the cache, and whether it is the newest: {first.unknown}"


def test_a_name_that_the_hub_does_not_have_is_unknown_and_others_are_asked_for(client, planned):
    client.hub.model("o/m", FILES)
    none, there = planned(("o/none", None), ("o/m", None))
    assert none.bytes is None
    assert "no model 'o/none'" in none.unknown
    assert there.bytes == 3002


def test_a_model_that_is_made_is_not_fetched_again(client, planned, tmp_path):
    client.hub.model("o/m", FILES)

    class Full(Store):
        def has(self, key):
            return True

    assert planned(("o/m", None), store=Full(tmp_path / "full")) == []


def test_data_sets_are_named_with_the_revision_of_mteb_and_a_licence():
    pytest.importorskip("mteb")
    kind = registry.get("mteb")
    (data,) = kind(kind.Params(task="SciFact")).hub_data()
    assert data.name == "mteb/scifact"
    assert re.fullmatch("[0-9a-f]{40}", data.revision)
    assert data.files == ("*",)
    assert data.licence


def test_collections_made_of_others_name_the_data_of_those():
    pairs = {"type": "hub-pairs", "dataset": "rlhn/rlhn-680K"}
    mixture = registry.get("mixture")
    (data,) = mixture(mixture.Params(sources=[{"collection": pairs}])).hub_data()
    assert (data.name, data.files) == ("rlhn/rlhn-680K", ("data/train-*",))
    assert data.revision == "d5323fad7aea636e633be28722ad15aafa6cbd54"
    sample = registry.get("sample")
    inner = {"type": "beir", "path": "somewhere"}
    assert sample(sample.Params(collection=inner, documents=3)).hub_data() == ()


def test_the_command_lists_what_is_fetched(client, tmp_path, monkeypatch):
    client.hub.model("o/m", FILES)
    monkeypatch.chdir(tmp_path)
    load_small(
        tmp_path, encoders={"m": {"type": "sentence-transformer", "model": "o/m"}}, indexes=FLAT,
        systems=[system("s", "m", "flat")],
    )  # fmt: skip
    lines = call("plan", "small.toml").out.splitlines()
    place = lines.index("From the Hugging Face Hub:")
    assert lines[place + 1].split() == ["name", "revision", "for", "to", "fetch"]
    assert lines[place + 2].startswith("o/m   newest: ")
    assert lines[place + 2].endswith("encoders.m  0 MiB")
