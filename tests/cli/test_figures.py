"""The command that writes figures."""

from typer.testing import CliRunner

from harness.cli.app import app


def test_the_command_writes_the_figures_that_were_asked_for(run_folder, tmp_path):
    done = CliRunner().invoke(
        app,
        ["figures", str(run_folder), "--only", "terms", "--format", "svg", "--width", "text", "--out", str(tmp_path)],
    )
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [str(tmp_path / "terms-alpha.svg")]
    assert (tmp_path / "terms-alpha.svg").stat().st_size > 1000


def test_figures_go_into_the_run_folder_by_default(run_folder):
    assert CliRunner().invoke(app, ["figures", str(run_folder), "--only", "terms", "--format", "svg"]).exit_code == 0
    assert [path.name for path in (run_folder / "figures").iterdir()] == ["terms-alpha.svg"]


def test_kinds_of_figures_are_listed_with_what_they_show():
    done = CliRunner().invoke(app, ["list", "figures"])
    assert "trade-off" in done.output
    assert "with the Pareto front" in done.output
