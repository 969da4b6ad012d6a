"""A run whose model lies on a hub: refused, given, warm without network, moved and pinned, by the same command."""

import json

import families
import pytest
from commands import call
from hub_client import client, hub
from loopback_hub import files_of
from small_specs import FLAT, ONCE, system, write_spec

from harness.hub import Wanted

__all__ = ["client", "hub"]


@pytest.fixture
def spec(client, tmp_path, monkeypatch):
    """A spec with a dense model of the hub, whose processes use the hub, too."""
    for name, value in client.hub.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    model = {"type": "sentence-transformer", "model": "o/tiny"}
    path = write_spec(
        tmp_path,
        encoders={"tiny": model},
        indexes=FLAT,
        systems=[system("tiny", "tiny", "flat")],
        measure={**ONCE, "invalid_models": "report"},
    )
    return path


def facts(spec):
    return json.loads((spec.parent / "runs/small/run.json").read_text())


def fits(run):
    """(status, reused) of the stage that fetches the model."""
    return [(stage["status"], stage["reused"]) for stage in run["stages"] if stage["kind"] == "fit"]


@pytest.mark.slow
def test_the_same_command_goes_on_as_soon_as_the_hub_gives_the_model(spec, client, tmp_path, monkeypatch):
    files = files_of(families.dense(tmp_path / "model", "bert"))
    hub = client.hub
    old = hub.model("o/tiny", files, gated=True)
    refused = call("run", spec)
    assert refused.code == 1
    for place in (refused.out + refused.err, (spec.parent / "runs/small/report.html").read_text()):
        assert "nobody is logged in (401)" in place and "hf auth login" in place
    assert fits(facts(spec)) == [("unavailable", False)]
    assert facts(spec)["systems"][0]["status"] == "unavailable"

    hub.model("o/tiny", files, gated=False)
    given = call("run", spec)
    assert given.code == 0, given
    assert fits(facts(spec)) == [("ok", False)]
    assert any(old in note and "may change" in note for note in facts(spec)["notes"])

    hub.stop()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert call("run", spec).code == 0
    assert fits(facts(spec)) == [("ok", True)]


def test_a_moved_name_is_pinned_to_the_commit_of_now(spec, client):
    old = client.hub.model("o/tiny", {"config.json": b"{}"})
    pinned = call("pin", spec).out.split()
    assert pinned == ["--set", f"encoders.tiny.revision={old}"]
    moved = client.hub.model("o/tiny", {"config.json": b'{"a": 1}'})
    assert moved in call("pin", spec).out
    assert "every model is pinned" in call("pin", spec, *pinned).out


@pytest.mark.parametrize(
    "error", [OSError("Not enough disk space. Needed: 3 GB"), RuntimeError("No space left on device (os error 28)")]
)
def test_clients_that_say_in_words_that_the_disk_is_full(error):
    wanted = Wanted("dataset", "o/d", None, "task")
    outer = ValueError("while it was made")
    outer.__cause__ = error
    assert "no space is left for the dataset 'o/d'" in wanted.failure(outer).what
