"""A package of somebody else adds an index, a collection or a metric: it is in keys, records and report."""

import json

import pytest
from extensions import example, install, python, recipes, run
from small_specs import system, write_spec

from harness import open_run


@pytest.fixture
def site(tmp_path):
    return tmp_path / "site"


@pytest.fixture
def spec(tmp_path):
    return write_spec(tmp_path, systems=[system("first")])


@pytest.fixture
def quality(tmp_path):
    """A spec that measures quality alone, which a metric is computed from."""
    return write_spec(tmp_path, systems=[system("first")], measure={"only": ["quality"]})


def kinds_that_differ(before, after):
    return {kind for kind in before if before[kind]["key"] != after[kind]["key"]}


def test_an_index_of_another_package(tmp_path, site, spec):
    module, code, (entry_points, table) = example("A new index")
    install(site, module, code, entry_points)
    spec.write_text(spec.read_text().replace("[measure]", f"{table}\n[[systems]]\nencoder = 'bm25'\nindex = 'mine'\n"
                                             "name = 'mine'\n[measure]"))  # fmt: skip
    spec.write_text(spec.read_text().replace('type = "inverted"', 'type = "inverted"\nweights = "float32"'))

    before = recipes(site, spec)
    assert before["build"]["libraries"].keys() == {"brute-index", "numpy", "scipy"}
    assert before["build"]["libraries"]["brute-index"] == "1.0"
    assert before["latency"]["libraries"]["brute-index"] == "1.0"
    assert not {"brute-index", "faiss-cpu", "bmp"} & before["encode"]["libraries"].keys()

    folder, records, report = run(site, spec, "small")
    values = {(row["system"], row["metric"]): row["value"] for row in records}
    for metric in ("ndcg@10", "recall@10", "mrr@10"):
        assert values["mine", metric] == values["first", metric]
    assert values["mine", "index_bytes/rows"] == values["mine", "index_bytes"] > 0
    assert "mine" in report
    (described,) = [s for s in json.loads((folder / "run.json").read_text())["systems"] if s["name"] == "mine"]
    assert (described["index_type"], described["codec"], described["status"]) == ("brute", "float32", "ok")

    install(site, module, code, entry_points, version="2.0")
    after = recipes(site, spec)
    assert after["build"]["libraries"]["brute-index"] == "2.0"
    assert {"build", "search", "latency"} <= kinds_that_differ(before, after)
    assert not {"prepare", "fit", "encode"} & kinds_that_differ(before, after)


def test_an_index_without_a_hook_is_refused_by_the_hooks_name(site, spec):
    module, code, (entry_points, _) = example("A new index")
    install(site, module, code.replace("def memory(self)", "def bytes(self)"), entry_points)
    done = python(site, "-c", "from harness.start import main; main()", "plan", str(spec), cwd=spec.parent)
    assert done.returncode == 2
    assert "the index 'brute' has no memory" in done.stderr
    assert "harness.indexes.base" in done.stderr


def test_a_collection_of_another_package(tmp_path, site, spec):
    module, code, (entry_points, table) = example("A new collection")
    install(site, module, code, entry_points)
    lines = [f"what is a {word}\t{word} grows on a {word} tree" for word in ("apple", "pear", "plum", "fig")]
    (tmp_path / "questions.tsv").write_text("\n".join(lines) + "\n")
    old = spec.read_text()
    begin, end = old.index("[collections.mine]"), old.index("[encoders.bm25]")
    table = table.replace("questions.tsv", str(tmp_path / "questions.tsv"))
    spec.write_text(old[:begin] + table + old[end:])

    before = recipes(site, spec)
    assert before["prepare"]["libraries"] == {"faq-collection": "1.0"}

    folder, records, report = run(site, spec, "small")
    values = {row["metric"]: row["value"] for row in records}
    assert values["mrr@10"] == values["recall@10"] == 1.0
    facts = json.loads((folder / "run.json").read_text())["collections"]["mine"]
    assert (facts["documents"], facts["queries"], facts["warnings"]) == (4, 4, [])
    assert "questions and answers of questions.tsv" in report

    install(site, module, code, entry_points, version="2.0")
    assert "prepare" in kinds_that_differ(before, recipes(site, spec))


