"""An old revision of this program is compared with this one, each in an environment of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_specs import write_spec

BEFORE_THE_MOVES = "a0a13f2"
"""The last revision whose modules lay where they lay before there was `harness.revision`."""
ROOT = Path(__file__).parents[2]


def has_revision(name):
    command = ["git", "-C", str(ROOT), "cat-file", "-e", f"{name}^{{commit}}"]
    return shutil.which("git") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not has_revision(BEFORE_THE_MOVES), reason="the history of the repository is not here")
def test_a_revision_from_before_the_stable_entry_is_compared_with_this_one(tmp_path):
    write_spec(tmp_path)
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from harness.cli.app import main; main()", "compare", BEFORE_THE_MOVES, str(ROOT)),
            *("--spec", "small.toml", "--repo", str(ROOT), "--pairs", "2", "--rounds", "2", "--json"),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = {one["key"][2]: one for one in json.loads(done.stdout or "[]")}
    assert found["ndcg@10"]["word"] == "no change", done.stderr
    assert found["search_cpu"]["base"] > 0
    assert "lexical on mine: 2 pairs of processes in turns" in done.stderr
    assert json.loads((tmp_path / "compare/base/run/run.json").read_text())["schema"] == 1
    assert json.loads((tmp_path / "compare/head/run/run.json").read_text())["schema"] == 2
