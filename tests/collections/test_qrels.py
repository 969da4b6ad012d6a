"""Judgements of a BEIR folder: every form that a line may have, against other readers, and what is refused."""

import json

import ir_measures
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.collections.beir import Beir, BeirParams
from harness.errors import UserError
from harness.measure.quality import evaluate

HEADER = "query-id\tcorpus-id\tscore\n"


def write(folder, qrels, documents=("d1", "d2", "d3"), queries=("q1", "q2")):
    """A folder with these identifiers and this file of judgements."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, ids in (("corpus", documents), ("queries", queries)):
        lines = [json.dumps({"_id": each, "text": f"text of {number}"}) for number, each in enumerate(ids)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "qrels/test.tsv").write_bytes(qrels.encode() if isinstance(qrels, str) else qrels)
    return Beir(BeirParams(path=str(folder)))


def judged(collection):
    return [tuple(judgement) for judgement in collection.judgements()]


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        *(("1", 1), ("0", 0), ("-2", -2), ("+1", 1), ("007", 7), ("1.0", 1), ("2.000", 2), ("-1.0", -1)),
        *((" 1", 1), ("1 ", 1), ("2147483647", 2**31 - 1), ("-2147483648", -(2**31))),
    ],
)
@pytest.mark.parametrize("header", ["", HEADER], ids=["bare", "header"])
def test_a_grade_is_a_whole_number_however_it_is_written(tmp_path, header, text, grade):
    """Also in the first line, which is no header because it has a number."""
    assert judged(write(tmp_path, f"{header}q1\td1\t{text}\nq2\td2\t1\n")) == [("q1", "d1", grade), ("q2", "d2", 1)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0.5",
            "1.5",
            ".5",
            "1.",
            "--1",
            "+-1",
            "1e1",
            "1_000",
            "0x1",
            "½",
            "²",
            "１",
            "٣",
            "99999999999",
            "2147483648",
        ),
        *("-2147483649", "", " ", "?", "1 2"),
    ],
)
@pytest.mark.parametrize("header", ["", HEADER], ids=["bare", "header"])
def test_what_is_no_whole_number_is_refused_with_its_line(tmp_path, header, text):
    with pytest.raises(UserError, match="not a judgement") as caught:
        judged(write(tmp_path, f"{header}q1\td1\t{text}\nq2\td2\t1\n"))
    assert caught.value.file == tmp_path / "qrels/test.tsv"
    assert caught.value.line == (2 if header else 1)
    assert "whole number" in caught.value.remedy


@pytest.mark.parametrize("word", ["score", "relevance", "nan", "true"])
def test_a_word_for_a_grade_is_a_header_in_the_first_line_and_a_fault_below(tmp_path, word):
    assert judged(write(tmp_path, f"query-id\tcorpus-id\t{word}\nq1\td1\t1\n")) == [("q1", "d1", 1)]
    with pytest.raises(UserError, match=r"test\.tsv:2: not a judgement"):
        judged(write(tmp_path, f"{HEADER}q1\td1\t{word}\nq1\td2\t1\n"))


@pytest.mark.parametrize(
    "line",
    [
        "q1\td1\t1",
        "q1\t0\td1\t1",
        "q1\tQ0\td1\t1",
        "q1 0 d1 1",
        "q1  0   d1 1",
        " q1 0 d1 1 ",
        "q1 d1 1",
        "q1\td1\t1\r",
    ],
)
@pytest.mark.parametrize("header", ["", HEADER], ids=["bare", "header"])
def test_three_columns_and_four_between_tabs_or_spaces(tmp_path, header, line):
    assert judged(write(tmp_path, f"{header}{line}\n")) == [("q1", "d1", 1)]


@pytest.mark.parametrize(
    "line", ["q1", "q1\td1", "q1\td1\t1\t1\t1", "\td1\t1", "q1\t\t1", "q1\t0\t\t1", "\t\t1", "q1 d1", "q1,d1,1"]
)
def test_a_line_with_other_fields_is_refused(tmp_path, line):
    with pytest.raises(UserError, match=r"test\.tsv:2: not a judgement"):
        judged(write(tmp_path, f"{HEADER}{line}\nq1\td1\t1\n"))


@pytest.mark.parametrize("text", ["", "\n\n", HEADER, "\ufeff" + HEADER, HEADER + "\r\n \n"])
def test_a_file_without_judgements_is_refused(tmp_path, text):
    with pytest.raises(UserError, match="there are no judgements"):
        judged(write(tmp_path, text))


def test_a_pair_judged_twice_alike_counts_once_and_is_told_of_once(tmp_path):
    collection = write(tmp_path, HEADER + "q1\td1\t1\nq1\td2\t1\nq1\td1\t1\nq1\t0\td1\t1.0\n")
    for _ in range(2):
        assert judged(collection) == [("q1", "d1", 1), ("q1", "d2", 1)]
    (warning,) = collection.warnings()
    assert "2 judgements are there twice, the first is line 4" in warning


def test_a_pair_judged_twice_differently_is_refused_with_both_lines(tmp_path):
    collection = write(tmp_path, HEADER + "q1\td1\t1\nq2\td1\t0\nq1\td1\t0\n")
    with pytest.raises(UserError, match="judged twice: 1 in line 2, 0 here") as caught:
        judged(collection)
    assert caught.value.line == 4
    assert "'q1'" in str(caught.value)
    assert "'d1'" in str(caught.value)


def test_pairs_whose_names_run_together_alike_are_different(tmp_path):
    collection = write(tmp_path, "a\tb c\t1\na b\tc\t0\n", documents=("b c", "c"), queries=("a", "a b"))
    assert judged(collection) == [("a", "b c", 1), ("a b", "c", 0)]


def test_the_unknown_are_left_out_before_they_can_contradict_each_other(tmp_path):
    collection = write(tmp_path, HEADER + "q1\tgone\t1\nq1\tgone\t0\nq9\td1\t1\nq9\td1\t2\nq1\td1\t1\n")
    assert judged(collection) == [("q1", "d1", 1)]
    assert [text.partition(": ")[2] for text in collection.warnings()] == [
        "2 judgements name an unknown document, the first is line 2",
        "2 judgements name an unknown query, the first is line 4",
    ]


@pytest.mark.parametrize("separator", ["\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\u00a0", ","])
def test_only_a_line_feed_ends_a_line_and_only_a_tab_or_a_space_a_field(tmp_path, separator):
    query, document = f"q{separator}1", f"doc{separator}one"
    for line in (f"{query}\t{document}\t1", f"{query} 0 {document} 1"):
        collection = write(tmp_path, line + "\n", documents=(document, "d2"), queries=(query,))
        assert judged(collection) == [(query, document, 1)]
        assert [found.id for found in collection.documents()] == [document, "d2"]
        assert [found.id for found in collection.queries()] == [query]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r", exclude_categories=("Cs",)), min_size=1)
WORDS = st.text("abcdefgh0123456789-_.", min_size=1, max_size=8)


def rows(names):
    pairs = st.lists(st.tuples(names, names), min_size=1, max_size=12, unique=True)
    return pairs.flatmap(
        lambda pairs: st.lists(st.integers(-2, 3), min_size=len(pairs), max_size=len(pairs)).map(
            lambda grades: [(query, document, grade) for (query, document), grade in zip(pairs, grades, strict=True)]
        )
    )


def folder_for(factory, rows, text):
    documents = dict.fromkeys(document for _, document, _ in rows)
    queries = dict.fromkeys(query for query, _, _ in rows)
    return write(factory.mktemp("qrels"), text, documents=documents, queries=queries)


@settings(max_examples=60, deadline=None)
@given(rows=rows(NAMES), header=st.booleans())
def test_what_is_written_between_tabs_is_read(tmp_path_factory, rows, header):
    """Any identifier, whatever it holds besides tabs and ends of lines; leading and trailing blanks are its own."""
    text = "".join(f"{query}\t{document}\t{grade}\n" for query, document, grade in rows)
    assert judged(folder_for(tmp_path_factory, rows, HEADER * header + text)) == rows


@settings(max_examples=60, deadline=None)
@given(rows=rows(WORDS), blanks=st.sampled_from([" ", "  ", "\t"]))
def test_trec_judgements_are_those_that_ir_measures_reads(tmp_path_factory, rows, blanks):
    text = "".join(blanks.join([query, "0", document, str(grade)]) + "\n" for query, document, grade in rows)
    theirs = [(each.query_id, each.doc_id, each.relevance) for each in ir_measures.read_trec_qrels(text)]
    assert judged(folder_for(tmp_path_factory, rows, text)) == theirs == rows


@settings(max_examples=40, deadline=None)
@given(rows=rows(WORDS), seed=st.randoms(use_true_random=False))
def test_quality_from_our_judgements_is_quality_from_theirs(tmp_path_factory, rows, seed):
    """Negative grades and zeros included: the same measures of the same run from both readings of one file."""
    assume(any(grade > 0 for _, _, grade in rows))
    text = "".join(f"{query} 0 {document} {grade}\n" for query, document, grade in rows)
    ours = {}
    for query, document, grade in judged(folder_for(tmp_path_factory, rows, text)):
        ours.setdefault(query, {})[document] = grade
    documents = sorted({document for _, document, _ in rows})
    run = {query: {document: seed.random() for document in documents} for query in ours}
    theirs = list(ir_measures.read_trec_qrels(text))
    relevant = {each.query_id for each in theirs if each.relevance > 0}
    # pytrec_eval writes outside of its memory where every grade of a query is negative; `evaluate` leaves those out.
    theirs = [each for each in theirs if each.query_id in relevant]
    for name, measure in (("ndcg@10", ir_measures.nDCG @ 10), ("recall@10", ir_measures.R @ 10)):
        expected = {value.query_id: value.value for value in ir_measures.iter_calc([measure], theirs, run)}
        values = evaluate(ours, run, [name])[name]
        assert values == pytest.approx({query: expected[query] for query in values})
        assert values.keys() == relevant
