"""The memory claim on the page and on paper."""

import csv
import io
import json

import pytest

from harness.errors import UserError
from reports.grid import curve, headline, measured, printed, section, shade
from reports.load import load_run


def test_words_of_a_reduction():
    assert shade(0.71, 0.71).kind == "holds"
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
    assert found["collection"] == "alpha"
    ((row,),) = [found["rows"]]
    assert row["system"]["name"] == "sparse & co"
    shades = [cell.kind for cell, _ in row["cells"]]
    assert shades == ["holds", "holds"]
    assert [gap for _, gap in row["cells"]] == ["nDCG@10 +0.200", "nDCG@10 +0.300"]


def test_the_section_is_shown_for_claims_on_memory_alone(run_folder):
    run = load_run(run_folder)
    found = section(run)
    assert found["bound"] == 0.71
    assert any("measured" in text for _, text in found["terms"])
    assert 128 in found["dimensions"]
    run.facts["claims"] = []
    assert section(run) is None


def test_curve_and_headline_agree_with_the_arithmetic():
    assert "792 against float32, 396 against float16, 198 against int8" in " ".join(headline())
    rows = {row[0]: row[1:] for row in curve(0.71).rows}
    assert rows["float32"][-1] == "792"
    (lost,) = [text for text in headline() if "Whatever" in text]
    assert "binary" in lost
    assert "1 byte per 4" not in lost  # 4-bit weights with compressed numbers are smaller
