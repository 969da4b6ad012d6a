"""Pieces of a comparison of revisions that need no process of a revision."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import write_run

from harness.errors import UserError
from harness.nightly import revisions
from harness.nightly.accepted import read_accepted
from harness.nightly.changes import Change
from harness.nightly.compare_revisions import COLUMNS, _processor, _slices, _write_times
from harness.nightly.compare_runs import SHOWN_QUERIES, exit_code, lines
from harness.nightly.revisions import Side, Timer
from harness.runs.read import load_run

KEY = ("alpha", "s", "index_bytes")


@given(st.integers(0, 99), st.integers(1, 5), st.integers(1, 60), st.integers(1, 30))
def test_every_pass_asks_every_query_once_in_slices(seed, rounds, queries, size):
    asked = [[] for _ in range(rounds)]
    for passed, places in _slices(seed, rounds, queries, size):
        assert 1 <= len(places) <= size
        asked[passed] += places
    assert [sorted(places) for places in asked] == [list(range(queries))] * rounds
    assert list(_slices(seed, rounds, queries, size)) == list(_slices(seed, rounds, queries, size))


def test_passes_and_pairs_have_orders_of_their_own():
    orders = {tuple(places) for seed in (1, 2) for _, places in _slices(seed, 3, 20, 20)}
    assert len(orders) == 6


def test_processor_time_is_the_sum_of_its_parts():
    taken = np.arange(2 * 3 * 5 * 4, dtype=np.float64).reshape(2, 3, 5, 4)
    assert np.array_equal(_processor(taken, "search_cpu"), taken[..., COLUMNS.index("search_cpu")])
    assert np.array_equal(_processor(taken, "total_cpu"), taken[..., 2] + taken[..., 3])


def test_times_in_turns_take_the_place_of_the_untimed_ones(tmp_path):
    folder = tmp_path / "run"
    write_run(folder, latency={"s": np.ones((2, 4, 1)), "t": np.ones((2, 4, 1))})
    taken = np.random.default_rng(1).uniform(1, 2, (3, 5, 4, 4))  # pairs x passes x queries x columns
    _write_times(Side("HEAD", tmp_path, (), folder), {("alpha", "s"): taken})
    latency = load_run(folder).latency
    middle = np.median(taken, axis=1)
    assert latency["alpha", "s"]["encode"].shape == (3, 4, 1)
    assert np.allclose(latency["alpha", "s"]["encode"][:, :, 0], middle[:, :, 0])
    assert np.allclose(latency["alpha", "s"]["search"][:, :, 0], middle[:, :, 1])


def change(word, head=1.0, queries=()):
    return Change(KEY, word, 1.0, head, queries=queries)


WORDS = st.sampled_from(["regressed", "not comparable", "improved", "within noise", "no change"])


@given(st.lists(WORDS, max_size=12), st.booleans())
@settings(max_examples=60)
def test_the_worst_comes_first_and_all_are_counted(words, everything):
    *sentences, counts = lines([change(word) for word in words], all_metrics=everything)
    quiet = {"no change", "within noise"}
    assert len(sentences) == sum(everything or word not in quiet for word in words)
    order = ["regressed", "not comparable", "improved", "within noise", "no change"]
    places = [next(place for place, word in enumerate(order) if f": {word}" in sentence) for sentence in sentences]
    assert places == sorted(places)
    assert counts == (", ".join(f"{words.count(w)} {w}" for w in order if w in words) or "nothing to compare")
    expected = 1 if "regressed" in words else 2 if "not comparable" in words or not words else 0
    assert exit_code([change(word) for word in words]) == expected


def test_queries_that_moved_are_shown_though_the_mean_is_the_same():
    queries = tuple((f"q{i}", 0.5, 0.4) for i in range(SHOWN_QUERIES + 2))
    text = lines([change("no change", queries=queries)])
    assert text[1 : SHOWN_QUERIES + 1] == [f"  q{i}: 0.5000 to 0.4000" for i in range(SHOWN_QUERIES)]
    assert text[SHOWN_QUERIES + 1] == "  and 2 more"


def fails(text):
    return [sys.executable, "-c", f"import sys; sys.stderr.write({text!r}); sys.exit(1)"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("WARNING: a\nERROR: no such version\nWARNING: b\n", "no x: ERROR: no such version"),
        ("ERROR: first\nERROR: No matching distribution\n", "no x: ERROR: No matching distribution"),
        ("Traceback\nno network\n", "no x: Traceback\nno network"),
    ],
)
def test_of_a_failed_installation_the_error_is_shown(text, shown):
    with pytest.raises(UserError) as caught:
        revisions._call(fails(text), "no x")
    assert caught.value.what == shown


@pytest.mark.parametrize("text", ["", "what went wrong"])
def test_a_timer_that_ends_says_why(tmp_path, monkeypatch, text):
    """The interpreter of a side is replaced by one that ends at once."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit 3\n")
    python.chmod(0o755)
    order = {"spec": "", "overrides": [], "system": "s", "collection": "", "model": "", "index": ""}
    timer = Timer(Side("HEAD~1", python, (), tmp_path), order, 1)
    with pytest.raises(UserError, match=rf"HEAD~1 could not be timed: {text}"):
        timer.ready()
    timer.close()


def test_a_timer_gets_lines_and_answers_rows(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\nimport json, sys\nprint(json.dumps({{'queries': 3, 'nanoseconds': 7}}), flush=True)\n"
        "for line in sys.stdin:\n    print(json.dumps([[n, n, n, n] for n in json.loads(line)]), flush=True)\n"
    )
    python.chmod(0o755)
    order = {"spec": "", "overrides": [], "system": "s", "collection": "", "model": "", "index": ""}
    timer = Timer(Side("HEAD", python, (), tmp_path), order, 1)
    try:
        assert timer.ready() == (3, 7)
        assert timer.time([2, 0]) == [[2, 2, 2, 2], [0, 0, 0, 0]]
    finally:
        timer.close()
    assert timer.process.returncode is not None


def test_a_list_of_accepted_regressions_says_of_itself_what_is_wrong(tmp_path):
    file = tmp_path / "accepted.toml"
    assert read_accepted(file) == ()
    for content, words in ((b"\xff", "the list of accepted regressions is not UTF-8"), (b"[", "not TOML")):
        file.write_bytes(content)
        with pytest.raises(UserError, match=words) as caught:
            read_accepted(file)
        assert caught.value.file == file
    file.write_text(json.dumps("x") + " = 1\n")
    with pytest.raises(UserError, match="only") as caught:
        read_accepted(file)
    assert caught.value.key == "x"
