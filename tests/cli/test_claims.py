"""The command that prints verdicts: its words, its exit codes, and a baseline out of another run."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from harness.cli.app import app


def ask(*arguments):
    return CliRunner().invoke(app, ["claims", *map(str, arguments)])


def change(folder, **facts):
    found = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**found, **facts}))


def claims_of(folder):
    return json.loads((folder / "run.json").read_text())["claims"]


@pytest.mark.parametrize(("bound", "code"), [(0.71, 0), (0.72, 1)])
def test_exit_code_tells_the_verdict(run_folder, bound, code):
    change(run_folder, claims=[{**claims_of(run_folder)[0], "reduction_at_least": bound}])
    found = ask(run_folder)
    assert found.exit_code == code
    assert found.stdout.startswith("SUPPORTED: less memory\n" if code == 0 else "CONTRADICTED: less memory\n")


def test_a_failed_system_gives_exit_code_2(run_folder):
    found = ask(run_folder, "--json")
    assert found.exit_code == 2
    words = [verdict["word"] for verdict in json.loads(found.stdout)]
    assert words == ["supported", "supported", "not comparable", "not comparable"]


def test_the_baseline_may_be_of_another_run_over_the_same_data(run_folder, tmp_path):
    other = shutil.copytree(run_folder, tmp_path / "other")
    change(run_folder, claims=claims_of(run_folder)[:1])
    assert ask(run_folder, "--baseline", other).exit_code == 0
    facts = json.loads((other / "run.json").read_text())["collections"]
    facts["beta"]["revision"] = "e" * 64
    change(other, collections=facts)
    found = ask(run_folder, "--baseline", other)
    assert found.exit_code == 2
    assert f"data differs: {'d' * 64} for sparse & co, {'e' * 64} for dense_1" in found.stdout
