"""A paper's folder: what is in it, what is kept, and that TeX compiles it, whatever systems are called."""

import hashlib
import json
import shutil
import stat
import subprocess
from functools import partial

import pytest
from suite_runs import write_suite_run

from harness.cli.app import app
from harness.errors import UserError
from harness.runs.read import load_run
from harness.spec.shipped import shipped_specs
from reports.exports.figure_files import write_figures
from reports.figures.base import sheets_of
from reports.paper import folder
from reports.paper.folder import check_paper, named_runs, write_paper
from reports.paper.references import ENCODERS, FACTORIES, INDEXES, METHODS, MODELS, SOFTWARE, Citations, entries
from reports.paper.reproduce import Repeated, constraints, repeated, script
from reports.paper.setup import setup_text

HOSTILE = r"a_b & {50%} \input{x} $y^2$ ~#1 検 🎉 <i> ``q'' --"
PARTS = {"numbers.tex", "main.tex", "references.bib", "reproduce.sh", "constraints.txt"}


@pytest.fixture
def hostile(run_folder):
    """The run with names that LaTeX would trip over, and a spec with a variable."""
    for name in ("run.json", "records.jsonl", "per_query.jsonl", "conditions.jsonl"):
        text = (run_folder / name).read_text()
        text = text.replace(json.dumps("dense_1"), json.dumps(HOSTILE)).replace('"less memory"', json.dumps(HOSTILE))
        (run_folder / name).write_text(text.replace('"alpha"', json.dumps("al_pha 100% 検")))
    facts = json.loads((run_folder / "run.json").read_text())
    facts["spec_text"] = 'name = "x"\npath = "${MY_DATA}/x"'
    facts["overrides"] = ["title='it is; rm -rf /'"]
    facts["environment"]["Software"] = {"numpy": "2.0.0", "torch": "2.1.0+cpu", "system": "Linux", "Python": "3.11"}
    (run_folder / "run.json").write_text(json.dumps(facts))
    return run_folder


def test_all_parts_are_there_and_the_text_is_kept(hostile, tmp_path):
    out = tmp_path / "paper"
    written = write_paper([hostile], out, figures=False)
    assert {file.relative_to(out).name for file in written.files} >= PARTS and not written.untouched
    assert set(written.files) == {path for path in out.rglob("*") if path.is_file()}
    assert stat.S_IXUSR & (out / "reproduce.sh").stat().st_mode
    assert check_paper([hostile], out) == []
    (out / "main.tex").write_text(r"my own \lbNdcgSparseCoBeta{}")
    again = write_paper([hostile], out, figures=False)
    assert again.untouched == [out / "main.tex"] and "my own" in (out / "main.tex").read_text()
    (out / "setup-synthetic.tex").write_text("not of this program\n" * 5)
    with pytest.raises(UserError, match="not of laconic-bench"):
        write_paper([hostile], out, figures=False)
    with pytest.raises(UserError, match="no file of macros"):
        check_paper([hostile], tmp_path / "nowhere")


def test_the_best_fusion_is_one_of_the_fusions(tmp_path):
    run = write_suite_run(tmp_path / "run", suites={})
    facts = json.loads((run / "run.json").read_text())
    for row in facts["systems"]:
        if row["name"] == "other":
            row["fused"] = ["good"]
    (run / "run.json").write_text(json.dumps(facts))
    write_paper([run], tmp_path / "paper", figures=False)
    text = (tmp_path / "paper/main.tex").read_text()
    assert "the best of the fusions is other" in text
    assert "the best of the other systems is good" in text


def test_nothing_is_drawn_or_written_where_something_is_wrong(hostile, tmp_path, monkeypatch):
    out = tmp_path / "paper"
    with pytest.raises(UserError, match="--width: there is no width 'broad'"):
        write_paper([hostile], out, "broad")
    with pytest.raises(UserError, match="no width"):  # before any run is read
        write_paper([tmp_path / "nowhere"], out, "broad")
    assert not out.exists()
    (out / "tables").mkdir(parents=True)
    (out / "tables/synthetic-systems.tex").write_text("my own table\n" * 5)
    with pytest.raises(UserError, match="not of laconic-bench"):
        write_paper([hostile], out)
    assert [path.name for path in out.rglob("*") if path.is_file()] == ["synthetic-systems.tex"]


