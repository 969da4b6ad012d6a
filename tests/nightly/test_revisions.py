"""Revisions of anything installed, each in an environment of its own, timed in turns."""

import inspect
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toy import write_toy, write_toy_spec

from harness import revision
from harness.errors import UserError
from harness.nightly import compare_revisions as interleave
from harness.nightly import timing_process
from harness.nightly.changes import of_processor
from harness.nightly.compare_revisions import CONFIDENCE
from harness.nightly.revisions import Side, folders_of, prepare
from harness.nightly.thresholds import IN_TURNS
from harness.runs.write import RunContents, write_run_folder

KEY = ("alpha", "s", "search_cpu")


def wheel(folder, version):
    path = folder / f"toy_thing-{version}-py3-none-any.whl"
    info = f"toy_thing-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy_thing.py", f'VERSION = "{version}"\n')
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: toy-thing\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def says(side, module="toy_thing"):
    code = f"import numpy, {module}; print({module}.VERSION)"
    done = subprocess.run([side.python, "-P", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


def test_each_wheel_is_installed_into_an_environment_of_its_own(tmp_path):
    sides = [
        prepare(str(wheel(tmp_path, version)), name, tmp_path / "work", tmp_path)
        for name, version in (("base", "1.0"), ("head", "2.0"))
    ]
    assert [says(side) for side in sides] == ["1.0", "2.0"]  # and both find numpy here


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_revisions_and_folders_come_before_what_is_installed(tmp_path):
    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], cwd=tmp_path, check=True,
            capture_output=True,
        )  # fmt: skip

    git("init", "-q")
    for version in ("1", "2"):
        (tmp_path / "yaml.py").write_text(f'VERSION = "git {version}"\n')  # a name that is installed here, too
        git("add", "yaml.py")
        git("commit", "-qm", version)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/yaml.py").write_text('VERSION = "folder"\n')
    work = tmp_path / "work"
    assert says(prepare("HEAD~1", "base", work, tmp_path), "yaml") == "git 1"
    assert says(prepare("HEAD", "head", work, tmp_path), "yaml") == "git 2"
    assert says(prepare(str(tmp_path / "folder"), "head", work, tmp_path), "yaml") == "folder"
    with pytest.raises(UserError, match="or a git revision") as caught:
        prepare("no-such-thing", "head", work, tmp_path)
    assert "key=value" in caught.value.remedy


def test_a_change_of_the_spec_is_a_revision_and_a_missing_package_is_named(tmp_path):
    assert prepare("encoders.e.max_length=64", "head", tmp_path, tmp_path).overrides == ("encoders.e.max_length=64",)
    with pytest.raises(UserError, match=r"cannot install '.*nothing-1-py3-none-any\.whl'"):
        prepare(str(tmp_path / "nothing-1-py3-none-any.whl"), "head", tmp_path, tmp_path)


class Clock:
    """Two timers of a machine whose speed wanders; it remembers who was asked what, when."""

    def __init__(self, head):
        self.rng, self.speed, self.head, self.asked, self.bound = np.random.default_rng(4), 1.0, head, [], []

    def timer(self, side, _order, _threads):
        def time(places):
            self.asked.append((side.name, list(places)))
            self.speed *= np.exp(0.05 * self.rng.standard_normal())
            factor = self.speed * (self.head if side.name == "head" else 1.0)
            noise = np.exp(0.1 * self.rng.standard_t(3, (len(places), 4)))
            return (factor * noise * np.asarray([1e6, 2e6, 1e6, 2e6])).tolist()

        return SimpleNamespace(
            ready=lambda: (30, 3_000_000), time=time, bind=lambda n: self.bound.append(n), close=lambda: None
        )


def taken(monkeypatch, clock, pairs=12, rounds=5):
    monkeypatch.setattr(interleave, "Timer", clock.timer)
    sides = [SimpleNamespace(name=name) for name in ("base", "head")]
    return np.stack([interleave._pair(sides, [{}, {}], number, rounds, 1) for number in range(pairs)])


def test_sides_take_turns_every_few_queries_on_one_processor(monkeypatch):
    clock = Clock(1.0)
    assert taken(monkeypatch, clock, pairs=2, rounds=2).shape == (2, 2, 2, 30, 4)
    assert max(len(places) for _, places in clock.asked) == 6  # 20 ms
    for (first, places), (second, same) in zip(clock.asked[::2], clock.asked[1::2], strict=True):
        assert {first, second} == {"base", "head"}
        assert places == same
    assert {first for first, _ in clock.asked[::2]} == {"base", "head"}
    half = len(clock.asked) // 2
    assert sorted(place for name, places in clock.asked[:half] if name == "base" for place in places) == sorted(
        [*range(30)] * 2
    )
    assert clock.bound[0] == clock.bound[1]


