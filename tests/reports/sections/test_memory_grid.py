"""The memory claim on the page and on paper."""

import csv
import io
import json
from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.runs.read import load_run
from reports.figures.memory_claim import curve
from reports.sections import memory_claim
from reports.sections.measured_memory import MeasuredPart, MeasuredRow, MeasuredSystem, measured, shade
from reports.sections.memory_grid import printed, section


def test_words_of_a_reduction():
    assert shade(0.71, 0.71).kind == "holds"
    assert shade(0.7096, 0.71).text == "70.96% less"  # rounded, it would read as enough
    assert (shade(0.7, 0.71).kind, shade(0.7, 0.71).text) == ("smaller", "70% less")
    assert shade(-0.0001, 0.71).text == "✗ as large"
    assert (shade(-2.0, 0.71).kind, shade(-2.0, 0.71).text) == ("larger", "✗ 3.0× larger")


def test_forms_hold_the_same_numbers():
    shape = (4096, 512, 8_841_823, 128_256)
    as_json = {(r["dense"], r["sparse"]): r["reduction"] for r in json.loads(printed("json", *shape))}
    as_csv = {
        (r["dense"], r["sparse"]): float(r["reduction"]) for r in csv.DictReader(io.StringIO(printed("csv", *shape)))
    }
    assert as_csv == pytest.approx(as_json)
    assert as_json["fp16", "32/float16"] == pytest.approx(0.625, abs=1e-3)
    text = printed("markdown", *shape)
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    assert "| 792 | 396 | 198 |" in text


def test_impossible_shapes_and_forms():
    with pytest.raises(UserError, match="did you mean 'markdown'"):
        printed("markdwn", 4096, 512, 10, 10)
    with pytest.raises(UserError, match="vocabulary"):
        printed("csv", 4096, 512, 10, 10)


def test_measured_pairs_and_their_cost(run_folder):
    run = load_run(run_folder)
    found = measured(run, "alpha", 0.71)
    assert found.collection == "alpha"
    ((row,),) = [found.rows]
    assert row.system.name == "sparse & co"
    shades = [cell.kind for cell, _ in row.cells]
    assert shades == ["holds", "holds"]
    assert [gap for _, gap in row.cells] == ["nDCG@10 +0.200", "nDCG@10 +0.300"]


def test_a_fusion_is_neither_sparse_nor_dense(run_folder):
    run = load_run(run_folder)
    for system in run.systems:
        if system["name"] == "dense_1":
            system["fused"] = ["sparse & co", "x"]
    ((row,),) = [measured(run, "alpha", 0.71).rows]
    assert len(row.cells) == 1


def test_the_section_is_shown_for_claims_on_memory_alone(run_folder):
    run = load_run(run_folder)
    found = section(run)
    assert found.bound == 0.71
    assert any("measured" in text for _, text in found.terms)
    assert 128 in found.dimensions
    run.facts["claims"] = []
    assert section(run) is None


def test_curve_and_headline_agree_with_the_arithmetic():
    assert "792 against float32, 396 against float16, 198 against int8" in " ".join(memory_claim.limits())
    rows = {row[0]: row[1:] for row in curve(0.71).table().rows}
    assert rows["float32"][-1] == "792"
    (lost,) = [text for text in memory_claim.limits() if "Whatever" in text]
    assert "binary" in lost
    assert "1 byte per 4" not in lost  # 4-bit weights with compressed numbers are smaller


def test_the_bound_is_not_rounded():
    assert "takes exactly 71.5% less" in curve(0.715).caption


def test_the_verdict_agrees_with_the_arithmetic():
    counts = memory_claim.holding(4096, 512, 0.71)
    assert (counts["float32"], counts["float16"], counts["int8"], counts["binary"]) == (12, 7, 2, 0)
    assert memory_claim.on_paper().endswith(
        "it holds against float32 with each of the 12 sparse codecs; against float16 with 7 and int8 with 2 of 12; "
        "against PQ of 1 byte per 4, PQ of 1 byte per 8, PQ of 1 byte per 16 and binary with none."
    )
    assert memory_claim.on_paper(0.999).endswith(" and binary with none.")


def test_the_sentences_compare_with_the_baseline_and_with_the_smallest_index_as_good():
    def one(name, size, ndcg):
        return MeasuredSystem(name, "e", size, f"{size} B", "", ndcg)

    dense = [one("flat", 1000, 0.8), one("coded", 260, 0.795), one("cut", 100, 0.6)]
    sparse = [one("small", 70, 0.65), one("large", 280, 0.7), one("x", 300, 0.9)]
    part = MeasuredPart("c", dense, [MeasuredRow(system, []) for system in sparse])
    first, second = memory_claim.measured(part, ["other", "flat"], 0.71)
    assert first == (
        "Measured on c against flat (1000 B a document, nDCG@10 0.800): 2 of 3 sparse indexes take at least 71% less; "
        "of these, large ranks best, nDCG@10 -0.100."
    )
    assert second == (
        "Against the smallest dense index that ranks as well within 0.01, coded (260 B a document, nDCG@10 0.795): "
        "1 of 3 sparse indexes takes at least 71% less; of these, small ranks best, nDCG@10 -0.145."
    )
    part = replace(part, rows=part.rows[2:])
    assert "none of 1 sparse indexes takes at least 71% less." in memory_claim.measured(part, [], 0.71)[0]