def test_a_metric_of_another_package(site, quality):
    without = recipes(site, quality)
    module, code, (entry_points,) = example("A new metric")
    install(site, module, code, entry_points)

    before = recipes(site, quality)
    assert kinds_that_differ(without, before) == {"quality"}
    assert before["quality"]["libraries"]["judged-metric"] == "1.0"

    folder, records, report = run(site, quality, "small")
    (row,) = [row for row in records if row["metric"] == "judged@10"]
    # Each query finds the two documents that have its word, of which one is judged.
    per_query = [json.loads(line) for line in (folder / "per_query.jsonl").read_text().splitlines()]
    shares = {line["query"]: line["value"] for line in per_query if line["metric"] == "judged@10"}
    assert shares == {"q0": 0.5, "q1": 0.5, "q2": 0.5}
    assert (row["value"], row["n"], row["unit"], row["direction"]) == (0.5, 3, "fraction", "higher")
    assert row["method"] == "count of judged documents, Student's t over queries"
    assert "Judged@10" in report
    assert "Share of the first 10 documents that have a judgement" in report

    install(site, module, code.replace("[:10]", "[:5]"), entry_points)
    assert kinds_that_differ(before, recipes(site, quality)) == {"quality"}


def test_a_metric_that_ir_measures_has(site, quality):
    module, code, (entry_points,) = example("A new metric")
    begin = code.index("    @staticmethod")
    code = code[:begin].replace('("judged-metric",)', '("ir-measures",)') + '    measure: ClassVar[str] = "P@10"\n'
    install(site, module, code, entry_points)
    _, records, _ = run(site, quality, "small")
    assert [row["value"] for row in records if row["metric"] == "judged@10"] == [pytest.approx(0.1)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name="judged@10"', 'name="judged"', "the definition of the metric 'judged@10' has the name 'judged'"),
        ("values[query] = sum(", "values[query] = float('nan') * sum(", "is nan"),
        ("for query, judged in qrels.items():", "for query, judged in list(qrels.items())[1:]:", "no value for"),
    ],
)
def test_a_wrong_metric_is_named(site, quality, old, new, words):
    module, code, (entry_points,) = example("A new metric")
    assert old in code
    install(site, module, code.replace(old, new), entry_points)
    done = python(site, "-c", "from harness.start import main; main()", "run", str(quality), cwd=quality.parent)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr


def test_a_measurement_of_another_package(site, spec):
    module, code, (entry_points, table) = example("A new measurement")
    install(site, module, code, entry_points)
    _, records, _ = run(site, spec, "small")
    assert not [row for row in records if row["metric"] == "switch_ratio"]

    spec.write_text(spec.read_text().replace("[measure]\n", table))
    recipe = recipes(site, spec)["switch"]
    assert recipe["libraries"]["switch-measurement"] == "1.0"
    assert {"numba", "numpy"} <= recipe["libraries"].keys()
    folder, records, report = run(site, spec, "small")
    (row,) = [row for row in records if row["metric"] == "switch_ratio"]
    assert row["value"] > 0
    assert (row["unit"], row["direction"], row["n"], row["source"]) == ("ratio", "lower", 3, "measured")
    assert "Cost of another query before" in report
    stages = {stage["kind"]: stage for stage in json.loads((folder / "run.json").read_text())["stages"]}
    assert stages["switch"]["status"] == "ok"
    assert stages["latency"]["reused"]

    install(site, module, code, entry_points, version="2.0")
    assert recipes(site, spec)["switch"]["key"] != recipe["key"]
    install(site, module, code.replace("// 2]", "// 3]"), entry_points)
    assert recipes(site, spec)["switch"]["key"] != recipe["key"]