@pytest.mark.parametrize(("factor", "word"), [(1.0, "no change"), (1.05, "regressed"), (0.95, "improved")])
def test_small_changes_are_found_on_a_machine_that_wanders(monkeypatch, factor, word):
    seconds = taken(monkeypatch, Clock(factor))
    base, head = (interleave._processor(seconds[:, place], "search_cpu") for place in (0, 1))
    one = of_processor(KEY, base, head, IN_TURNS, CONFIDENCE)
    assert one.word == word
    assert one.head / one.base == pytest.approx(factor, abs=0.02)
    assert "Search, processor time of s on alpha" in one.sentence


def test_other_numbers_of_queries_are_refused(monkeypatch):
    counts = iter([30, 20])
    monkeypatch.setattr(
        interleave, "Timer", lambda *_: SimpleNamespace(ready=lambda: (next(counts), 1), bind=print, close=print)
    )
    with pytest.raises(UserError, match="different numbers of queries, 30 and 20"):
        interleave._pair([SimpleNamespace(name=n) for n in "ab"], [{}, {}], 0, 1, 1)


@pytest.mark.slow
def test_a_slower_and_larger_revision_of_a_package_is_found_and_named(tmp_path):
    """As for a user who has some version of the package installed, and compares two others."""
    write_toy_spec(tmp_path)
    base, head = write_toy(tmp_path / "base"), write_toy(tmp_path / "head", version="1.1", slower=4.0, larger=1.03)
    here = os.pathsep.join([str(write_toy(tmp_path / "site")), *(p for p in sys.path if p)])
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from harness.cli.app import main; main()"),
            *("compare", base, head, "--spec", "toy.toml", "--pairs", "8", "--rounds", "1", "--json"),
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": here}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "toy on mine: 8 pairs of processes in turns" in done.stderr
    found = {one["key"][2]: one for one in json.loads(done.stdout)}
    assert found["index_bytes"]["word"] == found["search_cpu"]["word"] == "regressed"
    assert found["ndcg@10"]["word"] == "no change"
    assert found["search_cpu"]["head"] / found["search_cpu"]["base"] > 2
    assert "Search, processor time of toy on mine: regressed" in found["search_cpu"]["sentence"]


def side_of(folder, **system):
    whole = {"name": "s", "collection": "c", "status": "ok", "reason": "", "stages": {}, **system}
    write_run_folder(folder, RunContents({"systems": [whole], "collections": {}}, []))
    return Side("HEAD~1", Path(sys.executable), (), folder)


def test_folders_of_a_side_are_found_by_key_in_the_store(tmp_path):
    keys = {"prepare": "aa1", "fit": "bb2", "build": "cc3"}
    found = folders_of(side_of(tmp_path / "run", stages=keys), tmp_path / "store")
    objects = tmp_path / "store/objects"
    assert found == {
        ("c", "s"): {
            "collection": str(objects / "aa/aa1/files"),
            "collection_name": "c",
            "model": str(objects / "bb/bb2/files"),
            "index": str(objects / "cc/cc3/files"),
        }
    }


def test_a_system_that_failed_is_not_timed(tmp_path):
    assert folders_of(side_of(tmp_path / "run", status="failed", stages={}), tmp_path / "store") == {}


def test_a_side_that_does_not_name_a_stage_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"HEAD~1 names no stage fit, build of s") as caught:
        folders_of(side_of(tmp_path / "run", stages={"prepare": "aa1"}), tmp_path / "store")
    assert caught.value.file == tmp_path / "run/run.json"


def package(folder, name, text):
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def test_the_first_module_that_has_a_name_gives_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package(tmp_path, "earlier_one.steps", "open_type = 'earlier'")
    package(tmp_path, "later_one.steps", "other = 1")
    assert timing_process._first_with(("later_one.steps", "earlier_one.steps"), "open_type").open_type == "earlier"
    assert timing_process._first_with(("missing_one.steps", "earlier_one.steps"), "open_type").open_type == "earlier"
    with pytest.raises(ImportError, match=r"none of later_one\.steps has open_type"):
        timing_process._first_with(("later_one.steps",), "open_type")


def test_a_missing_library_is_not_taken_for_an_earlier_revision(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package(tmp_path, "wanting_one.steps", "import no_such_library_at_all")
    package(tmp_path, "earlier_two.steps", "open_type = 'earlier'")
    with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
        timing_process._first_with(("wanting_one.steps", "earlier_two.steps"), "open_type")


def test_the_stable_entry_is_asked_where_there_is_one(monkeypatch):
    asked = []
    monkeypatch.setattr("harness.revision.open_system", lambda order: asked.append(order) or "opened")
    assert timing_process.open_system({"system": "s"}) == "opened"
    assert asked == [{"system": "s"}]


def test_names_of_the_stable_entry_have_not_changed():
    """Revisions after this one call it by these names."""
    assert list(inspect.signature(revision.open_system).parameters) == ["order"]
    assert [field.name for field in fields(revision.OpenSystem)] == [
        "encoder", "engine", "texts", "k", "threads", "warmup",
    ]  # fmt: skip