def test_repeatable_alone_is_refused(hostile, tmp_path):
    with pytest.raises(UserError, match=r"--repeatable: .*nothing without it") as error:
        app(["paper", str(hostile), "--out", str(tmp_path / "paper"), "--repeatable"], standalone_mode=False)
    assert error.value.remedy == "add --check, or leave out --repeatable"
    assert not (tmp_path / "paper").exists()


def test_the_figures_are_among_the_files_written(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "sheets_of", lambda run: sheets_of(run, ["terms"]))
    monkeypatch.setattr(folder, "write_figures", partial(write_figures, only=["terms"]))
    written = write_paper([hostile], tmp_path / "paper")
    assert set(written.files) == {path for path in (tmp_path / "paper").rglob("*") if path.is_file()}
    assert any(path.suffix == ".pdf" for path in written.files)


def test_runs_of_one_name_get_names_that_no_other_run_has(tmp_path):
    folders = [write_suite_run(tmp_path / str(place), name=name) for place, name in enumerate(("a", "a", "a-2", "a"))]
    assert [name for name, _ in named_runs(folders)] == ["a", "a-3", "a-2", "a-4"]


def test_the_text_says_that_systems_took_turns_only_where_the_processes_say_so(hostile):
    def states_turns():
        return "take turns" in setup_text(load_run(hostile), Citations({}))

    file = hostile / "conditions.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert not states_turns()  # an older version did not record the round
    for rounds, wanted in ((("x", "x"), True), (("x", "y"), False), (("x", ""), False)):
        for row, own in zip(rows, rounds, strict=True):
            row |= {"round": own, "disturbance": "it turns hot"}
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert states_turns() is wanted


@pytest.mark.parametrize(
    ("measure", "wanted"),
    [
        ({}, "Each system answers queries one by one; encoding and search are timed apart."),
        ({"queries": None, "repeats": 1, "warmup": 1, "k": 10},
         "answers all queries one by one, 1 time, after 1 query of warm-up; encoding and search are timed apart, and a "
         "search returns 10 documents."),
        ({"queries": 500, "repeats": 2, "processes": 2, "threads": 1},
         "answers 500 queries one by one, 2 times in each of 2 fresh processes, with 1 thread; encoding"),
    ],
)  # fmt: skip
def test_the_paragraph_on_timing_leaves_out_what_the_run_does_not_say(hostile, measure, wanted):
    facts = json.loads((hostile / "run.json").read_text()) | {"measure": measure}
    (hostile / "run.json").write_text(json.dumps(facts))
    assert wanted in setup_text(load_run(hostile), Citations({}))