def test_a_measurement_that_nobody_has_is_refused_with_the_nearest_name(site, spec):
    module, code, (entry_points, table) = example("A new measurement")
    install(site, module, code, entry_points)
    spec.write_text(spec.read_text().replace("[measure]\n", table.replace('"switch"', '"swich"')))
    done = python(site, "-c", "from harness.start import main; main()", "plan", str(spec), cwd=spec.parent)
    assert done.returncode == 2
    assert "there is no measurement 'swich'" in done.stderr
    assert "did you mean 'switch'" in done.stderr
    assert "small.toml:" in done.stderr


def test_an_encoder_of_another_package(site, spec):
    module, code, (entry_points, table) = example("A new encoder")
    install(site, module, code, entry_points)
    system = "[[systems]]\nencoder = 'letters'\nindex = 'inverted'\nname = 'letters'\n"
    spec.write_text(spec.read_text().replace("[measure]", f"{table}\n{system}[measure]"))
    before = recipes(site, spec)
    assert before["encode"]["libraries"] == {
        name: before["fit"]["libraries"][name] for name in ("numpy", "scipy", "trigram-encoder")
    }
    assert before["encode"]["libraries"]["trigram-encoder"] == "1.0"
    assert before["latency"]["libraries"]["trigram-encoder"] == "1.0"
    assert "torch" not in before["encode"]["libraries"]
    assert "trigram-encoder" not in before["build"]["libraries"]

    folder, records, report = run(site, spec, "small")
    values = {row["metric"]: row["value"] for row in records if row["system"] == "letters"}
    assert 0 < values["ndcg@10"] <= 1
    assert values["active_terms_query"] > 1
    facts = json.loads((folder / "run.json").read_text())
    software = facts["environment"]["Software"]
    assert software["trigram-encoder"] == "1.0", "what the encoder declares is shown"
    assert {"numba", "pystemmer", "ir-measures"} <= software.keys(), "so is what the other plugs declare"
    assert "torch" not in software, "no plug of this run uses it"
    (described,) = [system for system in facts["systems"] if system["name"] == "letters"]
    assert (described["encoder_type"], described["status"]) == ("trigrams", "ok")
    assert "letters" in report

    install(site, module, code, entry_points, version="2.0")
    after = recipes(site, spec)
    assert {"fit", "encode", "latency"} <= kinds_that_differ(before, after)
    assert "prepare" not in kinds_that_differ(before, after)
    install(site, module, code.replace("+= 1.0", "+= 2.0"), entry_points)
    assert "encode" in kinds_that_differ(before, recipes(site, spec))


def test_an_encoder_without_a_hook_is_refused_by_the_hooks_name(site, spec):
    module, code, (entry_points, _) = example("A new encoder")
    install(site, module, code.replace("    libraries: ClassVar", "    packages: ClassVar"), entry_points)
    done = python(site, "-c", "from harness.start import main; main()", "plan", str(spec), cwd=spec.parent)
    assert done.returncode == 2
    assert "the encoder 'trigrams' has no libraries" in done.stderr


def test_a_figure_of_another_package(tmp_path, site, run_folder):
    module, code, (entry_points,) = example("A new figure")
    install(site, module, code, entry_points)
    command = ["-c", "from harness.start import main; main()"]
    done = python(site, *command, "figures", str(run_folder), "--only", "dots", "--format", "svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (run_folder / "figures").iterdir()} == {"dots-alpha.svg", "dots-beta.svg"}
    done = python(site, *command, "report", str(run_folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (run_folder / "report.html").read_text()
    quality = page[page.index(">Quality</h3>") : page.index(">Memory</h3>")]
    assert "nDCG@10 with intervals." in quality
    values = open_run(run_folder).records.query("collection == 'alpha' and metric == 'ndcg@10'").set_index("system")
    assert quality.count(f"<title>sparse &amp; co: {values.value['sparse & co']:.4f}</title>") == 1
