"""The analytic figures in docs/claims.md are those that the program computes."""

import re
from pathlib import Path

import pytest

from harness.claims import memory
from harness.claims.readings import DIMENSIONS, TERMS_KEPT, readings

TEXT = (Path(__file__).parents[2] / "docs" / "claims.md").read_text(encoding="utf-8")
BOUND = 0.71


def rows_below(heading):
    """Cells of the first table below a heading, without its head."""
    table = re.search(r"\n(\|.*?)\n\n", TEXT[TEXT.index(heading) :], re.S)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def agrees(cell, reduction):
    """Whether "62 % less", "1.5× larger" or "as large" is this reduction, rounded as it is written."""
    if cell.endswith("as large"):
        return -0.05 <= reduction < 0.005
    number = float(re.search(r"[\d.]+", cell)[0])
    return round(100 * reduction) == number if "less" in cell else round(1 - reduction, 1) == number


NAMES = {
    "32-bit numbers, 32-bit weights": "32/float32",
    "32-bit numbers, 16-bit weights": "32/float16",
    "16-bit numbers in segments, 8-bit weights": "16/8-bit",
    "ideally compressed numbers, 8-bit weights": "compressed/8-bit",
}


def test_every_cell_of_the_first_table_is_what_the_formula_gives():
    rows = rows_below("## In ten seconds")
    assert [row[0] for row in rows] == list(NAMES)
    for name, *cells in rows:
        for dense, cell in zip(("fp32", "fp16", "int8", "pq8", "binary"), cells, strict=True):
            reduction = memory.cell(dense, NAMES[name], DIMENSIONS, TERMS_KEPT).reduction
            assert agrees(cell, reduction), (name, dense, cell, reduction)
            assert ("✓" in cell) == (reduction >= BOUND)
            assert ("✗" in cell) == (reduction < -0.005)


def test_every_reading_is_what_its_figures_give():
    rows = rows_below("## Readings of the claim")
    assert len(rows) == len(readings())
    for row, reading in zip(rows, readings(), strict=True):
        for dense, cell in zip(("fp32", "fp16", "int8"), row[3:], strict=True):
            low, high = reading.reductions(dense)
            ends = cell.split(" to ")
            if len(ends) == 1:
                assert agrees(cell, high), (row[0], dense)
            elif "less" in ends[0]:  # "31 % less to as large"
                assert agrees(ends[0], high), (row[0], dense)
                assert agrees(ends[1], low), (row[0], dense)
            else:
                assert agrees(f"{ends[0]}× larger", high), (row[0], dense)
                assert agrees(ends[1], low), (row[0], dense)


def holding(dense):
    return {name for name in memory.SPARSE if memory.cell(dense, name, DIMENSIONS, TERMS_KEPT).reduction >= BOUND}


def test_the_sentences_below_the_first_table_name_the_codecs_with_which_the_claim_holds():
    assert holding("fp32") == set(memory.SPARSE)
    small = {f"{number}/{weight}" for number in ("16", "compressed") for weight in ("float16", "8-bit", "4-bit")}
    assert holding("fp16") == {"32/4-bit", *small}
    assert holding("int8") == {"compressed/8-bit", "compressed/4-bit"}
    smaller = {
        (dense, sparse)
        for dense in ("pq4", "pq8", "pq16", "binary")
        for sparse in memory.SPARSE
        if memory.cell(dense, sparse, DIMENSIONS, TERMS_KEPT).reduction > 0
    }
    assert smaller == {("pq4", "compressed/4-bit")}
    assert round(100 * memory.cell("pq4", "compressed/4-bit", DIMENSIONS, TERMS_KEPT).reduction) == 16


@pytest.mark.parametrize(("dense", "terms"), [("fp32", 792), ("fp16", 396), ("int8", 198)])
def test_the_numbers_of_terms_for_exactly_71_per_cent(dense, terms):
    assert f"{terms}" in TEXT
    assert round(memory.terms_for(BOUND, dense, memory.AS_PUBLISHED, DIMENSIONS)) == terms