def test_a_changed_number_fails_the_check_unless_a_repetition_may_change_it(hostile, tmp_path, capsys):
    out = tmp_path / "paper"
    with pytest.raises(SystemExit):
        app(["paper", str(hostile), "--out", str(out), "--no-figures"])
    assert str(out / "main.tex") in capsys.readouterr().out
    lines = [json.loads(line) for line in (hostile / "records.jsonl").read_text().splitlines()]
    for row in lines:
        if row["system"] == "sparse & co" and row["metric"] == "latency_total/p50":
            row["value"] *= 2
    lines = [row for row in lines if (row["system"], row["metric"]) != (HOSTILE, "latency_total/p50")]
    (hostile / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    problems = check_paper([hostile], out)
    assert len(problems) == 6 and all("LatencyTotalPFifty" in line for line in problems)
    assert check_paper([hostile], out, repeatable=True) == []
    command = ["paper", str(hostile), "--out", str(out), "--check"]
    with pytest.raises(SystemExit) as stopped:
        app(command)
    assert stopped.value.code == 1 and capsys.readouterr().out.splitlines() == problems
    with pytest.raises(SystemExit) as stopped:
        app([*command, "--repeatable"])
    assert stopped.value.code == 0 and "every number" in capsys.readouterr().out


def test_the_script_repeats_all_runs(hostile, tmp_path):
    out = tmp_path / "paper"
    write_paper([hostile, write_suite_run(tmp_path / "suite")], out, figures=False)
    text = (out / "reproduce.sh").read_text()
    assert subprocess.run(["sh", "-n", str(out / "reproduce.sh")]).returncode == 0
    assert "laconic-bench run specs/synthetic.toml --set 'title='\"'\"'it is; rm -rf /'\"'\"'' --out" in text
    assert ': "${MY_DATA:?' in text
    assert "paper repeated/synthetic repeated/suite --out . --check --repeatable" in text
    assert (out / "specs/synthetic.toml").read_text().endswith('path = "${MY_DATA}/x"')
    assert "numpy==2.0.0\ntorch==2.1.0\n" in (out / "constraints.txt").read_text()


def test_a_shipped_spec_is_repeated_by_its_name(run_folder):
    run = load_run(run_folder)
    assert repeated("r", run).spec == "specs/r.toml"
    text = shipped_specs()["quickstart"].read_bytes()
    run.facts["spec_hash"] = hashlib.sha256(text).hexdigest()
    assert repeated("r", run).spec == "quickstart"


def test_the_script_stops_where_a_run_fails(tmp_path):
    program = tmp_path / "laconic-bench"
    program.write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/log\necho laconic-bench 0.2.0\n[ $1 != run ]\n")
    program.chmod(0o755)
    (tmp_path / "r.sh").write_text(script([Repeated("a", "quickstart", ["--only 'b c'", "--null"], [], "0.1.0", "")]))
    command = ["sh", str(tmp_path / "r.sh")]
    done = subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr == "a was made by laconic-bench 0.1.0, here is another\n"
    assert (tmp_path / "log").read_text() == "--version\nrun quickstart --only b c --null --out repeated/a\n"


@pytest.mark.parametrize(
    ("facts", "options"),
    [
        ({}, []),
        ({"only": [], "null": False, "pins": ["encoders.e.revision='ab'"]},
         ["""--set 'encoders.e.revision='"'"'ab'"'"''"""]),
        ({"only": ["good", "it's"], "null": True}, ["--only good", """--only 'it'"'"'s'""", "--null"]),
        ({"command": "laconic-bench run x.toml --only good --only other"}, ["--only good", "--only other"]),
        ({"command": "laconic-bench run x.toml --null"}, ["--null"]),
    ],
)  # fmt: skip
def test_the_script_repeats_a_run_with_the_options_that_it_had(tmp_path, facts, options):
    run = load_run(write_suite_run(tmp_path / "run", **facts))
    assert repeated("r", run).options == options


def test_the_program_is_pinned_like_its_libraries(run_folder):
    run = load_run(run_folder)
    assert "laconic-bench==" not in constraints([run])
    run.facts["provenance"] |= {"laconic-bench": "0.1.0", "git changes": "none"}
    assert "laconic-bench==0.1.0\n" in constraints([run])
    made_by = f"laconic-bench 0.1.0, started in a folder with git revision {'c' * 40}, changes there: none"
    assert repeated("r", run).made_by == made_by


def test_every_reference_that_can_be_cited_is_there():
    cited = {key for _, key in ENCODERS.values()} | {*INDEXES.values(), *FACTORIES.values(), *MODELS.values()}
    cited |= {*SOFTWARE.values(), *METHODS.values()}
    assert cited - {""} <= entries().keys()
    assert all(text.startswith("@") and text.count("{") == text.count("}") for text in entries().values())


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex is installed (nox -s paper installs it)")
def test_it_compiles_with_hostile_names(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "sheets_of", lambda run: sheets_of(run, ["trade-off"]))
    monkeypatch.setattr(folder, "write_figures", partial(write_figures, only=["trade-off"]))
    out = tmp_path / "paper"
    write_paper([hostile, write_suite_run(tmp_path / "suite")], out)
    drawn = [path.with_suffix("") for path in (out / "figures").rglob("*.pdf")]
    assert drawn and all(path.with_suffix(path.suffix + ".tex").is_file() for path in drawn)
    text = (out / "main.tex").read_text()
    (out / "main.tex").write_text(text.replace(r"\end{document}", r"\clearpage\input{all}\end{document}"))
    inputs = [rf"\input{{{path.relative_to(out)}}}\clearpage" for path in drawn]
    (out / "all.tex").write_text("\n".join(inputs))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (out / "main.pdf").stat().st_size > 20_000
    done = subprocess.run(["bibtex", "main"], cwd=out, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0 and "Warning" not in done.stdout, done.stdout
