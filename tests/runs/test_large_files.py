"""The large files of a run, read quickly: the same as line by line, whatever the names are."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.runs import large_files as files
from harness.runs.read import load_run
from reports.sections.stages import LISTED, section

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), min_size=1, max_size=12)
SPECIAL = ['", "metric": "ndcg@10", "value": 1', "}\n{", "\\", '"', "é\u2028", ', "query": ']


def written(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def by_line(rows):
    found = {}
    for row in rows:
        found.setdefault((row["collection"], row["system"], row["metric"]), {})[row["query"]] = row["value"]
    return found


def rows_of(names, queries, metrics=("ndcg@10", "recall@100")):
    systems = [{"collection": "c", "name": name, "status": "ok"} for name in names]
    return systems, [
        {"collection": "c", "system": name, "query": query, "metric": metric, "value": 0.1 * place + 1 / 3}
        for name in names
        for metric in metrics
        for place, query in enumerate(queries)
    ]


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_all_at_once_gives_what_lines_give(tmp_path_factory, names, queries):
    path = tmp_path_factory.mktemp("run") / "per_query.jsonl"
    _, rows = rows_of(names, queries)
    written(path, rows)
    assert files.quality(path) == by_line(rows)


def test_names_that_look_like_the_format(tmp_path):
    _, rows = rows_of(SPECIAL, SPECIAL)
    written(tmp_path / "q", rows)
    assert files.quality(tmp_path / "q") == by_line(rows)


@pytest.mark.parametrize("change", ["order", "spaces", "end"])
def test_other_orders_and_forms_are_read_all_the_same(tmp_path, change):
    _, rows = rows_of(["a", "b"], ["1", "2", "3"])
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if change == "order":
        text = "".join(json.dumps(row) + "\n" for row in rows[::-1])
    elif change == "spaces":
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    else:
        text = text.rstrip("\n")
    (tmp_path / "q").write_text(text)
    assert files.quality(tmp_path / "q") == by_line(rows)


def test_a_damaged_line_is_named(tmp_path):
    _, rows = rows_of(["a", "b"], ["1", "2", "3"])
    lines = [json.dumps(row) for row in rows]
    lines[4] = lines[4][:-9]
    (tmp_path / "q").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError) as caught:
        files.quality(tmp_path / "q")
    assert caught.value.line == 5


def test_explanations_are_found_by_system_and_query(tmp_path):
    systems, _ = rows_of(["a", 'b", "query": "'], [])
    about = [{"collection": "c", "system": system["name"]} for system in systems]
    rows = [{**one, "query": query, "text": f"{query}?", "top": []} for one in about for query in ("1", 'two "2"')]
    written(tmp_path / "e", rows)
    found = files.explained(tmp_path / "e", systems)
    for row in rows:
        assert json.loads(found["c", row["system"]][json.dumps(row["query"])]) == row
    assert [len(one) for one in found.values()] == [2, 2]
    turned = files.explained(tmp_path / "e", systems[::-1])  # in the other order than the systems
    assert {cell: dict(one) for cell, one in turned.items()} == {cell: dict(one) for cell, one in found.items()}
    (tmp_path / "e").write_text("")
    assert files.explained(tmp_path / "e", systems) == {}


def test_a_damaged_explanation_is_named(run_folder):
    path = run_folder / "explain.jsonl"
    path.write_text(path.read_text().replace('"top": [', '"top": ['.rstrip("[")))
    with pytest.raises(UserError, match=r"explain\.jsonl"):
        load_run(run_folder).explain("alpha", "sparse & co", "q9")


def test_many_stages_are_told_by_kind_and_the_bad_and_long_ones_by_name():
    def stage(number, status="ok"):
        return {"kind": "even" if number % 2 == 0 else "odd", "label": f"{number}", "status": status, "reused": False,
                "seconds": float(number), "peak_bytes": number << 20, "reason": ""}  # fmt: skip

    few = section([stage(number) for number in range(LISTED)])
    assert (few.kinds, few.left_out, len(few.listed)) == ([], 0, LISTED)
    many = section([*(stage(number) for number in range(100)), stage(3, "oom")])
    assert many.headline == "101 stages, 1 of them not ok"
    assert [one["label"] for one in many.listed[:3]] == ["3", "99", "98"]
    assert (len(many.listed), many.left_out) == (LISTED, 41)
    assert many.kinds[0] == ("even", "50", "0", "0", "2,450.0", "98.0", "98.00 MiB")


def test_a_file_that_explains_other_systems_explains_none_of_these(tmp_path):
    path = tmp_path / "explain.jsonl"
    path.write_text('{"collection": "c", "system": "other", "query": "q", "text": "t"}\n')
    assert files.explained(path, [{"collection": "c", "name": "mine", "status": "ok"}]) == {}
    assert files.explained(path, []) == {}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=200), st.integers(1, 40))
def test_a_trec_run_is_read_whole_or_refused(tmp_path_factory, text, cut):
    path = tmp_path_factory.mktemp("run") / "000.trec.gz"
    whole = gzip.compress(text.encode())
    path.write_bytes(whole)
    assert files.trec_run(path) == text
    path.write_bytes(whole[: max(len(whole) - cut, 1)])
    with pytest.raises(UserError, match=r"000\.trec\.gz"):
        files.trec_run(path)


def test_every_bit_of_a_trec_run_that_flips_is_noticed_or_harmless(tmp_path):
    """The checksum of gzip covers the text; some bits of its header say nothing about it."""
    path, text = tmp_path / "000.trec.gz", "q1 Q0 d1 1 2.5 tag\n" * 20
    whole = gzip.compress(text.encode())
    for bit in range(0, 8 * len(whole), 5):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert files.trec_run(path) == text
        except UserError as error:
            assert "cannot be read" in str(error)
